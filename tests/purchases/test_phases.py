"""What was bought stays bought while its collection moves to PostgreSQL and back, however often Stripe tells of it."""

import asyncio

import pytest
from httpx import Response

from mystira.content.purchases.actions import place_order
from mystira.content.purchases.model import Purchase
from mystira.polyglot import backfill
from mystira.polyglot.phases import Phase
from mystira.polyglot.transition import Terms, change_phase
from mystira.services.worker import working
from tests.journeys.conftest import Running
from tests.purchases.test_stripe import BUNDLE, Stripe, event, paid, send, stands
from tests.purchases.test_stripe import stripe as stripe

pytestmark = pytest.mark.anyio

SOMEBODY = {"actor": "a test", "why": "there and back"}
FIRST = (Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ, Phase.POSTGRES_ONLY)
THERE_AND_BACK = (Phase.COSMOS_ONLY, *FIRST, *reversed(FIRST[:2]), Phase.COSMOS_ONLY)


async def test_purchases_are_told_once_in_every_phase_there_and_back(family: Running, stripe: Stripe) -> None:
    opened = family.platform
    works, r = opened.works, opened.replication
    collection = works.catalog.of(Purchase)
    bought: list[Purchase] = []
    async with working(opened):
        for number, phase in enumerate(THERE_AND_BACK):
            if number == 1:
                await backfill.start(r, collection, **SOMEBODY)
                while (await backfill.progress(r, collection)).state == backfill.RUNNING:
                    await asyncio.sleep(0.05)
            await change_phase(r, collection, phase, terms=Terms(deadline_s=120.0), **SOMEBODY)
            # Everything that was told before is told again, to whichever store leads now.
            for purchase in bought:
                assert (await send(family, paid(purchase))).status_code == 200
                assert await stands(family, purchase) == ("refunded", 3), phase
            purchase = await works.run(place_order, account_id="sample-family", bundle_id=BUNDLE, gateway="stripe")
            assert (await play(family)).json()["code"] == "purchase_needed", phase
            for _ in range(2):
                assert (await send(family, paid(purchase))).status_code == 200
            assert await stands(family, purchase) == ("paid", 2), phase
            assert (await play(family)).status_code == 201, phase
            back = event(purchase, "charge.refunded", refunded=True, amount=499, currency="eur")
            assert (await send(family, back)).status_code == 200
            bought.append(purchase)
    assert len({purchase.id for purchase in bought}) == len(THERE_AND_BACK)


async def play(family: Running) -> Response:
    """Start the bundle's story anew."""
    asked = {
        "scenario_id": "the-city-under-the-tide",
        "owner_profile_id": "sample-tomas",
        "players": [{"profile_id": "sample-tomas"}],
        "restart": True,
    }
    return await family.client.post("/api/v1/sessions", json=asked)
