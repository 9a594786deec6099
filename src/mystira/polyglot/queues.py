"""What waits on the relational side, and how far long jobs have come: plain values that the journal keeps."""

from datetime import datetime
from typing import Any

import msgspec

from mystira.polyglot.entity import Stamp
from mystira.polyglot.store import Key


class RelayTask(msgspec.Struct, frozen=True, kw_only=True):
    """One key whose row the documents do not hold yet; `stamp` is the row's when it was last enqueued."""

    collection: str
    key: Key
    stamp: Stamp
    attempts: int = 0


class WaitingKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key whose change waits for the other store; `since` is None where nobody keeps the time.

    `attempts` counts the failed ones, the last with `error`. Without `next_try_at` it is tried in its turn.
    """

    key: Key
    stamp: Stamp
    since: datetime | None = None
    attempts: int = 0
    error: str = ""
    next_try_at: datetime | None = None


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
    """How much waits: due or soon due, failed at least once, and set aside for a person.

    `oldest_at`: since when the longest waiting one waits; None where nothing does, or where nobody keeps the time.
    """

    waiting: int
    retrying: int
    parked: int
    oldest_at: datetime | None = None


class Backfill(msgspec.Struct, frozen=True, kw_only=True):
    """The filling of one collection's relational copy. Budgets of None do not limit."""

    collection: str
    state: str = "running"
    units_per_s: float | None = None
    latency_ms: float | None = None
    seen: int = 0
    seconds: float = 0.0
    total_low: int = 0
    total_high: int = 0
    started_at: datetime | None = None
    finished_at: datetime | None = None


class ShadowReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the shadow reads of one process have shown of one collection since its rate was set."""

    collection: str
    process: str
    compared: int
    mismatches: int
    at: datetime
