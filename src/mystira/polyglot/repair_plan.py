"""What a repair would do, key by key: a plan that people can read, keep and hand in again."""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control
from mystira.polyglot.differences import Difference, DifferenceClass, Sides, fingerprint
from mystira.polyglot.entity import SEQ_MAX, Stamp
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.store import Key, Unreadable


class BadPlan(Problem):
    """This is not a plan for a repair ({reason}). Make a new one and hand it in unchanged."""

    kind = Kind.INVALID


class RepairAction(StrEnum):
    """What is done for one key.

    MERGE: the leader's record goes to the follower as it is. REWRITE: the leader gets its own record once more, under
    a stamp above both sides', and from there it goes to the follower. REMOVE: the leader gets a tombstone above the
    follower's stamp, and from there it removes the follower's record. LEAVE: only a person can mend it.
    """

    MERGE = "merge"
    REWRITE = "rewrite"
    REMOVE = "remove"
    LEAVE = "leave"


class Repair(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done for one key, and what both sides must still be when it is done."""

    key: Key
    difference: DifferenceClass
    action: RepairAction
    because: str
    leader: str
    follower: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The repairs for the differences of one report. `left_out` counts those that did not fit into this plan."""

    report: str
    collection: str
    leader: str
    made_at: datetime
    repairs: tuple[Repair, ...] = ()
    left_out: int = 0


def plan_text(plan: Plan) -> bytes:
    """Return the plan as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(plan), indent=2) + b"\n"


def plan_of_text(text: bytes) -> Plan:
    """Return the plan of such a text; BadPlan when it is none."""
    try:
        return msgspec.json.decode(text, type=Plan)
    except ValueError as error:
        raise BadPlan(reason=str(error)) from error


def repair_of(collection: Collection[Any], found: Difference, sides: Sides, control: Control) -> Repair:
    """Return what mends a difference."""
    action, because = _action(found.kind, sides, control)
    return Repair(
        key=found.key,
        difference=found.kind,
        action=action,
        because=because,
        leader=fingerprint(collection, sides.leader),
        follower=fingerprint(collection, sides.follower),
    )


def stamp_above(sides: Sides, control: Control) -> Stamp:
    """Return a stamp above both sides', above the floor, and of the current epoch or a later one."""
    held = [side.stamp for side in (sides.leader, sides.follower) if side is not None]
    before = Stamp(max(stamp.epoch for stamp in held), max(control.floor, *(stamp.seq for stamp in held)))
    return before.next(control.epoch)


def _action(kind: DifferenceClass, sides: Sides, control: Control) -> tuple[RepairAction, str]:
    if isinstance(sides.leader, Unreadable):
        return RepairAction.LEAVE, f"The leader's record cannot be read ({sides.leader.error}). Mend it there first."
    if any(side is not None and side.stamp.seq >= SEQ_MAX for side in (sides.leader, sides.follower)):
        return RepairAction.LEAVE, "There is no higher stamp than the one that somebody gave this key."
    match kind:
        case DifferenceClass.EXTRA:
            return RepairAction.REMOVE, "The leader knows no such key. What the follower has is kept as a dead letter."
        case DifferenceClass.AHEAD:
            because = "The follower's stamp is above the leader's. Its record is kept as a dead letter."
        case DifferenceClass.DIVERGENT:
            because = "Both have the same stamp, so only a higher one can replace what the follower has."
        case DifferenceClass.UNREADABLE:
            because = "The follower's record cannot be read. It is kept as a dead letter."
        case _ if sides.leader is not None and sides.leader.stamp == Stamp():
            because = "The leader's record carries no stamp yet."
        case DifferenceClass.MISSING if sides.leader is not None and sides.leader.stamp.seq <= control.absent_through:
            because = "Tombstones of this age were purged, so a merge would take the record for one that was removed."
        case _:
            return RepairAction.MERGE, "The leader's record is newer than what the follower has."
    return RepairAction.REWRITE, because
