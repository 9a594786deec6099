"""Who leads a collection now: the control row in PostgreSQL, and its copy beside the documents.

The row is the only arbiter of transitions. The copy lets writers go on while PostgreSQL is away: where documents
lead, they lease it. Row and copy carry a version `n`, one more at every transition, aborts included; the copy moves
only to a higher `n`, by a conditional write.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity, Stamp
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.store import DocumentStore, Key, Record


class State(StrEnum):
    """Whether writers may write. COMMITTING exists on the copy only: from there the row decides."""

    OPEN = "OPEN"
    DRAIN = "DRAIN"
    COMMITTING = "COMMITTING"


class Control(Entity, frozen=True, kw_only=True):
    """The control state of one collection; `id` is the collection's name.

    `copying` says that the follower keeps the other store's copy, `complete` that this copy holds everything. `target`,
    `coordinator` and `deadline` describe the transition in progress. `floor` is the lowest seq a new key starts above.
    Every key with a seq up to `purged` was carried over before tombstones were purged: what is absent was removed.
    `shadow` is the share of reads that the follower is asked for as well.
    """

    phase: Phase
    n: int = 1
    epoch: int = 0
    state: State = State.OPEN
    copying: bool = False
    complete: bool = False
    target: Phase | None = None
    coordinator: str = ""
    deadline: datetime | None = None
    floor: int = 0
    purged: int = 0
    shadow: float = 0.0

    @property
    def leader(self) -> Leader:
        """Which store commits writes and serves reads."""
        return self.phase.leader

    @property
    def absent_through(self) -> int:
        """Up to which seq a record that has no row was removed for good: a late old version must not come back."""
        # A copy that is being filled lacks records that live; where PostgreSQL leads it lacks none.
        return self.purged if self.complete or self.leader is Leader.RELATIONAL else 0

    @property
    def has_fresh_copy(self) -> bool:
        """Whether the relational side may answer reads that documents lead: only once the copy holds everything."""
        return self.phase is Phase.DUAL_WRITE_COSMOS_READ

    @property
    def has_whole_copy(self) -> bool:
        """Whether the store that follows holds everything, whichever it is."""
        return self.copying and self.complete

    def opened(self, n: int, **changes: Any) -> "Control":
        """Return the state in which writers may write, no transition under way."""
        return self.evolve(n=n, state=State.OPEN, target=None, coordinator="", deadline=None, **changes)


CONTROLS = Collection(Control, container="PolyglotControl", table="polyglot_control")


def first_control(collection: Collection[Any]) -> Control:
    """Return the control state that a collection is born with: its declared phase, nothing to copy yet."""
    both = collection.phase in (Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ)
    return Control(id=collection.name, phase=collection.phase, copying=both, complete=both)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a collection's history: who did what to its control state, when, and why.

    `details` belongs to the verb: a flip keeps its certificate there.
    """

    collection: str
    verb: str
    actor: str
    why: str = ""
    at: datetime
    n: int = 0
    before: str = ""
    after: str = ""
    details: dict[str, Any] = {}


def leads(control: Control) -> str:
    """Return phase and state in the form in which the history tells them."""
    return f"{control.phase}/{control.state} epoch {control.epoch}"


def stamp_before(base: Record | None, control: Control) -> Stamp:
    """Return the stamp that the next write of a key follows; what may have been purged starts above the floor.

    A tombstone may be purged on one side while it is written over on the other.
    """
    if base is not None and not base.deleted:
        return base.stamp
    before = base.stamp if base else Stamp()
    return Stamp(before.epoch, max(before.seq, control.floor))


async def read_copy(documents: DocumentStore, name: str) -> Record | None:
    """Return the record of a collection's control copy; its entity is a Control."""
    return await documents.read(CONTROLS, Key(name, name))


def control_of(copy: Record) -> Control:
    """Return the control state that a copy's record holds."""
    assert isinstance(copy.entity, Control)
    return copy.entity


def copy_may_become(copy: Record | None, control: Control) -> bool:
    """Tell whether a copy may be replaced: only by a higher `n`, or by the next step of the same transition."""
    if copy is None:
        return True
    before = control_of(copy)
    same_but_further = control.n == before.n and (before.state, control.state) == (State.DRAIN, State.COMMITTING)
    return control.n > before.n or same_but_further or control == before


async def write_copy(documents: DocumentStore, base: Record | None, control: Control) -> Record:
    """Replace the copy that was read; Conflict when somebody else did meanwhile. The caller has checked the move."""
    parent = base.stamp if base else Stamp()
    key = Key(control.id, control.id)
    record = Record(key=key, entity=control, stamp=parent.next(0), parent=parent, op=f"{control.n}/{control.state}")
    await documents.write(CONTROLS, record, base)
    return record


async def next_n(documents: DocumentStore, row: Control) -> int:
    """Return the version of the next change: above the row's, and above a copy that was reopened without the row."""
    copy = await read_copy(documents, row.id)
    return max(row.n, control_of(copy).n if copy else 0) + 1


async def heal_copy(documents: DocumentStore, row: Control) -> bool:
    """Bring the copy to the row's state where the row is ahead; tell whether the copy now says what the row says."""
    copy = await read_copy(documents, row.id)
    if copy is not None and control_of(copy) == row:
        return True
    if copy is not None and control_of(copy).n >= row.n:
        return False
    await write_copy(documents, copy, row)
    return True
