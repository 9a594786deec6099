"""Carries what documents announce to the relational side: their events go into the event outbox, once each.

Position and data are one transaction: the stored continuation never leads the work, and of two followers on the
same range only one commits a page. What was copied is pruned from the document lazily; pruning changes neither its
stamp nor its op, and a document that changed meanwhile simply comes by again.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.journal import Move, Stream
from mystira.polyglot.store import Conflict, DocumentStore, FeedItem, Key, RangeGone, Record
from mystira.polyglot.stores.postgres.store import PostgresStore

PAGE = 200


class FeedFollower:
    """Follows the change feed of every collection; several may run at once, in one or in many processes."""

    def __init__(
        self, collections: Iterable[Collection[Any]], documents: DocumentStore, relational: PostgresStore
    ) -> None:
        self._collections = tuple(collections)
        self._documents = documents
        self._relational = relational
        self._positions: dict[tuple[str, str], str] = {}

    async def step(self) -> int:
        """Take one page of every range of every collection; return how many changes came by."""
        seen = 0
        for collection in self._collections:
            for range_id in await self._documents.feed_ranges(collection):
                seen += await self._page(collection, range_id)
        return seen

    async def _page(self, collection: Collection[Any], range_id: str) -> int:
        at = (collection.name, range_id)
        if at not in self._positions:
            found = await self._relational.journal.positions(collection.name, Stream.FOLLOW)
            self._positions[at] = next((one.continuation for one in found if one.range_id == range_id), "")
        position = self._positions[at]
        try:
            page = await self._documents.feed(collection, range_id, position, PAGE)
        except RangeGone as gone:
            journal = self._relational.journal
            await journal.split_range(collection.name, Stream.FOLLOW, range_id, gone.successors)
            return 1
        if page.continuation == position:
            return 0
        items = [item.record for item in page.items]
        move = Move(Stream.FOLLOW, range_id, position, page.continuation, not page.has_more)
        try:
            merged = await self._relational.journal.merge(collection, items, datetime.now(UTC), move)
        except Conflict:
            # Another follower has this page; what it stored is where to go on.
            self._positions.pop(at, None)
            return 1
        self._positions[at] = page.continuation
        await self._prune(collection, page.items, merged.through)
        return len(page.items)

    async def _prune(self, collection: Collection[Any], items: Iterable[FeedItem], through: Mapping[Key, int]) -> None:
        for item in items:
            record = item.record
            if not isinstance(record, Record):
                continue
            pending = tuple(event for event in record.events if event.seq > through.get(record.key, 0))
            if len(pending) == len(record.events):
                continue
            try:
                await self._documents.write(collection, msgspec.structs.replace(record, events=pending), record)
            except Conflict:
                # The document moved on and comes by again, with the mark to prune to already stored.
                continue
