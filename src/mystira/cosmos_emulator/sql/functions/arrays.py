"""Functions of arrays and objects."""

from collections.abc import Hashable
from typing import Any

from mystira.cosmos_emulator.sql.functions.signature import ANY, FLAG, LIST, NUMBER, OBJECT, TEXT, Function, whole
from mystira.cosmos_emulator.sql.values import OBJECT as JSON_OBJECT
from mystira.cosmos_emulator.sql.values import UNDEFINED, equal, identity

# Nested subqueries could otherwise double an array until memory ends.
ITEMS_MAX = 1_000_000


def _concat(*arrays: list[Any]) -> Any:
    if sum(map(len, arrays)) > ITEMS_MAX:
        return UNDEFINED
    return [item for array in arrays for item in array]


def _contains(array: list[Any], wanted: Any, partially: bool = False) -> bool:
    holds = _holds if partially else equal
    return any(holds(item, wanted) for item in array)


def _holds(item: Any, wanted: Any) -> bool:
    """Whether an object has at least the properties wanted, each of them partially again."""
    if type(item) is JSON_OBJECT and type(wanted) is JSON_OBJECT:
        return all(name in item and _holds(item[name], wanted[name]) for name in wanted)
    return equal(item, wanted)


def _contains_any(array: list[Any], *wanted: Any) -> bool:
    return any(_contains(array, each) for each in wanted)


def _contains_all(array: list[Any], *wanted: Any) -> bool:
    return all(_contains(array, each) for each in wanted)


def _slice(array: list[Any], start: float, length: float | None = None) -> list[Any]:
    begin = whole(start)
    if begin < 0:
        begin = max(len(array) + begin, 0)
    return array[begin:] if length is None else array[begin : begin + max(whole(length), 0)]


def _intersection(left: list[Any], right: list[Any]) -> list[Any]:
    also = {identity(item) for item in right}
    return [item for item in _union(left, []) if identity(item) in also]


def _union(left: list[Any], right: list[Any]) -> list[Any]:
    found: dict[Hashable, Any] = {}
    for item in (*left, *right):
        found.setdefault(identity(item), item)
    return list(found.values())


def _pairs(found: dict[str, Any], name: str = "k", value: str = "v") -> list[Any]:
    return [{name: key, value: item} for key, item in found.items()]


ARRAYS = (
    Function("ARRAY_CONCAT", (LIST, LIST), _concat, rest=LIST),
    Function("ARRAY_CONTAINS", (LIST, ANY), _contains, (FLAG,)),
    Function("ARRAY_CONTAINS_ALL", (LIST, ANY), _contains_all, rest=ANY),
    Function("ARRAY_CONTAINS_ANY", (LIST, ANY), _contains_any, rest=ANY),
    Function("ARRAY_LENGTH", (LIST,), len),
    Function("ARRAY_SLICE", (LIST, NUMBER), _slice, (NUMBER,)),
    Function("ObjectToArray", (OBJECT,), _pairs, (TEXT, TEXT)),
    Function("SetIntersect", (LIST, LIST), _intersection),
    Function("SetUnion", (LIST, LIST), _union),
)
