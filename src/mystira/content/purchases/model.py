"""Purchases and their rules: what a payment brings, whatever order the news about it arrives in.

A provider's notices may come twice, late, and in any order. Each of them only ever moves a purchase further along one
line of states, so every order ends the same: pending, failed, expired, paid, refunded.
"""

from datetime import datetime, timedelta
from hashlib import sha256
from typing import Literal

from mystira.content.bundles.model import ContentBundle, money
from mystira.content.purchases.events import PurchaseRefunded, ScenarioPurchased
from mystira.content.purchases.problems import PaymentMismatch
from mystira.polyglot.entity import Entity, Value

PurchaseState = Literal["pending", "failed", "expired", "paid", "refunded"]
News = Literal["failed", "expired", "paid", "refunded"]
LINE: tuple[PurchaseState, ...] = ("pending", "failed", "expired", "paid", "refunded")

# As long as a payment page of Stripe stays open.
ORDER_LIVES = timedelta(hours=24)
ORDERS_MAX = 1_000


class Purchase(Entity, frozen=True, kw_only=True):
    """One order of one family. Its price and its stories are those of the moment in which it was placed.

    While it is paid, the family may play these stories, and whatever the bundle holds besides by then.
    """

    account_id: str
    bundle_id: str
    title: str
    scenario_ids: tuple[str, ...]
    amount_minor: int
    currency: str
    gateway: str
    state: PurchaseState
    payment_ref: str | None = None
    ordered_at: datetime
    expires_at: datetime
    paid_at: datetime | None = None
    refund_asked_at: datetime | None = None
    refunded_at: datetime | None = None

    @property
    def price(self) -> str:
        """What it costs, as people read it."""
        return money(self.amount_minor, self.currency)

    def is_open(self, now: datetime) -> bool:
        """Whether it can still be paid."""
        return self.state == "pending" and now < self.expires_at


class Notice(Value, frozen=True, kw_only=True):
    """What a payment provider tells about one purchase; `at` is when it happened there."""

    account_id: str
    purchase_id: str
    news: News
    at: datetime
    amount_minor: int | None = None
    currency: str | None = None
    payment_ref: str | None = None


def purchase_id(account_id: str, bundle_id: str, number: int) -> str:
    """Return the id of a family's first, second, ... order of a bundle: whoever orders at the same moment meets."""
    return _digest("order", account_id, bundle_id, str(number))


def keyed_purchase_id(account_id: str, request_key: str) -> str:
    """Return the id of the order that a program placed under a key of its own."""
    return _digest("key", account_id, request_key)


def order(id: str, account_id: str, bundle: ContentBundle, gateway: str, now: datetime) -> Purchase:
    """Return a new order of this bundle at the price that it has now."""
    assert bundle.price is not None, "what is free is not ordered"
    return Purchase(
        id=id,
        account_id=account_id,
        bundle_id=bundle.id,
        title=bundle.title,
        scenario_ids=bundle.scenario_ids,
        amount_minor=bundle.price.amount_minor,
        currency=bundle.price.currency,
        gateway=gateway,
        state="pending",
        ordered_at=now,
        expires_at=now + ORDER_LIVES,
    )


def heard(purchase: Purchase, notice: Notice) -> tuple[Purchase, tuple[ScenarioPurchased | PurchaseRefunded, ...]]:
    """Return the purchase after a notice, and the facts that are new; a notice heard before changes nothing.

    A refund that arrives before the payment it gives back brings both, since nothing is refunded that was not paid.
    """
    if notice.news == "paid" and (notice.amount_minor, notice.currency) != (purchase.amount_minor, purchase.currency):
        raise PaymentMismatch(purchase_id=purchase.id, expected=purchase.price)
    state = max(purchase.state, notice.news, key=LINE.index)
    is_paid = notice.news in ("paid", "refunded")
    after = purchase.evolve(
        state=state,
        payment_ref=purchase.payment_ref or notice.payment_ref,
        paid_at=_earlier(purchase.paid_at, notice.at) if is_paid else purchase.paid_at,
        refunded_at=_earlier(purchase.refunded_at, notice.at) if notice.news == "refunded" else purchase.refunded_at,
    )
    told: tuple[ScenarioPurchased | PurchaseRefunded, ...] = ()
    if is_paid and purchase.paid_at is None:
        told += sold(purchase)
    if notice.news == "refunded" and purchase.refunded_at is None:
        told += (_refunded(purchase),)
    return after, told


def sold(purchase: Purchase) -> tuple[ScenarioPurchased, ...]:
    """Return one fact a story, each with its share of what was paid."""
    shares = split(purchase.amount_minor, len(purchase.scenario_ids))
    return tuple(
        ScenarioPurchased(
            purchase_id=purchase.id,
            account_id=purchase.account_id,
            scenario_id=scenario_id,
            bundle_id=purchase.bundle_id,
            amount_minor=share,
            currency=purchase.currency,
        )
        for scenario_id, share in zip(purchase.scenario_ids, shares, strict=True)
    )


def split(amount_minor: int, parts: int) -> tuple[int, ...]:
    """Return the amount in equal parts by largest remainder: they sum up to it, and the first ones get what is over."""
    share, over = divmod(amount_minor, parts) if parts else (0, 0)
    return tuple(share + (at < over) for at in range(parts))


def _refunded(purchase: Purchase) -> PurchaseRefunded:
    return PurchaseRefunded(
        purchase_id=purchase.id,
        account_id=purchase.account_id,
        bundle_id=purchase.bundle_id,
        amount_minor=purchase.amount_minor,
        currency=purchase.currency,
    )


def _earlier(known: datetime | None, at: datetime) -> datetime:
    return at if known is None else min(known, at)


def _digest(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()[:32]
