"""How far the filling of a relational copy has come, and what it may cost."""

from typing import Any

from mystira.polyglot.journal import Backfill
from mystira.polyglot.stores.postgres.connections import Connections

_COLUMNS = (
    *("collection", "state", "units_per_s", "latency_ms", "seen", "seconds"),
    *("total_low", "total_high", "started_at", "finished_at"),
)
_NAMES = ", ".join(_COLUMNS)

_READ = f"SELECT {_NAMES} FROM polyglot.backfill WHERE collection = $1"  # noqa: S608 - the columns are a constant.

_IS_FILLING = "SELECT EXISTS (SELECT 1 FROM polyglot.backfill WHERE state = 'running')"

_PUT = f"""
INSERT INTO polyglot.backfill ({_NAMES}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (collection) DO UPDATE SET ({_NAMES}) = ROW ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""  # noqa: S608 - the columns are a constant.

_ADD = "UPDATE polyglot.backfill SET seen = seen + $2, seconds = seconds + $3 WHERE collection = $1"


async def read_backfill(connections: Connections, name: str) -> Backfill | None:
    """Return the state of a collection's backfill."""
    async with connections.connection() as connection:
        row = await connection.fetchrow(_READ, name)
    return row and Backfill(**dict(row))


async def is_filling(connections: Connections) -> bool:
    """Tell whether any backfill is running."""
    async with connections.connection() as connection:
        return await connection.fetchval(_IS_FILLING)


async def put_backfill(connections: Connections, job: Backfill) -> None:
    """Keep the state of a backfill."""
    values: list[Any] = [getattr(job, name) for name in _COLUMNS]
    async with connections.connection(writes=True) as connection:
        await connection.execute(_PUT, *values)


async def add_to_backfill(connections: Connections, name: str, seen: int, seconds: float) -> None:
    """Add to a backfill's counts."""
    async with connections.connection(writes=True) as connection:
        await connection.execute(_ADD, name, seen, seconds)
