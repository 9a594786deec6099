"""The one form in which a record's body is compared, whichever store it was read from, and its digest.

Both stores give the same values in other clothes: a relational column keeps 1.0 where a document says 1, JSON columns
forget the sign of -0.0 and write 1e3 as 1000. In canonical form a number is known by its value, times are UTC text
with microseconds, names are sorted. A declared field that is absent has its default, as its entity says; among the
fields that the entity does not know, absent and null are two things. Events, ops, parents and handled marks are no
part of a body.
"""

import zlib
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import lru_cache
from hashlib import blake2b
from operator import attrgetter
from typing import Any, NamedTuple, cast

import msgspec
from msgspec import inspect

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Stamp
from mystira.polyglot.fields import Field, FieldKind, time_text
from mystira.polyglot.store import Key, Record, Unreadable
from mystira.polyglot.values import INT_MAX, INT_MIN

LEAF_BITS = 16
LEAF_FIRST = 1 << LEAF_BITS
"""Nodes are numbered like those of a heap: the root is 1, and every level down adds BITS_A_LEVEL bits."""

BITS_A_LEVEL = 4
SPREAD = 2_654_435_761
COLLECTIONS_MAX = 512
EXACT_MAX = 1 << 53
"""Below it, every whole number is a float exactly."""

_encode = msgspec.json.Encoder(order="sorted").encode


def canonical_body(collection: Collection[Any], record: Record) -> dict[str, Any] | None:
    """Return the body under its document names, sorted, with every value in canonical form; None for a tombstone."""
    if record.entity is None:
        return None
    return _plain(collection.to_document(record.entity, record.extra))


def digest_of(collection: Collection[Any], record: Record) -> int:
    """Return the digest of (key, stamp, deleted, body), a signed number of 64 bits: equal where canonical bodies are.

    It is taken of the fields' values in the order of their names: every write pays for it, and names do not differ.
    """
    entity = record.entity
    if entity is None:
        return _digest(record.key, record.stamp, None)
    values, special = _shape(collection)
    body = list(values(entity))
    for at, convert in special:
        if body[at] is not None:
            body[at] = convert(body[at])
    return _digest(record.key, record.stamp, (body, _plain(record.extra)) if record.extra else (body,))


def digest_of_unreadable(item: Unreadable) -> int:
    """Return the digest of a document or row that is no record: equal to no record's, the same for the same content."""
    return _digest(item.key, item.stamp, {"unreadable": _plain(item.body)})


def is_same_body(collection: Collection[Any], one: Record, other: Record) -> bool:
    """Tell whether two records of one key are alike in everything that a digest covers but the stamp."""
    if one.entity is other.entity and not (one.extra or other.extra):
        return True
    return _encode(canonical_body(collection, one)) == _encode(canonical_body(collection, other))


def leaf_of(key: Key) -> int:
    """Return the leaf that counts this key: the same in every process and version."""
    checksum = zlib.crc32(f"{key.partition}\0{key.id}".encode())
    # Ids that count upwards would crowd in some leaves; the multiplication spreads them over all.
    return LEAF_FIRST | ((checksum * SPREAD >> 16) & (LEAF_FIRST - 1))


def _digest(key: Key, stamp: Stamp, body: Any) -> int:
    whole = _encode((key.partition, key.id, stamp.packed, body))
    return int.from_bytes(blake2b(whole, digest_size=8).digest(), signed=True)


def _plain(value: Any) -> Any:
    """Return a value of a document with its numbers in canonical form and its names in order."""
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        parts = cast(dict[str, Any], value)
        return {name: _plain(parts[name]) for name in sorted(parts)}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in cast(list[Any], value)]
    if isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
        return _beyond_64_bits(value)
    return value


def _beyond_64_bits(value: int) -> float | str:
    try:
        # Only a float was ever as large as that: a JSON column writes out its noughts.
        return float(value)
    except OverflowError:
        return hex(value)


def _number(value: float) -> float | int:
    if not value.is_integer():
        return value
    if -EXACT_MAX < value < EXACT_MAX:
        return int(value)
    # A JSON column keeps the digits with which the float was written, and noughts behind them.
    whole = int(Decimal(repr(value)))
    return whole if INT_MIN <= whole <= INT_MAX else value


class _Shape(NamedTuple):
    """How to get an entity's values in the order of their names, and those that need another form."""

    values: Callable[[Any], Iterable[Any]]
    special: list[tuple[int, Callable[[Any], Any]]]


@lru_cache(maxsize=COLLECTIONS_MAX)
def _shape(collection: Collection[Any]) -> _Shape:
    info: Any = inspect.type_info(collection.entity)
    types = {field.name: field.type for field in info.fields}
    fields = sorted(collection.fields, key=lambda field: field.document_name)
    special = [(at, _converter(field)) for at, field in enumerate(fields) if _needs_another_form(types[field.name])]
    names = [field.name for field in fields]
    return _Shape(attrgetter(*names) if len(names) > 1 else _id_alone, special)


def _id_alone(entity: Any) -> Iterable[Any]:
    return (entity.id,)


def _converter(field: Field) -> Callable[[Any], Any]:
    if field.kind is FieldKind.TIME:
        return time_text
    encode = field.to_document
    return _plain if encode is None else lambda value: _plain(encode(value))


def _needs_another_form(info: Any) -> bool:
    """Tell whether values of this type hold floats or times somewhere, or what nobody knows."""
    if isinstance(info, inspect.FloatType | inspect.AnyType | inspect.DateTimeType):
        return True
    if isinstance(info, inspect.StructType):
        return any(_needs_another_form(field.type) for field in info.fields)
    parts = [getattr(info, name) for name in ("item_type", "key_type", "value_type") if hasattr(info, name)]
    parts += [*getattr(info, "types", ()), *getattr(info, "item_types", ())]
    return any(map(_needs_another_form, parts))
