"""Whether both stores hold the same, by walking everything: for collections without digests, and for tests."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mystira.polyglot.canonical import is_same_body
from mystira.polyglot.collection import Collection
from mystira.polyglot.positions import Stream
from mystira.polyglot.query import EVERYTHING, LIMIT_MAX, AllOf, OneOf, Query
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Key, Record
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
    standing = await r.journal.standing(collection, [document.key for document in documents])
    for document in documents:
        stood = standing.get(document.key)
        if stood is None or (stood.stamp, stood.op) != (document.stamp, document.op):
            return False
    living = [document for document in documents if not document.deleted]
    rows = await _rows_of(r, collection, living)
    return all(document.key in rows and is_alike(collection, document, rows[document.key]) for document in living)


async def _rows_of(r: Replication, collection: Collection[Any], documents: Sequence[Record]) -> dict[Key, Record]:
    if not documents:
        return {}
    parts = [_one_of(name, documents) for name in collection.key_fields]
    found = await r.relational.search(collection, Query(where=AllOf(tuple(parts)), limit=LIMIT_MAX))
    rows = {row.key: row for row in found}
    for document in documents:
        # Where keys share ids across partitions, one page may not hold them all.
        row = None if document.key in rows else await r.relational.read(collection, document.key)
        if row is not None:
            rows[document.key] = row
    return rows


def _one_of(name: str, documents: Sequence[Record]) -> OneOf:
    return OneOf(name, tuple({getattr(document.entity, name) for document in documents}))


def is_alike(collection: Collection[Any], document: Record, row: Record) -> bool:
    """Tell whether both hold the same; events that wait, and by which way it came, are the document's own affair."""
    return _bookkeeping(document) == _bookkeeping(row) and is_same_body(collection, document, row)


def _bookkeeping(record: Record) -> Record:
    return msgspec.structs.replace(record, entity=None, extra={}, events=(), spilled=(), token="", writer="app")
