"""What the journal's contract tests do over and over: set a phase, merge, read, and look at what waits."""

from datetime import timedelta
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change, Control, State
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import DeadLetter, LetterFilter, Merged, OutboxEvent, RelationalStore
from mystira.polyglot.phases import Phase
from mystira.polyglot.positions import Move, Stream
from mystira.polyglot.store import Incoming, Key, Record, StoredEvent
from tests.contracts.sample import BRIEFS, NOW, Brief, record_of

COSMOS, DUAL, REVERSED, POSTGRES = Phase
LATER = NOW + timedelta(hours=1)


def change_of(verb: str = "flip", why: str = "") -> Change:
    return Change(collection=BRIEFS.name, verb=verb, actor="somebody", why=why, at=NOW, n=1)


async def begin(store: RelationalStore, phase: Phase, **more: Any) -> Control:
    """Declare the collection of the tests in a phase."""
    copying = phase in (Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ)
    values: dict[str, Any] = {"id": BRIEFS.name, "phase": phase, "copying": copying, "complete": copying}
    return await store.journal.declare(Control(**(values | more)))


async def flip(store: RelationalStore, before: Control, phase: Phase, **more: Any) -> Control:
    drained = more.pop("drained", False)
    after = before.evolve(phase=phase, n=before.n + 1, epoch=before.epoch + 1, state=State.OPEN, **more)
    await store.journal.change(before, after, change_of(), drained=drained)
    return after


def brief(
    seq: int,
    note: str = "",
    *,
    id: str = "a",
    epoch: int = 0,
    parent: Stamp | None = None,
    events: tuple[StoredEvent, ...] = (),
    **more: Any,
) -> Record:
    """A record as the documents show it; its op is its own unless told otherwise."""
    before = Stamp(epoch, seq - 1) if seq > 1 else Stamp()
    values: dict[str, Any] = {"op": f"op-{id}-{epoch}-{seq}", "stamp": Stamp(epoch, seq), "events": events}
    values["parent"] = before if parent is None else parent
    return record_of(Brief(id=id, note=note), collection=BRIEFS, **(values | more))


def gone(seq: int, id: str = "a") -> Record:
    """A tombstone as the documents show it."""
    return msgspec.structs.replace(brief(seq, id=id), entity=None)


def told(id: str, *seqs: int) -> tuple[StoredEvent, ...]:
    return tuple(
        StoredEvent(seq=seq, event_id=f"event-{id}-{seq}", type="Happened", occurred_at=NOW, body={"seq": seq})
        for seq in seqs
    )


async def merge(
    store: RelationalStore,
    *items: Incoming,
    move: Move | None = None,
    collection: Collection[Any] = BRIEFS,
    inline: bool = False,
) -> Merged:
    return await store.journal.merge(collection, items, NOW, move, inline=inline)


def counts(merged: Merged) -> dict[str, int]:
    """The counts that are not zero."""
    names = ("applied", "same", "superseded", "parked", "conflicts")
    return {name: getattr(merged, name) for name in names if getattr(merged, name)}


async def note_of(store: RelationalStore, id: str = "a") -> str | None:
    """The note that stands; None for a tombstone or nothing at all."""
    found = await store.read(BRIEFS, Key(id, id))
    return found.entity.note if found and isinstance(found.entity, Brief) else None


async def seen(store: RelationalStore, id: str = "a") -> Stamp:
    return (await store.journal.standing(BRIEFS, [Key(id, id)]))[Key(id, id)].seen


async def letters(store: RelationalStore, **which: Any) -> list[DeadLetter]:
    return list(await store.journal.letters(LetterFilter(**which)))


async def waiting(store: RelationalStore, hours: int = 0) -> list[OutboxEvent]:
    """Lease what is due; a later hour finds the leases run out."""
    return await store.journal.claim_events(100, NOW + timedelta(hours=hours), 60)


async def drain_events(store: RelationalStore) -> list[str]:
    """Settle every event that waits, in order; return their ids."""
    found: list[str] = []
    while events := await waiting(store):
        found += [event.event_id for event in events]
        await store.journal.settle(events)
    return found


def step(expected: str, continuation: str, *, stream: Stream = Stream.FOLLOW, **more: Any) -> Move:
    return Move(stream, "range-1", expected, continuation, **more)
