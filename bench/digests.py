"""Digests measured: counting a collection for the first time, comparing both sides, and what a save pays for it."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import asyncpg

from bench.backfill import AT_ONCE, paper_record, write_all
from bench.measuring import TASKS, Clocks, Row
from bench.replication import server
from bench.store import PAPERS, Renamed, Thing, thing
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control
from mystira.polyglot.digest import differing
from mystira.polyglot.digesting import DigestKeeper, progress
from mystira.polyglot.phases import Phase
from mystira.polyglot.replication import Replication
from mystira.polyglot.stores.postgres.rows import DIGESTS, Rows
from mystira.polyglot.stores.postgres.schema import create_table
from mystira.polyglot.stores.postgres.store import PostgresStore, open_postgres
from mystira.polyglot.stores.sqlite.store import open_sqlite
from mystira.polyglot.work import Work, Works

DIFFERENCES = (0, 1, 10, 100, 1_000)
REPEATS = 5
KEYS = 2_000
SAVES_A_TURN = 20
RATIO_MIN = 0.9


class Counted(Thing, frozen=True, kw_only=True):
    """Led by PostgreSQL alone; its rows have digests, as all have."""


class Uncounted(Thing, frozen=True, kw_only=True):
    """The same, in a table without digests."""


class Mirrored(Thing, frozen=True, kw_only=True):
    """Led by PostgreSQL and carried back to documents, with digests."""


class Unmirrored(Thing, frozen=True, kw_only=True):
    """The same, in a table without digests."""


class Followed(Thing, frozen=True, kw_only=True):
    """Led by documents, with a digested copy."""


class Plain(Thing, frozen=True, kw_only=True):
    """Led by documents, with a copy that nobody digests."""


DUAL, REVERSED = Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ
WITH = (
    Collection(Counted, container="Counted", table="bench_counted", phase=Phase.POSTGRES_ONLY),
    Collection(Mirrored, container="Mirrored", table="bench_mirrored", phase=REVERSED),
    Collection(Followed, container="Followed", table="bench_followed", phase=DUAL),
)
WITHOUT = (
    Collection(Uncounted, container="Uncounted", table="bench_uncounted", phase=Phase.POSTGRES_ONLY),
    Collection(Unmirrored, container="Unmirrored", table="bench_unmirrored", phase=REVERSED),
    Collection(Plain, container="Plain", table="bench_plain", phase=DUAL),
)


class Compared(NamedTuple):
    """One comparison: how many keys differed, how long it took, and how many nodes and keys were read for it."""

    differences: int
    took_ms: float
    rows_read: int


class Digested(NamedTuple):
    """A whole run. Times to build are those of one worker."""

    records: int
    rows_built_s: float
    documents_built_s: float
    compared: list[Compared]
    saves: list[Row]


async def measure(records: int, seconds: float) -> Digested:
    """Build the digests of this many equal records, compare, and save with and without digests."""
    with tempfile.TemporaryDirectory(prefix="mystira-bench-") as name:
        folder = Path(name)
        async with server(folder) as dsn:
            built = await _measure_tree(dsn, folder, records)
            return built._replace(saves=await _measure_saves(dsn, folder, seconds))


async def _measure_tree(dsn: str, folder: Path, records: int) -> Digested:
    connection = await asyncpg.connect(dsn)
    for statement in create_table(PAPERS):
        await connection.execute(statement)
    documents = await open_sqlite(folder / "many.sqlite", [PAPERS])
    await asyncio.to_thread(write_all, folder / "many.sqlite", records)
    await _copy_rows(connection, records)
    relational = await open_postgres(dsn, [PAPERS])
    r = Replication(Catalog([PAPERS]), documents, relational)
    await r.journal.declare(Control(id=PAPERS.name, phase=DUAL, copying=True, complete=True))
    began = time.perf_counter()
    while await relational.digests.fill(PAPERS, 1_000):
        await relational.digests.fold(20_000)
    rows_s, began = time.perf_counter() - began, time.perf_counter()
    keeper = DigestKeeper(r, lease_s=None)
    while await keeper.step():
        continue
    documents_s = time.perf_counter() - began
    assert (await progress(r, PAPERS)).is_current
    for table in (PAPERS.table, "polyglot.document_digests", "polyglot.digest_nodes", "polyglot.digest_deltas"):
        await connection.execute(f"VACUUM ANALYZE {table}")
    found = [await _compare(connection, relational, number, records) for number in DIFFERENCES]
    await connection.close()
    await relational.close()
    documents.close()
    return Digested(records, rows_s, documents_s, found, [])


async def _copy_rows(connection: Any, records: int) -> None:
    """Put the rows into the table as an older version would have: without digests."""
    rows = Rows(PAPERS)
    width = len(rows.names) - len(DIGESTS)
    for start in range(0, records, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, records))
        values = [rows.parameters(paper_record(number))[:width] for number in numbers]
        await connection.copy_records_to_table(PAPERS.table, records=values, columns=rows.names[:width])


async def _compare(connection: Any, relational: PostgresStore, number: int, records: int) -> Compared:
    ids = [paper_record(at).key.id for at in Random(number).sample(range(records), number)]
    # Doing it twice undoes it. Digests that were only a little off could cancel each other, as hashes never do.
    change = f"UPDATE {PAPERS.table} SET _leaf = _leaf, _digest = _digest # hashtextextended(id, 7) WHERE id = ANY ($1)"
    await connection.execute(change, ids)
    while await relational.digests.fold(20_000):
        continue
    took: list[float] = []
    with _counting(relational.digests) as read:
        for _ in range(REPEATS):
            read.clear()
            began = time.perf_counter()
            found = [one.key.id async for one in differing(relational.digests, PAPERS)]
            took.append((time.perf_counter() - began) * 1_000)
            assert sorted(found) == sorted(ids)
    await connection.execute(change, ids)
    return Compared(number, statistics.median(took), sum(read))


@contextmanager
def _counting(digests: Any) -> Iterator[list[int]]:
    """Note how many rows each look at nodes or keys came to."""
    read: list[int] = []

    async def counted(ask: Any, *args: Any) -> Mapping[Any, Any]:
        found = await ask(*args)
        read.append(len(found))
        return found

    digests.nodes, digests.members = partial(counted, digests.nodes), partial(counted, digests.members)
    try:
        yield read
    finally:
        del digests.nodes, digests.members


async def _measure_saves(dsn: str, folder: Path, seconds: float) -> list[Row]:
    connection = await asyncpg.connect(dsn)
    for collection in WITH:
        for statement in create_table(collection):
            await connection.execute(statement)
    for collection in WITHOUT:
        for statement in create_table(collection):
            if "_leaf)" not in statement and "TRIGGER" not in statement:
                await connection.execute(statement)
    await connection.close()
    collections = [*WITH, *WITHOUT]
    relational = await open_postgres(dsn, collections)
    for collection in WITHOUT:
        _leave_undigested(relational, collection)
    documents = await open_sqlite(folder / "saves.sqlite", collections)
    works = Works(Catalog(collections), documents=documents, relational=relational)
    found: list[Row] = []
    async with relational.connection() as connection:
        pairs = (Phase.POSTGRES_ONLY, Counted, Uncounted), (REVERSED, Mirrored, Unmirrored), (DUAL, Followed, Plain)
        for name, ours, peer in pairs:
            await _put_all(works, (ours, peer))
            ours_per_s, peer_per_s = await _rates(works, connection, (ours, peer), seconds)
            row = Row(f"save, {name}", ours_per_s, "without digests", peer_per_s, ours_per_s / peer_per_s, RATIO_MIN)
            found.append(row)
    await works.close()
    documents.close()
    await relational.close()
    return found


def _leave_undigested(relational: PostgresStore, collection: Collection[Any]) -> None:
    """Let the rows of one collection be written as they were before there were digests."""
    rows: Any = relational._rows[collection.name]  # pyright: ignore[reportPrivateUsage] - nobody else must do this.
    whole = rows.parameters

    def parameters(record: Any, *, digested: bool = False) -> Sequence[Any]:
        return whole(record, digested=False)

    rows.parameters = parameters
    fenced: Any = relational.journal._fenced[collection.name]  # pyright: ignore[reportPrivateUsage]
    fenced._unwatched = {events: fenced._statements[False, events] for events in fenced._unwatched}


async def _put_all(works: Works, kinds: Sequence[type[Thing]]) -> None:
    for number in range(KEYS):
        for kind in kinds:
            await works.run(_put, kind, number)


async def _rates(works: Works, connection: Any, kinds: Sequence[type[Thing]], seconds: float) -> list[float]:
    """Return how many saves of each kind a second of CPU time is good for; others' work is not counted."""
    clocks = [await Clocks.of(connection) for _ in kinds]
    saved = [0] * len(kinds)
    while clocks[0].wall_s < seconds:
        for at, kind in enumerate(kinds):
            clocks[at].go_on()
            await asyncio.gather(*(_save_some(works, kind, task) for task in range(TASKS)))
            clocks[at].rest()
            saved[at] += TASKS * SAVES_A_TURN
    return [number / clock.cpu_s for number, clock in zip(saved, clocks, strict=True)]


async def _save_some(works: Works, kind: type[Thing], task: int) -> None:
    for turn in range(SAVES_A_TURN):
        await works.run(_put, kind, task + TASKS * turn)


async def _put(work: Work, kind: type[Thing], number: int) -> None:
    key = str(number % KEYS)
    await work.get(kind, key)
    work.save(thing(kind, 0, number).evolve(id=key), Renamed(thing_id=key))
