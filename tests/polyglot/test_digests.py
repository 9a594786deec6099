"""The digests beside everything else that goes on: built, kept by their own feed, and never in a writer's way."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import asyncpg
import pytest

from mystira.polyglot.canonical import leaf_of
from mystira.polyglot.collection import Collection
from mystira.polyglot.digest import LEVELS, ROOT, Differing, Node, Side, add_up, children, differing
from mystira.polyglot.digesting import DigestKeeper, progress
from mystira.polyglot.entity import Stamp
from mystira.polyglot.loops import Wake, keep_doing
from mystira.polyglot.phases import Phase
from mystira.polyglot.positions import Stream
from mystira.polyglot.purge import purge_tombstones
from mystira.polyglot.store import Key, OutcomeUnknown, Record
from mystira.polyglot.work import Work
from tests.polyglot.counting import COUNTERS, LEDGERS, Counter, Rig, raise_counter
from tests.polyglot.moving import DUAL, REVERSED, SOMEBODY, Process, tended

pytestmark = pytest.mark.anyio


@pytest.fixture
async def process(rig: Rig) -> Process:
    """Ten counters, held alike by both sides, none of them counted by the documents' side yet."""
    process = Process(rig, "a")
    for number in range(10):
        await process.works.run(raise_counter, kind=Counter, id=f"c{number}", by=1)
    await process.fill(COUNTERS)
    await process.move(COUNTERS, DUAL)
    await carry_over(process)
    return process


async def carry_over(process: Process) -> None:
    """Bring both sides together, and count nothing."""
    while await process.follower.step() + await process.relay.step() + await process.late_pump.step():
        continue


def keeper_of(process: Process, page: int = 3) -> DigestKeeper:
    return DigestKeeper(process.r, page=page, lease_s=None)


async def keep(keeper: DigestKeeper) -> None:
    while await keeper.step():
        continue


async def differences(process: Process, collection: Collection[Any] = COUNTERS) -> list[Differing]:
    return [found async for found in differing(process.r.relational.digests, collection)]


async def keys(process: Process) -> list[str]:
    return sorted(found.key.id for found in await differences(process))


async def execute(process: Process, statement: str, *values: Any) -> None:
    async with process.rig.postgres.connection() as connection:
        await connection.execute(statement, *values)


async def assert_adds_up(process: Process, collection: Collection[Any] = COUNTERS) -> None:
    """The nodes that are kept are what a recount gives."""
    digests = process.rig.postgres.digests
    for side in Side:
        wanted, kept = [ROOT], dict[int, Node]()
        for _ in range(LEVELS + 1):
            kept |= await digests.nodes(collection, side, wanted)
            wanted = [child for node in wanted if kept.get(node, Node()) != Node() for child in children(node)]
        await digests.recount(collection)
        assert await digests.nodes(collection, side, [ROOT]) == {ROOT: kept[ROOT]}
        members = await digests.members(collection, side, [leaf for leaf in kept if leaf >> 16])
        assert kept[ROOT] == add_up(Node(1, held.digest) for held in members.values())


async def test_both_sides_are_counted_and_equal(process: Process) -> None:
    assert len(await differences(process)) == 10
    told = await progress(process.r, COUNTERS)
    assert (told.is_built, told.is_current, told.rows_left, told.ranges) == (False, False, 0, 2)
    await keep(keeper_of(process))
    assert await differences(process) == []
    told = await progress(process.r, COUNTERS)
    assert (told.is_built, told.is_current, told.ranges_built) == (True, True, 2)
    await assert_adds_up(process)


async def test_lag_can_be_told_from_a_difference(process: Process) -> None:
    keeper = keeper_of(process)
    await keep(keeper)
    await process.works.run(raise_counter, kind=Counter, id="c1", by=1)
    told = await progress(process.r, COUNTERS)
    assert told.is_built and not told.is_current
    await keep(keeper)
    assert (await progress(process.r, COUNTERS)).is_current
    await carry_over(process)
    await keep(keeper)
    assert await differences(process) == []


async def test_what_the_follower_leaves_out_is_seen(process: Process) -> None:
    await process.works.run(raise_counter, kind=Counter, id="new", by=1)
    # Its second write is taken away again, and a faulty follower passes over it in the feed.
    await execute(process, "DELETE FROM counters WHERE id = 'new'")
    for range_id in await process.r.documents.feed_ranges(COUNTERS):
        page = await process.r.documents.feed(COUNTERS, range_id, "", 100)
        await execute(
            process,
            "UPDATE polyglot.feed_position SET continuation = $1 WHERE stream = 'follow' AND range_id = $2",
            page.continuation,
            range_id,
        )
    await carry_over(process)
    await keep(keeper_of(process))
    (found,) = await differences(process)
    assert found.key == Key("new", "new") and found.row is None
    assert found.document is not None and found.document.stamp == Stamp(0, 1)


async def test_rows_from_before_there_were_digests_are_counted_bit_by_bit(process: Process) -> None:
    await execute(process, "UPDATE counters SET _leaf = NULL, _digest = NULL")
    digests = process.r.relational.digests
    assert await digests.unfilled(COUNTERS, 4) == 4
    assert await digests.fill(COUNTERS, 4) == 4
    # A write that comes first counts its row itself.
    await process.works.run(raise_counter, kind=Counter, id="c0", by=1)
    await carry_over(process)
    assert not (await progress(process.r, COUNTERS)).is_built
    await keep(keeper_of(process))
    assert await digests.fill(COUNTERS, 4) == await digests.unfilled(COUNTERS, 4) == 0
    assert await differences(process) == []
    await assert_adds_up(process)


async def test_a_row_that_is_no_record_is_counted_and_differs(process: Process) -> None:
    await execute(process, "UPDATE counters SET _leaf = NULL, _digest = NULL, value = NULL WHERE id = 'c3'")
    await keep(keeper_of(process))
    assert await keys(process) == ["c3"]


async def test_a_document_that_is_no_record_is_counted_and_differs(process: Process) -> None:
    def spoil(connection: Any, position: int) -> None:
        connection.execute(
            "UPDATE Counters SET body = json_set(body, '$.value', 'x'), position = ? WHERE id = 'c4'", (position,)
        )

    await process.rig.sqlite._writer.write(spoil)  # pyright: ignore[reportPrivateUsage] - as other software would.
    await keep(keeper_of(process))
    assert await keys(process) == ["c4"]


async def test_a_row_that_was_deleted_in_sql_is_missing(process: Process) -> None:
    await keep(keeper_of(process))
    await execute(process, "DELETE FROM counters WHERE id = 'c5'")
    assert await keys(process) == ["c5"]
    await assert_adds_up(process)


async def test_ranges_that_split_under_way_are_counted_whole(process: Process) -> None:
    keeper = keeper_of(process, page=2)
    await keeper.step()
    for range_id in await process.r.documents.feed_ranges(COUNTERS):
        await process.rig.sqlite.split_range(COUNTERS, range_id)
    for number in range(20):
        await process.works.run(raise_counter, kind=Counter, id=f"c{number}", by=1)
    await carry_over(process)
    await keep(keeper)
    assert await differences(process) == []
    assert (await progress(process.r, COUNTERS)).ranges == 4


async def test_forgotten_documents_are_counted_anew(process: Process) -> None:
    keeper = keeper_of(process)
    await keep(keeper)
    await process.r.relational.digests.forget_documents(COUNTERS.name)
    assert len(await differences(process)) == 10
    await keep(keeper)
    assert await differences(process) == []
    await assert_adds_up(process)


async def test_nothing_is_counted_where_there_is_one_copy_only(process: Process) -> None:
    for number in range(3):
        await process.works.run(raise_counter, kind=Counter, id=f"c{number}", by=1)
    await process.move(COUNTERS, Phase.COSMOS_ONLY)
    keeper = keeper_of(process)
    await keep(keeper)
    assert await process.r.journal.positions(COUNTERS.name, Stream.DIGEST) == []
    await process.fill(COUNTERS)
    await carry_over(process)
    await keep(keeper)
    assert await differences(process) == []


async def test_where_postgresql_leads_alone_saves_count_nothing_and_the_way_back_counts_them(process: Process) -> None:
    await process.move(COUNTERS, REVERSED, Phase.POSTGRES_ONLY)
    digests = process.r.relational.digests
    assert await digests.unfilled(COUNTERS, 20) == 0
    for id in ("c1", "c2", "c2", "new"):
        await process.works.run(raise_counter, kind=Counter, id=id, by=1)
    assert await digests.unfilled(COUNTERS, 20) == 3
    await assert_adds_up(process)
    await process.move(COUNTERS, REVERSED)
    # From here on documents are kept: the first save finds out and is counted; once that is known, rows that are not
    # counted are left to whoever fills the digests.
    for id in ("c2", "c1", "c2", "c3"):
        await process.works.run(raise_counter, kind=Counter, id=id, by=1)
    assert await digests.unfilled(COUNTERS, 20) == 2
    await assert_adds_up(process)
    # Both sides are compared before the documents may lead.
    await process.move(COUNTERS, DUAL)
    assert await digests.unfilled(COUNTERS, 20) == 0
    assert await differences(process) == []
    await assert_adds_up(process)


async def test_a_save_whose_row_is_counted_meanwhile_keeps_the_sums(process: Process, beside: Any) -> None:
    await process.move(COUNTERS, REVERSED)
    await process.works.run(raise_counter, kind=Counter, id="c0", by=1)
    await execute(process, "UPDATE counters SET _leaf = NULL, _digest = NULL WHERE id = 'c1'")
    async with beside.transaction():
        await beside.execute("UPDATE counters SET _leaf = $1, _digest = 5 WHERE id = 'c1'", leaf_of(Key("c1", "c1")))
        saving = asyncio.create_task(process.works.run(raise_counter, kind=Counter, id="c1", by=1))
        while not await beside.fetchval("SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted)"):
            assert not saving.done()
            await asyncio.sleep(0.01)
    await saving
    await carry_over(process)
    await keep(keeper_of(process))
    assert await differences(process) == []
    await assert_adds_up(process)


async def remove(work: Work, id: str) -> None:
    found = await work.get(Counter, id)
    assert found is not None
    work.remove(found)


async def purged(process: Process) -> int:
    return await purge_tombstones(process.r, COUNTERS, older_than_s=0.0, **SOMEBODY)


@pytest.mark.parametrize("phases", [(), (REVERSED,)], ids=["documents lead", "PostgreSQL leads"])
async def test_a_purge_leaves_nothing_to_compare(process: Process, phases: tuple[Phase, ...]) -> None:
    await process.move(COUNTERS, *phases)
    await process.works.run(remove, "c1")
    await carry_over(process)
    keeper = keeper_of(process)
    await keep(keeper)
    assert await differences(process) == []
    # A flip leaves tombstones of its own behind, its sentinels.
    assert await purged(process) >= 1
    assert await differences(process) == []
    await keep(keeper)
    (document,) = (await process.r.relational.digests.nodes(COUNTERS, Side.DOCUMENT, [ROOT])).values()
    assert document.number == 9
    await assert_adds_up(process)


async def test_a_purge_that_dies_before_it_tells_the_digests_is_finished_by_the_next(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    await process.works.run(remove, "c1")
    await carry_over(process)
    keeper = keeper_of(process)
    await keep(keeper)

    async def dies(name: str, removed: Any) -> None:
        if removed:
            raise OutcomeUnknown("planned")

    with monkeypatch.context() as patched:
        patched.setattr(process.rig.postgres.digests, "take_out", dies)
        with pytest.raises(OutcomeUnknown):
            await purged(process)
    assert await keys(process) == ["c1"]
    await purged(process)
    assert await differences(process) == []


def two_of_one_leaf() -> tuple[str, str]:
    seen: dict[int, str] = {}
    number = 0
    while True:
        id = f"id{number}"
        other = seen.setdefault(leaf_of(Key(id, id)), id)
        if other != id:
            return other, id
        number += 1


@pytest.fixture
async def beside(rig: Rig, clean_postgres: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(clean_postgres)
    yield connection
    await connection.close()


async def test_nobody_waits_for_a_writer_of_the_same_leaf(rig: Rig, beside: Any) -> None:
    one, other = two_of_one_leaf()
    record = Record(key=Key(one, one), entity=Counter(id=one), stamp=Stamp(0, 1), op="op")
    await rig.postgres.write(COUNTERS, record, None)
    transaction = beside.transaction()
    await transaction.start()
    # It has changed the leaf and every node above it, and does not commit.
    await beside.execute("UPDATE counters SET _leaf = _leaf, _digest = 5 WHERE id = $1", one)
    async with asyncio.timeout(60):
        second = Record(key=Key(other, other), entity=Counter(id=other), stamp=Stamp(0, 1), op="op")
        await rig.postgres.write(COUNTERS, second, None)
        assert await rig.postgres.digests.fold(100) == 2
    leaf = leaf_of(Key(one, one))
    assert (await rig.postgres.digests.nodes(COUNTERS, Side.ROW, [leaf]))[leaf].number == 2
    await transaction.rollback()


async def write_for_a_while(process: Process, random: Random, ids: list[str], number: int) -> None:
    for _ in range(number):
        try:
            await process.works.run(raise_counter, kind=Counter, id=random.choice(ids), by=1)
        except Exception:  # noqa: BLE001 - killed connections lose writes; what stands is what is compared.
            continue


async def test_many_writers_and_killed_connections_leave_sums_that_add_up(process: Process, beside: Any) -> None:
    random = Random(11)
    ids = [f"c{number}" for number in range(30)]
    other = Process(process.rig, "b")
    keepers = [DigestKeeper(one.r, page=5, lease_s=0.2) for one in (process, other)]
    async with tended(process, other):
        going = [asyncio.create_task(keep_doing("digests", one.step, Wake(), idle_s=0.02)) for one in keepers]
        writers = [
            asyncio.create_task(write_for_a_while(one, Random(seed), ids, 25))
            for seed, one in enumerate([process, other] * 4)
        ]
        while not all(writer.done() for writer in writers):
            await asyncio.sleep(0.1)
            backends = await beside.fetch(
                "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            if backends:
                await beside.execute("SELECT pg_terminate_backend($1)", random.choice(backends)["pid"])
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
    await asyncio.sleep(0.3)
    await carry_over(process)
    await keep(keeper_of(process))
    assert await differences(process) == []
    await assert_adds_up(process)


async def test_where_postgresql_leads_the_relay_brings_both_sides_together(process: Process) -> None:
    await process.move(COUNTERS, REVERSED)
    keeper = keeper_of(process)
    await keep(keeper)
    for number in range(12):
        await process.works.run(raise_counter, kind=Counter, id=f"c{number}", by=1)
    await keep(keeper)
    assert len(await differences(process)) == 12
    await carry_over(process)
    await keep(keeper)
    assert await differences(process) == []
    await process.works.run(raise_counter, kind=LEDGERS.entity, id="l", by=1)
    await keep(keeper)
    await assert_adds_up(process)
