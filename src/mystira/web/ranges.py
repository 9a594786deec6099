"""Parts of what is sent: which bytes a request asks for (RFC 9110), and whether it has the right ones already."""

import re
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import NamedTuple

_ONE = re.compile(r"bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*")


class Span(NamedTuple):
    """The bytes from `start` to before `end`."""

    start: int
    end: int


def span_of(header: str, size: int) -> Span | None:
    """Return the one part that a Range header asks for, None where all is to be sent; an empty one cannot be met.

    What cannot be read, and several parts at once, may be answered with the whole (RFC 9110, 14.2), and are.
    """
    found = _ONE.fullmatch(header.strip()) if header else None
    if found is None or found[1] == found[2] == "":
        return None
    if found[1] == "":
        last = int(found[2])
        return Span(max(0, size - last), size) if last and size else Span(0, 0)
    start = int(found[1])
    end = min(int(found[2]) + 1, size) if found[2] else size
    if found[2] and int(found[2]) < start:
        return None
    return Span(start, end) if start < size else Span(0, 0)


def may_continue(if_range: str, etag: str, changed_at: datetime) -> bool:
    """Tell whether a part may be sent: whoever has the beginning of something else gets the whole instead."""
    if not if_range:
        return True
    if if_range.startswith(('"', "W/")):
        return if_range == etag
    try:
        return parsedate_to_datetime(if_range) == changed_at.replace(microsecond=0)
    except (ValueError, TypeError):
        return False


def http_date(at: datetime) -> str:
    """Return a moment as headers write it."""
    return format_datetime(at, usegmt=True)
