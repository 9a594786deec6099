"""The event outbox: what happened, waiting to be told, in order per key."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from mystira.polyglot.journal import OutboxEvent, Pending
from mystira.polyglot.store import Key, StoredEvent
from mystira.polyglot.stores.postgres.connections import Connections
from mystira.polyglot.stores.postgres.rows import OUTBOX_COLUMNS


def copying(used: int, only_with: str = "") -> str:
    """Return the parts of a statement that copy events: `mark` and `told`; eleven parameters follow the first `used`.

    Marks move on in key order, so that two merges cannot deadlock. The upsert waits for whoever has a mark and then
    sees it, even where there was none; `before` is what stood, so only the events beyond it are told.
    """
    name, *p = (f"${used + number}" for number in range(1, 13))
    also = f", {only_with}" if only_with else ""
    return f"""
mark AS (
  INSERT INTO polyglot.events_copied AS at (collection, partition, id, through, before)
  SELECT {name}::text, k.partition, k.id, k.through, 0
  FROM unnest({p[0]}::text[], {p[1]}::text[], {p[2]}::bigint[]) AS k(partition, id, through){also}
  ON CONFLICT (collection, partition, id) DO UPDATE
  SET before = at.through, through = greatest(at.through, excluded.through)
  RETURNING at.partition, at.id, at.through, at.before),
told AS (
  INSERT INTO polyglot.event_outbox ({OUTBOX_COLUMNS})
  SELECT e.event_id, {name}::text, e.partition, e.id, e.seq, e.type, e.body::jsonb, e.occurred_at, e.correlation_id
  FROM unnest({p[3]}::text[], {p[4]}::text[], {p[5]}::text[], {p[6]}::bigint[], {p[7]}::text[], {p[8]}::text[],
    {p[9]}::timestamptz[], {p[10]}::text[])
    WITH ORDINALITY AS e(event_id, partition, id, seq, type, body, occurred_at, correlation_id, number)
  JOIN mark USING (partition, id) WHERE e.seq > mark.before ORDER BY e.number
  ON CONFLICT (event_id) DO NOTHING)"""  # noqa: S608 - the columns are a constant, the rest are numbers.


COPY = f"WITH {copying(0)} SELECT partition, id, through FROM mark"  # noqa: S608 - a constant.

COPIED_THROUGH = """
SELECT partition, id, through FROM polyglot.events_copied
WHERE collection = $1 AND (partition, id) IN (SELECT * FROM unnest($2::text[], $3::text[]))
"""

# Leases the first unsettled event of each key, the oldest keys first; an event set aside holds its key's later ones.
# Materialized, for a plan may otherwise run the choice once for each row that it updates, and lease them all. A lease
# that a crash forgets only lets an event come twice, as one that ran out does, so nobody waits for the disk.
CLAIM = """
WITH relaxed AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
chosen AS MATERIALIZED (
  SELECT position FROM polyglot.event_outbox AS o
  WHERE parked_at IS NULL AND (next_try_at IS NULL OR next_try_at <= $2)
    AND (claimed_until IS NULL OR claimed_until <= $2)
    AND NOT EXISTS (
      SELECT 1 FROM polyglot.event_outbox AS earlier
      WHERE earlier.collection = o.collection AND earlier.partition = o.partition AND earlier.id = o.id
        AND earlier.seq < o.seq)
  ORDER BY position LIMIT $1 FOR UPDATE SKIP LOCKED)
UPDATE polyglot.event_outbox AS o SET claimed_until = $3 FROM relaxed, chosen WHERE o.position = chosen.position
RETURNING o.position, event_id, collection, partition, id, seq, type, body, occurred_at, correlation_id, attempts
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
  count(*) FILTER (WHERE parked_at IS NOT NULL), min(occurred_at) FILTER (WHERE parked_at IS NULL)
FROM polyglot.event_outbox
"""

# Tells which marks (event id, slash, reaction) belong to events that are no longer in the outbox.
SETTLED_MARKS = """
SELECT mark FROM unnest($1::text[]) AS mark WHERE NOT EXISTS (
  SELECT 1 FROM polyglot.event_outbox WHERE starts_with(mark, event_id || '/'))
"""


async def copy_events(connection: Any, name: str, items: Mapping[Key, Sequence[StoredEvent]]) -> dict[Key, int]:
    """Copy the events that are new, within the caller's transaction; return how far each key is copied."""
    if not any(items.values()):
        return {}
    rows = await connection.fetch(COPY, name, *copied_values(items))
    return {Key(partition, id): through for partition, id, through in rows}


def copied_values(items: Mapping[Key, Sequence[StoredEvent]]) -> tuple[list[Any], ...]:
    """Return the parameters of `copying` that follow the collection's name."""
    keys = sorted(key for key, events in items.items() if events)
    through = [max(event.seq for event in items[key]) for key in keys]
    events = [(key, event) for key in keys for event in sorted(items[key], key=lambda event: event.seq)]
    return [key.partition for key in keys], [key.id for key in keys], through, *_columns(events)


async def copied_through(connection: Any, name: str, keys: Iterable[Key]) -> dict[Key, int]:
    """Return how far the events of these keys have been copied."""
    wanted = list(keys)
    if not wanted:
        return {}
    partitions, ids = [key.partition for key in wanted], [key.id for key in wanted]
    rows = await connection.fetch(COPIED_THROUGH, name, partitions, ids)
    return dict.fromkeys(wanted, 0) | {Key(partition, id): through for partition, id, through in rows}


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


async def claim_events(connections: Connections, limit: int, now: datetime, lease_s: float) -> list[OutboxEvent]:
    """Lease the oldest due events, at most the first of each key; an unsettled one comes again after the lease."""
    async with connections.connection(writes=True) as connection:
        rows = await connection.fetch(CLAIM, limit, now, now + timedelta(seconds=lease_s))
    events = [OutboxEvent(**{**dict(row), "body": msgspec.json.decode(row["body"])}) for row in rows]
    return sorted(events, key=lambda event: event.position)


async def settle(connections: Connections, events: Sequence[OutboxEvent]) -> None:
    """Forget events whose every effect has committed."""
    if events:
        async with connections.connection(writes=True) as connection:
            await connection.execute(SETTLE, [event.position for event in events])


async def retry(connections: Connections, event: OutboxEvent, error: str, next_try_at: datetime) -> None:
    """Try an event again later; the later events of its key wait for it."""
    async with connections.connection(writes=True) as connection:
        await connection.execute(RETRY, event.position, error[:2_000], next_try_at)


async def park(connections: Connections, event: OutboxEvent, error: str, now: datetime) -> None:
    """Set an event aside for a person; the later events of its key wait, those of other keys do not."""
    async with connections.connection(writes=True) as connection:
        await connection.execute(PARK, event.position, error[:2_000], now)


async def pending(connections: Connections) -> Pending:
    """Count what waits in the outbox."""
    async with connections.connection() as connection:
        waiting, retrying, parked, oldest_at = await connection.fetchrow(PENDING)
    return Pending(waiting=waiting, retrying=retrying, parked=parked, oldest_at=oldest_at)


async def settled_marks(connections: Connections, marks: Sequence[str]) -> frozenset[str]:
    """Return the handled marks whose delivery can never come again."""
    async with connections.connection() as connection:
        return frozenset(row["mark"] for row in await connection.fetch(SETTLED_MARKS, list(marks)))
