"""The one merge: what a record that comes from the documents means for the relational copy. Pure.

Inline dual write, change feed, backfill, retries, repair and the reverse relay all ask `judge`. Order, repetition and
delay of records stop mattering; only leaving one out would matter.
"""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from mystira.polyglot.entity import Stamp
from mystira.polyglot.phases import Leader
from mystira.polyglot.store import Record

UNSTAMPED = Stamp()


class Verdict(StrEnum):
    """What to do with an incoming record."""

    APPLY = "apply"
    SAME = "same"
    SUPERSEDED = "superseded"
    DIVERGENT = "divergent"
    CONFLICT = "conflict"


class Standing(msgspec.Struct, frozen=True):
    """What the relational copy holds of a key. `seen` is the newest stamp known to have been in the documents."""

    stamp: Stamp
    op: str
    recent_ops: tuple[str, ...]
    seen: Stamp


def judge(incoming: Record, standing: Standing | None, leader: Leader) -> Verdict:
    """Return what an incoming document means beside what stands, given who leads."""
    if incoming.stamp == UNSTAMPED:
        # Software that knows no stamps wrote it. The follower stamps it where documents lead, and then it comes again.
        return Verdict.SUPERSEDED if leader is Leader.DOCUMENTS else Verdict.CONFLICT
    if standing is None:
        return Verdict.APPLY
    if leader is Leader.DOCUMENTS:
        return _follow(incoming, standing)
    return _look_for_straggler(incoming, standing)


def _follow(incoming: Record, standing: Standing) -> Verdict:
    if is_newer(incoming.stamp, standing.stamp):
        return Verdict.APPLY
    if incoming.stamp < standing.stamp:
        return Verdict.SUPERSEDED
    # One write has one op, so the same stamp under another op is another body: somebody broke a rule.
    return Verdict.SAME if incoming.op == standing.op else Verdict.DIVERGENT


def _look_for_straggler(incoming: Record, standing: Standing) -> Verdict:
    if (incoming.stamp, incoming.op) == (standing.stamp, standing.op):
        return Verdict.SAME
    if not is_straggler(incoming, standing):
        return Verdict.SUPERSEDED
    # Its parent is what stands, so nothing was written since it was read: it simply came late.
    return Verdict.APPLY if continues(incoming, standing) else Verdict.CONFLICT


def is_purged(incoming: Record, standing: Standing | None, absent_through: int) -> bool:
    """Tell whether an incoming document is a late version of a record whose tombstone has been purged."""
    return standing is None and incoming.stamp > UNSTAMPED and incoming.stamp.seq <= absent_through


def judge_purged(incoming: Record, leader: Leader) -> Verdict:
    """Return what a late version of a purged record means: it never comes back by itself.

    Where the relational side leads it may be a straggler that made a new key under the old floor: a person decides.
    """
    is_from_app = incoming.writer == "app" and not incoming.deleted
    return Verdict.CONFLICT if leader is Leader.RELATIONAL and is_from_app else Verdict.SUPERSEDED


def is_newer(incoming: Stamp, standing: Stamp) -> bool:
    """Tell whether the incoming stamp supersedes the one that stands."""
    return incoming > standing


def is_straggler(incoming: Record, standing: Standing) -> bool:
    """Tell whether a document holds an app's write that the relational side, which leads, has not heard of.

    Echoes of the relay are told by their stamp. An op that stands already was repeated after the cut-over by the
    client that never got its answer.
    """
    if incoming.stamp <= standing.seen or incoming.writer == "relay":
        return False
    return not (incoming.op == standing.op or incoming.op in standing.recent_ops)


def stragglers_among(verdicts: Mapping[Verdict, int], leader: Leader) -> int:
    """Count what came to the documents late: where the relational side leads, nothing else is news from there."""
    return verdicts[Verdict.APPLY] + verdicts[Verdict.CONFLICT] if leader is Leader.RELATIONAL else 0


def continues(incoming: Record, standing: Standing) -> bool:
    """Tell whether the incoming write was made on top of exactly what stands."""
    return incoming.parent == standing.stamp


def tells(verdict: Verdict | None, leader: Leader) -> bool:
    """Tell whether the events of a record so judged are published; None: no copy is kept, so nothing was judged.

    Where the relational side leads, only what became part of its history is: a write that lost, or that its client
    repeated after the cut-over, must not speak.
    """
    if leader is Leader.RELATIONAL:
        return verdict in (Verdict.APPLY, Verdict.SAME)
    return verdict not in (Verdict.CONFLICT, Verdict.DIVERGENT)
