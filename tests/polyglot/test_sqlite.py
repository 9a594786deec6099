"""What the document file promises beyond the contract: several processes, crashes, a failing disk."""

import asyncio
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from mystira.polyglot.collection import Collection
from mystira.polyglot.query import EVERYTHING, Order, Query, all_of, equal, greater, prefix
from mystira.polyglot.store import Conflict, FeedItem, Key, RangeGone, Unavailable
from mystira.polyglot.stores.sqlite.query import Compiled
from mystira.polyglot.stores.sqlite.schema import connect
from mystira.polyglot.stores.sqlite.store import SqliteDocuments, open_sqlite
from tests.contracts.sample import COLLECTIONS, SAMPLES, Sample, event, record_of

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]

IMPORTS = """
import asyncio, os, sys
import apsw
from mystira.polyglot.query import Query
from mystira.polyglot.store import Conflict, Key, OutcomeUnknown, Unavailable
from mystira.polyglot.stores.sqlite.store import open_sqlite
from tests.contracts.sample import COLLECTIONS, SAMPLES, Sample, record_of
"""
WRITER = f"""{IMPORTS}
async def main():
    store = await open_sqlite(sys.argv[1], COLLECTIONS)
    for number in range(int(sys.argv[3])):
        sample = Sample(id=f"{{sys.argv[2]}}-{{number}}", owner_id=f"owner{{number % 7}}")
        await store.write(SAMPLES, record_of(sample), None)
        print(number, flush=True)
    store.close()
asyncio.run(main())
"""
COUNTER = f"""{IMPORTS}
async def add(store):
    while True:
        base = await store.read(SAMPLES, Key("owner", "counter"))
        changed = base.entity.evolve(amount=base.entity.amount + 1)
        try:
            await store.write(SAMPLES, record_of(changed, base=base), base)
        except Conflict:
            continue
        return
async def main():
    store = await open_sqlite(sys.argv[1], COLLECTIONS)
    for _ in range(int(sys.argv[3])):
        await add(store)
    store.close()
asyncio.run(main())
"""
OPENER = f"""{IMPORTS}
async def main():
    sys.stdin.readline()
    store = await open_sqlite(sys.argv[1], COLLECTIONS)
    await store.write(SAMPLES, record_of(Sample(id=sys.argv[2])), None)
    store.close()
asyncio.run(main())
"""
# The disk's confirmation of the log fails while the file "fail" exists; everything else is the real thing.
FAILING_SYNC = f"""{IMPORTS}
class Disk(apsw.VFS):
    def __init__(self):
        super().__init__("failing", "unix", makedefault=True)
    def xOpen(self, name, flags):
        return File("unix", name, flags)
class File(apsw.VFSFile):
    def xSync(self, flags):
        if os.path.exists(sys.argv[1] + ".fail"):
            raise apsw.IOError("the disk did not confirm")
        return super().xSync(flags)
async def main():
    disk = Disk()
    store = await open_sqlite(sys.argv[1], COLLECTIONS)
    await store.write(SAMPLES, record_of(Sample(id="before")), None)
    open(sys.argv[1] + ".fail", "w").close()
    try:
        await store.write(SAMPLES, record_of(Sample(id="during")), None)
    except OutcomeUnknown as error:
        print("unknown:", error)
    os.remove(sys.argv[1] + ".fail")
    await store.write(SAMPLES, record_of(Sample(id="after")), None)
    print(sorted(record.key.id for record in await store.search(SAMPLES, Query())))
    store.close()
asyncio.run(main())
"""


def start(script: str, path: Path, *more: str, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", script, str(path), *more], text=True, cwd=ROOT, **options)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "documents.sqlite"


@pytest.fixture
async def sqlite(path: Path) -> AsyncIterator[SqliteDocuments]:
    store = await open_sqlite(path, COLLECTIONS, locked_s_max=0.05)
    yield store
    store.close()


async def drain(store: SqliteDocuments, range_id: str, after: str) -> tuple[list[FeedItem], str]:
    seen: list[FeedItem] = []
    while True:
        page = await store.feed(SAMPLES, range_id, after, 5)
        seen += page.items
        after = page.continuation
        if not page.has_more:
            return seen, after


async def test_a_follower_misses_nothing_while_two_processes_write(sqlite: SqliteDocuments, path: Path) -> None:
    writers = [start(WRITER, path, name, "150", stdout=subprocess.DEVNULL) for name in ("one", "two")]
    seen: list[str] = []
    after = dict.fromkeys(await sqlite.feed_ranges(SAMPLES), "")
    while True:
        ended = all(writer.poll() is not None for writer in writers)
        for range_id in after:
            found, after[range_id] = await drain(sqlite, range_id, after[range_id])
            seen += (item.record.key.id for item in found)
        if ended:
            break
        await asyncio.sleep(0.005)
    assert [writer.returncode for writer in writers] == [0, 0]
    assert sorted(seen) == sorted(f"{name}-{number}" for name in ("one", "two") for number in range(150))


async def test_no_increment_of_two_processes_is_lost(sqlite: SqliteDocuments, path: Path) -> None:
    await sqlite.write(SAMPLES, record_of(Sample(id="counter", amount=0)), None)
    counters = [start(COUNTER, path, "counter", "100") for _ in range(2)]
    assert [counter.wait(60) for counter in counters] == [0, 0]
    found = await sqlite.read(SAMPLES, Key("owner", "counter"))
    assert found is not None and isinstance(found.entity, Sample)
    assert (found.entity.amount, found.stamp.seq) == (200, 201)


async def test_several_processes_may_make_the_file_at_once(path: Path) -> None:
    openers = [start(OPENER, path, str(number), stdin=subprocess.PIPE) for number in range(5)]
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.close()
    assert [opener.wait(60) for opener in openers] == [0] * 5
    store = await open_sqlite(path, COLLECTIONS)
    assert await store.count(SAMPLES, EVERYTHING) == 5
    store.close()


async def test_what_was_acknowledged_survives_kill_9(path: Path) -> None:
    writer = start(WRITER, path, "k", "100000", stdout=subprocess.PIPE)
    assert writer.stdout is not None
    for _ in range(60):
        acknowledged = int(writer.stdout.readline())
    writer.send_signal(signal.SIGKILL)
    acknowledged = max(acknowledged, *(int(line) for line in writer.stdout if line.endswith("\n")), 0)
    writer.wait(10)
    store = await open_sqlite(path, COLLECTIONS)
    for number in range(acknowledged + 1):
        assert await store.read(SAMPLES, Key(f"owner{number % 7}", f"k-{number}")) is not None
    assert await store.count(SAMPLES, EVERYTHING) in (acknowledged + 1, acknowledged + 2)
    store.close()


async def test_another_processs_write_is_seen_and_counts(sqlite: SqliteDocuments, path: Path) -> None:
    await sqlite.write(SAMPLES, record_of(Sample(id="a")), None)
    base = await sqlite.read(SAMPLES, Key("owner", "a"))
    assert base is not None
    before = await sqlite.changes()
    assert await sqlite.changes() == before
    other = await open_sqlite(path, COLLECTIONS)
    await other.write(SAMPLES, record_of(Sample(id="a", title="first"), base=base), base)
    assert await sqlite.changes() > before
    with pytest.raises(Conflict):
        await sqlite.write(SAMPLES, record_of(Sample(id="a", title="second"), base=base), base)
    found = await sqlite.read(SAMPLES, Key("owner", "a"))
    assert found is not None and found.entity == Sample(id="a", title="first")
    other.close()


async def test_what_was_made_of_a_version_once_is_shared_and_another_version_is_made_anew(
    sqlite: SqliteDocuments, path: Path
) -> None:
    await sqlite.write(SAMPLES, record_of(Sample(id="a", owner_id="o", tags=("x",))), None)
    key = Key("o", "a")
    first = await sqlite.read(SAMPLES, key)
    assert first is not None and await sqlite.read(SAMPLES, key) is first
    (range_id, *_) = [
        one for one in await sqlite.feed_ranges(SAMPLES) if (await sqlite.feed(SAMPLES, one, "", 9)).items
    ]
    assert (await sqlite.feed(SAMPLES, range_id, "", 9)).items[0].record is first
    other = await open_sqlite(path, COLLECTIONS)
    try:
        changed = record_of(Sample(id="a", owner_id="o", tags=("y",)), base=first)
        await other.write(SAMPLES, changed, first)
        second = await sqlite.read(SAMPLES, key)
        assert second is not None and second.entity == changed.entity
        assert (await sqlite.feed(SAMPLES, range_id, "", 9)).items[0].record is second
    finally:
        other.close()


async def test_a_document_that_was_edited_in_the_file_is_read_as_it_is(sqlite: SqliteDocuments, path: Path) -> None:
    await sqlite.write(SAMPLES, record_of(Sample(id="a", owner_id="o", title="before")), None)
    assert await sqlite.read(SAMPLES, Key("o", "a")) is not None
    file = apsw.Connection(str(path))
    file.execute(f"UPDATE \"{SAMPLES.container}\" SET body = replace(body, 'before', 'behind')")
    file.close()
    found = await sqlite.read(SAMPLES, Key("o", "a"))
    assert found is not None and isinstance(found.entity, Sample) and found.entity.title == "behind"


async def test_a_split_in_another_process_is_seen(sqlite: SqliteDocuments, path: Path) -> None:
    parent = (await sqlite.feed_ranges(SAMPLES))[0]
    other = await open_sqlite(path, COLLECTIONS)
    children = await other.split_range(SAMPLES, parent)
    with pytest.raises(RangeGone) as gone:
        await sqlite.feed(SAMPLES, parent, "", 5)
    assert gone.value.successors == tuple(children)
    other.close()


async def test_a_full_disk_changes_nothing_and_says_what_to_do(sqlite: SqliteDocuments, path: Path) -> None:
    await sqlite.write(SAMPLES, record_of(Sample(id="a")), None)
    pages = await sqlite._writer.write(lambda connection, position: connection.pragma("page_count"))
    await sqlite._writer.write(lambda connection, position: connection.pragma("max_page_count", pages + 2))
    with pytest.raises(Unavailable, match="disk is full; free some space"):
        await sqlite.write(SAMPLES, record_of(Sample(id="b", title="x" * 100_000)), None)
    assert await sqlite.read(SAMPLES, Key("owner", "b")) is None
    await sqlite._writer.write(lambda connection, position: connection.pragma("max_page_count", 1 << 30))
    await sqlite.write(SAMPLES, record_of(Sample(id="b", title="x" * 100_000)), None)


async def test_a_read_only_file_can_be_read_and_says_what_to_do(sqlite: SqliteDocuments) -> None:
    await sqlite.write(SAMPLES, record_of(Sample(id="a")), None)
    await sqlite._writer.write(lambda connection, position: None)
    sqlite._writer._connection.pragma("query_only", True)
    with pytest.raises(Unavailable, match="cannot be written; check its owner"):
        await sqlite.write(SAMPLES, record_of(Sample(id="b")), None)
    assert await sqlite.read(SAMPLES, Key("owner", "a")) is not None


async def test_a_lock_held_too_long_changes_nothing_and_stops_no_reader(sqlite: SqliteDocuments, path: Path) -> None:
    await sqlite.write(SAMPLES, record_of(Sample(id="a")), None)
    other = connect(str(path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="kept the file locked"):
        await sqlite.write(SAMPLES, record_of(Sample(id="b")), None)
    assert await sqlite.read(SAMPLES, Key("owner", "a")) is not None
    other.execute("ROLLBACK")
    other.close()
    await sqlite.write(SAMPLES, record_of(Sample(id="b")), None)


async def test_an_unconfirmed_commit_is_an_unknown_outcome(path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FAILING_SYNC, str(path)], capture_output=True, text=True, cwd=ROOT, timeout=60
    )
    assert ended.returncode == 0, ended.stderr
    said, found = ended.stdout.splitlines()
    assert said.startswith(f"unknown: {path}: the disk reports an error")
    assert found in ("['after', 'before']", "['after', 'before', 'during']")


async def test_a_file_that_cannot_be_opened_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"missing/none\.sqlite: the file cannot be opened; check that its folder"):
        await open_sqlite(tmp_path / "missing" / "none.sqlite", COLLECTIONS)
    (tmp_path / "letter.txt").write_text("Dear reader, this is not a database. " * 100)
    with pytest.raises(Unavailable, match="not a document store"):
        await open_sqlite(tmp_path / "letter.txt", COLLECTIONS)
    assert (tmp_path / "letter.txt").read_text().startswith("Dear reader")


async def test_a_closed_store_says_so(path: Path) -> None:
    store = await open_sqlite(path, COLLECTIONS)
    store.close()
    store.close()
    with pytest.raises(Unavailable, match="was closed"):
        await store.read(SAMPLES, Key("owner", "a"))
    with pytest.raises(Unavailable, match="was closed"):
        await store.write(SAMPLES, record_of(Sample(id="a")), None)
    with pytest.raises(Unavailable, match="was closed"):
        await store.ping()


async def test_closing_finishes_what_waits(path: Path) -> None:
    store = await open_sqlite(path, COLLECTIONS)
    waiting = [asyncio.ensure_future(store.write(SAMPLES, record_of(Sample(id=str(n))), None)) for n in range(200)]
    await asyncio.sleep(0)
    store.close()
    await asyncio.gather(*waiting)
    store = await open_sqlite(path, COLLECTIONS)
    assert await store.count(SAMPLES, EVERYTHING) == 200
    store.close()


async def test_a_mistake_in_one_write_does_not_end_the_writer(sqlite: SqliteDocuments) -> None:
    def mistaken(connection: apsw.Connection, position: int) -> None:
        raise ZeroDivisionError

    answers = await asyncio.gather(
        sqlite._writer.write(mistaken),
        sqlite.write(SAMPLES, record_of(Sample(id="a")), None),
        return_exceptions=True,
    )
    assert [type(answer).__name__ for answer in answers] == ["ZeroDivisionError", "NoneType"]
    assert await sqlite.read(SAMPLES, Key("owner", "a")) is not None


async def test_an_etag_is_never_given_twice(sqlite: SqliteDocuments) -> None:
    tokens: set[str] = set()
    base = None
    for number in range(20):
        await sqlite.write(SAMPLES, record_of(Sample(id="a", amount=number), base=base), base)
        base = await sqlite.read(SAMPLES, Key("owner", "a"))
        assert base is not None
        tokens.add(base.token)
    assert len(tokens) == 20


async def test_a_token_of_another_store_is_a_conflict(sqlite: SqliteDocuments) -> None:
    await sqlite.write(SAMPLES, record_of(Sample(id="a")), None)
    base = await sqlite.read(SAMPLES, Key("owner", "a"))
    assert base is not None
    for token in ("", "0", '"0000-etag"', "1.0e0x"):
        with pytest.raises(Conflict):
            foreign = msgspec.structs.replace(base, token=token)
            await sqlite.write(SAMPLES, record_of(Sample(id="a"), base=foreign), foreign)


async def test_a_key_that_cannot_exist_is_not_found(sqlite: SqliteDocuments) -> None:
    assert await sqlite.read(SAMPLES, Key("owner", "nul \x00")) is None
    assert await sqlite.read(SAMPLES, Key("half \ud83d pair", "a")) is None


async def test_the_charge_of_the_last_call_is_told(sqlite: SqliteDocuments) -> None:
    await sqlite.write(SAMPLES, record_of(Sample(id="a", title="x" * 2_000), events=(event(1),)), None)
    assert sqlite.last_charge == pytest.approx(3 * 5.3)
    await sqlite.read(SAMPLES, Key("owner", "a"))
    assert sqlite.last_charge == pytest.approx(3.0)
    await sqlite.read(SAMPLES, Key("owner", "nothing"))
    assert sqlite.last_charge == pytest.approx(1.0)


DECLARED_INDEX = r"USING INDEX Samples_[0-9a-f]{8}"


def plan(store: SqliteDocuments, collection: Collection[Any], query: Query) -> str:
    compiled = Compiled(collection, 0.0)
    statement = compiled.search(collection.complete(query))
    rows = store._reader.execute(f"EXPLAIN QUERY PLAN {statement}", compiled.values)
    return " | ".join(str(row[3]) for row in rows)


@pytest.mark.parametrize(
    "query",
    [
        Query(where=equal("title", "x")),
        Query(where=prefix("title", "x")),
        Query(where=all_of(equal("title", "x"), greater("amount", 3)), order=(Order("amount"),)),
        Query(order=(Order("made_at"),), limit=10),
        Query(order=(Order("title"), Order("amount")), limit=10),
    ],
    ids=str,
)
async def test_a_declared_index_is_used(sqlite: SqliteDocuments, query: Query) -> None:
    assert re.search(DECLARED_INDEX, plan(sqlite, SAMPLES, query))


async def test_a_query_within_one_partition_reads_only_that(sqlite: SqliteDocuments) -> None:
    assert "(partition=?)" in plan(sqlite, SAMPLES, Query(where=equal("owner_id", "o")))


@pytest.mark.parametrize("descending", [False, True])
async def test_a_page_in_an_index_order_needs_no_sorting(sqlite: SqliteDocuments, descending: bool) -> None:
    order = tuple(Order(name, descending) for name in ("made_at", "owner_id", "id"))
    assert "TEMP B-TREE" not in plan(sqlite, SAMPLES, Query(order=order))


async def test_an_index_declared_anew_replaces_the_old_one(path: Path) -> None:
    def declared(*fields: str) -> Collection[Sample]:
        return Collection(Sample, container="Samples", table="samples", partition="owner_id", indexes=(fields,))

    first = await open_sqlite(path, [declared("title")])
    assert re.search(DECLARED_INDEX, plan(first, SAMPLES, Query(where=equal("title", "x"))))
    first.close()
    second = await open_sqlite(path, [declared("amount")])
    assert not re.search(DECLARED_INDEX, plan(second, SAMPLES, Query(where=equal("title", "x"))))
    assert re.search(DECLARED_INDEX, plan(second, SAMPLES, Query(where=equal("amount", 1))))
    second.close()
