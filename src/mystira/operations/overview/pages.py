"""The first page of the administration, and the same for programs."""

from pathlib import Path
from typing import Any, cast

from litestar import Request, Response, get
from litestar.response import Stream

from mystira.operations.overview import views
from mystira.polyglot.replication import Replication
from mystira.polyglot.stores.postgres.store import PostgresStore
from mystira.web.access import ADMIN, allow
from mystira.web.live import live
from mystira.web.openapi import describe
from mystira.web.pages import page

PAGE = f"{ADMIN}/overview"
PRICES = "prices.json"
EVERY_S = 5.0


@get(PAGE, opt=allow("viewer", page=True), include_in_schema=False)
async def overview_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what is up, who leads what, what flows and what it costs."""
    return page(request, "operations/overview.html", overview=await _look(request))


@get(f"{PAGE}/live", opt=allow("viewer", page=True), include_in_schema=False)
async def live_overview(request: Request[Any, Any, Any]) -> Stream:
    """Show it as things change."""

    async def look() -> dict[str, Any]:
        return {"overview": await _look(request)}

    return await live(request, "operations/_overview.html", look, every_s=EVERY_S)


@get(f"{ADMIN}/api/overview", opt=allow("viewer") | describe(views.Overview))
async def overview(request: Request[Any, Any, Any]) -> views.Overview:
    """Tell what is up, who leads what, what flows and what it costs."""
    return await _look(request)


async def _look(request: Request[Any, Any, Any]) -> views.Overview:
    state = request.app.state
    reader = cast(PostgresStore, state.reader)
    prices = views.read_prices(cast(Path, state.data) / PRICES)
    return await views.overview(cast(Replication, state.replication), reader, state.documents_file, prices)


HANDLERS = (overview_page, live_overview, overview)
