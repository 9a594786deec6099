"""Follows the documents: their events go into the event outbox, and their state into the relational copy.

Position and data are one transaction: the stored continuation never leads the work, and of two followers on the
same range only one commits a page. Ranges are leased, so that many processes share the work; the lease is a
courtesy, the position is the guard. Events that were copied are pruned from their document lazily: that changes
neither stamp nor op, and a document that changed meanwhile simply comes by again.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import structlog

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import Merged, Move, RelationalStore, Stream, copied
from mystira.polyglot.merge import UNSTAMPED
from mystira.polyglot.phases import Leader
from mystira.polyglot.store import (
    Conflict,
    DocumentStore,
    FeedItem,
    FeedPage,
    Key,
    RangeGone,
    Record,
    StoreError,
    Throttled,
    Unreadable,
)

log = structlog.get_logger(__name__)

PAGE = 200
LEASE_S = 5.0
BACK_OFF_S, BACK_OFF_S_MAX = 0.25, 30.0


class Took(NamedTuple):
    """What reading one page came to. `caught_up`: the range held nothing more just then."""

    seen: int
    charge: float = 0.0
    caught_up: bool = False


class RangeReader:
    """One worker's view of one stream: leases, positions, pages. Without `lease_s` it takes what it finds."""

    def __init__(
        self,
        documents: DocumentStore,
        relational: RelationalStore,
        *,
        stream: Stream,
        owner: str,
        clock: Callable[[], datetime],
        page: int = PAGE,
        lease_s: float | None = LEASE_S,
    ) -> None:
        self._documents = documents
        self._journal = relational.journal
        self._stream = stream
        self._owner = owner
        self._clock = clock
        self._page = page
        self._lease_s = lease_s
        self._positions: dict[tuple[str, str], str] = {}
        self._renew_at: dict[tuple[str, str], datetime] = {}

    async def take(self, collection: Collection[Any], range_id: str) -> Took:
        """Carry one page over; nothing where another worker has the range."""
        at = (collection.name, range_id)
        if at not in self._positions and not await self._lease(at):
            return Took(0)
        position = self._positions[at]
        try:
            page = await self._documents.feed(collection, range_id, position, self._page)
        except RangeGone as gone:
            await self._journal.split_range(collection.name, self._stream, range_id, gone.successors)
            self.forget(at)
            return Took(1)
        caught_up = not page.has_more
        if page.continuation == position and not (self._stream is Stream.BACKFILL and caught_up):
            # Nothing is new, so nobody needs to know whose range it is: an idle worker costs PostgreSQL nothing.
            return Took(0, page.charge, caught_up)
        if not await self._lease(at):
            return Took(0, page.charge)
        if self._positions[at] != position:
            return Took(1, page.charge)
        return await self._carry(collection, at, page)

    def forget(self, at: tuple[str, str]) -> None:
        """Ask the journal again where a range stands and whose it is."""
        self._positions.pop(at, None)
        self._renew_at.pop(at, None)

    async def _lease(self, at: tuple[str, str]) -> bool:
        now = self._clock()
        if at in self._renew_at and now < self._renew_at[at]:
            # It is this worker's; or it was another's a moment ago, and need not be asked for again yet.
            return at in self._positions
        name, range_id = at
        if self._lease_s is None:
            stands = {p.range_id: p.continuation for p in await self._journal.positions(name, self._stream)}
            self._positions[at] = stands.get(range_id, "")
            self._renew_at[at] = now
            return True
        wanted = Move(self._stream, range_id, "", "")
        continuation = await self._journal.lease_range(name, wanted, self._owner, now, self._lease_s)
        if continuation is None:
            self._positions.pop(at, None)
            self._renew_at[at] = now + timedelta(seconds=self._lease_s / 4)
            return False
        self._positions[at] = continuation
        self._renew_at[at] = now + timedelta(seconds=self._lease_s / 2)
        return True

    async def _carry(self, collection: Collection[Any], at: tuple[str, str], page: FeedPage) -> Took:
        await self._adopt(collection, page.items)
        move = Move(self._stream, at[1], self._positions[at], page.continuation, not page.has_more)
        try:
            merged = await self._commit(collection, page.items, move)
        except Conflict:
            # Another worker has this page; what it stored is where to go on.
            self.forget(at)
            return Took(1, page.charge)
        except StoreError:
            # Whether it was committed is not known; the stored position tells.
            self.forget(at)
            raise
        self._positions[at] = page.continuation
        await self._prune(collection, page.items, merged.through)
        return Took(len(page.items), page.charge, not page.has_more)

    async def _commit(self, collection: Collection[Any], items: Sequence[FeedItem], move: Move) -> Merged:
        return await self._journal.merge(collection, [item.record for item in items], self._clock(), move)

    async def _adopt(self, collection: Collection[Any], items: Sequence[FeedItem]) -> None:
        """Stamp what software without stamps wrote; it comes by again, stamped. Before the position moves on."""
        records = [item.record for item in items if not isinstance(item.record, Unreadable)]
        plain = [record for record in records if record.stamp == UNSTAMPED]
        if not plain:
            return
        control = await self._journal.control(collection.name)
        if control is None or not control.copying or control.leader is Leader.RELATIONAL:
            # Where PostgreSQL leads, nobody may write documents: the merge keeps such a write as a conflict.
            return
        standing = await self._journal.standing(collection, [record.key for record in plain])
        for record in plain:
            stood = standing.get(record.key)
            if stood is not None:
                log.warning("stamp_stripped", collection=collection.name)
            await self._stamp(collection, record, stood.stamp if stood else Stamp(), control.epoch)

    async def _stamp(self, collection: Collection[Any], record: Record, parent: Stamp, epoch: int) -> None:
        op = f"adopt/{record.token}/{parent.packed}"
        stamped = msgspec.structs.replace(record, stamp=parent.next(epoch), parent=parent, op=op)
        try:
            await self._documents.write(collection, stamped, record)
        except Conflict:
            # It was written meanwhile and comes by again.
            return

    async def _prune(self, collection: Collection[Any], items: Iterable[FeedItem], through: Mapping[Key, int]) -> None:
        if not through:
            return
        for item in items:
            record = item.record
            if isinstance(record, Unreadable) or not copied(record.events, through.get(record.key, 0)):
                continue
            pending = record.events[len(copied(record.events, through[record.key])) :]
            try:
                await self._documents.write(collection, msgspec.structs.replace(record, events=pending), record)
            except StoreError:
                # Pruning is lazy: copied events do no harm in their document, and the next change takes them along.
                continue


class FeedFollower:
    """Follows every collection; several may run at once, in one or in many processes."""

    def __init__(
        self,
        collections: Iterable[Collection[Any]],
        documents: DocumentStore,
        relational: RelationalStore,
        *,
        clock: Callable[[], datetime],
        owner: str = "follower",
        page: int = PAGE,
        lease_s: float | None = LEASE_S,
    ) -> None:
        self._collections = tuple(collections)
        self._documents = documents
        self._clock = clock
        self._failures: dict[tuple[str, str], int] = {}
        self._rests_until: dict[tuple[str, str], datetime] = {}
        self._reader = RangeReader(
            documents, relational, stream=Stream.FOLLOW, owner=owner, clock=clock, page=page, lease_s=lease_s
        )

    async def step(self) -> int:
        """Take one page of every range of every collection; return how many changes came by."""
        seen = 0
        for collection in self._collections:
            seen += await self.follow(collection)
        return seen

    async def follow(self, collection: Collection[Any]) -> int:
        """Take one page of every range of one collection. A range in trouble rests; the others go on."""
        seen = 0
        for range_id in await self._documents.feed_ranges(collection):
            at = (collection.name, range_id)
            if at in self._rests_until and self._clock() < self._rests_until[at]:
                continue
            try:
                seen += (await self._reader.take(collection, range_id)).seen
                self._failures.pop(at, None)
            except Exception as error:  # noqa: BLE001 - the range rests and starts again from its stored position.
                self._rest(at, error)
        return seen

    def _rest(self, at: tuple[str, str], error: Exception) -> None:
        failures = self._failures[at] = self._failures.get(at, 0) + 1
        pause_s = min(BACK_OFF_S * (1 << min(failures, 10)), BACK_OFF_S_MAX)
        if isinstance(error, Throttled):
            pause_s = error.retry_after_s
        self._rests_until[at] = self._clock() + timedelta(seconds=pause_s)
        self._reader.forget(at)
        log.warning("feed_range_failed", collection=at[0], failures=failures, error=f"{type(error).__name__}: {error}")
