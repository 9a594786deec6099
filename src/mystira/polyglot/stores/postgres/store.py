"""PostgreSQL as a store: reads and conditional writes in one round trip each, events in the same commit."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import asyncpg

from mystira.polyglot.collection import Collection
from mystira.polyglot.query import Query, Where
from mystira.polyglot.store import Conflict, Key, OutcomeUnknown, Record, StoreError, Unavailable
from mystira.polyglot.stores.documents import can_exist
from mystira.polyglot.stores.postgres.query import Compiled
from mystira.polyglot.stores.postgres.rows import Rows

CONNECTIONS = 16
ACQUIRE_S_MAX = 5.0
COMMAND_S_MAX = 15.0

_LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    OSError,
    TimeoutError,
    ssl.SSLError,
)
_RETRY = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_FULL = (asyncpg.InsufficientResourcesError,)
_TROUBLE = (*_LOST, *_RETRY, *_FULL)


class OutcomeOfLoss(Enum):
    """What is known when a connection is lost while a statement runs."""

    NOTHING_WRITTEN = Unavailable
    UNKNOWN = OutcomeUnknown


class PostgresStore:
    """Records of many collections in one database. Made by `open_postgres`, ended by `close`."""

    def __init__(self, pool: "asyncpg.Pool[Any]", collections: Iterable[Collection[Any]]) -> None:
        self.pool = pool
        self._lent = 0
        self._rows = {collection.name: Rows(collection) for collection in collections}

    async def close(self) -> None:
        """Let running statements end, then close every connection."""
        await self.pool.close()

    async def read(self, collection: Collection[Any], key: Key) -> Record | None:
        """Return the newest committed record, a tombstone included."""
        if not can_exist(key):
            return None
        rows = self._rows[collection.name]
        found = await self._first_row(rows.read, rows.key(key), OutcomeOfLoss.NOTHING_WRITTEN)
        return None if found is None else rows.record(tuple(found))

    async def write(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        """Commit the record and its events where the base's stamp still stands."""
        rows = self._rows[collection.name]
        statement, values = rows.writing(record, base)
        if await self._first_row(statement, values, OutcomeOfLoss.UNKNOWN) is None:
            raise Conflict(f"{collection.name}: the record is not what the writer read")

    async def search(self, collection: Collection[Any], query: Query) -> Sequence[Record]:
        """Return one page of live records in the query's order."""
        rows = self._rows[collection.name]
        compiled = Compiled(collection)
        statement = compiled.search(rows.table, rows.columns, collection.complete(query))
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

    async def ping(self) -> None:
        """Raise Unavailable unless the database answers now."""
        async with self.connection() as connection:
            await connection.fetchval("SELECT 1")

    @asynccontextmanager
    async def connection(self, *, writes: bool = False) -> AsyncGenerator[Any]:
        """Lend a connection and translate what it raises: once a write was sent, its loss is an unknown outcome."""
        connection = await self._acquire()
        try:
            yield connection
        except _TROUBLE as error:
            raise _translated(error, OutcomeOfLoss.UNKNOWN if writes else OutcomeOfLoss.NOTHING_WRITTEN) from error
        finally:
            self._lent -= 1
            await self.pool.release(connection)

    async def _first_row(self, statement: str, values: Sequence[Any], loss: "OutcomeOfLoss") -> Any:
        """Run one statement without the cost of a context manager: this is the path of every read and write."""
        connection = await self._acquire()
        try:
            return await connection.fetchrow(statement, *values)
        except _TROUBLE as error:
            raise _translated(error, loss) from error
        finally:
            self._lent -= 1
            await self.pool.release(connection)

    async def _acquire(self) -> Any:
        try:
            if self._lent < self.pool.get_max_size():
                connection = await self.pool.acquire()
            else:
                # Only a full pool can keep anybody waiting, and only then is a time-out worth its price.
                async with asyncio.timeout(ACQUIRE_S_MAX):
                    connection = await self.pool.acquire()
        except _TROUBLE as error:
            raise Unavailable(f"PostgreSQL: {error!r}") from error
        self._lent += 1
        return connection


async def open_postgres(
    dsn: str, collections: Iterable[Collection[Any]], *, connections: int = CONNECTIONS
) -> PostgresStore:
    """Connect to a migrated database; Unavailable when it does not answer."""
    try:
        pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=connections,
            command_timeout=COMMAND_S_MAX,
            timeout=ACQUIRE_S_MAX,
            reset=_leave_as_it_is,
            server_settings={"timezone": "UTC", "application_name": "mystira", "jit": "off"},
        )
    except (*_LOST, asyncpg.PostgresError) as error:
        raise Unavailable(f"PostgreSQL: {error!r}") from error
    return PostgresStore(pool, collections)


def _translated(error: Exception, loss: OutcomeOfLoss) -> StoreError:
    if isinstance(error, _RETRY):
        return Conflict(f"PostgreSQL: {error!r}")
    if isinstance(error, _FULL):
        return Unavailable(f"PostgreSQL: {error!r}")
    return loss.value(f"PostgreSQL: {error!r}")


async def _leave_as_it_is(connection: Any) -> None:
    # Nothing here outlives its transaction, so the pool's reset query would be a round trip for nothing.
    return
