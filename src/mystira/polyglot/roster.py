"""Who may hold a lease on a collection that documents lead: whom a drain has to hear from.

A process enters itself before its first lease under each control version `n`, by a conditional write. So a coordinator
that has put the copy at DRAIN, and then proves by a conditional write that it read the roster as it stands, knows
everybody who can have a write on its way: who enters later finds the copy drained and gets no lease.
"""

from collections.abc import Mapping

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity, Stamp
from mystira.polyglot.store import Conflict, DocumentStore, Key, OutcomeUnknown, Record

TRIES = 8


class Roster(Entity, frozen=True, kw_only=True):
    """The writers of one collection, each with the control version that it entered itself under last."""

    writers: dict[str, int] = {}


ROSTERS = Collection(Roster, container="PolyglotRoster", table="polyglot_roster")


async def enter(documents: DocumentStore, name: str, writer: str, n: int) -> None:
    """Enter a writer of collection `name`; Conflict when the roster was changed at that moment."""
    base = await documents.read(ROSTERS, Key(name, name))
    await _write(documents, name, base, {**_writers(base), writer: n})


async def call_roster(documents: DocumentStore, name: str) -> Mapping[str, int]:
    """Return the roster as it stands now, whatever a replica shows; Conflict when it will not hold still."""
    for _ in range(TRIES):
        base = await documents.read(ROSTERS, Key(name, name))
        try:
            await _write(documents, name, base, _writers(base))
        except (Conflict, OutcomeUnknown):
            continue
        return _writers(base)
    raise Conflict(f"{name}: its roster will not hold still")


async def read_roster(documents: DocumentStore, name: str) -> Mapping[str, int]:
    """Return the roster as a read shows it, which may be as it was a moment ago."""
    return _writers(await documents.read(ROSTERS, Key(name, name)))


async def strike(documents: DocumentStore, name: str, gone: Mapping[str, int]) -> None:
    """Remove writers that did not enter themselves again since. Only for those whose every lease has ended."""
    if not gone:
        return
    for _ in range(TRIES):
        base = await documents.read(ROSTERS, Key(name, name))
        try:
            left = {writer: n for writer, n in _writers(base).items() if gone.get(writer) != n}
            await _write(documents, name, base, left)
        except (Conflict, OutcomeUnknown):
            continue
        return


def _writers(base: Record | None) -> dict[str, int]:
    return base.entity.writers if base is not None and isinstance(base.entity, Roster) else {}


async def _write(documents: DocumentStore, name: str, base: Record | None, writers: dict[str, int]) -> None:
    parent = base.stamp if base else Stamp()
    roster = Roster(id=name, writers=writers)
    record = Record(key=Key(name, name), entity=roster, stamp=parent.next(0), parent=parent, op=f"roster/{parent.seq}")
    await documents.write(ROSTERS, record, base)
