"""Specifications: what to find, in which order, from where on; one meaning on every store.

The meaning, whichever store answers: an absent field equals null; null sorts before every value; logic has two
values (a comparison with null is false, so its negation is true); text is compared by code point; every order ends
with the record's key, so that pages neither overlap nor leave gaps.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

Scalar = str | int | float | bool | datetime | None
Op = Literal["=", "<", "<=", ">", ">="]

LIMIT_MAX = 1_001


class Compare(msgspec.Struct, frozen=True, tag=True):
    """The field stands in this relation to the value. Equality with None holds for null and absent."""

    field: str
    op: Op
    value: Scalar


class OneOf(msgspec.Struct, frozen=True, tag=True):
    """The field equals one of the values (None among them finds null and absent)."""

    field: str
    values: tuple[Scalar, ...]


class Prefix(msgspec.Struct, frozen=True, tag=True):
    """The text field starts with this text, case and all."""

    field: str
    text: str


class Contains(msgspec.Struct, frozen=True, tag=True):
    """The text field has this text inside it, or the list field has this element."""

    field: str
    part: str | int


class AllOf(msgspec.Struct, frozen=True, tag=True):
    """Every part holds; with no parts: true."""

    parts: tuple["Where", ...] = ()


class AnyOf(msgspec.Struct, frozen=True, tag=True):
    """At least one part holds; with no parts: false."""

    parts: tuple["Where", ...] = ()


class Not(msgspec.Struct, frozen=True, tag=True):
    """The part does not hold."""

    part: "Where"


Where = Compare | OneOf | Prefix | Contains | AllOf | AnyOf | Not

EVERYTHING: Where = AllOf()


class Order(msgspec.Struct, frozen=True):
    """Sort by this field; ascending puts null first, descending puts it last."""

    field: str
    descending: bool = False


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What to find. `after` holds the order's values (key fields last) of the last record of the page before."""

    where: Where = EVERYTHING
    order: tuple[Order, ...] = ()
    limit: int = 100
    after: tuple[Scalar, ...] | None = None


def equal(field: str, value: Scalar) -> Where:
    """Find where the field has this value; None finds null and absent."""
    return Compare(field, "=", value)


def less(field: str, value: Scalar) -> Where:
    """Find where the field is below this value; never holds for null."""
    return Compare(field, "<", value)


def at_most(field: str, value: Scalar) -> Where:
    """Find where the field is this value or below; never holds for null."""
    return Compare(field, "<=", value)


def greater(field: str, value: Scalar) -> Where:
    """Find where the field is above this value; never holds for null."""
    return Compare(field, ">", value)


def at_least(field: str, value: Scalar) -> Where:
    """Find where the field is this value or above; never holds for null."""
    return Compare(field, ">=", value)


def one_of(field: str, values: "list[Any] | tuple[Any, ...]") -> Where:
    """Find where the field has one of these values."""
    return OneOf(field, tuple(values))


def prefix(field: str, text: str) -> Where:
    """Find where the text field starts with this text."""
    return Prefix(field, text)


def contains(field: str, part: str | int) -> Where:
    """Find where the text field has this text inside it, or the list field this element."""
    return Contains(field, part)


def is_null(field: str) -> Where:
    """Find where the field is null or absent."""
    return Compare(field, "=", None)


def all_of(*parts: Where) -> Where:
    """Find where every part holds."""
    return AllOf(parts)


def any_of(*parts: Where) -> Where:
    """Find where at least one part holds."""
    return AnyOf(parts)


def negate(part: Where) -> Where:
    """Find where the part does not hold."""
    return Not(part)


def after_cursor(order: tuple[Order, ...], values: tuple[Scalar, ...]) -> Where:
    """Return the specification of everything that comes strictly after `values` in `order`.

    It is made of the plain parts, so no store needs a notion of cursors, and null follows the same rules.
    """
    alternatives: list[Where] = []
    for at, (by, value) in enumerate(zip(order, values, strict=True)):
        equals = [equal(earlier.field, seen) for earlier, seen in zip(order[:at], values[:at], strict=True)]
        step = _beyond(by, value)
        if step is not None:
            alternatives.append(all_of(*equals, step))
    beyond = any_of(*alternatives)
    if len(order) == 1 or order[0].descending or values[0] is None:
        return beyond
    # It follows from the rest, and lets an index begin where the page does.
    return all_of(at_least(order[0].field, values[0]), beyond)


def _beyond(by: Order, value: Scalar) -> Where | None:
    if by.descending:
        return None if value is None else any_of(less(by.field, value), is_null(by.field))
    return negate(is_null(by.field)) if value is None else greater(by.field, value)


def shape_of(query: Query) -> str:
    """Return a query without its values, as text: what was asked, not after whom."""
    order = ", ".join(f"{by.field}{' descending' if by.descending else ''}" for by in query.order)
    where = _shape(query.where)
    parts = [f"where {where}" if where else "all", f"by {order}" if order else "", "next page" if query.after else ""]
    return ", ".join(part for part in parts if part)


def _shape(where: Where) -> str:
    match where:
        case AllOf(parts):
            return _joined(parts, " and ")
        case AnyOf(parts):
            return _joined(parts, " or ") or "never"
        case Not(part):
            return f"not ({_shape(part) or 'always'})"
        case Compare(field, op, value):
            return f"{field} is null" if value is None else f"{field} {op} ?"
        case OneOf(field, _):
            return f"{field} among ?"
        case Prefix(field, _):
            return f"{field} starts with ?"
        case Contains(field, _):
            return f"{field} contains ?"


def _joined(parts: tuple[Where, ...], word: str) -> str:
    # A part that comes many times over, with other values, makes no other shape.
    shapes = dict.fromkeys(f"({_shape(part)})" if isinstance(part, AnyOf | AllOf) else _shape(part) for part in parts)
    return word.join(shapes)
