"""A process is killed at every step of an order, a payment's notice and a refund: each of them counts once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from mystira.content.bundles.model import ContentBundle, Price
from mystira.content.purchases.actions import place_order, refund, take_notice
from mystira.content.purchases.model import Notice, Purchase
from mystira.content.purchases.views import story_claim
from mystira.operations.model import Command
from mystira.polyglot.query import equal
from mystira.polyglot.store import Key
from mystira.polyglot.work import Work
from mystira.run import settle
from mystira.services.platform import Platform
from mystira.web.versions import ANY
from tests.journeys.killing import Place
from tests.journeys.test_killed import STORY, Family, die_at_every_step
from tests.journeys.test_killed import place as place
from tests.purchases.endpoint import Stripe, answering

pytestmark = pytest.mark.anyio

STORIES = (STORY, "its-sequel")
EACH_STORY = len(STORIES)
BUNDLE = ContentBundle(
    id="short-cuts",
    title="Short cuts",
    scenario_ids=STORIES,
    price=Price(amount_minor=499, currency="EUR"),
    state="published",
    changed_at=datetime(2026, 11, 1, tzinfo=UTC),
)


@pytest.fixture
async def stripe() -> AsyncIterator[Stripe]:
    async with answering() as opened:
        yield opened


async def offer(work: Work) -> None:
    if await work.get(ContentBundle, BUNDLE.id) is None:
        work.save(BUNDLE)


async def ordered(running: Platform, family: Family) -> Purchase:
    await running.works.run(offer)
    return await running.works.run(place_order, **orders(family))


def orders(family: Family) -> dict[str, Any]:
    return {"account_id": family.account_id, "bundle_id": BUNDLE.id, "gateway": "stripe"}


def news(purchase: Purchase, what: Any) -> dict[str, Any]:
    """What the provider tells, with the moment at which it happened there: the same however often it is told."""
    heard = Notice(
        account_id=purchase.account_id,
        purchase_id=purchase.id,
        news=what,
        at=datetime(2026, 11, 2, tzinfo=UTC),
        amount_minor=499,
        currency="EUR",
        payment_ref=f"pi_{purchase.id}",
    )
    return {"notice": heard}


async def told(running: Platform, purchase: Purchase) -> tuple[str, int]:
    """Where a purchase stands in whichever store leads, and how many facts it has ever told."""
    works = running.works
    leading = works.store_of(await works.leadership.term(works.catalog.of(Purchase)))
    record = await leading.read(works.catalog.of(Purchase), Key(purchase.account_id, purchase.id))
    assert record is not None and isinstance(record.entity, Purchase)
    return record.entity.state, record.event_seq


async def claim(running: Platform, family: Family) -> str:
    return (await story_claim(running.works.open(), family.account_id, STORY)).claim


async def purchases(running: Platform, family: Family) -> list[Purchase]:
    return list((await running.works.open().find(Purchase, equal("account_id", family.account_id))).items)


async def test_ordering(place: Place) -> None:
    async def prepare(running: Platform, family: Family) -> dict[str, Any]:
        await running.works.run(offer)
        return orders(family)

    async def check(running: Platform, family: Family, arguments: dict[str, Any]) -> None:
        left = await purchases(running, family)
        placed = [await running.works.run(place_order, **arguments) for _ in range(2)]
        assert placed[0] == placed[1] and left in ([], placed[:1])
        assert await purchases(running, family) == placed[:1]
        assert await told(running, placed[0]) == ("pending", 0)
        assert await claim(running, family) == "for_sale"

    await die_at_every_step(place, "order", prepare, check, at_least=4)


@pytest.mark.parametrize("what", ["paid", "refunded"])
async def test_hearing_of(place: Place, what: str) -> None:
    async def prepare(running: Platform, family: Family) -> dict[str, Any]:
        return news(await ordered(running, family), what)

    async def check(running: Platform, family: Family, arguments: dict[str, Any]) -> None:
        (left,) = await purchases(running, family)
        facts = EACH_STORY + (what == "refunded")
        assert await told(running, left) in (("pending", 0), (what, facts))
        for _ in range(2):
            await running.works.run(take_notice, **arguments)
            assert await told(running, left) == (what, facts)
        assert await claim(running, family) == ("bought" if what == "paid" else "for_sale")

    await die_at_every_step(place, "hear", prepare, check, at_least=3)


async def test_giving_money_back(place: Place, stripe: Stripe) -> None:
    async def prepare(running: Platform, family: Family) -> dict[str, Any]:
        return await asks_for_money_back(running, family, stripe)

    async def check(running: Platform, family: Family, arguments: dict[str, Any]) -> None:
        (left,) = await purchases(running, family)
        gives_back = bool(asked_about(stripe, left))
        assert left.state == "paid" or gives_back, "nobody is told of money that was not given back"
        if left.state == "paid" and gives_back:
            # The money went back, and whoever asked died before hearing so: the provider tells of it by itself.
            await running.works.run(take_notice, **news(left, "refunded"))
        elif left.state == "paid":
            await refund(running.works, **arguments)
        await running.works.run(take_notice, **news(left, "refunded"))
        state, facts = await told(running, left)
        keys = {headers["Idempotency-Key"] for headers in asked_about(stripe, left)}
        assert (state, keys) == ("refunded", {f"refund-{left.id}"})
        await settle(running)
        # Asking again after a death is a deed of its own; what it brings is one refund.
        assert facts == EACH_STORY + 1 + await deeds(running, left)
        assert await claim(running, family) == "for_sale"

    await die_at_every_step(place, "refund", prepare, check, at_least=6)


async def test_what_follows_a_refund(place: Place, stripe: Stripe) -> None:
    async def prepare(running: Platform, family: Family) -> dict[str, Any]:
        await settle(running)
        await refund(running.works, **await asks_for_money_back(running, family, stripe))
        return {}

    async def check(running: Platform, family: Family, arguments: dict[str, Any]) -> None:
        (left,) = await purchases(running, family)
        await settle(running)
        assert await told(running, left) == ("refunded", EACH_STORY + 2)
        assert await deeds(running, left) == 1
        assert (await running.relational.journal.pending()).waiting == 0

    await die_at_every_step(place, "settle", prepare, check, at_least=6, ways={"before": 3, "during": 5})


def asked_about(stripe: Stripe, purchase: Purchase) -> list[dict[str, str]]:
    """The headers of every request to give this purchase's money back."""
    return [headers for _, headers, body in stripe.asked if body["payment_intent"] == [purchase.payment_ref]]


async def deeds(running: Platform, purchase: Purchase) -> int:
    """How often the audit says that somebody wanted this purchase refunded."""
    kept = await running.works.open().find(Command, equal("collection", "purchase"), limit=1_000)
    return sum(one.arguments["id"] == purchase.id for one in kept.items)


async def asks_for_money_back(running: Platform, family: Family, stripe: Stripe) -> dict[str, Any]:
    """A paid purchase, and what staff says to have its money given back."""
    purchase = await ordered(running, family)
    await running.works.run(take_notice, **news(purchase, "paid"))
    about = {"account_id": family.account_id, "purchase_id": purchase.id}
    return {"gateway": stripe.gateway, **about, "seen": ANY, "by": "ada", "why": "bought by mistake"}
