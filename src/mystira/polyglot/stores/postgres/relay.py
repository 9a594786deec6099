"""The relay's outbox: the keys whose rows the documents do not hold yet."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import Pending, RelayTask
from mystira.polyglot.phases import Phase
from mystira.polyglot.queues import WaitingKey
from mystira.polyglot.store import Key
from mystira.polyglot.stores.postgres.connections import Connections
from mystira.polyglot.stores.postgres.query import quoted
from mystira.polyglot.stores.postgres.rows import Rows

REFILL_PAGE = 5_000

_CLAIM = """
UPDATE polyglot.relay_outbox SET claimed_until = coalesce($3, claimed_until) WHERE (collection, partition, id) IN (
  SELECT collection, partition, id FROM polyglot.relay_outbox
  WHERE parked_at IS NULL AND (next_try_at IS NULL OR next_try_at <= $2)
    AND (claimed_until IS NULL OR claimed_until <= $2 OR $3::timestamptz IS NULL)
    AND ($4::text IS NULL OR collection = $4)
  ORDER BY enqueued_at, collection, partition, id LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING enqueued_at, collection, partition, id, stamp, attempts
"""

# The row comes first, as in every write: whoever took the task's lock first could wait for the row forever. A part
# that changes rows runs when another part asks for its result, so both that touch the task ask for `seen`. A
# task with a newer stamp stays and goes again at once, behind the others: its row was written meanwhile.
_CONFIRM = """
WITH seen AS (
  UPDATE {table} SET _doc_seen = $3 WHERE {key_is} AND _doc_seen < $3 RETURNING 1),
gone AS (
  DELETE FROM polyglot.relay_outbox USING (SELECT count(*) FROM seen) AS first
  WHERE collection = $4 AND partition = $1 AND id = $2 AND stamp <= $3 RETURNING 1)
UPDATE polyglot.relay_outbox SET claimed_until = NULL, enqueued_at = now()
FROM (SELECT count(*) AS number FROM gone) AS done, (SELECT count(*) FROM seen) AS first
WHERE done.number = 0 AND collection = $4 AND partition = $1 AND id = $2
"""

# What failed was the stamp that was claimed; a newer one has not failed yet.
_RETRY = """
UPDATE polyglot.relay_outbox SET claimed_until = NULL,
  attempts = CASE WHEN stamp = $4 THEN attempts + 1 ELSE attempts END,
  last_error = CASE WHEN stamp = $4 THEN $5 ELSE last_error END,
  next_try_at = CASE WHEN stamp = $4 THEN $6::timestamptz ELSE next_try_at END,
  parked_at = CASE WHEN stamp <> $4 THEN parked_at WHEN $6::timestamptz IS NULL THEN now() END
WHERE collection = $1 AND partition = $2 AND id = $3
"""

_PENDING = """
SELECT count(*) FILTER (WHERE parked_at IS NULL), count(*) FILTER (WHERE parked_at IS NULL AND attempts > 0),
  count(*) FILTER (WHERE parked_at IS NOT NULL), min(enqueued_at) FILTER (WHERE parked_at IS NULL)
FROM polyglot.relay_outbox WHERE collection = $1
"""

_WAITING = """
SELECT partition, id, stamp, enqueued_at, attempts, coalesce(last_error, ''), next_try_at FROM polyglot.relay_outbox
WHERE collection = $1 AND parked_at IS NULL ORDER BY attempts = 0, enqueued_at, partition, id LIMIT $2
"""

_ENQUEUE = """
INSERT INTO polyglot.relay_outbox AS due (collection, partition, id, stamp)
SELECT $1, k.partition, k.id, k.stamp FROM unnest($2::text[], $3::text[], $4::bigint[]) AS k(partition, id, stamp)
ON CONFLICT (collection, partition, id) DO UPDATE SET stamp = greatest(due.stamp, excluded.stamp),
  attempts = 0, next_try_at = NULL, last_error = NULL, parked_at = NULL
"""

_REFILL = """
WITH page AS MATERIALIZED (
  SELECT {partition} AS partition, id, _stamp FROM {table} WHERE {follows} ORDER BY {keys} LIMIT $4),
due AS (
  INSERT INTO polyglot.relay_outbox (collection, partition, id, stamp)
  SELECT $1, partition, id, _stamp FROM page ON CONFLICT (collection, partition, id) DO NOTHING)
SELECT partition, id FROM page ORDER BY partition DESC, id DESC LIMIT 1
"""

_COMPLETE = "UPDATE polyglot.control SET complete = true WHERE collection = $1 AND n = $2"


async def enqueue(connection: Any, name: str, stamps: Sequence[tuple[Key, Stamp]]) -> None:
    """Tell the relay, within the caller's transaction, that the documents lack these rows' versions."""
    if stamps:
        keys = [key for key, _ in stamps]
        packed = [stamp.packed for _, stamp in stamps]
        await connection.execute(_ENQUEUE, name, [key.partition for key in keys], [key.id for key in keys], packed)


async def claim(
    connections: Connections, limit: int, now: datetime, lease_s: float | None, name: str | None
) -> list[RelayTask]:
    """Lease due relay tasks, the longest waiting first; None takes them whoever has a lease, and leaves that."""
    until = None if lease_s is None else now + timedelta(seconds=lease_s)
    async with connections.connection(writes=True) as connection:
        rows = await connection.fetch(_CLAIM, limit, now, until, name)
    return [
        RelayTask(collection=name, key=Key(partition, id), stamp=Stamp.unpack(stamp), attempts=attempts)
        for _, name, partition, id, stamp, attempts in sorted(rows)
    ]


async def confirm(connections: Connections, rows: Rows, task: RelayTask, sent: Stamp) -> None:
    """Forget the task unless the row was written again, and remember what the documents now hold."""
    async with connections.connection(writes=True) as connection:
        await connection.execute(_for_table(_CONFIRM, rows), *task.key, sent.packed, task.collection)


async def retry(connections: Connections, task: RelayTask, error: str, next_try_at: datetime | None) -> None:
    """Try again later; with None set it aside for a person."""
    values = (task.collection, *task.key, task.stamp.packed, error[:2_000], next_try_at)
    async with connections.connection(writes=True) as connection:
        await connection.execute(_RETRY, *values)


async def pending(connections: Connections, name: str) -> Pending:
    """Count the relay tasks of a collection."""
    async with connections.connection() as connection:
        waiting, retrying, parked, oldest_at = await connection.fetchrow(_PENDING, name)
    return Pending(waiting=waiting, retrying=retrying, parked=parked, oldest_at=oldest_at)


async def waiting(connections: Connections, name: str, limit: int) -> list[WaitingKey]:
    """Return the tasks that are not set aside, those that have failed first, then the longest waiting."""
    async with connections.connection() as connection:
        found = await connection.fetch(_WAITING, name, limit)
    return [
        WaitingKey(
            key=Key(partition, id),
            stamp=Stamp.unpack(stamp),
            since=since,
            attempts=attempts,
            error=error,
            next_try_at=next_try_at,
        )
        for partition, id, stamp, since, attempts, error, next_try_at in found
    ]


async def refill(connections: Connections, rows: Rows, n: int) -> None:
    """Enqueue every row, page by page, and mark the control row complete; with another `n` nothing is done.

    Writers that meet a page wait for its commit, so pages are small. A crash in between is harmless: it begins anew.
    What is written meanwhile enqueues itself.
    """
    last: tuple[str, str] | None = await _refill_page(connections, rows, n, ("", ""), ">=")
    while last is not None:
        last = await _refill_page(connections, rows, n, last, ">")


async def _refill_page(
    connections: Connections, rows: Rows, n: int, after: tuple[str, str], follows: str
) -> tuple[str, str] | None:
    name = rows.collection.name
    async with connections.transaction() as connection:
        control = await connection.fetchrow("SELECT phase, n FROM polyglot.locked_control($1)", name)
        if control is None or tuple(control) != (Phase.DUAL_WRITE_POSTGRES_READ, n):
            return None
        last = await connection.fetchrow(_for_table(_REFILL, rows, follows), name, *after, REFILL_PAGE)
        if last is not None:
            return tuple(last)
        await connection.execute(_COMPLETE, name, n)
        return None


def _for_table(statement: str, rows: Rows, follows: str = "") -> str:
    partition = quoted(rows.keys[0])
    if len(rows.keys) == 1:
        # Partition and id are the same; the unused parameter still needs a type.
        key_is, after = "id = $2", f"id {follows} $3 AND $2::text IS NOT NULL"
    else:
        key_is, after = f"{partition} = $1 AND id = $2", f"({partition}, id) {follows} ($2, $3)"
    return statement.format(table=rows.table, partition=partition, keys=rows.key_columns, key_is=key_is, follows=after)
