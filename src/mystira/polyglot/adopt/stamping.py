"""Stamps what software without stamps wrote, in its place and under If-Match: from then on it has a version."""

from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import stamp_before
from mystira.polyglot.journal import RelationalStore
from mystira.polyglot.merge import UNSTAMPED
from mystira.polyglot.phases import Leader
from mystira.polyglot.store import RECENT_OPS_MAX, Conflict, DocumentStore, Record

log = structlog.get_logger(__name__)


async def stamp_plain(
    documents: DocumentStore, relational: RelationalStore, collection: Collection[Any], records: Sequence[Record]
) -> float:
    """Stamp those of the records that carry no stamp; return what it cost in request units.

    Only where documents lead and a copy is kept. What is written meanwhile comes by the feed again.
    """
    plain = [record for record in records if record.stamp == UNSTAMPED]
    if not plain:
        return 0.0
    control = await relational.journal.control(collection.name)
    if control is None or not control.copying or control.leader is Leader.RELATIONAL:
        # Where PostgreSQL leads, nobody may write documents: the merge keeps such a write as a conflict.
        return 0.0
    charge = 0.0
    standing = await relational.journal.standing(collection, [record.key for record in plain])
    for record in plain:
        if record.key in standing:
            log.warning("stamp_stripped", collection=collection.name)
        row = await relational.read(collection, record.key) if record.key in standing else None
        known = after_stripping(record, row)
        stamp = max(stamp_before(row, control), known.parent).next(control.epoch)
        op = f"adopt/{record.token}/{known.parent.packed}"
        # Whoever wrote last before the change, and never got its answer, must still find its op.
        ops = [op for op in dict.fromkeys((known.op, *known.recent_ops)) if op]
        stamped = msgspec.structs.replace(known, stamp=stamp, op=op, recent_ops=tuple(ops[:RECENT_OPS_MAX]))
        try:
            await documents.write(collection, stamped, record)
            charge += documents.last_charge
        except Conflict:
            # It was written meanwhile and comes by again.
            continue
    return charge


def after_stripping(stripped: Record, row: Record | None) -> Record:
    """Return a document that lost its stamp, going on from what the copy knows of it.

    Without its count of events the next ones would pass for those that were told long ago. One that kept its
    bookkeeping, and was only changed behind its stamp, may know more than a copy that lags.
    """
    if row is None or row.stamp < stripped.parent:
        return stripped
    return msgspec.structs.replace(
        stripped,
        parent=row.stamp,
        recent_ops=(row.op, *row.recent_ops)[:RECENT_OPS_MAX],
        handled=row.handled,
        event_seq=row.event_seq,
    )
