"""The tables of a document file: one a container, the feed ranges, and the counter that gives positions."""

from collections.abc import Iterable
from typing import Any

import apsw

from mystira.polyglot.collection import Collection

HASHES = 1 << 32
RANGES_AT_FIRST = 2

SETTINGS = (
    "PRAGMA journal_mode = WAL",
    # An acknowledged write survives a power cut, so every commit waits for the disk.
    "PRAGMA synchronous = FULL",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA mmap_size = 268435456",
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


def range_id(low: int, high: int) -> str:
    """Return the name of the feed range of these hashes (from low up to, not including, high)."""
    return f"{low:09x}-{high:09x}"


def connect(path: str) -> apsw.Connection:
    """Open the file with the settings that every connection needs."""
    connection = apsw.Connection(path)
    connection.set_busy_timeout(10_000)
    for setting in SETTINGS:
        connection.execute(setting)
    return connection


def create(connection: apsw.Connection, collections: Iterable[Collection[Any]]) -> None:
    """Make whatever is missing; safe when several processes do it at once."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(FRAMEWORK)
        for collection in collections:
            _create_container(connection, collection)
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _create_container(connection: apsw.Connection, collection: Collection[Any]) -> None:
    table = quoted(collection.container)
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table} (partition TEXT NOT NULL, id TEXT NOT NULL, hash INTEGER NOT NULL, "
        "position INTEGER NOT NULL, deleted INTEGER NOT NULL, expires_at REAL, body TEXT NOT NULL, "
        "PRIMARY KEY (partition, id))"
    )
    feed_index = quoted(f"{collection.container}_feed")
    connection.execute(f"CREATE UNIQUE INDEX IF NOT EXISTS {feed_index} ON {table} (position)")
    for fields in collection.indexes:
        name = quoted(f"{collection.container}_by_{'_'.join(fields)}")
        columns = ", ".join(expression(collection, field) for field in fields)
        connection.execute(f"CREATE INDEX IF NOT EXISTS {name} ON {table} ({columns}) WHERE NOT deleted")
    known = connection.execute("SELECT count(*) FROM _ranges WHERE container = ?", (collection.container,)).get
    if not known:
        width = HASHES // RANGES_AT_FIRST
        for low in range(0, HASHES, width):
            row = (collection.container, range_id(low, low + width), low, low + width)
            connection.execute("INSERT INTO _ranges (container, range_id, low, high) VALUES (?, ?, ?, ?)", row)


def expression(collection: Collection[Any], name: str) -> str:
    """Return the SQL for a field's value: a column for the key, else what the document holds (absent is null)."""
    if name == "id":
        return "id"
    if name == collection.partition:
        return "partition"
    return f"json_extract(body, '$.\"{collection.by_name[name].document_name}\"')"
