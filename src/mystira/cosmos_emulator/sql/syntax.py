"""The shape of a query once read; every part is frozen and can be compared."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec


class Node(msgspec.Struct, frozen=True):
    """Any part of a query."""


class Expression(Node, frozen=True):
    """A part that has a value for each row."""


class Literal(Expression, frozen=True):
    value: str | int | float | bool | None


class UndefinedLiteral(Expression, frozen=True):
    pass


class Parameter(Expression, frozen=True):
    name: str


class Name(Expression, frozen=True):
    name: str


class Container(Expression, frozen=True):
    """The documents the query is asked of, under whatever name it calls them."""

    name: str


class Member(Expression, frozen=True):
    source: Expression
    name: str


class Index(Expression, frozen=True):
    source: Expression
    index: Expression


class Unary(Expression, frozen=True):
    operator: str
    operand: Expression


class Binary(Expression, frozen=True):
    operator: str
    left: Expression
    right: Expression


class Logical(Expression, frozen=True):
    """AND or OR of many: a list, so that a thousand of them are no deeper than two."""

    operator: str
    operands: tuple[Expression, ...]


class Conditional(Expression, frozen=True):
    test: Expression
    then: Expression
    otherwise: Expression


class Between(Expression, frozen=True):
    value: Expression
    low: Expression
    high: Expression


class In(Expression, frozen=True):
    value: Expression
    items: tuple[Expression, ...]


class Like(Expression, frozen=True):
    value: Expression
    pattern: Expression
    escape: Expression | None


class Call(Expression, frozen=True):
    function: str
    arguments: tuple[Expression, ...]


class Aggregate(Expression, frozen=True):
    function: str
    argument: Expression


class ArrayLiteral(Expression, frozen=True):
    items: tuple[Expression, ...]


class ObjectLiteral(Expression, frozen=True):
    entries: tuple[tuple[str, Expression], ...]


class Star(Node, frozen=True):
    pass


class Value(Node, frozen=True):
    expression: Expression


class Column(Node, frozen=True):
    """One of a SELECT list; `name` is what the result calls it."""

    expression: Expression
    name: str


class Columns(Node, frozen=True):
    items: tuple[Column, ...]


class Source(Node, frozen=True):
    """One input of FROM or JOIN: each value of `origin`, or with `iterate` each item of it, under `alias`."""

    alias: str
    origin: "Expression | Select"
    iterate: bool


class OrderItem(Node, frozen=True):
    expression: Expression
    descending: bool


class Select(Node, frozen=True):
    projection: Star | Value | Columns
    distinct: bool = False
    top: Expression | None = None
    sources: tuple[Source, ...] = ()
    where: Expression | None = None
    group_by: tuple[Expression, ...] = ()
    order_by: tuple[OrderItem, ...] = ()
    offset: Expression | None = None
    limit: Expression | None = None


class Subquery(Expression, frozen=True):
    """`kind` is EXISTS, ARRAY, or empty for the one value that the query gives."""

    kind: str
    select: Select


class Query(msgspec.Struct, frozen=True):
    """A query that was read, with its text and where in it each parameter stands first."""

    select: Select
    text: str
    parameters: Mapping[str, int]


def children(node: Node) -> Iterator[Node]:
    """The parts directly inside a part."""
    for field in node.__struct_fields__:
        yield from _nodes(getattr(node, field))


def _nodes(found: Any) -> Iterator[Node]:
    if isinstance(found, Node):
        yield found
    elif isinstance(found, tuple):
        for item in found:  # pyright: ignore[reportUnknownVariableType]
            yield from _nodes(item)


def aggregates(node: Node) -> Iterator[Aggregate]:
    """The aggregates of a part, those of its subqueries left out."""
    if isinstance(node, Aggregate):
        yield node
    elif not isinstance(node, Select):
        for child in children(node):
            yield from aggregates(child)


def is_grouped(select: Select) -> bool:
    """Whether rows are put together: GROUP BY, or an aggregate over all of them."""
    return bool(select.group_by) or next(aggregates(select.projection), None) is not None


def height(node: Node) -> int:
    """How many levels of parts lie in a part; counted without recursion, so that any text can be measured."""
    highest, waiting = 0, [(node, 1)]
    while waiting:
        part, level = waiting.pop()
        highest = max(highest, level)
        waiting.extend((child, level + 1) for child in children(part))
    return highest


def path(expression: Expression) -> tuple[str, ...] | None:
    """The names of c.a["b"] from its alias on, or None where it is no plain path."""
    steps: list[str] = []
    while isinstance(expression, Member):
        steps.append(expression.name)
        expression = expression.source
    return (expression.name, *reversed(steps)) if isinstance(expression, Name) else None
