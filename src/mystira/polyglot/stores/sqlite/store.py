"""The embedded document store: partition keys, ETags, a change feed by range, request units, throttling on demand."""

import math
import time
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import apsw
import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.envelope import from_document, to_document
from mystira.polyglot.query import Query, Where
from mystira.polyglot.store import (
    Conflict,
    FeedItem,
    FeedPage,
    Key,
    RangeGone,
    Record,
    Throttled,
    TooLarge,
    Unavailable,
)
from mystira.polyglot.stores.sqlite.query import Compiled
from mystira.polyglot.stores.sqlite.schema import connect, create, quoted, range_id
from mystira.polyglot.stores.sqlite.writer import Writer
from mystira.polyglot.values import refuse_unstorable

DOCUMENT_BYTES_MAX = 2 * 1024 * 1024

# The model of charges, in request units: a point read of 1 KB costs 1, a write about five times as much,
# a query a base plus what it reads. Every started KB counts.
READ_UNITS_PER_KB = 1.0
WRITE_UNITS_PER_KB = 5.3
QUERY_UNITS = 2.3

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class SqliteDocuments:
    """Documents of many containers in one file, safe for several processes. Made by `open_sqlite`."""

    def __init__(self, path: str, collections: Iterable[Collection[Any]], clock: Callable[[], float]) -> None:
        self._collections = tuple(collections)
        self._clock = clock
        self._reader = connect(path)
        create(self._reader, self._collections)
        self._writer = Writer(connect(path))
        self._budget: float | None = None
        self._second = (0, 0.0)
        self.charged: defaultdict[str, float] = defaultdict(float)

    def close(self) -> None:
        """Finish what waits and close the file."""
        self._writer.close()
        self._reader.close()

    def throttle(self, units_per_s: float | None) -> None:
        """Allow this many request units a second from now on; None lifts the limit."""
        self._budget = units_per_s

    async def read(self, collection: Collection[Any], key: Key) -> Record | None:
        """Return the newest committed document, a tombstone included; expired ones are gone."""
        self._refuse_over_budget()
        found = self._ask(
            f"SELECT position, body FROM {quoted(collection.container)} "  # noqa: S608 - names come from declarations.
            "WHERE partition = ? AND id = ? AND (expires_at IS NULL OR expires_at > ?)",
            (key.partition, key.id, self._clock()),
        )
        self._charge(collection, READ_UNITS_PER_KB, found)
        return _record(collection, found[0]) if found else None

    async def write(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        """Commit the document where the base's ETag still stands."""
        self._refuse_over_budget()
        refuse_unstorable(collection.container, record.entity)
        document = to_document(collection, record)
        body = _encode(document)
        if len(body) > DOCUMENT_BYTES_MAX:
            raise TooLarge(f"{collection.name}: {len(body)} bytes, {DOCUMENT_BYTES_MAX} at most")
        now_s = self._clock()
        expires_at = None if collection.time_to_live_s is None else now_s + collection.time_to_live_s
        row = (*record.key, _hash(record.key.partition), record.deleted, expires_at, body.decode())
        await self._writer.write(lambda connection: _put(connection, collection, row, base, now_s))
        self.charged[collection.name] += WRITE_UNITS_PER_KB * _kilobytes(len(body))
        self._spend(WRITE_UNITS_PER_KB * _kilobytes(len(body)))

    async def search(self, collection: Collection[Any], query: Query) -> Sequence[Record]:
        """Return one page of live documents in the query's order."""
        self._refuse_over_budget()
        compiled = Compiled(collection, self._clock())
        statement = compiled.search(collection.complete(query))
        found = self._ask(statement, compiled.values)
        self._charge(collection, QUERY_UNITS, found)
        return [_record(collection, row) for row in found]

    async def count(self, collection: Collection[Any], where: Where) -> int:
        """Return how many live documents there are."""
        self._refuse_over_budget()
        collection.check(where)
        compiled = Compiled(collection, self._clock())
        found = self._ask(compiled.count(where), compiled.values)
        self._charge(collection, QUERY_UNITS, ())
        return found[0][0]

    async def ping(self) -> None:
        """Raise Unavailable unless the file can be read."""
        self._ask("SELECT last FROM _position", ())

    async def feed_ranges(self, collection: Collection[Any]) -> Sequence[str]:
        """Return the ranges that together cover every partition key now."""
        rows = self._ask(
            "SELECT range_id FROM _ranges WHERE container = ? AND NOT split ORDER BY low", (collection.container,)
        )
        return [row[0] for row in rows]

    async def feed(self, collection: Collection[Any], range_id: str, continuation: str, limit: int) -> FeedPage:
        """Return the next changes of one range, the newest version of each document only."""
        low, high = self._bounds(collection, range_id)
        after = int(continuation or 0)
        found = self._ask(
            f"SELECT position, body FROM {quoted(collection.container)} "  # noqa: S608
            "WHERE position > ? AND hash >= ? AND hash < ? AND (expires_at IS NULL OR expires_at > ?) "
            "ORDER BY position LIMIT ?",
            (after, low, high, self._clock(), limit + 1),
        )
        self._charge(collection, READ_UNITS_PER_KB, found[:limit])
        items = [FeedItem(_record(collection, row), row[0]) for row in found[:limit]]
        return FeedPage(items, str(items[-1].position) if items else continuation, len(found) > limit)

    async def split_range(self, collection: Collection[Any], parent: str) -> Sequence[str]:
        """Split one range in the middle, as Cosmos DB does when a partition grows; return the two that follow."""
        low, high = self._bounds(collection, parent)
        middle = (low + high) // 2
        children = [(range_id(low, middle), low, middle), (range_id(middle, high), middle, high)]

        def job(connection: apsw.Connection) -> None:
            where = (collection.container, parent)
            connection.execute("UPDATE _ranges SET split = 1 WHERE container = ? AND range_id = ?", where)
            for child in children:
                row = (collection.container, *child)
                connection.execute("INSERT INTO _ranges (container, range_id, low, high) VALUES (?, ?, ?, ?)", row)

        await self._writer.write(job)
        return [child[0] for child in children]

    async def sweep(self) -> int:
        """Remove expired documents for good; return how many there were."""
        now_s = self._clock()

        def job(connection: apsw.Connection) -> int:
            for collection in self._collections:
                table = quoted(collection.container)
                connection.execute(f"DELETE FROM {table} WHERE expires_at <= ?", (now_s,))  # noqa: S608
            return connection.total_changes()

        before = await self._writer.write(lambda connection: connection.total_changes())
        return await self._writer.write(job) - before

    def _bounds(self, collection: Collection[Any], range_id: str) -> tuple[int, int]:
        where = (collection.container, range_id)
        found = self._ask("SELECT low, high, split FROM _ranges WHERE container = ? AND range_id = ?", where)
        if not found:
            raise Unavailable(f"{collection.container} has no feed range {range_id}")
        low, high, split = found[0]
        if split:
            rows = self._ask(
                "SELECT range_id FROM _ranges "
                "WHERE container = ? AND low >= ? AND high <= ? AND NOT split ORDER BY low",
                (collection.container, low, high),
            )
            raise RangeGone([row[0] for row in rows])
        return low, high

    def _ask(self, statement: str, values: Sequence[Any]) -> list[Any]:
        try:
            found = cast(list[Any], self._reader.execute(statement, values).fetchall())
        except apsw.Error as error:
            raise Unavailable(f"SQLite: {error!r}") from error
        return found

    def _charge(self, collection: Collection[Any], units: float, rows: Sequence[Any]) -> None:
        read = sum(_kilobytes(len(row[1])) for row in rows) * READ_UNITS_PER_KB
        total = units if units == READ_UNITS_PER_KB and not rows else max(read, units)
        self.charged[collection.name] += total
        self._spend(total)

    def _spend(self, units: float) -> None:
        second, spent = self._second
        now = int(time.monotonic())
        self._second = (now, spent + units if now == second else units)

    def _refuse_over_budget(self) -> None:
        if self._budget is None:
            return
        second, spent = self._second
        if int(time.monotonic()) == second and spent >= self._budget:
            raise Throttled(retry_after_s=max(0.001, second + 1 - time.monotonic()))


async def open_sqlite(
    path: Path | str, collections: Iterable[Collection[Any]], *, clock: Callable[[], float] = time.time
) -> SqliteDocuments:
    """Open or make a document file; Unavailable when it cannot be used. `clock` gives seconds since 1970."""
    try:
        return SqliteDocuments(str(path), collections, clock)
    except apsw.Error as error:
        raise Unavailable(f"{path}: {error!r}") from error


def _put(
    connection: apsw.Connection, collection: Collection[Any], row: tuple[Any, ...], base: Record | None, now_s: float
) -> None:
    table = quoted(collection.container)
    partition, document_id, hashed, deleted, expires_at, body = row
    statement = f"SELECT position, expires_at FROM {table} WHERE partition = ? AND id = ?"  # noqa: S608
    found = cast(list[Any], connection.execute(statement, (partition, document_id)).fetchall())
    live = bool(found) and (found[0][1] is None or found[0][1] > now_s)
    if live != (base is not None) or (base is not None and str(found[0][0]) != base.token):
        raise Conflict(f"{collection.name}: the document is not what the writer read")
    # The position is given inside the write transaction, so none becomes visible before a lower one.
    position = connection.execute("UPDATE _position SET last = last + 1 RETURNING last").get
    connection.execute(
        f"INSERT OR REPLACE INTO {table} (partition, id, hash, position, deleted, expires_at, body) "  # noqa: S608
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        (partition, document_id, hashed, position, deleted, expires_at, body),
    )


def _record(collection: Collection[Any], row: Sequence[Any]) -> Record:
    return from_document(collection, _decode(row[1]), str(row[0]))


def _hash(partition: str) -> int:
    return zlib.crc32(partition.encode())


def _kilobytes(size: int) -> int:
    return max(1, math.ceil(size / 1024))
