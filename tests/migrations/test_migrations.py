"""The schema: forward and back, two at once, drafts of what is missing, and databases that are too new."""

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity
from mystira.polyglot.stores.postgres.schema import (
    DatabaseUnreachable,
    SchemaTooNew,
    create_table,
    downgrade,
    draft,
    migrate,
    revisions,
)
from mystira.services import COLLECTIONS
from tests.conftest import MIGRATIONS

pytestmark = pytest.mark.anyio


class First(Entity, frozen=True, kw_only=True):
    name: str = ""


class Later(Entity, frozen=True, kw_only=True):
    name: str = ""
    amount: int = 0


@pytest.fixture
async def empty(postgres_dsn: str) -> AsyncIterator[str]:
    """A database of its own beside the migrated one."""
    admin = await asyncpg.connect(postgres_dsn)
    await admin.execute("DROP DATABASE IF EXISTS empty WITH (FORCE)")
    await admin.execute("CREATE DATABASE empty TEMPLATE template0")
    yield postgres_dsn.replace("/postgres?", "/empty?")
    await admin.execute("DROP DATABASE empty WITH (FORCE)")
    await admin.close()


async def tables(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname IN ('public', 'polyglot')")
    await connection.close()
    return {row["tablename"] for row in rows} - {"alembic_version"}


def quiet(said: list[str]) -> Callable[[str], None]:
    return said.append


async def test_the_revisions_make_exactly_what_the_collections_need(empty: str) -> None:
    await migrate(empty, MIGRATIONS, print)
    drafted = await draft(empty, COLLECTIONS)
    assert (drafted.upgrade, drafted.downgrade) == ([], [])
    assert {collection.table for collection in COLLECTIONS} <= await tables(empty)


async def test_the_revisions_leave_the_triggers_that_a_new_table_would_have(empty: str) -> None:
    await migrate(empty, MIGRATIONS, print)
    triggers = "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1"
    connection = await asyncpg.connect(empty)
    migrated = await connection.fetch(triggers)
    for collection in COLLECTIONS:
        await connection.execute(f"DROP TABLE {collection.table}")
        for statement in create_table(collection):
            await connection.execute(statement)
    assert migrated == await connection.fetch(triggers)
    await connection.close()


async def test_every_revision_goes_back_and_forward_again(empty: str) -> None:
    await migrate(empty, MIGRATIONS, print)
    made = await tables(empty)
    await downgrade(empty, MIGRATIONS, "base")
    assert await tables(empty) == set()
    await migrate(empty, MIGRATIONS, print)
    assert await tables(empty) == made


async def test_of_several_that_migrate_at_once_all_succeed(empty: str) -> None:
    said: list[str] = []
    await asyncio.gather(*(migrate(empty, MIGRATIONS, quiet(said)) for _ in range(4)))
    assert {collection.table for collection in COLLECTIONS} <= await tables(empty)
    said.clear()
    await migrate(empty, MIGRATIONS, quiet(said))
    assert said == []


async def test_a_changed_collection_is_drafted_and_the_draft_works_both_ways(empty: str) -> None:
    before = Collection(First, container="Things", table="things")
    after = Collection(Later, container="Things", table="things", indexes=(("name",),))
    await migrate(empty, MIGRATIONS, print)
    connection = await asyncpg.connect(empty)
    for statement in create_table(before):
        await connection.execute(statement)
    drafted = await draft(empty, [after])
    assert len(drafted.upgrade) == 2 and 'ADD COLUMN "amount"' in drafted.upgrade[0]
    for statement in drafted.upgrade:
        await connection.execute(statement)
    assert (await draft(empty, [after])).upgrade == []
    for statement in drafted.downgrade:
        await connection.execute(statement)
    assert (await draft(empty, [before])).upgrade == []
    await connection.close()


async def test_replication_takes_over_what_an_older_database_holds_and_gives_it_back(empty: str) -> None:
    await migrate(empty, MIGRATIONS, print)
    await downgrade(empty, MIGRATIONS, "0003")
    connection = await asyncpg.connect(empty)
    await connection.execute("INSERT INTO polyglot.feed_position VALUES ('Things', 'range', '17')")
    await connection.execute("INSERT INTO polyglot.events_copied VALUES ('Things', 'p', 'a', 5)")
    await connection.execute(
        "INSERT INTO polyglot.control (collection, phase, version) VALUES ('Things', 'DualWriteCosmosRead', 4)"
    )
    await connection.execute(
        "INSERT INTO story_counts VALUES ('s', 1, 2, 7, 6, 'op', '{}', 'app', false, 1, '{}', 0, '{}')"
    )
    await migrate(empty, MIGRATIONS, print)
    position = await connection.fetchrow("SELECT stream, continuation, caught_up FROM polyglot.feed_position")
    assert tuple(position) == ("follow", "17", False)
    control = await connection.fetchrow("SELECT phase, n, state, copying FROM polyglot.control")
    assert tuple(control) == ("DualWriteCosmosRead", 4, "OPEN", True)
    assert await connection.fetchval("SELECT through FROM polyglot.events_copied") == 5
    assert await connection.fetchrow("SELECT id, _stamp, _doc_seen FROM story_counts") == ("s", 7, 0)
    await connection.execute("INSERT INTO polyglot.feed_position VALUES ('Things', 'range', '3', 'backfill')")
    await downgrade(empty, MIGRATIONS, "0003")
    assert [tuple(row) for row in await connection.fetch("SELECT * FROM polyglot.feed_position")] == [
        ("Things", "range", "17")
    ]
    assert await connection.fetchval("SELECT version FROM polyglot.control") == 4
    await connection.close()


async def test_unique_fields_are_drafted_as_deferrable_constraints(empty: str) -> None:
    before = Collection(First, container="Things", table="things")
    after = Collection(First, container="Things", table="things", unique=(("name",),))
    await migrate(empty, MIGRATIONS, print)
    connection = await asyncpg.connect(empty)
    for statement in create_table(before):
        await connection.execute(statement)
    drafted = await draft(empty, [after])
    (added,) = drafted.upgrade
    assert '"things_unique_name" UNIQUE ("name") DEFERRABLE' in added
    await connection.execute(added)
    assert (await draft(empty, [after])).upgrade == []
    await connection.execute(*drafted.downgrade)
    for statement in ("DROP TABLE things", *create_table(after)):
        await connection.execute(statement)
    assert (await draft(empty, [after])).upgrade == []
    await connection.close()


async def test_a_database_of_a_newer_version_is_refused(empty: str) -> None:
    await migrate(empty, MIGRATIONS, print)
    connection = await asyncpg.connect(empty)
    await connection.execute("UPDATE polyglot.alembic_version SET version_num = '9999'")
    await connection.close()
    with pytest.raises(SchemaTooNew, match="at schema 9999"):
        await migrate(empty, MIGRATIONS, print)


async def test_an_unreachable_database_is_told_without_its_password() -> None:
    with pytest.raises(DatabaseUnreachable) as told:
        await migrate("postgresql://me:hidden@127.0.0.1:1/none", MIGRATIONS, print)
    assert "127.0.0.1/none" in str(told.value) and "hidden" not in str(told.value)


def test_revisions_are_numbered_without_gaps() -> None:
    numbers = [int(revision) for revision in revisions(MIGRATIONS)]
    assert numbers == list(range(1, len(numbers) + 1))
