"""A file's content with the place of every part."""

from decimal import Decimal
from typing import Any, Literal, cast

import msgspec

NodeKind = Literal["map", "list", "text", "int", "float", "bool", "null"]


class Node(msgspec.Struct, frozen=True):
    """One value and where it stands (both counted from 1). A float keeps its text, so that decimals stay exact.

    `value` is a list of nodes for a list, a list of (key node, value node) for a map, else the plain value.
    """

    kind: NodeKind
    value: Any
    line: int
    column: int


class Unreadable(msgspec.Struct, frozen=True):
    """Why a file could not be read at all."""

    code: str
    message: str
    line: int = 1
    column: int = 1


def node_of(value: Any) -> Node:
    """Return a plain value (texts, numbers, lists, maps with text keys) as if it had been read; it has no places."""
    if isinstance(value, dict):
        pairs = cast(dict[str, Any], value).items()
        return Node("map", [(Node("text", key, 0, 0), node_of(part)) for key, part in pairs], 0, 0)
    if isinstance(value, list | tuple):
        return Node("list", [node_of(part) for part in cast(list[Any], value)], 0, 0)
    if isinstance(value, float | Decimal):
        return Node("float", str(value), 0, 0)
    kinds: dict[type, NodeKind] = {str: "text", bool: "bool", int: "int", type(None): "null"}
    return Node(kinds[type(value)], value, 0, 0)
