"""What has to hold before a collection changes its leader. Each gate gives its reason, and what to do if it fails.

A gate only looks; nothing is changed. An operator may waive one by name: that is said in the certificate.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from typing import Any

import msgspec

from mystira.polyglot.backfill import DONE
from mystira.polyglot.certificate import Gate
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change, Control, State
from mystira.polyglot.digesting import progress
from mystira.polyglot.journal import LetterFilter
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.replication import Replication
from mystira.polyglot.reports import Report, RunKind
from mystira.polyglot.store import StoreError
from mystira.polyglot.syncqueue import SyncQueue, sync_queue

TAIL_STAMPED = 1_000
REMAPPED = ("start backfill", "map")
"""Verbs after which what the copy holds has to be reread whole."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Where gates draw the line: changes that may wait, seconds behind, answers of the follower that may have been
    wrong in the last hours, and how old the last backup may be."""

    shadow_mismatches: int = 0
    shadow_hours: float = 24.0
    changes_behind: int = 1_000
    seconds_behind: float = 10.0
    backup_hours: float = 24.0


class UnknownGate(Problem):
    """There is no gate named {gate}; there are {gates}."""

    kind = Kind.UNPROCESSABLE


class _Looked(msgspec.Struct, frozen=True):
    """What the gates look at, read once."""

    r: Replication
    collection: Collection[Any]
    target: Phase
    limits: Limits
    row: Control
    queue: SyncQueue
    reports: Sequence[Report]


async def look_at_gates(
    r: Replication,
    collection: Collection[Any],
    target: Phase,
    *,
    limits: Limits | None = None,
    waived: Iterable[str] = (),
) -> tuple[Gate, ...]:
    """Look at every gate before a change of leader; UnknownGate when one is waived that does not exist."""
    waived = frozenset(waived)
    for name in waived - GATES.keys():
        raise UnknownGate(gate=name, gates=", ".join(sorted(GATES)))
    unhealthy = await _stores(r)
    if not unhealthy.passed:
        return (unhealthy,)
    row, reports = await r.row(collection), await r.relational.reports.recent(collection.name)
    looked = _Looked(r, collection, target, limits or Limits(), row, await sync_queue(r, collection), reports)
    gates = [unhealthy, *[await look(looked) for name, look in GATES.items() if name != "stores"]]
    return tuple(msgspec.structs.replace(gate, waived=gate.name in waived and not gate.passed) for gate in gates)


def closed(gates: Iterable[Gate]) -> list[Gate]:
    """Return the gates that stand in the way."""
    return [gate for gate in gates if not (gate.passed or gate.waived)]


async def _stores(r: Replication) -> Gate:
    for name, store in (("documents", r.documents), ("PostgreSQL", r.relational)):
        try:
            await store.ping()
        except StoreError as error:
            reason = f"{name} cannot be reached: {error}"
            return Gate(name="stores", passed=False, reason=reason, advice="Wait until both stores answer.")
    return Gate(name="stores", passed=True, reason="both stores answer")


async def _transition(looked: _Looked) -> Gate:
    row = looked.row
    if row.state is State.OPEN and row.phase.is_next_to(looked.target):
        return Gate(name="transition", passed=True, reason=f"it is in {row.phase}, and nothing is under way")
    reason = f"it is in {row.phase}/{row.state}, on its way to {row.target or 'nowhere'}"
    advice = "Wait, abort it, or take the steps between."
    if row.deadline is not None:
        until = f"{row.deadline:%H:%M:%S} UTC"
        advice = f"{row.coordinator} is at it until {until}. Ask again then, or abort it: mystira migrate abort."
    return Gate(name="transition", passed=False, reason=reason, advice=advice)


async def _complete(looked: _Looked) -> Gate:
    row = looked.row
    job = await looked.r.journal.backfill(looked.collection.name)
    if job is not None and job.state != DONE and row.leader is Leader.DOCUMENTS:
        advice = "Let it run to its end: mystira migrate status tells how far it is."
        return Gate(name="copy", passed=False, reason=f"the backfill is {job.state}", advice=advice)
    if not row.complete:
        advice = "Start the backfill, or let the relay refill the documents."
        return Gate(name="copy", passed=False, reason="the other store does not hold everything yet", advice=advice)
    return Gate(name="copy", passed=True, reason="the other store holds everything")


async def _lag(looked: _Looked) -> Gate:
    queue, limits = looked.queue, looked.limits
    waiting = queue.changes_behind + queue.relay_waiting
    behind_s = queue.seconds_behind if queue.changes_behind else 0.0
    changes = "1 change waits" if waiting == 1 else f"{waiting} changes wait"
    reason = f"{changes}, for {behind_s:.1f} s at most"
    passed = waiting <= limits.changes_behind and behind_s <= limits.seconds_behind
    advice = "" if passed else "See what holds the follower or the relay up: the sync queue tells."
    return Gate(name="lag", passed=passed, reason=reason, advice=advice)


async def _letters(looked: _Looked) -> Gate:
    letters = await looked.r.journal.letters(LetterFilter(collection=looked.collection.name, limit=1))
    if letters or looked.queue.relay_parked:
        advice = "Replay, repair or discard them: mystira migrate dead-letters list."
        return Gate(name="dead letters", passed=False, reason="some changes could not be carried over", advice=advice)
    return Gate(name="dead letters", passed=True, reason="there are none")


async def _stamps(looked: _Looked) -> Gate:
    if looked.target.leader is Leader.DOCUMENTS:
        return Gate(name="stamps", passed=True, reason="PostgreSQL leads, so every write is stamped")
    latest = await looked.r.documents.latest(looked.collection, TAIL_STAMPED)
    plain = sum(stamp.packed == 0 for _, stamp in latest)
    reason = f"{plain} of the {len(latest)} documents changed last carry no stamp"
    advice = "Some software still writes past Mystira: find and update it." if plain else ""
    return Gate(name="stamps", passed=not plain, reason=reason, advice=advice)


async def _digests(looked: _Looked) -> Gate:
    state = await progress(looked.r, looked.collection)
    left = f"{state.rows_left} rows and {state.ranges - state.ranges_built} feed ranges are not counted yet"
    reason = "both sides are counted" if state.is_built else left
    advice = "" if state.is_built else "Wait: a running service counts them."
    return Gate(name="digests", passed=state.is_built, reason=reason, advice=advice)


async def _verification(looked: _Looked) -> Gate:
    finished = [report for report in looked.reports if report.finished_at is not None]
    if not finished:
        advice = "Verify it: mystira migrate verify."
        return Gate(name="verification", passed=False, reason="it was never verified", advice=advice)
    newest = finished[0]
    reason = f"{newest.differences} differences in the {newest.kind} of {newest.finished_at:%Y-%m-%d %H:%M} UTC"
    advice = "Repair them, then verify again: mystira migrate repair." if newest.differences else ""
    return Gate(name="verification", passed=not newest.differences, reason=reason, advice=advice)


async def _scrub(looked: _Looked) -> Gate:
    whole = [report for report in looked.reports if report.kind is RunKind.SCRUB and report.finished_at is not None]
    advice = "Reread everything: mystira migrate verify --scrub."
    if not whole:
        return Gate(name="scrub", passed=False, reason="it was never reread whole", advice=advice)
    changed = [change for verb in REMAPPED for change in await _last(looked, verb)]
    if all(change.at <= whole[0].started_at for change in changed):
        return Gate(name="scrub", passed=True, reason=f"everything was reread from {whole[0].started_at:%Y-%m-%d} on")
    reason = f"nothing was reread since the last {changed[0].verb}"
    return Gate(name="scrub", passed=False, reason=reason, advice=advice)


async def _shadow(looked: _Looked) -> Gate:
    if not looked.row.shadow:
        return Gate(name="shadow reads", passed=True, reason="no reads are shadowed, so there is nothing to go by")
    since = looked.r.clock() - timedelta(hours=looked.limits.shadow_hours)
    reports = await looked.r.journal.shadow_reports(looked.collection.name, since)
    wrong, compared = sum(told.mismatches for told in reports), sum(told.compared for told in reports)
    passed = wrong <= looked.limits.shadow_mismatches
    advice = "" if passed else "Look at their examples, verify, and repair."
    reason = f"{wrong} of {compared} shadowed reads had another answer"
    return Gate(name="shadow reads", passed=passed, reason=reason, advice=advice)


async def _constraints(looked: _Looked) -> Gate:
    broken = await looked.r.journal.unchecked_constraints(looked.collection)
    reason = f"not validated: {', '.join(broken)}" if broken else "all of the table's constraints are validated"
    advice = "ALTER TABLE ... VALIDATE CONSTRAINT tells what is in their way." if broken else ""
    return Gate(name="constraints", passed=not broken, reason=reason, advice=advice)


async def _last(looked: _Looked, verb: str) -> Sequence[Change]:
    return await looked.r.journal.history(looked.collection.name, 1, verb)


async def _backup(looked: _Looked) -> Gate:
    taken = await _last(looked, "backup")
    oldest = looked.r.clock() - timedelta(hours=looked.limits.backup_hours)
    if taken and taken[0].at >= oldest:
        return Gate(name="backup", passed=True, reason=f"the last one was taken at {taken[0].at:%Y-%m-%d %H:%M} UTC")
    reason = f"none was taken in the last {looked.limits.backup_hours:g} hours"
    return Gate(name="backup", passed=False, reason=reason, advice="Take one: mystira backup.")


GATES: dict[str, Callable[[_Looked], Awaitable[Gate]]] = {
    "transition": _transition,
    "copy": _complete,
    "lag": _lag,
    "dead letters": _letters,
    "stamps": _stamps,
    "digests": _digests,
    "verification": _verification,
    "scrub": _scrub,
    "shadow reads": _shadow,
    "constraints": _constraints,
    "backup": _backup,
}
