"""The SQLite file (or memory) that holds everything, and its one connection."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import apsw

# A number of its own in the file's header, so that a stranger's file is not written into.
APPLICATION_ID = 0x434F5344
MEMORY = ":memory:"

TABLES = """
CREATE TABLE IF NOT EXISTS databases (
    rid INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, ts INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS containers (
    rid INTEGER PRIMARY KEY, database INTEGER NOT NULL REFERENCES databases ON DELETE CASCADE, id TEXT NOT NULL,
    definition BLOB NOT NULL, version INTEGER NOT NULL, ts INTEGER NOT NULL,
    -- Counts the commits; an item's lsn is the commit that wrote it, and the change feed's position.
    lsn INTEGER NOT NULL DEFAULT 0,
    -- What happened up to here is no longer told by the feed of all versions.
    forgotten INTEGER NOT NULL DEFAULT 0,
    UNIQUE (database, id)
);
CREATE TABLE IF NOT EXISTS offers (
    rid INTEGER PRIMARY KEY AUTOINCREMENT, resource INTEGER NOT NULL UNIQUE, link TEXT NOT NULL,
    content BLOB NOT NULL, version INTEGER NOT NULL, ts INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS ranges (
    container INTEGER NOT NULL REFERENCES containers ON DELETE CASCADE, id INTEGER NOT NULL,
    low TEXT NOT NULL, high TEXT NOT NULL, parents BLOB NOT NULL, gone INTEGER NOT NULL DEFAULT 0,
    seq INTEGER NOT NULL, ts INTEGER NOT NULL, PRIMARY KEY (container, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
    doc INTEGER PRIMARY KEY AUTOINCREMENT,
    container INTEGER NOT NULL REFERENCES containers ON DELETE CASCADE,
    pk TEXT NOT NULL, id TEXT NOT NULL, place TEXT NOT NULL, lsn INTEGER NOT NULL, version INTEGER NOT NULL,
    ts INTEGER NOT NULL, ttl INTEGER, deadline INTEGER, body BLOB NOT NULL,
    UNIQUE (container, pk, id)
);
CREATE INDEX IF NOT EXISTS items_by_lsn ON items (container, lsn, doc);
CREATE INDEX IF NOT EXISTS items_by_doc ON items (container, doc);
CREATE INDEX IF NOT EXISTS items_by_deadline ON items (container, deadline) WHERE deadline IS NOT NULL;
CREATE TABLE IF NOT EXISTS unique_values (
    container INTEGER NOT NULL, pk TEXT NOT NULL, value TEXT NOT NULL,
    doc INTEGER NOT NULL REFERENCES items ON DELETE CASCADE,
    PRIMARY KEY (container, pk, value)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unique_values_by_doc ON unique_values (doc);
CREATE TABLE IF NOT EXISTS changes (
    seq INTEGER PRIMARY KEY,
    container INTEGER NOT NULL REFERENCES containers ON DELETE CASCADE,
    lsn INTEGER NOT NULL, before INTEGER NOT NULL, doc INTEGER NOT NULL, pk TEXT NOT NULL, id TEXT NOT NULL,
    place TEXT NOT NULL, kind TEXT NOT NULL, ts INTEGER NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS changes_by_lsn ON changes (container, lsn, seq);
"""


class Unusable(Exception):
    """The endpoint cannot start as asked; the message says what to do."""


def open_storage(file: Path | None) -> apsw.Connection:
    """Open the file, or memory; what is answered survives the death of the process, not that of the machine."""
    try:
        connection = apsw.Connection(str(file) if file else MEMORY)
        known = connection.execute("PRAGMA application_id").get
        if known != APPLICATION_ID and connection.execute("SELECT count(*) FROM sqlite_schema").get:
            raise Unusable(f"{file} belongs to another program. Name another file with --data.")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        # The write-ahead log reaches the operating system before the answer goes out; it outlives this process.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute(TABLES)
    except apsw.Error as error:
        raise Unusable(f"{file} cannot be opened ({error}). Name another file with --data.") from error
    return connection


@contextmanager
def transaction(connection: apsw.Connection) -> Generator[None]:
    """Commit what the body does, all or nothing; inside another one it is a part of that."""
    if connection.in_transaction:
        with connection:
            yield
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def rows(connection: apsw.Connection, sql: str, *given: Any) -> Iterator[Any]:
    """Return the rows, one after the other."""
    return cast("Iterator[Any]", connection.execute(sql, given))


def row(connection: apsw.Connection, sql: str, *given: Any) -> Any:
    """Return the first row, or None."""
    return next(rows(connection, sql, *given), None)
