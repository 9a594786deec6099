"""The player API of purchases: order a bundle, see what became of it, list what was bought."""

from typing import Any, cast

from litestar import Request, get, post
from litestar.params import FromPath

from mystira.content.bundles.problems import BundleNotFound
from mystira.content.purchases import views
from mystira.content.purchases.actions import place_order
from mystira.content.purchases.ports import Gateway
from mystira.content.purchases.problems import (
    AlreadyBought,
    NothingToPay,
    ParentNeeded,
    PaymentOff,
    PaymentUnreachable,
    PurchaseNotFound,
    TooManyOrders,
)
from mystira.content.purchases.views import Owned, Receipt, Receipts, receipt_of
from mystira.polyglot.entity import Value
from mystira.polyglot.work import Works
from mystira.web.access import allow, family
from mystira.web.bodies import Body, BodyInvalid, read_body
from mystira.web.keys import KeyReused
from mystira.web.lists import LISTING, PageUnknown, span_asked
from mystira.web.openapi import describe
from mystira.web.repeats import REPEATABLE, repeat_key

OWN_PURCHASE = allow("family", touches="purchase")


class OrderAsked(Body, frozen=True, kw_only=True):
    """A bundle to buy. `parent_confirms`: a grown-up has agreed, which the app has made sure of in its own way."""

    bundle_id: str
    parent_confirms: bool = False


class OrderPlaced(Value, frozen=True, kw_only=True):
    """An order, and the page on which it is paid while that is still to be done."""

    purchase: Receipt
    pay_at: str | None


ORDER = OrderAsked(bundle_id="winter-and-water", parent_confirms=True)
ORDERING = describe(
    OrderPlaced,
    example=ORDER,
    headers=REPEATABLE,
    refusals=(
        *(AlreadyBought, BundleNotFound, KeyReused, NothingToPay, ParentNeeded, PaymentOff, PaymentUnreachable),
        TooManyOrders,
    ),
)


@post("/api/v1/purchases", opt=OWN_PURCHASE | ORDERING)
async def buy(request: Request[Any, Any, Any]) -> OrderPlaced:
    """Order a bundle at the price that it has now; the order of it that is still open is returned again.

    With an `Idempotency-Key`, the same request always brings the same order, whatever became of it.
    """
    asked = await read_body(request, OrderAsked)
    who = await family(request)
    gateway = gateway_of(request)
    if not asked.parent_confirms:
        raise ParentNeeded
    works = cast(Works, request.app.state.works)
    placed = await works.run(
        place_order,
        account_id=who.account_id,
        bundle_id=asked.bundle_id,
        gateway=gateway.name,
        request_key=repeat_key(request),
    )
    is_open = placed.is_open(works.clock())
    pay_at = await gateway.checkout(placed, request.app.state.address) if is_open else None
    return OrderPlaced(purchase=receipt_of(placed), pay_at=pay_at)


@get(
    "/api/v1/purchases",
    opt=OWN_PURCHASE | describe(Receipts, query=LISTING, refusals=(PageUnknown, BodyInvalid)),
)
async def purchases(request: Request[Any, Any, Any]) -> Receipts:
    """List what the family ordered and bought, the newest first."""
    span = span_asked(request.query_params)
    who = await family(request)
    work = cast(Works, request.app.state.works).open()
    return await views.receipts(work, who.account_id, span)


@get("/api/v1/entitlements", opt=OWN_PURCHASE | describe(Owned))
async def entitlements(request: Request[Any, Any, Any]) -> Owned:
    """Tell what the family has paid for and not given back: bundles, and the stories that they held when bought."""
    who = await family(request)
    return await views.owned(cast(Works, request.app.state.works).open(), who.account_id)


@get("/api/v1/purchases/{purchase_id:str}", opt=OWN_PURCHASE | describe(Receipt, refusals=(PurchaseNotFound,)))
async def purchase(request: Request[Any, Any, Any], purchase_id: FromPath[str]) -> Receipt:
    """Show what became of one order."""
    who = await family(request)
    work = cast(Works, request.app.state.works).open()
    return receipt_of(await views.receipt(work, who.account_id, purchase_id))


def gateway_of(request: Request[Any, Any, Any]) -> Gateway:
    """Return who takes families' money here; PaymentOff where nobody does."""
    gateway: Gateway | None = request.app.state.gateway
    if gateway is None:
        raise PaymentOff
    return gateway


HANDLERS = (buy, purchases, purchase, entitlements)
