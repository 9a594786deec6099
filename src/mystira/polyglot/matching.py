"""The meaning of specifications in plain code: the yardstick that every store's SQL is measured by."""

from collections.abc import Iterable
from enum import Enum
from typing import Any

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import E
from mystira.polyglot.query import (
    AllOf,
    AnyOf,
    Compare,
    Contains,
    Not,
    OneOf,
    Order,
    Prefix,
    Query,
    Where,
    after_cursor,
)


def matches(where: Where, entity: Any) -> bool:
    """Tell whether the specification holds for an entity."""
    match where:
        case AllOf(parts):
            return all(matches(part, entity) for part in parts)
        case AnyOf(parts):
            return any(matches(part, entity) for part in parts)
        case Not(part):
            return not matches(part, entity)
        case Compare(name, op, value):
            return _compare(_plain(getattr(entity, name)), op, value)
        case OneOf(name, values):
            return _plain(getattr(entity, name)) in values
        case Prefix(name, text):
            value = _plain(getattr(entity, name))
            return value is not None and value.startswith(text)
        case Contains(name, part):
            value = _plain(getattr(entity, name))
            return value is not None and part in value


def select(collection: Collection[E], query: Query, entities: Iterable[E]) -> list[E]:
    """Return the page that the query asks for."""
    query = collection.complete(query)
    where = query.where if query.after is None else AllOf((query.where, after_cursor(query.order, query.after)))
    return sort([entity for entity in entities if matches(where, entity)], query.order)[: query.limit]


def sort(entities: Iterable[E], order: Iterable[Order]) -> list[E]:
    """Return the entities in this order; equal ones stay as they came."""
    found = list(entities)
    # Sorting is stable, so sorting by the last field first leaves the first field in charge.
    for by in reversed(tuple(order)):
        found.sort(key=lambda entity, name=by.field: _sort_key(getattr(entity, name)), reverse=by.descending)
    return found


def _compare(stored: Any, op: str, value: Any) -> bool:
    if stored is None or value is None:
        return op == "=" and stored is None and value is None
    match op:
        case "=":
            return stored == value
        case "<":
            return stored < value
        case "<=":
            return stored <= value
        case ">":
            return stored > value
        case _:
            return stored >= value


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


def _sort_key(value: Any) -> tuple[bool, Any]:
    value = _plain(value)
    return (False, 0) if value is None else (True, value)
