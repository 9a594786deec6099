"""Which processes are alive, and what the stores were used for, hour by hour: told by each process of itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from mystira.polyglot.stores.postgres.connections import Connections

SILENT_FOR = timedelta(days=1)

_BEAT = """
WITH gone AS (DELETE FROM polyglot.heartbeat WHERE at < $6)
INSERT INTO polyglot.heartbeat (process, services, started_at, at, facts) VALUES ($1, $2, $3, $4, $5::jsonb)
ON CONFLICT (process) DO UPDATE SET services = excluded.services, at = excluded.at, facts = excluded.facts
"""
_USE = """
INSERT INTO polyglot.usage AS u (hour, store, collection, operation, calls, seconds, units)
SELECT $1, * FROM unnest($2::text[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::float8[])
ON CONFLICT (hour, store, collection, operation) DO UPDATE
SET calls = u.calls + excluded.calls, seconds = u.seconds + excluded.seconds, units = u.units + excluded.units
"""
_USED = """
SELECT store, collection, operation, sum(calls) AS calls, sum(seconds) AS seconds, sum(units) AS units
FROM polyglot.usage WHERE hour >= $1 AND hour < $2 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """One process: which services it runs, since when, when it was last heard of, and what it told of itself."""

    process: str
    services: tuple[str, ...]
    started_at: datetime
    at: datetime
    facts: dict[str, float] = {}


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of call of one collection came to: how many, how long together, at how many request units."""

    store: str
    collection: str
    operation: str
    calls: float = 0.0
    seconds: float = 0.0
    units: float = 0.0


async def beat(connections: Connections, beating: Heartbeat) -> None:
    """Keep that a process is alive; whoever was silent for a day is forgotten."""
    facts = msgspec.json.encode(beating.facts).decode()
    about = (beating.process, list(beating.services), beating.started_at, beating.at, facts)
    async with connections.connection(writes=True) as connection:
        await connection.execute(_BEAT, *about, beating.at - SILENT_FOR)


async def leave(connections: Connections, process: str) -> None:
    """Forget a process that ends as it should."""
    async with connections.connection(writes=True) as connection:
        await connection.execute("DELETE FROM polyglot.heartbeat WHERE process = $1", process)


async def heartbeats(connections: Connections) -> list[Heartbeat]:
    """Return every process that was heard of within a day."""
    async with connections.connection() as connection:
        rows = await connection.fetch("SELECT * FROM polyglot.heartbeat ORDER BY services, process")
    return [msgspec.convert({**row, "facts": msgspec.json.decode(row["facts"])}, Heartbeat) for row in rows]


async def add_usage(connections: Connections, at: datetime, used: Sequence[Usage]) -> None:
    """Add to what the stores were used for in this hour."""
    if not used:
        return
    names = ("store", "collection", "operation", "calls", "seconds", "units")
    columns: list[list[Any]] = [[getattr(one, name) for one in used] for name in names]
    async with connections.connection(writes=True) as connection:
        await connection.execute(_USE, at.replace(minute=0, second=0, microsecond=0), *columns)


async def usage_between(connections: Connections, since: datetime, until: datetime) -> list[Usage]:
    """Return what the stores were used for in the hours that began between these moments."""
    async with connections.connection() as connection:
        return [Usage(**dict(row)) for row in await connection.fetch(_USED, since, until)]


async def first_hour(connections: Connections) -> datetime | None:
    """Return the first hour whose use is known."""
    async with connections.connection() as connection:
        return await connection.fetchval("SELECT min(hour) FROM polyglot.usage")


async def size_bytes(connections: Connections) -> int:
    """Return how much the database holds."""
    async with connections.connection() as connection:
        return await connection.fetchval("SELECT pg_database_size(current_database())")
