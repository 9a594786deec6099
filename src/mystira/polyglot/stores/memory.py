"""Documents in this process's memory: the plainest store that keeps every promise, for tests and storms."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Stamp
from mystira.polyglot.matching import matches, select
from mystira.polyglot.query import Query, Where
from mystira.polyglot.store import Conflict, FeedItem, FeedPage, Incoming, Key, RangeGone, Record, Unavailable
from mystira.polyglot.stores.documents import Meter, dump, expiry, load, load_item
from mystira.polyglot.stores.ranges import FeedRange, first_ranges, hash_of, range_named, successors


class Document(msgspec.Struct, frozen=True):
    """A document as it is kept; its position is its ETag, for every write gives a new one."""

    position: int
    body: Any
    expires_at: float | None
    size: int


class _Container:
    def __init__(self, ranges: Sequence[FeedRange]) -> None:
        self.documents: dict[Key, Document] = {}
        self.ranges = list(ranges)


class MemoryDocuments:
    """Documents of many containers; nothing outlives the process. `clock` gives seconds since 1970."""

    reads_are_current = True
    first_ranges: Sequence[FeedRange] = first_ranges()

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._meter = Meter(clock)
        self._containers: dict[str, _Container] = {}
        self._position = 0
        self.charged = self._meter.charged
        self.throttle = self._meter.limit

    @property
    def last_charge(self) -> float:
        """The request units of the call answered last."""
        return self._meter.last_charge

    async def read(self, collection: Collection[Any], key: Key) -> Record | None:
        """Return the newest document, a tombstone included; expired ones are gone."""
        self._meter.refuse_over_budget()
        found = self._living(collection).get(key)
        self._meter.read(collection, found.size if found else 0)
        return None if found is None else self.record(collection, found)

    async def write(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        """Keep the document where the base's ETag still stands."""
        self._meter.refuse_over_budget()
        body, size = self.kept(collection, record)
        found = self._living(collection).get(record.key)
        if (found and str(found.position)) != (base and base.token):
            self._meter.read(collection, 0)
            raise Conflict(f"{collection.name}: the document is not what the writer read")
        self._position += 1
        kept = Document(self._position, body, expiry(collection, record, self._clock()), size)
        self._container(collection).documents[record.key] = kept
        self._meter.write(collection, size)

    async def look(self, collection: Collection[Any], keys: Sequence[Key]) -> Mapping[Key, Incoming]:
        """Return what there is of these keys, whether it can be read or not."""
        self._meter.refuse_over_budget()
        living = self._living(collection)
        found = {key: living[key] for key in keys if key in living}
        self._meter.read(collection, sum(document.size for document in found.values()))
        return {key: self.item(collection, document) for key, document in found.items()}

    async def remove(self, collection: Collection[Any], record: Record) -> None:
        """Forget the document if it is still what was read."""
        self._meter.refuse_over_budget()
        found = self._living(collection).get(record.key)
        if found is None or str(found.position) != record.token:
            self._meter.read(collection, 0)
            raise Conflict(f"{collection.name}: the document is not what was read")
        del self._container(collection).documents[record.key]
        self._meter.write(collection, 0)

    async def search(self, collection: Collection[Any], query: Query) -> Sequence[Record]:
        """Return one page of live documents in the query's order."""
        self._meter.refuse_over_budget()
        query = collection.complete(query)
        records = {record.key: record for record in self._records(collection)}
        page = select(collection, query, [record.entity for record in records.values()])
        self._meter.query(collection, query.where)
        return [records[Key(collection.partition_of(entity), entity.id)] for entity in page]

    async def count(self, collection: Collection[Any], where: Where) -> int:
        """Return how many live documents there are."""
        self._meter.refuse_over_budget()
        collection.check(where)
        self._meter.query(collection, where)
        return sum(matches(where, record.entity) for record in self._records(collection))

    async def ping(self) -> None:
        """Memory always answers."""

    async def latest(self, collection: Collection[Any], limit: int) -> Sequence[tuple[Key, Stamp]]:
        """Return what was changed last, the newest first, tombstones included."""
        self._meter.refuse_over_budget()
        newest = sorted(self._living(collection).values(), reverse=True, key=_position)
        self._meter.read(collection, sum(document.size for document in newest[:limit]))
        items = (self.item(collection, document) for document in newest[:limit])
        return [(item.key, item.stamp) for item in items]

    async def feed_ranges(self, collection: Collection[Any]) -> Sequence[str]:
        """Return the ranges that together cover every partition key now."""
        return [living.id for living in self._container(collection).ranges]

    async def feed(self, collection: Collection[Any], range_id: str, continuation: str, limit: int) -> FeedPage:
        """Return the next changes of one range, the newest version of each document only."""
        self._meter.refuse_over_budget()
        bounds = self._range(collection, range_id)
        after = int(continuation or 0)
        found = [
            document
            for key, document in self._living(collection).items()
            if document.position > after and bounds.holds(hash_of(key.partition))
        ]
        page = sorted(found, key=_position)[:limit]
        self._meter.read(collection, sum(document.size for document in page))
        items = [FeedItem(self.item(collection, document), document.position) for document in page]
        after = str(page[-1].position) if page else continuation
        return FeedPage(items, after, len(found) > limit, self._meter.last_charge)

    async def split_range(self, collection: Collection[Any], parent: str) -> Sequence[str]:
        """Split one range in the middle, as Cosmos DB does when a partition grows; return the two that follow."""
        bounds = self._range(collection, parent)
        ranges = self._container(collection).ranges
        at = ranges.index(bounds)
        ranges[at : at + 1] = bounds.halves()
        return [half.id for half in bounds.halves()]

    async def sweep(self) -> int:
        """Remove expired documents for good; return how many there were."""
        now_s, swept = self._clock(), 0
        for container in self._containers.values():
            kept = {key: document for key, document in container.documents.items() if _lives(document, now_s)}
            swept += len(container.documents) - len(kept)
            container.documents = kept
        return swept

    def kept(self, collection: Collection[Any], record: Record) -> tuple[Any, int]:
        """Return what is kept of a record, and its size in bytes."""
        body = dump(collection, record)
        return body, len(body)

    def record(self, collection: Collection[Any], document: Document) -> Record:
        """Return the record of what was kept."""
        return load(collection, document.body, str(document.position))

    def item(self, collection: Collection[Any], document: Document) -> Incoming:
        """Return what the feed shows of it."""
        return load_item(collection, document.body, str(document.position))

    def _container(self, collection: Collection[Any]) -> _Container:
        found = self._containers.get(collection.container)
        if found is None:
            found = self._containers[collection.container] = _Container(self.first_ranges)
        return found

    def _living(self, collection: Collection[Any]) -> dict[Key, Document]:
        documents = self._container(collection).documents
        if collection.time_to_live_s is None:
            return documents
        now_s = self._clock()
        return {key: document for key, document in documents.items() if _lives(document, now_s)}

    def _records(self, collection: Collection[Any]) -> list[Record]:
        found = (self.record(collection, document) for document in self._living(collection).values())
        return [record for record in found if not record.deleted]

    def _range(self, collection: Collection[Any], range_id: str) -> FeedRange:
        living = self._container(collection).ranges
        named = range_named(range_id)
        if named is not None and named in living:
            return named
        heirs = successors(named, living) if named else []
        if not heirs:
            raise Unavailable(f"{collection.container} has no feed range {range_id}")
        raise RangeGone(heirs)


def _position(document: Document) -> int:
    return document.position


def _lives(document: Document, now_s: float) -> bool:
    return document.expires_at is None or document.expires_at > now_s
