"""What verification found: kept, read page by page, and compared with what an earlier run found."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import msgspec

from mystira.polyglot.differences import Difference, DifferenceClass
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.repair_plan import Plan
from mystira.polyglot.store import Key

PAGE = 200
EXAMPLES_MAX = 200
DAYS_KEPT, REPORTS_KEPT = 90, 20


class ReportMissing(Problem):
    """There is no report {run_id}. The list of a collection's reports tells which there are."""

    kind = Kind.NOT_FOUND


class RunKind(StrEnum):
    """Where a run got its candidates from: from unequal digests, or by rereading everything."""

    DIGEST = "digest"
    SCRUB = "scrub"


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a scrub has come: feed ranges that are left, each with its continuation; then the rows, by key.

    `ranges` None: it has not begun. `row` is the last row that was looked at.
    """

    ranges: Mapping[str, str] | None = None
    row: Key | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One run over one collection. `seen` counts what was read, `healed` the mismatches that did not last.

    `counts` tells how many differences of each class there are; it is complete once the run has finished.
    """

    id: str
    collection: str
    kind: RunKind
    leader: str
    actor: str
    why: str
    started_at: datetime
    finished_at: datetime | None = None
    seen: int = 0
    healed: int = 0
    digests_corrected: int = 0
    counts: Mapping[DifferenceClass, int] = {}
    progress: Progress = Progress()

    @property
    def differences(self) -> int:
        """How many keys differ for certain; what lags is not among them."""
        return sum(count for kind, count in self.counts.items() if kind is not DifferenceClass.LAGGING)


class Reports(Protocol):
    """Keeps reports and their differences. Each call is one transaction."""

    async def put(self, report: Report) -> None:
        """Keep a report, or replace the one with its id."""
        ...

    async def get(self, run_id: str) -> Report | None:
        """Return a report."""
        ...

    async def recent(self, collection: str, limit: int = 20) -> Sequence[Report]:
        """Return the reports of a collection, the newest first."""
        ...

    async def forget(self, collection: str, before: datetime, kept: int) -> int:
        """Remove the reports that were begun before, with all they hold; return how many.

        The newest `kept` ones stay, and the newest scrub that was finished, however old: gates ask for it.
        """
        ...

    async def add(self, run_id: str, found: Sequence[Difference]) -> None:
        """Keep differences of a run; one of the same key is replaced."""
        ...

    async def tally(self, run_id: str) -> Mapping[DifferenceClass, int]:
        """Count the differences of a run by class."""
        ...

    async def page(
        self, run_id: str, after: Key | None = None, limit: int = PAGE, kind: DifferenceClass | None = None
    ) -> Sequence[Difference]:
        """Return the next differences of a run in the order of their keys."""
        ...

    async def keep_plan(self, plan: Plan) -> None:
        """Keep the plan for a report's repair, in place of the one before; without the report nothing is kept."""
        ...

    async def plan(self, run_id: str) -> Plan | None:
        """Return the plan that was kept last for a report."""
        ...


class Became(StrEnum):
    """What became of a difference from an earlier run to a later one."""

    APPEARED = "appeared"
    GONE = "gone"
    CHANGED = "changed"
    STILL = "still there"


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What changed from an earlier run to a later one: how many keys, and the first EXAMPLES_MAX of them."""

    earlier: str
    later: str
    counts: Mapping[Became, int]
    examples: Mapping[Became, Sequence[Key]]


async def compare_reports(reports: Reports, earlier: str, later: str) -> Comparison:
    """Compare two runs key by key, in bounded memory."""
    for run_id in (earlier, later):
        if await reports.get(run_id) is None:
            raise ReportMissing(run_id=run_id)
    counts = dict.fromkeys(Became, 0)
    examples: dict[Became, list[Key]] = {became: [] for became in Became}
    async for before, after in _side_by_side(every_difference(reports, earlier), every_difference(reports, later)):
        became, one = _what_became(before, after)
        counts[became] += 1
        if len(examples[became]) < EXAMPLES_MAX:
            examples[became].append(one.key)
    return Comparison(earlier=earlier, later=later, counts=counts, examples=examples)


async def every_difference(
    reports: Reports, run_id: str, kind: DifferenceClass | None = None
) -> AsyncGenerator[Difference]:
    """Yield the differences of a run in the order of their keys, page by page."""
    page = await reports.page(run_id, None, PAGE, kind)
    while page:
        for found in page:
            yield found
        page = await reports.page(run_id, page[-1].key, PAGE, kind) if len(page) == PAGE else ()


async def _side_by_side(
    left: AsyncGenerator[Difference], right: AsyncGenerator[Difference]
) -> AsyncGenerator[tuple[Difference | None, Difference | None]]:
    """Yield what both have of each key; both are in the order of their keys."""
    one, other = await anext(left, None), await anext(right, None)
    while one is not None or other is not None:
        if other is None or (one is not None and one.key < other.key):
            yield one, None
            one = await anext(left, None)
        elif one is None or other.key < one.key:
            yield None, other
            other = await anext(right, None)
        else:
            yield one, other
            one, other = await anext(left, None), await anext(right, None)


def _what_became(before: Difference | None, after: Difference | None) -> tuple[Became, Difference]:
    if after is None:
        assert before is not None
        return Became.GONE, before
    if before is None:
        return Became.APPEARED, after
    return (Became.STILL if before == after else Became.CHANGED), after
