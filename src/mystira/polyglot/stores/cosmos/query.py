"""Specifications as parameterised Cosmos SQL, with the two-valued meaning that every store shares."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.fields import FieldKind, time_text
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
    Scalar,
    Where,
    after_cursor,
)
from mystira.polyglot.stores.cosmos.keys import stored_id

# Longer lists are one parameter: the text of a query has a limit, but only IN is helped by an index.
IN_MAX = 200

_DELETED = 'c["_polyglot"]["deleted"]'
LIVE = f"(NOT IS_DEFINED({_DELETED}) OR {_DELETED} = false)"

_text = msgspec.json.Encoder().encode


class Compiled:
    """Collects the parameters of one query while its text is written."""

    def __init__(self, collection: Collection[Any]) -> None:
        self.collection = collection
        self.parameters: list[dict[str, Any]] = []

    def search(self, query: Query) -> str:
        """Return the query for one page of live documents."""
        where = query.where
        if query.after is not None:
            where = AllOf((where, after_cursor(query.order, query.after)))
        order = ", ".join(f"{self._field(by.field)} {'DESC' if by.descending else 'ASC'}" for by in query.order)
        # Values are parameters; names come from declarations.
        return f"SELECT TOP {query.limit} * FROM c WHERE {LIVE} AND {self.where(where)} ORDER BY {order}"  # noqa: S608

    def count(self, where: Where) -> str:
        """Return the query that counts live documents."""
        return f"SELECT VALUE COUNT(1) FROM c WHERE {LIVE} AND {self.where(where)}"  # noqa: S608

    def where(self, where: Where) -> str:
        """Return a condition that is true exactly where the specification holds; elsewhere false or undefined."""
        match where:
            case AllOf(parts):
                return _joined([self.where(part) for part in parts], "AND") if parts else "true"
            case AnyOf(parts):
                return _joined([self.where(part) for part in parts], "OR") if parts else "false"
            case Not(part):
                # Undefined counts as false, so its negation must be true.
                return f"IIF({self.where(part)}, false, true)"
            case Compare(name, "=", None):
                return self._is_null(name)
            case Compare(name, op, value):
                return f"{self._field(name)} {op} {self._value(name, value)}"
            case OneOf(name, values):
                return self._one_of(name, values)
            case Prefix(name, text):
                return f"STARTSWITH({self._field(name)}, {self._value(name, text)})"
            case Contains(name, part):
                among = self.collection.by_name[name].kind is not FieldKind.TEXT
                return f"{'ARRAY_CONTAINS' if among else 'CONTAINS'}({self._field(name)}, {self._value(name, part)})"

    def _is_null(self, name: str) -> str:
        field = self._field(name)
        return f"(NOT IS_DEFINED({field}) OR IS_NULL({field}))"

    def _one_of(self, name: str, values: tuple[Scalar, ...]) -> str:
        known = list(dict.fromkeys(_plain(name, value) for value in values if value is not None))
        field = self._field(name)
        if not known:
            found = "false"
        elif len(known) <= IN_MAX:
            found = f"{field} IN ({', '.join(self._parameter(value) for value in known)})"
        else:
            found = f"ARRAY_CONTAINS({self._parameter(known)}, {field})"
        return f"({found} OR {self._is_null(name)})" if None in values else found

    def _field(self, name: str) -> str:
        return f"c[{_text(self.collection.by_name[name].document_name).decode()}]"

    def _value(self, name: str, value: Any) -> str:
        return self._parameter(_plain(name, value))

    def _parameter(self, value: Any) -> str:
        name = f"@p{len(self.parameters)}"
        self.parameters.append({"name": name, "value": value})
        return name


def confined_to(where: Where, partition: str) -> str | None:
    """Return the partition that a specification keeps within, or None when it may reach over several."""
    match where:
        case Compare(name, "=", str() as value) | OneOf(name, (str() as value,)) if name == partition:
            return str(_plain(name, value))
        case AllOf(parts):
            return next((found for part in parts if (found := confined_to(part, partition)) is not None), None)
        case _:
            return None


def merged(
    collection: Collection[Any], order: Sequence[Order], documents: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Return the documents of several ranges in one order, the service's own: null, booleans, numbers, text."""
    found = list(documents)
    # Sorting is stable, so sorting by the last field first leaves the first field in charge.
    for by in reversed(order):
        name = collection.by_name[by.field].document_name
        found.sort(key=lambda document, name=name: _rank(document.get(name)), reverse=by.descending)
    return found


def _rank(value: Any) -> tuple[int, Any]:
    if value is None:
        return 0, 0
    return (1 if isinstance(value, bool) else 2 if isinstance(value, int | float) else 3), value


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime):
        return time_text(value)
    # The id is kept with some characters replaced.
    return stored_id(value) if name == "id" else value


def _joined(parts: list[str], word: str) -> str:
    """Return the conditions in one, as a balanced tree: the service limits how deep a condition may be."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return f"({_joined(parts[:middle], word)} {word} {_joined(parts[middle:], word)})"
