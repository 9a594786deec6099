"""Bundles and their rules: which stories in which order, for which price, and which state may follow which."""

from datetime import datetime
from typing import Literal

from mystira.content.bundles.problems import BundleInvalid, BundleStateWrong
from mystira.polyglot.entity import Entity, Value

BundleState = Literal["draft", "published", "archived"]
TITLE_LENGTH_MAX = 200
DESCRIPTION_LENGTH_MAX = 2_000
STORIES_MAX = 200
AMOUNT_MINOR_MAX = 100_000_000
DECIMALS = {
    **dict.fromkeys(("EUR", "USD", "GBP", "CHF", "AUD", "CAD", "NZD", "ZAR", "SEK", "NOK", "DKK", "PLN", "CZK"), 2),
    "JPY": 0,
}
"""The currencies that prices can have, and how many decimals each is written with."""

NEXT: dict[BundleState, tuple[BundleState, ...]] = {
    "draft": ("published",),
    "published": ("archived",),
    "archived": ("published",),
}
"""Which state may follow which. A bundle never becomes a draft again: it may have been bought by then."""


class Price(Value, frozen=True, kw_only=True):
    """An amount in the smallest unit of its currency."""

    amount_minor: int
    currency: str

    @property
    def text(self) -> str:
        """The price as people read it: `4.99 EUR`."""
        return money(self.amount_minor, self.currency)


class ContentBundle(Entity, frozen=True, kw_only=True):
    """Stories offered together, in the order in which they are shown; without a price they are free."""

    title: str
    description: str = ""
    image: str | None = None
    scenario_ids: tuple[str, ...] = ()
    age_group: str | None = None
    price: Price | None = None
    state: BundleState = "draft"
    changed_at: datetime


class BundleDetails(Value, frozen=True, kw_only=True):
    """What an editor says of a bundle; everything but its state."""

    title: str
    description: str = ""
    image: str | None = None
    scenario_ids: tuple[str, ...] = ()
    age_group: str | None = None
    price: Price | None = None


def checked(details: BundleDetails) -> BundleDetails:
    """Return the details in good order, or refuse them with what to write instead."""
    title, description = " ".join(details.title.split()), details.description.strip()
    if not 1 <= len(title) <= TITLE_LENGTH_MAX:
        raise BundleInvalid(field="title", reason=f"Write a title of 1 to {TITLE_LENGTH_MAX} letters.")
    if len(description) > DESCRIPTION_LENGTH_MAX:
        reason = f"Keep the description to {DESCRIPTION_LENGTH_MAX} letters; it has {len(description)}."
        raise BundleInvalid(field="description", reason=reason)
    twice = sorted({id for id in details.scenario_ids if details.scenario_ids.count(id) > 1})
    if twice:
        raise BundleInvalid(field="scenario_ids", reason=f"Name each story once; {', '.join(twice)} is there twice.")
    if len(details.scenario_ids) > STORIES_MAX:
        raise BundleInvalid(field="scenario_ids", reason=f"A bundle holds {STORIES_MAX} stories at most.")
    return BundleDetails(
        title=title,
        description=description,
        image=details.image or None,
        scenario_ids=details.scenario_ids,
        age_group=details.age_group or None,
        price=_checked_price(details.price),
    )


def followed(bundle: ContentBundle, state: BundleState, now: datetime) -> ContentBundle:
    """Return the bundle in another state, or refuse a state that cannot follow."""
    if state not in NEXT[bundle.state]:
        raise BundleStateWrong(now=bundle.state, possible=" or ".join(NEXT[bundle.state]))
    return bundle.evolve(state=state, changed_at=now)


def money(amount_minor: int, currency: str) -> str:
    """Return an amount as people read it."""
    decimals = DECIMALS.get(currency, 2)
    if not decimals:
        return f"{amount_minor:,} {currency}"
    whole, rest = divmod(amount_minor, 10**decimals)
    return f"{whole:,}.{rest:0{decimals}} {currency}"


def _checked_price(price: Price | None) -> Price | None:
    if price is None:
        return None
    currency = price.currency.strip().upper()
    if currency not in DECIMALS:
        raise BundleInvalid(field="price", reason=f"Choose a currency: {', '.join(DECIMALS)}.")
    if not 1 <= price.amount_minor <= AMOUNT_MINOR_MAX:
        raise BundleInvalid(field="price", reason="Write a price above zero, or leave it out: then it is free.")
    return Price(amount_minor=price.amount_minor, currency=currency)
