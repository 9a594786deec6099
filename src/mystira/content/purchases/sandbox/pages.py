"""The sandbox's page: pay, decline or close with a button, as a provider's page would, without any money."""

from typing import Any, Literal, cast

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from mystira.content.purchases.actions import take_notice
from mystira.content.purchases.model import Notice, Purchase
from mystira.content.purchases.ports import SandboxGateway
from mystira.content.purchases.problems import OrderOver, ParentNeeded, PaymentOff
from mystira.content.purchases.views import receipt
from mystira.polyglot.work import Works
from mystira.web.access import allow, family
from mystira.web.bodies import Body, read_form
from mystira.web.pages import page
from mystira.web.parents import is_parent

OWN_PAGE = allow("family", touches="purchase", page=True)


class PayForm(Body, frozen=True, kw_only=True):
    """Which button was pressed."""

    button: Literal["pay", "decline", "close"]


@get("/sandbox/{purchase_id:str}", opt=OWN_PAGE, include_in_schema=False)
async def sandbox_page(request: Request[Any, Any, Any], purchase_id: FromPath[str]) -> Response[bytes]:
    """Show what would be paid."""
    return page(request, "content/sandbox.html", purchase=await _order(request, purchase_id))


@post("/sandbox/{purchase_id:str}", opt=OWN_PAGE, include_in_schema=False)
async def press(request: Request[Any, Any, Any], purchase_id: FromPath[str]) -> Redirect:
    """Tell the platform what the payer did, as a provider does, and lead back to it."""
    form = await read_form(request, PayForm)
    purchase = await _order(request, purchase_id)
    works = cast(Works, request.app.state.works)
    if form.button != "close":
        if not purchase.is_open(works.clock()):
            raise OrderOver
        notice = Notice(
            account_id=purchase.account_id,
            purchase_id=purchase.id,
            news="paid" if form.button == "pay" else "failed",
            at=works.clock(),
            amount_minor=purchase.amount_minor,
            currency=purchase.currency,
        )
        await works.run(take_notice, notice=notice)
    return Redirect(f"/purchases/{purchase.id}", status_code=303)


async def _order(request: Request[Any, Any, Any], purchase_id: str) -> Purchase:
    who = await family(request)
    if not isinstance(request.app.state.gateway, SandboxGateway):
        raise PaymentOff
    purchase = await receipt(cast(Works, request.app.state.works).open(), who.account_id, purchase_id)
    if not await is_parent(request):
        raise ParentNeeded
    return purchase


HANDLERS = (sandbox_page, press)
