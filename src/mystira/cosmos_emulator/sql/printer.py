"""Queries become text again, written as the service writes them."""

import json
from collections.abc import Callable
from typing import Any

from mystira.cosmos_emulator.sql import syntax
from mystira.cosmos_emulator.sql.lexer import KEYWORDS
from mystira.cosmos_emulator.sql.syntax import Expression, Node, Select


def printed(node: Node) -> str:
    """The text that reads as this part again."""
    return _PRINTERS[type(node)](node)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _listed(nodes: tuple[Node, ...]) -> str:
    return ", ".join(map(printed, nodes))


def _literal(node: syntax.Literal) -> str:
    return _quoted(node.value) if isinstance(node.value, str) else json.dumps(node.value)


def _name(node: syntax.Name | syntax.Parameter | syntax.Container) -> str:
    return node.name


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isidentifier() and name.upper() not in KEYWORDS


def _source_of_steps(source: Expression) -> str:
    plain = isinstance(source, syntax.Name | syntax.Container | syntax.Member | syntax.Index)
    return printed(source) if plain else f"({printed(source)})"


def _member(node: syntax.Member) -> str:
    step = f".{node.name}" if _is_plain(node.name) else f"[{_quoted(node.name)}]"
    return _source_of_steps(node.source) + step


def _index(node: syntax.Index) -> str:
    # In brackets, a text alone would read as a property name.
    index = printed(node.index)
    is_text = isinstance(node.index, syntax.Literal) and isinstance(node.index.value, str)
    return f"{_source_of_steps(node.source)}[{f'({index})' if is_text else index}]"


def _unary(node: syntax.Unary) -> str:
    operand = printed(node.operand)
    if node.operator == "NOT":
        return f"(NOT {operand})"
    return (
        f"({node.operator}({operand}))" if isinstance(node.operand, syntax.Literal) else f"({node.operator}{operand})"
    )


def _binary(node: syntax.Binary) -> str:
    return f"({printed(node.left)} {node.operator} {printed(node.right)})"


def _logical(node: syntax.Logical) -> str:
    return "(" + f" {node.operator} ".join(map(printed, node.operands)) + ")"


def _conditional(node: syntax.Conditional) -> str:
    return f"({printed(node.test)} ? {printed(node.then)} : {printed(node.otherwise)})"


def _between(node: syntax.Between) -> str:
    return f"({printed(node.value)} BETWEEN {printed(node.low)} AND {printed(node.high)})"


def _in(node: syntax.In) -> str:
    return f"({printed(node.value)} IN ({_listed(node.items)}))"


def _like(node: syntax.Like) -> str:
    escape = f" ESCAPE {printed(node.escape)}" if node.escape else ""
    return f"({printed(node.value)} LIKE {printed(node.pattern)}{escape})"


def _call(node: syntax.Call) -> str:
    return f"{node.function}({_listed(node.arguments)})"


def _aggregate(node: syntax.Aggregate) -> str:
    return f"{node.function}({printed(node.argument)})"


def _array(node: syntax.ArrayLiteral) -> str:
    return f"[{_listed(node.items)}]"


def _object(node: syntax.ObjectLiteral) -> str:
    return "{" + ", ".join(f"{_quoted(name)}: {printed(value)}" for name, value in node.entries) + "}"


def _subquery(node: syntax.Subquery) -> str:
    return f"{node.kind}({printed(node.select)})"


def _value(node: syntax.Value) -> str:
    return f"VALUE {printed(node.expression)}"


def _column(node: syntax.Column) -> str:
    own = isinstance(node.expression, syntax.Name | syntax.Member) and node.expression.name == node.name
    # A number of its own, such as $1, is given again when the text is read again.
    return printed(node.expression) + ("" if own or node.name.startswith("$") else f" AS {node.name}")


def _columns(node: syntax.Columns) -> str:
    return _listed(node.items)


def _source(node: syntax.Source) -> str:
    origin = f"({printed(node.origin)})" if isinstance(node.origin, Select) else printed(node.origin)
    if node.iterate:
        return f"{node.alias} IN {origin}"
    own = isinstance(node.origin, syntax.Name | syntax.Container | syntax.Member) and node.origin.name == node.alias
    return origin if own or not node.alias else f"{origin} AS {node.alias}"


def _order_item(node: syntax.OrderItem) -> str:
    return printed(node.expression) + (" DESC" if node.descending else "")


def _select(node: Select) -> str:
    words = ["SELECT", *["DISTINCT"] * node.distinct]
    words += [f"TOP {printed(node.top)}"] if node.top else []
    lines = [" ".join((*words, printed(node.projection)))]
    lines += ["FROM " + "\nJOIN ".join(map(printed, node.sources))] if node.sources else []
    lines += [f"WHERE {printed(node.where)}"] if node.where else []
    lines += [f"GROUP BY {_listed(node.group_by)}"] if node.group_by else []
    lines += [f"ORDER BY {_listed(node.order_by)}"] if node.order_by else []
    if node.offset and node.limit:
        lines.append(f"OFFSET {printed(node.offset)} LIMIT {printed(node.limit)}")
    return "\n".join(lines)


_PRINTERS: dict[type, Callable[[Any], str]] = {
    Select: _select,
    syntax.Aggregate: _aggregate,
    syntax.ArrayLiteral: _array,
    syntax.Between: _between,
    syntax.Binary: _binary,
    syntax.Call: _call,
    syntax.Column: _column,
    syntax.Columns: _columns,
    syntax.Conditional: _conditional,
    syntax.Container: _name,
    syntax.In: _in,
    syntax.Index: _index,
    syntax.Like: _like,
    syntax.Literal: _literal,
    syntax.Logical: _logical,
    syntax.Member: _member,
    syntax.Name: _name,
    syntax.ObjectLiteral: _object,
    syntax.OrderItem: _order_item,
    syntax.Parameter: _name,
    syntax.Source: _source,
    syntax.Star: lambda node: "*",
    syntax.Subquery: _subquery,
    syntax.Unary: _unary,
    syntax.UndefinedLiteral: lambda node: "undefined",
    syntax.Value: _value,
}
