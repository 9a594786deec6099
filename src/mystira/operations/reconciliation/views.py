"""What verification has found: the newest runs of every collection, one run page by page, the plan for its repair."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from mystira.operations.problems import CollectionUnknown
from mystira.operations.reconciliation.problems import PlanMissing
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import first_control
from mystira.polyglot.differences import Difference, DifferenceClass
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.repair_plan import Plan, Repair, RepairAction
from mystira.polyglot.replication import Replication
from mystira.polyglot.reports import Report, ReportMissing, RunKind
from mystira.polyglot.store import Key

RUNS_MAX = 50
PAGE = 50


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """How one collection's two sides stand: the newest run of each kind. `both_hold` false: nothing to compare."""

    collection: str
    phase: Phase
    leader: Leader
    both_hold: bool
    digest: Report | None = None
    scrub: Report | None = None


class DifferencesPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a report's differences in the order of their keys; `after` is where the next one begins, if any."""

    report: Report
    differences: Sequence[Difference]
    after: Key | None


class PlanPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a plan, what the whole of it would do, and where the next page begins, if there is one."""

    plan: Plan
    actions: Mapping[RepairAction, int]
    repairs: Sequence[Repair]
    start: int
    next_start: int | None


def collection_named(r: Replication, name: str) -> Collection[Any]:
    """Return a collection; CollectionUnknown names all there are."""
    names = [one.name for one in r.catalog]
    if name not in names:
        raise CollectionUnknown(collection=name[:80], collections=", ".join(names))
    return r.catalog.named(name)


async def overview(r: Replication) -> tuple[Compared, ...]:
    """Return how every collection stands, those that both stores hold first."""
    found = [await compared(r, collection.name) for collection in r.catalog]
    return tuple(sorted(found, key=lambda one: (not one.both_hold, one.collection)))


async def compared(r: Replication, name: str) -> Compared:
    """Return how one collection stands."""
    control = await r.journal.control(name) or first_control(collection_named(r, name))
    newest: dict[RunKind, Report] = {}
    for report in await runs(r, name):
        newest.setdefault(report.kind, report)
    return Compared(
        collection=name,
        phase=control.phase,
        leader=control.leader,
        both_hold=control.copying and control.phase is not Phase.POSTGRES_ONLY,
        digest=newest.get(RunKind.DIGEST),
        scrub=newest.get(RunKind.SCRUB),
    )


async def runs(r: Replication, name: str) -> Sequence[Report]:
    """Return the newest runs over a collection, the newest first."""
    return await r.relational.reports.recent(name, RUNS_MAX)


async def run(r: Replication, run_id: str) -> Report:
    """Return one run, counted so far where it goes on; ReportMissing where there is none."""
    report = await r.relational.reports.get(run_id)
    if report is None:
        raise ReportMissing(run_id=run_id[:120])
    if report.finished_at is None:
        report = msgspec.structs.replace(report, counts=await r.relational.reports.tally(run_id))
    return report


async def differences(
    r: Replication, run_id: str, kind: DifferenceClass | None = None, after: Key | None = None
) -> DifferencesPage:
    """Return a page of what a run has found."""
    report = await run(r, run_id)
    found = await r.relational.reports.page(run_id, after, PAGE + 1, kind)
    return DifferencesPage(
        report=report, differences=found[:PAGE], after=found[PAGE - 1].key if len(found) > PAGE else None
    )


async def plan_page(r: Replication, run_id: str, start: int = 0) -> PlanPage:
    """Return a page of the plan that was made last for a report; PlanMissing where none was."""
    await run(r, run_id)
    plan = await r.relational.reports.plan(run_id)
    if plan is None:
        raise PlanMissing
    stop = start + PAGE
    return PlanPage(
        plan=plan,
        actions=Counter(repair.action for repair in plan.repairs),
        repairs=plan.repairs[start:stop],
        start=start,
        next_start=stop if stop < len(plan.repairs) else None,
    )
