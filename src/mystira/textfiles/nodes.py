"""A file's content with the place of every part."""

from typing import Any, Literal

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
