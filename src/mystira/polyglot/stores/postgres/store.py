"""PostgreSQL as a store: reads and conditional writes in one round trip each, events in the same commit."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from mystira.polyglot.collection import Collection
from mystira.polyglot.query import Query, Where
from mystira.polyglot.store import Conflict, Incoming, Key, Record, Unavailable
from mystira.polyglot.stores.documents import can_exist
from mystira.polyglot.stores.postgres.connections import ACQUIRE_S_MAX, LOST, Connections, OutcomeOfLoss
from mystira.polyglot.stores.postgres.digests import PostgresDigests
from mystira.polyglot.stores.postgres.journal import PostgresJournal
from mystira.polyglot.stores.postgres.looking import looks_of
from mystira.polyglot.stores.postgres.query import Compiled
from mystira.polyglot.stores.postgres.reports import PostgresReports
from mystira.polyglot.stores.postgres.rows import rows_of

CONNECTIONS = 16
COMMAND_S_MAX = 15.0


class PostgresStore(Connections):
    """Records of many collections in one database. Made by `open_postgres`, ended by `close`."""

    def __init__(self, pool: "asyncpg.Pool[Any]", collections: Iterable[Collection[Any]]) -> None:
        super().__init__(pool)
        self._rows = {collection.name: rows_of(collection) for collection in collections}
        self._looks = {name: looks_of(rows) for name, rows in self._rows.items()}
        self.journal = PostgresJournal(self, self._rows)
        self.digests = PostgresDigests(self, self._rows)
        self.reports = PostgresReports(self)

    async def read(self, collection: Collection[Any], key: Key) -> Record | None:
        """Return the newest committed record, a tombstone included."""
        if not can_exist(key):
            return None
        rows = self._rows[collection.name]
        found = await self.first_row(rows.read, rows.key(key), OutcomeOfLoss.NOTHING_WRITTEN)
        return None if found is None else rows.record(tuple(found))

    async def write(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        """Commit the record and its events where the base's stamp still stands."""
        rows = self._rows[collection.name]
        statement, values = rows.writing(record, base)
        if await self.first_row(statement, values, OutcomeOfLoss.UNKNOWN) is None:
            raise Conflict(f"{collection.name}: the record is not what the writer read")

    async def search(self, collection: Collection[Any], query: Query) -> Sequence[Record]:
        """Return one page of live records in the query's order."""
        rows = self._rows[collection.name]
        compiled = Compiled(collection)
        statement = compiled.search(rows.table, rows.shown, collection.complete(query))
        async with self.connection() as connection:
            found = await connection.fetch(statement, *compiled.values)
        return [rows.record(tuple(row)) for row in found]

    async def count(self, collection: Collection[Any], where: Where) -> int:
        """Return how many live records there are."""
        collection.check(where)
        compiled = Compiled(collection)
        condition = compiled.where(where)
        statement = f"SELECT count(*) FROM {self._rows[collection.name].table} WHERE NOT _deleted AND {condition}"  # noqa: S608
        async with self.connection() as connection:
            return await connection.fetchval(statement, *compiled.values) or 0

    async def look(self, collection: Collection[Any], keys: Sequence[Key]) -> Mapping[Key, Incoming]:
        """Return what there is of these keys, whether it can be read or not."""
        return await self._looks[collection.name].look(self, [key for key in keys if can_exist(key)])

    async def scan(self, collection: Collection[Any], after: Key | None, limit: int) -> Sequence[Incoming]:
        """Return the next rows in the order of their keys, tombstones and unreadable ones included."""
        return await self._looks[collection.name].scan(self, after, limit)

    async def ping(self) -> None:
        """Raise Unavailable unless the database answers now."""
        async with self.connection() as connection:
            await connection.fetchval("SELECT 1")


async def open_postgres(
    dsn: str, collections: Iterable[Collection[Any]], *, connections: int = CONNECTIONS, role: str = ""
) -> PostgresStore:
    """Connect to a migrated database; Unavailable when it does not answer.

    Under a `role` of its own it may do what that role may; it then connects only when it is first asked.
    """
    settings = {"timezone": "UTC", "application_name": "mystira", "jit": "off"} | ({"role": role} if role else {})
    try:
        pool = await asyncpg.create_pool(
            dsn,
            min_size=0 if role else 1,
            max_size=connections,
            command_timeout=COMMAND_S_MAX,
            timeout=ACQUIRE_S_MAX,
            reset=_leave_as_it_is,
            server_settings=settings,
        )
    except (*LOST, asyncpg.PostgresError) as error:
        raise Unavailable(f"PostgreSQL: {error!r}") from error
    return PostgresStore(pool, collections)


async def _leave_as_it_is(connection: Any) -> None:
    # Nothing here outlives its transaction, so the pool's reset query would be a round trip for nothing.
    return
