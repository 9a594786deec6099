"""Filling a relational copy from documents, page by page beside the bare limit: COPY and upsert of the same rows."""

import asyncio
import gc
import resource
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from bench.measuring import Clocks, Filled
from bench.store import PAPERS, Paper, thing
from mystira.polyglot import backfill
from mystira.polyglot.backfill import Backfiller
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Stamp
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Key, Record
from mystira.polyglot.stores.documents import dump
from mystira.polyglot.stores.postgres.rows import Rows
from mystira.polyglot.stores.postgres.schema import create_table
from mystira.polyglot.stores.postgres.store import open_postgres
from mystira.polyglot.stores.ranges import hash_of
from mystira.polyglot.stores.sqlite.schema import connect
from mystira.polyglot.stores.sqlite.store import open_sqlite

BARE = Collection(Paper, container="Bare", table="bench_bare")
AT_ONCE = 10_000


def filled(dsn: str, folder: Path, documents: int) -> Filled:
    """Measure one size in a process of its own, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as apart:
        return apart.submit(_run, dsn, folder, documents).result()


def _run(dsn: str, folder: Path, documents: int) -> Filled:
    return uvloop.run(_filled(dsn, folder / f"{documents}.sqlite", documents))


class _Bare:
    """What asyncpg and PostgreSQL can do at most: rows that are ready, staged by COPY, taken over by one statement."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        rows = Rows(BARE)
        self._rows = rows
        self._names = [*rows.names, "_doc_seen"]
        columns = f"{rows.columns}, _doc_seen"
        self._take = (
            f"INSERT INTO {rows.table} AS t ({columns}) SELECT {columns} FROM bench_stage "
            f"ON CONFLICT (id) DO UPDATE SET {rows.taken_over} WHERE t._stamp < excluded._stamp"
        )

    async def prepare(self) -> None:
        """Make the staging table of this connection."""
        table = f"(LIKE {self._rows.table} INCLUDING DEFAULTS) ON COMMIT DELETE ROWS"
        await self._connection.execute(f"CREATE TEMP TABLE bench_stage {table}")

    def rows(self, numbers: Sequence[int]) -> list[tuple[Any, ...]]:
        """Return what `put` takes; nobody counts the time."""
        records = [paper_record(number) for number in numbers]
        return [(*self._rows.parameters(record), record.stamp.packed) for record in records]

    async def put(self, rows: list[tuple[Any, ...]]) -> None:
        """Write one page."""
        async with self._connection.transaction():
            await self._connection.copy_records_to_table("bench_stage", records=rows, columns=self._names)
            await self._connection.execute(self._take)


async def _filled(dsn: str, file: Path, count: int) -> Filled:
    await _tables(dsn)
    documents = await open_sqlite(file, [PAPERS])
    await asyncio.to_thread(write_all, file, count)
    relational = await open_postgres(dsn, [PAPERS], connections=4)
    r = Replication(Catalog([PAPERS]), documents, relational)
    worker = Backfiller(r, steady=time.monotonic)
    connection = await asyncpg.connect(dsn)
    bare = _Bare(connection)
    await bare.prepare()
    # As `mystira run` does before it serves.
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    ours, theirs = await Clocks.of(connection), await Clocks.of(connection)
    ours.go_on()
    job = await backfill.start(r, PAPERS, actor="bench", why="to measure")
    ours.rest()
    while job.state == backfill.RUNNING:
        before = job.seen
        ours.go_on()
        await worker.step()
        ours.rest()
        job = await r.journal.backfill(PAPERS.name)
        assert job is not None
        # The same number of rows for the peer, right after ours: a busy moment of the machine hits both.
        for start in range(before, job.seen, backfill.PAGE):
            rows = bare.rows(range(start, min(start + backfill.PAGE, job.seen)))
            theirs.go_on()
            await bare.put(rows)
            theirs.rest()
    found = [await connection.fetchval(f"SELECT count(*) FROM {name}") for name in (PAPERS.table, BARE.table)]
    assert found == [count, count], found
    await connection.close()
    await relational.close()
    documents.close()
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spent = (ours.cpu_s, theirs.cpu_s, ours.wall_s, theirs.wall_s)
    return Filled(count, *(count / seconds for seconds in spent), memory_mb)


def paper_record(number: int) -> Record:
    # Ids come in no order, as those of a store that has lived do.
    key = f"{zlib.crc32(str(number).encode()):08x}-{number}"
    paper = thing(Paper, 0, number).evolve(id=key)
    return Record(key=Key(key, key), entity=paper, stamp=Stamp(0, 1), op=f"op-{key}", event_seq=1)


def write_all(file: Path, count: int) -> None:
    """Put the documents into the file at once: how long that takes is measured elsewhere."""
    connection = connect(str(file))
    columns = "partition, id, hash, deleted, body, position"
    statement = f'INSERT INTO "{PAPERS.container}" ({columns}) VALUES (?, ?, ?, 0, ?, ?)'
    last = connection.execute("SELECT last FROM _position").get
    for start in range(0, count, AT_ONCE):
        connection.execute("BEGIN IMMEDIATE")
        for number in range(start, min(start + AT_ONCE, count)):
            record = paper_record(number)
            body = dump(PAPERS, record).decode()
            position = last + number + 1
            connection.execute(statement, (*record.key, hash_of(record.key.partition), body, position))
        connection.execute("UPDATE _position SET last = ?", (last + min(start + AT_ONCE, count),))
        connection.execute("COMMIT")
    connection.close()


async def _tables(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    for collection in (PAPERS, BARE):
        await connection.execute(f"DROP TABLE IF EXISTS {collection.table}")
        for statement in create_table(collection):
            await connection.execute(statement)
    for table in ("control", "feed_position", "backfill"):
        await connection.execute(f"DELETE FROM polyglot.{table} WHERE collection = $1", PAPERS.name)
    await connection.close()
