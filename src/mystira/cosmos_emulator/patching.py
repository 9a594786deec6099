"""Partial updates: add, set, replace, remove, incr and move, applied in order or not at all."""

import re
from collections.abc import Collection
from copy import deepcopy
from typing import Any, cast

from mystira.cosmos_emulator.documents import SYSTEM
from mystira.cosmos_emulator.wire import Refusal

OPERATIONS_MAX = 10
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")

Node = dict[str, Any] | list[Any]
_MISSING: Any = object()


def patched(document: dict[str, Any], asked: dict[str, Any], fixed: Collection[tuple[str, ...]]) -> dict[str, Any]:
    """Return the document after all operations; `fixed` paths, such as the partition key, may not be touched."""
    operations: Any = asked.get("operations")
    if not isinstance(operations, list) or not operations:
        raise Refusal(400, 'A patch needs operations, such as [{"op": "set", "path": "/name", "value": 1}].')
    if len(cast("list[Any]", operations)) > OPERATIONS_MAX:
        raise Refusal(400, f"A patch may have {OPERATIONS_MAX} operations.")
    after = deepcopy(document)
    for operation in cast("list[Any]", operations):
        if not isinstance(operation, dict):
            raise Refusal(400, "Each patch operation must be a JSON object.")
        _apply(after, cast("dict[str, Any]", operation), fixed)
    return after


def _apply(document: dict[str, Any], operation: dict[str, Any], fixed: Collection[tuple[str, ...]]) -> None:
    kind = str(operation.get("op", "")).lower()
    if kind == "increment":
        kind = "incr"
    path = _path(operation.get("path"), fixed)
    if kind == "move":
        source = _path(operation.get("from"), fixed)
        if path[: len(source)] == source and path != source:
            raise Refusal(400, f"{_shown(source)} cannot be moved into itself.")
        value = _remove(document, source)
        _put(document, path, value, insert=True)
    elif kind == "remove":
        _remove(document, path)
    elif kind in ("add", "set", "replace", "incr"):
        value = operation.get("value", _MISSING)
        if value is _MISSING:
            raise Refusal(400, f"The patch operation {kind} needs a value.")
        if kind == "incr":
            _increment(document, path, value)
            return
        if kind == "replace":
            _existing(document, path)
        _put(document, path, deepcopy(value), insert=kind == "add")
    else:
        raise Refusal(400, f"{kind!r} is no patch operation: use add, set, replace, remove, incr or move.")


def _path(given: Any, fixed: Collection[tuple[str, ...]]) -> tuple[str, ...]:
    if not isinstance(given, str) or not given.startswith("/") or given == "/":
        raise Refusal(400, f"{given!r} is not a path of a patch; write it like /name.")
    path = tuple(step.replace("~1", "/").replace("~0", "~") for step in given[1:].split("/"))
    if path[0] in SYSTEM or any(path == one[: len(path)] or one == path[: len(one)] for one in fixed):
        raise Refusal(400, f"{given} cannot be patched: the id, the partition key and system properties stay.")
    return path


def _parent(document: dict[str, Any], path: tuple[str, ...]) -> Node:
    node: Any = document
    for number, step in enumerate(path[:-1]):
        node = _child(node, step)
        if not isinstance(node, dict | list):
            raise Refusal(400, f"There is no object or array at {_shown(path[: number + 1])}.")
    return cast(Node, node)


def _child(node: Any, step: str) -> Any:
    if isinstance(node, dict):
        return cast("dict[str, Any]", node).get(step, _MISSING)
    if isinstance(node, list) and _INDEX.fullmatch(step):
        values = cast("list[Any]", node)
        return values[int(step)] if int(step) < len(values) else _MISSING
    return _MISSING


def _existing(document: dict[str, Any], path: tuple[str, ...]) -> Any:
    value = _child(_parent(document, path), path[-1])
    if value is _MISSING:
        raise Refusal(400, f"There is nothing at {_shown(path)}.")
    return value


def _put(document: dict[str, Any], path: tuple[str, ...], value: Any, *, insert: bool) -> None:
    """Set a property; in an array `insert` makes room for the value, otherwise it takes the place of the old one."""
    parent, step = _parent(document, path), path[-1]
    if isinstance(parent, dict):
        parent[step] = value
        return
    index = len(parent) if step == "-" else int(step) if _INDEX.fullmatch(step) else -1
    if not 0 <= index <= len(parent):
        raise Refusal(400, f"{_shown(path)} lies outside the array.")
    if insert or index == len(parent):
        parent.insert(index, value)
    else:
        parent[index] = value


def _remove(document: dict[str, Any], path: tuple[str, ...]) -> Any:
    value = _existing(document, path)
    parent = _parent(document, path)
    if isinstance(parent, dict):
        del parent[path[-1]]
    else:
        del parent[int(path[-1])]
    return value


def _increment(document: dict[str, Any], path: tuple[str, ...], by: Any) -> None:
    before = _child(_parent(document, path), path[-1])
    if before is _MISSING:
        before = 0
    if not all(isinstance(number, int | float) and not isinstance(number, bool) for number in (before, by)):
        raise Refusal(400, f"incr needs numbers, at {_shown(path)} and as its value.")
    _put(document, path, before + by, insert=False)


def _shown(path: tuple[str, ...]) -> str:
    return "/" + "/".join(path)
