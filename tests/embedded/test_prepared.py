"""Copies of the prepared data folder: whole, and with nothing in common."""

from pathlib import Path

import asyncpg
import pytest

from mystira.polyglot.stores.postgres.embedded import attach
from tests.prepared import copy_of

pytestmark = pytest.mark.anyio


async def test_two_copies_run_side_by_side_and_share_no_secret(tmp_path: Path, whole: Path) -> None:
    first, second = copy_of(whole, tmp_path / "first"), copy_of(whole, tmp_path / "second")
    assert not (first / "secret").exists() and not (second / "secret").exists()
    one, other = await attach(first, print), await attach(second, print)
    connection = await asyncpg.connect(one.dsn)
    await connection.execute("CREATE TABLE only_here (n int)")
    await connection.close()
    connection = await asyncpg.connect(other.dsn)
    assert await connection.fetchval("SELECT to_regclass('only_here')") is None
    assert await connection.fetchval("SELECT count(*) FROM polyglot.alembic_version") == 1
    await connection.close()
    await one.release()
    await other.release()
