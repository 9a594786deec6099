"""Repair: brings the follower to what the leader holds, through the ways that every write takes.

The leader is the truth and nothing is copied back. No stamp is ever lowered, and no record is simply taken away: where
the follower's stamp is not below the leader's, the leader's record is written once more above both, and what the
leader does not know is removed by a tombstone that the leader gets first. So a late copy of what was wrong finds a
higher stamp wherever it arrives. What may be somebody's write is kept as a dead letter before it is replaced.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from functools import partial
from typing import Any

import msgspec

from mystira.polyglot.adopt.stamping import after_stripping
from mystira.polyglot.collection import Collection
from mystira.polyglot.commit import Sender
from mystira.polyglot.control import Change, Control, State
from mystira.polyglot.differences import DifferenceClass, Sides, difference_of, fingerprint
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import to_document
from mystira.polyglot.journal import DeadLetter, LetterFilter, LetterKind
from mystira.polyglot.leadership import Leadership
from mystira.polyglot.merge import UNSTAMPED
from mystira.polyglot.phases import Leader
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.relay import ReverseRelay, as_relayed
from mystira.polyglot.repair_plan import Plan, Repair, RepairAction, repair_of, stamp_above
from mystira.polyglot.replication import Replication
from mystira.polyglot.reports import ReportMissing, every_difference
from mystira.polyglot.spill import with_spilled
from mystira.polyglot.store import RECENT_OPS_MAX, Incoming, Key, Record, StoreError, Unreadable
from mystira.polyglot.verify import compared_control, look_at

PLANNED_MAX = 10_000
AT_ONCE = 100

# What is removed comes first: it may hold a unique value that belongs to another key.
_ORDER = (RepairAction.REMOVE, RepairAction.REWRITE, RepairAction.MERGE, RepairAction.LEAVE)


class CannotRepair(Problem):
    """{collection} cannot be repaired now: {reason}."""

    kind = Kind.CONFLICT


class Outcome(StrEnum):
    """What became of one planned repair."""

    REPAIRED = "repaired"
    HEALED = "agreed already"
    CHANGED = "changed since the plan was made"
    LEFT = "left to a person"
    FAILED = "still differs"


class Repaired(msgspec.Struct, frozen=True, kw_only=True):
    """What applying a plan came to: how many keys of each outcome, and why those that were not repaired were not."""

    counts: Mapping[Outcome, int]
    not_repaired: tuple[tuple[Key, Outcome, str], ...] = ()


async def plan_repairs(r: Replication, collection: Collection[Any], run_id: str, *, limit: int = PLANNED_MAX) -> Plan:
    """Return what a repair of a report's differences would do now; nothing is changed."""
    control = await compared_control(r, collection)
    report = await r.relational.reports.get(run_id)
    if report is None or report.collection != collection.name:
        raise ReportMissing(run_id=run_id)
    repairs: list[Repair] = []
    left_out = 0
    batch: list[Key] = []
    async for found in every_difference(r.relational.reports, run_id):
        if found.kind is DifferenceClass.LAGGING:
            continue
        if len(repairs) + len(batch) >= limit:
            left_out += 1
            continue
        batch.append(found.key)
        if len(batch) == AT_ONCE:
            repairs += await _planned(r, collection, batch)
            batch = []
    repairs += await _planned(r, collection, batch)
    repairs.sort(key=lambda repair: (_ORDER.index(repair.action), repair.key))
    return Plan(
        report=run_id,
        collection=collection.name,
        leader=control.leader,
        made_at=r.clock(),
        repairs=tuple(repairs),
        left_out=left_out,
    )


async def plan_for_keys(r: Replication, collection: Collection[Any], keys: Sequence[Key]) -> Plan:
    """Return what a repair of these keys would do now, whether a report names them or not; nothing is changed."""
    control = await compared_control(r, collection)
    repairs = await _planned(r, collection, keys)
    name, leader = collection.name, control.leader
    return Plan(report="", collection=name, leader=leader, made_at=r.clock(), repairs=tuple(repairs))


async def _planned(r: Replication, collection: Collection[Any], keys: Sequence[Key]) -> list[Repair]:
    control, sides = await look_at(r, collection, keys)
    found = [difference_of(collection, key, sides[key], control) for key in keys]
    return [repair_of(collection, one, sides[one.key], control) for one in found if one is not None]


async def repair(
    r: Replication,
    collection: Collection[Any],
    plan: Plan,
    *,
    actor: str,
    why: str,
    told: Callable[[int], None] = lambda done: None,
) -> Repaired:
    """Do what a plan says for every key that is still as planned; `told` hears how many of them are done.

    Doing it again changes nothing.
    """
    control = await _refuse(r, collection, plan)
    work = _Repairing(r, collection, control)
    for start in range(0, len(plan.repairs), AT_ONCE):
        await work.do(plan.repairs[start : start + AT_ONCE])
        told(min(start + AT_ONCE, len(plan.repairs)))
    verb = f"repair {work.counts[Outcome.REPAIRED]} differences"
    note = Change(collection=collection.name, verb=verb, actor=actor, why=why, at=r.clock(), n=control.n)
    await r.journal.note(note)
    return Repaired(counts=work.counts, not_repaired=tuple(work.not_repaired))


async def _refuse(r: Replication, collection: Collection[Any], plan: Plan) -> Control:
    control = await compared_control(r, collection)
    if plan.collection != collection.name:
        raise CannotRepair(collection=collection.name, reason=f"the plan is for {plan.collection}")
    if control.state is not State.OPEN:
        raise CannotRepair(collection=collection.name, reason="it is on its way to another phase")
    if plan.leader != control.leader:
        raise CannotRepair(collection=collection.name, reason="the leader has changed since the plan was made")
    return control


class _Repairing:
    """One plan being carried out: writes go through the leader like everybody's, under a term."""

    def __init__(self, r: Replication, collection: Collection[Any], control: Control) -> None:
        self._r = r
        self._collection = collection
        self._control = control
        self._leadership = Leadership(
            r.documents, r.journal, tempo=r.tempo, clock=r.clock, sleep=r.sleep, name=f"{r.name} (repair)"
        )
        self._sender = Sender(
            r.documents, r.relational, self._leadership, clock=r.clock, pause=self._pause, sleep=r.sleep
        )
        self._relay = ReverseRelay(r.catalog, r.documents, r.relational, clock=r.clock)
        self.counts = dict.fromkeys(Outcome, 0)
        self.not_repaired: list[tuple[Key, Outcome, str]] = []

    async def do(self, repairs: Sequence[Repair]) -> None:
        """Carry out a few repairs, and look whether both sides then agree."""
        keys = [one.key for one in repairs]
        _, sides = await look_at(self._r, self._collection, keys)
        todo = [one for one in repairs if self._is_as_planned(one, sides[one.key])]
        errors: dict[Key, str] = {}
        leading: list[Record] = []
        for one in todo:
            try:
                leading.append(await self._lead(one, sides[one.key]))
            except (StoreError, ValueError) as error:
                errors[one.key] = f"{type(error).__name__}: {error}"
        await self._follow(leading, sides, errors)
        control, after = await look_at(self._r, self._collection, keys)
        for one in todo:
            if difference_of(self._collection, one.key, after[one.key], control) is None:
                self.counts[Outcome.REPAIRED] += 1
                await self._drop_letters(one.key, sides[one.key])
            else:
                why = "The dead letters tell why it was refused; otherwise verify again."
                self._tell(one, Outcome.FAILED, errors.get(one.key, why))

    def _is_as_planned(self, one: Repair, sides: Sides) -> bool:
        found = difference_of(self._collection, one.key, sides, self._control)
        now = fingerprint(self._collection, sides.leader), fingerprint(self._collection, sides.follower)
        if found is None:
            self.counts[Outcome.HEALED] += 1
        elif now != (one.leader, one.follower):
            self._tell(one, Outcome.CHANGED, "It was written meanwhile. Verify again, then plan again.")
        elif one.action is RepairAction.LEAVE:
            self._tell(one, Outcome.LEFT, one.because)
        else:
            return True
        return False

    def _tell(self, one: Repair, outcome: Outcome, why: str) -> None:
        self.counts[outcome] += 1
        self.not_repaired.append((one.key, outcome, why))

    async def _lead(self, one: Repair, sides: Sides) -> Record:
        """Return the record that the follower is to get, written through the leader first where that is needed."""
        leader = sides.leader
        assert not isinstance(leader, Unreadable)
        if one.action is RepairAction.MERGE:
            assert leader is not None
            return leader
        await self._keep(sides)
        term = await self._leadership.term(self._collection)
        record = _raised(one.key, sides, stamp_above(sides, term.control))
        await self._sender.send(self._collection, record, leader, term)
        return record

    async def _keep(self, sides: Sides) -> None:
        """Keep what the follower has as a dead letter, if it may be somebody's write that is nowhere else."""
        leader, follower = sides.leader, sides.follower
        if follower is None or (isinstance(follower, Record) and follower.deleted):
            return
        if isinstance(follower, Record) and isinstance(leader, Record) and _is_one_write(leader, follower):
            return
        letter = DeadLetter(
            collection=self._collection.name,
            key=follower.key,
            # Letters of other kinds go by themselves once their key has moved on.
            kind=LetterKind.CONFLICT,
            stamp=follower.stamp,
            op=follower.op if isinstance(follower, Record) else "",
            payload=self._document_of(follower),
            rival={} if leader is None else self._document_of(leader),
            error="a repair replaced it by what the leader holds",
            created_at=self._r.clock(),
        )
        await self._r.journal.letter_put(letter)

    def _document_of(self, side: Incoming) -> dict[str, Any]:
        return side.body if isinstance(side, Unreadable) else to_document(self._collection, side)

    async def _follow(self, leading: Sequence[Record], sides: Mapping[Key, Sides], errors: dict[Key, str]) -> None:
        r, collection = self._r, self._collection
        if self._control.leader is Leader.DOCUMENTS:
            # All in one merge, because two records may swap a unique value.
            records = [await with_spilled(r.documents, r.journal, collection, record) for record in leading]
            await r.journal.merge(collection, records, r.clock())
            return
        for record in leading:
            follower = sides[record.key].follower
            carry: Callable[[], Any] = partial(self._relay.carry, collection, record.key)
            if isinstance(follower, Unreadable):
                carry = partial(self._overwrite, record, follower)
            try:
                await carry()
            except (StoreError, ValueError) as error:
                errors[record.key] = f"{type(error).__name__}: {error}"

    async def _overwrite(self, record: Record, unreadable: Unreadable) -> None:
        """Replace a document that the relay cannot even read."""
        base = Record(key=record.key, entity=None, stamp=unreadable.stamp, token=unreadable.token)
        await self._r.documents.write(self._collection, as_relayed(record), base)

    async def _drop_letters(self, key: Key, sides: Sides) -> None:
        """Drop the letters of a divergence that is settled: both of its writes are where they belong by now."""
        ops = {side.op for side in (sides.leader, sides.follower) if isinstance(side, Record)}
        which = LetterFilter(collection=self._collection.name, kind=LetterKind.DIVERGENT, key=key)
        for letter in await self._r.journal.letters(which):
            if letter.op in ops:
                await self._r.journal.letter_drop(letter)

    async def _pause(self, attempt: int, base_s: float) -> None:
        await self._r.sleep(base_s * (1 << min(attempt, 6)))


def _is_one_write(leader: Record, follower: Record) -> bool:
    """Tell whether both are the same write; another body was then made by hand, and the report tells what it was."""
    return (follower.stamp, follower.op) == (leader.stamp, leader.op)


def _raised(key: Key, sides: Sides, stamp: Stamp) -> Record:
    """Return the leader's record under a higher stamp; where it has none, the tombstone that removes the follower's."""
    leader, follower = sides.leader, sides.follower
    assert not isinstance(leader, Unreadable)
    counted = follower.event_seq if isinstance(follower, Record) else 0
    # Made from what was there before, so that two repairs of one state are the same write.
    op = f"repair/{leader.stamp.packed if leader else ''}/{stamp.packed}"
    if leader is None:
        return Record(key=key, entity=None, stamp=stamp, op=op, event_seq=counted)
    if leader.stamp == UNSTAMPED and isinstance(follower, Record):
        leader = after_stripping(leader, follower)
    return msgspec.structs.replace(
        leader,
        stamp=stamp,
        parent=leader.stamp,
        op=op,
        recent_ops=(leader.op, *leader.recent_ops)[:RECENT_OPS_MAX],
        writer="app",
        # Below what was told before, the next event would pass for one that was told.
        event_seq=max(leader.event_seq, counted),
    )
