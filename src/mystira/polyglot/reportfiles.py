"""Reports as files: CSV for spreadsheets, JSON for programs, made piece by piece however long the report is."""

import csv
import io
from collections.abc import AsyncGenerator, Iterator

import msgspec

from mystira.polyglot.differences import Difference, DifferenceClass
from mystira.polyglot.reports import Report, Reports, every_difference

COLUMNS = ("partition", "id", "class", "leader_stamp", "follower_stamp", "path", "way", "leader", "follower")
TOGETHER = 200

# A spreadsheet takes what begins so for a formula, and runs it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_encode = msgspec.json.Encoder().encode


async def csv_of(reports: Reports, report: Report, kind: DifferenceClass | None = None) -> AsyncGenerator[bytes]:
    """Yield a report's differences as CSV, one line for each field that differs. No cell can be taken for a formula."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(COLUMNS)
    count = 0
    async for found in every_difference(reports, report.id, kind):
        writer.writerows(_lines(found))
        count += 1
        if count % TOGETHER == 0:
            yield _taken(text)
    yield _taken(text)


async def json_of(reports: Reports, report: Report, kind: DifferenceClass | None = None) -> AsyncGenerator[bytes]:
    """Yield a report as one JSON object, with all its differences."""
    yield b'{"report":' + _encode(report) + b',"differences":['
    batch: list[bytes] = []
    count = 0
    async for found in every_difference(reports, report.id, kind):
        batch.append((b",\n" if count else b"\n") + _encode(found))
        count += 1
        if len(batch) == TOGETHER:
            yield b"".join(batch)
            batch = []
    yield b"".join(batch) + b"\n]}\n"


def _lines(found: Difference) -> Iterator[tuple[str, ...]]:
    whole = (*found.key, found.kind, found.leader_stamp, found.follower_stamp)
    if not found.fields:
        yield tuple(map(_cell, (*whole, None, None, None, None)))
    for field in found.fields:
        yield tuple(map(_cell, (*whole, field.path, field.way, field.leader, field.follower)))


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _taken(text: io.StringIO) -> bytes:
    taken = text.getvalue().encode(errors="backslashreplace")
    text.seek(0)
    text.truncate()
    return taken
