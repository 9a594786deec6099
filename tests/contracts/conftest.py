"""Every store that the contract suite runs against."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from mystira.polyglot.journal import RelationalStore
from mystira.polyglot.store import Store
from mystira.polyglot.stores.memory import MemoryDocuments
from mystira.polyglot.stores.memory_relational import MemoryRelational
from mystira.polyglot.stores.postgres.schema import create_table
from mystira.polyglot.stores.postgres.store import PostgresStore, open_postgres
from mystira.polyglot.stores.sqlite.store import SqliteDocuments, open_sqlite
from tests.contracts.cosmos import LocalCosmos, provision_into
from tests.contracts.cosmos import cosmos_store as opened_cosmos
from tests.contracts.sample import COLLECTIONS

STORES = ("memory", "sqlite", "cosmos", "simulated", "postgres")
DOCUMENT_STORES = ("memory", "sqlite", "cosmos")
RELATIONAL_STORES = ("simulated", "postgres")

Documents = MemoryDocuments | SqliteDocuments | LocalCosmos


class Clock:
    """Seconds since 1970 that pass only when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_000.25

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory_store(clock: Clock) -> MemoryDocuments:
    return MemoryDocuments(clock=clock)


@pytest.fixture
def simulated_store() -> MemoryRelational:
    return MemoryRelational()


@pytest.fixture
async def sqlite_store(tmp_path: Path, clock: Clock) -> AsyncIterator[SqliteDocuments]:
    store = await open_sqlite(tmp_path / "documents.sqlite", COLLECTIONS, clock=clock)
    yield store
    store.close()


@pytest.fixture(scope="session")
async def made_containers(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("cosmos") / "made.sqlite"
    await provision_into(file)
    return file


@pytest.fixture
async def cosmos_store(
    clock: Clock, request: pytest.FixtureRequest, made_containers: Path, tmp_path: Path
) -> AsyncIterator[LocalCosmos]:
    async with opened_cosmos(clock, request.node.name, made_containers, tmp_path / "cosmos.sqlite") as store:
        yield store


@pytest.fixture(scope="session")
def sample_tables(postgres_dsn: str) -> str:
    # Not asynchronous, for tests that are not may need it first.
    asyncio.run(_make_tables(postgres_dsn))
    return postgres_dsn


async def _make_tables(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    for collection in COLLECTIONS:
        # Another folder's tests may use this fixture too, and the database is the same.
        if await connection.fetchval("SELECT to_regclass($1)", collection.table) is None:
            for statement in create_table(collection):
                await connection.execute(statement)
    await connection.close()


@pytest.fixture
async def postgres_store(sample_tables: str, clean_postgres: str) -> AsyncIterator[PostgresStore]:
    store = await open_postgres(clean_postgres, COLLECTIONS)
    yield store
    await store.close()


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> Store:
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture(params=DOCUMENT_STORES)
def documents(request: pytest.FixtureRequest) -> Documents:
    return request.getfixturevalue(f"{request.param}_store")


@pytest.fixture(params=RELATIONAL_STORES)
def relational(request: pytest.FixtureRequest) -> RelationalStore:
    return request.getfixturevalue(f"{request.param}_store")
