"""The change feeds: the latest version of what changed, or every version and every end."""

from enum import StrEnum
from typing import Any, NamedTuple, cast

import apsw

from mystira.cosmos_emulator.catalogue import Container
from mystira.cosmos_emulator.documents import Item, shown
from mystira.cosmos_emulator.schema import row, rows
from mystira.cosmos_emulator.wire import Refusal, decode, encode

# How long every version is kept where the container's changeFeedPolicy says nothing else.
RETENTION_S = 3600
PRUNE_EVERY = 512
PAGE = 100
BYTES_MAX = 4 * 1024 * 1024

_LATEST = "SELECT doc, pk, id, place, lsn, version, ts, ttl, body FROM items INDEXED BY items_by_lsn"
_EVERY = "SELECT doc, pk, id, place, lsn, version, ts, NULL, body, kind, before FROM changes INDEXED BY changes_by_lsn"


class Kind(StrEnum):
    """What happened to an item."""

    CREATE = "create"
    REPLACE = "replace"
    DELETE = "delete"
    EXPIRE = "expire"


class Scope(NamedTuple):
    """What is looked at: a stretch of places, or one logical partition."""

    low: str = ""
    high: str = "FF"
    pk: str | None = None

    def where(self, container: int) -> tuple[str, tuple[Any, ...]]:
        """Return the condition in SQL and what it needs."""
        where, given = "container = ?", (container,)
        if self.pk is not None:
            where, given = f"{where} AND pk = ?", (*given, self.pk)
        if (self.low, self.high) != ("", "FF"):
            where, given = f"{where} AND place >= ? AND place < ?", (*given, self.low, self.high)
        return where, given


class Page(NamedTuple):
    """Entries of a feed as JSON, and the position after them."""

    rows: list[bytes]
    position: int


def note(
    connection: apsw.Connection, container: Container, lsn: int, before: int, item: Item, kind: Kind, now: int
) -> None:
    """Write down what happens, for the feed of all versions."""
    connection.execute(
        "INSERT INTO changes (container, lsn, before, doc, pk, id, place, kind, ts, version, body)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (container.rid, lsn, before, item.doc, item.pk, item.id, item.place, kind, now, item.version, item.body),
    )
    if lsn % PRUNE_EVERY == 0:
        _prune(connection, container, now)


def last_position(connection: apsw.Connection, container: Container) -> int:
    """Return the position of the newest commit."""
    return cast(int, row(connection, "SELECT lsn FROM containers WHERE rid = ?", container.rid)[0])


def latest(connection: apsw.Connection, container: Container, scope: Scope, after: int, since: int, count: int) -> Page:
    """Return the items that changed after a position, each as it is now, in the order of their last change."""
    where, given = scope.where(container.rid)
    sql = f"{_LATEST} WHERE {where} AND lsn > ? AND ts >= ? ORDER BY lsn, doc"
    page = Page([], last_position(connection, container))
    found = (Item(*entry) for entry in rows(connection, sql, *given, after, since))
    return _cut(page, ((item.lsn, _latest_row(container, item)) for item in found), count)


def every_version(
    connection: apsw.Connection, container: Container, scope: Scope, after: int, since: int, count: int
) -> Page:
    """Return everything that happened after a position."""
    forgotten = row(connection, "SELECT forgotten FROM containers WHERE rid = ?", container.rid)[0]
    if after < forgotten:
        raise Refusal(400, "The feed of all versions no longer reaches back so far. Start from now.")
    where, given = scope.where(container.rid)
    sql = f"{_EVERY} WHERE {where} AND lsn > ? AND ts >= ? ORDER BY lsn, seq"
    page = Page([], last_position(connection, container))
    found = rows(connection, sql, *given, after, since)
    return _cut(page, ((entry[4], _version_row(container, entry)) for entry in found), count)


def _cut(page: Page, entries: Any, count: int) -> Page:
    """Fill the page; entries of one commit stay together, so a page may be longer than asked."""
    size = last = 0
    for lsn, text in entries:
        if lsn != last and (len(page.rows) >= count or size > BYTES_MAX):
            return page._replace(position=last)
        page.rows.append(text)
        size += len(text)
        last = lsn
    return page


def _latest_row(container: Container, item: Item) -> bytes:
    return shown(container, item, f',"_lsn":{item.lsn}'.encode())


def _version_row(container: Container, entry: Any) -> bytes:
    item, kind, before = Item(*entry[:9]), entry[9], entry[10]
    ended = kind in (Kind.DELETE, Kind.EXPIRE)
    metadata: dict[str, Any] = {
        "operationType": "delete" if ended else kind,
        "lsn": item.lsn,
        "crts": item.ts,
        "previousImageLSN": before,
    }
    if ended:
        metadata["timeToLiveExpired"] = kind == Kind.EXPIRE
        metadata["id"] = item.id
        names = ("/".join(path) for path in container.key.paths)
        metadata["partitionKey"] = dict(zip(names, decode(item.pk), strict=True))
    image = shown(container, item)
    images = b'"current":{},"previous":' + image if ended else b'"current":' + image
    return b"{" + images + b',"metadata":' + encode(metadata) + b"}"


def _prune(connection: apsw.Connection, container: Container, now: int) -> None:
    policy: Any = container.definition.get("changeFeedPolicy")
    minutes = cast("dict[str, Any]", policy).get("retentionDuration") if isinstance(policy, dict) else None
    before = now - (minutes * 60 if isinstance(minutes, int) and minutes > 0 else RETENTION_S)
    # Walks only over what is forgotten; just now something was noted, so there is a first one that is young enough.
    first = row(
        connection,
        "SELECT lsn FROM changes INDEXED BY changes_by_lsn WHERE container = ? AND ts >= ? ORDER BY lsn LIMIT 1",
        *(container.rid, before),
    )[0]
    connection.execute("UPDATE containers SET forgotten = max(forgotten, ? - 1) WHERE rid = ?", (first, container.rid))
    connection.execute("DELETE FROM changes WHERE container = ? AND lsn < ?", (container.rid, first))
