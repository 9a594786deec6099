"""What is left half done: a transition without a coordinator, a write without an answer, a write nobody waits for."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from mystira.polyglot.catalog import Catalog
from mystira.polyglot.control import State, first_control
from mystira.polyglot.phases import Phase
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Held, Key, OutcomeUnknown, Unavailable
from tests.contracts.sample import record_of
from tests.polyglot.counting import COLLECTIONS, COUNTERS, LEDGERS, Counter, Ledger, Rig, raise_counter

pytestmark = pytest.mark.anyio


async def drained(rig: Rig, deadline_passed: bool) -> Any:
    """Leave a collection that PostgreSQL leads in the state in which a dead coordinator left it."""
    r = Replication(Catalog(COLLECTIONS), rig.sqlite, rig.postgres, clock=lambda: rig.now)
    row = await r.journal.declare(first_control(LEDGERS))
    deadline = rig.now if deadline_passed else rig.now.replace(year=rig.now.year + 1)
    draining = row.evolve(n=row.n + 1, state=State.DRAIN, target=Phase.DUAL_WRITE_POSTGRES_READ, deadline=deadline)
    await r.journal.change(row, draining, r.noted("drain", row, draining, "test", "the coordinator dies now"))
    return r


async def test_a_writer_ends_a_drain_that_nobody_finished_where_postgres_leads(rig: Rig) -> None:
    r = await drained(rig, deadline_passed=True)
    assert await rig.works.run(raise_counter, kind=Ledger, id="c", by=1) == 1
    row = await r.row(LEDGERS)
    assert (row.state, row.n, row.phase) == (State.OPEN, 3, Phase.POSTGRES_ONLY)
    assert [change.verb for change in await r.journal.history(LEDGERS.name)] == ["abort", "drain"]


async def test_a_writer_leaves_a_drain_alone_before_its_deadline(rig: Rig) -> None:
    r = await drained(rig, deadline_passed=False)
    with pytest.raises(Held):
        await rig.works.run(raise_counter, kind=Ledger, id="c", by=1)
    assert (await r.row(LEDGERS)).state is State.DRAIN


class LosesAnAnswer:
    """PostgreSQL whose next write commits without an answer; then something happens, and it may be away."""

    def __init__(self, rig: Rig) -> None:
        self._store, self.journal = rig.postgres, self
        self.works = rig.works_on(self)
        self.is_away = False
        self.then: Callable[[], Awaitable[Any]]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store if name in ("read", "search", "count") else self._store.journal, name)

    async def write(self, *args: Any) -> None:
        await self._store.journal.write(*args)
        await self.then()
        # The lease ends while the write is on its way, so what follows has to ask who leads.
        self.works.leadership.forget(LEDGERS)
        raise OutcomeUnknown("the answer was lost")

    async def declare(self, control: Any) -> Any:
        if self.is_away:
            raise Unavailable("gone")
        return await self._store.journal.declare(control)

    async def control(self, name: str) -> Any:
        if self.is_away:
            raise Unavailable("gone")
        return await self._store.journal.control(name)


async def test_a_lost_answer_is_not_told_as_nothing_written_when_the_store_then_goes_away(rig: Rig) -> None:
    losing = LosesAnAnswer(rig)

    async def go_away() -> None:
        losing.is_away = True

    losing.then = go_away
    with pytest.raises(OutcomeUnknown):
        await losing.works.run(raise_counter, kind=Ledger, id="c", by=1)
    assert await rig.value(Ledger) == 1


async def test_a_lost_answer_is_not_told_as_nothing_written_when_the_collection_is_then_held(rig: Rig) -> None:
    losing = LosesAnAnswer(rig)
    losing.then = lambda: drained(rig, deadline_passed=False)
    with pytest.raises(OutcomeUnknown):
        await losing.works.run(raise_counter, kind=Ledger, id="c", by=1)
    assert (await rig.postgres.read(LEDGERS, Key("c", "c"))) is not None


async def test_a_lost_answer_is_not_told_as_nothing_written_when_the_next_leader_is_held(rig: Rig) -> None:
    losing = LosesAnAnswer(rig)

    async def flip_and_hold() -> None:
        r = await drained(rig, deadline_passed=False)
        row = await r.row(LEDGERS)
        flipped = row.opened(row.n + 1, phase=Phase.POSTGRES_ONLY, epoch=row.epoch + 1)
        await r.journal.change(row, flipped, r.noted("flip", row, flipped, "test", "on purpose"))

    async def hold_the_second(work: Any) -> int:
        if work.op in tried:
            await drained(rig, deadline_passed=False)
            losing.works.leadership.forget(LEDGERS)
        tried.add(work.op)
        return await raise_counter(work, kind=Ledger, id="c", by=1)

    tried: set[str] = set()
    losing.then = flip_and_hold
    with pytest.raises(OutcomeUnknown):
        await losing.works.run(hold_the_second)
    assert (await rig.postgres.read(LEDGERS, Key("c", "c"))) is not None


async def test_a_write_that_nobody_waits_for_any_more_is_not_begun(rig: Rig, tmp_path: Path) -> None:
    rival = apsw.Connection(str(tmp_path / "documents.sqlite"))
    rival.execute("BEGIN IMMEDIATE")
    late = record_of(Counter(id="late"), collection=COUNTERS)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await rig.sqlite.write(COUNTERS, late, None)
    rival.execute("ROLLBACK")
    await rig.sqlite.write(COUNTERS, record_of(Counter(id="next"), collection=COUNTERS), None)
    assert await rig.sqlite.read(COUNTERS, late.key) is None
    rival.close()
