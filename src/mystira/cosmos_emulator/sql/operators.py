"""What the operators do with values: undefined where an operand is of the wrong kind."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from mystira.cosmos_emulator.sql.functions.numbers import remainder
from mystira.cosmos_emulator.sql.functions.strings import joined
from mystira.cosmos_emulator.sql.values import NUMBERS, UNDEFINED, comparable, equal, number

Operation = Callable[[Any, Any], Any]


def _arithmetic(compute: Callable[[Any, Any], Any]) -> Operation:
    def computed(left: Any, right: Any) -> Any:
        if type(left) not in NUMBERS or type(right) not in NUMBERS:
            return UNDEFINED
        try:
            return number(compute(left, right))
        except (ZeroDivisionError, OverflowError, ValueError):
            return UNDEFINED

    return computed


def _ordered(compare: Callable[[Any, Any], bool], of_nulls: bool) -> Operation:
    def compared(left: Any, right: Any) -> Any:
        if comparable(left, right):
            return compare(left, right)
        return of_nulls if left is None and right is None else UNDEFINED

    return compared


def _equal(left: Any, right: Any) -> Any:
    return UNDEFINED if left is UNDEFINED or right is UNDEFINED else equal(left, right)


def _unequal(left: Any, right: Any) -> Any:
    return UNDEFINED if left is UNDEFINED or right is UNDEFINED else not equal(left, right)


def _concatenated(left: Any, right: Any) -> Any:
    return joined(left, right) if type(left) is str and type(right) is str else UNDEFINED


def _signed(value: int) -> int:
    """The lowest 32 bits as a number with a sign."""
    low = value & 0xFFFFFFFF
    return low - 2**32 if low & 0x80000000 else low


def _bits(compute: Callable[[int, int], int]) -> Operation:
    """Bitwise operators see numbers as JavaScript does: 32 bits and a sign."""

    def computed(left: Any, right: Any) -> Any:
        if type(left) not in NUMBERS or type(right) not in NUMBERS or left != int(left) or right != int(right):
            return UNDEFINED
        return compute(_signed(int(left)), _signed(int(right)))

    return computed


BINARY: dict[str, Operation] = {
    "+": _arithmetic(lambda left, right: left + right),
    "-": _arithmetic(lambda left, right: left - right),
    "*": _arithmetic(lambda left, right: left * right),
    "/": _arithmetic(lambda left, right: left / right),
    "%": _arithmetic(remainder),
    "=": _equal,
    "!=": _unequal,
    "<": _ordered(lambda left, right: left < right, False),
    "<=": _ordered(lambda left, right: left <= right, True),
    ">": _ordered(lambda left, right: left > right, False),
    ">=": _ordered(lambda left, right: left >= right, True),
    "||": _concatenated,
    "&": _bits(lambda left, right: left & right),
    "|": _bits(lambda left, right: left | right),
    "^": _bits(lambda left, right: left ^ right),
    "<<": _bits(lambda left, right: _signed(left << (right & 31))),
    ">>": _bits(lambda left, right: left >> (right & 31)),
    ">>>": _bits(lambda left, right: (left & 0xFFFFFFFF) >> (right & 31)),
}


def negated(value: Any) -> Any:
    """NOT: only of true and false."""
    return not value if type(value) is bool else UNDEFINED


def _minus(value: Any) -> Any:
    return number(-value) if type(value) in NUMBERS else UNDEFINED


def _plus(value: Any) -> Any:
    return value if type(value) in NUMBERS else UNDEFINED


def _inverted(value: Any) -> Any:
    return ~_signed(int(value)) if type(value) in NUMBERS and value == int(value) else UNDEFINED


UNARY: dict[str, Callable[[Any], Any]] = {"NOT": negated, "-": _minus, "+": _plus, "~": _inverted}


@lru_cache(maxsize=256)
def like_pattern(pattern: str, escape: str) -> re.Pattern[str] | None:
    """The regular expression of a LIKE pattern: % any text, _ any character, [a-f] and [^a-f] one of a range."""
    parts: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if escape and character == escape:
            at += 1
            parts.append(re.escape(pattern[at : at + 1]))
        elif character == "%":
            parts.append(".*")
        elif character == "_":
            parts.append(".")
        elif character == "[" and (end := pattern.find("]", at + 2)) > 0:
            parts.append(_character_class(pattern[at + 1 : end]))
            at = end
        else:
            parts.append(re.escape(character))
        at += 1
    try:
        return re.compile("".join(parts), re.DOTALL)
    except re.error:
        return None


def _character_class(inside: str) -> str:
    negation = "^" if inside.startswith("^") else ""
    escaped = re.sub(r"([\\\[\]^&|~])", r"\\\1", inside.removeprefix("^"))
    return f"[{negation}{escaped}]"
