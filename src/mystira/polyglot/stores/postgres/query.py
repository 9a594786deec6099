"""Specifications as parameterised SQL with the two-valued meaning that every store shares."""

from typing import Any

from mystira.polyglot.collection import Collection
from mystira.polyglot.fields import FieldKind
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

COLUMN_TYPES = {
    FieldKind.TEXT: "text",
    FieldKind.INT: "bigint",
    FieldKind.FLOAT: "double precision",
    FieldKind.BOOL: "boolean",
    FieldKind.TIME: "timestamptz",
    FieldKind.TEXTS: "jsonb",
    FieldKind.INTS: "jsonb",
    FieldKind.NESTED: "jsonb",
}


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


class Compiled:
    """Collects the parameters of one statement while its text is written."""

    def __init__(self, collection: Collection[Any]) -> None:
        self.collection = collection
        self.values: list[Any] = []

    def where(self, where: Where) -> str:
        """Return a condition that is true exactly where the specification holds; elsewhere false or unknown."""
        match where:
            case AllOf(parts):
                return "(" + " AND ".join(self.where(part) for part in parts) + ")" if parts else "TRUE"
            case AnyOf(parts):
                return "(" + " OR ".join(self.where(part) for part in parts) + ")" if parts else "FALSE"
            case Not(part):
                # Unknown counts as false, so its negation must be true.
                return f"({self.where(part)}) IS NOT TRUE"
            case Compare(name, "=", None):
                return f"{quoted(name)} IS NULL"
            case Compare(name, op, value):
                return f"{quoted(name)} {op} {self._value(name, value)}"
            case OneOf(name, values):
                return self._one_of(name, values)
            case Prefix(name, text):
                return f"starts_with({quoted(name)}, {self._value(name, text)})"
            case Contains(name, part):
                return self._contains(name, part)

    def search(self, table: str, columns: str, query: Query) -> str:
        """Return the whole statement for one page of live records."""
        where = query.where
        if query.after is not None:
            where = AllOf((where, after_cursor(query.order, query.after)))
        order = ", ".join(_order(by) for by in query.order)
        return (
            f"SELECT {columns} FROM {table} WHERE NOT _deleted AND {self.where(where)}"  # noqa: S608 - names come from declarations, values are parameters.
            f" ORDER BY {order} LIMIT {query.limit}"
        )

    def _one_of(self, name: str, values: tuple[Scalar, ...]) -> str:
        known = [value for value in values if value is not None]
        kind = COLUMN_TYPES[self.collection.by_name[name].kind]
        self.values.append(known)
        found = f"{quoted(name)} = ANY(${len(self.values)}::{kind}[])"
        return f"({found} OR {quoted(name)} IS NULL)" if None in values else found

    def _contains(self, name: str, part: str | int) -> str:
        if self.collection.by_name[name].kind is FieldKind.TEXT:
            return f"strpos({quoted(name)}, {self._value(name, part)}) > 0"
        self.values.append(part)
        kind = "text" if isinstance(part, str) else "bigint"
        return f"{quoted(name)} @> jsonb_build_array(${len(self.values)}::{kind})"

    def _value(self, name: str, value: Any) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{COLUMN_TYPES[self.collection.by_name[name].kind]}"


def _order(by: Order) -> str:
    return f"{quoted(by.field)} DESC NULLS LAST" if by.descending else f"{quoted(by.field)} ASC NULLS FIRST"
