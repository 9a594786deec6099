"""A small platform of its own: two entities, both stores, one reaction."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.contracts.conftest import postgres_store, sample_tables, sqlite_store
from tests.polyglot.counting import Rig, make_rig

__all__ = ["postgres_store", "sample_tables", "sqlite_store"]


@pytest.fixture
async def rig(tmp_path: Path, clean_postgres: str) -> AsyncIterator[Rig]:
    rig = await make_rig(tmp_path / "documents.sqlite", clean_postgres)
    yield rig
    await rig.close()
