"""The nine ways in which writing to two stores loses data, each shown not to happen here, on both document stores."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from itertools import permutations
from typing import Any

import msgspec
import pytest

from mystira.polyglot import backfill
from mystira.polyglot.commit import SECOND_WRITES_MAX, Sender
from mystira.polyglot.journal import LetterFilter, LetterKind
from mystira.polyglot.positions import Move, Stream
from mystira.polyglot.store import Key, Record, StoreError
from tests.polyglot.counting import COUNTERS, SEATS, Counter, Rig, raise_counter
from tests.polyglot.moving import (
    DUAL,
    QUICK,
    REVERSED,
    Process,
    assert_equal,
    documents_of,
    real_clock,
    rows_of,
    tended,
)
from tests.polyglot.test_deadletters import leave, places, sit

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("rig", ["sqlite", "cosmos"], indirect=True)]
C = Key("c", "c")


class Died(BaseException):
    """The process is gone; nothing in it may handle this."""


async def raised(process: Process, id: str = "c") -> None:
    await process.works.run(raise_counter, kind=Counter, id=id, by=1)


async def remove(work: Any, *, id: str) -> None:
    work.remove(await work.get(Counter, id))


async def document(rig: Rig, key: Key = C) -> Record:
    found = await rig.sqlite.read(COUNTERS, key)
    assert found is not None
    return found


async def value_of_row(rig: Rig, id: str = "c") -> int | None:
    row = (await rows_of(rig, COUNTERS)).get(id)
    return row.entity.value if row is not None and isinstance(row.entity, Counter) else None


@pytest.fixture
async def a(rig: Rig) -> Process:
    """Counters written to both stores, documents leading; one stands at 1."""
    process = Process(rig, "a")
    await raised(process)
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL)
    await process.settle()
    process.leadership.forget(COUNTERS)
    return process


@pytest.fixture(params=["documents lead", "postgres leads"])
async def either(request: pytest.FixtureRequest, a: Process) -> Process:
    if request.param == "postgres leads":
        await a.move(COUNTERS, REVERSED)
    return a


async def test_1_a_crash_between_the_two_writes_loses_neither(
    rig: Rig, a: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def die(*_: Any) -> None:
        raise Died

    with monkeypatch.context() as patch, pytest.raises(Died):
        patch.setattr(Sender, "follow_up", die)
        await raised(a)
    assert (await document(rig)).entity == Counter(id="c", value=2)
    assert await value_of_row(rig) == 1
    await Process(rig, "a").settle()
    await assert_equal(rig, COUNTERS)
    assert (await rig.tally()).total == 2


async def test_2_what_failed_is_not_remembered_only_in_the_store_that_failed(rig: Rig, a: Process) -> None:
    rig.relational.down()
    for _ in range(3):
        await raised(a)
    await a.works.close()
    rig.relational.down(False)
    assert await rig.postgres.journal.letters(LetterFilter()) == []
    await Process(rig, "a").settle()
    assert await value_of_row(rig) == 4
    assert (await rig.tally()).total == 4


async def test_2_the_same_where_documents_are_the_store_that_failed(rig: Rig, a: Process) -> None:
    await a.move(COUNTERS, REVERSED)
    rig.documents.down()
    for _ in range(3):
        await raised(a)
    rig.documents.down(False)
    await a.settle()
    assert (await document(rig)).entity == Counter(id="c", value=4)


async def test_3_of_many_at_once_none_is_only_logged(rig: Rig) -> None:
    # So many at once are in each other's way: each must be given its time, however busy the machine is.
    process = Process(rig, "a", tempo=msgspec.structs.replace(QUICK, hold_s=30.0))
    await sit(process, a="taken")
    await process.fill(SEATS)
    await process.move(SEATS, DUAL)
    process.leadership.forget(SEATS)
    many = 2 * SECOND_WRITES_MAX
    wanted = {f"s{at}": "taken" if at % 40 == 7 else str(at) for at in range(many)}
    await asyncio.gather(*(sit(process, **{id: place}) for id, place in wanted.items()))
    await process.works.close()
    while await process.follower.step():
        continue
    parked = {letter.key.id: letter.payload["place"] for letter in await rig.postgres.journal.letters(LetterFilter())}
    assert set(parked.values()) == {"taken"} and len(parked) == 4
    assert await places(rig) | parked == wanted | {"a": "taken"}


async def test_4_two_updates_in_any_order_end_with_the_newer(rig: Rig, a: Process) -> None:
    rig.relational.down()
    versions: list[Record] = []
    for _ in range(4):
        await raised(a)
        versions.append(await document(rig))
    rig.relational.down(False)
    for order in permutations(versions):
        async with rig.postgres.connection(writes=True) as connection:
            await connection.execute("DELETE FROM counters")
        for version in order:
            await rig.postgres.journal.merge(COUNTERS, [version], real_clock(), inline=True)
        assert await value_of_row(rig) == 5


async def test_4_the_relay_never_puts_an_older_row_over_a_newer_one(rig: Rig, a: Process) -> None:
    await a.move(COUNTERS, REVERSED)
    relays = [Process(rig, f"relay {at}").relay for at in range(3)]
    for _ in range(5):
        await asyncio.gather(*(raised(a) for _ in range(3)), *(relay.step() for relay in relays))
    await asyncio.sleep(0.3)
    await a.settle()
    assert (await document(rig)).entity == Counter(id="c", value=16)
    await assert_equal(rig, COUNTERS)


async def test_5_a_backfill_cannot_put_an_older_image_over_a_newer_one(
    rig: Rig, a: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed: Callable[..., Awaitable[Any]] = rig.sqlite.feed
    overtaken = 0

    async def overtaken_feed(*args: Any) -> Any:
        nonlocal overtaken
        page = await feed(*args)
        if page.items:
            overtaken += 1
            await raised(a)
        return page

    async with rig.postgres.connection(writes=True) as connection:
        await connection.execute("UPDATE polyglot.control SET complete = false")
    await rig.postgres.journal.backfill_put(backfill.Backfill(collection=COUNTERS.name))
    await rig.postgres.journal.forget_positions(COUNTERS.name, Stream.BACKFILL)
    monkeypatch.setattr(rig.sqlite, "feed", overtaken_feed)
    for _ in range(3):
        await a.backfiller.step()
        assert await value_of_row(rig) == 1 + overtaken
    assert overtaken >= 2


async def test_6_a_delete_is_not_undone_by_an_older_image(rig: Rig, a: Process) -> None:
    alive = await document(rig)
    await a.works.run(remove, id="c")
    await a.settle()
    for stream in (Stream.FOLLOW, Stream.BACKFILL):
        stale = Move(stream, "late", "", "1")
        await rig.postgres.journal.merge(COUNTERS, [alive], real_clock(), stale)
    await rig.postgres.journal.merge(COUNTERS, [alive], real_clock(), inline=True)
    assert await value_of_row(rig) is None
    assert await a.works.open().get(Counter, "c") is None
    await assert_equal(rig, COUNTERS)


async def test_6_a_delete_stays_one_through_every_phase_and_a_new_life_is_newer(rig: Rig, a: Process) -> None:
    alive = await document(rig)
    await a.works.run(remove, id="c")
    await a.move(COUNTERS, REVERSED)
    await rig.postgres.journal.merge(COUNTERS, [alive], real_clock())
    assert await a.works.open().get(Counter, "c") is None
    assert (await document(rig)).deleted
    await raised(a)
    await a.settle()
    assert (await document(rig)).stamp > alive.stamp
    assert (await document(rig)).entity == Counter(id="c", value=1)


@pytest.mark.parametrize("how", ["before", "after"])
async def test_7_a_write_whose_answer_was_lost_counts_once(rig: Rig, either: Process, how: str) -> None:
    await raised(either)
    store = rig.documents if (await either.r.row(COUNTERS)).leader == "documents" else rig.relational
    for at in (1, 2, 3):
        store.plan(at, how)
        for _ in range(2):
            # Whoever's request failed sends it again, under the same key.
            with contextlib.suppress(StoreError):
                await either.works.run(raise_counter, kind=Counter, id="c", by=1, key=f"k{at}")
        store.plan(None)
    await either.settle()
    found = await either.works.open().get(Counter, "c")
    assert found == Counter(id="c", value=5, keys=("k1", "k2", "k3"))
    assert (await rig.tally()).total == 5


async def test_8_a_client_that_hangs_up_between_the_two_writes_stops_neither(
    rig: Rig, a: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    merge = rig.postgres.journal.merge
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow_merge(*args: Any, **named: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await merge(*args, **named)

    monkeypatch.setattr(rig.postgres.journal, "merge", slow_merge)
    client = asyncio.create_task(raised(a))
    await begun.wait()
    client.cancel()
    with pytest.raises(asyncio.CancelledError):
        await client
    assert await value_of_row(rig) == 1
    go_on.set()
    await a.works.close()
    assert (await value_of_row(rig), (await document(rig)).entity) == (2, Counter(id="c", value=2))


async def test_8_a_client_may_hang_up_at_any_moment(rig: Rig, either: Process) -> None:
    for turns in range(40):
        client = asyncio.create_task(raised(either, f"c{turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
    await either.works.close()
    await asyncio.sleep(0.3)
    # A process that is closing leads no more, so another one carries what is left.
    await Process(rig, "after").settle()
    await assert_equal(rig, COUNTERS)
    counters = [record.entity for record in (await documents_of(rig, COUNTERS)).values()]
    assert (await rig.tally()).total == sum(c.value for c in counters if isinstance(c, Counter))


async def test_9_what_failed_is_tried_again_although_nobody_replays_it(rig: Rig) -> None:
    process = Process(rig, "a")
    await sit(process, a="1")
    await process.fill(SEATS)
    await process.move(SEATS, DUAL)
    async with tended(process):
        await sit(process, b="1")
        while not (found := await rig.postgres.journal.letters(LetterFilter(kind=LetterKind.MERGE))):
            await asyncio.sleep(0.01)
        assert found[0].key.id == "b"
        await process.works.run(leave, id="a")
        async with asyncio.timeout(10):
            while await rig.postgres.journal.letters(LetterFilter()):
                await asyncio.sleep(0.02)
    assert await places(rig) == {"b": "1"}


async def test_9_an_outage_heals_although_nobody_does_anything(rig: Rig, a: Process) -> None:
    async with tended(a):
        rig.relational.down()
        for _ in range(3):
            await raised(a)
        rig.relational.down(False)
        async with asyncio.timeout(10):
            while await value_of_row(rig) != 4:
                await asyncio.sleep(0.02)
