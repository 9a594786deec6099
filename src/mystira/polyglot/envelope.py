"""The document form of a record: the entity's body in camelCase, and its bookkeeping under one reserved name.

A document without the envelope was written by software that knows no stamps; it reads as stamp (0, 0).
"""

from datetime import datetime
from typing import Any, cast

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import PACKED_MAX, Stamp
from mystira.polyglot.fields import time_text
from mystira.polyglot.store import Key, Record, Spilled, StoredEvent, Unreadable

ENVELOPE = "_polyglot"


def to_document(collection: Collection[Any], record: Record) -> dict[str, Any]:
    """Return the whole document of a record; a tombstone keeps its key and its envelope only."""
    if record.entity is None:
        partition = collection.by_name[collection.partition].document_name
        body: dict[str, Any] = {"id": record.key.id, partition: record.key.partition}
    else:
        body = collection.to_document(record.entity, record.extra)
    body[ENVELOPE] = {
        "stamp": record.stamp.packed,
        "parent": record.parent.packed,
        "op": record.op,
        "ops": list(record.recent_ops),
        "writer": record.writer,
        "deleted": record.deleted,
        "schema": record.schema,
        "handled": list(record.handled),
        "eventSeq": record.event_seq,
        "events": [_event_out(event) for event in record.events],
    }
    if record.spilled:
        body[ENVELOPE]["spilled"] = [[spilled.last, spilled.id] for spilled in record.spilled]
    return body


def from_document(collection: Collection[Any], document: dict[str, Any], token: str) -> Record:
    """Return the record of a document; names that start with an underscore are the store's own and left out."""
    body = {name: value for name, value in document.items() if not name.startswith("_")}
    envelope: dict[str, Any] = document.get(ENVELOPE) or {}
    stamp, parent = Stamp.unpack(envelope.get("stamp", 0)), Stamp.unpack(envelope.get("parent", 0))
    if collection.foreign is not None and not envelope.get("deleted"):
        body, is_changed = collection.foreign.read(body, is_stamped=stamp > Stamp())
        if is_changed:
            # Other software wrote it and left the stamp as it was, so the stamp tells only what came before.
            stamp, parent = Stamp(), stamp
    partition = collection.by_name[collection.partition].document_name
    key = Key(str(body[partition]), body["id"])
    entity, extra = (None, {}) if envelope.get("deleted") else collection.from_document(body)
    return Record(
        key=key,
        entity=entity,
        stamp=stamp,
        parent=parent,
        op=envelope.get("op", ""),
        recent_ops=tuple(envelope.get("ops", ())),
        writer=envelope.get("writer", "app"),
        schema=envelope.get("schema", 1),
        handled=tuple(envelope.get("handled", ())),
        event_seq=envelope.get("eventSeq", 0),
        events=tuple(_event_in(event) for event in envelope.get("events", ())),
        spilled=tuple(Spilled(last, id) for last, id in envelope.get("spilled", ())),
        extra=extra,
        token=token,
    )


def unreadable(collection: Collection[Any], document: dict[str, Any], error: str, token: str = "") -> Unreadable:
    """Return a document that does not fit its collection, under the best key that can be made out."""
    partition = collection.by_name[collection.partition].document_name
    key = Key(str(document.get(partition, "")), str(document.get("id", "")))
    envelope = document.get(ENVELOPE)
    packed = cast(dict[str, Any], envelope).get("stamp", 0) if isinstance(envelope, dict) else 0
    stamp = Stamp.unpack(packed) if isinstance(packed, int) and 0 <= packed <= PACKED_MAX else Stamp()
    return Unreadable(key, stamp, document, error, token)


def _event_out(event: StoredEvent) -> dict[str, Any]:
    return {
        "seq": event.seq,
        "eventId": event.event_id,
        "type": event.type,
        "occurredAt": time_text(event.occurred_at),
        "correlationId": event.correlation_id,
        "body": event.body,
    }


def _event_in(event: dict[str, Any]) -> StoredEvent:
    return StoredEvent(
        seq=event["seq"],
        event_id=event["eventId"],
        type=event["type"],
        occurred_at=msgspec.convert(event["occurredAt"], datetime),
        correlation_id=event["correlationId"],
        body=event["body"],
    )
