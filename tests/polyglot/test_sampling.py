"""What a process measures of its stores, and what the worker samples: real stores, real moves, real numbers."""

from datetime import timedelta
from typing import Any

import pytest

from mystira.polyglot import measures
from mystira.polyglot.loops import Wake, keep_doing
from mystira.polyglot.measures import Gauge
from mystira.polyglot.sampling import Sampler, tell_shadows
from mystira.polyglot.shadow import shadow
from mystira.polyglot.store import Conflict, Key, StoreError, Unavailable
from mystira.polyglot.timing import measure
from mystira.polyglot.verify import verify
from tests.polyglot.counting import COUNTERS, SEATS, Counter, Rig, raise_counter
from tests.polyglot.moving import DUAL, REVERSED, SOMEBODY, Process, real_clock
from tests.polyglot.test_deadletters import sit

pytestmark = pytest.mark.anyio

NAME = COUNTERS.name


@pytest.fixture(autouse=True)
def anew() -> None:
    for one in measures.ALL:
        for numbers in (one.buckets, one.sums) if isinstance(one, measures.Spread) else (one.values,):
            numbers.clear()


async def raised(process: Process, number: int) -> None:
    for at in range(number):
        await process.works.run(raise_counter, kind=Counter, id=f"c{at}", by=1)


def value(gauge: Gauge, *labels: str) -> float | None:
    return gauge.values.get(labels)


@pytest.fixture
async def a(rig: Rig) -> Process:
    process = Process(rig, "a")
    await raised(process, 3)
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL)
    await process.settle()
    return process


def at_time(process: Process, seconds: float) -> Any:
    return process.r._replace(clock=lambda: real_clock() + timedelta(seconds=seconds))


async def test_a_follower_that_stands_still_falls_behind_from_then_on(a: Process) -> None:
    now_s = 0.0
    sampler = Sampler(a.r._replace(clock=lambda: real_clock() + timedelta(seconds=now_s)))
    # It was idle for an hour: that is no lag.
    now_s = 3_600.0
    await sampler.step()
    assert (value(measures.LAG, NAME), value(measures.PENDING, NAME)) == (0, 0)
    await raised(a, 2)
    now_s = 3_610.0
    await sampler.step()
    assert value(measures.PENDING, NAME) == 2
    assert 10 <= (value(measures.LAG, NAME) or 0) < 15
    now_s = 3_700.0
    await sampler.step()
    assert 100 <= (value(measures.LAG, NAME) or 0) < 105
    await a.settle()
    await sampler.step()
    assert (value(measures.LAG, NAME), value(measures.PENDING, NAME)) == (0, 0)


async def test_where_postgres_leads_the_oldest_task_of_the_relay_tells_the_lag(a: Process) -> None:
    await a.move(COUNTERS, REVERSED)
    await raised(a, 2)
    await Sampler(at_time(a, 40)).step()
    assert value(measures.PENDING, NAME) == 2
    assert 40 <= (value(measures.LAG, NAME) or 0) < 50
    assert value(measures.PHASE, NAME, REVERSED, "relational") == 1
    assert value(measures.PHASE, NAME, DUAL, "documents") == 0
    assert (value(measures.HOLD, NAME) or -1) >= 0


async def test_letters_outbox_positions_and_verification_are_sampled(rig: Rig, a: Process) -> None:
    await sit(a, a="1")
    await a.fill(SEATS)
    await a.move(SEATS, DUAL)
    await sit(a, b="1")
    while await a.follower.step():
        continue
    await verify(a.r, COUNTERS, **SOMEBODY)
    await Sampler(at_time(a, 5)).step()
    assert value(measures.RETRIES, SEATS.name) == 1
    (letter,) = await rig.postgres.journal.letters(_any_letter())
    await rig.postgres.journal.letter_put(_parked(letter))
    await Sampler(at_time(a, 5)).step()
    assert value(measures.RETRIES, SEATS.name) == 0
    assert value(measures.DEAD_LETTERS, SEATS.name, "merge") == 1
    assert value(measures.MISMATCHES, NAME, "missing") == 0
    assert 5 <= (value(measures.VERIFIED, NAME) or 0) < 20
    assert any(labels[0] == NAME and position > 0 for labels, position in measures.FEED_POSITION.values.items())
    assert measures.FEED_MOVED.values.keys() == measures.FEED_POSITION.values.keys()
    assert value(measures.OUTBOX, "parked") == 0
    assert (value(measures.STORE_UP, "documents"), value(measures.STORE_UP, "relational")) == (1, 1)
    assert value(measures.SAMPLED) == pytest.approx((real_clock() + timedelta(seconds=5)).timestamp(), abs=10)


def _any_letter() -> Any:
    from mystira.polyglot.journal import LetterFilter

    return LetterFilter()


def _parked(letter: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(letter, next_try_at=None)


async def test_a_store_that_is_away_is_told_and_the_other_is_still_looked_at(
    a: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away() -> None:
        raise Unavailable("gone")

    monkeypatch.setattr(a.r.documents, "ping", away)
    await Sampler(a.r).step()
    assert (value(measures.STORE_UP, "documents"), value(measures.STORE_UP, "relational")) == (0, 1)
    assert value(measures.OUTBOX, "waiting") is not None
    assert value(measures.LAG, NAME) is None


async def test_shadow_reads_are_shown_by_shape(a: Process) -> None:
    await shadow(a.r, COUNTERS, 1.0, **SOMEBODY)
    a.leadership.forget(COUNTERS)
    await a.works.open().get(Counter, "c0")
    await a.works.shadows.settled()
    tell_shadows(a.works.shadows)
    assert value(measures.SHADOW_COMPARED, NAME, "by key") == 1
    assert value(measures.SHADOW_MISMATCHES, NAME, "by key") == 0


async def test_calls_are_measured_with_their_outcome_and_units_go_to_the_call_that_cost_them(rig: Rig) -> None:
    measure(rig.sqlite, "documents")
    measure(rig.postgres, "relational")
    process = Process(rig, "a")
    before = dict(rig.sqlite.charged)
    await raised(process, 2)
    record = await rig.documents.read(COUNTERS, Key("c0", "c0"))
    assert record is not None
    with pytest.raises(Conflict):
        await rig.documents.write(COUNTERS, record, None)
    calls = {labels: sum(counts) for labels, counts in measures.STORE_CALLS.buckets.items()}
    assert calls["documents", "write", "conflict"] == 1
    assert calls["documents", "write", "ok"] >= 2
    units = {operation: units for (of, operation), units in measures.REQUEST_UNITS.values.items() if of == NAME}
    assert units["write"] > units["read"] > 0
    assert sum(units.values()) == pytest.approx(rig.sqlite.charged[NAME] - before.get(NAME, 0.0))
    assert measures.COLLECTION_CALLS.values["documents", NAME, "write"] == calls["documents", "write", "conflict"] + 2
    assert measures.COLLECTION_SECONDS.values["documents", NAME, "write"] > 0
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL)
    await process.settle()
    assert measures.MERGES.values[NAME, "applied"] == 2
    assert measures.FEED_CHANGES.values[NAME, "follow"] >= 2
    assert measures.EVENTS.values[("delivered",)] == 2
    assert measures.PUBLISH_LAG.sums[()] > 0


async def test_a_loop_that_fails_is_counted() -> None:
    import asyncio

    async def fails() -> int:
        raise StoreError("no")

    loop = asyncio.create_task(keep_doing("example", fails, Wake(), idle_s=0.001))
    while measures.LOOP_FAILURES.values[("example",)] < 2:
        await asyncio.sleep(0.001)
    loop.cancel()
