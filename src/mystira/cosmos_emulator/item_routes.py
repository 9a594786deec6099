"""Requests for items: one item, a batch of them, or a feed or query over many."""

from typing import Any

from mystira.cosmos_emulator import feeds
from mystira.cosmos_emulator.catalogue import Catalogue, Container
from mystira.cosmos_emulator.changes import Kind, last_position
from mystira.cosmos_emulator.documents import Item, shown
from mystira.cosmos_emulator.items import (
    ITEMS,
    Commit,
    Operation,
    Outcome,
    Partition,
    expire,
    partition_of,
    perform,
    remove,
)
from mystira.cosmos_emulator.rids import Rid, parse
from mystira.cosmos_emulator.schema import row, rows, transaction
from mystira.cosmos_emulator.wire import Refusal, Request, Response, decode_object

KINDS = {"GET": "Read", "PUT": "Replace", "DELETE": "Delete", "PATCH": "Patch"}


def one_item(catalogue: Catalogue, container: Container, request: Request) -> Response:
    """Read, replace, delete or patch the item that the path names."""
    kind = KINDS.get(request.method)
    if kind is None:
        raise Refusal(405, f"{request.method} is not possible for an item.")
    where = _partition(container, request)
    asked = _operation(request, kind, _item_id(catalogue, container, request.segments[5]))
    return _read(catalogue, where, asked, request) if kind == "Read" else _do(catalogue, where, asked, request)


def create_item(catalogue: Catalogue, container: Container, request: Request) -> Response:
    """Create or upsert an item."""
    kind = "Upsert" if request.says("x-ms-documentdb-is-upsert") else "Create"
    return _do(catalogue, _partition(container, request), _operation(request, kind, ""), request)


def delete_partition(catalogue: Catalogue, container: Container, request: Request) -> Response:
    """Delete every item of one logical partition: at once here, in the background at the service."""
    where = _partition(container, request)
    with transaction(catalogue.connection):
        expire(catalogue, container)
        commit = Commit(catalogue, container)
        for found in list(
            rows(catalogue.connection, f"{ITEMS} WHERE container = ? AND pk = ?", container.rid, where.pk)
        ):
            remove(commit, Item(*found), Kind.DELETE)
    return Response(200, b"", headers(container, last_position(catalogue.connection, container), where.place))


def headers(container: Container, lsn: int, place: str, etag: str | None = None) -> dict[str, str]:
    """Return what an answer about items says beside its body."""
    where = feeds.range_of(container, place)
    found = {
        "x-ms-session-token": feeds.session(lsn, where),
        "x-ms-alt-content-path": container.name,
        "x-ms-content-path": str(container.resource),
        "x-ms-documentdb-partitionkeyrangeid": str(where.id),
        "lsn": str(lsn),
    }
    return {**found, "etag": etag} if etag else found


def _partition(container: Container, request: Request) -> Partition:
    return partition_of(container, request.headers.get("x-ms-documentdb-partitionkey"))


def _operation(request: Request, kind: str, id: str) -> Operation:
    content: dict[str, Any] = {} if kind in ("Read", "Delete") else decode_object(request.body)
    conditions = (request.headers.get("if-match"), request.headers.get("if-none-match"))
    return Operation(kind, id, content, *conditions)


def _item_id(catalogue: Catalogue, container: Container, name: str) -> str:
    """Return the id that a segment of the path means: the id itself, or that of the item with this resource id."""
    rid = parse(name)
    if rid is None or not rid.item or Rid(rid.database, rid.container) != container.resource:
        return name
    found = row(catalogue.connection, "SELECT id FROM items WHERE doc = ?", rid.item)
    return str(found[0]) if found else name


def _read(catalogue: Catalogue, where: Partition, asked: Operation, request: Request) -> Response:
    if where.container.ttl is not None:
        with transaction(catalogue.connection):
            expire(catalogue, where.container)
    commit = Commit(catalogue, where.container)
    lsn = commit.position()
    feeds.check_session(request, lsn)
    return _told(where, perform(commit, where, asked), lsn)


def _do(catalogue: Catalogue, where: Partition, asked: Operation, request: Request) -> Response:
    with transaction(catalogue.connection):
        expire(catalogue, where.container)
        commit = Commit(catalogue, where.container)
        outcome = perform(commit, where, asked)
    return _told(where, outcome, commit.position(), quiet=request.headers.get("prefer") == "return=minimal")


def _told(where: Partition, outcome: Outcome, lsn: int, *, quiet: bool = False) -> Response:
    if outcome.item is None:
        return Response(outcome.status, b"", headers(where.container, lsn, where.place), outcome.charge)
    body = b"" if quiet or outcome.status == 304 else shown(where.container, outcome.item)
    return Response(outcome.status, body, headers(where.container, lsn, where.place, outcome.item.etag), outcome.charge)
