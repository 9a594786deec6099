"""Which single values every store can keep and compare alike."""

import math
from datetime import datetime
from typing import Any

INT_MIN, INT_MAX = -(1 << 63), (1 << 63) - 1


def is_text(value: Any) -> bool:
    """Tell whether this is text that every store keeps: no NUL, no lone surrogate."""
    return isinstance(value, str) and "\x00" not in value and not has_surrogate(value)


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
    """Tell whether this is a point in time with its zone."""
    return isinstance(value, datetime) and value.tzinfo is not None
