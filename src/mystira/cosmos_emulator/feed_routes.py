"""Requests for many items: all of them page by page, or what changed."""

from collections.abc import Sequence
from email.utils import parsedate_to_datetime

from mystira.cosmos_emulator import changes, charges, feeds
from mystira.cosmos_emulator.catalogue import Catalogue, Container
from mystira.cosmos_emulator.changes import Scope, last_position
from mystira.cosmos_emulator.documents import Item, shown
from mystira.cosmos_emulator.items import ITEMS, expire
from mystira.cosmos_emulator.schema import rows, transaction
from mystira.cosmos_emulator.wire import Refusal, Request, Response, decode_object, encode, number

PAGE, PAGE_MAX = 1000, 10_000
INCREMENTAL, FULL = "incremental feed", "full-fidelity feed"


def items(catalogue: Catalogue, container: Container, request: Request) -> Response:
    """Return a page of all items, or of what changed."""
    kind = request.headers.get("a-im", "").lower()
    scope = feeds.scope(container, request)
    with transaction(catalogue.connection):
        expire(catalogue, container)
    feeds.check_session(request, last_position(catalogue.connection, container))
    if kind in (INCREMENTAL, FULL):
        return _changed(catalogue, container, scope, request, full=kind == FULL)
    after = int(position(request).get("after", 0))
    where, given = scope.where(container.rid)
    count = page_size(request)
    found = rows(catalogue.connection, f"{ITEMS} WHERE {where} AND doc > ? ORDER BY doc LIMIT ?", *given, after, count)
    page = [Item(*entry) for entry in found]
    more = {"x-ms-continuation": encode({"after": page[-1].doc}).decode()} if len(page) == count else {}
    texts = [shown(container, item) for item in page]
    return listed(catalogue, container, scope, texts, more, charges.reading(sum(map(len, texts))))


def listed(
    catalogue: Catalogue,
    container: Container,
    scope: Scope,
    texts: Sequence[bytes],
    more: dict[str, str],
    charge: float,
) -> Response:
    """Return JSON texts as a list of items, with the headers that belong to it."""
    body = b'{"_rid":"%s","Documents":[%s],"_count":%d}' % (
        str(container.resource).encode(),
        b",".join(texts),
        len(texts),
    )
    among = [one for one in container.ranges if one.low < scope.high and scope.low < one.high]
    headers = {
        "x-ms-item-count": str(len(texts)),
        "x-ms-session-token": feeds.session(last_position(catalogue.connection, container), *among),
        "x-ms-alt-content-path": container.name,
        "x-ms-content-path": str(container.resource),
        **more,
    }
    if len(among) == 1:
        headers["x-ms-documentdb-partitionkeyrangeid"] = str(among[0].id)
    return Response(200, body, headers, charge)


def page_size(request: Request) -> int:
    """Return how many entries a page may have; the client may leave it to the endpoint."""
    asked = request.headers.get("x-ms-max-item-count", "-1")
    try:
        count = int(asked)
    except ValueError:
        raise Refusal(400, "x-ms-max-item-count must be a number.") from None
    if count == 0 or count < -1:
        raise Refusal(400, "x-ms-max-item-count must be above 0, or -1 to leave it to the endpoint.")
    return PAGE if count == -1 else min(count, PAGE_MAX)


def position(request: Request) -> dict[str, int]:
    """Return where the page before ended."""
    text = request.headers.get("x-ms-continuation")
    found = decode_object(text, "The continuation") if text else {}
    if not all(isinstance(value, int) and 0 <= value < 1 << 62 for value in found.values()):
        raise Refusal(400, "The continuation was not given by this endpoint. Begin without one.")
    return found


def _changed(catalogue: Catalogue, container: Container, scope: Scope, request: Request, *, full: bool) -> Response:
    newest = last_position(catalogue.connection, container)
    tag = request.headers.get("if-none-match")
    after = newest if tag == "*" else 0 if tag is None else _position(tag)
    walk = changes.every_version if full else changes.latest
    page = walk(catalogue.connection, container, scope, after, _since(request), page_size(request))
    after_it = {"etag": f'"{page.position}"'}
    if not page.rows:
        return _nothing(listed(catalogue, container, scope, [], after_it, 1.0))
    charge = charges.reading(sum(map(len, page.rows)))
    return listed(catalogue, container, scope, page.rows, after_it, charge)


def _nothing(response: Response) -> Response:
    return response._replace(status=304, body=b"")


def _position(tag: str) -> int:
    found = number(tag.strip('"'))
    if found is None:
        raise Refusal(400, f"{tag} is no position of this change feed. Begin without one.")
    return found


def _since(request: Request) -> int:
    """Return the second from which changes are asked for."""
    text = request.headers.get("if-modified-since")
    if text is None:
        return 0
    try:
        return int(parsedate_to_datetime(text).timestamp())
    except (TypeError, ValueError, OverflowError):
        raise Refusal(400, "If-Modified-Since must be a date such as Sun, 06 Nov 1994 08:49:37 GMT.") from None
