"""Replication measured: filling a copy, saving to both stores, reading beside the loops, and how far a copy lags."""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from bench import backfill
from bench.cores import OURS, THEIRS, bound, can_part, server_processes
from bench.looping import working
from bench.measuring import Beside, Filled, Lag, Row, Seen, at_share, compared, rates
from bench.reading import Reader
from bench.store import MIGRATIONS, PAPERS, Paper, Renamed, Thing, thing
from mystira.polyglot.bus import OutboxPump
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.feed import FeedFollower
from mystira.polyglot.loops import Wake
from mystira.polyglot.phases import Phase
from mystira.polyglot.reaction import Reactions
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Record, StoreError
from mystira.polyglot.stores.postgres.embedded import attach, remove
from mystira.polyglot.stores.postgres.schema import create_table, migrate
from mystira.polyglot.stores.postgres.store import PostgresStore, open_postgres
from mystira.polyglot.stores.sqlite.store import SqliteDocuments, open_sqlite
from mystira.polyglot.work import Work, Works
from mystira.services import COLLECTIONS
from mystira.services.worker import begin, carrying

KEYS = 2_000
WRITES_PER_S = 200
LAG_RATES = (200, 1_000)
GROWTH = 1.25
# A copy that falls behind for good shows it within seconds: its lag grows as long as the writes go on.
LAG_MS_MAX, KEPT_UP_MIN = 250.0, 0.97
AT_ONCE_MAX = 256
LEFT_OVER = 20
STARTED_S = 2.0
READ_TURN_S = 2.0


class Twin(Thing, frozen=True, kw_only=True):
    """The same, led by documents, with a copy in PostgreSQL."""


TWINS = Collection(Twin, container="Twins", table="bench_twins", phase=Phase.DUAL_WRITE_COSMOS_READ)


class Measured(NamedTuple):
    """Everything about replication."""

    saves: list[Row]
    reads: list[Beside]
    lags: list[Lag]


class _Stage(NamedTuple):
    works: Works
    r: Replication
    documents: SqliteDocuments
    relational: PostgresStore
    wake: Wake

    def steps(self) -> dict[str, Callable[[], Awaitable[int]]]:
        """Return what carries changes onward, without leases: nobody else is there."""
        r = self.r
        return {
            "feed": FeedFollower(r.catalog, r.documents, r.relational, clock=r.clock, lease_s=None).step,
            "outbox": OutboxPump(self.works, r.journal, Reactions([])).step,
        }

    @asynccontextmanager
    async def looping(self) -> AsyncGenerator[None]:
        """Keep doing it; hardly anything waits from before when this begins."""
        steps = self.steps()
        while await steps["feed"]() > LEFT_OVER:
            continue
        # As the server does by itself within a minute: without, it plans for the empty tables of a minute ago.
        async with self.relational.connection() as connection:
            await connection.execute("ANALYZE")
        while sum([await step() for step in steps.values()]) > LEFT_OVER:
            continue
        loops = begin(carrying(self.works, self.r, Reactions([])), self.wake, Wake())
        try:
            # What a process does once, when it starts: it connects, leases its ranges, and counts what digests missed.
            await asyncio.sleep(STARTED_S)
            yield
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)


async def measure_filling(sizes: list[int]) -> list[Filled]:
    """Fill copies of these sizes, each in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="mystira-bench-") as name:
        async with server(Path(name)) as dsn:
            return [await asyncio.to_thread(backfill.filled, dsn, Path(name), size) for size in sizes]


async def measure(seconds: float) -> Measured:
    """Measure saves, reads and lags; takes about ten times `seconds`."""
    with tempfile.TemporaryDirectory(prefix="mystira-bench-") as name:
        async with server(Path(name)) as dsn, stage(dsn, Path(name)) as here:
            for number in range(KEYS):
                for kind in (Paper, Twin):
                    await here.works.run(_put, kind, number)
            saves = [await _saves(here, seconds)]
            reads = [await _reads(here, dsn, Path(name), seconds)]
            if can_part():
                # Shared, the reader pays for the turns that others take on its cores, as it would for any neighbour.
                with bound([os.getpid()], OURS), bound(await server_processes(here.relational), THEIRS):
                    reads.append(await _reads(here, dsn, Path(name), seconds, THEIRS))
            return Measured(saves, reads, await _lags(here, seconds))


@asynccontextmanager
async def server(folder: Path) -> AsyncGenerator[str]:
    (folder / "data").mkdir()
    attached = await attach(folder / "data", print)
    try:
        await migrate(attached.dsn, MIGRATIONS, lambda text: None)
        yield attached.dsn
    finally:
        await attached.release()
        await remove(folder / "data")


@asynccontextmanager
async def stage(dsn: str, folder: Path) -> AsyncGenerator[_Stage]:
    """Create the tables, and open both stores."""
    connection = await asyncpg.connect(dsn)
    for collection in (PAPERS, TWINS):
        for statement in create_table(collection):
            await connection.execute(statement)
    await connection.close()
    async with opened(dsn, folder) as here:
        yield here


@asynccontextmanager
async def opened(dsn: str, folder: Path) -> AsyncGenerator[_Stage]:
    """Open both stores, as each process does for itself."""
    # The platform's own collections are there as well, for the loops look after them all.
    collections = [*COLLECTIONS, PAPERS, TWINS]
    relational = await open_postgres(dsn, collections)
    documents = await open_sqlite(folder / "documents.sqlite", collections)
    wake = Wake()
    works = Works(Catalog(collections), documents=documents, relational=relational, committed=wake.ring)
    try:
        yield _Stage(works, Replication(works.catalog, documents, relational), documents, relational, wake)
    finally:
        await works.close()
        documents.close()
        await relational.close()


async def _put(work: Work, kind: type[Thing], number: int) -> None:
    key = str(number % KEYS)
    await work.get(kind, key)
    work.save(thing(kind, 0, number).evolve(id=key), Renamed(thing_id=key))


async def _saves(stage: _Stage, seconds: float) -> Row:
    async def save(kind: type[Thing], number: int, turn: int) -> None:
        await stage.works.run(_put, kind, number + 16 * turn)

    found = await rates({"both": partial(save, Twin), "documents": partial(save, Paper)}, seconds)
    return compared("save, DualWriteCosmosRead", found, "both", "documents", None)._replace(peer="CosmosOnly")


async def _reads(stage: _Stage, dsn: str, folder: Path, seconds: float, core: int | None = None) -> Beside:
    """Let another process read through a socket while writes go on, with a worker's loops and without, in turns.

    `core` is the worker's alone.
    """

    async def get(key: str) -> bool:
        return await stage.works.open().get(Twin, key) is not None

    taken: dict[bool, list[list[float]]] = {True: [], False: []}
    async with Reader.at(folder / "reads", get, KEYS) as reader, working(dsn, folder, core) as worker:
        writing = asyncio.create_task(_write(stage, WRITES_PER_S, None))
        turns = max(2, round(seconds / READ_TURN_S))
        for turn in range(2 * turns):
            is_on = turn % 2 == 0
            async with worker() if is_on else nullcontext():
                taken[is_on].append(await reader.read_for(READ_TURN_S))
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    where = "all on the same cores" if core is None else "worker and PostgreSQL on a core of their own"
    name = f"get by key, documents, {WRITES_PER_S} writes/s, {where}"
    # Neighbours in time are compared, so that what else the machine does meanwhile hits both.
    ratio = statistics.median(
        statistics.median(on) / statistics.median(off) for on, off in zip(taken[True], taken[False], strict=True)
    )
    return Beside(name, Seen.of(_together(taken[True])), Seen.of(_together(taken[False])), ratio)


def _together(turns: list[list[float]]) -> list[float]:
    return [taken for turn in turns for taken in turn]


async def _write(stage: _Stage, per_s: float, until: float | None) -> int:
    """Write open-loop: each is due at its time. Returns how many were made."""
    running: set[asyncio.Task[None]] = set()
    begun, made = time.perf_counter(), 0
    while until is None or time.perf_counter() < until:
        due = int((time.perf_counter() - begun) * per_s)
        while made < due and len(running) < AT_ONCE_MAX:
            task = asyncio.create_task(_write_one(stage, made))
            running.add(task)
            task.add_done_callback(running.discard)
            made += 1
        await asyncio.sleep(0.002)
    if running:
        await asyncio.wait(running)
    return made


async def _write_one(stage: _Stage, number: int) -> None:
    try:
        await stage.works.run(_put, Twin, number)
    except StoreError:
        # Too much at once: the rate is not sustained, and the count of what arrived says so.
        return


class _Watch:
    """Notes when each version was committed to the documents, and when a merge had brought it or a newer one over."""

    def __init__(self, stage: _Stage) -> None:
        self.lags_ms: list[float] = []
        self._waiting: dict[str, dict[int, float]] = {}
        self._write = stage.documents.write
        self._merge = stage.r.journal.merge
        self._stage = stage

    def __enter__(self) -> "_Watch":
        self._stage.documents.write = self._committed
        self._stage.relational.journal.merge = self._merged
        return self

    def __exit__(self, *error: object) -> None:
        del self._stage.documents.write
        del self._stage.relational.journal.merge

    @property
    def waiting(self) -> int:
        """How many versions have not been brought over."""
        return sum(map(len, self._waiting.values()))

    async def _committed(self, collection: Any, record: Record, base: Record | None) -> None:
        await self._write(collection, record, base)
        # Pruning writes a version again; what counts is when it came first.
        if collection is TWINS and (base is None or base.stamp != record.stamp):
            self._waiting.setdefault(record.key.id, {})[record.stamp.packed] = time.perf_counter()

    async def _merged(self, collection: Any, items: Any, *args: Any, **more: Any) -> Any:
        merged = await self._merge(collection, items, *args, **more)
        now = time.perf_counter()
        for record in items if collection is TWINS else ():
            waiting = self._waiting.get(record.key.id, {})
            for stamp in [stamp for stamp in waiting if stamp <= record.stamp.packed]:
                self.lags_ms.append((now - waiting.pop(stamp)) * 1_000)
        return merged


async def _lags(stage: _Stage, seconds: float) -> list[Lag]:
    follow_up = stage.works.sender.follow_up

    async def nothing(*args: Any) -> None:
        return

    found: list[Lag] = []
    for name, second_write in (("feed alone", nothing), ("with the write beside", follow_up)):
        stage.works.sender.follow_up = second_write
        async with stage.looping():
            found += [await _lag(stage, name, rate, seconds) for rate in LAG_RATES]
        found.append(await _highest(stage, name, seconds / 2))
    del stage.works.sender.follow_up
    return found


async def _highest(stage: _Stage, name: str, seconds: float) -> Lag:
    """Return the measurement at the highest rate at which the copy still keeps up."""
    rate, best = float(LAG_RATES[0]), None
    while True:
        async with stage.looping():
            lag = await _lag(stage, f"{name}, highest kept up with", round(rate), seconds)
        if not lag.kept_up:
            return best or lag
        best, rate = lag, rate * GROWTH


async def _lag(stage: _Stage, name: str, rate: float, seconds: float) -> Lag:
    with _Watch(stage) as watch:
        begun = time.perf_counter()
        made = await _write(stage, rate, begun + seconds)
        give_up = time.perf_counter() + 10
        while watch.waiting and time.perf_counter() < give_up:  # noqa: ASYNC110 - merges ring no bell.
            await asyncio.sleep(0.05)
        lost = watch.waiting
    ordered = sorted(watch.lags_ms) or [0.0]
    p50, p95, p99 = (at_share(ordered, share) for share in (0.5, 0.95, 0.99))
    kept_up = not lost and p95 < LAG_MS_MAX and made / seconds >= KEPT_UP_MIN * rate
    return Lag(name, rate, made / seconds, p50, p95, p99, kept_up)
