"""Where people who run the platform read from, and how old it may be: the copy where there is a whole one."""

from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import first_control
from mystira.polyglot.entity import Entity
from mystira.polyglot.phases import Leader
from mystira.polyglot.query import Query
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Store
from mystira.polyglot.syncqueue import lags
from mystira.polyglot.verify import unthrottled

STALE_S = 5.0


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: the leader itself, or a copy that lacks the last `changes` (`at_least`: or more of them).

    `seconds` is an estimate: how long the oldest of those has waited.
    """

    store: Leader
    is_copy: bool
    phase: str
    changes: int = 0
    at_least: bool = False
    seconds: float = 0.0

    @property
    def is_stale(self) -> bool:
        """Whether the copy lags further behind than it should."""
        return self.is_copy and self.seconds > STALE_S


async def source_of(r: Replication, collection: Collection[Any]) -> Source:
    """Return where a collection is to be read, and how fresh that is."""
    control = await r.journal.control(collection.name) or first_control(collection)
    if not control.has_fresh_copy:
        return Source(store=control.leader, is_copy=False, phase=control.phase)
    behind = [lag async for lag in lags(r, collection)]
    return Source(
        store=Leader.RELATIONAL,
        is_copy=True,
        phase=control.phase,
        changes=sum(lag.changes for lag in behind),
        at_least=any(lag.at_least for lag in behind),
        seconds=max((lag.seconds for lag in behind), default=0.0),
    )


async def search_in(
    r: Replication, reader: Store, source: Source, collection: Collection[Any], query: Query
) -> list[Entity]:
    """Return a page of live records from there; rows are read through `reader`, which may be one that only reads."""
    if source.store is Leader.RELATIONAL:
        records = await reader.search(collection, query)
    else:
        records = await unthrottled(r, lambda: r.documents.search(collection, query))
    return [record.entity for record in records if record.entity is not None]
