"""Events that have outgrown their document: while PostgreSQL is away they wait in documents of their own.

A spill is written before the record that refers to it, so a reference never points at nothing. If that record is not
committed after all, the spill is an orphan that nobody reads; `sweep_spills` removes it after a while. A spill that
was read as absent has been copied and removed, or a replica does not show it yet: the mark in the journal tells which.
"""

import hashlib
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity, Stamp
from mystira.polyglot.journal import Journal
from mystira.polyglot.store import (
    Conflict,
    DocumentStore,
    Key,
    OutcomeUnknown,
    Record,
    Spilled,
    StoredEvent,
    StoreError,
    Unavailable,
)
from mystira.polyglot.walking import every_page

PENDING_EVENTS_MAX = 100
PENDING_BYTES_MAX = 256 * 1024
TRIES = 6
SWEEP_PAGE = 200


class Spill(Entity, frozen=True, kw_only=True):
    """Whose events these are; the events themselves are in the envelope, as everywhere."""

    collection: str
    partition: str
    record_id: str
    made_at: datetime


SPILLS = Collection(Spill, container="PolyglotSpills", table="polyglot_spills")


def is_full(events: Sequence[StoredEvent]) -> bool:
    """Tell whether a document carries so many uncopied events that they must make room."""
    if len(events) >= PENDING_EVENTS_MAX:
        return True
    # A few events are never too large, and measuring costs time on every write.
    return len(events) > 1 and sum(len(msgspec.json.encode(event.body)) for event in events) >= PENDING_BYTES_MAX


async def put_aside(
    documents: DocumentStore, collection: Collection[Any], key: Key, events: Sequence[StoredEvent], now: datetime
) -> Spilled:
    """Keep events in a spill. The same events have the same name, so repeating it only makes the spill young again."""
    spilled = Spilled(events[-1].seq, _name(collection, key, events))
    at = Key(spilled.id, spilled.id)
    spill = Spill(id=spilled.id, collection=collection.name, partition=key.partition, record_id=key.id, made_at=now)
    base: Record | None = None
    for _ in range(TRIES):
        parent = base.stamp if base else Stamp()
        record = Record(key=at, entity=spill, stamp=parent.next(0), parent=parent, op=spilled.id, events=tuple(events))
        try:
            await documents.write(SPILLS, record, base)
        except (Conflict, OutcomeUnknown):
            # Whoever sweeps must find it young, or it could go before the record that refers to it is written.
            base = await documents.read(SPILLS, at)
            continue
        return spilled
    raise Conflict(f"{collection.name}: the spill will not hold still")


async def with_spilled(
    documents: DocumentStore, journal: Journal, collection: Collection[Any], record: Record
) -> Record:
    """Return the record with what it spilled in front of its own events; Unavailable while a spill is not to be seen.

    A record without spills is returned as it is.
    """
    if not record.spilled:
        return record
    events: list[StoredEvent] = []
    through: int | None = None
    for spilled in record.spilled:
        found = await documents.read(SPILLS, Key(spilled.id, spilled.id))
        if found is not None:
            events += found.events
            continue
        if through is None:
            through = (await journal.copied_through(collection.name, [record.key])).get(record.key, 0)
        if through < spilled.last:
            raise Unavailable(f"{collection.name}: events up to {spilled.last} were spilled and are not to be seen yet")
    return msgspec.structs.replace(record, events=(*events, *record.events), spilled=())


async def drop_spills(documents: DocumentStore, dropped: Iterable[Spilled]) -> None:
    """Remove spills that no record refers to any more; what fails here is left to the sweep."""
    for spilled in dropped:
        try:
            found = await documents.read(SPILLS, Key(spilled.id, spilled.id))
            if found is not None:
                await documents.remove(SPILLS, found)
        except StoreError:
            continue


def _name(collection: Collection[Any], key: Key, events: Sequence[StoredEvent]) -> str:
    # The last event names its commit and the first tells how much was copied then; ids may hold what no path may.
    told = msgspec.json.encode([collection.name, *key, events[0].seq, events[-1].event_id])
    return hashlib.blake2b(told, digest_size=16).hexdigest()


async def sweep_spills(documents: DocumentStore, collection: Collection[Any], older_than: datetime) -> int:
    """Remove the old spills of a collection that no document refers to; return how many there were."""
    swept = 0
    async for page in every_page(documents, SPILLS, SWEEP_PAGE):
        for item in page.items:
            if isinstance(item.record, Record) and await _is_orphan(documents, collection, item.record, older_than):
                # A writer that spills the same events anew has made it young again: then it stays.
                with suppress(Conflict):
                    await documents.remove(SPILLS, item.record)
                    swept += 1
    return swept


async def _is_orphan(
    documents: DocumentStore, collection: Collection[Any], record: Record, older_than: datetime
) -> bool:
    spill = record.entity
    if not isinstance(spill, Spill) or spill.collection != collection.name or spill.made_at > older_than:
        return False
    owner = await documents.read(collection, Key(spill.partition, spill.record_id))
    return owner is None or all(spilled.id != spill.id for spilled in owner.spilled)
