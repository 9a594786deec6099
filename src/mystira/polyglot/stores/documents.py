"""What every embedded document store refuses and counts: sizes, unstorable values, request units."""

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.envelope import from_document, to_document, unreadable
from mystira.polyglot.measures import spend
from mystira.polyglot.query import AllOf, Compare, Where
from mystira.polyglot.store import Incoming, Key, Record, Throttled, TooLarge, Unreadable
from mystira.polyglot.stores.reading import RecordDecoder
from mystira.polyglot.values import is_text, refuse_unstorable

DOCUMENT_BYTES_MAX = 2 * 1024 * 1024
DECODERS_MAX = 512

# The model of charges, in request units, after Azure Cosmos DB's: a point read of 1 KB costs 1, a write about five
# times as much, a query a base plus what it reads, and the base again where it crosses partitions. Every started KB
# counts. Refused writes cost a read, for the store had to look.
READ_UNITS_PER_KB = 1.0
WRITE_UNITS_PER_KB = 5.3
QUERY_UNITS = 2.3

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def dump(collection: Collection[Any], record: Record) -> bytes:
    """Return the document of a record as JSON; ValueError or TooLarge when no store could keep it."""
    refuse_unstorable(collection.container, record.entity)
    refuse_unstorable(f"{collection.container}.events", record.events)
    try:
        body = _encode(to_document(collection, record))
    except UnicodeEncodeError:
        refuse_unstorable(collection.container, record)
        raise
    if b"\\u0000" in body:
        # The bookkeeping is looked through only where the document seems to hold a NUL.
        refuse_unstorable(collection.container, record)
    if len(body) > DOCUMENT_BYTES_MAX:
        raise TooLarge(f"{collection.name}: {len(body)} bytes, {DOCUMENT_BYTES_MAX} at most")
    return body


@lru_cache(maxsize=DECODERS_MAX)
def decoder_of(collection: Collection[Any]) -> RecordDecoder:
    """Return the decoder of a collection, made once."""
    return RecordDecoder(collection)


def load(collection: Collection[Any], body: str | bytes, token: str) -> Record:
    """Return the record of a document in JSON."""
    return decoder_of(collection).decode(body, token) or from_document(collection, _decode(body), token)


def load_item(collection: Collection[Any], body: str | bytes, token: str) -> Incoming:
    """Return the record of a document as the feed shows it: one that does not fit its collection stops nobody else."""
    record = decoder_of(collection).decode(body, token)
    if record is not None:
        return record
    document: dict[str, Any] = {}
    try:
        document = _decode(body)
        return from_document(collection, document, token)
    except (ValueError, KeyError, TypeError, AssertionError) as error:
        # An assertion is about a stamp that nobody can have given.
        return unreadable(collection, document, f"{type(error).__name__}: {error}", token)


def load_looked(collection: Collection[Any], key: Key, body: str | bytes, token: str) -> Incoming:
    """Return the record of a document kept under this key; one that tells another key is unreadable."""
    item = load_item(collection, body, token)
    if item.key == key:
        return item
    if isinstance(item, Unreadable):
        return item._replace(key=key, body=item.body or {"text": str(body)})
    return Unreadable(key, item.stamp, _decode(body), "it tells another key than the one it is kept under", token)


def payload_of(collection: Collection[Any], record: Record) -> dict[str, Any]:
    """Return a record as a whole document for a dead letter, or as it is when it has no document form."""
    try:
        return to_document(collection, record)
    except ValueError:
        return msgspec.to_builtins(record)


def expiry(collection: Collection[Any], record: Record, now_s: float) -> float | None:
    """Return when a record written now will have expired; a tombstone never does, or the dead would come back."""
    if collection.time_to_live_s is None or record.deleted:
        return None
    return now_s + collection.time_to_live_s


def can_exist(key: Key) -> bool:
    """Tell whether a record of this key could have been written at all (addresses hold what strangers typed)."""
    return is_text(key.partition) and is_text(key.id)


class Meter:
    """Counts request units, and refuses calls once a second's budget is spent."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._budget: float | None = None
        self._second = 0
        self._spent = 0.0
        self.charged: defaultdict[str, float] = defaultdict(float)
        self.last_charge = 0.0

    def limit(self, units_per_s: float | None) -> None:
        """Allow this many request units a second from now on; None lifts the limit."""
        self._budget = units_per_s

    def refuse_over_budget(self) -> None:
        """Raise Throttled when this second's budget is spent."""
        if self._budget is None:
            return
        now = self._clock()
        if int(now) == self._second and self._spent >= self._budget:
            raise Throttled(retry_after_s=max(0.001, self._second + 1 - now))

    def read(self, collection: Collection[Any], size: int) -> None:
        """Charge a point read, or a page of the feed, of this many bytes."""
        self._charge(collection, READ_UNITS_PER_KB * _kilobytes(size))

    def write(self, collection: Collection[Any], size: int) -> None:
        """Charge a write of this many bytes."""
        self._charge(collection, WRITE_UNITS_PER_KB * _kilobytes(size))

    def query(self, collection: Collection[Any], where: Where, sizes: Sequence[int] = ()) -> None:
        """Charge a query that found documents of these sizes."""
        read = READ_UNITS_PER_KB * sum(map(_kilobytes, sizes))
        self._charge(collection, QUERY_UNITS * (1 if _stays_within(where, collection.partition) else 2) + read)

    def _charge(self, collection: Collection[Any], units: float) -> None:
        self.charged[collection.name] += units
        self.last_charge = units
        spend(collection.name, units)
        if self._budget is not None:
            second = int(self._clock())
            self._spent = self._spent + units if second == self._second else units
            self._second = second


def _stays_within(where: Where, partition: str) -> bool:
    match where:
        case Compare(name, "=", value):
            return name == partition and value is not None
        case AllOf(parts):
            return any(_stays_within(part, partition) for part in parts)
        case _:
            return False


def _kilobytes(size: int) -> int:
    return max(1, math.ceil(size / 1024))
