"""Verbs that compare both stores and mend what differs."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from mystira.operations.actions.doing import Arguments, Doing, Nothing, Outcome, plain
from mystira.operations.reconciliation.problems import PlanReplaced
from mystira.polyglot.repair import Repaired, plan_for_keys, plan_repairs, repair
from mystira.polyglot.repair_plan import Plan
from mystira.polyglot.reports import Report
from mystira.polyglot.scrub import scrub
from mystira.polyglot.store import Key
from mystira.polyglot.verify import Scrutiny, verify

SHOWN_MAX = 200
"""How many keys of a long list an outcome names; its counts are of all."""


class Pace(Arguments, frozen=True, kw_only=True):
    """How fast everything is reread; left out, as fast as it goes."""

    records_per_s: Annotated[Annotated[float, Meta(gt=0, le=1_000_000)] | None, Meta(title="Records a second")] = None


class OfReport(Arguments, frozen=True, kw_only=True):
    """Whose differences are repaired. A dry run keeps the plan; `planned_at` confirms the very plan that was shown."""

    report: str
    dry_run: bool = False
    planned_at: datetime | None = None


class OfRecord(Arguments, frozen=True, kw_only=True):
    """Which record is repaired, and the prints under which both sides were shown: what has changed since is left."""

    partition: str
    id: str
    leader: str = ""
    follower: str = ""


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
    if which.planned_at is None:
        plan = await plan_repairs(doing.r, doing.of, which.report)
    else:
        plan = await doing.r.relational.reports.plan(which.report)
        if plan is None or plan.made_at != which.planned_at:
            raise PlanReplaced
    if which.dry_run:
        await doing.r.relational.reports.keep_plan(plan)
        return _planned(plan)
    return await _repair(doing, plan)


async def mend_record(doing: Doing, which: OfRecord) -> Outcome:
    """Bring the follower to what the leader holds, for one record that is still as it was shown."""
    plan = await plan_for_keys(doing.r, doing.of, [Key(which.partition, which.id)])
    shown = {"leader": which.leader, "follower": which.follower}
    repairs = tuple(msgspec.structs.replace(one, **shown) for one in plan.repairs)
    return await _repair(doing, msgspec.structs.replace(plan, repairs=repairs))


async def _repair(doing: Doing, plan: Plan) -> Outcome:
    total = len(plan.repairs)
    done = await repair(doing.r, doing.of, plan, told=lambda done: doing.tell(done, total, "repairing"), **doing.by)
    return _mended(done, plan)


def _found(report: Report) -> Outcome:
    differ = "1 key differs" if report.differences == 1 else f"{report.differences} keys differ"
    says = f"{differ} for certain." if report.differences else "Both sides hold the same."
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
    keys = "1 key" if len(plan.repairs) == 1 else f"{len(plan.repairs)} keys"
    says = f"{keys} would be repaired; nothing was changed."
    return Outcome(
        says,
        plain(
            {
                "report": plan.report,
                "planned_at": plan.made_at,
                "actions": counts,
                "left_out": plan.left_out,
                "repairs": shown,
            }
        ),
    )


def _mended(done: Repaired, plan: Plan) -> Outcome:
    counts = {str(outcome.value): count for outcome, count in done.counts.items() if count}
    rest = [
        {"partition": key.partition, "id": key.id, "outcome": outcome, "why": why}
        for key, outcome, why in done.not_repaired[:SHOWN_MAX]
    ]
    told = ", ".join(f"{count} {name}" for name, count in counts.items()) or "there was nothing to repair"
    left = f" {plan.left_out} did not fit into one plan: plan again when this is done." if plan.left_out else ""
    return Outcome(f"{told[0].upper()}{told[1:]}.{left}", plain({"counts": counts, "not_repaired": rest}))
