"""The pages of reconciliation: how both sides stand, the runs of a collection, a report, the plan for its repair."""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, get
from litestar.params import FromPath
from markupsafe import Markup

from mystira.operations.actions.verbs import VERBS
from mystira.operations.reconciliation import views
from mystira.operations.reconciliation.http import Chosen, From, asked, replication
from mystira.polyglot.differences import DifferenceClass
from mystira.polyglot.reports import Report
from mystira.web.access import ADMIN, allow
from mystira.web.charts import Point, line_chart
from mystira.web.pages import page

HERE = f"{ADMIN}/reconciliation"


@get(HERE, opt=allow("viewer", page=True), include_in_schema=False)
async def overview_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show how every collection's two sides stand."""
    return page(request, "operations/reconciliation.html", rows=await views.overview(replication(request)))


@get(f"{HERE}/collections/{{collection:str}}", opt=allow("viewer", page=True), include_in_schema=False)
async def runs_page(request: Request[Any, Any, Any], collection: FromPath[str]) -> Response[bytes]:
    """Show what each run over a collection has found, and start another one."""
    r = replication(request)
    name = views.collection_named(r, collection).name
    found = await views.runs(r, name)
    return page(
        request,
        "operations/runs.html",
        standing=await views.compared(r, name),
        runs=found,
        classes=tuple(DifferenceClass),
        trend=_trend(found),
        verbs=VERBS,
    )


@get(f"{HERE}/runs/{{run_id:str}}", opt=allow("viewer", page=True), include_in_schema=False)
async def report_page(request: Request[Any, Any, Any], run_id: FromPath[str]) -> Response[bytes]:
    """Show what a run has found, a page at a time."""
    r = replication(request)
    chosen: Chosen = asked(request, Chosen)
    found = await views.differences(r, run_id, chosen.kind, chosen.after)
    return page(
        request,
        "operations/report.html",
        found=found,
        report=found.report,
        chosen=chosen,
        plan=await r.relational.reports.plan(run_id),
    )


@get(f"{HERE}/runs/{{run_id:str}}/plan", opt=allow("viewer", page=True), include_in_schema=False)
async def plan_page(request: Request[Any, Any, Any], run_id: FromPath[str]) -> Response[bytes]:
    """Show what a repair would do, key by key, and let an operator confirm just that."""
    found = await views.plan_page(replication(request), run_id, asked(request, From).start)
    return page(request, "operations/plan.html", found=found, plan=found.plan, verb=VERBS["repair"])


def _trend(runs: Sequence[Report]) -> Markup | None:
    """Return the line of how many keys differed, run after run; one run alone makes no line."""
    points = [Point(run.finished_at, run.differences) for run in reversed(runs) if run.finished_at is not None]
    if len(points) < 2:
        return None
    return line_chart("Keys that differ", points, since=min(points).at, until=max(points).at)


HANDLERS = (overview_page, runs_page, report_page, plan_page)
