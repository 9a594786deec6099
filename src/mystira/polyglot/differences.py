"""How the two stores' records of one key differ: which class it is, and field by field. Pure.

Bodies are compared in their canonical form, and beside them the bookkeeping that both stores must keep alike: stamps,
ops, handled marks, counts of events. Waiting events and the way a record came are the document's own affair.
"""

from collections.abc import Iterator
from enum import StrEnum
from hashlib import sha256
from math import copysign
from typing import Any

import msgspec

from mystira.polyglot.canonical import canonical_body
from mystira.polyglot.collection import Collection
from mystira.polyglot.contrasts import ABSENT, Way, places, way_of
from mystira.polyglot.control import Control
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import ENVELOPE, to_document
from mystira.polyglot.fields import FieldKind
from mystira.polyglot.phases import Leader
from mystira.polyglot.store import Incoming, Key, Record, Unreadable

FIELDS_MAX = 50
SHOWN_MAX = 200

Place = tuple[str, Any, Any]
"""A path, and what each side has there."""

_KEPT_BY_BOTH = ("parent", "op", "ops", "deleted", "schema", "handled", "eventSeq")
_encode = msgspec.json.Encoder(order="deterministic").encode


class DifferenceClass(StrEnum):
    """What a difference means. All but LAGGING are differences for certain.

    LAGGING is on its way, or the key keeps changing. STALE: the follower holds an older stamp. AHEAD: a higher one,
    which nobody gave it. DIVERGENT: the same stamp, but something else. EXTRA: the leader knows nothing of the key.
    UNREADABLE: one side does not fit the collection.
    """

    LAGGING = "lagging"
    STALE = "stale"
    DIVERGENT = "divergent"
    MISSING = "missing"
    EXTRA = "extra"
    AHEAD = "ahead"
    UNREADABLE = "unreadable"


YOUNG_ONES = (DifferenceClass.STALE, DifferenceClass.MISSING)
"""What an ordinary lag looks like, too."""


class FieldDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One place where both sides differ: each side's value as JSON, None where it has none."""

    path: str
    leader: str | None
    follower: str | None
    way: Way


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One key that differs. Stamps are packed; None where that side has no record."""

    key: Key
    kind: DifferenceClass
    leader_stamp: int | None = None
    follower_stamp: int | None = None
    fields: tuple[FieldDifference, ...] = ()


class Sides(msgspec.Struct, frozen=True):
    """What leader and follower hold of one key."""

    leader: Incoming | None
    follower: Incoming | None


def sides_of(leader: Leader, document: Incoming | None, row: Incoming | None) -> Sides:
    """Return document and row by their roles."""
    return Sides(document, row) if leader is Leader.DOCUMENTS else Sides(row, document)


def difference_of(collection: Collection[Any], key: Key, sides: Sides, control: Control) -> Difference | None:
    """Return how a key differs, as if it had been so for long; None where both sides agree."""
    kind = _class_of(sides)
    if kind is None:
        kind = DifferenceClass.DIVERGENT
    elif _is_meant(collection, sides, control):
        return None
    fields = tuple(fields_that_differ(collection, sides))
    if kind is DifferenceClass.DIVERGENT and not fields:
        return None
    stamps = [None if side is None else side.stamp.packed for side in (sides.leader, sides.follower)]
    return Difference(key=key, kind=kind, leader_stamp=stamps[0], follower_stamp=stamps[1], fields=fields)


def at_age(found: Difference, age_s: float, lag_goal_s: float) -> Difference:
    """Return the difference as it counts at this age: what is younger than the lag goal may only be on its way."""
    if found.kind in YOUNG_ONES and age_s < lag_goal_s:
        return msgspec.structs.replace(found, kind=DifferenceClass.LAGGING)
    return found


def fingerprint(collection: Collection[Any], side: Incoming | None) -> str:
    """Return a short text that changes whenever anything changes that both stores keep of a record."""
    if side is None:
        return ""
    content = side.body if isinstance(side, Unreadable) else compared(collection, side)
    return f"{side.stamp.packed}-{sha256(_encode([side.stamp.packed, content])).hexdigest()[:16]}"


def compared(collection: Collection[Any], record: Record) -> dict[str, Any]:
    """Return all that both stores must hold alike: the canonical body, and the bookkeeping in document form."""
    envelope = to_document(collection, record)[ENVELOPE]
    body = canonical_body(collection, record) or {}
    return body | {ENVELOPE: {name: envelope[name] for name in _KEPT_BY_BOTH}}


def fields_that_differ(collection: Collection[Any], sides: Sides) -> Iterator[FieldDifference]:
    """Yield where two readable records differ, in the order of the names; at most FIELDS_MAX places."""
    if not isinstance(sides.leader, Record) or not isinstance(sides.follower, Record):
        return
    hidden = {collection.by_name[name].document_name for name in collection.personal}
    for count, (path, left, right) in enumerate(differing_places(collection, sides.leader, sides.follower)):
        if count == FIELDS_MAX:
            return
        shows = field_of(path) not in hidden
        way = way_of(left, right)
        yield FieldDifference(path=path, leader=shown(left, shows), follower=shown(right, shows), way=way)


def field_of(path: str) -> str:
    """Return the name of the document's field that a path leads into."""
    return path.split(".")[0].split("[")[0]


def _class_of(sides: Sides) -> DifferenceClass | None:
    leader, follower = sides.leader, sides.follower
    if leader is None or follower is None:
        if leader is follower:
            return None
        return DifferenceClass.EXTRA if leader is None else DifferenceClass.MISSING
    if isinstance(leader, Unreadable) or isinstance(follower, Unreadable):
        return DifferenceClass.UNREADABLE
    if leader.stamp != follower.stamp:
        return DifferenceClass.STALE if follower.stamp < leader.stamp else DifferenceClass.AHEAD
    return None


def _is_meant(collection: Collection[Any], sides: Sides, control: Control) -> bool:
    """Tell whether one side is absent for a good reason: a purge half done, or a document whose time was up."""
    only = sides.leader or sides.follower
    if (sides.leader and sides.follower) or only is None or isinstance(only, Unreadable):
        return False
    if only.deleted:
        # The follower loses a tombstone first.
        return sides.leader is only and Stamp() < only.stamp and only.stamp.seq <= control.purged
    row_only = only is (sides.follower if control.leader is Leader.DOCUMENTS else sides.leader)
    return row_only and collection.time_to_live_s is not None


def differing_places(collection: Collection[Any], leader: Record, follower: Record) -> Iterator[Place]:
    """Yield every place in which two records differ that both stores must hold alike."""
    led, followed = compared(collection, leader), compared(collection, follower)
    # Almost all records are alike, and their texts tell that much sooner than their parts.
    if _encode(led) != _encode(followed):
        yield from places(led, followed)
    for field in collection.fields:
        if field.kind is FieldKind.FLOAT:
            # JSON columns keep no sign of zero, so digests do without it. A column of floating-point numbers keeps it.
            left: Any = getattr(leader.entity, field.name, None)
            right: Any = getattr(follower.entity, field.name, None)
            if left == 0.0 and right == 0.0 and copysign(1, left) != copysign(1, right):
                yield field.document_name, left, right


def shown(value: Any, shows: bool, most: int = SHOWN_MAX) -> str | None:
    """Return a value as JSON, cut off where it is long; of what is personal only its length."""
    if value is ABSENT:
        return None
    text = _encode(value).decode()
    if not shows:
        # Reports are kept for long and read by many; what identifies a person does not belong there.
        return f"(personal, {len(text)} characters)"
    return text if len(text) <= most else f"{text[:most]}… ({len(text)} characters)"
