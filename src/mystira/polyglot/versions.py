"""What a unit of work stages, and the version of a record that comes of it. Pure."""

from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control, stamp_before
from mystira.polyglot.entity import Entity, Event, Stamp
from mystira.polyglot.merge import UNSTAMPED
from mystira.polyglot.store import RECENT_OPS_MAX, Key, Record, StoredEvent


class Staged(msgspec.Struct, frozen=True):
    """The change of one aggregate, and the facts that go with it; without an entity it ends."""

    collection: Collection[Any]
    key: Key
    entity: Entity | None
    events: tuple[Event, ...]


def next_version(
    staged: Staged,
    base: Record | None,
    control: Control,
    *,
    op: str,
    handled: tuple[str, ...],
    events: tuple[StoredEvent, ...],
) -> Record:
    """Return the record that follows `base` under this control state."""
    assert staged.entity is None or base is None or base.entity is None or not staged.collection.never_changes, (
        f"{staged.collection.name} declares that its records never change"
    )
    before = stamp_before(base, control)
    parent = base.stamp if base else Stamp()
    extra = base.extra if base else {}
    if base is not None and base.stamp == UNSTAMPED:
        # Other software wrote it over the version that `parent` names, or as something new.
        parent = base.parent
        before = Stamp(parent.epoch, max(parent.seq, control.floor))
    return Record(
        key=staged.key,
        entity=staged.entity,
        stamp=before.next(epoch=control.epoch),
        parent=parent,
        op=op,
        recent_ops=((base.op, *base.recent_ops)[:RECENT_OPS_MAX] if base else ()),
        schema=staged.collection.schema,
        handled=handled,
        event_seq=events[-1].seq if events else (base.event_seq if base else 0),
        events=((*base.events, *events) if base else events),
        spilled=base.spilled if base else (),
        extra={} if staged.entity is None else staged.collection.extra_beside(staged.entity, extra),
    )
