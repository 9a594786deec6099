"""Specifications as SQL over JSON documents, with the two-valued meaning that every store shares."""

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
from mystira.polyglot.stores.sqlite.schema import expression, quoted

_encode = msgspec.json.Encoder().encode

LIVE = "NOT deleted AND (expires_at IS NULL OR expires_at > ?)"


class Compiled:
    """Collects the parameters of one statement while its text is written."""

    def __init__(self, collection: Collection[Any], now_s: float) -> None:
        self.collection = collection
        self.values: list[Any] = [now_s]

    def search(self, query: Query) -> str:
        """Return the statement for one page of live documents."""
        where = query.where
        if query.after is not None:
            where = AllOf((where, after_cursor(query.order, query.after)))
        order = ", ".join(self._order(by) for by in query.order)
        return f"SELECT position, body {self._from(where)} ORDER BY {order} LIMIT {query.limit}"

    def count(self, where: Where) -> str:
        """Return the statement that counts live documents."""
        return f"SELECT count(*) {self._from(where)}"

    def where(self, where: Where) -> str:
        """Return a condition that is true exactly where the specification holds; elsewhere false or unknown."""
        match where:
            case AllOf(parts):
                return _joined([self.where(part) for part in parts], "AND") if parts else "TRUE"
            case AnyOf(parts):
                return _joined([self.where(part) for part in parts], "OR") if parts else "FALSE"
            case Not(part):
                # Unknown counts as false, so its negation must be true.
                return f"({self.where(part)}) IS NOT TRUE"
            case Compare(name, "=", None):
                return f"{self._field(name)} IS NULL"
            case Compare(name, op, value):
                return f"{self._field(name)} {op} {self._value(value)}"
            case OneOf(name, values):
                return self._one_of(name, values)
            case Prefix(name, text):
                return self._prefix(name, text)
            case Contains(name, part):
                return self._contains(name, part)

    def _from(self, where: Where) -> str:
        return f"FROM {quoted(self.collection.container)} WHERE {LIVE} AND {self.where(where)}"

    def _one_of(self, name: str, values: tuple[Scalar, ...]) -> str:
        # One parameter for the whole list: no limit on its length, and one statement for all lengths.
        known = [_plain(value) for value in values if value is not None]
        found = f"{self._field(name)} IN (SELECT value FROM json_each({self._value(_encode(known).decode())}))"  # noqa: S608
        return f"({found} OR {self._field(name)} IS NULL)" if None in values else found

    def _prefix(self, name: str, text: str) -> str:
        # The lower bound lets an index help; alone it would let later text through.
        field = self._field(name)
        bound, length, start = self._value(text), self._value(len(text)), self._value(text)
        return f"({field} >= {bound} AND substr({field}, 1, {length}) = {start})"

    def _contains(self, name: str, part: str | int) -> str:
        field = self.collection.by_name[name]
        if field.kind is FieldKind.TEXT:
            return f"instr({self._field(name)}, {self._value(part)}) > 0"
        path = f"'$.\"{field.document_name}\"'"
        return f"EXISTS (SELECT 1 FROM json_each(body, {path}) AS part WHERE part.value = {self._value(part)})"  # noqa: S608

    def _field(self, name: str) -> str:
        return expression(self.collection, name)

    def _order(self, by: Order) -> str:
        return f"{self._field(by.field)} {'DESC' if by.descending else 'ASC'}"

    def _value(self, value: Any) -> str:
        self.values.append(_plain(value))
        return "?"


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return time_text(value) if isinstance(value, datetime) else value


def _joined(parts: list[str], word: str) -> str:
    """Return the conditions in one, as a balanced tree: SQLite refuses trees deeper than a thousand."""
    if len(parts) == 1:
        return parts[0]
    middle = len(parts) // 2
    return f"({_joined(parts[:middle], word)} {word} {_joined(parts[middle:], word)})"
