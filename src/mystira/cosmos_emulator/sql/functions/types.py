"""Functions that say what kind of value something is; of undefined they say false."""

from collections.abc import Callable
from typing import Any

from mystira.cosmos_emulator.sql.functions.signature import MAYBE, Function, Kinds
from mystira.cosmos_emulator.sql.values import UNDEFINED


def _is(*kinds: type) -> Callable[[Any], bool]:
    allowed: Kinds = kinds

    def test(value: Any) -> bool:
        return type(value) in allowed

    return test


def _is_integer(value: Any) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer() and abs(value) < 2**63)


def _is_defined(value: Any) -> bool:
    return value is not UNDEFINED


TYPES = tuple(
    Function(name, (MAYBE,), call)
    for name, call in (
        ("IS_ARRAY", _is(list)),
        ("IS_BOOL", _is(bool)),
        ("IS_DEFINED", _is_defined),
        ("IS_FINITE_NUMBER", _is(int, float)),
        ("IS_INTEGER", _is_integer),
        ("IS_NULL", _is(type(None))),
        ("IS_NUMBER", _is(int, float)),
        ("IS_OBJECT", _is(dict)),
        ("IS_PRIMITIVE", _is(str, int, float, bool, type(None))),
        ("IS_STRING", _is(str)),
    )
)
