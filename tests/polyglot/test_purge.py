"""Tombstones go for good: late enough, on both sides, and nothing that was removed comes back."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from mystira.polyglot import backfill
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import DeadLetter, LetterKind
from mystira.polyglot.phases import Phase
from mystira.polyglot.purge import NotNow, purge_in_turn, purge_tombstones
from mystira.polyglot.spill import SPILLS, put_aside, sweep_spills
from mystira.polyglot.store import Conflict, Key, OutcomeUnknown, Record
from mystira.polyglot.work import Work
from tests.contracts.journals import told
from tests.polyglot.counting import COUNTERS, LEDGERS, Counter, Ledger, Raised, Rig, Tally, raise_counter
from tests.polyglot.moving import DUAL, POSTGRES, REVERSED, SOMEBODY, Process, assert_equal, documents_of, real_clock

pytestmark = pytest.mark.anyio
GONE, KEPT = Key("gone", "gone"), Key("kept", "kept")
WAYS: dict[str, tuple[Phase, ...]] = {"CosmosOnly": (), "Dual": (DUAL,), "Reversed": (DUAL, REVERSED)}


async def remove(work: Work, kind: type[Counter], id: str) -> None:
    found = await work.get(kind, id)
    assert found is not None
    work.remove(found, Raised(counter_id=id, by=0))


async def purge(process: Process, older_than_s: float = 0.0, collection: Any = COUNTERS) -> int:
    return await purge_tombstones(process.r, collection, older_than_s=older_than_s, **SOMEBODY)


async def sides(rig: Rig, key: Key = GONE) -> tuple[Record | None, Record | None]:
    return await rig.sqlite.read(COUNTERS, key), await rig.postgres.read(COUNTERS, key)


async def sentinels_of(rig: Rig) -> int:
    """Count the sentinels that a cut-over left: tombstones like others, which go with them."""
    return sum(id.startswith("sentinel-") for id in await documents_of(rig, COUNTERS))


async def removed_in(rig: Rig, phases: tuple[Phase, ...]) -> Process:
    """One counter that lives and one that is gone, its tombstone on every side that is kept."""
    process = Process(rig, "a")
    for id in ("gone", "kept"):
        for _ in range(3):
            await process.works.run(raise_counter, kind=Counter, id=id, by=1)
    if phases:
        await process.fill(COUNTERS)
        await process.move(COUNTERS, *phases)
    await process.works.run(remove, Counter, "gone")
    await process.settle()
    return process


@pytest.fixture
async def dual(rig: Rig) -> Process:
    return await removed_in(rig, (DUAL,))


@pytest.mark.parametrize("phases", WAYS.values(), ids=WAYS)
async def test_a_tombstone_goes_from_both_sides_and_the_key_comes_back_above_it(
    rig: Rig, phases: tuple[Phase, ...]
) -> None:
    process = await removed_in(rig, phases)
    tombstone = await rig.sqlite.read(COUNTERS, GONE)
    assert tombstone is not None and tombstone.deleted
    gone = 1 + await sentinels_of(rig)
    assert await purge(process) == gone
    assert await sides(rig) == (None, None)
    assert await purge(process) == 0
    assert await process.works.run(raise_counter, kind=Counter, id="gone", by=1) == 1
    await process.settle()
    again = await (rig.postgres if REVERSED in phases else rig.sqlite).read(COUNTERS, GONE)
    assert again is not None and again.stamp > tombstone.stamp and again.parent == Stamp()
    # 3 + 3 raised, 1 removed, 1 raised again: the new life's events are not taken for those that were told.
    assert (await rig.tally()).heard == 8
    verbs = await process.verbs(COUNTERS)
    assert verbs[-3:] == ["raise the floor", "purge", f"purge {gone} tombstones"]
    if phases:
        await assert_equal(rig, COUNTERS)


async def test_where_postgres_leads_alone_its_tombstones_go(rig: Rig) -> None:
    process = Process(rig, "a")
    await process.works.run(raise_counter, kind=Ledger, id="gone", by=1)
    await process.works.run(remove, Ledger, "gone")
    assert await purge(process, collection=LEDGERS) == 1
    assert await rig.postgres.read(LEDGERS, GONE) is None
    await process.works.run(raise_counter, kind=Ledger, id="gone", by=1)
    again = await rig.postgres.read(LEDGERS, GONE)
    assert again is not None and again.stamp.seq == 3


async def test_what_postgres_alone_forgot_is_kept_while_a_document_still_lives(rig: Rig) -> None:
    process = await removed_in(rig, (DUAL, REVERSED, POSTGRES))
    planted = await sentinels_of(rig)
    assert await purge(process) == planted
    assert (await sides(rig))[1] is not None


async def test_a_young_tombstone_stays_and_is_only_noted(rig: Rig, dual: Process) -> None:
    assert await purge(dual, older_than_s=60) == 0
    await asyncio.sleep(0.02)
    assert await purge(dual, older_than_s=60) == 0
    assert await purge(dual, older_than_s=0.01) == 1


async def test_a_late_old_version_never_comes_back(rig: Rig, dual: Process) -> None:
    await dual.works.run(raise_counter, kind=Counter, id="late", by=1)
    old = await rig.sqlite.read(COUNTERS, Key("late", "late"))
    assert old is not None
    await dual.works.run(remove, Counter, "late")
    await dual.settle()
    assert await purge(dual) == 2
    for _ in range(2):
        merged = await rig.postgres.journal.merge(COUNTERS, [old], real_clock())
        assert (merged.applied, merged.superseded) == (0, 1)
    await dual.works.run(raise_counter, kind=Counter, id="late", by=7)
    await rig.postgres.journal.merge(COUNTERS, [old], real_clock())
    await dual.settle()
    _, row = await sides(rig, old.key)
    assert row is not None and isinstance(row.entity, Counter) and row.entity.value == 7


async def test_a_key_written_over_its_half_purged_tombstone_is_carried_over(rig: Rig, dual: Process) -> None:
    async def lost(*args: object) -> None:
        raise OutcomeUnknown("the request was lost")

    rig.documents.__dict__["remove"] = lost
    assert await purge(dual) == 0
    del rig.documents.__dict__["remove"]
    document, row = await sides(rig)
    assert document is not None and row is None
    await dual.works.run(raise_counter, kind=Counter, id="gone", by=1)
    await dual.settle()
    await assert_equal(rig, COUNTERS)
    _, row = await sides(rig)
    assert row is not None and not row.deleted


@pytest.mark.parametrize("phases", [(DUAL,), (DUAL, REVERSED)], ids=["Dual", "Reversed"])
async def test_a_purge_that_dies_half_way_is_finished_by_the_next(
    rig: Rig, phases: tuple[Phase, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await removed_in(rig, phases)

    planted = await sentinels_of(rig)

    async def lost(*args: object) -> None:
        raise OutcomeUnknown("the process died")

    with monkeypatch.context() as patched:
        if REVERSED in phases:
            patched.setattr(rig.postgres.journal, "remove_tombstone", lost)
        else:
            patched.setitem(rig.documents.__dict__, "remove", lost)
        assert await purge(process) == 0
    assert None in await sides(rig)
    assert await purge(process) == 1 + planted
    assert await sides(rig) == (None, None)
    assert (await process.verbs(COUNTERS)).count("raise the floor") == 1


async def test_what_differs_between_the_sides_stays(rig: Rig, dual: Process) -> None:
    document, _ = await sides(rig)
    assert document is not None
    await rig.sqlite.write(
        COUNTERS, msgspec.structs.replace(document, stamp=document.stamp.next(0), op="again"), document
    )
    assert await purge(dual) == 0
    assert None not in await sides(rig)
    await dual.settle()
    assert await purge(dual) == 1


async def test_events_that_were_not_copied_keep_their_tombstone(rig: Rig) -> None:
    process = Process(rig, "a")
    await process.works.run(raise_counter, kind=Counter, id="gone", by=1)
    await process.works.run(remove, Counter, "gone")
    assert await purge(process) == 0
    await process.settle()
    assert await purge(process) == 1
    assert await rig.tally() == Tally(id="all", heard=2, total=1)


async def test_a_writer_that_slept_under_the_old_floor_is_refused_and_starts_above_it(rig: Rig, dual: Process) -> None:
    other = Process(rig, "b")
    await other.works.run(raise_counter, kind=Counter, id="kept", by=1)
    work = other.works.open()
    assert await work.get(Counter, "gone") is None
    assert await purge(dual) == 1
    work.save(Counter(id="gone", value=5))
    with pytest.raises(Conflict, match="start higher"):
        await work.commit()
    await other.works.run(raise_counter, kind=Counter, id="gone", by=5)
    await dual.settle()
    await assert_equal(rig, COUNTERS)


async def test_a_document_without_a_stamp_is_adopted_above_the_floor(rig: Rig, dual: Process) -> None:
    assert await purge(dual) == 1
    plain = Record(key=GONE, entity=Counter(id="gone", value=3), stamp=Stamp())
    await rig.sqlite.write(COUNTERS, plain, None)
    await dual.settle()
    _, row = await sides(rig)
    assert row is not None and isinstance(row.entity, Counter) and row.entity.value == 3


async def test_no_purge_while_a_backfill_runs_or_records_wait_in_letters(rig: Rig, dual: Process) -> None:
    letter = DeadLetter(
        collection=COUNTERS.name, key=KEPT, kind=LetterKind.MERGE, stamp=Stamp(0, 1), created_at=real_clock()
    )
    await rig.postgres.journal.letter_put(letter)
    with pytest.raises(NotNow, match="could not be carried over"):
        await purge(dual)
    await rig.postgres.journal.letter_drop(letter)
    await dual.move(COUNTERS, Phase.COSMOS_ONLY)
    await backfill.start(dual.r, COUNTERS, **SOMEBODY)
    with pytest.raises(NotNow, match="backfill is not done"):
        await purge(dual)
    await backfill.run_to_end(dual.r, COUNTERS, dual.backfiller)
    assert await purge(dual) == 1


async def test_a_purge_goes_on_while_writers_write(rig: Rig, dual: Process) -> None:
    other, ends, written = Process(rig, "b"), asyncio.Event(), 0

    async def write() -> None:
        nonlocal written
        while not ends.is_set():
            written += 1
            await other.works.run(raise_counter, kind=Counter, id=f"w{written % 5}", by=1)
            await asyncio.sleep(0.005)

    task = asyncio.create_task(write())
    assert await purge(dual) == 1
    ends.set()
    await task
    await dual.settle()
    await assert_equal(rig, COUNTERS)
    values = [r.entity.value for id, r in (await documents_of(rig, COUNTERS)).items() if id.startswith("w")]
    assert sum(values) == written


async def test_an_orphaned_spill_is_swept_once_it_is_old(rig: Rig, dual: Process) -> None:
    orphan = await put_aside(rig.sqlite, COUNTERS, KEPT, told("kept", 7, 8), real_clock())
    used = await put_aside(rig.sqlite, COUNTERS, KEPT, told("kept", 7, 8, 9), real_clock())
    document, _ = await sides(rig, KEPT)
    assert document is not None
    await rig.sqlite.write(COUNTERS, msgspec.structs.replace(document, spilled=(used,)), document)
    await purge(dual, older_than_s=60)
    assert await sweep_spills(rig.sqlite, COUNTERS, real_clock() - timedelta(minutes=1)) == 0
    assert await sweep_spills(rig.sqlite, LEDGERS, real_clock()) == 0
    assert await sweep_spills(rig.sqlite, COUNTERS, real_clock()) == 1
    assert await rig.sqlite.read(SPILLS, Key(orphan.id, orphan.id)) is None
    assert await rig.sqlite.read(SPILLS, Key(used.id, used.id)) is not None


async def test_each_collection_is_purged_once_a_day_however_many_processes_look(rig: Rig, dual: Process) -> None:
    other = Process(rig, "b")
    assert await purge_in_turn(dual.r, older_than_s=0.0) == 1
    assert (await dual.verbs(COUNTERS))[-1] == "purge 1 tombstones"
    for process in (dual, other):
        await process.works.run(raise_counter, kind=Counter, id="gone", by=1)
        await process.works.run(remove, Counter, "gone")
        # The first one has leased the feed's ranges.
        await dual.settle()
        assert await purge_in_turn(process.r, older_than_s=0.0) == 0
    tomorrow = other.r._replace(clock=lambda: real_clock() + timedelta(days=1, minutes=1))
    assert await purge_in_turn(tomorrow, older_than_s=0.0) == 1
