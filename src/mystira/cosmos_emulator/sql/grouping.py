"""Rows are put into groups; a group's row holds its GROUP BY values and then its aggregates."""

from collections.abc import Hashable, Iterable, Iterator
from typing import Any

from mystira.cosmos_emulator.sql import syntax
from mystira.cosmos_emulator.sql.aggregates import aggregated
from mystira.cosmos_emulator.sql.printer import printed
from mystira.cosmos_emulator.sql.scope import Evaluate, Row, Scope
from mystira.cosmos_emulator.sql.syntax import Aggregate, Expression, Node, Select
from mystira.cosmos_emulator.sql.values import identity


def ungrouped(select: Select) -> str | None:
    """What the projection names and no group has one value for, as text."""
    grouped = set(select.group_by)

    def found(node: Node) -> str | None:
        if isinstance(node, Aggregate) or node in grouped:
            return None
        if isinstance(node, syntax.Star):
            return "*"
        if isinstance(node, syntax.Name | syntax.Member | syntax.Subquery):
            return printed(node)
        return next((text for child in syntax.children(node) if (text := found(child))), None)

    return found(select.projection)


def computed_slots(select: Select) -> dict[Expression, int]:
    """Where in a group's row each GROUP BY expression and each aggregate stands."""
    expressions = (*select.group_by, *syntax.aggregates(select.projection))
    return {expression: place for place, expression in enumerate(dict.fromkeys(expressions))}


class Grouping:
    """How rows become groups, compiled."""

    def __init__(self, select: Select, scope: Scope, keys: list[Evaluate], arguments: list[Evaluate]) -> None:
        self.slots = computed_slots(select)
        self.functions = [part.function for part in self.slots if isinstance(part, Aggregate)]
        self.scope = Scope(scope.run, {}, len(self.slots), self.slots)
        self.keys = keys
        self.arguments = arguments
        self.over_all = not select.group_by

    def groups(self, rows: Iterable[Row]) -> Iterator[Row]:
        """One row for each group, in the order in which the groups are met."""
        members: dict[Hashable, tuple[Row, list[Row]]] = {}
        if self.over_all:
            members[()] = ((), [])
        for row in rows:
            values = tuple(key(row) for key in self.keys)
            group = tuple(map(identity, values))
            if group not in members:
                members[group] = (values, [])
            members[group][1].append(row)
        for values, together in members.values():
            yield (*values, *self._aggregates(together))

    def _aggregates(self, rows: list[Row]) -> Iterator[Any]:
        for function, argument in zip(self.functions, self.arguments, strict=True):
            yield aggregated(function, (argument(row) for row in rows))
