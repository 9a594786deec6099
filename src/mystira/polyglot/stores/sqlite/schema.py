"""The tables of a document file: one a container, the feed ranges, and the counter that gives positions."""

import time
import zlib
from collections.abc import Iterable
from typing import Any, cast

import apsw

from mystira.polyglot.collection import Collection
from mystira.polyglot.fields import FieldKind
from mystira.polyglot.stores.ranges import first_ranges

LOCKED_S_MAX = 10.0

SETTINGS = (
    "PRAGMA journal_mode = WAL",
    # An acknowledged write survives a power cut, so every commit waits for the disk.
    "PRAGMA synchronous = FULL",
    "PRAGMA temp_store = MEMORY",
    # A log that one burst made large does not stay large.
    "PRAGMA journal_size_limit = 67108864",
)

FRAMEWORK = """
CREATE TABLE IF NOT EXISTS _position (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL);
INSERT OR IGNORE INTO _position VALUES (1, 0);
CREATE TABLE IF NOT EXISTS _ranges (
    container TEXT NOT NULL, range_id TEXT NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL,
    split INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (container, range_id)) WITHOUT ROWID;
"""


def quoted(name: str) -> str:
    """Return a name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def connect(path: str, locked_s_max: float = LOCKED_S_MAX) -> apsw.Connection:
    """Open the file with the settings that every connection needs."""
    connection = apsw.Connection(path)
    connection.set_busy_timeout(int(locked_s_max * 1000))
    give_up_at = time.monotonic() + locked_s_max
    while True:
        try:
            for setting in SETTINGS:
                connection.execute(setting)
        except apsw.BusyError:
            # Changing to WAL does not wait for the lock of another process that is doing the same.
            if time.monotonic() > give_up_at:
                connection.close()
                raise
            time.sleep(0.01)
        except apsw.Error:
            connection.close()
            raise
        else:
            return connection


def create(connection: apsw.Connection, collections: Iterable[Collection[Any]]) -> None:
    """Make whatever is missing; safe when several processes do it at once."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(FRAMEWORK)
        for collection in collections:
            _create_container(connection, collection)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _create_container(connection: apsw.Connection, collection: Collection[Any]) -> None:
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {quoted(collection.container)} (partition TEXT NOT NULL, id TEXT NOT NULL, "
        "hash INTEGER NOT NULL, position INTEGER NOT NULL, deleted INTEGER NOT NULL, expires_at REAL, "
        "body TEXT NOT NULL, PRIMARY KEY (partition, id))"
    )
    _create_indexes(connection, collection)
    if connection.execute("SELECT 1 FROM _ranges WHERE container = ?", (collection.container,)).get is None:
        for new in first_ranges():
            row = (collection.container, new.id, new.low, new.high)
            connection.execute("INSERT INTO _ranges (container, range_id, low, high) VALUES (?, ?, ?, ?)", row)


def _create_indexes(connection: apsw.Connection, collection: Collection[Any]) -> None:
    container = collection.container
    # The feed's index holds all that its search needs, so that other ranges' documents are passed over cheaply.
    feed = "(position, hash, expires_at)"
    wanted = {_index_name(container, feed): feed}
    for fields in collection.indexes:
        ordered = (*fields, *(name for name in collection.key_fields if name not in fields))
        columns = ", ".join(expression(collection, field) for field in ordered)
        wanted[_index_name(container, columns)] = f"({columns}) WHERE NOT deleted"
    statement = "SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
    rows = cast(list[tuple[str]], connection.execute(statement, (container,)).fetchall())
    known = {row[0] for row in rows}
    for name in known - set(wanted):
        connection.execute(f"DROP INDEX {quoted(name)}")
    for name in set(wanted) - known:
        connection.execute(f"CREATE INDEX {quoted(name)} ON {quoted(container)} {wanted[name]}")


def _index_name(container: str, columns: str) -> str:
    # An index that is declared differently has another name, so that the old one is seen and replaced.
    return f"{container}_{zlib.crc32(columns.encode()):08x}"


def expression(collection: Collection[Any], name: str) -> str:
    """Return the SQL for a field's value: a column for the key, else what the document holds (absent is null)."""
    field = collection.by_name[name]
    if name == "id":
        return "id"
    if name == collection.partition and field.kind is FieldKind.TEXT:
        return "partition"
    return f"json_extract(body, '$.\"{field.document_name}\"')"
