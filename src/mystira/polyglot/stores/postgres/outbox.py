"""The event outbox and the feed's positions: what happened, waiting to be told, in order per key."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from mystira.polyglot.store import Conflict, Key, StoredEvent
from mystira.polyglot.stores.postgres.rows import OUTBOX_COLUMNS
from mystira.polyglot.stores.postgres.store import PostgresStore


class OutboxEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One fact waiting to be delivered; `attempts` counts the failed ones."""

    position: int
    event_id: str
    collection: str
    partition: str
    id: str
    seq: int
    type: str
    body: dict[str, Any]
    occurred_at: datetime
    correlation_id: str
    attempts: int


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """How much waits: due or soon due, failed at least once, and set aside for a person."""

    waiting: int
    retrying: int
    parked: int


# Moves the stored continuation on, if it is still what the follower started from.
MOVE_POSITION = """
INSERT INTO polyglot.feed_position AS at (collection, range_id, continuation) VALUES ($1, $2, $4)
ON CONFLICT (collection, range_id) DO UPDATE SET continuation = $4 WHERE at.continuation = $3
RETURNING 1
"""

# Locks and reads how far each key's events have been copied, in key order so that two followers cannot deadlock.
COPIED_THROUGH = """
SELECT partition, id, through FROM polyglot.events_copied
WHERE collection = $1 AND (partition, id) IN (SELECT * FROM unnest($2::text[], $3::text[]))
ORDER BY partition, id FOR UPDATE
"""

# Remembers how far each key's events have been copied.
SET_COPIED = """
INSERT INTO polyglot.events_copied AS at (collection, partition, id, through)
SELECT $1, k.partition, k.id, k.through FROM unnest($2::text[], $3::text[], $4::bigint[]) AS k(partition, id, through)
ON CONFLICT (collection, partition, id) DO UPDATE SET through = greatest(at.through, excluded.through)
"""

# Adds copied events; an event that is there already stays as it is.
ADD_EVENTS = f"""
INSERT INTO polyglot.event_outbox ({OUTBOX_COLUMNS})
SELECT e.event_id, $1, e.partition, e.id, e.seq, e.type, e.body::jsonb, e.occurred_at, e.correlation_id
FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::timestamptz[], $9::text[])
  AS e(event_id, partition, id, seq, type, body, occurred_at, correlation_id)
ON CONFLICT (event_id) DO NOTHING
"""  # noqa: S608 - the columns are a constant.

# Leases the first unsettled event of each key, the oldest keys first; an event set aside holds its key's later ones.
CLAIM = """
UPDATE polyglot.event_outbox SET claimed_until = $3 WHERE position IN (
  SELECT position FROM polyglot.event_outbox AS o
  WHERE parked_at IS NULL AND (next_try_at IS NULL OR next_try_at <= $2)
    AND (claimed_until IS NULL OR claimed_until <= $2)
    AND NOT EXISTS (
      SELECT 1 FROM polyglot.event_outbox AS earlier
      WHERE earlier.collection = o.collection AND earlier.partition = o.partition AND earlier.id = o.id
        AND earlier.seq < o.seq)
  ORDER BY position LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING position, event_id, collection, partition, id, seq, type, body, occurred_at, correlation_id, attempts
"""

# Forgets delivered events.
SETTLE = "DELETE FROM polyglot.event_outbox WHERE position = ANY($1::bigint[])"

# Gives a failed event another time to be tried.
RETRY = """
UPDATE polyglot.event_outbox SET attempts = attempts + 1, last_error = $2, next_try_at = $3, claimed_until = NULL
WHERE position = $1
"""

# Sets an event aside for a person.
PARK = """
UPDATE polyglot.event_outbox SET attempts = attempts + 1, last_error = $2, parked_at = $3, claimed_until = NULL
WHERE position = $1
"""

# Counts what waits.
PENDING = """
SELECT count(*) FILTER (WHERE parked_at IS NULL), count(*) FILTER (WHERE parked_at IS NULL AND attempts > 0),
  count(*) FILTER (WHERE parked_at IS NOT NULL) FROM polyglot.event_outbox
"""

# Tells which marks (event id, slash, reaction) belong to events that are no longer in the outbox.
SETTLED_MARKS = """
SELECT mark FROM unnest($1::text[]) AS mark WHERE NOT EXISTS (
  SELECT 1 FROM polyglot.event_outbox WHERE starts_with(mark, event_id || '/'))
"""


async def feed_position(store: PostgresStore, collection: str, range_id: str) -> str:
    """Return the continuation from which this range goes on; "" at the beginning."""
    async with store.connection() as connection:
        statement = "SELECT continuation FROM polyglot.feed_position WHERE collection = $1 AND range_id = $2"
        return await connection.fetchval(statement, collection, range_id) or ""


async def split_position(store: PostgresStore, collection: str, range_id: str, successors: Sequence[str]) -> None:
    """Let the ranges that follow a split go on where the split one stood; repeating it changes nothing."""
    statement = """
    INSERT INTO polyglot.feed_position (collection, range_id, continuation)
    SELECT $1, successor, coalesce((SELECT continuation FROM polyglot.feed_position
      WHERE collection = $1 AND range_id = $2), '') FROM unnest($3::text[]) AS successor
    ON CONFLICT (collection, range_id) DO NOTHING
    """
    async with store.connection(writes=True) as connection:
        await connection.execute(statement, collection, range_id, list(successors))


async def copy_events(
    store: PostgresStore,
    collection: str,
    range_id: str,
    *,
    expected: str,
    continuation: str,
    items: Sequence[tuple[Key, Sequence[StoredEvent]]],
) -> dict[Key, int]:
    """Copy the events that are new and move the position on, in one transaction; return how far each key is copied.

    Conflict, and nothing written, when the stored position is not `expected`.
    """
    async with store.connection(writes=True) as connection, connection.transaction():
        if await connection.fetchval(MOVE_POSITION, collection, range_id, expected, continuation) is None:
            raise Conflict(f"{collection} {range_id}: another follower moved the position")
        if not items:
            return {}
        return await _copy(connection, collection, items)


async def _copy(connection: Any, collection: str, items: Sequence[tuple[Key, Sequence[StoredEvent]]]) -> dict[Key, int]:
    keys = sorted({key for key, _ in items})
    partitions, ids = [key.partition for key in keys], [key.id for key in keys]
    found = await connection.fetch(COPIED_THROUGH, collection, partitions, ids)
    through = {Key(row["partition"], row["id"]): row["through"] for row in found}
    new = [(key, event) for key, events in items for event in events if event.seq > through.get(key, 0)]
    if not new:
        return through
    await connection.execute(ADD_EVENTS, collection, *_columns(new))
    for key, event in new:
        through[key] = max(through.get(key, 0), event.seq)
    changed = sorted({key for key, _ in new})
    await connection.execute(
        SET_COPIED,
        collection,
        [key.partition for key in changed],
        [key.id for key in changed],
        [through[key] for key in changed],
    )
    return through


def _columns(events: Sequence[tuple[Key, StoredEvent]]) -> tuple[list[Any], ...]:
    return (
        [event.event_id for _, event in events],
        [key.partition for key, _ in events],
        [key.id for key, _ in events],
        [event.seq for _, event in events],
        [event.type for _, event in events],
        [msgspec.json.encode(event.body).decode() for _, event in events],
        [event.occurred_at for _, event in events],
        [event.correlation_id for _, event in events],
    )


async def claim_events(store: PostgresStore, limit: int, now: datetime, lease_s: float) -> list[OutboxEvent]:
    """Lease the oldest due events, at most the first of each key; an unsettled one comes again after the lease."""
    async with store.connection(writes=True) as connection:
        rows = await connection.fetch(CLAIM, limit, now, now + timedelta(seconds=lease_s))
    events = [OutboxEvent(**{**dict(row), "body": msgspec.json.decode(row["body"])}) for row in rows]
    return sorted(events, key=lambda event: event.position)


async def settle(store: PostgresStore, events: Sequence[OutboxEvent]) -> None:
    """Forget events whose every effect has committed."""
    if events:
        async with store.connection(writes=True) as connection:
            await connection.execute(SETTLE, [event.position for event in events])


async def retry(store: PostgresStore, event: OutboxEvent, error: str, next_try_at: datetime) -> None:
    """Try an event again later; the later events of its key wait for it."""
    async with store.connection(writes=True) as connection:
        await connection.execute(RETRY, event.position, error[:2_000], next_try_at)


async def park(store: PostgresStore, event: OutboxEvent, error: str, now: datetime) -> None:
    """Set an event aside for a person; the later events of its key wait, those of other keys do not."""
    async with store.connection(writes=True) as connection:
        await connection.execute(PARK, event.position, error[:2_000], now)


async def pending(store: PostgresStore) -> Pending:
    """Count what waits in the outbox."""
    async with store.connection() as connection:
        waiting, retrying, parked = await connection.fetchrow(PENDING)
    return Pending(waiting=waiting, retrying=retrying, parked=parked)


async def settled_marks(store: PostgresStore, marks: Sequence[str]) -> frozenset[str]:
    """Return the handled marks whose delivery can never come again."""
    async with store.connection() as connection:
        return frozenset(row["mark"] for row in await connection.fetch(SETTLED_MARKS, list(marks)))
