"""The Migration pages: the board, one collection, and the confirmation of a verb with its plan."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from litestar import Request, Response, get
from litestar.params import FromPath
from litestar.response import Stream

from mystira.operations.actions.verbs import VERBS, fields_of, verb_named
from mystira.operations.migration import views
from mystira.operations.migration.model import EVERY
from mystira.operations.problems import CollectionUnknown
from mystira.operations.views import commands, under_way
from mystira.polyglot import backfill
from mystira.polyglot.collection import Collection
from mystira.polyglot.cutover import plan_move
from mystira.polyglot.phases import Phase
from mystira.polyglot.replication import Replication
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow
from mystira.web.charts import Point, line_chart
from mystira.web.live import live
from mystira.web.pages import page

BOARD = f"{ADMIN}/migration"
COLLECTION = f"{BOARD}/{{collection:str}}"
HISTORY_SHOWN = 20


@get(BOARD, opt=allow("viewer", page=True), include_in_schema=False)
async def board_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show every collection."""
    return page(request, "operations/board.html", **await _board(request, look=False))


@get(f"{BOARD}/live", opt=allow("viewer", page=True), include_in_schema=False)
async def live_board(request: Request[Any, Any, Any]) -> Stream:
    """Show every collection, as things change."""
    return await live(request, "operations/_board.html", lambda: _board(request, look=True))


@get(COLLECTION, opt=allow("viewer", page=True), include_in_schema=False)
async def collection_page(request: Request[Any, Any, Any], collection: FromPath[str]) -> Response[bytes]:
    """Show one collection: its last hour, its gates, what may be asked for, and what was done to it."""
    return page(request, "operations/collection.html", **await _collection(request, collection))


@get(f"{COLLECTION}/live", opt=allow("viewer", page=True), include_in_schema=False)
async def live_collection(request: Request[Any, Any, Any], collection: FromPath[str]) -> Stream:
    """Show one collection, as things change."""
    _named(request, collection)
    return await live(request, "operations/_collection.html", lambda: _collection(request, collection))


@get(f"{COLLECTION}/ask/{{verb:str}}", opt=allow("operator", page=True), include_in_schema=False)
async def confirmation_page(
    request: Request[Any, Any, Any], collection: FromPath[str], verb: FromPath[str]
) -> Response[bytes]:
    """Say what a verb will do, show its plan where it has one, and ask why."""
    r, of = _r(request), _named(request, collection)
    targets = {"cutover": Phase.DUAL_WRITE_POSTGRES_READ, "rollback": Phase.DUAL_WRITE_COSMOS_READ}
    plan = await plan_move(r, of, targets[verb]) if verb in targets else None
    filling = await backfill.plan(r, of) if verb == "start" else None
    return page(
        request,
        "operations/ask.html",
        verb_name=verb,
        verb=verb_named(verb),
        collection=of.name,
        plan=plan,
        filling=filling,
        fields=fields_of(verb_named(verb)),
        id=cast(Works, request.app.state.works).open().new_id(),
    )


async def _board(request: Request[Any, Any, Any], *, look: bool) -> dict[str, Any]:
    found = await views.board(_r(request), _keeper(request), look=look)
    work = cast(Works, request.app.state.works).open()
    return {"board": found, "phases": list(Phase), "under_way": await under_way(work)}


async def _collection(request: Request[Any, Any, Any], name: str) -> dict[str, Any]:
    r, of = _r(request), _named(request, name)
    work = cast(Works, request.app.state.works).open()
    found = await views.status_of(r, _keeper(request), of)
    points = (await views.last_hour(work, name)).points
    until = _next_sample(work.now)
    since = until - timedelta(hours=1)
    waiting = [Point(one.at, one.changes) for one in points]
    seconds = [Point(one.at, one.seconds) for one in points]
    return {
        "one": found,
        "phases": list(Phase),
        "verbs": [(verb, VERBS[verb]) for verb in found.verbs],
        "charts": [
            line_chart("Changes that wait (at most 100 of each range are counted)", waiting, since=since, until=until),
            line_chart("Seconds behind", seconds, since=since, until=until, unit=" s"),
        ],
        "history": await r.journal.history(name, HISTORY_SHOWN),
        "commands": (await commands(work, collection=name, limit=5)).items,
    }


def _next_sample(now: datetime) -> datetime:
    """Return when a sample may come next: a last hour that ended now would be sent anew at every look."""
    return datetime.fromtimestamp(-(-now.timestamp() // EVERY.total_seconds()) * EVERY.total_seconds(), UTC)


def _named(request: Request[Any, Any, Any], name: str) -> Collection[Any]:
    catalog = _r(request).catalog
    names = [one.name for one in catalog]
    if name not in names:
        raise CollectionUnknown(collection=name[:80], collections=", ".join(names))
    return catalog.named(name)


def _r(request: Request[Any, Any, Any]) -> Replication:
    return cast(Replication, request.app.state.replication)


def _keeper(request: Request[Any, Any, Any]) -> views.Gatekeeper:
    return cast(views.Gatekeeper, request.app.state.gatekeeper)


HANDLERS = (board_page, live_board, collection_page, live_collection, confirmation_page)
