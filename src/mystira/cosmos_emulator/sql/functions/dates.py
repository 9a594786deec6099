"""Functions of dates: texts such as 2026-03-01T12:00:00.0000000Z, milliseconds and ticks of 100 ns since 1970."""

import calendar
import re
from datetime import date
from typing import Any, Protocol

from mystira.cosmos_emulator.sql.functions.signature import NUMBER, TEXT, Function
from mystira.cosmos_emulator.sql.values import UNDEFINED, number

SECOND = 10_000_000
DAY = 86_400 * SECOND
EPOCH_DAY = date(1970, 1, 1).toordinal()
FIRST, LAST = (1 - EPOCH_DAY) * DAY, (date(9999, 12, 31).toordinal() + 1 - EPOCH_DAY) * DAY - 1

_ISO = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:?\d\d)?)?", re.ASCII)
_PARTS = {
    **dict.fromkeys(("year", "yyyy", "yy"), "year"),
    **dict.fromkeys(("month", "mm", "m"), "month"),
    **dict.fromkeys(("day", "dd", "d"), "day"),
    **dict.fromkeys(("hour", "hh"), "hour"),
    **dict.fromkeys(("minute", "mi", "n"), "minute"),
    **dict.fromkeys(("second", "ss", "s"), "second"),
    **dict.fromkeys(("millisecond", "ms"), "millisecond"),
    **dict.fromkeys(("microsecond", "mcs"), "microsecond"),
    **dict.fromkeys(("nanosecond", "ns"), "nanosecond"),
}
_MONTHS = {"year": 12, "month": 1}
# In nanoseconds, the only unit that is finer than a tick.
_NANOSECONDS = {
    "day": DAY * 100,
    "hour": 3600 * SECOND * 100,
    "minute": 60 * SECOND * 100,
    "second": SECOND * 100,
    "millisecond": 1_000_000,
    "microsecond": 1_000,
    "nanosecond": 1,
}
_WRAPS = {"hour": 24, "minute": 60, "second": 60, "millisecond": 1_000, "microsecond": 1_000_000, "nanosecond": 10**9}


class Moment(Protocol):
    """What the run of a query knows of the time."""

    ticks: int


def ticks_of(text: str) -> int | None:
    """Ticks since 1970 of an ISO 8601 text, or None where it is none."""
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    hour, minute, second = (int(match[place] or 0) for place in (4, 5, 6))
    try:
        day = date(int(match[1]), int(match[2]), int(match[3])).toordinal() - EPOCH_DAY
    except ValueError:
        return None
    if hour > 23 or minute > 59 or second > 59:
        return None
    fraction = int((match[7] or "").ljust(7, "0")[:7])
    found = day * DAY + (hour * 3600 + minute * 60 + second) * SECOND + fraction - _zone(match[8])
    return found if FIRST <= found <= LAST else None


def _zone(text: str | None) -> int:
    if not text or text == "Z":
        return 0
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    return (-minutes if text[0] == "-" else minutes) * 60 * SECOND


def text_of(ticks: float) -> Any:
    """The text with seven places after the second; undefined outside the years 1 to 9999."""
    if not FIRST <= ticks <= LAST:
        return UNDEFINED
    day, rest = divmod(int(ticks), DAY)
    seconds, fraction = divmod(rest, SECOND)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:07}"
    return f"{date.fromordinal(day + EPOCH_DAY).isoformat()}T{clock}Z"


def _months_of(ticks: int) -> tuple[int, int]:
    """Months since year 0, and the day of the month counted from 1."""
    day = date.fromordinal(ticks // DAY + EPOCH_DAY)
    return day.year * 12 + day.month - 1, day.day


def _add(part: str, count: float, text: str) -> Any:
    unit, ticks = _PARTS.get(part.lower()), ticks_of(text)
    if unit is None or ticks is None or count != int(count) or abs(count) > 10**18:
        return UNDEFINED
    if unit not in _MONTHS:
        return text_of(ticks + int(count) * _NANOSECONDS[unit] // 100)
    months, day = _months_of(ticks)
    year, month = divmod(months + int(count) * _MONTHS[unit], 12)
    if not 1 <= year <= 9999:
        return UNDEFINED
    last = calendar.monthrange(year, month + 1)[1]
    moved = date(year, month + 1, min(day, last)).toordinal() - EPOCH_DAY
    return text_of(moved * DAY + ticks % DAY)


def _diff(part: str, start: str, end: str) -> Any:
    """How many boundaries of the part lie between the two."""
    unit, since, until = _PARTS.get(part.lower()), ticks_of(start), ticks_of(end)
    if unit is None or since is None or until is None:
        return UNDEFINED
    if size := _MONTHS.get(unit):
        return _months_of(until)[0] // size - _months_of(since)[0] // size
    return until * 100 // _NANOSECONDS[unit] - since * 100 // _NANOSECONDS[unit]


def _part(part: str, text: str) -> Any:
    unit, ticks = _PARTS.get(part.lower()), ticks_of(text)
    if unit is None or ticks is None:
        return UNDEFINED
    if unit in _WRAPS:
        return ticks * 100 // _NANOSECONDS[unit] % _WRAPS[unit]
    day = date.fromordinal(ticks // DAY + EPOCH_DAY)
    return {"year": day.year, "month": day.month, "day": day.day}[unit]


def _from_parts(year: float, month: float, day: float, *rest: float) -> Any:
    year, month, day, *rest_whole = (number(value) for value in (year, month, day, *rest))
    hour, minute, second, fraction = (*rest_whole, 0, 0, 0, 0)[:4]
    text = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:07}Z"
    ticks = ticks_of(text)
    return UNDEFINED if ticks is None else text_of(ticks)


def _bin(text: str, part: str, size: float = 1, origin: str = "1970-01-01T00:00:00Z") -> Any:
    unit, ticks, start = _PARTS.get(part.lower()), ticks_of(text), ticks_of(origin)
    if unit is None or unit in _MONTHS or ticks is None or start is None or size < 1 or size != int(size):
        return UNDEFINED
    step = max(_NANOSECONDS[unit] * int(size) // 100, 1)
    return text_of(start + (ticks - start) // step * step)


def _to_ticks(text: str) -> Any:
    ticks = ticks_of(text)
    return UNDEFINED if ticks is None else ticks


def _to_timestamp(text: str) -> Any:
    ticks = ticks_of(text)
    return UNDEFINED if ticks is None else ticks // 10_000


def _from_timestamp(milliseconds: float) -> Any:
    return text_of(milliseconds * 10_000)


def _now_text(moment: Moment) -> Any:
    return text_of(moment.ticks)


def _now_ticks(moment: Moment) -> int:
    return moment.ticks


def _now_timestamp(moment: Moment) -> int:
    return moment.ticks // 10_000


DATES = (
    Function("DateTimeAdd", (TEXT, NUMBER, TEXT), _add),
    Function("DateTimeBin", (TEXT, TEXT), _bin, (NUMBER, TEXT)),
    Function("DateTimeDiff", (TEXT, TEXT, TEXT), _diff),
    Function("DateTimeFromParts", (NUMBER,) * 3, _from_parts, (NUMBER,) * 4),
    Function("DateTimePart", (TEXT, TEXT), _part),
    Function("DateTimeToTicks", (TEXT,), _to_ticks),
    Function("DateTimeToTimestamp", (TEXT,), _to_timestamp),
    Function("TicksToDateTime", (NUMBER,), text_of),
    Function("TimestampToDateTime", (NUMBER,), _from_timestamp),
    *(
        Function(name + ending, (), call, clocked=True)
        for name, call in (
            ("GetCurrentDateTime", _now_text),
            ("GetCurrentTicks", _now_ticks),
            ("GetCurrentTimestamp", _now_timestamp),
        )
        for ending in ("", "Static")
    ),
)
