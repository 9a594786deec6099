"""The relational schema: what the collections need, what the database has, and the revisions between them."""

import asyncio
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import asyncpg

from mystira.polyglot.collection import Collection
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.stores.postgres.query import COLUMN_TYPES, quoted
from mystira.polyglot.stores.postgres.rows import BOOKKEEPING, DIGESTS, DOC_SEEN

MIGRATION_LOCK = 0x6D797374

# Alembic keeps its context in module variables, so in one process only one migration can run.
_ONE_AT_A_TIME = threading.Lock()


class SchemaTooNew(Problem):
    """The database is at schema {found}, this version of Mystira knows up to {known}. Install the newer version."""

    kind = Kind.UNAVAILABLE


class DatabaseUnreachable(Problem):
    """The PostgreSQL at {where} cannot be reached ({reason}). Start it, or mend the address in MYSTIRA_RELATIONAL."""

    kind = Kind.UNAVAILABLE


class MigrationFailed(Problem):
    """The database schema could not be brought up to date: {reason}"""

    kind = Kind.UNAVAILABLE


class Draft(NamedTuple):
    """SQL that brings a database to what the collections need, and the way back; both empty when nothing differs."""

    upgrade: list[str]
    downgrade: list[str]


def create_table(collection: Collection[Any]) -> list[str]:
    """Return the statements that make a collection's table and its indexes."""
    columns = [f"{quoted(name)} {kind}" for name, kind in columns_of(collection).items()]
    keys = ", ".join(quoted(name) for name in collection.key_fields)
    unique = [f"CONSTRAINT {quoted(name)} {rule}" for name, rule in _unique(collection)]
    body = ",\n    ".join([*columns, f"PRIMARY KEY ({keys})", *unique])
    table = f"CREATE TABLE {quoted(collection.table)} (\n    {body}\n)"
    return [table, *(sql for _, sql in _indexes(collection)), *_watches(collection)]


def columns_of(collection: Collection[Any]) -> dict[str, str]:
    """Return each column's SQL type; a tombstone empties everything but the key."""
    columns: dict[str, str] = {}
    for field in collection.fields:
        kind = COLUMN_TYPES[field.kind]
        columns[field.name] = f'{kind} COLLATE "C"' if kind == "text" else kind
        if field.name in collection.key_fields:
            columns[field.name] += " NOT NULL"
    return columns | BOOKKEEPING | DIGESTS | DOC_SEEN


async def draft(dsn: str, collections: Iterable[Collection[Any]]) -> Draft:
    """Compare the collections with a database and draft what is missing. What is superfluous is left alone."""
    connection = await asyncpg.connect(dsn)
    try:
        columns = await connection.fetch(
            "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        )
        indexes = await connection.fetch("SELECT indexname FROM pg_indexes WHERE schemaname = current_schema()")
    finally:
        await connection.close()
    known: dict[str, set[str]] = {}
    for table, column in columns:
        known.setdefault(table, set()).add(column)
    return _draft(collections, known, {row["indexname"] for row in indexes})


async def migrate(dsn: str, folder: Path, report: Callable[[str], None]) -> None:
    """Bring the database to the newest revision; of several processes that start at once, one does it."""
    newest = revisions(folder)[-1]
    found = await current_revision(dsn)
    if found == newest:
        return
    if found is not None and found not in revisions(folder):
        raise SchemaTooNew(found=found, known=newest)
    report(f"Bringing the database schema from {found or 'nothing'} to {newest}.")
    await asyncio.to_thread(_alembic, dsn, folder, "upgrade", "head")


async def upgrade_to(dsn: str, folder: Path, revision: str) -> None:
    """Bring an empty database to this very revision; SchemaTooNew when this version does not know it."""
    if revision not in revisions(folder):
        raise SchemaTooNew(found=revision, known=revisions(folder)[-1])
    await asyncio.to_thread(_alembic, dsn, folder, "upgrade", revision)


async def downgrade(dsn: str, folder: Path, revision: str) -> None:
    """Take the database back to a revision ("base" for before the first)."""
    await asyncio.to_thread(_alembic, dsn, folder, "downgrade", revision)


def revisions(folder: Path) -> list[str]:
    """Return the numbers of all revisions, the oldest first."""
    names = (path.name for path in (folder / "versions").glob("[0-9]*_*.py"))
    return sorted(name.split("_", 1)[0] for name in names)


async def new_revision(dsn: str, folder: Path, name: str, collections: Iterable[Collection[Any]]) -> Path | None:
    """Write the next numbered revision with the drafted SQL for a person to review; None when nothing differs."""
    drafted = await draft(dsn, collections)
    if not drafted.upgrade:
        return None
    before = revisions(folder)[-1]
    number = f"{int(before) + 1:04}"
    path = folder / "versions" / f"{number}_{re.sub('[^a-z0-9]+', '_', name.lower()).strip('_')}.py"
    path.write_text(_revision_text(name, number, before, drafted))
    return path


async def current_revision(dsn: str) -> str | None:
    """Return the revision that the database is at, None before the first; DatabaseUnreachable without an answer."""
    try:
        connection = await asyncpg.connect(dsn)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # The address may hold a password, so only its host and database are told.
        told = urlsplit(dsn)
        where = f"{told.hostname or 'its socket'}{told.path}"
        raise DatabaseUnreachable(where=where, reason=str(error) or type(error).__name__) from error
    try:
        if await connection.fetchval("SELECT to_regclass('polyglot.alembic_version')") is None:
            return None
        return await connection.fetchval("SELECT version_num FROM polyglot.alembic_version")
    finally:
        await connection.close()


def _alembic(dsn: str, folder: Path, verb: str, revision: str) -> None:
    # Alembic and what it brings are imported only when there is something to migrate: it costs half a second.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy.exc import SQLAlchemyError

    config = Config()
    config.set_main_option("script_location", str(folder))
    config.attributes["dsn"] = dsn
    try:
        with _ONE_AT_A_TIME:
            {"upgrade": command.upgrade, "downgrade": command.downgrade}[verb](config, revision)
    except (SQLAlchemyError, asyncpg.PostgresError, OSError) as error:
        raise MigrationFailed(reason=str(error).split("\n", 1)[0]) from error


def _draft(collections: Iterable[Collection[Any]], known: dict[str, set[str]], indexes: set[str]) -> Draft:
    up: list[str] = []
    down: list[str] = []
    for collection in collections:
        table = quoted(collection.table)
        if collection.table not in known:
            up += create_table(collection)
            down.insert(0, f"DROP TABLE {table}")
            continue
        for name, kind in columns_of(collection).items():
            if name not in known[collection.table]:
                up.append(f"ALTER TABLE {table} ADD COLUMN {quoted(name)} {kind}")
                down.insert(0, f"ALTER TABLE {table} DROP COLUMN {quoted(name)}")
        for name, rule in _unique(collection):
            # A unique constraint is known by its index, which has the same name.
            if name not in indexes:
                up.append(f"ALTER TABLE {table} ADD CONSTRAINT {quoted(name)} {rule}")
                down.insert(0, f"ALTER TABLE {table} DROP CONSTRAINT {quoted(name)}")
        for name, sql in _indexes(collection):
            if name not in indexes:
                up.append(sql)
                down.insert(0, f"DROP INDEX {quoted(name)}")
    return Draft(up, down)


def _indexes(collection: Collection[Any]) -> list[tuple[str, str]]:
    by_leaf = f"{collection.table}_by_leaf"[:63]
    found = [(by_leaf, f"CREATE INDEX {quoted(by_leaf)} ON {quoted(collection.table)} (_leaf)")]
    for fields in collection.indexes:
        name = f"{collection.table}_by_{'_'.join(fields)}"[:63]
        columns = ", ".join(f"{quoted(field)} ASC NULLS FIRST" for field in fields)
        where = "WHERE NOT _deleted"
        found.append((name, f"CREATE INDEX {quoted(name)} ON {quoted(collection.table)} ({columns}) {where}"))
    return found


def _watches(collection: Collection[Any]) -> list[str]:
    """Return the triggers that note what a change of a row does to its digest's leaf.

    A statement that leaves `_leaf` alone notes it by itself: see `Fenced`.
    """
    conditions = {
        "INSERT": "NEW._digest IS NOT NULL",
        "UPDATE OF _leaf": "OLD._digest IS DISTINCT FROM NEW._digest",
        "DELETE": "OLD._digest IS NOT NULL",
    }
    return [
        f"CREATE TRIGGER digest_after_{event.split()[0].lower()} AFTER {event} "
        f"ON {quoted(collection.table)} FOR EACH ROW WHEN ({condition}) "
        f"EXECUTE FUNCTION polyglot.digest_changed('{collection.name}')"
        for event, condition in conditions.items()
    ]


def _unique(collection: Collection[Any]) -> list[tuple[str, str]]:
    # Deferrable, so that two records that swap a value can come over in one transaction.
    return [
        (
            f"{collection.table}_unique_{'_'.join(fields)}"[:63],
            f"UNIQUE ({', '.join(map(quoted, fields))}) DEFERRABLE INITIALLY IMMEDIATE",
        )
        for fields in collection.unique
    ]


def _revision_text(name: str, number: str, before: str, drafted: Draft) -> str:
    def block(statements: list[str]) -> str:
        return "".join(f'    op.execute("""\n{statement}\n    """)\n' for statement in statements)

    return (
        f'"""{name[0].upper()}{name[1:]}."""\n\nfrom alembic import op\n\n'
        f'revision = "{number}"\ndown_revision = "{before}"\n\n\n'
        f"def upgrade() -> None:\n{block(drafted.upgrade)}\n\ndef downgrade() -> None:\n{block(drafted.downgrade)}"
    )
