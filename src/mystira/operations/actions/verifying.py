"""Verbs that compare both stores and mend what differs."""

from typing import Annotated

from msgspec import Meta

from mystira.operations.actions.doing import Arguments, Doing, Nothing, Outcome, plain
from mystira.polyglot.repair import Repaired, plan_repairs, repair
from mystira.polyglot.repair_plan import Plan
from mystira.polyglot.reports import Report
from mystira.polyglot.scrub import scrub
from mystira.polyglot.verify import Scrutiny, verify

SHOWN_MAX = 200
"""How many keys of a long list an outcome names; its counts are of all."""


class Pace(Arguments, frozen=True, kw_only=True):
    """How fast everything is reread; left out, as fast as it goes."""

    records_per_s: Annotated[float, Meta(gt=0, le=1_000_000)] | None = None


class OfReport(Arguments, frozen=True, kw_only=True):
    """Whose differences are repaired; a dry run only tells what would be done."""

    report: str
    dry_run: bool = False


async def compare(doing: Doing, _: Nothing) -> Outcome:
    """Recheck the keys whose digests differ."""
    doing.tell(0, None, "comparing digests, then rechecking what differs")
    return _found(await verify(doing.r, doing.of, **doing.by))


async def reread(doing: Doing, pace: Pace) -> Outcome:
    """Reread every record of both stores."""
    doing.tell(0, None, "rereading every record of both stores")
    return _found(await scrub(doing.r, doing.of, scrutiny=Scrutiny(records_per_s=pace.records_per_s), **doing.by))


async def mend(doing: Doing, which: OfReport) -> Outcome:
    """Bring the follower to what the leader holds, for the differences of a report."""
    doing.tell(0, None, "planning")
    plan = await plan_repairs(doing.r, doing.of, which.report)
    if which.dry_run:
        return _planned(plan)
    doing.tell(0, len(plan.repairs), "repairing")
    return _mended(await repair(doing.r, doing.of, plan, **doing.by), plan)


def _found(report: Report) -> Outcome:
    says = "Both sides hold the same." if not report.differences else f"{report.differences} keys differ for certain."
    facts = {"report": report.id, "counts": plain(report.counts), "seen": report.seen, "healed": report.healed}
    return Outcome(f"{says} {report.seen} were looked at, {report.healed} healed meanwhile.", facts)


def _planned(plan: Plan) -> Outcome:
    actions = [one.action.value for one in plan.repairs]
    counts = {action: actions.count(action) for action in sorted(set(actions))}
    shown = [
        {
            "partition": one.key.partition,
            "id": one.key.id,
            "difference": one.difference,
            "action": one.action,
            "because": one.because,
        }
        for one in plan.repairs[:SHOWN_MAX]
    ]
    says = f"{len(plan.repairs)} keys would be repaired; nothing was changed."
    return Outcome(says, plain({"actions": counts, "left_out": plan.left_out, "repairs": shown}))


def _mended(done: Repaired, plan: Plan) -> Outcome:
    counts = {str(outcome.value): count for outcome, count in done.counts.items() if count}
    rest = [
        {"partition": key.partition, "id": key.id, "outcome": outcome, "why": why}
        for key, outcome, why in done.not_repaired[:SHOWN_MAX]
    ]
    told = ", ".join(f"{count} {name}" for name, count in counts.items()) or "there was nothing to repair"
    left = f" {plan.left_out} did not fit into one plan: verify and repair again." if plan.left_out else ""
    return Outcome(f"{told[0].upper()}{told[1:]}.{left}", plain({"counts": counts, "not_repaired": rest}))
