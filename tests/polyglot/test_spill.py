"""While PostgreSQL is away no document grows without end: its events spill over, and come back once, in order."""

import asyncio
from datetime import timedelta

import msgspec
import pytest

from mystira.polyglot import spill
from mystira.polyglot.bus import OutboxPump
from mystira.polyglot.entity import Stamp
from mystira.polyglot.feed import FeedFollower, pruned_of
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.spill import SPILLS, put_aside, with_spilled
from mystira.polyglot.store import Conflict, Key, OutcomeUnknown, Record, Spilled, StoredEvent, Unavailable
from mystira.polyglot.stores.documents import dump
from tests.contracts.journals import told
from tests.polyglot.counting import COUNTERS, Counter, Rig, Tally, raise_counter
from tests.polyglot.moving import CATALOG, DUAL, REVERSED, Process

pytestmark = pytest.mark.anyio
AT = Key("c", "c")


async def document(rig: Rig) -> Record:
    found = await rig.sqlite.read(COUNTERS, AT)
    assert found is not None
    return found


async def spills(rig: Rig) -> list[Record]:
    found: list[Record] = []
    for range_id in await rig.sqlite.feed_ranges(SPILLS):
        page = await rig.sqlite.feed(SPILLS, range_id, "", 1_000)
        found += [item.record for item in page.items if isinstance(item.record, Record)]
    return found


async def raised(rig: Rig, times: int) -> None:
    for _ in range(times):
        await rig.works.run(raise_counter, kind=Counter, id="c", by=1)


def settling(rig: Rig) -> FeedFollower:
    return FeedFollower([COUNTERS], rig.documents, rig.relational, clock=lambda: rig.now)  # type: ignore[arg-type]


async def delivered(rig: Rig) -> list[int]:
    """Deliver everything; return the seqs in the order in which they came."""
    found: list[int] = []
    while events := await rig.postgres.journal.claim_events(100, rig.now, 60):
        found += [event.seq for event in events]
        await rig.postgres.journal.settle(events)
    return found


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill, "PENDING_EVENTS_MAX", 3)


async def test_a_thousand_events_of_one_key_wait_for_postgres_and_are_delivered_once_in_order(rig: Rig) -> None:
    await rig.value(Counter)
    rig.relational.down()
    await raised(rig, 1_000)
    waiting = await document(rig)
    assert len(waiting.events) == spill.PENDING_EVENTS_MAX and len(waiting.spilled) == 9
    assert len(dump(COUNTERS, waiting)) < 100_000
    rig.relational.down(False)
    await settling(rig).step()
    assert await delivered(rig) == list(range(1, 1_001))
    await settling(rig).step()
    assert await delivered(rig) == []
    after = await document(rig)
    assert (after.events, after.spilled, after.event_seq, after.stamp) == ((), (), 1_000, waiting.stamp)
    assert await spills(rig) == []


async def test_few_but_large_events_make_room_too(rig: Rig) -> None:
    large = tuple(
        StoredEvent(seq=seq, event_id=f"e{seq}", type="T", occurred_at=rig.now, body={"text": "x" * 200_000})
        for seq in (1, 2)
    )
    assert spill.is_full(large) and not spill.is_full(large[:1])


async def test_a_spill_whose_commit_is_lost_harms_nobody(rig: Rig, few: None) -> None:
    await raised(rig, 3)
    rival = rig.works.open()
    counter = await rival.get(Counter, "c")
    assert counter is not None
    await raised(rig, 1)
    rival.save(counter.evolve(value=99))
    with pytest.raises(Conflict):
        await rival.commit()
    await rig.settle()
    assert await rig.tally() == Tally(id="all", heard=4, total=4)


@pytest.mark.parametrize("how", ["before", "after"])
async def test_each_store_call_of_a_spilling_write_failing_in_turn_tells_every_event_once(
    rig: Rig, few: None, how: str
) -> None:
    await raised(rig, 3)
    rig.documents.plan(None)
    await rig.works.run(raise_counter, kind=Counter, id="c", by=1, key="measured")
    calls = len(rig.documents.calls)
    assert calls == 3
    for at in range(1, calls + 3):
        await raised(rig, 3)
        rig.documents.plan(at, how)
        try:
            await rig.works.run(raise_counter, kind=Counter, id="c", by=1, key=f"k{at}")
        except Unavailable:
            rig.documents.plan(None)
            await rig.works.run(raise_counter, kind=Counter, id="c", by=1, key=f"k{at}")
        rig.documents.plan(None)
    value = await rig.value(Counter)
    await rig.settle()
    assert value == 4 + 4 * (calls + 2)
    assert await rig.tally() == Tally(id="all", heard=value, total=value)


async def test_the_same_events_spill_into_the_same_document(rig: Rig) -> None:
    first = await put_aside(rig.sqlite, COUNTERS, AT, told("c", 1, 2, 3), rig.now)
    later = await put_aside(rig.sqlite, COUNTERS, AT, told("c", 1, 2, 3), rig.now + timedelta(days=2))
    other = await put_aside(rig.sqlite, COUNTERS, AT, told("c", 1, 2, 3, 4), rig.now)
    assert first == later != other
    ages = {record.key.id: record.entity.made_at - rig.now for record in await spills(rig)}  # type: ignore[union-attr]
    assert ages == {first.id: timedelta(days=2), other.id: timedelta(0)}


async def test_a_spill_that_is_gone_was_told_and_one_that_cannot_be_seen_is_waited_for(rig: Rig, few: None) -> None:
    await raised(rig, 4)
    waiting = await document(rig)
    (spilled,) = waiting.spilled
    (record,) = await spills(rig)
    await rig.sqlite.remove(SPILLS, record)
    with pytest.raises(Unavailable, match="not to be seen yet"):
        await with_spilled(rig.sqlite, rig.postgres.journal, COUNTERS, waiting)
    await rig.sqlite.write(SPILLS, msgspec.structs.replace(record, token=""), None)
    await settling(rig).step()
    assert await spills(rig) == []
    again = await with_spilled(rig.sqlite, rig.postgres.journal, COUNTERS, waiting)
    assert [event.seq for event in again.events] == [4] and spilled.last == 3


def test_pruning_keeps_what_was_not_copied() -> None:
    record = Record(
        key=AT,
        entity=None,
        stamp=Stamp(0, 8),
        events=told("c", 7, 8),
        spilled=(Spilled(3, "x"), Spilled(6, "y")),
    )
    assert pruned_of(record, 2) is record
    assert pruned_of(record, 3).spilled == (Spilled(6, "y"),)
    assert (pruned_of(record, 7).spilled, pruned_of(record, 7).events) == ((), told("c", 8))


async def test_a_cut_over_takes_spilled_events_along(rig: Rig, few: None) -> None:
    process = Process(rig, "a")
    await raised(rig, 2)
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL)
    rig.works.leadership.forget(COUNTERS)
    rig.relational.down()
    await raised(rig, 9)
    rig.relational.down(False)
    assert (await document(rig)).spilled
    await process.move(COUNTERS, REVERSED)
    await process.settle()
    assert await rig.tally() == Tally(id="all", heard=11, total=11)
    assert (await document(rig)).spilled == ()


async def test_the_relay_tells_what_a_straggler_spilled_before_it_overwrites_it(rig: Rig, few: None) -> None:
    process = Process(rig, "a")
    await raised(rig, 1)
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL, REVERSED)
    await process.settle()
    before = await document(rig)
    spilled = await put_aside(rig.sqlite, COUNTERS, AT, told("c", 2, 3, 4), rig.now)
    late = msgspec.structs.replace(
        before,
        stamp=before.stamp.next(0),
        parent=before.stamp,
        op="late",
        writer="app",
        event_seq=4,
        spilled=(spilled,),
    )
    await rig.sqlite.write(COUNTERS, late, before)
    await process.works.run(raise_counter, kind=Counter, id="other", by=1)
    row = await rig.postgres.read(COUNTERS, AT)
    assert row is not None
    async with rig.postgres.connection(writes=True) as connection:
        await connection.execute(
            "INSERT INTO polyglot.relay_outbox (collection, partition, id, stamp) VALUES ('Counters', 'c', 'c', $1)",
            row.stamp.packed,
        )
    relay = ReverseRelay(CATALOG, rig.sqlite, rig.postgres, clock=lambda: rig.now + timedelta(hours=1))
    await relay.step()
    waiting = await rig.postgres.journal.claim_events(10, rig.now, 60)
    assert [event.seq for event in waiting if event.id == "c"][:1] == [2]
    row = await rig.postgres.read(COUNTERS, AT)
    assert row is not None and row.op == "late" and row.spilled == ()


async def test_a_second_delivery_finds_nothing_new_after_a_lost_pruning(rig: Rig, few: None) -> None:
    await raised(rig, 8)

    async def lost(*args: object) -> None:
        raise OutcomeUnknown("the pruning got lost")

    rig.documents.__dict__["write"] = lost
    await settling(rig).step()
    del rig.documents.__dict__["write"]
    assert (await document(rig)).spilled and len(await spills(rig)) == 2
    pump = OutboxPump(rig.works, rig.postgres.journal, rig.reactions)
    while await pump.step():
        await asyncio.sleep(0)
    await raised(rig, 1)
    await rig.settle()
    assert await rig.tally() == Tally(id="all", heard=9, total=9)
    assert (await document(rig)).spilled == () and await spills(rig) == []
