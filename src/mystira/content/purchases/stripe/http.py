"""The door through which Stripe tells what became of payments."""

from typing import Any, cast

from litestar import Request, post

from mystira.content.purchases.actions import take_notice
from mystira.content.purchases.problems import NoticeRefused, PaymentMismatch, PaymentOff, PurchaseNotFound
from mystira.content.purchases.stripe.model import notice_in, verify
from mystira.content.purchases.stripe.ports import StripeGateway
from mystira.polyglot.entity import Value
from mystira.polyglot.work import Works
from mystira.web.access import allow
from mystira.web.bodies import read_bytes
from mystira.web.openapi import describe


class Received(Value, frozen=True, kw_only=True):
    """That a notice was heard; what it is about is nobody's business."""

    received: bool = True


NOTICE = {
    "type": "checkout.session.completed",
    "created": 1_763_740_800,
    "data": {
        "object": {
            "metadata": {"account_id": "a-family", "purchase_id": "a-purchase"},
            "payment_status": "paid",
            "payment_intent": "pi_1",
            "amount_total": 499,
            "currency": "eur",
        }
    },
}
HEARING = describe(
    Received,
    raw={"application/json": NOTICE},
    headers={"Stripe-Signature": "When it was sent, and its signature, as Stripe writes them."},
    refusals=(NoticeRefused, PurchaseNotFound, PaymentMismatch, PaymentOff),
)


@post("/api/v1/payments/stripe", opt=allow("anyone") | HEARING, status_code=200)
async def hear(request: Request[Any, Any, Any]) -> Received:
    """Hear a signed notice of Stripe; only a genuine and fresh one has an effect, and each of them one."""
    payload = await read_bytes(request)
    gateway = request.app.state.gateway
    if not isinstance(gateway, StripeGateway):
        raise PaymentOff
    works = cast(Works, request.app.state.works)
    verify(payload, request.headers.get("stripe-signature", ""), gateway.webhook_secret, works.clock())
    notice = notice_in(payload)
    if notice is not None:
        await works.run(take_notice, notice=notice)
    return Received()


HANDLERS = (hear,)
