"""All rows of a database as they stood at one instant, table by table, and the way back.

Rows travel as COPY's text, which every version of PostgreSQL reads; the tables themselves come from the migrations.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec

from mystira.polyglot.store import Unavailable
from mystira.polyglot.stores.postgres.connections import LOST
from mystira.polyglot.stores.postgres.query import quoted

NAME = "mystira backup"
"""How this connection is told from those of running services."""

_TABLES = """
SELECT n.nspname AS schema, c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relkind = 'r' AND c.relname <> 'alembic_version'
AND (n.nspname = 'polyglot' OR n.nspname = 'public' AND c.relname = ANY($1::text[]))
GROUP BY n.nspname, c.relname ORDER BY n.nspname, c.relname
"""

_SEQUENCES = """
SELECT format('%I.%I', schemaname, sequencename) AS name, last_value FROM pg_sequences
WHERE schemaname IN ('polyglot', 'public') AND last_value IS NOT NULL
"""

_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'mystira%'
"""


class Table(msgspec.Struct, frozen=True):
    """A table and those of its columns that hold data of their own."""

    schema: str
    name: str
    columns: tuple[str, ...]

    @property
    def title(self) -> str:
        """The name by which files and people know it."""
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """The name by which PostgreSQL knows it."""
        return f"{quoted(self.schema)}.{quoted(self.name)}"


@asynccontextmanager
async def connected(dsn: str) -> AsyncGenerator[Any]:
    """Open one connection without any time limit on its statements."""
    try:
        connection = await asyncpg.connect(dsn, server_settings={"application_name": NAME, "timezone": "UTC"})
    except (*LOST, asyncpg.PostgresError) as error:
        raise Unavailable(f"PostgreSQL: {error!r}") from error
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def one_instant(connection: Any) -> AsyncGenerator[None]:
    """Within it, everything is read as it stands now."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        # The first statement is what takes the snapshot.
        await connection.fetchval("SELECT 1")
        yield


async def tables(connection: Any, of: Collection[str]) -> list[Table]:
    """Return the tables of these names, and all that replication keeps."""
    return [
        Table(row["schema"], row["name"], tuple(row["columns"])) for row in await connection.fetch(_TABLES, list(of))
    ]


async def sequences(connection: Any) -> dict[str, int]:
    """Return where numbers were given last."""
    return {row["name"]: row["last_value"] for row in await connection.fetch(_SEQUENCES)}


async def copy_out(connection: Any, table: Table, take: Callable[[bytes], Awaitable[None]]) -> None:
    """Hand over every row of a table as lines of text, some at a time."""
    columns = ", ".join(map(quoted, table.columns))
    await connection.copy_from_query(f"SELECT {columns} FROM {table.sql}", output=take, format="text")  # noqa: S608


async def copy_in(
    connection: Any,
    sources: Sequence[tuple[Table, AsyncIterable[bytes]]],
    numbers: Mapping[str, int],
) -> None:
    """Fill empty tables; the caller's transaction makes it all or nothing."""
    for table, source in sources:
        # What triggers would note of these rows is itself among the rows of other tables.
        await connection.execute(f"ALTER TABLE {table.sql} DISABLE TRIGGER USER")
        await connection.execute(f"TRUNCATE {table.sql}")
        await connection.copy_to_table(
            table.name, schema_name=table.schema, columns=table.columns, source=source, format="text"
        )
        await connection.execute(f"ALTER TABLE {table.sql} ENABLE TRIGGER USER")
    for name, last in numbers.items():
        if await connection.fetchval("SELECT to_regclass($1)", name) is not None:
            await connection.fetchval("SELECT setval($1::text::regclass, $2)", name, last)


async def others_connected(connection: Any) -> int:
    """Return how many connections of Mystira's services there are."""
    return await connection.fetchval(_OTHERS)


async def is_in_use(connection: Any) -> bool:
    """Tell whether replication has ever kept anything here."""
    if await connection.fetchval("SELECT to_regclass('polyglot.control')") is None:
        return False
    return await connection.fetchval("SELECT EXISTS (SELECT 1 FROM polyglot.control)")


async def revision(connection: Any) -> str | None:
    """Return the schema's revision, None before the first."""
    if await connection.fetchval("SELECT to_regclass('polyglot.alembic_version')") is None:
        return None
    return await connection.fetchval("SELECT version_num FROM polyglot.alembic_version")
