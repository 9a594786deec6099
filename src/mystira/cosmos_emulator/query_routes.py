"""Queries: read, planned, and run page by page over the items that a request is about."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, islice
from typing import Any, NamedTuple, cast

from mystira.cosmos_emulator import charges, feeds, sql
from mystira.cosmos_emulator.catalogue import Catalogue, Container
from mystira.cosmos_emulator.changes import Scope, last_position
from mystira.cosmos_emulator.documents import Item, opened
from mystira.cosmos_emulator.feed_routes import listed, page_size, position
from mystira.cosmos_emulator.items import ITEMS, expire
from mystira.cosmos_emulator.partition import component, text_of
from mystira.cosmos_emulator.schema import rows, transaction
from mystira.cosmos_emulator.wire import Refusal, Request, Response, decode_object, encode

NEEDS_PLAN = 1004
BYTES_MAX = 4 * 1024 * 1024
# So many items are looked at in one go: setting a query up costs more than looking at a few items too many.
CHUNK = 256
IDS_MAX = 500


class Asked(NamedTuple):
    """A query with its parameters."""

    query: sql.Query
    parameters: Mapping[str, Any]

    @property
    def streams(self) -> bool:
        """Whether each result comes from one item, whatever the others are."""
        return not sql.features(self.query)


class Page(NamedTuple):
    """Results, where the next page begins, and how many items were looked at."""

    results: list[Any]
    next: dict[str, Any] | None
    looked_at: int


def query(catalogue: Catalogue, container: Container, request: Request) -> Response:
    """Return a page of a query's results."""
    asked = read(request)
    scope = feeds.scope(container, request)
    if scope == Scope() and "x-ms-documentdb-partitionkeyrangeid" not in request.headers:
        _check_whole(asked, request)
    with transaction(catalogue.connection):
        expire(catalogue, container)
    feeds.check_session(request, last_position(catalogue.connection, container))
    begin, count = position(request), page_size(request)
    items = _items(catalogue, container, scope, asked, begin.get("after", 0))
    if asked.streams:
        page = _streamed(container, asked, items, begin.get("skip", 0), count)
    else:
        page = _whole(asked, [opened(container, item) for item in items], begin.get("taken", 0), count)
    texts = [encode(result) for result in page.results]
    more = {"x-ms-continuation": json.dumps(page.next, separators=(",", ":"))} if page.next else {}
    charge = charges.querying(page.looked_at, sum(len(text) for text in texts))
    return listed(catalogue, container, scope, texts, more, charge)


def over(found: Iterable[dict[str, Any]], request: Request) -> list[dict[str, Any]]:
    """Return the results of a query over databases, containers or offers."""
    return _run(read(request), list(found))


def is_query(request: Request) -> bool:
    """Tell whether a POST asks instead of adding something."""
    kind = request.headers.get("content-type", "")
    return request.says("x-ms-documentdb-isquery") or kind.startswith(("application/query+json", "application/sql"))


def read(request: Request) -> Asked:
    """Return the query of a request, or refuse it with the position of what is wrong."""
    body: dict[str, Any] = {}
    if request.headers.get("content-type", "").startswith("application/sql"):
        text: Any = request.body.decode(errors="replace")
    else:
        body = decode_object(request.body)
        text = body.get("query")
    if not isinstance(text, str):
        raise Refusal(400, 'A query looks like {"query": "SELECT * FROM c", "parameters": []}.')
    try:
        return Asked(_parsed(text), _parameters(body.get("parameters")))
    except sql.SqlError as error:
        raise refused(error) from None


def refused(error: sql.SqlError) -> Refusal:
    """Return the refusal that tells what is wrong with a query, and where."""
    where = {"line": error.line, "column": error.column, "offset": error.offset}
    return Refusal(400, f"Syntax error: {error} {json.dumps(where)}")


@lru_cache(maxsize=500)
def _parsed(text: str) -> sql.Query:
    return sql.parse(text)


def _parameters(given: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in cast("list[Any]", given) if isinstance(given, list) else ():
        match one:
            case {"name": str(name), "value": value}:
                found[name] = value
            case _:
                raise Refusal(400, 'A parameter looks like {"name": "@id", "value": 1}.')
    return found


def _check_whole(asked: Asked, request: Request) -> None:
    """Refuse what cannot be answered by laying the ranges' results one behind the other."""
    if not request.says("x-ms-documentdb-query-enablecrosspartition"):
        raise Refusal(400, "The query needs a partition key, or must be allowed to cross partitions.")
    if not asked.streams:
        raise Refusal(400, "The results of the ranges must be put together: ask for the plan.", NEEDS_PLAN)


def _streamed(container: Container, asked: Asked, items: Iterator[Item], skip: int, count: int) -> Page:
    """Look at items in order until the page is full; `skip` results of the first one were delivered before."""
    results: list[Any] = []
    looked_at = size = 0
    at_once = min(count, CHUNK)
    while chunk := list(islice(items, at_once)):
        at_once = CHUNK
        found = _run(asked, [opened(container, item) for item in chunk])
        if skip or len(results) + len(found) > count:
            return _cut(container, asked, Page(results, None, looked_at), chain(chunk, items), skip, count)
        looked_at += len(chunk)
        results += found
        size += sum(len(item.body) for item in chunk)
        if len(results) == count or size > BYTES_MAX:
            more = next(items, None)
            return Page(results, {"after": chunk[-1].doc} if more else None, looked_at)
    return Page(results, None, looked_at)


def _cut(container: Container, asked: Asked, page: Page, items: Iterator[Item], skip: int, count: int) -> Page:
    """Fill the page item by item, because it ends among the results of these."""
    results, looked_at, before = page.results, page.looked_at, 0
    for item in items:
        looked_at += 1
        found = _run(asked, [opened(container, item)])[skip:]
        room = count - len(results)
        if len(found) > room:
            return Page(results + found[:room], {"after": before or item.doc - 1, "skip": skip + room}, looked_at)
        results, skip, before = results + found, 0, item.doc
        if len(results) == count:
            return Page(results, {"after": before}, looked_at)
    return Page(results, None, looked_at)


def _whole(asked: Asked, documents: list[dict[str, Any]], since: int, count: int) -> Page:
    results = _run(asked, documents)
    until = since + count
    return Page(results[since:until], {"taken": until} if until < len(results) else None, len(documents))


def _run(asked: Asked, documents: list[dict[str, Any]]) -> list[Any]:
    try:
        return sql.run(asked.query, asked.parameters, documents)
    except sql.SqlError as error:
        raise refused(error) from None


def _items(catalogue: Catalogue, container: Container, scope: Scope, asked: Asked, after: int) -> Iterator[Item]:
    """Return the items that can have results, in the order of their creation."""
    fixed = sql.equalities(asked.query, asked.parameters)
    where, given = _narrowed(container, scope, fixed).where(container.rid)
    ids = [value for value in fixed.get(("id",), ()) if isinstance(value, str)]
    if 0 < len(ids) <= IDS_MAX:
        where, given = f"{where} AND id IN ({', '.join('?' * len(ids))})", (*given, *ids)
    for found in rows(catalogue.connection, f"{ITEMS} WHERE {where} AND doc > ? ORDER BY doc", *given, after):
        yield Item(*found)


def _narrowed(container: Container, scope: Scope, fixed: Mapping[tuple[str, ...], tuple[Any, ...]]) -> Scope:
    """Return the logical partition where the query itself says which one, or what the request says."""
    values = [fixed.get(path, ()) for path in container.key.paths]
    if scope.pk is not None or any(len(found) != 1 or isinstance(found[0], dict | list) for found in values):
        return scope
    return scope._replace(pk=text_of(tuple(component(found[0]) for found in values)))
