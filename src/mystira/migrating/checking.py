"""`verify`, `diff`, `repair`: whether both stores hold the same, and making it so."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter
from rich.console import Group, RenderableType
from rich.text import Text

from mystira.migrating.answers import Differences, NotRepaired, Repaired, Run
from mystira.migrating.exits import DIFFERENCES, WrongUse, confirm, refuse
from mystira.migrating.live import Mark, counted, shown
from mystira.migrating.place import ASKED, READING, SURE, Asked, Place, Reading, Sure, chosen, perform
from mystira.migrating.showing import facts, moment, rows, show, table
from mystira.migrating.standing import last_run, run_of
from mystira.polyglot.collection import Collection
from mystira.polyglot.differences import Difference, DifferenceClass
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.query import EVERYTHING
from mystira.polyglot.repair import Outcome, plan_repairs
from mystira.polyglot.repair import repair as apply_repairs
from mystira.polyglot.repair_plan import BadPlan, plan_of_text
from mystira.polyglot.repair_plan import Plan as RepairPlan
from mystira.polyglot.reports import Comparison, ReportMissing, RunKind, compare_reports
from mystira.polyglot.scrub import scrub as reread
from mystira.polyglot.verify import Scrutiny, compared_control
from mystira.polyglot.verify import verify as compare
from mystira.terminal import print_json

SEEN = {RunKind.DIGEST: "records whose digests differed", RunKind.SCRUB: "records of both stores"}
SETTLED = (Outcome.REPAIRED, Outcome.HEALED)


class NeverVerified(Problem):
    """{collection} was never verified, so there is nothing to go by. Verify it: mystira migrate verify {collection}"""

    kind = Kind.NOT_FOUND


def verify(
    collection: str,
    *,
    scrub: Annotated[
        bool, Parameter(negative="", help="Reread every record of both stores, not only digests.")
    ] = False,
    records_per_s: Annotated[float | None, Parameter(help="Reread no faster than this.")] = None,
    lag_goal_s: Annotated[float, Parameter(help="What is younger than this only lags, and is no difference.")] = 5.0,
    asked: Asked = ASKED,
) -> None:
    """Compare both stores, recheck what differs, and keep a report. Exit code 4 when there are differences."""
    which = chosen(asked, collection)
    scrutiny = Scrutiny(lag_goal_s=lag_goal_s, records_per_s=records_per_s)

    async def work(place: Place) -> Run:
        await compared_control(place.r, which)
        await counted(place, which)
        async with shown(f"Verifying {which.name}", await _looker(place, which)):
            done = reread if scrub else compare
            return run_of(await done(place.r, which, scrutiny=scrutiny, **place.by))

    found = perform(asked, work, tending=True)
    print_json(found) if asked.json else show(_drawn_run(found))
    if found.differences:
        raise SystemExit(DIFFERENCES)


def diff(
    collection: str,
    *,
    run: Annotated[str, Parameter(help="The report to show (default: the newest).")] = "",
    against: Annotated[str, Parameter(help="Show what has changed since this earlier report.")] = "",
    kind: Annotated[DifferenceClass | None, Parameter(help="Only differences of this class.")] = None,
    limit: Annotated[int, Parameter(help="How many at most.")] = 50,
    asked: Reading = READING,
) -> None:
    """Show the differences that a verification found, field by field. Exit code 4 when there are any."""
    which = chosen(asked, collection)

    async def work(place: Place) -> Differences | Comparison:
        report = await _report(place, which, run)
        if against:
            return await compare_reports(place.r.relational.reports, against, report.id)
        page = await place.r.relational.reports.page(report.id, None, limit + 1, kind)
        return Differences(run=report, differences=tuple(page[:limit]), more=len(page) > limit)

    found = perform(asked, work)
    if asked.json:
        print_json(found)
    else:
        show(_drawn_comparison(found) if isinstance(found, Comparison) else _drawn_differences(found))
    if isinstance(found, Differences) and found.run.differences:
        raise SystemExit(DIFFERENCES)


def repair(
    collection: str,
    *,
    run: Annotated[str, Parameter(help="The report whose differences are repaired (default: the newest).")] = "",
    from_plan: Annotated[Path | None, Parameter(help="Do what this file says, which --dry-run --json printed.")] = None,
    dry_run: Annotated[bool, Parameter(negative="", help="Only show what would be done.")] = False,
    asked: Sure = SURE,
) -> None:
    """Bring the follower to what the leader holds. Asks first; exit code 4 when something is left."""
    which = chosen(asked, collection)
    given = _plan_in(from_plan, asked) if from_plan else None

    async def work(place: Place) -> RepairPlan | Repaired:
        await compared_control(place.r, which)
        planned = given or await plan_repairs(place.r, which, (await _report(place, which, run)).id)
        if dry_run:
            return planned
        if planned.repairs:
            if not asked.json:
                show(_drawn_repairs(planned))
            await confirm(f"Repair {len(planned.repairs)} records of {which.name}?", yes=asked.yes)
        return await _repaired(place, which, planned)

    found = perform(asked, work)
    if asked.json:
        print_json(found)
    else:
        show(_drawn_repairs(found) if isinstance(found, RepairPlan) else _drawn_repaired(found))
    if isinstance(found, Repaired) and any(count for outcome, count in found.counts.items() if outcome not in SETTLED):
        raise SystemExit(DIFFERENCES)


async def _repaired(place: Place, which: Collection[Any], planned: RepairPlan) -> Repaired:
    done = 0

    async def look() -> Mark:
        return Mark(done, len(planned.repairs), f"{done:,} of {len(planned.repairs):,}")

    def count(parts: int) -> None:
        nonlocal done
        done = parts

    async with shown(f"Repairing {which.name}", look):
        result = await apply_repairs(place.r, which, planned, told=count, **place.by)
    left = tuple(NotRepaired(key=key, outcome=outcome, why=why) for key, outcome, why in result.not_repaired)
    return Repaired(collection=which.name, report=planned.report, counts=result.counts, not_repaired=left)


async def _report(place: Place, which: Collection[Any], run: str) -> Run:
    if run:
        report = await place.r.relational.reports.get(run)
        if report is None or report.collection != which.name:
            raise ReportMissing(run_id=run)
        return run_of(report)
    found = await last_run(place.r, which)
    if found is None:
        raise NeverVerified(collection=which.name)
    return found


async def _looker(place: Place, which: Collection[Any]) -> Any:
    """Return what tells how many records a run has seen that was begun by this process."""
    live = await place.r.documents.count(which, EVERYTHING)

    async def look() -> Mark:
        newest = await place.r.relational.reports.recent(which.name, 1)
        seen = newest[0].seen if newest and newest[0].finished_at is None else 0
        # A scrub sees every document, and every row.
        return Mark(seen, 2 * live or None, f"{seen:,} records seen")

    return look


def _plan_in(path: Path, asked: Reading) -> RepairPlan:
    try:
        return plan_of_text(path.read_bytes())
    except OSError as error:
        problem = WrongUse(advice=f"{path} cannot be read ({error.strerror}). Name the file that holds the plan.")
        refuse(problem, json=asked.json)
    except BadPlan as problem:
        refuse(problem, json=asked.json)


def _drawn_run(one: Run) -> RenderableType:
    counts = ", ".join(f"{count} {kind}" for kind, count in one.counts.items() if count)
    verdict = Text("Both stores hold the same.", "green")
    if one.differences:
        verdict = Text(f"{one.differences} records differ. See them: mystira migrate diff {one.collection}", "red")
    return Group(
        facts(
            [
                ("Report", one.id),
                ("Looked at", f"{one.seen:,} {SEEN[one.kind]}; {one.healed:,} differed only for a moment"),
                ("Found", counts or "nothing"),
                ("Digests", f"{one.digests_corrected} corrected"),
            ]
        ),
        verdict,
    )


def _drawn_differences(found: Differences) -> RenderableType:
    about = f"{found.run.kind} of {moment(found.run.finished_at)} UTC; {found.run.leader} led"
    if not found.differences:
        return Text(f"No differences were found ({about}).", "green")
    drawn = table("Partition", "Id", "Class", "Field", "Leader", "Follower")
    for one in found.differences:
        drawn = rows(drawn, _difference_rows(one))
    more = Text(f"There are more: --limit {2 * len(found.differences)}" if found.more else "")
    repair = f"See what a repair would do: mystira migrate repair {found.run.collection} --dry-run"
    return Group(Text(about), drawn, more, Text(repair, "bold"))


def _difference_rows(one: Difference) -> Iterable[tuple[Any, ...]]:
    first: tuple[Any, ...] = (one.key.partition, one.key.id, one.kind.value)
    if not one.fields:
        yield (*first, "(stamp)", one.leader_stamp or "absent", one.follower_stamp or "absent")
    for field in one.fields:
        yield (*first, field.path, field.leader or "absent", field.follower or "absent")
        first = ("", "", "")


def _drawn_comparison(found: Comparison) -> RenderableType:
    drawn = table("Since then", "Records", "For example", right=("Records",))
    for became, count in found.counts.items():
        example = found.examples.get(became, ())
        drawn.add_row(became.value, str(count), "/".join(example[0]) if example else "")
    return drawn


def _drawn_repairs(planned: RepairPlan) -> RenderableType:
    if not planned.repairs:
        return Text("There is nothing to repair.", "green")
    drawn = table("Partition", "Id", "Class", "What would be done", "Because")
    lines = [(*one.key, one.difference.value, one.action.value, one.because) for one in planned.repairs[:50]]
    hidden = len(planned.repairs) - len(lines) + planned.left_out
    return Group(rows(drawn, lines), Text(f"and {hidden} more" if hidden else ""))


def _drawn_repaired(found: Repaired) -> RenderableType:
    drawn = facts([(outcome.value.capitalize(), str(count)) for outcome, count in found.counts.items() if count])
    left = table("Partition", "Id", "What became of it", "Why")
    lines = [(*one.key, one.outcome.value, one.why) for one in found.not_repaired]
    return Group(
        drawn,
        *([rows(left, lines)] if lines else []),
        Text(f"Verify once more: mystira migrate verify {found.collection}"),
    )
