"""Whether everything that was ever written to the documents has come through: two proofs that do not know each other.

A sentinel is a tombstone of a key that never was, written into every feed range once nobody else writes any more. When
its row is there, everything that this range was told before is there as well. Sentinels are records like others: both
stores keep them, and a purge removes them with other old tombstones. The tail is what the store itself says was
changed last, not its feed: each of these stamps must stand in PostgreSQL.
"""

from collections.abc import Sequence
from typing import Any

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control, stamp_before
from mystira.polyglot.journal import Stream
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Conflict, FeedPage, Key, OutcomeUnknown, RangeGone, Record, Unavailable

TAIL = 1_000
PLANTED_MAX = 64
"""Sentinels for each range at most: where a key lands is the store's affair, so some are written in vain."""

TRIES = 4


class Sentinels:
    """Plants sentinels for one drain and looks for them."""

    def __init__(self, r: Replication, collection: Collection[Any], draining: Control) -> None:
        self._r = r
        self._collection = collection
        self._draining = draining
        self._unseen: set[Key] = set()
        self._planted = 0
        self._ranges: Sequence[str] = ()
        self._start: dict[str, str] = {}
        self.found: dict[str, Key] = {}

    async def plant(self) -> None:
        """Write what is lacking for a sentinel in every range there is now; call it before the follower reads on."""
        self._ranges = await self._r.documents.feed_ranges(self._collection)
        # Where a range was split, its successors need sentinels of their own.
        self.found = {range_id: self.found[range_id] for range_id in self._ranges if range_id in self.found}
        if len(self.found) < len(self._ranges):
            await self._look_from(self._ranges)
            if not self._unseen:
                await self._plant(2 * len(self._ranges))

    async def have_come_through(self) -> bool:
        """Tell whether the follower has passed a sentinel in every range there was when they were planted."""
        if len(self.found) < len(self._ranges):
            for range_id in self._ranges:
                await self._look(range_id)
        if not self._ranges or len(self.found) < len(self._ranges):
            return False
        standing = await self._r.journal.standing(self._collection, list(self.found.values()))
        return all(key in standing for key in self.found.values())

    async def _look_from(self, ranges: Sequence[str]) -> None:
        """Remember where the follower stands before sentinels are written: they are behind that.

        Once, for where it stands later may be beyond them. A range that came later is of no use to those already
        written, which may lie before its start.
        """
        new = [range_id for range_id in ranges if range_id not in self._start]
        if not new:
            return
        positions = await self._r.journal.positions(self._collection.name, Stream.FOLLOW)
        stands = {position.range_id: position.continuation for position in positions}
        self._start |= {range_id: stands.get(range_id, "") for range_id in new}
        self._unseen.clear()

    async def _plant(self, count: int) -> None:
        if self._planted >= PLANTED_MAX * count:
            raise Unavailable(f"{self._collection.name}: {self._planted} sentinels have missed a feed range")
        for _ in range(count):
            name = f"sentinel-{self._draining.n}-{self._planted}"
            await self._write(Key(name, name))
            self._planted += 1
            self._unseen.add(Key(name, name))

    async def _write(self, key: Key) -> None:
        stamp = stamp_before(None, self._draining).next(self._draining.epoch)
        record = Record(key=key, entity=None, stamp=stamp, op=f"sentinel/{key.id}")
        for _ in range(TRIES):
            try:
                await self._r.documents.write(self._collection, record, None)
            except OutcomeUnknown:
                continue
            except Conflict:
                # An attempt whose answer was lost has made it.
                return
            return
        raise Unavailable(f"{self._collection.name}: no sentinel could be written")

    async def _look(self, range_id: str) -> None:
        continuation, more = self._start[range_id], True
        while more:
            page = await self._page(range_id, continuation)
            seen = [item.record.key for item in page.items if item.record.key in self._unseen]
            for key in seen:
                self._unseen.discard(key)
                self.found[range_id] = key
            continuation, more = page.continuation, page.has_more

    async def _page(self, range_id: str, continuation: str) -> FeedPage:
        try:
            return await self._r.documents.feed(self._collection, range_id, continuation, TAIL)
        except RangeGone:
            # The next look finds its successors.
            return FeedPage([], continuation, has_more=False)


async def has_all_come_through(r: Replication, collection: Collection[Any], sentinels: Sentinels) -> bool:
    """Tell whether both proofs hold: every range's sentinel has its row, and so has all that was changed last."""
    return await sentinels.have_come_through() and await tail_stands(r, collection)


async def tail_stands(r: Replication, collection: Collection[Any]) -> bool:
    """Tell whether none of the documents changed last is newer than its row."""
    latest = await r.documents.latest(collection, TAIL)
    standing = await r.journal.standing(collection, [key for key, _ in latest])
    return all(key in standing and standing[key].stamp >= stamp for key, stamp in latest)
