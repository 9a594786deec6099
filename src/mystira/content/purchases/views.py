"""What can be seen of purchases: what a family owns, what a story asks of it, and its receipts."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from mystira.content.bundles.model import ContentBundle
from mystira.content.bundles.views import BundleCard, card_of, holding
from mystira.content.purchases.model import ORDER_LIVES, Purchase, PurchaseState
from mystira.content.purchases.problems import PurchaseNotFound
from mystira.content.purchases.storage import PURCHASES
from mystira.polyglot.entity import Value
from mystira.polyglot.query import EVERYTHING, Order, Scalar, Where, all_of, any_of, at_most, equal
from mystira.polyglot.work import Found, Work
from mystira.web.lists import Span, cursor_in, cursor_text

OWNED_PAGE = 1_000
FIRST = Span()
NEWEST = Order("ordered_at", descending=True)

PurchaseOrder = Literal["newest", "oldest"]
ORDERS: dict[PurchaseOrder, Order] = {"newest": NEWEST, "oldest": Order("ordered_at")}
Claim = Literal["free", "bought", "for_sale", "withdrawn"]


class Owned(Value, frozen=True, kw_only=True):
    """What a family has paid for and not given back."""

    bundle_ids: frozenset[str] = frozenset()
    scenario_ids: frozenset[str] = frozenset()


class StoryClaim(Value, frozen=True, kw_only=True):
    """What a story asks of a family: nothing, nothing any more, or one of these bundles.

    `withdrawn`: it was for sale once and is not now, so only those who bought it play it.
    """

    claim: Claim = "free"
    bundles: tuple[BundleCard, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether a game may be started."""
        return self.claim in ("free", "bought")


class Receipt(Value, frozen=True, kw_only=True):
    """A purchase as the family that made it sees it."""

    id: str
    bundle_id: str
    title: str
    scenario_ids: tuple[str, ...]
    amount_minor: int
    currency: str
    price: str
    state: PurchaseState
    ordered_at: datetime
    paid_at: datetime | None
    refunded_at: datetime | None


class Receipts(Value, frozen=True, kw_only=True):
    """A page of a family's purchases, and what leads to the next one."""

    items: tuple[Receipt, ...]
    after: str | None


class PurchasesWanted(Value, frozen=True, kw_only=True):
    """Which purchases staff want to see, and in which order."""

    search: str = ""
    state: PurchaseState | None = None
    order: PurchaseOrder = "newest"


async def owned(work: Work, account_id: str | None) -> Owned:
    """Return what a family has bought; nobody has bought nothing."""
    bundle_ids: set[str] = set()
    scenario_ids: set[str] = set()
    after: tuple[Scalar, ...] | None = None
    while account_id is not None:
        where = all_of(equal("account_id", account_id), equal("state", "paid"))
        found = await work.find(Purchase, where, limit=OWNED_PAGE, after=after)
        bundle_ids.update(one.bundle_id for one in found.items)
        scenario_ids.update(id for one in found.items for id in one.scenario_ids)
        after = found.after
        if after is None:
            break
    return Owned(bundle_ids=frozenset(bundle_ids), scenario_ids=frozenset(scenario_ids))


async def story_claim(work: Work, account_id: str | None, scenario_id: str) -> StoryClaim:
    """Return what a story asks of a family."""
    return (await story_claims(work, account_id, (scenario_id,)))[scenario_id]


async def story_claims(work: Work, account_id: str | None, scenario_ids: Sequence[str]) -> dict[str, StoryClaim]:
    """Return what each of these stories asks of a family, in two searches however many they are."""
    bundles = await holding(work, scenario_ids)
    has = await owned(work, account_id) if any(one.price for one in bundles) else Owned()
    return {id: _claim(id, [one for one in bundles if id in one.scenario_ids], has) for id in scenario_ids}


async def receipt(work: Work, account_id: str, purchase_id: str) -> Purchase:
    """Return a purchase of this family; another family's does not exist."""
    found = await work.get(Purchase, purchase_id, account_id)
    if found is None:
        raise PurchaseNotFound
    return found


async def receipts(work: Work, account_id: str, span: Span = FIRST) -> Receipts:
    """Return a page of a family's purchases, the newest first."""
    found = await _page(work, equal("account_id", account_id), span)
    return Receipts(items=tuple(receipt_of(one) for one in found.items), after=cursor_text(found.after))


async def every(work: Work, wanted: PurchasesWanted, span: Span = FIRST) -> tuple[tuple[Purchase, ...], str | None]:
    """Return a page of the purchases that staff look for: by the id of whatever they are about."""
    parts: list[Where] = [equal("state", wanted.state)] if wanted.state else []
    text = wanted.search.strip()
    if text:
        parts.append(any_of(*(equal(field, text) for field in ("id", "account_id", "bundle_id", "payment_ref"))))
    found = await _page(work, all_of(*parts) if parts else EVERYTHING, span, ORDERS[wanted.order])
    return found.items, cursor_text(found.after)


async def unpaid(work: Work, now: datetime, after: tuple[Scalar, ...] | None = None) -> Found[Purchase]:
    """Return one page of the orders that nobody paid in time."""
    where = all_of(equal("state", "pending"), at_most("ordered_at", now - ORDER_LIVES))
    return await work.find(Purchase, where, Order("ordered_at"), after=after)


def receipt_of(purchase: Purchase) -> Receipt:
    """Return a purchase as its family sees it."""
    return Receipt(
        id=purchase.id,
        bundle_id=purchase.bundle_id,
        title=purchase.title,
        scenario_ids=purchase.scenario_ids,
        amount_minor=purchase.amount_minor,
        currency=purchase.currency,
        price=purchase.price,
        state=purchase.state,
        ordered_at=purchase.ordered_at,
        paid_at=purchase.paid_at,
        refunded_at=purchase.refunded_at,
    )


def _claim(scenario_id: str, bundles: Sequence[ContentBundle], has: Owned) -> StoryClaim:
    offered = tuple(card_of(one) for one in bundles if one.state == "published")
    # A bundle that is sold no longer still asks for its price: archiving it gives nothing away.
    if not any(one.price for one in bundles) or any(one.price is None for one in offered):
        return StoryClaim(claim="free", bundles=offered)
    if scenario_id in has.scenario_ids or any(one.id in has.bundle_ids for one in bundles):
        return StoryClaim(claim="bought", bundles=offered)
    return StoryClaim(claim="for_sale" if offered else "withdrawn", bundles=offered)


async def _page(work: Work, where: Where, span: Span, order: Order = NEWEST) -> Found[Purchase]:
    since = cursor_in(PURCHASES, span.after, order)
    return await work.find(Purchase, where, order, limit=span.limit, after=since)
