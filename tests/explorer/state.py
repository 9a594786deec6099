"""What the model remembers: the control row and its copy, the coordinators, the writers, one key, and what was told.

There is no clock. A deadline may have passed at any moment; a lease may end at any moment; and when a coordinator's
wait for silence ends, every lease that was asked for before that wait began has ended too. More time is not needed.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Any, NamedTuple, Self

import msgspec

from mystira.polyglot.control import Control, copy_may_become
from mystira.polyglot.entity import Entity, Stamp
from mystira.polyglot.merge import Standing
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.store import Key, Record

COSMOS, DUAL, REVERSED, POSTGRES = Phase
DEADLINE = datetime(2026, 1, 1, tzinfo=UTC)
KEY = Key("k", "k")


class World(NamedTuple):
    """How much may happen: transitions begun by each coordinator, writes by each writer.

    The last writer may sleep between asking whether its lease lasts and writing. Where reads are `stale`, a read of the
    copy may show what stood before. With `deaths`, a coordinator may die, give up, and miss an answer. `entered` tells
    whether the writers are in the roster at first. `without` names the rules that nobody keeps.
    """

    starts: tuple[int, ...] = (1, 1)
    writes: tuple[int, ...] = (0, 0)
    outage: bool = True
    stale: bool = True
    phase: Phase = DUAL
    relays: int = 1
    deaths: bool = True
    entered: bool = True
    without: frozenset[str] = frozenset()

    def keeps(self, rule: str) -> bool:
        return rule not in self.without


class Version(NamedTuple):
    """The key's record as one store holds it; `ops` is all it was made of, its own op last."""

    stamp: Stamp = Stamp(0, 1)
    parent: Stamp = Stamp()
    ops: tuple[str, ...] = ("first",)
    relayed: bool = False


Entries = frozenset[tuple[int, int]]
"""Writers by number, each with the n under which it entered the roster, or stood down."""


class Part(msgspec.Struct, frozen=True, gc=False):
    """Like a named tuple, and several times as fast where millions are made."""

    def _replace(self, **changes: Any) -> Self:
        return msgspec.structs.replace(self, **changes)


class Actor(Part, frozen=True, gc=False):
    """A coordinator or a writer: at which await it stands, and what it holds in its hands there.

    `row` is the control row it read, `mine` the control state it wants, `copy` the copy it read; `fresh` tells whether
    its If-Match would still succeed. `old` holds a bit for every coordinator whose wait began after `term`, or the
    request for it, did; `sent_old` the same of the write on its way.
    `entered` is the n that a writer entered the roster under; `called` is the roster that a coordinator read.
    """

    at: str = "idle"
    left: int = 0
    row: Control | None = None
    mine: Control | None = None
    copy: Control | None = None
    fresh: bool = False
    term: Control | None = None
    believes: Leader = Leader.DOCUMENTS
    old: int = 0
    sent: Version | None = None
    sent_old: int = 0
    entered: int = 0
    called: Entries = frozenset()

    def idle(self) -> "Actor":
        return self._replace(
            at="idle", row=None, mine=None, copy=None, fresh=False, sent=None, sent_old=0, called=frozenset()
        )


class Relay(Part, frozen=True, gc=False):
    """The relay's hands: the document it read, or the row it is about to write over it."""

    at: str = "idle"
    document: Version | None = None
    row: Version | None = None
    fresh: bool = False


class State(Part, frozen=True, gc=False):
    """Everything. `fed`: the feed has passed the document as it is now. `task`: the relay's outbox holds the key.

    `before` is the copy that a lagging replica still shows; None where none lags.
    """

    row: Control
    copy: Control
    before: Control | None
    coordinators: tuple[Actor, ...]
    writers: tuple[Actor, ...]
    up: bool = True
    document: Version = Version()
    record: Version = Version()
    seen: Stamp = Stamp(0, 1)
    fed: bool = True
    task: bool = False
    relays: tuple[Relay, ...] = ()
    told: frozenset[str] = frozenset()
    letters: frozenset[str] = frozenset()
    roster: Entries = frozenset()
    stood_down: Entries = frozenset()
    trouble: str = ""


Step = tuple[str, State]


def first_state(world: World) -> State:
    epoch = 0 if world.phase is DUAL else 1
    control = Control(id="c", phase=world.phase, epoch=epoch, copying=True, complete=True)
    coordinators = tuple(Actor(left=starts) for starts in world.starts)
    writers = tuple(
        Actor(left=writes, believes=world.phase.leader, entered=int(world.entered)) for writes in world.writes
    )
    roster = frozenset((w, 1) for w in range(len(writers)) if world.entered)
    before = control if world.stale else None
    return State(control, control, before, coordinators, writers, relays=(Relay(),) * world.relays, roster=roster)


def with_coordinator(s: State, c: int, actor: Actor) -> State:
    return s._replace(coordinators=(*s.coordinators[:c], actor, *s.coordinators[c + 1 :]))


def with_writer(s: State, w: int, actor: Actor) -> State:
    return s._replace(writers=(*s.writers[:w], actor, *s.writers[w + 1 :]))


def with_relay(s: State, number: int, relay: Relay) -> State:
    return s._replace(relays=(*s.relays[:number], relay, *s.relays[number + 1 :]))


def copies(world: World, s: State) -> tuple[tuple[Control, bool], ...]:
    """What a read of the copy may show, and whether it is what stands (control.read_copy)."""
    if s.before is not None and s.before != s.copy:
        return (s.copy, True), (s.before, False)
    return ((s.copy, True),)


def copy_written(s: State, control: Control) -> State:
    """Replace the copy by If-Match (control.write_copy): what anybody else read of it before matches no more."""
    return s._replace(
        copy=control,
        before=s.copy if s.before is not None and control != s.copy else s.before,
        coordinators=tuple(a._replace(fresh=False) if a.fresh else a for a in s.coordinators),
        writers=tuple(a._replace(fresh=False) if a.fresh and a.sent is None else a for a in s.writers),
    )


def document_written(s: State, document: Version) -> State:
    return s._replace(
        document=document,
        fed=False,
        writers=tuple(a._replace(fresh=False) if a.fresh and a.sent is not None else a for a in s.writers),
        relays=tuple(r._replace(fresh=False) if r.fresh else r for r in s.relays),
    )


def forget_wait(s: State, c: int) -> State:
    """The wait of a coordinator is over, or nobody's any more."""
    bit = 1 << c
    return s._replace(
        writers=tuple(
            a._replace(old=a.old & ~bit, sent_old=a.sent_old & ~bit) if (a.old | a.sent_old) & bit else a
            for a in s.writers
        )
    )


@cache
def may_become(copy: Control, control: Control) -> bool:
    """The code's own rule R1, asked about what the model holds."""
    return copy_may_become(Record(key=Key("c", "c"), entity=copy, stamp=Stamp()), control)


@cache
def record_of(version: Version) -> Record:
    """A version as the code's own judges want to see it."""
    *before, op = version.ops
    return Record(
        key=KEY,
        entity=Entity(id=KEY.id),
        stamp=version.stamp,
        parent=version.parent,
        op=op,
        recent_ops=tuple(before),
        writer="relay" if version.relayed else "app",
    )


@cache
def standing_of(version: Version, seen: Stamp) -> Standing:
    *before, op = version.ops
    return Standing(version.stamp, op, tuple(before), seen)
