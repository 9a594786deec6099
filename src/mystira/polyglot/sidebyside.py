"""One record in both stores, field by field, with what each store says of its last operations."""

from collections.abc import Sequence
from typing import Any

import msgspec

from mystira.polyglot.canonical import canonical_body
from mystira.polyglot.collection import Collection
from mystira.polyglot.contrasts import ABSENT, Way, way_of
from mystira.polyglot.control import Control, first_control
from mystira.polyglot.differences import (
    DifferenceClass,
    difference_of,
    differing_places,
    field_of,
    fingerprint,
    shown,
    sides_of,
)
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import ENVELOPE
from mystira.polyglot.journal import DeadLetter, LetterFilter
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.query import Query, equal
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Incoming, Key, Record, StoredEvent, Unreadable
from mystira.polyglot.verify import unthrottled

SHOWN_MAX = 2_000
KEYS_MAX = 20


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """What one store holds of a key, apart from its body. `ops` are the last operations, the newest first.

    `events` are those that the document still carries, without what they say; `event_seq` tells how many there were.
    """

    stamp: Stamp
    state: str
    parent: Stamp | None = None
    ops: tuple[str, ...] = ()
    writer: str = ""
    handled: tuple[str, ...] = ()
    event_seq: int = 0
    events: tuple[StoredEvent, ...] = ()
    error: str = ""


class FieldPair(msgspec.Struct, frozen=True, kw_only=True):
    """One field, or one place in it: each store's value as JSON (None: it has none), and in which way they differ."""

    path: str
    document: str | None
    row: str | None
    way: Way | None = None
    is_personal: bool = False


class SideBySide(msgspec.Struct, frozen=True, kw_only=True):
    """A key as both stores hold it. `difference` None: they agree, or only one of them is meant to hold it.

    `letters` are without what they hold. `leader_print` and `follower_print` change whenever a side does; a repair
    hands them in again. Of records that `never_changes` holds for, and of no others, a process may remember something.
    """

    collection: str
    key: Key
    leader: Leader
    phase: str
    both_hold: bool
    never_changes: bool
    document: Held | None
    row: Held | None
    difference: DifferenceClass | None
    fields: tuple[FieldPair, ...]
    events_copied: int
    letters: tuple[DeadLetter, ...]
    leader_print: str
    follower_print: str

    @property
    def is_anywhere(self) -> bool:
        """Whether any store knows the key."""
        return self.document is not None or self.row is not None


async def keys_of(r: Replication, collection: Collection[Any], id: str) -> Sequence[Key]:
    """Return the keys of live records with this id; where the id is the whole key, there is just that one."""
    if collection.partition == "id":
        return [Key(id, id)]
    query = Query(where=equal("id", id), limit=KEYS_MAX)
    documents = await unthrottled(r, lambda: r.documents.search(collection, query))
    rows = await r.relational.search(collection, query)
    return sorted({record.key for record in (*documents, *rows)})


async def side_by_side(r: Replication, collection: Collection[Any], key: Key, *, reveal: bool) -> SideBySide:
    """Look a key up in both stores. Without `reveal`, of personal and of unknown fields only the length is told."""
    control = await r.journal.control(collection.name) or first_control(collection)
    document, row = await _both(r, collection, key, control)
    sides = sides_of(control.leader, document, row)
    both_hold = control.copying and control.phase is not Phase.POSTGRES_ONLY
    found = difference_of(collection, key, sides, control) if both_hold else None
    return SideBySide(
        collection=collection.name,
        key=key,
        leader=control.leader,
        phase=control.phase,
        both_hold=both_hold,
        never_changes=collection.never_changes,
        document=_held(document),
        row=_held(row),
        difference=found and found.kind,
        fields=tuple(_fields(collection, document, row, reveal=reveal)),
        events_copied=(await r.journal.copied_through(collection.name, [key]))[key],
        letters=tuple(await _letters(r, collection, key)),
        leader_print=fingerprint(collection, sides.leader),
        follower_print=fingerprint(collection, sides.follower),
    )


async def _letters(r: Replication, collection: Collection[Any], key: Key) -> Sequence[DeadLetter]:
    letters = await r.journal.letters(LetterFilter(collection=collection.name, key=key, newest_first=True))
    # What they hold is personal as well, and belongs where letters are looked at.
    return [msgspec.structs.replace(letter, payload={}, rival={}) for letter in letters]


async def _both(
    r: Replication, collection: Collection[Any], key: Key, control: Control
) -> tuple[Incoming | None, Incoming | None]:
    """Read the follower first: what it holds, the leader held before, so that it never seems to be ahead."""
    if control.leader is Leader.DOCUMENTS:
        row = (await r.relational.look(collection, [key])).get(key)
        document = (await unthrottled(r, lambda: r.documents.look(collection, [key]))).get(key)
    else:
        document = (await unthrottled(r, lambda: r.documents.look(collection, [key]))).get(key)
        row = (await r.relational.look(collection, [key])).get(key)
    return document, row


def _held(side: Incoming | None) -> Held | None:
    if side is None:
        return None
    if isinstance(side, Unreadable):
        return Held(stamp=side.stamp, state="unreadable", error=side.error)
    return Held(
        stamp=side.stamp,
        state="removed" if side.deleted else "live",
        parent=side.parent,
        ops=tuple(op for op in (side.op, *side.recent_ops) if op),
        writer=side.writer,
        handled=side.handled,
        event_seq=side.event_seq,
        events=tuple(msgspec.structs.replace(event, body={}) for event in side.events),
    )


def _fields(
    collection: Collection[Any], document: Incoming | None, row: Incoming | None, *, reveal: bool
) -> list[FieldPair]:
    """Return every field of the body, and the bookkeeping where it differs, the differing places one by one."""
    left, right = _body(collection, document), _body(collection, row)
    apart: dict[str, list[tuple[str, Any, Any]]] = {}
    if isinstance(document, Record) and isinstance(row, Record):
        for place in differing_places(collection, document, row):
            apart.setdefault(field_of(place[0]), []).append(place)
    elif document is not None and row is not None:
        for name in left.keys() | right.keys():
            one, other = left.get(name, ABSENT), right.get(name, ABSENT)
            if one != other:
                apart[name] = [(name, one, other)]
    pairs: list[FieldPair] = []
    for name in sorted({*left, *right} - {ENVELOPE}) + [ENVELOPE] * (ENVELOPE in apart):
        for path, one, other in apart.get(name, [(name, left.get(name, ABSENT), right.get(name, ABSENT))]):
            pairs.append(_pair(collection, path, one, other, is_apart=name in apart, reveal=reveal))
    return pairs


def _body(collection: Collection[Any], side: Incoming | None) -> dict[str, Any]:
    if side is None:
        return {}
    return side.body if isinstance(side, Unreadable) else canonical_body(collection, side) or {}


def _pair(
    collection: Collection[Any], path: str, document: Any, row: Any, *, is_apart: bool, reveal: bool
) -> FieldPair:
    name = field_of(path)
    declared = collection.by_document_name.get(name)
    # Nobody has said of an unknown field whether it identifies a person.
    is_personal = name != ENVELOPE and (declared is None or declared.name in collection.personal)
    shows = reveal or not is_personal
    return FieldPair(
        path=path,
        document=shown(document, shows, SHOWN_MAX),
        row=shown(row, shows, SHOWN_MAX),
        way=way_of(document, row) if is_apart else None,
        is_personal=is_personal,
    )
