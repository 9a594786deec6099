"""Keeps the digests going: counts what the documents' feed shows, and the rows from before there were digests.

The documents' side reads the feed at positions of its own. It shares no step with the follower that merges, so that it
sees what the follower leaves out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mystira.polyglot.canonical import digest_of, digest_of_unreadable
from mystira.polyglot.collection import Collection
from mystira.polyglot.digest import FOLDED_AT_ONCE, Noted
from mystira.polyglot.feed import LEASE_S, FeedFollower
from mystira.polyglot.positions import Move, Stream
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import FeedItem, Unreadable
from mystira.polyglot.stores.documents import can_exist
from mystira.polyglot.walking import ended_ranges

PAGE = 500
FILLED_AT_ONCE = 500
ROUNDS_MAX = 10
UNFILLED_TOLD_MAX = 10_000


class DigestProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the digests of a collection are.

    `is_built`: every row is counted, and every document that there was when the counting began. `is_current`: so is
    whatever came since, so that what differs now does not differ because the count of the documents lags.
    `rows_left` counts to UNFILLED_TOLD_MAX at most.
    """

    collection: str
    rows_left: int
    ranges: int
    ranges_built: int
    ranges_current: int

    @property
    def is_built(self) -> bool:
        """Whether a comparison means anything yet."""
        return self.rows_left == 0 and self.ranges_built == self.ranges

    @property
    def is_current(self) -> bool:
        """Whether nothing waits to be counted at this moment."""
        return self.rows_left == 0 and self.ranges_current == self.ranges


async def progress(r: Replication, collection: Collection[Any]) -> DigestProgress:
    """Tell how far the digests of a collection are."""
    ranges = await r.documents.feed_ranges(collection)
    positions = await r.journal.positions(collection.name, Stream.DIGEST)
    current = await ended_ranges(r.documents, collection, ranges, positions)
    built = current | {position.range_id for position in positions if position.caught_up}
    return DigestProgress(
        collection=collection.name,
        rows_left=await r.relational.digests.unfilled(collection, UNFILLED_TOLD_MAX),
        ranges=len(ranges),
        ranges_built=len(built.intersection(ranges)),
        ranges_current=len(current),
    )


class DigestKeeper:
    """Counts documents and rows of every collection that keeps both; several may run at once, in many processes."""

    def __init__(self, r: Replication, *, page: int = PAGE, lease_s: float | None = LEASE_S) -> None:
        self._catalog = r.catalog
        self._digests = r.relational.digests
        self._clock = r.clock
        self._page = page
        self._kept: Mapping[str, int] = {}
        self._filled: dict[str, int] = {}
        self._follower = FeedFollower(
            r.catalog,
            r.documents,
            r.relational,
            clock=r.clock,
            owner=r.name,
            page=page,
            lease_s=lease_s,
            stream=Stream.DIGEST,
            note=self._note,
        )

    async def step(self) -> int:
        """Count what is new and what is missing, for some rounds where there is much; return how much there was."""
        done = 0
        for _ in range(ROUNDS_MAX):
            counted = await self._round()
            done += counted
            if counted < self._page:
                break
        return done

    def is_current(self, collection: Collection[Any]) -> bool:
        """Tell whether the last step left nothing to be counted on either side of a collection."""
        name = collection.name
        is_filled = self._filled.get(name, FILLED_AT_ONCE) < FILLED_AT_ONCE
        return name in self._kept and is_filled and self._follower.is_at_end(collection)

    async def _round(self) -> int:
        await self._look_what_is_kept()
        done = await self._follower.step(self._kept)
        for collection in self._catalog:
            if collection.name in self._kept:
                self._filled[collection.name] = await self._digests.fill(collection, FILLED_AT_ONCE)
                done += self._filled[collection.name]
        return done + await self._digests.fold(FOLDED_AT_ONCE)

    async def _look_what_is_kept(self) -> None:
        # Asked before any page is read: a page that was read before a removal is so refused.
        before, self._kept = self._kept, await self._digests.kept()
        for collection in self._catalog:
            name = collection.name
            if name in self._kept and self._kept[name] != before.get(name):
                self._follower.begin_anew(collection)

    async def _note(self, collection: Collection[Any], items: Sequence[FeedItem], move: Move) -> None:
        noted = [_noted(collection, item) for item in items if can_exist(item.record.key)]
        await self._digests.take(collection.name, noted, self._kept[collection.name], move, self._clock())


def _noted(collection: Collection[Any], item: FeedItem) -> Noted:
    record = item.record
    if isinstance(record, Unreadable):
        return Noted(record.key, record.stamp, digest_of_unreadable(record), item.position)
    return Noted(record.key, record.stamp, digest_of(collection, record), item.position)
