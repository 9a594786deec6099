"""Tells of this process every few seconds: that it is alive, how busy it is, and what it used the stores for."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from mystira.polyglot import measures
from mystira.polyglot.measures import Labels
from mystira.polyglot.stores.postgres.connections import Connections
from mystira.polyglot.stores.postgres.heartbeats import Heartbeat, Usage, add_usage, beat, leave


class Beater:
    """Tells what is new since it told last. What could not be told is told with the next beat."""

    def __init__(
        self, connections: Connections, *, process: str, services: Sequence[str], clock: Callable[[], datetime]
    ) -> None:
        self._connections = connections
        self._process = process
        self._services = tuple(services)
        self._clock = clock
        self._told_at = self._started_at = clock()
        self._told_usage = _used()
        self._told_counts = _counts()

    async def step(self) -> int:
        """Beat once."""
        now, used, counts = self._clock(), _used(), _counts()
        minutes = max((now - self._told_at).total_seconds(), 1.0) / 60
        facts = {name: (count - self._told_counts[name]) / minutes for name, count in counts.items()}
        heartbeat = Heartbeat(
            process=self._process, services=self._services, started_at=self._started_at, at=now, facts=facts
        )
        await beat(self._connections, heartbeat)
        await add_usage(self._connections, now, _grown(self._told_usage, used))
        self._told_at, self._told_usage, self._told_counts = now, used, counts
        return 0

    async def end(self) -> None:
        """Take leave: a process that ends as it should is not missed."""
        await leave(self._connections, self._process)


def _counts() -> dict[str, float]:
    requests = {labels: sum(counts) for labels, counts in measures.HTTP_REQUESTS.buckets.items()}
    return {
        "events": measures.EVENTS.values[("delivered",)],
        "failed_events": measures.EVENTS.values[("retried",)] + measures.EVENTS.values[("parked",)],
        "requests": sum(requests.values()),
        "failed_requests": sum(count for labels, count in requests.items() if labels[-1].startswith("5")),
        "failed_loops": sum(measures.LOOP_FAILURES.values.values()),
    }


def _used() -> Mapping[Labels, Usage]:
    charged = measures.REQUEST_UNITS.values.items()
    units: dict[Labels, float] = {("documents", *labels): spent for labels, spent in charged}
    calls, seconds = measures.COLLECTION_CALLS.values, measures.COLLECTION_SECONDS.values
    return {
        at: Usage(
            store=at[0],
            collection=at[1],
            operation=at[2],
            calls=calls.get(at, 0.0),
            seconds=seconds.get(at, 0.0),
            units=units.get(at, 0.0),
        )
        for at in sorted({*calls, *units})
    }


def _grown(before: Mapping[Labels, Usage], after: Mapping[Labels, Usage]) -> list[Usage]:
    nothing = Usage(store="", collection="", operation="")
    grown: list[Usage] = []
    for at, now in sorted(after.items()):
        told = before.get(at, nothing)
        if (now.calls, now.units) != (told.calls, told.units):
            grown.append(
                Usage(
                    store=at[0],
                    collection=at[1],
                    operation=at[2],
                    calls=now.calls - told.calls,
                    seconds=now.seconds - told.seconds,
                    units=now.units - told.units,
                )
            )
    return grown
