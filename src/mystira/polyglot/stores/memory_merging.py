"""What one merge in memory works with: rows, the newest of each key, what was done so far, letters."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import DeadLetter, LetterKind, Merged
from mystira.polyglot.merge import Standing, Verdict, stragglers_among
from mystira.polyglot.phases import Leader
from mystira.polyglot.store import Incoming, Key, Record

Version = tuple[Key, Stamp, str]


class Row(msgspec.Struct):
    """A record and the newest stamp that is known to have been in the documents."""

    record: Record
    seen: Stamp = Stamp()

    @property
    def standing(self) -> Standing:
        """What a merge compares with."""
        return Standing(self.record.stamp, self.record.op, self.record.recent_ops, self.seen)


class Tally:
    """What one merge has done so far; `applied` holds one round's records with the rows they replaced."""

    def __init__(self) -> None:
        self.parked = 0
        self.verdicts: defaultdict[Verdict, int] = defaultdict(int)
        self.verdict_of: dict[Version, Verdict] = {}
        self.applied: list[tuple[Record, Row | None]] = []
        self.through: dict[Key, int] = {}

    def merged(self, leader: Leader) -> Merged:
        """Return what the merge tells its caller."""
        return Merged(
            applied=self.verdicts[Verdict.APPLY],
            same=self.verdicts[Verdict.SAME],
            superseded=self.verdicts[Verdict.SUPERSEDED],
            parked=self.parked + self.verdicts[Verdict.DIVERGENT],
            conflicts=self.verdicts[Verdict.CONFLICT],
            stragglers=stragglers_among(self.verdicts, leader),
            through=self.through,
        )


def newest_of(items: Sequence[Incoming], done: Tally) -> tuple[dict[Key, Incoming], list[Incoming]]:
    """Return one item a key, and what has the same stamp but another op; count the others."""
    newest: dict[Key, Incoming] = {}
    rivals: list[Incoming] = []
    for item in items:
        other = newest.get(item.key)
        if other is None:
            newest[item.key] = item
        elif item.stamp != other.stamp:
            newest[item.key] = max(item, other, key=_stamp)
            done.verdicts[Verdict.SUPERSEDED] += 1
        elif isinstance(item, Record) and isinstance(other, Record) and item.op == other.op:
            done.verdicts[Verdict.SAME] += 1
        else:
            rivals.append(item)
    return newest, rivals


def _stamp(item: Incoming) -> Stamp:
    return item.stamp


def version_of(record: Record) -> Version:
    """Return what tells a version from every other, rivals of one stamp included."""
    return record.key, record.stamp, record.op


def first_event(record: Record) -> tuple[Key, int]:
    """Return where a record's events belong in the order of all: key by key."""
    return record.key, record.events[0].seq


def letter_of(
    collection: Collection[Any],
    item: Incoming,
    kind: LetterKind,
    payload: dict[str, Any],
    error: str,
    rival: dict[str, Any] | None = None,
) -> DeadLetter:
    """Return the dead letter of one item, not yet buried."""
    return DeadLetter(
        collection=collection.name,
        key=item.key,
        kind=kind,
        stamp=item.stamp,
        op=item.op if isinstance(item, Record) else "",
        payload=payload,
        rival=rival or {},
        error=error,
    )
