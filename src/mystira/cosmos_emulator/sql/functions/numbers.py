"""Functions of numbers; a result that no number can hold is undefined."""

import math
from collections.abc import Callable
from typing import Any, Protocol

from mystira.cosmos_emulator.sql.functions.signature import NUMBER, Function
from mystira.cosmos_emulator.sql.values import UNDEFINED, number

LONG_MAX = 2**63 - 1


def remainder(left: float, right: float) -> float:
    """What is left of a division, with the sign of the number divided."""
    return math.fmod(left, right)


def _computed(compute: Callable[..., Any]) -> Callable[..., Any]:
    def computed(*arguments: float) -> Any:
        try:
            return number(compute(*arguments))
        except (ValueError, ZeroDivisionError, OverflowError):
            return UNDEFINED

    return computed


def _round(value: float) -> float:
    """Halves go away from zero."""
    rounded = math.floor(abs(value) + 0.5) if abs(value) < 2**52 else abs(value)
    return math.copysign(rounded, value)


def _power(left: float, right: float) -> float:
    return math.pow(left, right)


def _log(value: float, base: float = math.e) -> float:
    return math.log(value) if base == math.e else math.log(value, base)


def _bin(value: float, size: float = 1) -> float:
    return math.floor(value / size) * size


def _cot(value: float) -> float:
    return 1 / math.tan(value)


def _square(value: float) -> float:
    return value * value


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)


def _longs(compute: Callable[..., int]) -> Callable[..., Any]:
    """Arithmetic of 64-bit whole numbers; others are refused."""

    def computed(*arguments: float) -> Any:
        if any(value != int(value) for value in arguments):
            return UNDEFINED
        try:
            found = compute(*(int(value) for value in arguments))
        except (ValueError, ZeroDivisionError):
            return UNDEFINED
        return found if -LONG_MAX - 1 <= found <= LONG_MAX else UNDEFINED

    return computed


def _quotient(left: int, right: int) -> int:
    found = abs(left) // abs(right)
    return found if (left < 0) == (right < 0) else -found


def _modulo(left: int, right: int) -> int:
    return left - right * _quotient(left, right)


def _shift_left(value: int, places: int) -> int:
    shifted = (value << (places % 64)) & (2**64 - 1)
    return shifted - 2**64 if shifted > LONG_MAX else shifted


def _shift_right(value: int, places: int) -> int:
    return value >> (places % 64)


class Chance(Protocol):
    """What the run of a query knows of randomness."""

    random: Callable[[], float]


def _random(chance: Chance) -> float:
    return chance.random()


_REALS: tuple[tuple[str, int, Callable[..., Any]], ...] = (
    ("ABS", 1, abs),
    ("ACOS", 1, math.acos),
    ("ASIN", 1, math.asin),
    ("ATAN", 1, math.atan),
    ("ATN2", 2, math.atan2),
    ("CEILING", 1, math.ceil),
    ("COS", 1, math.cos),
    ("COT", 1, _cot),
    ("DEGREES", 1, math.degrees),
    ("EXP", 1, math.exp),
    ("FLOOR", 1, math.floor),
    ("LOG10", 1, math.log10),
    ("PI", 0, lambda: math.pi),
    ("POWER", 2, _power),
    ("RADIANS", 1, math.radians),
    ("ROUND", 1, _round),
    ("SIGN", 1, _sign),
    ("SIN", 1, math.sin),
    ("SQRT", 1, math.sqrt),
    ("SQUARE", 1, _square),
    ("TAN", 1, math.tan),
    ("TRUNC", 1, math.trunc),
)
_WHOLES: tuple[tuple[str, int, Callable[..., int]], ...] = (
    ("IntAdd", 2, int.__add__),
    ("IntBitAnd", 2, int.__and__),
    ("IntBitLeftShift", 2, _shift_left),
    ("IntBitNot", 1, int.__invert__),
    ("IntBitOr", 2, int.__or__),
    ("IntBitRightShift", 2, _shift_right),
    ("IntBitXor", 2, int.__xor__),
    ("IntDiv", 2, _quotient),
    ("IntMod", 2, _modulo),
    ("IntMul", 2, int.__mul__),
    ("IntSub", 2, int.__sub__),
)
NUMBERS = (
    *(Function(name, (NUMBER,) * count, _computed(compute)) for name, count, compute in _REALS),
    *(Function(name, (NUMBER,) * count, _longs(compute)) for name, count, compute in _WHOLES),
    Function("LOG", (NUMBER,), _computed(_log), (NUMBER,)),
    Function("NumberBin", (NUMBER,), _computed(_bin), (NUMBER,)),
    Function("RAND", (), _random, clocked=True),
)
