"""Cut-overs and rollbacks under load: how long writers were held, how many were refused, and what was lost."""

import asyncio
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from bench.measuring import at_share
from bench.replication import TWINS, Twin, server, stage
from bench.store import thing
from mystira.polyglot.certificate import Certificate
from mystira.polyglot.cutover import Orders, cut_over, roll_back
from mystira.polyglot.drains import DrainWatch
from mystira.polyglot.loops import Wake, keep_doing
from mystira.polyglot.store import Held, Key, OutcomeUnknown
from mystira.polyglot.work import Work, Works

MOVES = 50
KEYS = 500
WRITES_PER_S = 100
PAUSE_S = 0.2
AT_ONCE_MAX = 256
ORDERS = Orders(waived=("backup", "verification", "scrub"))
SOMEBODY = {"actor": "bench", "why": "measured"}


class Moves(NamedTuple):
    """One direction: how many changes of leader, and for how long each held the writers, by its certificate."""

    name: str
    moves: int
    p50_s: float
    p99_s: float
    max_s: float
    refused: int


class CutOvers(NamedTuple):
    """A whole run. `slowest_s`: the longest that a single write took, from the moment it was due."""

    moves: list[Moves]
    writes: int
    lost: int
    slowest_s: float


class _Promises:
    """What writers were told: the newest acknowledged amount of each key; amounts of a key only grow."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, int] = {}
        self.writes = 0
        self.slowest_s = 0.0


async def measure(moves: int = MOVES) -> CutOvers:
    """Move one collection there and back while two processes' worth of writers go on."""
    with tempfile.TemporaryDirectory(prefix="mystira-bench-") as name:
        folder = Path(name)
        async with server(folder) as dsn, stage(dsn, folder) as here, here.looping():
            for number in range(KEYS):
                await here.works.run(_put, str(number), 0)
            other = Works(here.works.catalog, documents=here.documents, relational=here.relational)
            async with _watched(here.works), _watched(other):
                promises, stop = _Promises(), asyncio.Event()
                writing = asyncio.create_task(_write((here.works, other), promises, stop))
                moved = await _move(here.r, moves)
                stop.set()
                await writing
            await other.close()
            lost = sum([await _is_lost(here.documents, key, told) for key, told in promises.acknowledged.items()])
        return CutOvers(moved, promises.writes, lost, promises.slowest_s)


async def _move(r: Any, moves: int) -> list[Moves]:
    there: list[Certificate] = []
    back: list[Certificate] = []
    for _ in range(moves):
        there.append(await cut_over(r, TWINS, orders=ORDERS, **SOMEBODY))
        await asyncio.sleep(PAUSE_S)
        back.append(await roll_back(r, TWINS, orders=ORDERS, **SOMEBODY))
        await asyncio.sleep(PAUSE_S)
    return [_summed("cut-over", there), _summed("rollback", back)]


def _summed(name: str, certificates: list[Certificate]) -> Moves:
    held = sorted(certificate.held_s for certificate in certificates)
    refused = sum(certificate.refused for certificate in certificates)
    return Moves(name, len(held), at_share(held, 0.5), at_share(held, 0.99), held[-1], refused)


@asynccontextmanager
async def _watched(works: Works) -> AsyncGenerator[None]:
    watch = DrainWatch(works.leadership, works.relational.journal)
    loop = asyncio.create_task(keep_doing("drains", watch.step, Wake(), idle_s=0.2))
    try:
        yield
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)


async def _write(works: tuple[Works, ...], promises: _Promises, stop: asyncio.Event) -> None:
    """Write open-loop: each is due at its time, and repeated until it is acknowledged."""
    running: set[asyncio.Task[None]] = set()
    begun, made = time.perf_counter(), 0
    while not stop.is_set():
        due = int((time.perf_counter() - begun) * WRITES_PER_S)
        while made < due and len(running) < AT_ONCE_MAX:
            # A key has one writer at a time, so that its amounts are acknowledged in order.
            write = _write_one(works[made % len(works)], str(made % KEYS), made + 1, promises)
            task = asyncio.create_task(write)
            running.add(task)
            task.add_done_callback(running.discard)
            made += 1
        await asyncio.sleep(0.002)
    if running:
        await asyncio.wait(running)


async def _write_one(works: Works, key: str, amount: int, promises: _Promises) -> None:
    due_at = time.perf_counter()
    while True:
        try:
            await works.run(_put, key, amount)
        except (Held, OutcomeUnknown):
            await asyncio.sleep(0.05)
        else:
            break
    promises.writes += 1
    promises.slowest_s = max(promises.slowest_s, time.perf_counter() - due_at)
    promises.acknowledged[key] = max(amount, promises.acknowledged.get(key, 0))


async def _put(work: Work, key: str, amount: int) -> None:
    stands = await work.get(Twin, key)
    # Whatever is repeated or overtaken must not take a later promise back.
    if stands is None or stands.amount < amount:
        work.save(thing(Twin, 0, amount).evolve(id=key, amount=amount))


async def _is_lost(documents: Any, key: str, told: int) -> bool:
    record = await documents.read(TWINS, Key(key, key))
    return record is None or record.entity is None or record.entity.amount < told
