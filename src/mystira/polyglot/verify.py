"""Verification: mismatches are rechecked until they heal or have lasted; only what lasts is a difference.

Two stores that are written to all the time never look equal at a glance: a record is read on one side before it has
come to the other. So a mismatch is only a candidate. It has to survive several rechecks, unchanged on both sides, and
to grow older than the lag goal if an ordinary lag would look the same; a change on either side sets its age back.
"""

import math
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change, Control
from mystira.polyglot.differences import (
    Difference,
    DifferenceClass,
    Sides,
    at_age,
    difference_of,
    fingerprint,
    sides_of,
)
from mystira.polyglot.digest import differing
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.replication import Replication
from mystira.polyglot.reports import Report, RunKind
from mystira.polyglot.store import Key, Throttled

T = TypeVar("T")

CANDIDATES_MAX = 10_000
LOOKED_AT_ONCE = 200
THROTTLED_MAX = 100


class NothingToCompare(Problem):
    """{collection} is in {phase} and only one store holds it, so there is nothing to compare. Start its backfill."""

    kind = Kind.CONFLICT


class Scrutiny(msgspec.Struct, frozen=True, kw_only=True):
    """How patiently and how fast a run looks. `records_per_s` None: as fast as it can.

    A scrub rechecks what it suspects, and saves how far it has come, at the latest after `unsaved_max` records.
    """

    lag_goal_s: float = 5.0
    rechecks: int = 3
    recheck_s: float = 0.5
    records_per_s: float | None = None
    page: int = LOOKED_AT_ONCE
    unsaved_max: int = 20_000

    @property
    def rounds_max(self) -> int:
        """After so many rounds, what still changes is left as lagging."""
        return self.rechecks + 2 * math.ceil(self.lag_goal_s / self.recheck_s) + 1


class _Candidate(msgspec.Struct):
    """A mismatch under observation: what both sides were, since when, and how often they were found so."""

    state: tuple[str, str] = ("", "")
    since: datetime | None = None
    checks: int = 0


async def verify(
    r: Replication, collection: Collection[Any], *, actor: str, why: str, scrutiny: Scrutiny | None = None
) -> Report:
    """Recheck the keys whose digests differ, and keep a report of those that differ for certain."""
    keys = (found.key async for found in differing(r.relational.digests, collection))
    return await verify_keys(r, collection, keys, actor=actor, why=why, scrutiny=scrutiny)


async def verify_keys(
    r: Replication,
    collection: Collection[Any],
    candidates: AsyncIterable[Key],
    *,
    actor: str,
    why: str,
    scrutiny: Scrutiny | None = None,
) -> Report:
    """Recheck these keys, and keep a report of those that differ for certain."""
    scrutiny = scrutiny or Scrutiny()
    report = await begin(r, collection, RunKind.DIGEST, actor=actor, why=why)
    waiting: set[Key] = set()
    async for key in candidates:
        waiting.add(key)
        if len(waiting) >= CANDIDATES_MAX:
            report = await recheck(r, collection, report, waiting, scrutiny, seen=len(waiting))
            waiting.clear()
    report = await recheck(r, collection, report, waiting, scrutiny, seen=len(waiting))
    return await finish(r, report)


async def begin(r: Replication, collection: Collection[Any], kind: RunKind, *, actor: str, why: str) -> Report:
    """Keep a new report; NothingToCompare where only one store holds the collection."""
    control = await compared_control(r, collection)
    now = r.clock()
    report = Report(
        id=f"{collection.name}-{kind}-{now:%Y%m%dT%H%M%S.%f}-{r.name}",
        collection=collection.name,
        kind=kind,
        leader=control.leader,
        actor=actor,
        why=why,
        started_at=now,
    )
    await r.relational.reports.put(report)
    await r.journal.note(Change(collection=collection.name, verb=f"begin {kind}", actor=actor, why=why, at=now))
    return report


async def finish(r: Replication, report: Report) -> Report:
    """Close a report with its counts, and put its end on record."""
    counts = await r.relational.reports.tally(report.id)
    report = msgspec.structs.replace(report, counts=counts, finished_at=r.clock())
    await r.relational.reports.put(report)
    verb = f"end {report.kind}: {report.differences} differences"
    note = Change(collection=report.collection, verb=verb, actor=report.actor, why=report.why, at=r.clock())
    await r.journal.note(note)
    return report


async def compared_control(r: Replication, collection: Collection[Any]) -> Control:
    """Return the control row of a collection that both stores hold, else raise NothingToCompare."""
    control = await r.row(collection)
    if not is_compared(control):
        raise NothingToCompare(collection=collection.name, phase=control.phase)
    return control


def is_compared(control: Control) -> bool:
    """Tell whether both stores hold the collection."""
    return control.copying and control.phase is not Phase.POSTGRES_ONLY


async def recheck(
    r: Replication,
    collection: Collection[Any],
    report: Report,
    keys: Iterable[Key],
    scrutiny: Scrutiny,
    *,
    seen: int = 0,
) -> Report:
    """Observe candidates until each has healed or lasted; keep those that lasted, and return the report then."""
    waiting = {key: _Candidate() for key in keys}
    healed = 0
    for left in range(scrutiny.rounds_max, 0, -1):
        for part in parts_of(list(waiting), LOOKED_AT_ONCE):
            found, gone = await _check(r, collection, waiting, part, scrutiny, is_last=left == 1)
            await r.relational.reports.add(report.id, found)
            healed += gone
            for one in found:
                del waiting[one.key]
        if not waiting:
            break
        await r.sleep(scrutiny.recheck_s)
    report = msgspec.structs.replace(report, seen=report.seen + seen, healed=report.healed + healed)
    await r.relational.reports.put(report)
    return report


async def _check(
    r: Replication,
    collection: Collection[Any],
    waiting: dict[Key, _Candidate],
    keys: Sequence[Key],
    scrutiny: Scrutiny,
    *,
    is_last: bool,
) -> tuple[list[Difference], int]:
    """Look at some candidates once more; return those that have lasted, and how many have healed."""
    control, sides = await look_at(r, collection, keys)
    now = r.clock()
    lasted: list[Difference] = []
    healed = 0
    for key in keys:
        found = difference_of(collection, key, sides[key], control)
        if found is None:
            del waiting[key]
            healed += 1
            continue
        candidate = waiting[key]
        has_lasted = _has_lasted(candidate, _state(collection, sides[key]), now, found, scrutiny)
        if has_lasted:
            lasted.append(found)
        elif is_last:
            lasted.append(msgspec.structs.replace(found, kind=DifferenceClass.LAGGING))
    return lasted, healed


def _has_lasted(
    candidate: _Candidate, state: tuple[str, str], now: datetime, found: Difference, scrutiny: Scrutiny
) -> bool:
    if candidate.since is None or state != candidate.state:
        candidate.state, candidate.since, candidate.checks = state, now, 0
    else:
        candidate.checks += 1
    age_s = (now - candidate.since).total_seconds()
    is_young = at_age(found, age_s, scrutiny.lag_goal_s).kind is DifferenceClass.LAGGING
    return candidate.checks >= scrutiny.rechecks and not is_young


def _state(collection: Collection[Any], sides: Sides) -> tuple[str, str]:
    return fingerprint(collection, sides.leader), fingerprint(collection, sides.follower)


async def look_at(
    r: Replication, collection: Collection[Any], keys: Sequence[Key]
) -> tuple[Control, Mapping[Key, Sides]]:
    """Return what both stores hold of these keys, and the control row that says who leads.

    The follower is read first: what it holds, the leader held before, so that it never seems to be ahead.
    """
    control = await compared_control(r, collection)
    if control.leader is Leader.DOCUMENTS:
        rows = await r.relational.look(collection, keys)
        documents = await unthrottled(r, lambda: r.documents.look(collection, keys))
    else:
        documents = await unthrottled(r, lambda: r.documents.look(collection, keys))
        rows = await r.relational.look(collection, keys)
    return control, {key: sides_of(control.leader, documents.get(key), rows.get(key)) for key in keys}


async def unthrottled(r: Replication, ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again for as long as the documents ask for patience, within reason."""
    for _ in range(THROTTLED_MAX):
        try:
            return await ask()
        except Throttled as throttled:
            await r.sleep(throttled.retry_after_s)
    return await ask()


def parts_of(keys: Sequence[Key], size: int) -> Iterable[Sequence[Key]]:
    """Yield the keys in parts of at most `size`."""
    return (keys[start : start + size] for start in range(0, len(keys), size))
