"""Samples every collection's lag now and then, so that its last hour can be drawn."""

from typing import Any

from mystira.operations.migration.model import LagHistory, LagPoint
from mystira.polyglot.collection import Collection
from mystira.polyglot.journal import LetterFilter
from mystira.polyglot.replication import Replication
from mystira.polyglot.syncqueue import sync_queue
from mystira.polyglot.work import Work, Works


class LagSampler:
    """Takes a sample of each collection whose copy is kept, unless another worker has just done so."""

    def __init__(self, works: Works, r: Replication) -> None:
        self._works = works
        self._r = r

    async def step(self) -> int:
        """Take what samples are due. Never asks to be called again at once."""
        copied = {row.id for row in await self._r.journal.controls() if row.copying}
        for collection in self._r.catalog:
            if collection.name in copied:
                history = await self._works.open().get(LagHistory, collection.name)
                if history is None or history.is_due(self._works.clock()):
                    await self._works.run(_keep, collection.name, await self._point(collection))
        return 0

    async def _point(self, collection: Collection[Any]) -> LagPoint:
        queue = await sync_queue(self._r, collection, letters=1)
        chosen = LetterFilter(collection=collection.name)
        dead = (await self._r.journal.letters_count(chosen)).get(collection.name, 0)
        return LagPoint(
            at=self._works.clock(),
            changes=queue.changes_behind + queue.relay_waiting,
            seconds=round(queue.seconds_behind if queue.changes_behind else 0.0, 3),
            retrying=queue.relay_retrying,
            dead=dead + queue.relay_parked,
        )


async def _keep(work: Work, name: str, point: LagPoint) -> None:
    history = await work.get(LagHistory, name) or LagHistory(id=name)
    if history.is_due(point.at):
        work.save(history.with_point(point))
