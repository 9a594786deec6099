"""Runs revisions over asyncpg, in one transaction, one process at a time."""

import asyncio

import asyncpg
from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from mystira.polyglot.stores.postgres.schema import MIGRATION_LOCK


def migrate(connection: Connection) -> None:
    """Run what is missing under a lock that other processes wait for; who waited finds nothing left to do."""
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
    connection.execute(text("CREATE SCHEMA IF NOT EXISTS polyglot"))
    context.configure(connection=connection, version_table_schema="polyglot", transactional_ddl=True)
    context.run_migrations()


async def run() -> None:
    """Connect with the address that the caller put into the configuration."""
    dsn = context.config.attributes["dsn"]
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(dsn), poolclass=NullPool
    )
    try:
        async with engine.begin() as connection:
            await connection.run_sync(migrate)
    finally:
        await engine.dispose()


asyncio.run(run())
