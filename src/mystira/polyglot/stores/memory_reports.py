"""Reports of verification in this process's memory."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from mystira.polyglot.differences import Difference, DifferenceClass
from mystira.polyglot.repair_plan import Plan
from mystira.polyglot.reports import PAGE, Report, RunKind
from mystira.polyglot.store import Key


class MemoryReports:
    """What `polyglot.reports.Reports` promises."""

    def __init__(self) -> None:
        self._reports: dict[str, Report] = {}
        self._found: dict[str, dict[Key, Difference]] = {}
        self._plans: dict[str, Plan] = {}

    async def put(self, report: Report) -> None:
        """Keep a report, or replace the one with its id."""
        self._reports[report.id] = report

    async def get(self, run_id: str) -> Report | None:
        """Return a report."""
        return self._reports.get(run_id)

    async def recent(self, collection: str, limit: int = 20) -> Sequence[Report]:
        """Return the reports of a collection, the newest first."""
        mine = [report for report in self._reports.values() if report.collection == collection]
        return sorted(mine, key=lambda report: (report.started_at, report.id), reverse=True)[:limit]

    async def forget(self, collection: str, before: datetime, kept: int) -> int:
        """Remove the reports that were begun before, but the newest ones and the newest scrub that was finished."""
        mine = await self.recent(collection, len(self._reports))
        scrubs = [report for report in mine if report.kind is RunKind.SCRUB and report.finished_at is not None]
        staying = {report.id for report in (*mine[:kept], *scrubs[:1])}
        gone = [report.id for report in mine if report.started_at < before and report.id not in staying]
        for run_id in gone:
            del self._reports[run_id]
            self._found.pop(run_id, None)
        return len(gone)

    async def add(self, run_id: str, found: Sequence[Difference]) -> None:
        """Keep differences of a run; one of the same key is replaced."""
        self._found.setdefault(run_id, {}).update({one.key: one for one in found})

    async def tally(self, run_id: str) -> Mapping[DifferenceClass, int]:
        """Count the differences of a run by class."""
        return Counter(one.kind for one in self._found.get(run_id, {}).values())

    async def page(
        self, run_id: str, after: Key | None = None, limit: int = PAGE, kind: DifferenceClass | None = None
    ) -> Sequence[Difference]:
        """Return the next differences of a run in the order of their keys."""
        found = self._found.get(run_id, {})
        keys = sorted(key for key, one in found.items() if kind in (None, one.kind) and (after is None or key > after))
        return [found[key] for key in keys[:limit]]

    async def keep_plan(self, plan: Plan) -> None:
        """Keep the plan for a report's repair, in place of the one before; without the report nothing is kept."""
        if plan.report in self._reports:
            self._plans[plan.report] = plan

    async def plan(self, run_id: str) -> Plan | None:
        """Return the plan that was kept last for a report."""
        return self._plans.get(run_id)
