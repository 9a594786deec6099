"""Every store that the contract suite runs against."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from mystira.polyglot.store import Store
from mystira.polyglot.stores.postgres.schema import create_table
from mystira.polyglot.stores.postgres.store import PostgresStore, open_postgres
from mystira.polyglot.stores.sqlite.store import SqliteDocuments, open_sqlite
from tests.contracts.sample import COLLECTIONS


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[SqliteDocuments]:
    store = await open_sqlite(tmp_path / "documents.sqlite", COLLECTIONS)
    yield store
    store.close()


@pytest.fixture(scope="session")
async def sample_tables(postgres_dsn: str) -> str:
    connection = await asyncpg.connect(postgres_dsn)
    for collection in COLLECTIONS:
        for statement in create_table(collection):
            await connection.execute(statement)
    await connection.close()
    return postgres_dsn


@pytest.fixture
async def postgres_store(sample_tables: str, clean_postgres: str) -> AsyncIterator[PostgresStore]:
    store = await open_postgres(clean_postgres, COLLECTIONS)
    yield store
    await store.close()


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(f"{request.param}_store")
