"""The administration's page of purchases, and the button that refunds one."""

from typing import Any, Literal, cast

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from mystira.content.purchases import views
from mystira.content.purchases.actions import refund
from mystira.content.purchases.http import gateway_of
from mystira.content.purchases.problems import NotRefundable, PaymentOff, PaymentUnreachable
from mystira.content.purchases.views import PurchasesWanted
from mystira.polyglot.problem import Problem
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow, staff
from mystira.web.answers import STATUS
from mystira.web.bodies import Body, convert, read_form
from mystira.web.lists import span_asked
from mystira.web.pages import page
from mystira.web.versions import Stale, etag, version_in

PLACE = f"{ADMIN}/content/purchases"


class ListAsked(Body, frozen=True, kw_only=True):
    """Which purchases."""

    search: str = ""
    state: Literal["", "pending", "failed", "expired", "paid", "refunded"] = ""


class RefundForm(Body, frozen=True, kw_only=True):
    """The version that was seen, and why the money goes back."""

    version: str
    why: str


@get(PLACE, opt=allow("viewer", page=True), include_in_schema=False)
async def list_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """List purchases, the newest first."""
    named = {name: value for name, value in request.query_params.items() if name in ("search", "state")}
    asked = convert(named, ListAsked, strict=False)
    wanted = PurchasesWanted(search=asked.search, state=asked.state or None)
    works = cast(Works, request.app.state.works)
    found, after = await views.every(works.open(), wanted, span_asked(request.query_params))
    return page(request, "content/admin_purchases.html", found=found, after=after, asked=asked)


@get(f"{PLACE}/{{account_id:str}}/{{purchase_id:str}}", opt=allow("viewer", page=True), include_in_schema=False)
async def purchase_page(
    request: Request[Any, Any, Any], account_id: FromPath[str], purchase_id: FromPath[str]
) -> Response[bytes]:
    """Show one purchase."""
    return await _shown(request, account_id, purchase_id)


@post(f"{PLACE}/{{account_id:str}}/{{purchase_id:str}}", opt=allow("admin", page=True), include_in_schema=False)
async def give_back(
    request: Request[Any, Any, Any], account_id: FromPath[str], purchase_id: FromPath[str]
) -> Response[Any]:
    """Give a family its money back, or show the purchase as it is now, with what was written and why it was refused."""
    form = await read_form(request, RefundForm)
    who = await staff(request)
    try:
        await refund(
            cast(Works, request.app.state.works),
            gateway_of(request),
            account_id=account_id,
            purchase_id=purchase_id,
            seen=version_in(form.version),
            by=who.name,
            why=form.why,
        )
    except (Stale, NotRefundable, PaymentOff, PaymentUnreachable) as problem:
        return await _shown(request, account_id, purchase_id, problem, form.why)
    return Redirect(f"{PLACE}/{account_id}/{purchase_id}", status_code=303)


async def _shown(
    request: Request[Any, Any, Any], account_id: str, purchase_id: str, problem: Problem | None = None, why: str = ""
) -> Response[bytes]:
    work = cast(Works, request.app.state.works).open()
    purchase = await views.receipt(work, account_id, purchase_id)
    return page(
        request,
        "content/admin_purchase.html",
        status=STATUS[problem.kind] if problem else 200,
        purchase=purchase,
        version=etag(work.version_of(purchase)).strip('"'),
        notice=problem.message if problem else "",
        why=why,
    )


HANDLERS = (list_page, purchase_page, give_back)
