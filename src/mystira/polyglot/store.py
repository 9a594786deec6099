"""What a store promises: records with stamps, conditional writes, specifications; and the ways it may fail.

StoreError
├── Conflict        the record is no longer what the writer read (nothing was written)
├── OutcomeUnknown  the answer was lost: the write may have happened, or may happen yet
├── Unavailable     the store cannot be reached (nothing was written)
├── Throttled       the store asks to come back later (nothing was written)
├── TooLarge        the record does not fit (nothing was written)
├── Refused         a constraint beyond the key forbids it (nothing was written)
└── Held            a transition holds the collection's writes (nothing was written)
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NamedTuple, Protocol

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity, Stamp
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.query import Query, Where

RECENT_OPS_MAX = 8


class StoreError(Problem):
    """The data could not be reached just now. Please try again in a moment."""

    kind = Kind.UNAVAILABLE

    def __init__(self, detail: str = "", **facts: Any) -> None:
        """Adapters translate their drivers' errors into these; `detail` is for the log, never for the caller."""
        self.detail = detail
        super().__init__(**facts)

    def __str__(self) -> str:
        return self.detail or self.message


class Conflict(StoreError):
    """Somebody else changed this at the same moment. Please look again and repeat what you did."""

    kind = Kind.CONFLICT


class OutcomeUnknown(StoreError):
    """The answer got lost, so it is not known whether this was saved. Repeat it: nothing will happen twice."""


class Unavailable(StoreError):
    """The data store cannot be reached. Nothing was changed; please try again in a moment."""


class Throttled(StoreError):
    """Too much is going on just now. Nothing was changed; please try again in a moment."""

    def __init__(self, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(f"throttled, retry after {retry_after_s:.3f} s", retry_after_s=retry_after_s)


class TooLarge(StoreError):
    """This has become too large to be saved. Nothing was changed."""

    kind = Kind.TOO_LARGE


class Refused(StoreError):
    """This does not fit what is there already. Nothing was changed."""

    kind = Kind.CONFLICT


class Held(StoreError):
    """This is being moved just now. Nothing was changed; please try again in a moment."""

    def __init__(self, detail: str, retry_after_s: float) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(detail, retry_after_s=retry_after_s)


class Key(NamedTuple):
    """Where a record lives: unique together. Both parts are opaque text."""

    partition: str
    id: str


class StoredEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A fact as it travels with its record: `seq` counts the facts of one key, from 1."""

    seq: int
    event_id: str
    type: str
    occurred_at: datetime
    correlation_id: str = ""
    body: dict[str, Any] = {}


class Spilled(NamedTuple):
    """A reference to a spill document: the seq of its last event, and its id."""

    last: int
    id: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record as a store keeps it, whichever store that is. `entity` is None for a tombstone.

    `events` are those still carried by the record itself: documents carry them until the feed has copied them;
    the relational store puts the events of a write into the event outbox in the same transaction and reads
    none back. `spilled` refers to earlier ones that outgrew their document. `token` is the store's own mark for
    conditional writes (an ETag); it means nothing elsewhere.
    """

    key: Key
    entity: Entity | None
    stamp: Stamp
    parent: Stamp = Stamp()
    op: str = ""
    recent_ops: tuple[str, ...] = ()
    writer: Literal["app", "relay"] = "app"
    schema: int = 1
    handled: tuple[str, ...] = ()
    event_seq: int = 0
    events: tuple[StoredEvent, ...] = ()
    spilled: tuple[Spilled, ...] = ()
    extra: dict[str, Any] = {}
    token: str = ""

    @property
    def deleted(self) -> bool:
        """Whether this is a tombstone."""
        return self.entity is None


class Store(Protocol):
    """Holds records of many collections. Every adapter passes `tests/contracts/`."""

    async def read(self, collection: Collection[Any], key: Key) -> Record | None:
        """Return the newest committed record, a tombstone included, or None if there never was one."""
        ...

    async def write(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        """Replace `base` by `record` as one commit, or raise: absent or else (token, stamp) must still match.

        With `base` None the record must not exist, not even as a tombstone. The relational store commits
        `record.events` to the event outbox with it.
        """
        ...

    async def search(self, collection: Collection[Any], query: Query) -> Sequence[Record]:
        """Return at most `query.limit` live records in the query's order."""
        ...

    async def count(self, collection: Collection[Any], where: Where) -> int:
        """Return how many live records there are."""
        ...

    async def ping(self) -> None:
        """Raise Unavailable unless the store can answer now."""
        ...


class Unreadable(NamedTuple):
    """What does not fit its collection: kept as it is, so that it stops nobody but itself. `token` as in a record."""

    key: Key
    stamp: Stamp
    body: dict[str, Any]
    error: str
    token: str = ""


Incoming = Record | Unreadable
"""What comes from the documents, or is found when a store is looked through."""


class FeedItem(msgspec.Struct, frozen=True):
    """A record as the change feed shows it: the newest version, tombstones included."""

    record: Incoming
    position: int


class FeedPage(NamedTuple):
    """What a feed range shows after a continuation, oldest change first, one item a key; `charge` in request units."""

    items: Sequence[FeedItem]
    continuation: str
    has_more: bool
    charge: float = 0.0


class RangeGone(StoreError):
    """The feed range was split; its successors go on from the same continuation."""

    def __init__(self, successors: Sequence[str]) -> None:
        self.successors = tuple(successors)
        super().__init__(f"the feed range was split into {', '.join(successors)}")


class DocumentStore(Store, Protocol):
    """A store whose records carry their own events and are announced by a change feed.

    `reads_are_current` says that a read shows the newest committed version whoever wrote it; elsewhere only a
    conditional write proves that what was read still stands. `last_charge` holds the request units of the call
    answered last: read it before anything else is awaited.
    """

    reads_are_current: bool

    @property
    def last_charge(self) -> float:
        """The request units of the call answered last."""
        ...

    async def look(self, collection: Collection[Any], keys: Sequence[Key]) -> Mapping[Key, Incoming]:
        """Return what there is of these keys, whether it can be read or not."""
        ...

    async def remove(self, collection: Collection[Any], record: Record) -> None:
        """Remove a document for good, without a trace in the feed; Conflict unless it is still what was read."""
        ...

    async def latest(self, collection: Collection[Any], limit: int) -> Sequence[tuple[Key, Stamp]]:
        """Return what was changed last, the newest first, tombstones included: the store knows it without its feed."""
        ...

    async def feed_ranges(self, collection: Collection[Any]) -> Sequence[str]:
        """Return the ranges that together cover every partition key now."""
        ...

    async def feed(self, collection: Collection[Any], range_id: str, continuation: str, limit: int) -> FeedPage:
        """Return the next changes of one range; "" starts at the beginning. Raises RangeGone after a split."""
        ...
