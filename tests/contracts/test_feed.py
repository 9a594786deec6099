"""What a document store's change feed promises."""

import asyncio
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from mystira.polyglot.store import Conflict, Key, RangeGone, Throttled, TooLarge, Unavailable
from mystira.polyglot.stores.sqlite.store import SqliteDocuments, open_sqlite
from tests.contracts.sample import BRIEFS, COLLECTIONS, FLEETING, SAMPLES, Brief, Sample, event, record_of, tombstone_of

pytestmark = pytest.mark.anyio


async def put(store: SqliteDocuments, sample: Sample, **more: object) -> None:
    base = await store.read(SAMPLES, Key(sample.owner_id, sample.id))
    await store.write(SAMPLES, record_of(sample, base=base, **more), base)


async def drain(store: SqliteDocuments, range_id: str, after: str = "", limit: int = 3) -> tuple[list[str], str]:
    seen: list[str] = []
    while True:
        page = await store.feed(SAMPLES, range_id, after, limit)
        seen += (item.record.key.id for item in page.items)
        after = page.continuation
        if not page.has_more:
            return seen, after


async def everything(store: SqliteDocuments) -> list[str]:
    return [id for range_id in await store.feed_ranges(SAMPLES) for id in (await drain(store, range_id))[0]]


async def test_every_document_is_in_exactly_one_range(sqlite_store: SqliteDocuments) -> None:
    for number in range(40):
        await put(sqlite_store, Sample(id=str(number), owner_id=f"owner{number}"))
    assert len(await sqlite_store.feed_ranges(SAMPLES)) >= 2
    assert sorted(await everything(sqlite_store), key=int) == [str(number) for number in range(40)]


async def test_only_the_latest_version_comes_and_it_comes_last(sqlite_store: SqliteDocuments) -> None:
    for id in ("a", "b", "a"):
        await put(sqlite_store, Sample(id=id, title=id))
    assert await everything(sqlite_store) == ["b", "a"]


async def test_a_continuation_goes_on_where_it_stopped(sqlite_store: SqliteDocuments) -> None:
    await put(sqlite_store, Sample(id="a"))
    ends = {range_id: (await drain(sqlite_store, range_id))[1] for range_id in await sqlite_store.feed_ranges(SAMPLES)}
    await put(sqlite_store, Sample(id="b"))
    seen = [id for range_id, end in ends.items() for id in (await drain(sqlite_store, range_id, end))[0]]
    assert seen == ["b"]


async def test_tombstones_and_pending_events_come_through(sqlite_store: SqliteDocuments) -> None:
    await put(sqlite_store, Sample(id="a"), events=(event(1),), event_seq=1)
    base = await sqlite_store.read(SAMPLES, Key("owner", "a"))
    assert base is not None
    ended = msgspec.structs.replace(tombstone_of(base), events=(*base.events, event(2)))
    await sqlite_store.write(SAMPLES, ended, base)
    pages = [await sqlite_store.feed(SAMPLES, r, "", 9) for r in await sqlite_store.feed_ranges(SAMPLES)]
    (item,) = [item for page in pages for item in page.items]
    assert item.record.deleted
    assert [pending.seq for pending in item.record.events] == [1, 2]
    assert item.record.events[0] == event(1)


async def test_an_empty_feed_keeps_its_continuation(sqlite_store: SqliteDocuments) -> None:
    range_id = (await sqlite_store.feed_ranges(SAMPLES))[0]
    page = await sqlite_store.feed(SAMPLES, range_id, "", 5)
    assert (page.items, page.continuation, page.has_more) == ([], "", False)


async def test_a_split_names_its_successors_and_loses_nothing(sqlite_store: SqliteDocuments) -> None:
    for number in range(30):
        await put(sqlite_store, Sample(id=str(number), owner_id=f"owner{number}"))
    parent = (await sqlite_store.feed_ranges(SAMPLES))[0]
    page = await sqlite_store.feed(SAMPLES, parent, "", 4)
    seen = [item.record.key.id for item in page.items]
    children = await sqlite_store.split_range(SAMPLES, parent)
    with pytest.raises(RangeGone) as gone:
        await sqlite_store.feed(SAMPLES, parent, page.continuation, 4)
    assert gone.value.successors == tuple(children)
    for child in children:
        seen += (await drain(sqlite_store, child, page.continuation))[0]
    for other in await sqlite_store.feed_ranges(SAMPLES):
        if other not in children:
            seen += (await drain(sqlite_store, other))[0]
    assert sorted(seen, key=int) == [str(number) for number in range(30)]


async def test_a_split_of_a_split_names_the_living(sqlite_store: SqliteDocuments) -> None:
    parent = (await sqlite_store.feed_ranges(SAMPLES))[0]
    first, second = await sqlite_store.split_range(SAMPLES, parent)
    grandchildren = await sqlite_store.split_range(SAMPLES, first)
    with pytest.raises(RangeGone) as gone:
        await sqlite_store.feed(SAMPLES, parent, "", 4)
    assert gone.value.successors == (*grandchildren, second)


WRITER = """
import asyncio, sys
from mystira.polyglot.stores.sqlite.store import open_sqlite
from tests.contracts.sample import COLLECTIONS, SAMPLES, Sample, record_of
async def main():
    store = await open_sqlite(sys.argv[1], COLLECTIONS)
    for number in range(150):
        sample = Sample(id=f"{sys.argv[2]}-{number}", owner_id=f"owner{number % 7}")
        await store.write(SAMPLES, record_of(sample), None)
    store.close()
asyncio.run(main())
"""


async def test_a_follower_misses_nothing_while_two_processes_write(tmp_path: Path) -> None:
    path = tmp_path / "shared.sqlite"
    store = await open_sqlite(path, COLLECTIONS)
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("one", "two")]
    seen: list[str] = []
    after = dict.fromkeys(await store.feed_ranges(SAMPLES), "")
    while True:
        ended = all(writer.poll() is not None for writer in writers)
        for range_id in after:
            found, after[range_id] = await drain(store, range_id, after[range_id], limit=5)
            seen += found
        if ended:
            break
        await asyncio.sleep(0.01)
    store.close()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert sorted(seen) == sorted(f"{name}-{number}" for name in ("one", "two") for number in range(150))


async def test_another_processs_write_is_a_conflict_too(sqlite_store: SqliteDocuments, tmp_path: Path) -> None:
    other = await open_sqlite(tmp_path / "documents.sqlite", COLLECTIONS)
    await put(sqlite_store, Sample(id="a"))
    base = await other.read(SAMPLES, Key("owner", "a"))
    assert base is not None
    await put(sqlite_store, Sample(id="a", title="first"))
    with pytest.raises(Conflict):
        await other.write(SAMPLES, record_of(Sample(id="a", title="second"), base=base), base)
    other.close()


async def test_a_write_survives_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "killed.sqlite"
    script = WRITER.replace(
        "    store.close()", "    print('done', flush=True)\n    import os; os.kill(os.getpid(), 9)"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(path), "k"], capture_output=True, text=True)
    assert (ended.stdout, ended.returncode) == ("done\n", -9)
    store = await open_sqlite(path, COLLECTIONS)
    assert len(await everything(store)) == 150
    store.close()


async def test_a_document_over_two_megabytes_is_refused(sqlite_store: SqliteDocuments) -> None:
    with pytest.raises(TooLarge):
        await sqlite_store.write(SAMPLES, record_of(Sample(id="a", title="x" * (2 << 20))), None)
    assert await sqlite_store.read(SAMPLES, Key("owner", "a")) is None


async def test_time_to_live_lets_documents_go(tmp_path: Path) -> None:
    now = [1_000.0]
    store = await open_sqlite(tmp_path / "ttl.sqlite", COLLECTIONS, clock=lambda: now[0])
    fleeting = FLEETING.entity(id="a")
    await store.write(FLEETING, record_of(fleeting, collection=FLEETING), None)
    await store.write(BRIEFS, record_of(Brief(id="a"), collection=BRIEFS), None)
    now[0] += 59
    assert await store.read(FLEETING, Key("a", "a")) is not None
    now[0] += 2
    assert await store.read(FLEETING, Key("a", "a")) is None
    assert await store.read(BRIEFS, Key("a", "a")) is not None
    await store.write(FLEETING, record_of(fleeting, collection=FLEETING), None)
    now[0] += 61
    assert await store.sweep() == 1
    store.close()


async def test_throttling_says_when_to_come_back_and_changes_nothing(sqlite_store: SqliteDocuments) -> None:
    await put(sqlite_store, Sample(id="a"))
    assert sqlite_store.charged["Samples"] > 5
    sqlite_store.throttle(1.0)
    with pytest.raises(Throttled) as throttled:
        for number in range(3):
            await put(sqlite_store, Sample(id=f"t{number}"))
    assert 0 < throttled.value.retry_after_s <= 1
    sqlite_store.throttle(None)
    assert len(await everything(sqlite_store)) <= 3


async def test_a_file_that_cannot_be_opened_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"missing/none\.sqlite"):
        await open_sqlite(tmp_path / "missing" / "none.sqlite", COLLECTIONS)
