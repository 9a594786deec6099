"""What every verb of replication works with."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change, Control, first_control, leads
from mystira.polyglot.journal import Journal, RelationalStore
from mystira.polyglot.leadership import Tempo
from mystira.polyglot.store import DocumentStore


class Replication(NamedTuple):
    """Both stores and the means to act on them. `name` tells this process from others in leases and in the history."""

    catalog: Catalog
    documents: DocumentStore
    relational: RelationalStore
    tempo: Tempo = Tempo()
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    name: str = "process"

    @property
    def journal(self) -> Journal:
        """What replication keeps on the relational side."""
        return self.relational.journal

    async def row(self, collection: Collection[Any]) -> Control:
        """Return the collection's control row, made if need be."""
        return await self.journal.declare(first_control(collection))

    def noted(self, verb: str, before: Control, after: Control, actor: str, why: str) -> Change:
        """Return the line of history for a change of the control row."""
        return Change(
            collection=before.id,
            verb=verb,
            actor=actor,
            why=why,
            at=self.clock(),
            n=after.n,
            before=leads(before),
            after=leads(after),
        )
