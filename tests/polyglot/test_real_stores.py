"""The storms' short list on real stores: writers, all phases there and back, and trouble on every wire.

The storms proper (tests/storms) run thousands of schedules on simulated stores. Here PostgreSQL, SQLite and the
official client of Cosmos DB take part, so time passes really and no two runs are alike: a seed chooses the trouble.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import asyncpg
import pytest

from mystira.cosmos_emulator import admin
from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.cosmos_emulator.wire import Request
from mystira.polyglot.control import control_of, read_copy
from mystira.polyglot.digest import differing
from mystira.polyglot.journal import LetterFilter
from mystira.polyglot.leadership import Tempo
from mystira.polyglot.problem import Problem
from mystira.polyglot.store import StoreError
from tests.chaos.proxy import SOCKET, Proxy
from tests.polyglot.counting import COUNTERS, Counter, Rig, make_rig, raise_counter
from tests.polyglot.moving import (
    COSMOS,
    DUAL,
    POSTGRES,
    REVERSED,
    Process,
    assert_equal,
    documents_of,
    tended,
)
from tests.polyglot.on_cosmos import on_cosmos

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

# MYSTIRA_TEST_REAL_SEEDS=50 runs more of them.
SEEDS = int(os.environ.get("MYSTIRA_TEST_REAL_SEEDS", "1"))
ROUNDS = 2
# How long one step may be refused in calm weather before the walk is given up and says why: a hang, not a slow machine.
PATIENCE_S = 300.0
WRITERS, KEYS = 3, ("a", "b", "c", "d")
# At the end the copy is filled anew, so that both stores can be compared.
WALK = (DUAL, REVERSED, POSTGRES, REVERSED, DUAL, COSMOS, DUAL)
# Real drivers on a busy machine need their time.
TEMPO = Tempo(lease_s=0.5, request_s=1.0, drift_s=0.05, hold_s=3.0, inline_s=0.2, poll_s=0.02)
ANYWHERE = ("cut", "killed", "dropped", "pg away", "documents away", "before", "after", "calm")
ON_COSMOS = ("throttled", "unavailable", "applied", "lost", "lost and applied", "split", "merge")


class Writers:
    """Raise counters by one, each time under a key of its own, again and again until it is acknowledged."""

    def __init__(self) -> None:
        self.acknowledged: set[str] = set()
        self.stop = asyncio.Event()

    async def write(self, process: Process, name: str, random: Random) -> None:
        numbers = count()
        while not self.stop.is_set():
            id, key = random.choice(KEYS), f"{name}-{next(numbers)}"
            while not await self._raised(process, id, key):
                await asyncio.sleep(0.02)
            self.acknowledged.add(key)
            await asyncio.sleep(random.random() * 0.05)

    async def _raised(self, process: Process, id: str, key: str) -> bool:
        try:
            await process.works.run(raise_counter, kind=Counter, id=id, by=1, key=key)
        except StoreError:
            # Whether it was done is not known; the same key may be asked for again.
            return False
        return True


class Wires:
    """The ways to both stores, and what can go wrong on them."""

    def __init__(self, rig: Rig, proxy: Proxy, dsn: str, endpoint: Endpoint | None) -> None:
        self.rig, self.proxy, self._dsn, self._endpoint = rig, proxy, dsn, endpoint
        self.met: set[str] = set()

    async def trouble(self, random: Random) -> None:
        """Make one trouble after the other, all of them once before any comes again, but not for ever.

        On a busy machine there might otherwise never be a moment without one that is long enough for a step.
        """
        known = [*ANYWHERE, *(ON_COSMOS if self._endpoint is not None else ())]
        for _ in range(ROUNDS):
            random.shuffle(known)
            for what in known:
                await asyncio.sleep(random.random() * 0.5)
                await (self._on_cosmos if what in ON_COSMOS else self._anywhere)(what, random)
                self.met.add(what)
        self.calm()

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self.proxy.share = 0.0
        self.rig.documents.plan(None)
        self.rig.documents.down(False)
        self.rig.relational.down(False)
        if self._endpoint is not None:
            self._order("faults", count=0)

    async def _anywhere(self, what: str, random: Random) -> None:
        moment = 0.05 + random.random() * 0.25
        match what:
            case "cut":
                self.proxy.cut()
            case "killed":
                await self._kill_connections()
            case "dropped":
                self.proxy.share = 0.6
                await asyncio.sleep(2 * moment)
                self.proxy.share = 0.0
            case "pg away" | "documents away":
                store = self.rig.relational if what == "pg away" else self.rig.documents
                store.down()
                await asyncio.sleep(moment)
                store.down(False)
            case "before" | "after":
                self.rig.documents.plan(random.randint(1, 5), what)
            case _:
                await asyncio.sleep(2 * moment)

    async def _on_cosmos(self, what: str, random: Random) -> None:
        place: dict[str, Any] = {"database": "rig", "container": COUNTERS.container}
        ranges = self._ranges()
        match what:
            case "throttled":
                self._order("faults", count=random.randint(1, 9), status=429, retryAfterMs=20)
            case "unavailable" | "applied":
                self._order("faults", count=random.randint(1, 3), status=503, applied=what == "applied")
            case "split" if len(ranges) < 6:
                self._order("split", **place)
            case "merge" if len(ranges) > 2:
                at = random.randrange(len(ranges) - 1)
                self._order("merge", **place, ranges=ranges[at : at + 2])
            case _:
                self._order("faults", count=1, status=0, applied=what == "lost and applied")

    async def _kill_connections(self) -> None:
        connection = await asyncpg.connect(self._dsn)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        await connection.close()

    def _ranges(self) -> list[str]:
        assert self._endpoint is not None
        catalogue = self._endpoint._catalogue
        container = catalogue.container(catalogue.database("rig"), COUNTERS.container)
        return [str(one.id) for one in sorted(container.ranges, key=lambda one: one.low)]

    def _order(self, what: str, **asked: Any) -> None:
        assert self._endpoint is not None
        headers = {"authorization": f"Bearer {WELL_KNOWN_KEY}"}
        request = Request("POST", (admin.PREFIX, what), headers, json.dumps(asked).encode(), "http://127.0.0.1")
        answer = self._endpoint.answer(request)
        assert answer is not None and answer.status == 200, answer


@asynccontextmanager
async def wired(documents: str, dsn: str, path: Path, random: Random) -> AsyncGenerator[Wires]:
    """Open both stores, PostgreSQL through a proxy that loses the answers to commits."""
    target = Path(parse_qs(urlsplit(dsn).query)["host"][0]) / SOCKET
    proxy = Proxy(target, random)
    # A socket's path must be short.
    with TemporaryDirectory(prefix="mr", dir="/tmp") as folder:
        await proxy.start(Path(folder))
        proxied = f"postgresql://mystira@/postgres?host={quote(folder, safe='')}"
        if documents == "cosmos":
            async with on_cosmos(proxied) as (rig, endpoint):
                yield Wires(rig, proxy, dsn, endpoint)
        else:
            rig = await make_rig(path / "documents.sqlite", proxied)
            yield Wires(rig, proxy, dsn, None)
            await rig.close()
        await proxy.stop()


@asynccontextmanager
async def in_trouble(wires: Wires, random: Random) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(wires.trouble(random))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        wires.calm()


@asynccontextmanager
async def written(processes: tuple[Process, ...], seed: int) -> AsyncIterator[Writers]:
    writers = Writers()
    tasks = [
        asyncio.create_task(writers.write(processes[at % len(processes)], f"w{at}", Random(seed * 10 + at)))
        for at in range(WRITERS)
    ]
    yield writers
    writers.stop.set()
    await asyncio.gather(*tasks)


async def walk(process: Process, trouble: asyncio.Task[None]) -> None:
    """Move through the phases; whatever is refused or given up is asked again, like an operator would.

    Once nothing goes wrong any more, an operator would not ask for ever either.
    """
    for phase in WALK:
        refused: dict[str, float] = {}
        while (refusal := await stepped(process, phase)) is not None:
            if trouble.done():
                refused.setdefault(refusal, monotonic())
            for_s = monotonic() - min(refused.values(), default=monotonic())
            assert for_s < PATIENCE_S, f"{phase} is refused though all is calm: {list(refused)}"
            await asyncio.sleep(0.05)


async def stepped(process: Process, phase: Any) -> str | None:
    """Go one step; None, or why it was refused."""
    try:
        row = await process.r.row(COUNTERS)
        if row.phase is COSMOS and phase is DUAL and not row.complete:
            await process.fill(COUNTERS)
        if row.phase is not phase:
            await process.move(COUNTERS, phase)
    except (Problem, StoreError) as refused:
        return repr(refused)
    return None


@pytest.mark.parametrize("seed", range(SEEDS))
@pytest.mark.parametrize("documents", ["sqlite", "cosmos"])
async def test_nothing_is_lost_and_nothing_is_twice(
    documents: str, seed: int, clean_postgres: str, tmp_path: Path
) -> None:
    random = Random(seed)
    async with wired(documents, clean_postgres, tmp_path, random) as wires:
        processes = tuple(Process(wires.rig, name, tempo=TEMPO, page=7) for name in ("a", "b"))
        async with tended(*processes), written(processes, seed) as writers, in_trouble(wires, random) as trouble:
            await walk(Process(wires.rig, "operator", tempo=TEMPO, page=7), trouble)
        after = Process(wires.rig, "after", tempo=TEMPO)
        await after.settle()
        await examine(after, writers)
        dropped = f"{wires.proxy.dropped} of {wires.proxy.commits} commits without an answer"
        print(f"{documents} {seed}: {len(writers.acknowledged)} acknowledged, {dropped}, met {sorted(wires.met)}")


async def examine(process: Process, writers: Writers) -> None:
    """Assert what the storms assert at rest (tests/storms/invariants.py), by their names."""
    rig, journal = process.rig, process.rig.postgres.journal
    counters = [r.entity for r in (await documents_of(rig, COUNTERS)).values() if isinstance(r.entity, Counter)]
    keys = [key for counter in counters for key in counter.keys]
    assert writers.acknowledged and writers.acknowledged <= set(keys), "I1: an acknowledged write is lost"
    assert len(keys) == len(set(keys)) == sum(counter.value for counter in counters), "I1: a write was taken twice"
    row, copy = await journal.control(COUNTERS.name), await read_copy(rig.documents, COUNTERS.name)
    assert row is not None and copy is not None and control_of(copy).leader is row.leader, "I4: two leaders"
    # I2 and I7: one body per stamp, both sides equal, and nothing waits.
    await assert_equal(rig, COUNTERS)
    pending = await journal.pending()
    assert pending.waiting + pending.parked == 0, "I7: events wait"
    assert await journal.letters(LetterFilter()) == [], "I9: a conflict although no lease was broken"
    assert [found async for found in differing(rig.postgres.digests, COUNTERS)] == [], "I10: digests differ"
    assert (await rig.tally()).total == len(keys), "I18: an effect is missing or happened twice"
