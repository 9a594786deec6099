"""Which single values every store can keep and compare alike."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, cast

import msgspec

INT_MIN, INT_MAX = -(1 << 63), (1 << 63) - 1

# The very first and last moments mean "infinity" to PostgreSQL's driver, and leave no room for time zones.
TIME_MIN, TIME_MAX = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)


def is_text(value: Any) -> bool:
    """Tell whether this is text that every store keeps: no NUL, no lone surrogate."""
    if not isinstance(value, str) or "\x00" in value:
        return False
    # Asked of every text of every record: most are plain, and then nothing needs to be encoded to find out.
    return value.isascii() or not has_surrogate(value)


def are_texts(values: Iterable[str]) -> bool:
    """Tell whether all of these are text that every store keeps; joined, a whole record costs one look."""
    try:
        return is_text("".join(values))
    except TypeError:
        return False


def has_surrogate(text: str) -> bool:
    """Tell whether the text holds half of a surrogate pair, which UTF-8 cannot carry."""
    if text.isascii():
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def is_int(value: Any) -> bool:
    """Tell whether this is a whole number of 64 bits (a boolean is not)."""
    return isinstance(value, int) and not isinstance(value, bool) and INT_MIN <= value <= INT_MAX


def is_float(value: Any) -> bool:
    """Tell whether this is a finite number."""
    return is_int(value) or (isinstance(value, float) and math.isfinite(value))


def is_bool(value: Any) -> bool:
    """Tell whether this is true or false."""
    return isinstance(value, bool)


def is_time(value: Any) -> bool:
    """Tell whether this is a point in time with its zone, within the years that every store knows."""
    return isinstance(value, datetime) and value.tzinfo is not None and TIME_MIN <= value <= TIME_MAX


def is_storable(value: Any) -> bool:
    """Tell whether every store keeps this value and everything inside it."""
    # Every write walks its whole record: there is no call for each value, and all texts are looked at once, joined.
    texts: list[str] = []
    left: list[Any] = [value]
    while left:
        part = left.pop()
        kind = cast(type[Any], type(part))
        if kind is str:
            texts.append(part)
        elif kind in _CHECKS:
            if not _CHECKS[kind](part):
                return False
        elif kind is tuple or kind is list:
            left += part
        elif kind is dict:
            left += part
            left += part.values()
        elif issubclass(kind, msgspec.Struct):
            left += msgspec.structs.astuple(part)
        elif issubclass(kind, tuple):
            left += part
    return is_text("".join(texts))


_CHECKS: dict[type[Any], Callable[[Any], bool]] = {
    type(None): lambda value: True,
    bool: lambda value: True,
    int: lambda value: INT_MIN <= value <= INT_MAX,
    float: math.isfinite,
    datetime: is_time,
}


def is_storable_list(value: Any) -> bool:
    """Tell what `is_storable` does, quicker where it is a list of texts."""
    return are_texts(value) or is_storable(value)


def refuse_unstorable(where: str, value: Any) -> None:
    """Raise ValueError, naming the place, if text inside holds NUL or half a surrogate pair, or a number no end."""
    # Nearly everything is fine, and then no path to the culprit needs to be made.
    if is_storable(value):
        return
    if isinstance(value, str):
        if not is_text(value):
            raise ValueError(f"{where}: text with NUL or a lone surrogate cannot be stored")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where}: {value} cannot be stored")
    elif isinstance(value, dict):
        for name, part in value.items():  # pyright: ignore[reportUnknownVariableType]
            refuse_unstorable(where, name)
            refuse_unstorable(f"{where}.{name}", part)
    elif isinstance(value, list | tuple):
        for at, part in enumerate(value):  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
            refuse_unstorable(f"{where}[{at}]", part)
    elif isinstance(value, int) and not isinstance(value, bool) and not INT_MIN <= value <= INT_MAX:
        raise ValueError(f"{where}: {value} does not fit 64 bits")
    elif isinstance(value, datetime):
        if not is_time(value):
            raise ValueError(f"{where}: {value.isoformat()} cannot be stored: it needs a time zone and a usual year")
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            refuse_unstorable(f"{where}.{name}", getattr(value, name))
