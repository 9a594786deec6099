"""Stripe, spoken to at an endpoint of our own: checkout, signed notices in any order, refunds, and forgeries."""

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from httpx import Response

from mystira.content.purchases.actions import place_order, refund
from mystira.content.purchases.model import Purchase
from mystira.content.purchases.problems import NotRefundable, PaymentUnreachable
from mystira.content.purchases.stripe.model import TOLERANCE_S, signed
from mystira.polyglot.store import Key
from mystira.web.versions import ANY
from tests.journeys.conftest import Running
from tests.purchases.endpoint import SECRET, Stripe, answering

pytestmark = pytest.mark.anyio

BUNDLE = "winter-and-water"


@pytest.fixture
async def stripe(family: Running) -> AsyncIterator[Stripe]:
    async with answering() as opened:
        family.app.state["gateway"] = opened.gateway
        yield opened


async def ordered(running: Running) -> Purchase:
    return await running.platform.works.run(place_order, account_id="sample-family", bundle_id=BUNDLE, gateway="stripe")


def event(purchase: Purchase, kind: str, **thing: Any) -> bytes:
    about = {"purchase_id": purchase.id, "account_id": purchase.account_id}
    told = {"object": {"metadata": about, "payment_intent": "pi_1", **thing}}
    return json.dumps({"id": "evt_1", "type": kind, "created": int(time.time()), "data": told}).encode()


def paid(purchase: Purchase, **changes: Any) -> bytes:
    thing = {"payment_status": "paid", "amount_total": 499, "currency": "eur"} | changes
    return event(purchase, "checkout.session.completed", **thing)


async def send(running: Running, payload: bytes, header: str | None = None) -> Response:
    given = signed(payload, SECRET, int(time.time())) if header is None else header
    return await running.client.post("/api/v1/payments/stripe", content=payload, headers={"Stripe-Signature": given})


async def stands(running: Running, purchase: Purchase) -> tuple[str, int]:
    """Where a purchase stands, and how many facts it has ever told."""
    works = running.platform.works
    collection = works.catalog.of(Purchase)
    leading = works.store_of(await works.leadership.term(collection))
    record = await leading.read(collection, Key(purchase.account_id, purchase.id))
    assert record is not None and isinstance(record.entity, Purchase)
    return record.entity.state, record.event_seq


async def test_checkout_fixes_the_price_on_the_server_and_asks_once(family: Running, stripe: Stripe) -> None:
    purchase = await ordered(family)
    first = await stripe.gateway.checkout(purchase, "https://play.example")
    assert await stripe.gateway.checkout(purchase, "https://play.example") == first
    path, headers, body = stripe.asked[0]
    assert (path, headers["Authorization"]) == ("/v1/checkout/sessions", "Bearer sk_test_secret")
    assert body["line_items[0][price_data][unit_amount]"] == ["499"]
    assert body["line_items[0][price_data][currency]"] == ["eur"]
    assert body["success_url"] == [f"https://play.example/purchases/{purchase.id}"]
    assert body["payment_intent_data[metadata][purchase_id]"] == [purchase.id]


async def test_the_api_leads_to_stripe_and_tries_again_when_it_stumbles(family: Running, stripe: Stripe) -> None:
    stripe.failures.extend([500, 429])
    answer = await family.client.post("/api/v1/purchases", json={"bundle_id": BUNDLE, "parent_confirms": True})
    assert (answer.status_code, answer.json()["pay_at"]) == (201, "https://pay.example/0")
    assert len({headers["Idempotency-Key"] for _, headers, _ in stripe.asked}) == 1
    stripe.failures.extend([400])
    with pytest.raises(PaymentUnreachable):
        await stripe.gateway.checkout(await ordered(family), "https://play.example")


async def test_a_notice_counts_once_however_often_it_comes(family: Running, stripe: Stripe) -> None:
    purchase = await ordered(family)
    payload = paid(purchase)
    for _ in range(3):
        assert (await send(family, payload)).status_code == 200
    assert await stands(family, purchase) == ("paid", 2)
    begun = await family.client.post(
        "/api/v1/sessions",
        json={
            "scenario_id": "the-city-under-the-tide",
            "owner_profile_id": "sample-tomas",
            "players": [{"profile_id": "sample-tomas"}],
        },
    )
    assert begun.status_code == 201, begun.text


@pytest.mark.parametrize("forged", ["tampered", "another secret", "stale", "early", "unsigned", "no time", "two times"])
async def test_a_forged_or_stale_notice_is_refused(family: Running, stripe: Stripe, forged: str) -> None:
    purchase, now = await ordered(family), int(time.time())
    payload = paid(purchase)
    headers = {
        "tampered": signed(paid(purchase, amount_total=1), SECRET, now),
        "another secret": signed(payload, "whsec_other", now),
        "stale": signed(payload, SECRET, now - TOLERANCE_S - 5),
        "early": signed(payload, SECRET, now + TOLERANCE_S + 5),
        "unsigned": "",
        "no time": signed(payload, SECRET, now).partition(",")[2],
        "two times": f"t={now - 1},{signed(payload, SECRET, now)}",
    }
    answer = await send(family, payload, headers[forged])
    assert (answer.status_code, answer.json()["code"]) == (400, "notice_refused")
    assert await stands(family, purchase) == ("pending", 0)


async def test_one_good_signature_of_several_is_enough(family: Running, stripe: Stripe) -> None:
    purchase = await ordered(family)
    payload = paid(purchase)
    good = signed(payload, SECRET, int(time.time()))
    time_part, _, value = good.partition(",")
    assert (await send(family, payload, f"{time_part},v1=0000,{value},v0=1")).status_code == 200
    assert (await stands(family, purchase))[0] == "paid"


async def test_a_refund_that_overtakes_its_payment_ends_the_same(family: Running, stripe: Stripe) -> None:
    purchase = await ordered(family)
    back = event(purchase, "charge.refunded", refunded=True, amount=499, currency="eur")
    for payload in (back, paid(purchase), back, event(purchase, "checkout.session.expired")):
        assert (await send(family, payload)).status_code == 200
    assert await stands(family, purchase) == ("refunded", 3)


async def test_what_is_not_about_a_purchase_changes_nothing(family: Running, stripe: Stripe) -> None:
    purchase = await ordered(family)
    for payload in (
        event(purchase, "customer.created"),
        event(purchase, "checkout.session.completed", payment_status="unpaid"),
        event(purchase, "charge.refunded", refunded=False),
        paid(purchase, metadata=None),
    ):
        assert (await send(family, payload)).status_code == 200
    assert await stands(family, purchase) == ("pending", 0)
    wrong = await send(family, paid(purchase, amount_total=1))
    assert (wrong.status_code, wrong.json()["code"]) == (422, "payment_mismatch")
    unknown = await send(family, paid(purchase.evolve(id="nothing")))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "purchase_not_found")
    assert await stands(family, purchase) == ("pending", 0)


async def test_a_refund_is_asked_once_and_only_of_what_is_paid(family: Running, stripe: Stripe) -> None:
    purchase, works = await ordered(family), family.platform.works
    asked: dict[str, Any] = {
        "account_id": purchase.account_id,
        "purchase_id": purchase.id,
        "seen": ANY,
        "by": "ada",
        "why": "bought by mistake",
    }
    with pytest.raises(NotRefundable):
        await refund(works, stripe.gateway, **asked)
    await send(family, paid(purchase))
    stripe.failures.extend([500, 500, 500])
    with pytest.raises(PaymentUnreachable):
        await refund(works, stripe.gateway, **asked)
    assert (await stands(family, purchase))[0] == "paid"
    refunded = await refund(works, stripe.gateway, **asked)
    assert (refunded.state, refunded.payment_ref) == ("refunded", "pi_1")
    assert {headers["Idempotency-Key"] for path, headers, _ in stripe.asked if path == "/v1/refunds"} == {
        f"refund-{purchase.id}"
    }
    await send(family, event(purchase, "charge.refunded", refunded=True))
    # Two stories sold, two askings told to whoever audits, one refund.
    assert await stands(family, purchase) == ("refunded", 5)


async def test_without_stripe_its_door_is_shut(family: Running) -> None:
    answer = await family.client.post("/api/v1/payments/stripe", content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (409, "payment_off")
