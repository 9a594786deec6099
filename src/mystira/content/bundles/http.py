"""The player API of bundles: what is offered."""

from typing import Any, cast

from litestar import Request, get
from litestar.params import FromPath

from mystira.content.bundles import views
from mystira.content.bundles.problems import BundleNotFound
from mystira.content.bundles.views import BundleCard, BundleCards
from mystira.polyglot.work import Work, Works
from mystira.web.access import allow
from mystira.web.bodies import BodyInvalid
from mystira.web.lists import LISTING, PageUnknown, span_asked
from mystira.web.openapi import describe


@get(
    "/api/v1/bundles",
    opt=allow("anyone") | describe(BundleCards, query=LISTING, refusals=(PageUnknown, BodyInvalid)),
)
async def bundles(request: Request[Any, Any, Any]) -> BundleCards:
    """List the bundles that are offered, by title. One without a price is free."""
    span = span_asked(request.query_params)
    return await views.offered(_work(request), span)


@get("/api/v1/bundles/{bundle_id:str}", opt=allow("anyone") | describe(BundleCard, refusals=(BundleNotFound,)))
async def bundle(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> BundleCard:
    """Show one bundle that is offered."""
    return await views.offer(_work(request), bundle_id)


def _work(request: Request[Any, Any, Any]) -> Work:
    return cast(Works, request.app.state.works).open()


HANDLERS = (bundles, bundle)
