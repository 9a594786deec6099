"""A hundred thousand differences and as many dead letters: every page has its part, and the times are printed."""

import math
import time
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

import msgspec
import pytest

from mystira.polyglot.deadletters import SWEPT_AT_ONCE, discard, park
from mystira.polyglot.differences import DifferenceClass
from mystira.polyglot.journal import LetterFilter, LetterGroup, LetterKind, place_of
from mystira.polyglot.reportfiles import csv_of
from mystira.polyglot.reports import PAGE, Report, RunKind
from mystira.polyglot.store import Key
from tests.contracts.sample import BRIEFS, NOW, SAMPLES
from tests.polyglot.moving import DUAL, SOMEBODY
from tests.polyglot.planting import Garden

pytestmark = pytest.mark.anyio
T = TypeVar("T")

MANY = 100_000
DIFFERENCES = """
INSERT INTO polyglot.verification_difference
SELECT 'run', 'owner', lpad(n::text, 6, '0'), CASE WHEN n % 1000 = 7 THEN 'missing' ELSE 'stale' END, n, n - 1,
  '[{"path":"title","leader":"\\"The fox\\"","follower":"\\"The owl\\"","way":"another value"}]'
FROM generate_series(1, $1) AS n
"""
LETTERS = """
INSERT INTO polyglot.dead_letters
SELECT CASE WHEN n % 100 = 0 THEN 'Briefs' ELSE 'Samples' END, 'owner', lpad(n::text, 6, '0'), 'conflict', 1, 'op',
  json_build_object('id', n, 'title', repeat('fox ', 50)), '{}', 'it was refused', 1,
  $2::timestamptz + interval '9 days',
  $2::timestamptz + n % 5000 * interval '1 s'
FROM generate_series(1, $1) AS n
"""


async def timed(what: str, asked: Awaitable[T]) -> T:
    began = time.perf_counter()
    answer = await asked
    print(f"{what}: {(time.perf_counter() - began) * 1_000:.1f} ms")
    return answer


async def test_every_page_of_a_long_report_can_be_read(garden: Garden) -> None:
    reports = garden.relational.reports
    report = Report(
        id="run", collection="Samples", kind=RunKind.SCRUB, leader="documents", actor="", why="", started_at=NOW
    )
    await reports.put(report)
    await garden.sql(DIFFERENCES, MANY)
    first = await timed("the first page of differences", reports.page("run"))
    assert (len(first), first[0].key.id) == (PAGE, "000001")
    middle = await timed("a page from the middle", reports.page("run", Key("owner", "050000")))
    assert (len(middle), middle[0].key.id) == (PAGE, "050001")
    rare = await timed("a page of a rare class", reports.page("run", None, PAGE, DifferenceClass.MISSING))
    assert len(rare) == MANY // 1000
    tally = await timed("the tally", reports.tally("run"))
    assert tally == {DifferenceClass.STALE: MANY - MANY // 1000, DifferenceClass.MISSING: MANY // 1000}
    began, largest, size = time.perf_counter(), 0, 0
    async for part in csv_of(reports, report):
        largest, size = max(largest, len(part)), size + len(part)
    print(f"the whole file of {size / 1e6:.1f} MB: {time.perf_counter() - began:.1f} s, {largest / 1e3:.0f} kB at once")
    assert largest < 100_000


async def test_a_hundred_thousand_letters_have_pages_and_can_be_cleaned_up(garden: Garden) -> None:
    await garden.begin(DUAL)
    await garden.sql(LETTERS, MANY, NOW - timedelta(days=1))
    journal = garden.relational.journal
    first = await timed("the first page of letters", journal.letters(LetterFilter()))
    after = place_of(msgspec.structs.replace(first[-1], created_at=NOW - timedelta(days=1) + timedelta(seconds=2_500)))
    assert len(await timed("a page from the middle", journal.letters(LetterFilter(after=after)))) == 200
    newest = await timed("the newest", journal.letters(LetterFilter(newest_first=True, collection=BRIEFS.name)))
    assert len(newest) == 200
    nothing = LetterFilter(kind=LetterKind.RELAY)
    assert not await timed("a filter that chooses none", journal.letters(nothing))
    assert not await timed("what is due", journal.letters(LetterFilter(due_at=NOW)))
    counts = await timed("the count", journal.letters_count(LetterFilter()))
    assert counts == {BRIEFS.name: MANY // 100, SAMPLES.name: MANY - MANY // 100}
    chosen = LetterFilter(collection=SAMPLES.name)
    told: list[int] = []
    some = msgspec.structs.replace(chosen, limit=5_000)
    assert await timed("parking 5,000", park(garden.r, some, **SOMEBODY)) == 5_000
    rest = counts[SAMPLES.name] - 5_000
    assert await timed("parking the rest", park(garden.r, chosen, **SOMEBODY)) == rest
    tally = await timed("the tally", journal.letters_tally())
    assert tally[LetterGroup(SAMPLES.name, LetterKind.CONFLICT, parked=True)] == counts[SAMPLES.name]
    discarding = discard(garden.r, chosen, **SOMEBODY, told=told.append)
    assert await timed("discarding all", discarding) == counts[SAMPLES.name]
    assert told == sorted(told) and len(told) == math.ceil(counts[SAMPLES.name] / SWEPT_AT_ONCE)
    assert await journal.letters_count(LetterFilter()) == {BRIEFS.name: MANY // 100}
