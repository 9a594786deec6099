"""What every test may use: asyncio, and one embedded PostgreSQL per worker."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from mystira.polyglot.stores.postgres.embedded import attach, remove
from mystira.polyglot.stores.postgres.embedded.problems import StillInUse
from mystira.polyglot.stores.postgres.schema import migrate
from tests.prepared import copy_of, prepared

ROOT = Path(__file__).parents[1]
MIGRATIONS = ROOT / "migrations"

# A shell that runs the tests in the background lets them ignore Ctrl-C, and every process they start would as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


LONGEST_FIRST = ("machine", "slow", "browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take the longest files first: begun last, one of them alone would keep all other workers waiting."""
    ranks: dict[Path, int] = {}
    for item in items:
        marks = [rank for rank, mark in enumerate(LONGEST_FIRST) if item.get_closest_marker(mark)]
        ranks[item.path] = min([ranks.get(item.path, len(LONGEST_FIRST)), *marks])
    items.sort(key=lambda item: ranks[item.path])


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def nothing_stays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Delete what PostgreSQL kept for the data folders of all tests: root's clusters are in a place apart."""
    yield
    for secret in tmp_path_factory.getbasetemp().rglob("secret"):
        # What still runs there was started by a test that failed.
        with suppress(StillInUse):
            asyncio.run(remove(secret.parent))


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for `copy_of`: everything that the first start of the platform brings."""
    base = tmp_path_factory.getbasetemp()
    return prepared(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture
def data(tmp_path: Path, whole: Path) -> Path:
    """A data folder of one's own, in which the platform starts as if it had been there before."""
    return copy_of(whole, tmp_path / "data")


@pytest.fixture(scope="session")
def postgres_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a migrated PostgreSQL: one's own, or the one that MYSTIRA_TEST_POSTGRES names."""
    given = os.environ.get("MYSTIRA_TEST_POSTGRES")
    if given:
        asyncio.run(migrate(given, MIGRATIONS, print))
        yield given
        return
    data = tmp_path_factory.mktemp("postgres")
    # Folders of that name are numbered anew on every machine start: what a killed run left goes first.
    asyncio.run(remove(data))
    attached = asyncio.run(attach(data, print))
    asyncio.run(migrate(attached.dsn, MIGRATIONS, print))
    asyncio.run(_spare_the_disk(attached.dsn))
    yield attached.dsn
    asyncio.run(attached.release())
    asyncio.run(remove(data))


async def _spare_the_disk(dsn: str) -> None:
    # Tests kill processes, never the machine: what was written is there without waiting for the disk.
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("ALTER SYSTEM SET fsync = off")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()


@pytest.fixture
async def clean_postgres(postgres_dsn: str) -> AsyncIterator[str]:
    """The same database, emptied of everything that a test before has written."""
    connection = await asyncpg.connect(postgres_dsn)
    try:
        tables = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname IN ('public', 'polyglot') "
            "AND tablename <> 'alembic_version'"
        )
        names = [f'"{schema}"."{table}"' for schema, table in tables]
        # Emptying every table makes the files of each anew, which takes far longer than to see which few are not empty.
        written = " UNION ALL ".join(f"SELECT '{name}' WHERE EXISTS (SELECT FROM {name})" for name in names)
        if names and (full := await connection.fetch(written)):
            await connection.execute(f"TRUNCATE {', '.join(name for (name,) in full)}")
    finally:
        await connection.close()
    yield postgres_dsn
