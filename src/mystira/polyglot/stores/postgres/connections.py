"""Connections to lend, and what PostgreSQL's errors mean to those who know only stores."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any

import asyncpg

from mystira.polyglot.store import Conflict, OutcomeUnknown, Refused, StoreError, TooLarge, Unavailable

ACQUIRE_S_MAX = 5.0

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # A connection that was told of its end while it was idle refuses the next statement with this.
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    OSError,
    TimeoutError,
    ssl.SSLError,
)
_RETRY = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_FULL = (asyncpg.InsufficientResourcesError,)
_LIMIT = (asyncpg.ProgramLimitExceededError,)
_UNFIT = (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError)

REFUSALS = (*_UNFIT, *_LIMIT)
"""What the database raises about a row that it cannot keep."""

_TROUBLE = (*LOST, *_RETRY, *_FULL, *REFUSALS)


class OutcomeOfLoss(Enum):
    """What is known when a connection is lost while a statement runs."""

    NOTHING_WRITTEN = Unavailable
    UNKNOWN = OutcomeUnknown


class Connections:
    """Lends connections of one pool and translates what they raise."""

    def __init__(self, pool: "asyncpg.Pool[Any]") -> None:
        self.pool = pool
        self._lent = 0

    async def close(self) -> None:
        """Let running statements end, then close every connection."""
        await self.pool.close()

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

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Any]:
        """Lend a connection in a transaction that commits at the end, or does nothing."""
        async with self.connection(writes=True) as connection, connection.transaction():
            yield connection

    async def first_row(self, statement: str, values: Sequence[Any], loss: OutcomeOfLoss) -> Any:
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


def _translated(error: Exception, loss: OutcomeOfLoss) -> StoreError:
    if isinstance(error, _RETRY):
        return Conflict(f"PostgreSQL: {error!r}")
    if isinstance(error, _UNFIT):
        return Refused(reason(error))
    if isinstance(error, _LIMIT):
        return TooLarge(reason(error))
    if isinstance(error, _FULL):
        return Unavailable(f"PostgreSQL: {error!r}")
    return loss.value(f"PostgreSQL: {error!r}")


def reason(error: Exception) -> str:
    """Return why a row was refused, without the values that PostgreSQL would quote: they may be personal."""
    constraint = getattr(error, "constraint_name", None)
    return f"PostgreSQL: {type(error).__name__}" + (f": {constraint}" if constraint else "")
