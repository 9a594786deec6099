"""Keeps a sample of every collection's lag now and then, so that its last hour can be drawn."""

from collections.abc import Mapping

from mystira.operations.migration.model import LagHistory, LagPoint
from mystira.polyglot.sampling import Reading
from mystira.polyglot.work import Work, Works


async def keep_lags(works: Works, readings: Mapping[str, Reading]) -> None:
    """Keep what the sampler has just read of each collection, unless another worker has done so."""
    for name, read in readings.items():
        history = await works.open().get(LagHistory, name)
        if history is None or history.is_due(read.at):
            await works.run(_keep, name, LagPoint(**read._asdict()))


async def _keep(work: Work, name: str, point: LagPoint) -> None:
    history = await work.get(LagHistory, name) or LagHistory(id=name)
    if history.is_due(point.at):
        work.save(history.with_point(point))
