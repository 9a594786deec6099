"""The pages on which families look at bundles and parents buy them; nothing here costs anything without a parent."""

from typing import Any, cast

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from mystira.content.bundles import views as bundles
from mystira.content.library.views import shelf_of
from mystira.content.purchases import views
from mystira.content.purchases.actions import place_order
from mystira.content.purchases.http import gateway_of
from mystira.content.purchases.problems import OrderOver, ParentNeeded
from mystira.polyglot.work import Works
from mystira.web.access import allow, family, principal
from mystira.web.bodies import Body, read_form
from mystira.web.lists import span_asked
from mystira.web.pages import page
from mystira.web.parents import is_answered, is_parent, parent_cookie, question

OWN_PAGE = allow("family", touches="purchase", page=True)


class AnswerForm(Body, frozen=True, kw_only=True):
    """What a grown-up answered, and the question's seal."""

    answer: str
    seal: str


class NoForm(Body, frozen=True, kw_only=True):
    """A button without anything to fill in."""


@get("/bundles", opt=allow("anyone", page=True), include_in_schema=False)
async def bundles_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what is offered, by title."""
    found = await bundles.offered(_works(request).open(), span_asked(request.query_params))
    who = await principal(request)
    has = await views.owned(_works(request).open(), who.account_id if who else None)
    return page(request, "content/bundles.html", found=found, has=has)


@get("/bundles/{bundle_id:str}", opt=allow("anyone", page=True), include_in_schema=False)
async def bundle_page(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> Response[bytes]:
    """Show one bundle with its stories, and whether the family has it."""
    work = _works(request).open()
    who = await principal(request)
    bundle = await bundles.offer(work, bundle_id)
    return page(
        request,
        "content/bundle.html",
        bundle=bundle,
        stories=await shelf_of(work, bundle.scenario_ids, who.account_id if who else None),
        has=await views.owned(work, who.account_id if who else None),
        sells=request.app.state.gateway is not None,
    )


@get("/bundles/{bundle_id:str}/buy", opt=OWN_PAGE, include_in_schema=False)
async def buy_page(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> Response[bytes]:
    """Ask for a grown-up first; only then show the button that costs money."""
    return await _buying(request, bundle_id)


@post("/bundles/{bundle_id:str}/parent", opt=OWN_PAGE, include_in_schema=False)
async def answer(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> Response[Any]:
    """Let whoever answers as a grown-up does go on to buy, for a quarter of an hour."""
    form = await read_form(request, AnswerForm)
    if not await is_answered(request, form.seal, form.answer):
        return await _buying(request, bundle_id, "That is not it. Here is another one for your parent.")
    given = await parent_cookie(request)
    return Redirect(f"/bundles/{bundle_id}/buy", status_code=303, cookies=[given])


@post("/bundles/{bundle_id:str}/buy", opt=OWN_PAGE, include_in_schema=False)
async def buy(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> Redirect:
    """Place the order at the price that the bundle has now, and go on to pay it."""
    await read_form(request, NoForm)
    who = await family(request)
    gateway = gateway_of(request)
    if not await is_parent(request):
        raise ParentNeeded
    placed = await _works(request).run(
        place_order, account_id=who.account_id, bundle_id=bundle_id, gateway=gateway.name
    )
    return Redirect(f"/purchases/{placed.id}", status_code=303)


@get("/purchases/{purchase_id:str}", opt=OWN_PAGE, include_in_schema=False)
async def purchase_page(request: Request[Any, Any, Any], purchase_id: FromPath[str]) -> Response[bytes]:
    """Show one order: to be paid, paid, or what else became of it."""
    who = await family(request)
    works = _works(request)
    work = works.open()
    purchase = await views.receipt(work, who.account_id, purchase_id)
    fragment = request.headers.get("hx-request") is not None
    return page(
        request,
        "content/_purchase.html" if fragment else "content/purchase.html",
        purchase=purchase,
        is_open=purchase.is_open(works.clock()),
        is_parent=await is_parent(request),
        stories=await shelf_of(work, purchase.scenario_ids, who.account_id),
    )


@get("/purchases/{purchase_id:str}/pay", opt=OWN_PAGE, include_in_schema=False)
async def pay(request: Request[Any, Any, Any], purchase_id: FromPath[str]) -> Redirect:
    """Lead to the provider's page for this order: opening it again leads to the same payment."""
    who = await family(request)
    works = _works(request)
    purchase = await views.receipt(works.open(), who.account_id, purchase_id)
    if not await is_parent(request):
        return Redirect(f"/bundles/{purchase.bundle_id}/buy", status_code=303)
    if not purchase.is_open(works.clock()):
        raise OrderOver
    # A page on this server is gone to by its path: the browser knows best how it reached us.
    own = request.app.state.address
    onward = await gateway_of(request).checkout(purchase, own)
    return Redirect(onward.removeprefix(own), status_code=303)


@get("/family/purchases", opt=OWN_PAGE, include_in_schema=False)
async def receipts_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show a parent what was ordered and bought, the newest first."""
    who = await family(request)
    found = await views.receipts(_works(request).open(), who.account_id, span_asked(request.query_params))
    return page(request, "content/receipts.html", found=found)


async def _buying(request: Request[Any, Any, Any], bundle_id: str, notice: str = "") -> Response[bytes]:
    who = await family(request)
    work = _works(request).open()
    bundle = await bundles.offer(work, bundle_id)
    has = await views.owned(work, who.account_id)
    if bundle.price is None or bundle_id in has.bundle_ids:
        return cast(Response[bytes], Redirect(f"/bundles/{bundle_id}", status_code=303))
    is_grown_up = await is_parent(request)
    return page(
        request,
        "content/buy.html",
        status=422 if notice else 200,
        bundle=bundle,
        stories=await shelf_of(work, bundle.scenario_ids, who.account_id),
        question=None if is_grown_up else await question(request),
        notice=notice,
        sells=request.app.state.gateway is not None,
    )


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (
    bundles_page,
    bundle_page,
    buy_page,
    answer,
    buy,
    purchase_page,
    pay,
    receipts_page,
)
