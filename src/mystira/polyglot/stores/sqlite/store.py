"""The embedded document store: partition keys, ETags, a change feed by range, request units, throttling on demand."""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import apsw

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import CONTROLS
from mystira.polyglot.entity import Stamp
from mystira.polyglot.memos import Memo
from mystira.polyglot.query import Query, Where
from mystira.polyglot.roster import ROSTERS
from mystira.polyglot.spill import SPILLS
from mystira.polyglot.store import Conflict, FeedPage, Incoming, Key, Record, Unavailable, Unreadable
from mystira.polyglot.stores.documents import Meter, can_exist, dump, expiry, load, load_item, load_looked
from mystira.polyglot.stores.ranges import hash_of
from mystira.polyglot.stores.sqlite.failures import sentence
from mystira.polyglot.stores.sqlite.feed import Feed
from mystira.polyglot.stores.sqlite.query import Compiled
from mystira.polyglot.stores.sqlite.schema import LOCKED_S_MAX, connect, create, quoted
from mystira.polyglot.stores.sqlite.writer import Writer

# What was written is read soon: by the feed, by who watches, by the next change. Long documents are few.
RECORDS_MAX, CHARACTERS_MAX = 1_000, 32 * 1024
# Readers hardly ever meet a lock, and while they wait the event loop does.
READER_LOCKED_S_MAX = 1.0


class _Row(NamedTuple):
    partition: str
    id: str
    hash: int
    deleted: bool
    expires_at: float | None
    body: str


class _Container:
    """The statements of one container, written once."""

    def __init__(
        self,
        collection: Collection[Any],
        ask: Callable[[str, Sequence[Any]], list[Any]],
        load_row: Callable[[Collection[Any], str, int], Incoming],
    ) -> None:
        self.collection = collection
        table = quoted(collection.container)
        self.feed = Feed(collection.container, ask, load_row)
        self.read = (
            f"SELECT position, body FROM {table} "  # noqa: S608 - names come from declarations.
            "WHERE partition = ? AND id = ? AND (expires_at IS NULL OR expires_at > ?)"
        )
        self.create = (
            f"INSERT INTO {table} (partition, id, hash, deleted, expires_at, body, position) "  # noqa: S608
            "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (partition, id) DO UPDATE SET deleted = excluded.deleted, "
            "expires_at = excluded.expires_at, body = excluded.body, position = excluded.position "
            "WHERE expires_at <= ?"
        )
        self.replace = (
            f"UPDATE {table} SET deleted = ?, expires_at = ?, body = ?, position = ? "  # noqa: S608
            "WHERE partition = ? AND id = ? AND position = ? AND (expires_at IS NULL OR expires_at > ?)"
        )
        self.remove = f"DELETE FROM {table} WHERE partition = ? AND id = ? AND position = ?"  # noqa: S608
        self.latest = (
            f"SELECT position, body FROM {table} WHERE expires_at IS NULL OR expires_at > ? "  # noqa: S608
            "ORDER BY position DESC LIMIT ?"
        )
        self.sweep = f"DELETE FROM {table} WHERE expires_at <= ?"  # noqa: S608

    def load(self, body: str, position: int) -> Record:
        """Return the record of a row; its position is its ETag, for every write gives a new one."""
        return load(self.collection, body, str(position))


class SqliteDocuments:
    """Documents of many containers in one file, safe for several processes. Made by `open_sqlite`.

    Reads happen at once, on the event loop: they take microseconds. Writes wait for the disk in a thread of their
    own. `charged` holds the request units of each collection, `last_charge` those of the call answered last.
    """

    reads_are_current = True

    def __init__(
        self,
        reader: apsw.Connection,
        writer: Writer,
        collections: Iterable[Collection[Any]],
        clock: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._clock = clock
        self._meter = Meter(clock)
        # What was made of one version of a document can be shared: values are frozen, and whoever changes one makes a
        # new one. Its text is part of the key, for who edits the file by hand leaves the position as it was.
        self._versions: Memo[tuple[Collection[Any], int, str], Record] = Memo("documents.versions", RECORDS_MAX)
        self._containers = {one.name: _Container(one, self._ask, self._load_row) for one in collections}
        # A container's newest position is where its feed ends.
        tables = [quoted(container.collection.container) for container in self._containers.values()]
        newest = [f"(SELECT max(position) FROM {table})" for table in tables]  # noqa: S608 - names come from declarations.
        self._newest = f"SELECT (SELECT count(*) FROM _ranges), {', '.join(newest)}"  # noqa: S608
        self.charged = self._meter.charged
        self.throttle = self._meter.limit

    @property
    def last_charge(self) -> float:
        """The request units of the call answered last."""
        return self._meter.last_charge

    def close(self) -> None:
        """Finish what waits and close the file."""
        self._writer.close()
        self._reader.close()

    async def read(self, collection: Collection[Any], key: Key) -> Record | None:
        """Return the newest committed document, a tombstone included; expired ones are gone."""
        self._meter.refuse_over_budget()
        if not can_exist(key):
            return None
        container = self._containers[collection.name]
        found = self._ask(container.read, (key.partition, key.id, self._clock()))
        if not found:
            self._meter.read(collection, 0)
            return None
        position, body = found[0]
        self._meter.read(collection, len(body))
        known = self._versions.get((container.collection, position, body))
        return known or self._kept(container.collection, container.load(body, position), body, position)

    async def write(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        """Commit the document where the base's ETag still stands."""
        self._meter.refuse_over_budget()
        body = dump(collection, record)
        now_s = self._clock()
        row = _Row(
            *record.key, hash_of(record.key.partition), record.deleted, expiry(collection, record, now_s), body.decode()
        )
        token = None if base is None else base.token
        try:
            await self._writer.write(partial(_put, self._containers[collection.name], row, token, now_s))
        except Conflict:
            self._meter.read(collection, 0)
            raise
        self._meter.write(collection, len(body))

    async def look(self, collection: Collection[Any], keys: Sequence[Key]) -> Mapping[Key, Incoming]:
        """Return what there is of these keys, whether it can be read or not."""
        self._meter.refuse_over_budget()
        container, now_s = self._containers[collection.name], self._clock()
        found: dict[Key, Incoming] = {}
        size = 0
        for key in keys:
            for position, body in self._ask(container.read, (*key, now_s)) if can_exist(key) else ():
                found[key] = load_looked(collection, key, body, str(position))
                size += len(body)
        self._meter.read(collection, size)
        return found

    async def remove(self, collection: Collection[Any], record: Record) -> None:
        """Remove the document for good if it is still what was read."""
        self._meter.refuse_over_budget()
        try:
            await self._writer.write(partial(_remove, self._containers[collection.name], record))
        except Conflict:
            self._meter.read(collection, 0)
            raise
        self._meter.write(collection, 0)

    async def search(self, collection: Collection[Any], query: Query) -> Sequence[Record]:
        """Return one page of live documents in the query's order."""
        self._meter.refuse_over_budget()
        compiled = Compiled(collection, self._clock())
        found = self._ask(compiled.search(collection.complete(query)), compiled.values)
        self._meter.query(collection, query.where, [len(body) for _, body in found])
        load = self._containers[collection.name].load
        return [load(body, position) for position, body in found]

    async def count(self, collection: Collection[Any], where: Where) -> int:
        """Return how many live documents there are."""
        self._meter.refuse_over_budget()
        collection.check(where)
        compiled = Compiled(collection, self._clock())
        found = self._ask(compiled.count(where), compiled.values)
        self._meter.query(collection, where)
        return found[0][0]

    async def ping(self) -> None:
        """Raise Unavailable unless the file can be read."""
        await self.changes()

    async def changes(self) -> int:
        """Return a number that grows with every write of any process: while it stands still, nothing is new."""
        return self._ask("SELECT last FROM _position", ())[0][0]

    async def marks(self) -> Mapping[str, Hashable]:
        """Return a mark for each collection: while it stands still, its feed shows nothing new in any range."""
        ranges, *newest = self._ask(self._newest, ())[0]
        return {name: (ranges, position) for name, position in zip(self._containers, newest, strict=True)}

    async def latest(self, collection: Collection[Any], limit: int) -> Sequence[tuple[Key, Stamp]]:
        """Return what was changed last, the newest first, tombstones included."""
        self._meter.refuse_over_budget()
        container = self._containers[collection.name]
        found = self._ask(container.latest, (self._clock(), limit))
        self._meter.read(collection, sum(len(body) for _, body in found))
        items = (_load_item(collection, body, position) for position, body in found)
        return [(item.key, item.stamp) for item in items]

    async def feed_ranges(self, collection: Collection[Any]) -> Sequence[str]:
        """Return the ranges that together cover every partition key now."""
        return self._containers[collection.name].feed.ranges()

    async def feed(self, collection: Collection[Any], range_id: str, continuation: str, limit: int) -> FeedPage:
        """Return the next changes of one range, the newest version of each document only."""
        self._meter.refuse_over_budget()
        page, size = self._containers[collection.name].feed.page(
            collection, range_id, continuation, limit, self._clock()
        )
        self._meter.read(collection, size)
        return page._replace(charge=self._meter.last_charge)

    async def split_range(self, collection: Collection[Any], parent: str) -> Sequence[str]:
        """Split one range in the middle, as Cosmos DB does when a partition grows; return the two that follow."""
        return await self._writer.write(self._containers[collection.name].feed.splitting(parent))

    async def sweep(self) -> int:
        """Remove expired documents for good; return how many there were."""
        now_s = self._clock()

        def job(connection: apsw.Connection, position: int) -> int:
            before = connection.total_changes()
            for container in self._containers.values():
                if container.collection.time_to_live_s is not None:
                    connection.execute(container.sweep, (now_s,))
            return connection.total_changes() - before

        return await self._writer.write(job)

    def _load_row(self, collection: Collection[Any], body: str, position: int) -> Incoming:
        known = self._versions.get((collection, position, body))
        if known is not None:
            return known
        found = _load_item(collection, body, position)
        return found if isinstance(found, Unreadable) else self._kept(collection, found, body, position)

    def _kept(self, collection: Collection[Any], record: Record, body: str, position: int) -> Record:
        return record if len(body) > CHARACTERS_MAX else self._versions.put((collection, position, body), record)

    def _ask(self, statement: str, values: Sequence[Any]) -> list[Any]:
        try:
            found = cast(list[Any], self._reader.execute(statement, values).fetchall())
        except apsw.Error as error:
            raise Unavailable(sentence(self._writer.path, error)) from error
        return found


async def open_sqlite(
    path: Path | str,
    collections: Iterable[Collection[Any]],
    *,
    clock: Callable[[], float] = time.time,
    locked_s_max: float = LOCKED_S_MAX,
) -> SqliteDocuments:
    """Open or make a document file; Unavailable when it cannot be used. `clock` gives seconds since 1970."""
    declared = (*collections, CONTROLS, ROSTERS, SPILLS)
    try:
        reader, writer = await asyncio.to_thread(_connect, str(path), declared, locked_s_max)
    except apsw.Error as error:
        raise Unavailable(sentence(str(path), error)) from error
    return SqliteDocuments(reader, writer, declared, clock)


def _connect(
    path: str, collections: tuple[Collection[Any], ...], locked_s_max: float
) -> tuple[apsw.Connection, Writer]:
    writer = connect(path, locked_s_max)
    try:
        create(writer, collections)
        reader = connect(path, locked_s_max)
        reader.set_busy_timeout(int(READER_LOCKED_S_MAX * 1000))
        reader.execute("PRAGMA query_only = ON")
    except BaseException:
        writer.close()
        raise
    return reader, Writer(writer)


def _load_item(collection: Collection[Any], body: str, position: int) -> Incoming:
    """Return what the feed shows of a row, whether it can be read or not."""
    return load_item(collection, body, str(position))


def _put(
    container: _Container, row: _Row, token: str | None, now_s: float, connection: apsw.Connection, position: int
) -> None:
    partition, document_id, hashed, *content = row
    if token is None:
        connection.execute(container.create, (partition, document_id, hashed, *content, position, now_s))
    else:
        connection.execute(container.replace, (*content, position, partition, document_id, token, now_s))
    if not connection.changes():
        raise Conflict(f"{container.collection.name}: the document is not what the writer read")


def _remove(container: _Container, record: Record, connection: apsw.Connection, position: int) -> None:
    connection.execute(container.remove, (*record.key, record.token))
    if not connection.changes():
        raise Conflict(f"{container.collection.name}: the document is not what was read")
