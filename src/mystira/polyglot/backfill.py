"""Fills the relational copy of a collection: the change feed read from its beginning, beside the follower.

While it runs, the follower takes in everything that changes from its start on; this reader takes in everything that
was there before. Both merge by stamp, so they cannot harm each other, and events keep flowing meanwhile.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change, Control, State, heal_copy, next_n
from mystira.polyglot.feed import RangeReader
from mystira.polyglot.journal import Backfill
from mystira.polyglot.phases import Leader
from mystira.polyglot.positions import Stream
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.query import EVERYTHING
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import StoreError, Throttled

PAGE = 500
POLL_S = 0.5
PAUSE_S_MAX = 5.0
LEASE_S = 10.0

RUNNING, PAUSED, DONE = "running", "paused", "done"


class NothingToFill(Problem):
    """{collection} is led by PostgreSQL in {phase}: there is no relational copy to fill."""

    kind = Kind.CONFLICT


class NotStarted(Problem):
    """The backfill of {collection} has not been started. Start it first."""

    kind = Kind.NOT_FOUND


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a backfill would do. The estimate is a range, in documents; `ranges` can be read side by side."""

    collection: str
    phase: str
    documents_low: int
    documents_high: int
    ranges: int
    is_needed: bool


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a backfill is. Shares are between 0 and 1, times in seconds; both are ranges, for nobody knows better."""

    collection: str
    state: str
    seen: int
    ranges_done: int
    ranges: int
    share_low: float
    share_high: float
    left_s_low: float | None
    left_s_high: float | None


async def plan(r: Replication, collection: Collection[Any]) -> Plan:
    """Tell what `start` would do; nothing is changed."""
    row = await r.row(collection)
    live = await r.documents.count(collection, EVERYTHING)
    ranges = await r.documents.feed_ranges(collection)
    needed = row.leader is Leader.DOCUMENTS and not row.complete
    # Tombstones come by too, and are not counted: nobody knows how many there are.
    return Plan(
        collection=collection.name,
        phase=row.phase,
        documents_low=live,
        documents_high=live + max(live // 10, 1),
        ranges=len(ranges),
        is_needed=needed,
    )


async def start(
    r: Replication,
    collection: Collection[Any],
    *,
    actor: str,
    why: str,
    units_per_s: float | None = None,
    latency_ms: float | None = None,
) -> Backfill:
    """Begin to fill the copy, or go on where it stood; starting it twice is the same as once."""
    row = await r.row(collection)
    if row.leader is Leader.RELATIONAL:
        raise NothingToFill(collection=collection.name, phase=row.phase)
    job = await r.journal.backfill(collection.name)
    if job is not None and row.copying and job.state != DONE:
        return await resume(r, collection, actor=actor, why=why) if job.state == PAUSED else job
    if job is not None and row.copying and row.complete:
        return job
    estimate = await plan(r, collection)
    await r.journal.forget_positions(collection.name, Stream.BACKFILL)
    job = Backfill(
        collection=collection.name,
        units_per_s=units_per_s,
        latency_ms=latency_ms,
        total_low=estimate.documents_low,
        total_high=estimate.documents_high,
        started_at=r.clock(),
    )
    await r.journal.backfill_put(job)
    if not row.copying:
        # What is absent now may be alive, so a late version of what was purged cannot be told from it by its seq.
        # From this commit on the follower takes changes in; only what was there before is left to this job.
        after = row.evolve(n=await next_n(r.documents, row), copying=True, complete=False, purged=0)
        await r.journal.change(row, after, r.noted("start backfill", row, after, actor, why))
        await heal_copy(r.documents, after)
    return job


async def pause(r: Replication, collection: Collection[Any], *, actor: str, why: str) -> Backfill:
    """Stop reading for now; the follower goes on."""
    return await _set(r, collection, "pause", actor, why, state=PAUSED)


async def resume(r: Replication, collection: Collection[Any], *, actor: str, why: str) -> Backfill:
    """Go on where it stood."""
    return await _set(r, collection, "resume", actor, why, state=RUNNING)


async def throttle(
    r: Replication,
    collection: Collection[Any],
    *,
    actor: str,
    why: str,
    units_per_s: float | None = None,
    latency_ms: float | None = None,
) -> Backfill:
    """Set the budgets: request units a second for each worker, and how slow PostgreSQL may become. None: no limit."""
    return await _set(r, collection, "throttle", actor, why, units_per_s=units_per_s, latency_ms=latency_ms)


async def progress(r: Replication, collection: Collection[Any]) -> Progress:
    """Tell how far it is."""
    job = await _job(r, collection)
    ranges = await r.documents.feed_ranges(collection)
    positions = {p.range_id: p for p in await r.journal.positions(collection.name, Stream.BACKFILL)}
    done = sum(range_id in positions and positions[range_id].caught_up for range_id in ranges)
    high = max(job.total_high, job.seen, 1)
    low = max(job.total_low, job.seen, 1)
    is_done = job.state == DONE
    rate = job.seen / job.seconds if job.seconds > 0 else 0.0
    return Progress(
        collection=collection.name,
        state=job.state,
        seen=job.seen,
        ranges_done=done,
        ranges=len(ranges),
        share_low=1.0 if is_done else min(job.seen / high, 0.99),
        share_high=1.0 if is_done else min(job.seen / low, 1.0),
        left_s_low=0.0 if is_done else (low - job.seen) / rate if rate else None,
        left_s_high=0.0 if is_done else (high - job.seen) / rate if rate else None,
    )


class Backfiller:
    """One worker of all running backfills; several may run at once, in one or in many processes."""

    def __init__(
        self, r: Replication, *, steady: Callable[[], float], page: int = PAGE, lease_s: float = LEASE_S
    ) -> None:
        self._r = r
        self._steady = steady
        self._sleep: Callable[[float], Awaitable[None]] = r.sleep
        self._rests_until: dict[str, float] = {}
        self._reader = RangeReader(
            r.documents,
            r.relational,
            stream=Stream.BACKFILL,
            owner=r.name,
            clock=r.clock,
            page=page,
            lease_s=lease_s,
        )

    async def step_if_any(self) -> int:
        """Do a step where anything is being filled: hardly ever is, and then this is the only question."""
        return await self.step() if await self._r.journal.is_filling() else 0

    async def step(self) -> int:
        """Take one page of every range of every running backfill; return how many documents came by."""
        seen = 0
        for collection in self._r.catalog:
            job = await self._r.journal.backfill(collection.name)
            if job is not None and job.state == RUNNING:
                seen += await self._pages(collection, job)
        return seen

    async def _pages(self, collection: Collection[Any], job: Backfill) -> int:
        row = await self._r.row(collection)
        if row.leader is Leader.RELATIONAL:
            # It had ended before the leader changed, and only its job was not told. What a copy in the documents still
            # lacks is the relay's to say.
            return await self._end(collection, job)
        if not row.copying or row.state is not State.OPEN:
            return 0
        ranges = await self._reader.ranges(collection)
        positions = await self._r.journal.positions(collection.name, Stream.BACKFILL)
        done = {position.range_id for position in positions if position.caught_up}
        todo = [range_id for range_id in ranges if range_id not in done]
        if not todo:
            return await self._finish(collection, job, row)
        return sum([await self._page(collection, job, range_id) for range_id in todo])

    async def _page(self, collection: Collection[Any], job: Backfill, range_id: str) -> int:
        if await self._is_resting(collection):
            return 0
        began = self._steady()
        try:
            took = await self._reader.take(collection, range_id, _page_limit(job))
        except Throttled as throttled:
            await self._sleep(throttled.retry_after_s)
            return 1
        seconds = self._steady() - began
        pause_s = _pause(job, took.charge, seconds)
        self._rests_until[collection.name] = began + seconds + pause_s
        if took.carried:
            await self._r.journal.backfill_add(collection.name, took.carried, seconds + pause_s)
        await self._is_resting(collection)
        return took.seen

    async def _is_resting(self, collection: Collection[Any]) -> bool:
        """Rest a while where budgets ask for it, but not so long that nobody could pause or throttle meanwhile."""
        left_s = self._rests_until.get(collection.name, 0.0) - self._steady()
        if left_s > 0:
            await self._sleep(min(left_s, PAUSE_S_MAX))
        return left_s > PAUSE_S_MAX

    async def _finish(self, collection: Collection[Any], job: Backfill, row: Control) -> int:
        """Every range has been read to its end: the copy holds everything.

        `row` is from before the ranges were looked at: should another filling have begun since, it is Conflict.
        """
        if not row.complete:
            after = row.evolve(n=await next_n(self._r.documents, row), complete=True)
            noted = self._r.noted("backfill complete", row, after, self._r.name, "every range was read to its end")
            await self._r.journal.change(row, after, noted)
            await heal_copy(self._r.documents, after)
        return await self._end(collection, job)

    async def _end(self, collection: Collection[Any], job: Backfill) -> int:
        finished = await _job(self._r, collection)
        if finished.started_at == job.started_at:
            done = msgspec.structs.replace(finished, state=DONE, finished_at=self._r.clock())
            await self._r.journal.backfill_put(done)
        return 1


def _pause(job: Backfill, charge: float, seconds: float) -> float:
    """Return how long to rest after a page, so that neither budget is exceeded."""
    units = charge / job.units_per_s - seconds if job.units_per_s else 0.0
    slow_by = seconds * 1000 / job.latency_ms if job.latency_ms else 0.0
    # A page that took twice as long as wished is followed by a rest twice as long as the page.
    latency = seconds * slow_by if slow_by > 1 else 0.0
    return max(units, min(latency, PAUSE_S_MAX), 0.0)


def _page_limit(job: Backfill) -> int | None:
    # A document costs a unit or so: a page that used up many seconds' budget at once would be felt by everybody else.
    return None if job.units_per_s is None else max(1, int(job.units_per_s))


async def run_to_end(r: Replication, collection: Collection[Any], worker: Backfiller) -> Progress:
    """Work until the collection's backfill is done or paused; for commands and tests."""
    while (await _job(r, collection)).state == RUNNING:
        try:
            if not await worker.step():
                await r.sleep(POLL_S)
        except StoreError:
            await r.sleep(POLL_S)
    return await progress(r, collection)


async def _set(
    r: Replication, collection: Collection[Any], verb: str, actor: str, why: str, **changes: Any
) -> Backfill:
    job = await _job(r, collection)
    if job.state == DONE and "state" in changes:
        return job
    changed = msgspec.structs.replace(job, **changes)
    if changed != job:
        await r.journal.backfill_put(changed)
        await r.journal.note(Change(collection=job.collection, verb=verb, actor=actor, why=why, at=r.clock()))
    return changed


async def _job(r: Replication, collection: Collection[Any]) -> Backfill:
    job = await r.journal.backfill(collection.name)
    if job is None:
        raise NotStarted(collection=collection.name)
    return job
