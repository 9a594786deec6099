"""A hundred thousand letters and differences: a page asks no more and reads no more than over a few."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

import asyncpg
import pytest

from mystira.polyglot.reports import Report, RunKind
from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio

FEW, MANY = 1_000, 100_000
READ_MAX = 1_000
LETTERS = """
INSERT INTO polyglot.dead_letters
SELECT 'Accounts', 'p' || n, 'i' || n, 'conflict', n, '', '{"id": "x"}', '{}', 'refused', 1,
  CASE WHEN n % 2 = 0 THEN now() + interval '9 days' END, now() - n * interval '1 s'
FROM generate_series($1::integer, $2) AS n
"""
DIFFERENCES = """
INSERT INTO polyglot.verification_difference
SELECT 'run', 'owner', lpad(n::text, 6, '0'), 'stale', n, n - 1, '[]' FROM generate_series($1::integer, $2) AS n
"""
LETTER_PAGES = ("/admin/queue", "/admin/queue?collection=Accounts&parked=true", "/admin/api/letters?kind=conflict")
REPORT_PAGES = (
    "/admin/reconciliation/runs/run",
    "/admin/reconciliation/runs/run?kind=stale",
    "/admin/reconciliation/runs/run?after_partition=owner&after_id=000500",
)
# Who counts has to look at all of them, but brings one number home.
COUNTING = "count("


class Asked(NamedTuple):
    """What was asked of PostgreSQL, and how many rows came back."""

    statement: str
    values: tuple[Any, ...]
    rows: int


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Asked]]:
    asked: list[Asked] = []
    with monkeypatch.context() as patched:
        for name in ("fetch", "fetchrow", "fetchval"):
            patched.setattr(asyncpg.Connection, name, _counting(getattr(asyncpg.Connection, name), asked))
        yield asked


def _counting(method: Any, asked: list[Asked]) -> Any:
    async def counted(self: Any, query: str, *values: Any, **options: Any) -> Any:
        found = await method(self, query, *values, **options)
        asked.append(Asked(query, values, len(found) if isinstance(found, list) else 1))
        return found

    return counted


@asynccontextmanager
async def sql(desk: Desk) -> AsyncIterator[Any]:
    async with desk.platform.relational.connection(writes=True) as connection:
        yield connection


async def read_by(desk: Desk, statement: str, values: tuple[Any, ...]) -> int:
    """How many rows of tables or indexes PostgreSQL looks at for a statement, those it throws away included."""
    async with sql(desk) as connection:
        told = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
    return sum(_scanned(json.loads(told)[0]["Plan"]))


def _scanned(plan: dict[str, Any]) -> Iterator[int]:
    if "Scan" in plan["Node Type"]:
        thrown_away = sum(plan.get(f"Rows Removed by {what}", 0) for what in ("Filter", "Index Recheck"))
        yield int((plan["Actual Rows"] + thrown_away) * plan["Actual Loops"])
    for part in plan.get("Plans", ()):
        yield from _scanned(part)


async def measured(desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str, table: str) -> tuple[int, int]:
    """How many statements a page asks and how many rows come back; what it reads of the table has a bound."""
    with watched(monkeypatch) as asked:
        answer = await desk.client.get(path)
    assert answer.status_code == 200, answer.text
    # What else this process does meanwhile is not the page's.
    about = [one for one in asked if table in one.statement]
    assert about, "the page is not about what is measured"
    for one in about:
        if COUNTING not in one.statement:
            assert await read_by(desk, one.statement, one.values) <= READ_MAX, (path, one.statement)
    return len(about), sum(one.rows for one in about)


async def test_pages_of_letters_cost_the_same_over_a_hundred_thousand(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.sign_in()
    await grown(desk, LETTERS, 1, FEW)
    few = [await measured(desk, monkeypatch, path, "dead_letters") for path in LETTER_PAGES]
    await grown(desk, LETTERS, FEW + 1, MANY)
    assert [await measured(desk, monkeypatch, path, "dead_letters") for path in LETTER_PAGES] == few
    assert f"{MANY:,} letters" in (await desk.client.get("/admin/queue")).text


async def test_pages_of_a_report_cost_the_same_over_a_hundred_thousand_differences(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.sign_in()
    now = datetime.now(UTC)
    report = Report(
        id="run", collection="Accounts", kind=RunKind.SCRUB, leader="documents", actor="a", why="b", started_at=now
    )
    reports = desk.platform.relational.reports
    await reports.put(report)
    await grown(desk, DIFFERENCES, 1, FEW)
    few = [await measured(desk, monkeypatch, path, "verification_difference") for path in REPORT_PAGES]
    await grown(desk, DIFFERENCES, FEW + 1, MANY)
    assert [await measured(desk, monkeypatch, path, "verification_difference") for path in REPORT_PAGES] == few


async def test_a_hundred_thousand_letters_are_cleaned_up_by_one_command(desk: Desk) -> None:
    await desk.sign_in("ada")
    await grown(desk, LETTERS, 1, MANY)
    done = await desk.outcome("park")
    assert (done["state"], done["facts"]["parked"]) == ("done", MANY // 2)
    done = await desk.outcome("discard")
    assert (done["state"], done["facts"]["discarded"], done["done"], done["total"]) == ("done", MANY, MANY, MANY)


async def grown(desk: Desk, statement: str, first: int, last: int) -> None:
    async with sql(desk) as connection:
        await connection.execute(statement, first, last)
        await connection.execute("ANALYZE polyglot.dead_letters, polyglot.verification_difference")
