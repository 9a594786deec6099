"""A hundred thousand dead letters and differences: pages and clean-ups beside bare SQL on the same rows."""

import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from httpx import ASGITransport, AsyncClient

from bench.replication import server
from mystira.operations.admins.commands import add
from mystira.polyglot.deadletters import discard, park
from mystira.polyglot.journal import LetterFilter
from mystira.polyglot.reports import Report, RunKind
from mystira.run import platform
from mystira.services import admin
from mystira.services.doors import make_application
from mystira.services.platform import Platform
from mystira.settings import read_settings

MANY = 100_000
PAGE_ROUNDS, SWEEP_ROUNDS = 7, 3
PAGE_S_MAX = 1.0
NAME, PASSWORD = "bench", "moss-bridge-lantern"
SOMEBODY = {"actor": "bench", "why": "measured"}
LETTERS = """
INSERT INTO polyglot.dead_letters
SELECT 'Accounts', 'p' || n, 'i' || n, 'conflict', n, '', '{"id": "x"}', '{}', 'refused', 1,
  CASE WHEN n % 2 = 0 THEN now() + interval '9 days' END, now() - n * interval '1 s'
FROM generate_series(1, $1::integer) AS n
"""
DIFFERENCES = """
INSERT INTO polyglot.verification_difference
SELECT 'run', 'owner', lpad(n::text, 6, '0'), CASE WHEN n % 1000 = 7 THEN 'missing' ELSE 'stale' END, n, n - 1, '[]'
FROM generate_series(1, $1::integer) AS n
"""
NEWEST = "SELECT * FROM polyglot.dead_letters WHERE {} ORDER BY created_at DESC LIMIT 51"
COUNT = "SELECT collection, count(*) FROM polyglot.dead_letters WHERE {} GROUP BY 1"
DIFFERING = "SELECT * FROM polyglot.verification_difference WHERE run_id = 'run' AND {} ORDER BY partition, id LIMIT 51"
PARKED = "collection = 'Accounts' AND next_try_at IS NULL"
PAGES = {
    "dead letters, the first page": ("/admin/queue", [NEWEST.format("true"), COUNT.format("true")]),
    "dead letters, a page of those parked": (
        "/admin/queue?collection=Accounts&parked=true",
        [NEWEST.format(PARKED), COUNT.format(PARKED)],
    ),
    "a report's differences, the first page": ("/admin/reconciliation/runs/run", [DIFFERING.format("true")]),
    "a report's differences, a page of a rare class": (
        "/admin/reconciliation/runs/run?kind=missing",
        [DIFFERING.format("kind = 'missing'")],
    ),
    "a report's differences, a page from the middle": (
        "/admin/reconciliation/runs/run?after_partition=owner&after_id=050000",
        [DIFFERING.format("(partition, id) > ('owner', '050000')")],
    ),
}
"""Each page as a browser gets it, and the statements that fetch what it shows."""

Run = Callable[[], Awaitable[object]]


class Beside(NamedTuple):
    """One line: how long something took us, and how long bare SQL; `goal_s` only where there is one."""

    name: str
    ours_ms: float
    bare_ms: float
    goal_s: float | None


class _Desk(NamedTuple):
    opened: Platform
    client: AsyncClient
    bare: Any


async def measure() -> list[Beside]:
    """Measure the pages, then the clean-ups; takes about a minute."""
    with tempfile.TemporaryDirectory(prefix="mystira-bench-") as name:
        async with server(Path(name)) as dsn, _desk(Path(name), dsn) as desk:
            return await _pages(desk) + await _sweeps(desk)


@asynccontextmanager
async def _desk(folder: Path, dsn: str) -> AsyncGenerator[_Desk]:
    settings = read_settings({"MYSTIRA_DATA": str(folder / "home"), "MYSTIRA_RELATIONAL": dsn})
    bare = await asyncpg.connect(dsn)
    async with platform(settings, print) as opened:
        await add(opened.works, NAME, "admin", PASSWORD)
        transport = ASGITransport(make_application(opened, [admin.doors(opened)]))  # type: ignore[arg-type]
        async with AsyncClient(transport=transport, base_url="http://bench.example") as client:
            await client.post("/admin/sign-in", data={"name": NAME, "password": PASSWORD})
            yield _Desk(opened, client, bare)
    await bare.close()


async def _pages(desk: _Desk) -> list[Beside]:
    report = Report(
        id="run",
        collection="Accounts",
        kind=RunKind.SCRUB,
        leader="documents",
        started_at=datetime.now(UTC),
        **SOMEBODY,
    )
    await desk.opened.relational.reports.put(report)
    await desk.bare.execute(DIFFERENCES, MANY)
    await _filled(desk)
    return [await _page(desk, name, path, statements) for name, (path, statements) in PAGES.items()]


async def _page(desk: _Desk, name: str, path: str, statements: Sequence[str]) -> Beside:
    async def ours() -> None:
        answer = await desk.client.get(path)
        assert answer.status_code == 200, answer.text

    async def bare() -> None:
        for statement in statements:
            assert await desk.bare.fetch(statement)

    return await _alternating(name, ours, bare, rounds=PAGE_ROUNDS, goal_s=PAGE_S_MAX)


async def _sweeps(desk: _Desk) -> list[Beside]:
    """Clean up all letters, which are put there anew for each turn."""
    r, chosen = desk.opened.replication, LetterFilter(collection="Accounts")

    async def parks() -> None:
        assert await park(r, chosen, **SOMEBODY) == MANY // 2

    async def discards() -> None:
        assert await discard(r, chosen, **SOMEBODY) == MANY

    def sql(statement: str) -> Run:
        return lambda: desk.bare.execute(statement)

    parked = sql("UPDATE polyglot.dead_letters SET next_try_at = NULL WHERE next_try_at IS NOT NULL")
    gone = sql("DELETE FROM polyglot.dead_letters WHERE collection = 'Accounts'")

    async def before() -> None:
        await _filled(desk)

    return [
        await _alternating(f"{MANY // 2:,} letters parked", parks, parked, rounds=SWEEP_ROUNDS, before=before),
        await _alternating(f"{MANY:,} letters discarded", discards, gone, rounds=SWEEP_ROUNDS, before=before),
    ]


async def _filled(desk: _Desk) -> None:
    await desk.bare.execute("TRUNCATE polyglot.dead_letters")
    await desk.bare.execute(LETTERS, MANY)
    await desk.bare.execute("ANALYZE polyglot.dead_letters, polyglot.verification_difference")


async def _nothing() -> None:
    """Prepare nothing: reading changes nothing."""


async def _alternating(
    name: str, ours: Run, bare: Run, *, rounds: int, goal_s: float | None = None, before: Run = _nothing
) -> Beside:
    """Do both in turns, so that a busy moment hits both; medians count."""
    taken: dict[Run, list[float]] = {ours: [], bare: []}
    for _ in range(rounds):
        for run, found in taken.items():
            await before()
            began = time.perf_counter()
            await run()
            found.append((time.perf_counter() - began) * 1_000)
    return Beside(name, statistics.median(taken[ours]), statistics.median(taken[bare]), goal_s)


def letters_table(kept: dict[str, Any]) -> str:
    """Return how long pages and clean-ups took, as people read it."""
    lines = [
        f"A report of {MANY:,} differences and as many dead letters, on {kept['date']} ({kept['machine']};",
        f"the load before was {kept['load_before']:g}): pages as the administration answers them, signed in and as",
        "HTML, beside the bare statements that fetch the same rows and counts; clean-ups in batches of 5,000 beside",
        "one statement that locks them all. Medians, in turns.",
        "",
        "| What | Ours, ms | Bare SQL, ms | Ratio | Goal |",
        "|---|---:|---:|---:|---:|",
    ]
    for one in kept["lines"]:
        met = "met" if one["goal_s"] is None or one["ours_ms"] < one["goal_s"] * 1_000 else "missed"
        goal = "" if one["goal_s"] is None else f"{one['goal_s']:g} s ({met})"
        times = f"{one['ours_ms']:,.1f} | {one['bare_ms']:,.1f} | {one['ours_ms'] / one['bare_ms']:.1f}"
        lines.append(f"| {one['name']} | {times} | {goal} |")
    return "\n".join(lines) + "\n"
