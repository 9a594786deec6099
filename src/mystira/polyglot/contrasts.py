"""In which way two JSON values differ, so that a person sees at once what went wrong. Pure."""

import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final, cast

import msgspec


class _Absent:
    """Stands where one side has nothing."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT: Final = _Absent()

ZONE_STEP, ZONE_MAX = timedelta(minutes=15), timedelta(hours=14)

_encode = msgspec.json.Encoder(order="deterministic").encode


class Way(StrEnum):
    """How two values differ; VALUE where no better word is known."""

    VALUE = "another value"
    ONE_SIDE = "on one side only"
    NULL_OR_ABSENT = "null against absent"
    NULL_OR_EMPTY = "null against empty"
    NULL_OR_VALUE = "null against a value"
    EMPTY = "empty against a value"
    TYPE = "another type"
    SIGN_OF_ZERO = "zero with another sign"
    SIGN = "another sign"
    ROUNDED = "rounded beyond 53 bits"
    SCALE = "the same decimal, written otherwise"
    ZONE = "another time zone"
    PRECISION = "parts of a second"
    NORMAL_FORM = "the same letters, composed otherwise"
    CASE = "upper and lower case"
    SPACES = "spaces"
    CUT_OFF = "cut off"
    ORDER = "another order"
    REPEATED = "repeated elements"


def is_same(left: Any, right: Any) -> bool:
    """Tell whether two values without parts mean the same: a boolean is no number, and 1 equals 1.0."""
    if isinstance(left, bool) or isinstance(right, bool) or not (_is_number(left) and _is_number(right)):
        return type(left) is type(right) and left == right
    return left == right


def places(left: Any, right: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, left, right) for each place where two values differ; ABSENT where one side has nothing."""
    if isinstance(left, dict) and isinstance(right, dict):
        mappings = cast(tuple[dict[str, Any], dict[str, Any]], (left, right))
        for name in sorted(mappings[0].keys() | mappings[1].keys()):
            one, other = (mapping.get(name, ABSENT) for mapping in mappings)
            yield from places(one, other, f"{path}.{name}" if path else name)
    elif isinstance(left, list) and isinstance(right, list):
        yield from _places_of_lists(cast(list[Any], left), cast(list[Any], right), path)
    elif not is_same(left, right):
        yield path, left, right


def _places_of_lists(left: list[Any], right: list[Any], path: str) -> Iterator[tuple[str, Any, Any]]:
    if _way_of_lists(left, right) is not None:
        yield path, left, right
        return
    for at in range(max(len(left), len(right))):
        one, other = (values[at] if at < len(values) else ABSENT for values in (left, right))
        yield from places(one, other, f"{path}[{at}]")


def way_of(left: Any, right: Any) -> Way:
    """Return in which way two values differ that are not the same."""
    if left is ABSENT or right is ABSENT:
        return Way.NULL_OR_ABSENT if None in (left, right) else Way.ONE_SIDE
    if left is None or right is None:
        return Way.NULL_OR_EMPTY if _is_empty(left) or _is_empty(right) else Way.NULL_OR_VALUE
    if isinstance(left, bool) or isinstance(right, bool):
        return Way.VALUE if type(left) is type(right) else Way.TYPE
    if _is_number(left) and _is_number(right):
        return _way_of_numbers(left, right)
    if isinstance(left, str) and isinstance(right, str):
        return _way_of_texts(left, right)
    if isinstance(left, list) and isinstance(right, list):
        return _way_of_lists(cast(list[Any], left), cast(list[Any], right)) or Way.VALUE
    return Way.TYPE


def _way_of_numbers(left: float, right: float) -> Way:
    if left == right:
        return Way.SIGN_OF_ZERO
    if left == -right:
        return Way.SIGN
    # Both integers are far apart from each other, or the same once they are floating-point numbers.
    return Way.ROUNDED if _as_float(left) == _as_float(right) else Way.VALUE


def _as_float(number: float) -> float:
    return float(number)


def _way_of_lists(left: list[Any], right: list[Any]) -> Way | None:
    """Return the way of two lists that differ as a whole; None where their elements are to be compared."""
    texts = [_encode(value) for value in left], [_encode(value) for value in right]
    if texts[0] == texts[1]:
        return None
    if sorted(texts[0]) == sorted(texts[1]):
        return Way.ORDER
    return Way.REPEATED if set(texts[0]) == set(texts[1]) else None


def _way_of_texts(left: str, right: str) -> Way:
    if not left or not right:
        return Way.EMPTY
    way = _way_of_times(left, right) or _way_of_decimals(left, right)
    if way is not None:
        return way
    if unicodedata.normalize("NFC", left) == unicodedata.normalize("NFC", right):
        return Way.NORMAL_FORM
    if left.casefold() == right.casefold():
        return Way.CASE
    if "".join(left.split()) == "".join(right.split()):
        return Way.SPACES
    return Way.CUT_OFF if left.startswith(right) or right.startswith(left) else Way.VALUE


def _way_of_times(left: str, right: str) -> Way | None:
    times = _time(left), _time(right)
    if times[0] is None or times[1] is None:
        return None
    apart = abs(times[0] - times[1])
    if apart < timedelta(seconds=1) and apart:
        return Way.PRECISION
    return Way.ZONE if apart <= ZONE_MAX and not apart % ZONE_STEP else Way.VALUE


def _time(text: str) -> datetime | None:
    if len(text) < len("2026-11-21T09:30") or "T" not in text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _way_of_decimals(left: str, right: str) -> Way | None:
    try:
        return Way.SCALE if Decimal(left) == Decimal(right) else None
    except InvalidOperation:
        return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_empty(value: Any) -> bool:
    return value in ("", [], {})
