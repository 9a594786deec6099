"""Whether both stores hold the same, by walking everything: for collections without digests, and for tests."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mystira.polyglot.canonical import is_same_body
from mystira.polyglot.collection import Collection
from mystira.polyglot.positions import Stream
from mystira.polyglot.query import EVERYTHING
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Incoming, Record
from mystira.polyglot.walking import ended_ranges, every_page


async def is_caught_up(r: Replication, collection: Collection[Any], stream: Stream = Stream.FOLLOW) -> bool:
    """Tell whether a stream's stored positions are at the end of every feed range."""
    positions = await r.journal.positions(collection.name, stream)
    ranges = await r.documents.feed_ranges(collection)
    return len(await ended_ranges(r.documents, collection, ranges, positions)) == len(ranges)


async def is_equal(r: Replication, collection: Collection[Any]) -> bool:
    """Tell whether every document has its row, alike in all that both stores keep, and no row is without a document."""
    live = 0
    async for page in every_page(r.documents, collection):
        records = [item.record for item in page.items if isinstance(item.record, Record)]
        if len(records) < len(page.items) or not await _all_stand(r, collection, records):
            return False
        live += sum(not record.deleted for record in records)
    rows = await r.relational.count(collection, EVERYTHING)
    # A document whose time is up leaves its row behind.
    return live <= rows if collection.time_to_live_s is not None else live == rows


async def _all_stand(r: Replication, collection: Collection[Any], documents: Sequence[Record]) -> bool:
    rows = await r.relational.look(collection, [document.key for document in documents])
    return all(_stands(collection, document, rows.get(document.key)) for document in documents)


def _stands(collection: Collection[Any], document: Record, row: Incoming | None) -> bool:
    if not isinstance(row, Record) or (row.stamp, row.op) != (document.stamp, document.op):
        return False
    return (document.deleted and row.deleted) or is_alike(collection, document, row)


def is_alike(collection: Collection[Any], document: Record, row: Record) -> bool:
    """Tell whether both hold the same; events that wait, and by which way it came, are the document's own affair."""
    return _bookkeeping(document) == _bookkeeping(row) and is_same_body(collection, document, row)


def _bookkeeping(record: Record) -> Record:
    return msgspec.structs.replace(record, entity=None, extra={}, events=(), spilled=(), token="", writer="app")
