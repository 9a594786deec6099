"""The values of a query: JSON and undefined, how they are compared, ordered and told apart."""

import math
from collections.abc import Hashable
from typing import Any, Final, cast

NUMBERS = (int, float)
EXACT_MAX = 2**53
# Compared with instead of list and dict, which would make the type checker forget that the items may be anything.
ARRAY: type[Any] = list
OBJECT: type[Any] = dict


class Undefined:
    """What a missing property is worth; it is not null."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED: Final = Undefined()
_RANKS: dict[type[Any], int] = {Undefined: 0, type(None): 1, bool: 2, int: 3, float: 3, str: 4, list: 5, dict: 6}


def number(value: float) -> Any:
    """A computed number as JSON writes it: whole numbers without a point; what no double can hold is undefined."""
    if type(value) is int and -EXACT_MAX <= value <= EXACT_MAX:
        return value
    try:
        as_float = float(value)
    except OverflowError:
        return UNDEFINED
    if not math.isfinite(as_float):
        return UNDEFINED
    return int(as_float) if as_float.is_integer() and abs(as_float) <= EXACT_MAX else as_float


def equal(left: Any, right: Any) -> bool:
    """Whether two defined values are the same; true is not 1, and 1 is 1.0."""
    kind = left.__class__
    other = right.__class__
    if kind is not other:
        return kind in NUMBERS and other in NUMBERS and left == right
    if kind is list:
        return len(left) == len(right) and all(map(equal, left, right))
    if kind is dict:
        return len(left) == len(right) and all(name in right and equal(left[name], right[name]) for name in left)
    return bool(left == right)


def comparable(left: Any, right: Any) -> bool:
    """Whether < and > mean something between the two: both numbers, or both of one other simple type."""
    kind = left.__class__
    other = right.__class__
    return (kind is other and kind in (str, bool)) or (kind in NUMBERS and other in NUMBERS)


def order_key(value: Any) -> tuple[Any, ...]:
    """The place of a value in ORDER BY: undefined, null, false, true, numbers, strings, arrays, objects."""
    kind = value.__class__
    if kind is list:
        return (5, tuple(order_key(item) for item in value))
    if kind is dict:
        named = cast(dict[str, Any], value)
        return (6, tuple((name, order_key(named[name])) for name in sorted(named)))
    if kind is Undefined or value is None:
        return (_RANKS[kind],)
    return (_RANKS[kind], value)


def identity(value: Any) -> Hashable:
    """The same for equal values and different for others, so that sets can hold them."""
    kind = value.__class__
    if kind is bool:
        return (bool, value)
    if kind is list:
        return (list, tuple(identity(item) for item in value))
    if kind is dict:
        return (dict, frozenset((name, identity(item)) for name, item in value.items()))
    return value
