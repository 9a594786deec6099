"""The Admin API of purchases: listed, shown, refunded."""

from typing import Any, Literal, cast

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath

from mystira.content.purchases import views
from mystira.content.purchases.actions import refund
from mystira.content.purchases.http import gateway_of
from mystira.content.purchases.model import Purchase
from mystira.content.purchases.problems import NotRefundable, PaymentOff, PaymentUnreachable, PurchaseNotFound
from mystira.content.purchases.views import PurchaseOrder, PurchasesWanted
from mystira.polyglot.entity import Value
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow, staff
from mystira.web.bodies import Body, BodyInvalid, convert, read_body
from mystira.web.lists import LISTING, PageUnknown, span_asked
from mystira.web.openapi import describe
from mystira.web.versions import IF_MATCH, Stale, VersionNeeded, VersionUnreadable, etag, named_version

API = f"{ADMIN}/api/purchases"
ONE = f"{API}/{{account_id:str}}/{{purchase_id:str}}"
WHY_LENGTH_MAX = 500


class ListAsked(Body, frozen=True, kw_only=True):
    """Which purchases, in which order."""

    search: str = ""
    state: Literal["", "pending", "failed", "expired", "paid", "refunded"] = ""
    order: PurchaseOrder = "newest"


class RefundAsked(Body, frozen=True, kw_only=True):
    """Why the money goes back."""

    why: str


class PurchasesPage(Value, frozen=True, kw_only=True):
    """A page of purchases; `after` leads to the next one."""

    items: tuple[Purchase, ...]
    after: str | None


LIST = describe(
    PurchasesPage,
    asked=ListAsked,
    query={
        "search": "The id of a purchase, an account, a bundle or a payment.",
        "state": "Only the purchases in this state.",
        "order": "Which come first.",
        **LISTING,
    },
    refusals=(PageUnknown, BodyInvalid),
)
REFUND = describe(
    Purchase,
    example=RefundAsked(why="bought by mistake"),
    headers=IF_MATCH,
    refusals=(
        *(Stale, VersionNeeded, VersionUnreadable),
        *(NotRefundable, PaymentOff, PaymentUnreachable, PurchaseNotFound),
    ),
    versioned=True,
)


@get(API, opt=allow("viewer") | LIST)
async def list_purchases(request: Request[Any, Any, Any]) -> PurchasesPage:
    """List the purchases of all families."""
    given = {name: value for name, value in request.query_params.items() if name in ListAsked.__struct_fields__}
    asked = convert(given, ListAsked, strict=False)
    wanted = PurchasesWanted(search=asked.search, state=asked.state or None, order=asked.order)
    items, after = await views.every(_works(request).open(), wanted, span_asked(request.query_params))
    return PurchasesPage(items=items, after=after)


@get(ONE, opt=allow("viewer") | describe(Purchase, refusals=(PurchaseNotFound,), versioned=True))
async def show_purchase(
    request: Request[Any, Any, Any], account_id: FromPath[str], purchase_id: FromPath[str]
) -> Response[bytes]:
    """Show one purchase."""
    return await _shown(request, account_id, purchase_id)


@post(f"{ONE}/refund", opt=allow("admin") | REFUND, status_code=200)
async def give_back(
    request: Request[Any, Any, Any], account_id: FromPath[str], purchase_id: FromPath[str]
) -> Response[bytes]:
    """Give a family its money back. The provider gives back once, however often it is asked."""
    seen = named_version(request)
    sent, who = await read_body(request, RefundAsked), await staff(request)
    await refund(
        _works(request),
        gateway_of(request),
        account_id=account_id,
        purchase_id=purchase_id,
        seen=seen,
        by=who.name,
        why=" ".join(sent.why.split())[:WHY_LENGTH_MAX],
    )
    return await _shown(request, account_id, purchase_id)


async def _shown(request: Request[Any, Any, Any], account_id: str, purchase_id: str) -> Response[bytes]:
    work = _works(request).open()
    purchase = await views.receipt(work, account_id, purchase_id)
    headers = {"ETag": etag(work.version_of(purchase)), "Cache-Control": "no-store"}
    return Response(msgspec.json.encode(purchase), media_type="application/json", headers=headers)


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (list_purchases, show_purchase, give_back)
