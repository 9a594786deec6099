"""Where the readers of a change feed stand, range by range, and who may read a range now."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from mystira.polyglot.positions import Move, RangePosition, Stream
from mystira.polyglot.store import Conflict
from mystira.polyglot.stores.postgres.connections import Connections

_BEGIN = """
INSERT INTO polyglot.feed_position AS at (collection, stream, range_id, continuation, caught_up, moved_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (collection, stream, range_id) DO UPDATE
SET continuation = $4, caught_up = at.caught_up OR $5, moved_at = $6 WHERE at.continuation = ''
RETURNING 1
"""

_GO_ON = """
UPDATE polyglot.feed_position SET continuation = $4, caught_up = caught_up OR $5, moved_at = $6
WHERE collection = $1 AND stream = $2 AND range_id = $3 AND continuation = $7
RETURNING 1
"""

_READ = """
SELECT range_id, continuation, caught_up, moved_at FROM polyglot.feed_position
WHERE collection = $1 AND stream = $2 ORDER BY range_id
"""

_LEASE = """
INSERT INTO polyglot.feed_position AS at (collection, stream, range_id, continuation, owner, leased_until)
VALUES ($1, $2, $3, '', $4, $5)
ON CONFLICT (collection, stream, range_id) DO UPDATE SET owner = $4, leased_until = $5
WHERE at.owner = $4 OR at.leased_until IS NULL OR at.leased_until <= $6
RETURNING continuation
"""

_SPLIT = """
INSERT INTO polyglot.feed_position (collection, stream, range_id, continuation, caught_up, moved_at)
SELECT $1, $2, successor, coalesce(at.continuation, ''), coalesce(at.caught_up, false), at.moved_at
FROM unnest($4::text[]) AS successor
LEFT JOIN polyglot.feed_position AS at ON at.collection = $1 AND at.stream = $2 AND at.range_id = $3
ON CONFLICT (collection, stream, range_id) DO NOTHING
"""

_HELD = "SELECT owner, leased_until FROM polyglot.feed_position WHERE leased_until > $1"

_FORGET = "DELETE FROM polyglot.feed_position WHERE collection = $1 AND stream = $2"


async def move_position(connection: Any, name: str, move: Move, now: datetime) -> None:
    """Move a stored continuation on within the caller's transaction; Conflict unless it is still the expected one."""
    values = (name, move.stream, move.range_id, move.continuation, move.caught_up, now)
    if move.expected:
        moved = await connection.fetchval(_GO_ON, *values, move.expected)
    else:
        moved = await connection.fetchval(_BEGIN, *values)
    if moved is None:
        raise Conflict(f"{name} {move.range_id}: another follower moved the position")


async def positions(connections: Connections, name: str, stream: Stream) -> list[RangePosition]:
    """Return where a stream stands in every range it has begun."""
    async with connections.connection() as connection:
        return [RangePosition(**dict(row)) for row in await connection.fetch(_READ, name, stream)]


async def lease_range(
    connections: Connections, name: str, stream: Stream, range_id: str, owner: str, now: datetime, lease_s: float
) -> str | None:
    """Take or renew a range; return its continuation, None while another one has it."""
    until = now + timedelta(seconds=lease_s)
    async with connections.connection(writes=True) as connection:
        return await connection.fetchval(_LEASE, name, stream, range_id, owner, until, now)


class Lease(NamedTuple):
    """A range of a feed that a worker has for itself until then."""

    owner: str
    until: datetime


async def held_leases(connections: Connections, now: datetime) -> list[Lease]:
    """Return the leases that hold now, of every collection and stream."""
    async with connections.connection() as connection:
        return [Lease(*row) for row in await connection.fetch(_HELD, now)]


async def split_range(
    connections: Connections, name: str, stream: Stream, range_id: str, successors: Sequence[str]
) -> None:
    """Let the ranges that follow a split go on where the split one stood; repeating it changes nothing."""
    async with connections.connection(writes=True) as connection:
        await connection.execute(_SPLIT, name, stream, range_id, list(successors))


async def forget_positions(connections: Connections, name: str, stream: Stream) -> None:
    """Let a stream begin anew."""
    async with connections.connection(writes=True) as connection:
        await connection.execute(_FORGET, name, stream)
