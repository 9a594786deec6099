"""Tombstones in PostgreSQL: which there are, since when they are known, and their end."""

from collections.abc import Sequence
from datetime import datetime

from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import Tombstone
from mystira.polyglot.store import Conflict, Key
from mystira.polyglot.stores.postgres.connections import Connections
from mystira.polyglot.stores.postgres.query import quoted
from mystira.polyglot.stores.postgres.rows import Rows

_NOTE = """
INSERT INTO polyglot.tombstones AS known (collection, partition, id, stamp, first_seen)
SELECT $1, k.partition, k.id, k.stamp, $5 FROM unnest($2::text[], $3::text[], $4::bigint[]) AS k(partition, id, stamp)
ON CONFLICT (collection, partition, id) DO UPDATE SET stamp = excluded.stamp, first_seen = excluded.first_seen
WHERE known.stamp <> excluded.stamp
"""

_OLD = """
SELECT partition, id, stamp FROM polyglot.tombstones WHERE collection = $1 AND first_seen <= $2
ORDER BY first_seen, partition, id LIMIT $3
"""

_FORGET = """
DELETE FROM polyglot.tombstones
WHERE collection = $1 AND (partition, id) IN (SELECT * FROM unnest($2::text[], $3::text[]))
"""

_STANDING = "SELECT {partition}, id, _stamp FROM {table} WHERE _deleted ORDER BY {keys} LIMIT $1"

# A task in the relay's outbox says that the documents may be about to get this tombstone once more.
_REMOVE = """
WITH fence AS MATERIALIZED (
  SELECT 1 FROM polyglot.locked_control($1::text) WHERE n = $2::bigint AND state = 'OPEN'),
gone AS (
  DELETE FROM {table} USING fence WHERE {partition} = $3::text AND id = $4::text AND _deleted AND _stamp = $5::bigint
    AND NOT EXISTS (SELECT 1 FROM polyglot.relay_outbox AS due
      WHERE due.collection = $1 AND due.partition = $3 AND due.id = $4)
  RETURNING 1)
SELECT EXISTS (SELECT 1 FROM fence), EXISTS (SELECT 1 FROM gone)
"""


async def standing_tombstones(connections: Connections, rows: Rows, limit: int) -> list[Tombstone]:
    """Return the tombstones among a table's rows."""
    keys = ", ".join(map(quoted, rows.keys))
    statement = _STANDING.format(partition=quoted(rows.keys[0]), table=rows.table, keys=keys)
    async with connections.connection() as connection:
        return [_tombstone(*row) for row in await connection.fetch(statement, limit)]


async def note_tombstones(connections: Connections, name: str, found: Sequence[Tombstone], now: datetime) -> None:
    """Remember since when these are known; a newer tombstone of the same key begins anew."""
    ordered = sorted(found)
    if not ordered:
        return
    keys = [one.key for one in ordered]
    columns = [key.partition for key in keys], [key.id for key in keys], [one.stamp.packed for one in ordered]
    async with connections.connection(writes=True) as connection:
        await connection.execute(_NOTE, name, *columns, now)


async def old_tombstones(connections: Connections, name: str, before: datetime, limit: int) -> list[Tombstone]:
    """Return what was noted that early, the oldest first."""
    async with connections.connection() as connection:
        return [_tombstone(*row) for row in await connection.fetch(_OLD, name, before, limit)]


async def forget_tombstones(connections: Connections, name: str, keys: Sequence[Key]) -> None:
    """Forget since when the tombstones of these keys are known."""
    if keys:
        async with connections.connection(writes=True) as connection:
            await connection.execute(_FORGET, name, [key.partition for key in keys], [key.id for key in keys])


async def remove_tombstone(connections: Connections, rows: Rows, key: Key, stamp: Stamp, n: int) -> bool:
    """Remove the row under the fence while it is this very tombstone; Conflict when the control row is not at `n`."""
    statement = _REMOVE.format(table=rows.table, partition=quoted(rows.keys[0]))
    async with connections.connection(writes=True) as connection:
        allowed, gone = await connection.fetchrow(statement, rows.collection.name, n, *key, stamp.packed)
    if not allowed:
        raise Conflict(f"{rows.collection.name}: the control row is no longer open at n {n}")
    return gone


def _tombstone(partition: str, id: str, stamp: int) -> Tombstone:
    return Tombstone(Key(str(partition), id), Stamp.unpack(stamp))
