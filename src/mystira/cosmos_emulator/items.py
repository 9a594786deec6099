"""What can be done with one item, inside a transaction: each operation is done or refused, never half."""

import time
from typing import Any, NamedTuple, cast

import apsw

from mystira.cosmos_emulator import charges, sql
from mystira.cosmos_emulator.catalogue import Catalogue, Container
from mystira.cosmos_emulator.changes import Kind, last_position, note
from mystira.cosmos_emulator.documents import Item, checked, deadline, opened, packed, unique_values
from mystira.cosmos_emulator.partition import Key, located, of_document, text_of
from mystira.cosmos_emulator.patching import patched
from mystira.cosmos_emulator.schema import row, rows
from mystira.cosmos_emulator.wire import Refusal, check, decode

ITEMS = "SELECT doc, pk, id, place, lsn, version, ts, ttl, body FROM items"
_FIND = f"{ITEMS} WHERE container = ? AND pk = ? AND id = ?"
_EXPIRED = f"{ITEMS} WHERE container = ? AND deadline <= ?"


class Partition(NamedTuple):
    """One logical partition of a container."""

    container: Container
    key: Key
    pk: str
    place: str


class Operation(NamedTuple):
    """What is asked: one of Create, Upsert, Replace, Read, Delete, Patch, and the version it is asked of."""

    kind: str
    id: str = ""
    content: dict[str, Any] = {}
    if_match: str | None = None
    if_none_match: str | None = None


class Outcome(NamedTuple):
    """What was done; the item is what stands now, or None after a delete."""

    status: int
    item: Item | None
    charge: float


class Commit:
    """The writes that become visible together, at one position of the change feed."""

    def __init__(self, catalogue: Catalogue, container: Container) -> None:
        self.connection = catalogue.connection
        self.container = container
        self.now = int(catalogue.clock())
        self._lsn = 0

    @property
    def lsn(self) -> int:
        """The position, given when the first write asks for it."""
        if not self._lsn:
            taken = row(
                self.connection, "UPDATE containers SET lsn = lsn + 1 WHERE rid = ? RETURNING lsn", self.container.rid
            )
            self._lsn = cast(int, taken[0])
        return self._lsn

    def position(self) -> int:
        """Return the position of the newest commit, which is this one if it has written."""
        return self._lsn or last_position(self.connection, self.container)


def partition_of(container: Container, header: Any) -> Partition:
    """Return the logical partition that a request or an operation of a batch names, or refuse."""
    if header is not None and not isinstance(header, str):
        raise Refusal(400, 'A partition key is given as text: a JSON array such as ["tenant"].')
    return Partition(container, *located(container.key, header))


def find(connection: apsw.Connection, where: Partition, id: str) -> Item | None:
    """Return the item, if it is there."""
    found = row(connection, _FIND, where.container.rid, where.pk, id)
    return Item(*found) if found else None


def perform(commit: Commit, where: Partition, asked: Operation) -> Outcome:
    """Do one operation, or refuse it before anything is changed."""
    if asked.kind in ("Create", "Upsert"):
        return _create_or_upsert(commit, where, asked)
    item = find(commit.connection, where, asked.id)
    if item is None:
        raise Refusal(404, f"There is no item {asked.id} in the partition {where.pk}.")
    if asked.kind == "Read":
        if asked.if_none_match in (item.etag, "*"):
            return Outcome(304, item, charges.reading(0))
        return Outcome(200, item, charges.reading(len(item.body)))
    _check_version(asked, item)
    if asked.kind == "Delete":
        remove(commit, item, Kind.DELETE)
        return Outcome(204, None, charges.deleting(len(item.body)))
    if asked.kind == "Patch":
        _check_condition(where.container, item, asked.content.get("condition"))
        fixed = {("id",), *where.container.key.paths}
        document = patched(decode(item.body), asked.content, fixed)
        check(document, "The patched item")
        return _replace(commit, where, item, checked(document))
    document = checked(asked.content)
    if document["id"] != asked.id:
        raise Refusal(400, f"The item's id is {document['id']!r}, but the request names {asked.id!r}.")
    return _replace(commit, where, item, document)


def remove(commit: Commit, item: Item, kind: Kind) -> None:
    """Take an item away, because it was deleted or has reached its end."""
    note(commit.connection, commit.container, commit.lsn, item.lsn, item, kind, commit.now)
    commit.connection.execute("DELETE FROM items WHERE doc = ?", (item.doc,))


def expire(catalogue: Catalogue, container: Container) -> None:
    """Take away what has reached its end. Every operation begins so, therefore nobody sees an item after its time."""
    if container.ttl is None:
        return
    commit = Commit(catalogue, container)
    for found in list(rows(catalogue.connection, _EXPIRED, container.rid, commit.now)):
        remove(commit, Item(*found), Kind.EXPIRE)


def _create_or_upsert(commit: Commit, where: Partition, asked: Operation) -> Outcome:
    document = checked(asked.content)
    item = find(commit.connection, where, document["id"])
    if item is None:
        return _create(commit, where, document)
    if asked.kind == "Create":
        raise Refusal(409, f"There is an item {item.id} in the partition {where.pk} already.")
    _check_version(asked, item)
    return _replace(commit, where, item, document)


def _check_version(asked: Operation, item: Item) -> None:
    expected = asked.if_match
    if expected not in (None, "*", item.etag) or asked.if_none_match in ("*", item.etag):
        raise Refusal(412, f"The item {item.id} has another version now: read it again. It is {item.etag}.")


def _check_condition(container: Container, item: Item, condition: Any) -> None:
    """Refuse to patch an item that does not fulfil a condition such as FROM c WHERE c.stock > 0."""
    if condition is None:
        return
    try:
        fulfilled = sql.matches(sql.parse_condition(str(condition)), opened(container, item))
    except sql.SqlError as error:
        raise Refusal(400, f"Syntax error in the condition: {error}") from None
    if not fulfilled:
        raise Refusal(412, f"The item {item.id} does not fulfil the condition {condition}.", 1110)


def _create(commit: Commit, where: Partition, document: dict[str, Any]) -> Outcome:
    _check_key(where, document)
    body, ttl = packed(document), document.get("ttl")
    given = (where.pk, document["id"], where.place, commit.lsn, _next_version(), commit.now, ttl)
    ends = deadline(where.container, commit.now, ttl)
    commit.connection.execute(
        "INSERT INTO items (container, pk, id, place, lsn, version, ts, ttl, deadline, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (where.container.rid, *given, ends, body),
    )
    item = Item(commit.connection.last_insert_rowid(), *given, body)
    _take_unique_values(commit, where, item, document)
    note(commit.connection, where.container, item.lsn, 0, item, Kind.CREATE, commit.now)
    return Outcome(201, item, charges.creating(len(body)))


def _replace(commit: Commit, where: Partition, item: Item, document: dict[str, Any]) -> Outcome:
    _check_key(where, document)
    body, ttl = packed(document), document.get("ttl")
    after = item._replace(lsn=commit.lsn, version=_next_version(), ts=commit.now, ttl=ttl, body=body)
    ends = deadline(where.container, commit.now, ttl)
    commit.connection.execute(
        "UPDATE items SET lsn = ?, version = ?, ts = ?, ttl = ?, deadline = ?, body = ? WHERE doc = ?",
        (after.lsn, after.version, after.ts, ttl, ends, body, item.doc),
    )
    if where.container.unique:
        commit.connection.execute("DELETE FROM unique_values WHERE doc = ?", (item.doc,))
        _take_unique_values(commit, where, after, document)
    note(commit.connection, where.container, after.lsn, item.lsn, after, Kind.REPLACE, commit.now)
    return Outcome(200, after, charges.replacing(len(item.body), len(body)))


def _check_key(where: Partition, document: dict[str, Any]) -> None:
    if text_of(of_document(where.container.key, document)) != where.pk:
        message = f"The partition key in the document is not the one in the header, which is {where.pk}."
        raise Refusal(400, message, 1001)


def _take_unique_values(commit: Commit, where: Partition, item: Item, document: dict[str, Any]) -> None:
    for value in unique_values(where.container, document):
        try:
            commit.connection.execute(
                "INSERT INTO unique_values VALUES (?, ?, ?, ?)", (where.container.rid, where.pk, value, item.doc)
            )
        except apsw.ConstraintError:
            raise Refusal(409, "Another item in this partition has the same unique key.") from None


_last_version = 0


def _next_version() -> int:
    """Return a number that no item had before, not even in an earlier process."""
    global _last_version  # noqa: PLW0603 - one counter for the process, so that no two versions are the same.
    _last_version = max(_last_version + 1, time.time_ns() // 1000)
    return _last_version
