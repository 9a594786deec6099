"""A small platform of its own: two entities, both stores, one reaction."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from mystira.polyglot.stores.postgres.store import PostgresStore
from mystira.polyglot.stores.sqlite.store import open_sqlite
from tests.contracts.conftest import postgres_store, sample_tables, sqlite_store
from tests.contracts.sample import COLLECTIONS
from tests.polyglot.counting import Rig, make_rig
from tests.polyglot.on_cosmos import on_cosmos
from tests.polyglot.planting import Garden

__all__ = ["postgres_store", "sample_tables", "sqlite_store"]


@pytest.fixture
async def rig(request: pytest.FixtureRequest, tmp_path: Path, clean_postgres: str) -> AsyncIterator[Rig]:
    """Documents in SQLite; in a Cosmos DB where a test says so: parametrize("rig", ["cosmos"], indirect=True)."""
    if getattr(request, "param", "sqlite") == "cosmos":
        async with on_cosmos(clean_postgres) as (rig, _):
            yield rig
        return
    rig = await make_rig(tmp_path / "documents.sqlite", clean_postgres)
    yield rig
    await rig.close()


@pytest.fixture
async def garden(tmp_path: Path, postgres_store: PostgresStore, clean_postgres: str) -> AsyncIterator[Garden]:
    path = tmp_path / "documents.sqlite"
    documents = await open_sqlite(path, COLLECTIONS)
    garden = Garden(path, clean_postgres, documents, postgres_store)
    yield garden
    garden.close()
    documents.close()
