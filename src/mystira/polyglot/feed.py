"""Follows the documents: their events go into the event outbox, and their state into the relational copy.

Position and data are one transaction: the stored continuation never leads the work, and of two followers on the
same range only one commits a page. Ranges are leased, so that many processes share the work; the lease is a
courtesy, the position is the guard. Events that were copied are pruned from their document lazily: that changes
neither stamp nor op, and a document that changed meanwhile simply comes by again.
"""

from collections.abc import Awaitable, Callable, Container, Hashable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog

from mystira.polyglot import spans
from mystira.polyglot.adopt.stamping import stamp_plain
from mystira.polyglot.collection import Collection
from mystira.polyglot.journal import RelationalStore, copied
from mystira.polyglot.measures import FEED_CHANGES, FEED_FAILURES
from mystira.polyglot.positions import Move, RangePosition, Stream
from mystira.polyglot.spill import drop_spills, with_spilled
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
from mystira.polyglot.together import together

log = structlog.get_logger(__name__)

PAGE = 200
PRUNED_AT_ONCE = 32
LEASE_S = 5.0
BACK_OFF_S, BACK_OFF_S_MAX = 0.25, 30.0


class Took(msgspec.Struct, frozen=True):
    """What reading one page came to: how many of its changes were carried over, and its cost in request units.

    `again`: the position was moved by somebody else, so the range is worth another look at once. `at_end`: nothing
    is left to follow, whoever has the range.
    """

    carried: int
    charge: float = 0.0
    again: bool = False
    at_end: bool = False

    @property
    def seen(self) -> int:
        """How much there was to do; 0 means that the range held nothing new."""
        return self.carried or int(self.again)


Note = Callable[[Collection[Any], Sequence[FeedItem], Move], Awaitable[None]]
"""What a stream that does not merge does with a page, in one transaction with the move of its position."""


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
        note: Note | None = None,
    ) -> None:
        self._documents = documents
        self._relational = relational
        self._note = note
        self._journal = relational.journal
        self._stream = stream
        self._owner = owner
        self._clock = clock
        self._page = page
        self._lease_s = lease_s
        self._positions: dict[tuple[str, str], str] = {}
        self._renew_at: dict[tuple[str, str], datetime] = {}
        self._ranges: dict[str, Sequence[str]] = {}
        self._written = 0.0

    async def ranges(self, collection: Collection[Any]) -> Sequence[str]:
        """Return the ranges there are; where one was split, its successors go on where it stood.

        They are asked for once: the feed itself tells whoever reads on in one that has been split.
        """
        known = self._ranges.get(collection.name)
        if known is not None:
            return known
        ranges = await self._documents.feed_ranges(collection)
        for position in await self._journal.positions(collection.name, self._stream):
            if position.range_id not in ranges:
                await self._look_for_split(collection, position)
            elif self._lease_s is None:
                self._positions.setdefault((collection.name, position.range_id), position.continuation)
        if self._lease_s is None:
            for range_id in ranges:
                # Where nobody has stood yet, the beginning is where to begin: that need not be asked for again.
                self._positions.setdefault((collection.name, range_id), "")
        self._ranges[collection.name] = ranges
        return ranges

    async def _look_for_split(self, collection: Collection[Any], position: RangePosition) -> None:
        try:
            await self._documents.feed(collection, position.range_id, position.continuation, 1)
        except RangeGone as gone:
            await self._journal.split_range(collection.name, self._stream, position.range_id, gone.successors)

    async def take(self, collection: Collection[Any], range_id: str, limit: int | None = None) -> Took:
        """Carry one page over; nothing where another worker has the range."""
        at = (collection.name, range_id)
        if at not in self._positions and not await self._lease(at):
            return Took(0)
        position = self._positions[at]
        try:
            page = await self._documents.feed(collection, range_id, position, min(limit or self._page, self._page))
        except RangeGone as gone:
            self._ranges.pop(collection.name, None)
            await self._journal.split_range(collection.name, self._stream, range_id, gone.successors)
            self.forget(at)
            return Took(0, again=True)
        if page.continuation == position and (page.has_more or self._stream is not Stream.BACKFILL):
            # Nothing is new, so nobody needs to know whose range it is: an idle worker costs PostgreSQL nothing.
            return Took(0, page.charge, at_end=not page.has_more)
        if not await self._lease(at):
            return Took(0, page.charge)
        if self._positions[at] != position:
            return Took(0, page.charge, again=True)
        return await self._carry(collection, at, page)

    def forget(self, at: tuple[str, str]) -> None:
        """Ask the journal again where a range stands and whose it is."""
        self._positions.pop(at, None)
        self._renew_at.pop(at, None)

    def forget_all(self, name: str) -> None:
        """Ask again which ranges a collection has, and the journal about every one of them."""
        self._ranges.pop(name, None)
        for at in [at for at in {**self._positions, **self._renew_at} if at[0] == name]:
            self.forget(at)

    async def _lease(self, at: tuple[str, str]) -> bool:
        if self._lease_s is None:
            return await self._begin_where_it_stands(at)
        now = self._clock()
        if at in self._renew_at and now < self._renew_at[at]:
            # It is this worker's; or it was another's a moment ago, and need not be asked for again yet.
            return at in self._positions
        name, range_id = at
        continuation = await self._journal.lease_range(name, self._stream, range_id, self._owner, now, self._lease_s)
        if continuation is None:
            self._positions.pop(at, None)
            self._renew_at[at] = now + timedelta(seconds=self._lease_s / 4)
            return False
        self._positions[at] = continuation
        self._renew_at[at] = now + timedelta(seconds=self._lease_s / 2)
        return True

    async def _begin_where_it_stands(self, at: tuple[str, str]) -> bool:
        if at not in self._positions:
            stands = {p.range_id: p.continuation for p in await self._journal.positions(at[0], self._stream)}
            # Should somebody move it meanwhile, the commit of the page finds out, and it is asked for again.
            self._positions[at] = stands.get(at[1], "")
        return True

    async def _carry(self, collection: Collection[Any], at: tuple[str, str], page: FeedPage) -> Took:
        self._written = 0.0
        began_ns = spans.now_ns()
        move = Move(self._stream, at[1], self._positions[at], page.continuation, not page.has_more)
        try:
            through = await self._commit(collection, page.items, move)
        except Conflict:
            # Another worker has this page; what it stored is where to go on.
            self.forget(at)
            return Took(0, page.charge + self._written, again=True)
        except StoreError:
            # Whether it was committed is not known; the stored position tells.
            self.forget(at)
            raise
        self._positions[at] = page.continuation
        FEED_CHANGES.add(collection.name, self._stream, by=len(page.items))
        merged_ns = spans.now_ns()
        await self._prune(collection, page.items, through)
        if spans.is_collected() and self._stream is Stream.FOLLOW:
            _tell_spans(collection, page.items, began_ns, merged_ns)
        return Took(len(page.items), page.charge + self._written, at_end=not page.has_more)

    async def _whole(self, collection: Collection[Any], items: Sequence[FeedItem]) -> Sequence[FeedItem]:
        """Return the items with the events that they spilled; a backfill tells none, so it reads none."""
        if self._stream is Stream.BACKFILL:
            return items
        return [
            FeedItem(await with_spilled(self._documents, self._journal, collection, item.record), item.position)
            if isinstance(item.record, Record) and item.record.spilled
            else item
            for item in items
        ]

    async def _commit(self, collection: Collection[Any], items: Sequence[FeedItem], move: Move) -> Mapping[Key, int]:
        """Merge a page, or note it; return how far the events of its keys have been copied."""
        if self._note is not None:
            await self._note(collection, items, move)
            return {}
        await self._adopt(collection, items)
        whole = await self._whole(collection, items)
        return (await self._journal.merge(collection, [item.record for item in whole], self._clock(), move)).through

    async def _adopt(self, collection: Collection[Any], items: Sequence[FeedItem]) -> None:
        """Stamp what software without stamps wrote; it comes by again, stamped. Before the position moves on."""
        records = [item.record for item in items if not isinstance(item.record, Unreadable)]
        self._written += await stamp_plain(self._documents, self._relational, collection, records)

    async def _prune(self, collection: Collection[Any], items: Iterable[FeedItem], through: Mapping[Key, int]) -> None:
        if not through:
            return
        told: list[tuple[Record, Record]] = []
        for item in items:
            record = item.record
            if not isinstance(record, Record):
                continue
            pruned = pruned_of(record, through.get(record.key, 0))
            if pruned is not record:
                told.append((record, pruned))
        for start in range(0, len(told), PRUNED_AT_ONCE):
            # Together, for a document store answers many small writes at once much sooner than one after another.
            batch = told[start : start + PRUNED_AT_ONCE]
            await together(self._prune_one(collection, record, pruned) for record, pruned in batch)

    async def _prune_one(self, collection: Collection[Any], record: Record, pruned: Record) -> None:
        try:
            await self._documents.write(collection, pruned, record)
            self._written += self._documents.last_charge
        except StoreError:
            # Pruning is lazy: copied events do no harm in their document, and the next change takes them along.
            return
        await drop_spills(self._documents, record.spilled[: len(record.spilled) - len(pruned.spilled)])


def _tell_spans(collection: Collection[Any], items: Iterable[FeedItem], began_ns: int, merged_ns: int) -> None:
    """Tell every trace that an event of this page belongs to when its change was carried over."""
    records = (item.record for item in items if isinstance(item.record, Record))
    traces = {event.correlation_id for record in records for event in record.events}
    for trace in sorted(traces)[: spans.TRACES_OF_A_PAGE_MAX]:
        feed = spans.tell("feed", trace, began_ns, spans.now_ns(), collection=collection.name)
        spans.tell("merge", trace, began_ns, merged_ns, feed, collection=collection.name)


def pruned_of(record: Record, through: int) -> Record:
    """Return the record without what has been copied; the very same when nothing has."""
    gone = len(copied(record.events, through))
    waiting = tuple(spilled for spilled in record.spilled if spilled.last > through)
    if not gone and len(waiting) == len(record.spilled):
        return record
    return msgspec.structs.replace(record, events=record.events[gone:], spilled=waiting)


class FeedFollower:
    """Follows every collection; several may run at once, in one or in many processes.

    Another stream than FOLLOW comes with what it notes of each page.
    """

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
        stream: Stream = Stream.FOLLOW,
        note: Note | None = None,
    ) -> None:
        self._collections = tuple(collections)
        self._documents = documents
        self._clock = clock
        self._stream = stream
        # A store may tell cheaply where nothing can be new, so that no range of it needs to be asked.
        self._marks: Callable[[], Awaitable[Mapping[str, Hashable]]] | None = getattr(documents, "marks", None)
        self._rests_at: dict[str, Hashable] = {}
        self._at_end: dict[str, bool] = {}
        self._failures: dict[tuple[str, str], int] = {}
        self._rests_until: dict[tuple[str, str], datetime] = {}
        self._reader = RangeReader(
            documents, relational, stream=stream, owner=owner, clock=clock, page=page, lease_s=lease_s, note=note
        )

    def begin_anew(self, collection: Collection[Any]) -> None:
        """Look again where the collection's ranges stand: somebody moved their positions."""
        self._rests_at.pop(collection.name, None)
        self._reader.forget_all(collection.name)

    def is_at_end(self, collection: Collection[Any]) -> bool:
        """Tell whether the last look at the collection left nothing to follow."""
        return self._at_end.get(collection.name, False)

    async def step(self, among: Container[str] | None = None) -> int:
        """Take one page of every range of every collection, or of those named; return how many changes came by."""
        # Asked before the ranges are: whatever comes meanwhile has changed the mark by the next step.
        marks: Mapping[str, Hashable] = await self._marks() if self._marks is not None else {}
        seen = 0
        for collection in self._collections:
            name = collection.name
            if among is not None and name not in among:
                continue
            if name in marks and self._rests_at.get(name) == marks[name]:
                continue
            self._at_end.pop(name, None)
            seen += await self.follow(collection)
            if name in marks and self.is_at_end(collection):
                self._rests_at[name] = marks[name]
            else:
                self._rests_at.pop(name, None)
        return seen

    async def follow(self, collection: Collection[Any]) -> int:
        """Take one page of every range of one collection. A range in trouble rests; the others go on."""
        seen = 0
        at_end = True
        for range_id in await self._reader.ranges(collection):
            at = (collection.name, range_id)
            if at in self._rests_until and self._clock() < self._rests_until[at]:
                at_end = False
                continue
            try:
                took = await self._reader.take(collection, range_id)
            except Exception as error:  # noqa: BLE001 - the range rests and starts again from its stored position.
                at_end = False
                self._rest(at, error)
            else:
                seen += took.seen
                # Not so where another worker has the range: should it die, its changes are still to be read.
                at_end = at_end and took.at_end
                self._failures.pop(at, None)
        self._at_end[collection.name] = at_end
        return seen

    def _rest(self, at: tuple[str, str], error: Exception) -> None:
        FEED_FAILURES.add(at[0], self._stream)
        failures = self._failures[at] = self._failures.get(at, 0) + 1
        pause_s = min(BACK_OFF_S * (1 << min(failures, 10)), BACK_OFF_S_MAX)
        if isinstance(error, Throttled):
            pause_s = error.retry_after_s
        self._rests_until[at] = self._clock() + timedelta(seconds=pause_s)
        self._reader.forget(at)
        log.warning(
            "feed_range_failed",
            collection=at[0],
            stream=self._stream,
            failures=failures,
            error=f"{type(error).__name__}: {error}",
        )
