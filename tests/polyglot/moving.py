"""Several processes over one rig, each with a leadership of its own, and what a test asks of both stores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from time import monotonic
from typing import Any

import msgspec

from mystira.polyglot import backfill
from mystira.polyglot.bus import OutboxPump
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.deadletters import retry_due
from mystira.polyglot.digesting import DigestKeeper
from mystira.polyglot.drains import DrainWatch
from mystira.polyglot.feed import FeedFollower
from mystira.polyglot.leadership import Leadership, Tempo
from mystira.polyglot.loops import Wake, keep_doing
from mystira.polyglot.phases import Phase
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Key, Record
from mystira.polyglot.transition import Terms, change_phase, pick_up
from mystira.polyglot.work import Works
from tests.polyglot.counting import COLLECTIONS, Rig

QUICK = Tempo(lease_s=0.15, request_s=0.25, drift_s=0.02, hold_s=2.0, inline_s=0.05, poll_s=0.01)
COSMOS, DUAL, REVERSED, POSTGRES = Phase
CATALOG = Catalog(COLLECTIONS)
SOMEBODY = {"actor": "somebody", "why": "a test"}


def real_clock() -> datetime:
    return datetime.now(UTC)


class Process:
    """One process: its units of work, its terms, and its loops as single steps."""

    def __init__(self, rig: Rig, name: str, *, tempo: Tempo = QUICK, page: int = 50) -> None:
        self.rig = rig
        self.name = name
        documents: Any = rig.documents
        relational: Any = rig.relational
        self.leadership = Leadership(documents, relational.journal, tempo=tempo, clock=real_clock, name=name)
        self.works = self._works(real_clock)
        self.r = Replication(CATALOG, documents, relational, tempo, clock=real_clock, name=name)
        self.follower = FeedFollower(
            COLLECTIONS, documents, relational, clock=real_clock, owner=name, page=page, lease_s=0.2
        )
        self.relay = ReverseRelay(CATALOG, documents, relational, clock=real_clock, lease_s=0.2)
        self.backfiller = backfill.Backfiller(self.r, steady=monotonic, page=page, lease_s=0.2)
        self.keeper = DigestKeeper(self.r, page=page, lease_s=0.2)
        self.pump = OutboxPump(self.works, relational.journal, rig.reactions)
        # What a cancelled loop had claimed is free again a minute later.
        self._ahead = timedelta(minutes=1)
        self.late_pump = OutboxPump(self._works(lambda: real_clock() + self._ahead), relational.journal, rig.reactions)

    def _works(self, clock: Callable[[], datetime]) -> Works:
        documents: Any = self.rig.documents
        relational: Any = self.rig.relational
        return Works(
            CATALOG,
            documents=documents,
            relational=relational,
            leadership=self.leadership,
            clock=clock,
            random=Random(self.name),
        )

    async def move(self, collection: Collection[Any], *phases: Phase, deadline_s: float = 20.0) -> None:
        for phase in phases:
            await change_phase(self.r, collection, phase, terms=Terms(deadline_s=deadline_s), **SOMEBODY)

    async def fill(self, collection: Collection[Any]) -> backfill.Progress:
        await backfill.start(self.r, collection, **SOMEBODY)
        return await backfill.run_to_end(self.r, collection, self.backfiller)

    async def settle(self) -> None:
        """Carry everything onward until nothing moves and no event waits for another try."""
        steps = (self.follower.step, self.relay.step, self.late_pump.step, self.keeper.step)
        while sum([await step() for step in steps]) or (await self.rig.postgres.journal.pending()).retrying:
            # A busy machine fails a reaction now and then; what is to be tried again later is tried now.
            self._ahead += timedelta(minutes=1)

    async def verbs(self, collection: Collection[Any]) -> list[str]:
        return [change.verb for change in reversed(await self.rig.postgres.journal.history(collection.name))]


@asynccontextmanager
async def tended(*processes: Process) -> AsyncIterator[None]:
    """Let every loop of these processes run beside the test."""
    tasks = [asyncio.create_task(loop) for process in processes for loop in _loops(process)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _loops(process: Process) -> list[Any]:
    steps: dict[str, Callable[[], Awaitable[int]]] = {
        "feed": process.follower.step,
        "relay": process.relay.step,
        "pump": process.pump.step,
        "letters": lambda: retry_due(process.r),
        "digests": process.keeper.step,
        "drains": DrainWatch(process.leadership, process.r.journal).step,
        # A step whose coordinator was refused half-way is finished by whichever worker comes by.
        "transitions": lambda: pick_up(process.r),
    }
    return [keep_doing(name, step, Wake(), idle_s=0.02) for name, step in steps.items()]


async def documents_of(rig: Rig, collection: Collection[Any]) -> dict[str, Record]:
    found: dict[str, Record] = {}
    for range_id in await rig.sqlite.feed_ranges(collection):
        page = await rig.sqlite.feed(collection, range_id, "", 10_000)
        found |= {item.record.key.id: item.record for item in page.items if isinstance(item.record, Record)}
    return found


async def rows_of(rig: Rig, collection: Collection[Any]) -> dict[str, Record]:
    async with rig.postgres.connection() as connection:
        ids = [row["id"] for row in await connection.fetch(f'SELECT id FROM "{collection.table}"')]
    rows = {id: await rig.postgres.read(collection, Key(id, id)) for id in ids}
    return {id: row for id, row in rows.items() if row is not None}


def plain(records: dict[str, Record]) -> dict[str, Record]:
    """What both stores must hold alike: all but the document's own marks."""
    return {id: msgspec.structs.replace(r, token="", events=(), writer="app") for id, r in records.items()}


async def assert_equal(rig: Rig, collection: Collection[Any]) -> None:
    assert plain(await rows_of(rig, collection)) == plain(await documents_of(rig, collection))
