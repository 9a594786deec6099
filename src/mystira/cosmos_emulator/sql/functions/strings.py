"""Functions of texts."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from mystira.cosmos_emulator.sql.functions.signature import FLAG, LIST, NUMBER, TEXT, Function, whole
from mystira.cosmos_emulator.sql.values import UNDEFINED

# A few nested calls could otherwise ask for more text than there is memory.
LENGTH_MAX = 4 * 1024 * 1024
REPLICATED_MAX = 10_000
FLAGS = {"m": re.MULTILINE, "s": re.DOTALL, "i": re.IGNORECASE, "x": re.VERBOSE}


def joined(*texts: str) -> Any:
    """The texts one after another; undefined where that would be too long to answer."""
    return "".join(texts) if sum(map(len, texts)) <= LENGTH_MAX else UNDEFINED


def _folding(test: Callable[[str, str], bool]) -> Callable[..., bool]:
    def tested(text: str, part: str, ignoring_case: bool = False) -> bool:
        return test(text.casefold(), part.casefold()) if ignoring_case else test(text, part)

    return tested


def _index_of(text: str, part: str, start: float = 0) -> int:
    return text.find(part, max(whole(start), 0))


def _left(text: str, count: float) -> str:
    return text[: max(whole(count), 0)]


def _right(text: str, count: float) -> str:
    return text[-whole(count) :] if whole(count) > 0 else ""


def _substring(text: str, start: float, length: float) -> str:
    begin = max(whole(start), 0)
    return text[begin : begin + max(whole(length), 0)]


def _replace(text: str, part: str, other: str) -> Any:
    if not part:
        return text
    longer = text.count(part) * (len(other) - len(part))
    return text.replace(part, other) if len(text) + longer <= LENGTH_MAX else UNDEFINED


def _replicate(text: str, times: float) -> Any:
    if times < 0 or len(text) * times > REPLICATED_MAX:
        return UNDEFINED
    return text * whole(times) if text else ""


def _reverse(text: str) -> str:
    return text[::-1]


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _join(texts: list[Any], separator: str) -> Any:
    if any(type(text) is not str for text in texts):
        return UNDEFINED
    length = sum(map(len, texts)) + len(separator) * len(texts)
    return separator.join(texts) if length <= LENGTH_MAX else UNDEFINED


def _matches(text: str, pattern: str, modifiers: str = "") -> Any:
    compiled = _pattern(pattern, modifiers)
    return compiled.search(text) is not None if compiled else UNDEFINED


@lru_cache(maxsize=256)
def _pattern(pattern: str, modifiers: str) -> re.Pattern[str] | None:
    flags = 0
    for modifier in modifiers:
        if modifier not in FLAGS:
            return None
        flags |= FLAGS[modifier]
    try:
        return re.compile(pattern, flags)
    except (re.error, OverflowError, RecursionError):
        return None


STRINGS = (
    Function("CONCAT", (TEXT, TEXT), joined, rest=TEXT),
    Function("CONTAINS", (TEXT, TEXT), _folding(str.__contains__), (FLAG,)),
    Function("ENDSWITH", (TEXT, TEXT), _folding(str.endswith), (FLAG,)),
    Function("INDEX_OF", (TEXT, TEXT), _index_of, (NUMBER,)),
    Function("LEFT", (TEXT, NUMBER), _left),
    Function("LENGTH", (TEXT,), len),
    Function("LOWER", (TEXT,), str.lower),
    Function("LTRIM", (TEXT,), str.lstrip, (TEXT,)),
    Function("RegexMatch", (TEXT, TEXT), _matches, (TEXT,)),
    Function("REPLACE", (TEXT, TEXT, TEXT), _replace),
    Function("REPLICATE", (TEXT, NUMBER), _replicate),
    Function("REVERSE", (TEXT,), _reverse),
    Function("RIGHT", (TEXT, NUMBER), _right),
    Function("RTRIM", (TEXT,), str.rstrip, (TEXT,)),
    Function("STARTSWITH", (TEXT, TEXT), _folding(str.startswith), (FLAG,)),
    Function("STRINGEQUALS", (TEXT, TEXT), _folding(str.__eq__), (FLAG,)),
    Function("STRING_EQUALS", (TEXT, TEXT), _folding(str.__eq__), (FLAG,)),
    Function("STRINGJOIN", (LIST, TEXT), _join),
    Function("STRINGSPLIT", (TEXT, TEXT), _split),
    Function("SUBSTRING", (TEXT, NUMBER, NUMBER), _substring),
    Function("TRIM", (TEXT,), str.strip, (TEXT,)),
    Function("UPPER", (TEXT,), str.upper),
)
