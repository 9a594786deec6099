"""Databases, containers and their throughput: what exists, read from memory and kept in the file."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import apsw

from mystira.cosmos_emulator import ranges, rids
from mystira.cosmos_emulator.partition import Definition, Path, definition, steps
from mystira.cosmos_emulator.ranges import Range
from mystira.cosmos_emulator.rids import Rid
from mystira.cosmos_emulator.schema import row, rows, transaction
from mystira.cosmos_emulator.wire import Refusal, decode, encode

ID_CHARACTERS_MAX = 255
THROUGHPUT_AT_FIRST, THROUGHPUT_MIN = 400, 400
INDEXING = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [{"path": "/*"}],
    "excludedPaths": [{"path": '/"_etag"/?'}],
}
# What a client may say about a container; the rest of a container's JSON is given by the endpoint.
SYSTEM = ("_rid", "_self", "_etag", "_ts", "_docs", "_sprocs", "_triggers", "_udfs", "_conflicts", "statistics")


class Database(NamedTuple):
    """One database."""

    rid: int
    id: str
    ts: int

    def shown(self) -> dict[str, Any]:
        """Return its JSON."""
        rid = str(Rid(self.rid))
        return {
            "id": self.id,
            "_rid": rid,
            "_self": f"dbs/{rid}/",
            "_etag": rids.etag(self.ts),
            "_colls": "colls/",
            "_users": "users/",
            "_ts": self.ts,
        }


class Container(NamedTuple):
    """One container, with everything that an operation on its items asks for."""

    rid: int
    database: Database
    id: str
    definition: dict[str, Any]
    version: int
    ts: int
    key: Definition
    unique: tuple[tuple[Path, ...], ...]
    ttl: int | None
    ranges: tuple[Range, ...]

    resource: Rid
    name: str
    link: str

    def shown(self) -> dict[str, Any]:
        """Return its JSON."""
        return {
            **self.definition,
            "id": self.id,
            "_rid": str(self.resource),
            "_self": self.link,
            "_etag": rids.etag(self.version),
            "_ts": self.ts,
            **{f"_{kind}": f"{kind}/" for kind in ("docs", "sprocs", "triggers", "udfs", "conflicts")},
        }


class Catalogue:
    """What exists. Nothing of it is read from the file twice, until something changes."""

    def __init__(self, connection: apsw.Connection, clock: Callable[[], float], ranges_at_first: int) -> None:
        self.connection = connection
        self.clock = clock
        self._ranges_at_first = ranges_at_first
        self._databases: dict[str, Database] = {}
        self._containers: dict[tuple[int, str], Container] = {}

    def forget(self) -> None:
        """Read everything anew at the next question."""
        self._databases.clear()
        self._containers.clear()

    def databases(self) -> Iterator[Database]:
        """Return all databases, in the order of their names."""
        for found in rows(self.connection, "SELECT rid, id, ts FROM databases ORDER BY id"):
            yield Database(*found)

    def database(self, name: str) -> Database:
        """Return the database of this name or resource id, or refuse."""
        known = self._databases.get(name)
        if known is not None:
            return known
        found = row(self.connection, "SELECT rid, id, ts FROM databases WHERE id = ?", name)
        if found is None and (rid := rids.parse(name)) and not rid.container:
            found = row(self.connection, "SELECT rid, id, ts FROM databases WHERE rid = ?", rid.database)
        if found is None:
            raise Refusal(404, f"There is no database {name}. Create it first.")
        return self._databases.setdefault(name, Database(*found))

    def create_database(self, given: dict[str, Any]) -> Database:
        """Add a database."""
        name = checked_id(given)
        made = Database(secrets.randbits(31) | 1 << 31, name, int(self.clock()))
        try:
            self.connection.execute("INSERT INTO databases VALUES (?, ?, ?)", made)
        except apsw.ConstraintError:
            raise Refusal(409, f"There is a database {name} already.") from None
        return made

    def delete_database(self, database: Database) -> None:
        """Remove a database with everything in it."""
        with transaction(self.connection):
            for container in list(self.containers(database)):
                self.delete_container(container)
            self.connection.execute("DELETE FROM offers WHERE resource = ?", (database.rid,))
            self.connection.execute("DELETE FROM databases WHERE rid = ?", (database.rid,))
        self.forget()

    def containers(self, database: Database) -> Iterator[Container]:
        """Return the containers of a database, in the order of their names."""
        names = rows(self.connection, "SELECT id FROM containers WHERE database = ? ORDER BY id", database.rid)
        for (name,) in list(names):
            yield self.container(database, name)

    def container(self, database: Database, name: str) -> Container:
        """Return the container of this name or resource id, or refuse."""
        known = self._containers.get((database.rid, name))
        if known is not None:
            return known
        sql = "SELECT rid, id, definition, version, ts FROM containers WHERE database = ? AND "
        found = row(self.connection, sql + "id = ?", database.rid, name)
        if found is None and (rid := rids.parse(name)) and rid.container and not rid.item:
            found = row(self.connection, sql + "rid = ?", database.rid, rid.container)
        if found is None:
            raise Refusal(404, f"There is no container {name} in {database.id}. Create it first.", 1003)
        made = self._read(database, found)
        return self._containers.setdefault((database.rid, name), made)

    def create_container(self, database: Database, given: dict[str, Any]) -> Container:
        """Add a container."""
        name = checked_id(given)
        kept = checked_definition(given)
        key = definition(kept["partitionKey"])
        rid, now = secrets.randbits(31) | 1 << 31, int(self.clock())
        try:
            with transaction(self.connection):
                self.connection.execute(
                    "INSERT INTO containers (rid, database, id, definition, version, ts) VALUES (?, ?, ?, ?, 1, ?)",
                    (rid, database.rid, name, encode(kept), now),
                )
                ranges.create(self.connection, rid, key, self._ranges_at_first, now)
        except apsw.ConstraintError:
            raise Refusal(409, f"There is a container {name} in {database.id} already.") from None
        return self.container(database, name)

    def replace_container(self, container: Container, given: dict[str, Any]) -> Container:
        """Change what may be changed: not the partition key, not the unique keys."""
        kept = checked_definition({"partitionKey": container.definition["partitionKey"], **given})
        for fixed in ("partitionKey", "uniqueKeyPolicy"):
            if kept.get(fixed) != container.definition.get(fixed):
                raise Refusal(400, f"The {fixed} of a container cannot be changed; make a new container.")
        now = int(self.clock())
        with transaction(self.connection):
            self.connection.execute(
                "UPDATE containers SET definition = ?, version = version + 1, ts = ? WHERE rid = ?",
                (encode(kept), now, container.rid),
            )
            self._set_deadlines(container.rid, kept.get("defaultTtl"))
        self.forget()
        return self.container(container.database, container.id)

    def delete_container(self, container: Container) -> None:
        """Remove a container with its items."""
        with transaction(self.connection):
            self.connection.execute("DELETE FROM unique_values WHERE container = ?", (container.rid,))
            self.connection.execute("DELETE FROM offers WHERE resource = ?", (container.rid,))
            self.connection.execute("DELETE FROM containers WHERE rid = ?", (container.rid,))
        self.forget()

    def _set_deadlines(self, container: int, ttl: int | None) -> None:
        """Say for every item when it ends, now that the container's time to live may be another."""
        self.connection.execute(
            "UPDATE items SET deadline = CASE WHEN ?1 IS NULL OR coalesce(ttl, ?1) < 0 THEN NULL"
            " ELSE ts + coalesce(ttl, ?1) END WHERE container = ?2",
            (ttl, container),
        )

    def _read(self, database: Database, found: Any) -> Container:
        rid, name, text, version, ts = found
        kept = decode(text)
        key = definition(kept["partitionKey"])
        unique, living = _unique_keys(kept), ranges.living(self.connection, rid)
        resource = Rid(database.rid, rid)
        # Answers carry the link by names in a header, which has room for ASCII only.
        by_name = f"dbs/{database.id}/colls/{name}".encode("ascii", "backslashreplace").decode()
        link = f"dbs/{Rid(database.rid)}/colls/{resource}/"
        ttl = kept.get("defaultTtl")
        return Container(rid, database, name, kept, version, ts, key, unique, ttl, living, resource, by_name, link)


def _unique_keys(kept: dict[str, Any]) -> tuple[tuple[Path, ...], ...]:
    policy: Any = kept.get("uniqueKeyPolicy")
    keys: Any = policy["uniqueKeys"] if policy else ()
    return tuple(tuple(steps(path) for path in one["paths"]) for one in keys)


def checked_id(given: dict[str, Any]) -> str:
    """Return the id of a new resource, or refuse."""
    name = given.get("id")
    if not isinstance(name, str) or not name.strip() or len(name) > ID_CHARACTERS_MAX:
        raise Refusal(400, f"id must be text of 1 to {ID_CHARACTERS_MAX} characters.")
    if name != name.rstrip(" ") or any(character in "/\\#?" or ord(character) < 32 for character in name):
        raise Refusal(400, f"The id {name!r} may not have / \\ # ? or end with a space.")
    return name


def checked_definition(given: dict[str, Any]) -> dict[str, Any]:
    """Return what is kept of a container's JSON, or refuse."""
    kept = {name: value for name, value in given.items() if name not in SYSTEM and name != "id"}
    definition(kept.get("partitionKey"))
    kept.setdefault("indexingPolicy", INDEXING)
    kept.setdefault("conflictResolutionPolicy", {"mode": "LastWriterWins", "conflictResolutionPath": "/_ts"})
    ttl = kept.get("defaultTtl")
    if ttl is not None and (not isinstance(ttl, int) or isinstance(ttl, bool) or (ttl < 1 and ttl != -1)):
        raise Refusal(400, "defaultTtl must be a number of seconds above 0, or -1 for items that have their own.")
    try:
        _unique_keys(kept)
    except (KeyError, TypeError):
        raise Refusal(400, 'uniqueKeyPolicy must look like {"uniqueKeys": [{"paths": ["/email"]}]}.') from None
    return kept
