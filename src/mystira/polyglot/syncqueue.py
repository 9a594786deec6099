"""What waits between the stores: exact where the outbox counts it, an estimate, marked as such, where the feed does."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.journal import LetterGroup
from mystira.polyglot.phases import Leader
from mystira.polyglot.positions import RangePosition, Stream
from mystira.polyglot.queues import WaitingKey
from mystira.polyglot.replication import Replication

LOOK_AHEAD = 1_000


class RangeLag(msgspec.Struct, frozen=True, kw_only=True):
    """How far the follower is behind in one range. `at_least`: more may wait than was counted.

    `seconds` is an estimate: how long the stored position has stood still while changes waited.
    """

    range_id: str
    changes: int
    at_least: bool
    seconds: float


class SyncQueue(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for one collection. What waits for the relay is exact; `seconds_behind` is an estimate where
    `is_estimate` says so."""

    collection: str
    leader: str
    ranges: tuple[RangeLag, ...] = ()
    changes_behind: int = 0
    seconds_behind: float = 0.0
    is_estimate: bool = True
    relay_waiting: int = 0
    relay_retrying: int = 0
    relay_parked: int = 0


class LettersOf(NamedTuple):
    """How many letters of a collection are tried again by themselves, and how many wait for a person."""

    retrying: int
    parked: int


def letters_of(tally: Mapping[LetterGroup, int], name: str) -> LettersOf:
    """Return what a tally says of one collection."""
    mine = [(group.parked, count) for group, count in tally.items() if group.collection == name]
    return LettersOf(*(sum(count for parked, count in mine if parked is wanted) for wanted in (False, True)))


async def sync_queue(r: Replication, collection: Collection[Any]) -> SyncQueue:
    """Look at everything that waits for a collection but its letters; nothing is changed."""
    row = await r.row(collection)
    relay = await r.journal.relay_pending(collection.name)
    behind = [lag async for lag in lags(r, collection)]
    return SyncQueue(
        collection=collection.name,
        leader=row.leader,
        ranges=tuple(behind),
        changes_behind=sum(lag.changes for lag in behind),
        seconds_behind=max((lag.seconds for lag in behind), default=0.0),
        is_estimate=row.leader is Leader.DOCUMENTS,
        relay_waiting=relay.waiting,
        relay_retrying=relay.retrying,
        relay_parked=relay.parked,
    )


async def lags(r: Replication, collection: Collection[Any]) -> AsyncGenerator[RangeLag]:
    """Yield how far the follower is behind, range by range."""
    positions = {p.range_id: p for p in await r.journal.positions(collection.name, Stream.FOLLOW)}
    now = r.clock()
    for range_id in await r.documents.feed_ranges(collection):
        position = positions.get(range_id, RangePosition(range_id=range_id, continuation=""))
        page = await r.documents.feed(collection, range_id, position.continuation, LOOK_AHEAD)
        yield RangeLag(
            range_id=range_id,
            changes=len(page.items),
            at_least=page.has_more,
            seconds=_seconds(position.moved_at, now) if page.items else 0.0,
        )


async def waiting_keys(r: Replication, collection: Collection[Any], limit: int) -> Sequence[WaitingKey]:
    """Return the keys whose changes wait for the other store: those that have failed first, then the oldest."""
    if (await r.row(collection)).leader is Leader.RELATIONAL:
        return await r.journal.relay_waiting(collection.name, limit)
    positions = {p.range_id: p.continuation for p in await r.journal.positions(collection.name, Stream.FOLLOW)}
    found: list[WaitingKey] = []
    for range_id in await r.documents.feed_ranges(collection):
        # A page of the feed fails or comes through whole, so here no key has attempts of its own: those are letters.
        page = await r.documents.feed(collection, range_id, positions.get(range_id, ""), limit)
        found += (WaitingKey(key=item.record.key, stamp=item.record.stamp) for item in page.items)
    return found[:limit]


def _seconds(moved_at: datetime | None, now: datetime) -> float:
    return max((now - moved_at).total_seconds(), 0.0) if moved_at else 0.0
