"""Whether both stores hold the same: by walking everything. Cheaper ways come with verification."""

from typing import Any

from mystira.polyglot.collection import Collection
from mystira.polyglot.journal import Stream
from mystira.polyglot.query import EVERYTHING
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import RangeGone, Record

PAGE = 500


async def is_caught_up(r: Replication, collection: Collection[Any]) -> bool:
    """Tell whether the follower's stored positions are at the end of every feed range."""
    positions = await r.journal.positions(collection.name, Stream.FOLLOW)
    at = {position.range_id: position.continuation for position in positions}
    for range_id in await r.documents.feed_ranges(collection):
        if (await r.documents.feed(collection, range_id, at.get(range_id, ""), 1)).items:
            return False
    return True


async def is_equal(r: Replication, collection: Collection[Any]) -> bool:
    """Tell whether every document has its row with the same stamp and op, and no row is without a document."""
    live = 0
    for range_id in await r.documents.feed_ranges(collection):
        continuation, more = "", True
        while more:
            try:
                page = await r.documents.feed(collection, range_id, continuation, PAGE)
            except RangeGone:
                return False
            records = [item.record for item in page.items]
            if not await _all_stand(r, collection, records):
                return False
            live += sum(isinstance(record, Record) and not record.deleted for record in records)
            continuation, more = page.continuation, page.has_more
    return live == await r.relational.count(collection, EVERYTHING)


async def _all_stand(r: Replication, collection: Collection[Any], records: list[Any]) -> bool:
    standing = await r.journal.standing(collection, [record.key for record in records])
    for record in records:
        stood = standing.get(record.key)
        if not isinstance(record, Record) or stood is None or (stood.stamp, stood.op) != (record.stamp, record.op):
            return False
    return True
