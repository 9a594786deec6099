"""Examines everything in turn; what cannot be looked at because of what was found before is left out."""

import asyncio
import sys
from contextlib import AsyncExitStack
from typing import Annotated

import structlog
from cyclopts import Parameter
from rich.table import Table
from rich.text import Text

from mystira import run
from mystira.doctor.findings import Diagnosis, Finding, Health, diagnosis, fine, worth_knowing, wrong
from mystira.doctor.machine import examine_machine
from mystira.doctor.moves import examine_moves
from mystira.doctor.stores import examine_documents, examine_leases, examine_postgres
from mystira.polyglot.problem import Problem
from mystira.polyglot.stores.postgres.embedded import attach
from mystira.settings import Settings, SettingsWrong, read_settings
from mystira.terminal import console, print_json, say_apart

FAILED = 1
COLOURS = {Health.OK: "green", Health.WARNING: "yellow", Health.WRONG: "red"}


def doctor(
    *, json: Annotated[bool, Parameter(negative="", help="Print one JSON document instead of text.")] = False
) -> None:
    """Look at machine, settings, stores and moves, and say what to do. Exit code 1 when something is wrong."""
    found = asyncio.run(examined())
    if json:
        print_json(found)
    else:
        console().print(_drawn(found))
    if found.health is Health.WRONG:
        raise SystemExit(FAILED)


async def examined() -> Diagnosis:
    """Look at everything; nothing is changed, but an embedded PostgreSQL that does not run is started meanwhile."""
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    try:
        settings = read_settings()
    except SettingsWrong as problem:
        return diagnosis([wrong("settings", problem.message, "Mend them; mystira settings tells what each means.")])
    findings = [*examine_machine(settings.data), fine("settings", f"data in {settings.data}, {settings.address}")]
    if settings.relational == "embedded" and not settings.data.exists():
        advice = "Start the platform once, or set MYSTIRA_DATA to the folder that it runs on."
        return diagnosis([*findings, worth_knowing("data", f"nothing is in {settings.data} yet", advice)])
    try:
        async with asyncio.timeout(60):
            await _examine_stores(settings, findings)
    except Problem as problem:
        findings.append(wrong("stores", str(problem), "Mend that, then ask again: everything else rests on it."))
    except TimeoutError:
        findings.append(wrong("stores", "no answer within a minute", "Look at their logs, or start them again."))
    return diagnosis(findings)


async def _examine_stores(settings: Settings, findings: list[Finding]) -> None:
    """Add what is found one by one: what comes after it may not be there to be looked at."""
    async with AsyncExitStack() as stack:
        dsn = settings.relational
        if dsn == "embedded":
            attached = await attach(settings.data, say_apart)
            stack.push_async_callback(attached.release)
            dsn = attached.dsn
        postgres = await examine_postgres(dsn, run.MIGRATIONS)
        findings += postgres.findings
        if not postgres.is_migrated:
            # To open the stores would migrate them.
            return
        opened = await stack.enter_async_context(run.platform(settings, say_apart))
        findings += await examine_documents(opened)
        findings.append(await examine_leases(opened.relational, postgres.processes))
        findings += await examine_moves(opened.replication)


def _drawn(found: Diagnosis) -> Table:
    drawn = Table(box=None, pad_edge=False, show_header=False)
    for one in found.findings:
        advice = f"\n{one.advice}" if one.advice else ""
        drawn.add_row(Text(one.health.value, COLOURS[one.health]), one.name, Text.assemble(one.found, (advice, "bold")))
    return drawn
