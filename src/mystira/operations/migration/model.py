"""The last hour of each collection's lag, sampled now and then."""

from datetime import datetime, timedelta

from mystira.polyglot.entity import Entity, Value

KEPT = timedelta(hours=1)
EVERY = timedelta(seconds=30)


class LagPoint(Value, frozen=True, kw_only=True):
    """What waited at one moment: changes on their way, how long they had waited, and what had failed."""

    at: datetime
    changes: int
    seconds: float
    retrying: int
    dead: int


class LagHistory(Entity, frozen=True, kw_only=True):
    """The last hour of one collection; the id is the collection's name."""

    points: tuple[LagPoint, ...] = ()

    def is_due(self, now: datetime) -> bool:
        """Whether it is time for another sample; several workers so share the work."""
        return not self.points or now - self.points[-1].at >= EVERY

    def with_point(self, point: LagPoint) -> "LagHistory":
        """Return it with one more sample, and without those that are too old."""
        kept = tuple(one for one in self.points if point.at - one.at <= KEPT)
        return self.evolve(points=(*kept, point))
