"""Documents straight from JSON to records: one pass of a decoder made for their collection.

It reads what this platform has written. Whatever it does not expect (fields that the entity does not know, tombstones,
other software's documents) is left to the careful way of `polyglot.envelope`, which comes to the same where both can.
"""

from collections.abc import Callable
from datetime import datetime
from operator import attrgetter
from typing import Any, Literal

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity, Stamp
from mystira.polyglot.envelope import ENVELOPE
from mystira.polyglot.fields import Field, FieldKind
from mystira.polyglot.store import Key, Record, Spilled, StoredEvent
from mystira.polyglot.twins import default_of, from_twin, twin_of


class _Event(msgspec.Struct, rename="camel", gc=False):
    seq: int
    event_id: str
    type: str
    occurred_at: datetime
    correlation_id: str
    body: dict[str, Any]


class _Envelope(msgspec.Struct, rename="camel", gc=False):
    stamp: int
    parent: int
    op: str
    ops: tuple[str, ...]
    writer: Literal["app", "relay"]
    deleted: bool
    schema: int
    handled: tuple[str, ...]
    event_seq: int
    events: list[_Event]
    spilled: tuple[Spilled, ...] = ()


class RecordDecoder:
    """Reads the documents of one collection."""

    def __init__(self, collection: Collection[Any]) -> None:
        self._entity: type[Entity] = collection.entity
        self._names = [field.name for field in collection.fields]
        self._nested = _nested(collection)
        self._has_plain_key = all(_is_plain_text(collection.by_name[name]) for name in collection.key_fields)
        self._decoder = msgspec.json.Decoder(_shape(collection))
        self._parts = attrgetter(*self._names, ENVELOPE)
        self._partition = collection.partition

    def decode(self, body: str | bytes, token: str) -> Record | None:
        """Return the record of a document, or None when only the careful way can tell."""
        if not self._has_plain_key:
            return None
        try:
            found = self._decoder.decode(body)
        except msgspec.DecodeError:
            return None
        *parts, envelope = self._parts(found)
        if envelope.deleted:
            return None
        values = dict(zip(self._names, parts, strict=True))
        for name, convert in self._nested:
            if values[name] is not None:
                values[name] = convert(values[name])
        entity = self._entity(**values)
        return Record(
            key=Key(values[self._partition], values["id"]),
            entity=entity,
            stamp=Stamp.unpack(envelope.stamp),
            parent=Stamp.unpack(envelope.parent),
            op=envelope.op,
            recent_ops=envelope.ops,
            writer=envelope.writer,
            schema=envelope.schema,
            handled=envelope.handled,
            event_seq=envelope.event_seq,
            events=tuple(map(_stored, envelope.events)) if envelope.events else (),
            spilled=envelope.spilled,
            token=token,
        )


def _shape(collection: Collection[Any]) -> type[msgspec.Struct]:
    declared = {info.name: info for info in msgspec.structs.fields(collection.entity)}
    fields: list[Any] = [(ENVELOPE, _Envelope)]
    for field in collection.fields:
        info = declared[field.name]
        kind = twin_of(info.type)
        fields.append((field.name, kind) if info.required else (field.name, kind, default_of(info)))
    rename = {field.name: field.document_name for field in collection.fields}
    return msgspec.defstruct(
        f"{collection.entity.__name__}Document",
        fields,
        rename=rename,
        kw_only=True,
        forbid_unknown_fields=True,
        gc=False,
    )


def _is_plain_text(field: Field) -> bool:
    return field.kind is FieldKind.TEXT and field.to_document is None


def _nested(collection: Collection[Any]) -> list[tuple[str, Callable[[Any], Any]]]:
    """Return what makes values of the twins inside a document, by the names of their fields."""
    declared = msgspec.structs.fields(collection.entity)
    return [(info.name, from_twin(info.type)) for info in declared if twin_of(info.type) is not info.type]


def _stored(event: _Event) -> StoredEvent:
    return StoredEvent(
        seq=event.seq,
        event_id=event.event_id,
        type=event.type,
        occurred_at=event.occurred_at,
        correlation_id=event.correlation_id,
        body=event.body,
    )
