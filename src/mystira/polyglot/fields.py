"""The shape of an entity, read from its annotations: field kinds, and the way between code and document."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

Convert = Callable[[Any], Any]
"""Turns one value into its other form."""


class FieldKind(StrEnum):
    """How a field is stored and compared. Only the first five can be ordered."""

    TEXT = "text"
    INT = "int"
    FLOAT = "float"
    BOOL = "bool"
    TIME = "time"
    TEXTS = "texts"
    INTS = "ints"
    NESTED = "nested"


SCALARS = (FieldKind.TEXT, FieldKind.INT, FieldKind.FLOAT, FieldKind.BOOL, FieldKind.TIME)


class Field(NamedTuple):
    """One field of an entity: `name` in code and as a column, `document_name` in documents."""

    name: str
    document_name: str
    kind: FieldKind
    nullable: bool
    to_document: Convert | None
    from_document: Convert | None


def camel(name: str) -> str:
    """Return the document store's spelling of a snake_case name."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def time_text(value: datetime) -> str:
    """Return a time as UTC text whose code-point order is its order in time (always six digits)."""
    if value.tzinfo is None:
        raise ValueError("a time without a time zone cannot be stored; use datetime.now(UTC)")
    utc = value if value.tzinfo is UTC else value.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[: -len("+00:00")] + "Z"


def fields_of_entity(entity: type[msgspec.Struct]) -> tuple[Field, ...]:
    """Return the fields of `entity` in their order of declaration."""
    return _struct_fields(inspect.type_info(entity))


def _struct_fields(info: Any) -> tuple[Field, ...]:
    fields: list[Field] = []
    for field in info.fields:
        kind, nullable = _kind(field.type)
        encode, decode = _converters(field.type)
        fields.append(Field(field.name, camel(field.name), kind, nullable, encode, decode))
    return tuple(fields)


def _without_null(info: Any) -> tuple[Any, bool]:
    if not isinstance(info, inspect.UnionType):
        return info, False
    rest = tuple(part for part in info.types if not isinstance(part, inspect.NoneType))
    return (rest[0] if len(rest) == 1 else inspect.UnionType(rest)), len(rest) < len(info.types)


def _kind(info: Any) -> tuple[FieldKind, bool]:
    plain, nullable = _without_null(info)
    return _scalar_kind(plain) or _list_kind(plain) or FieldKind.NESTED, nullable


def _scalar_kind(info: Any) -> FieldKind | None:
    match info:
        case inspect.StrType():
            return FieldKind.TEXT
        case inspect.BoolType():
            return FieldKind.BOOL
        case inspect.IntType():
            return FieldKind.INT
        case inspect.FloatType():
            return FieldKind.FLOAT
        case inspect.DateTimeType():
            return FieldKind.TIME
        case inspect.EnumType():
            return _kind_of_values([member.value for member in info.cls])
        case inspect.LiteralType():
            return _kind_of_values(list(info.values))
        case _:
            return None


def _kind_of_values(values: list[Any]) -> FieldKind:
    return FieldKind.TEXT if all(isinstance(value, str) for value in values) else FieldKind.INT


def _list_kind(info: Any) -> FieldKind | None:
    if isinstance(info, inspect.ListType | inspect.VarTupleType | inspect.SetType | inspect.FrozenSetType):
        item = _scalar_kind(info.item_type)
        return {FieldKind.TEXT: FieldKind.TEXTS, FieldKind.INT: FieldKind.INTS}.get(item) if item else None
    return None


def _converters(info: Any) -> tuple[Convert | None, Convert | None]:
    """Return (to document, from document) for values of this type; None where they are the same."""
    plain, _ = _without_null(info)
    match plain:
        case inspect.DateTimeType():
            return time_text, None
        case inspect.EnumType():
            return (lambda value: value.value), None
        case inspect.StructType():
            return _struct_converters(plain)
        case inspect.ListType() | inspect.VarTupleType() | inspect.SetType() | inspect.FrozenSetType():
            return _list_converters(plain)
        case inspect.DictType():
            return _dict_converters(plain)
        case inspect.DecimalType() | inspect.BytesType() | inspect.DateType() | inspect.TimeType():
            raise TypeError(f"{plain} cannot be stored: use integers, text or a datetime in UTC")
        case inspect.UnionType():
            return _union_converters(plain)
        case _:
            return None, None


def _list_converters(info: Any) -> tuple[Convert | None, Convert | None]:
    encode, decode = _converters(info.item_type)
    out: Convert = list if encode is None else lambda values: [v if v is None else encode(v) for v in values]
    back: Convert | None = None if decode is None else lambda values: [v if v is None else decode(v) for v in values]
    if isinstance(info, inspect.SetType | inspect.FrozenSetType):
        return _in_order(out), back
    return out, back


def _in_order(convert: Convert) -> Convert:
    # A set has no order of its own, but two equal records have one document.
    return lambda values: sorted(convert(values), key=msgspec.json.encode)


def _dict_converters(info: Any) -> tuple[Convert | None, Convert | None]:
    # The keys of a mapping are data, not names: they keep their spelling.
    encode, decode = _converters(info.value_type)
    out: Convert | None = (
        None if encode is None else lambda value: {k: v if v is None else encode(v) for k, v in value.items()}
    )
    back: Convert | None = (
        None if decode is None else lambda value: {k: v if v is None else decode(v) for k, v in value.items()}
    )
    return out, back


def _union_converters(info: Any) -> tuple[Convert | None, Convert | None]:
    if any(_converters(part) != (None, None) for part in info.types):
        raise TypeError(f"a union of {info.types} cannot be stored: give it one shape")
    return None, None


def _struct_converters(info: Any) -> tuple[Convert, Convert]:
    fields = _struct_fields(info)
    known = {field.document_name: field for field in fields}

    def encode(value: Any) -> dict[str, Any]:
        return encode_fields(fields, value)

    def decode(value: Any) -> Any:
        return decode_fields(known, value)[0] if isinstance(value, dict) else value  # pyright: ignore[reportUnknownArgumentType]

    return encode, decode


def encode_fields(fields: tuple[Field, ...], value: Any) -> dict[str, Any]:
    """Return the document form of a struct's fields."""
    body: dict[str, Any] = {}
    for name, document_name, _, _, convert, _ in fields:
        part = getattr(value, name)
        body[document_name] = part if convert is None or part is None else convert(part)
    return body


def decode_fields(known: dict[str, Field], body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (the fields under their names in code, what the document holds besides)."""
    values: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, value in body.items():
        field = known.get(name)
        if field is None:
            extra[name] = value
        else:
            decode = field.from_document
            values[field.name] = value if decode is None or value is None else decode(value)
    return values, extra
