"""The Admin API of reconciliation: runs, what they found, files of it, and the plan that mends it."""

from collections.abc import Sequence
from typing import Annotated, Any, cast

from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Stream
from msgspec import Meta

from mystira.operations.problems import CollectionUnknown
from mystira.operations.reconciliation import views
from mystira.operations.reconciliation.problems import PlanMissing
from mystira.operations.reconciliation.views import Compared, DifferencesPage, PlanPage
from mystira.polyglot.differences import DifferenceClass
from mystira.polyglot.replication import Replication
from mystira.polyglot.reportfiles import csv_of, json_of
from mystira.polyglot.reports import Report, ReportMissing
from mystira.polyglot.store import Key
from mystira.web.access import ADMIN, allow
from mystira.web.bodies import Body, BodyInvalid, convert
from mystira.web.openapi import describe

API = f"{ADMIN}/api/reconciliation"
OF_CLASS = {"kind": "Only differences of this class."}
PLACE = {"after_partition": "Go on behind this key, together with after_id.", "after_id": "See after_partition."}


class Chosen(Body, frozen=True, kw_only=True):
    """Which differences, and from where on."""

    kind: DifferenceClass | None = None
    after_partition: str | None = None
    after_id: str | None = None

    @property
    def after(self) -> Key | None:
        """The key that the page before ended with."""
        if self.after_partition is None or self.after_id is None:
            return None
        return Key(self.after_partition, self.after_id)


class From(Body, frozen=True, kw_only=True):
    """From which repair on."""

    start: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


@get(API, opt=allow("viewer") | describe(list[Compared]))
async def list_collections(request: Request[Any, Any, Any]) -> Sequence[Compared]:
    """List how every collection's two sides stand."""
    return await views.overview(replication(request))


@get(f"{API}/{{collection:str}}", opt=allow("viewer") | describe(list[Report], refusals=(CollectionUnknown,)))
async def list_runs(request: Request[Any, Any, Any], collection: FromPath[str]) -> Sequence[Report]:
    """List a collection's newest runs, the newest first."""
    r = replication(request)
    return await views.runs(r, views.collection_named(r, collection).name)


@get(f"{ADMIN}/api/reports/{{run_id:str}}", opt=allow("viewer") | describe(Report, refusals=(ReportMissing,)))
async def show_run(request: Request[Any, Any, Any], run_id: FromPath[str]) -> Report:
    """Show one run and how many differences of each class it has found."""
    return await views.run(replication(request), run_id)


@get(
    f"{ADMIN}/api/reports/{{run_id:str}}/differences",
    opt=allow("viewer")
    | describe(DifferencesPage, asked=Chosen, query=OF_CLASS | PLACE, refusals=(ReportMissing, BodyInvalid)),
)
async def list_differences(request: Request[Any, Any, Any], run_id: FromPath[str]) -> DifferencesPage:
    """List what a run has found, page by page in the order of the keys. What is personal is masked in every report."""
    chosen = asked(request, Chosen)
    return await views.differences(replication(request), run_id, chosen.kind, chosen.after)


@get(f"{ADMIN}/api/reports/{{run_id:str}}/plan", opt=allow("viewer") | describe(
    PlanPage, asked=From, query={"start": "From this repair on."}, refusals=(ReportMissing, PlanMissing, BodyInvalid)
))  # fmt: skip
async def show_plan(request: Request[Any, Any, Any], run_id: FromPath[str]) -> PlanPage:
    """Show the plan that was made last for a run's repair (POST /admin/api/commands, `repair` with `dry_run`)."""
    return await views.plan_page(replication(request), run_id, asked(request, From).start)


@get(f"{ADMIN}/api/reports/{{run_id:str}}/file.csv", opt=allow("viewer"), include_in_schema=False)
async def csv_file(request: Request[Any, Any, Any], run_id: FromPath[str]) -> Stream:
    """Send a report for spreadsheets: one line for each field that differs, no cell a formula."""
    r = replication(request)
    report = await views.run(r, run_id)
    content = csv_of(r.relational.reports, report, asked(request, Chosen).kind)
    return Stream(content, media_type="text/csv; charset=utf-8", headers=_named(report, "csv"))


@get(f"{ADMIN}/api/reports/{{run_id:str}}/file.json", opt=allow("viewer"), include_in_schema=False)
async def json_file(request: Request[Any, Any, Any], run_id: FromPath[str]) -> Stream:
    """Send a whole report as JSON."""
    r = replication(request)
    report = await views.run(r, run_id)
    content = json_of(r.relational.reports, report, asked(request, Chosen).kind)
    return Stream(content, media_type="application/json", headers=_named(report, "json"))


def replication(request: Request[Any, Any, Any]) -> Replication:
    """Return both stores, and the means to look at them."""
    return cast(Replication, request.app.state.replication)


def asked(request: Request[Any, Any, Any], wanted: type[Any]) -> Any:
    """Return what the address asks for; BodyInvalid names what does not fit."""
    return convert({name: value for name, value in request.query_params.items() if value}, wanted, strict=False)


def _named(report: Report, ending: str) -> dict[str, str]:
    # The id is made of names and digits of ours, so it needs no quoting.
    return {"Content-Disposition": f'attachment; filename="{report.id}.{ending}"', "Cache-Control": "no-store"}


HANDLERS = (list_collections, list_runs, show_run, list_differences, show_plan, csv_file, json_file)
