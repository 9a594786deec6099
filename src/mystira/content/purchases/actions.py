"""What families, payment providers and staff do about purchases; what takes a `work` is one unit of work."""

from mystira.content.bundles.model import ContentBundle
from mystira.content.bundles.problems import BundleNotFound
from mystira.content.events import ContentChanged
from mystira.content.purchases.model import (
    ORDERS_MAX,
    Notice,
    Purchase,
    heard,
    keyed_purchase_id,
    order,
    purchase_id,
)
from mystira.content.purchases.ports import Gateway
from mystira.content.purchases.problems import (
    AlreadyBought,
    NothingToPay,
    NotRefundable,
    TooManyOrders,
)
from mystira.content.purchases.views import owned, receipt
from mystira.polyglot.entity import Stamp
from mystira.polyglot.work import Work, Works
from mystira.web.keys import KeyReused
from mystira.web.versions import refuse_stale


async def place_order(work: Work, *, account_id: str, bundle_id: str, gateway: str, request_key: str = "") -> Purchase:
    """Order a bundle at the price that it has now, or return the order of it that is still open.

    A program's `request_key` names one order for ever: asking again with it brings that order as it stands.
    """
    bundle = await work.get(ContentBundle, bundle_id)
    if request_key:
        at = keyed_purchase_id(account_id, request_key)
        known = await work.get(Purchase, at, account_id)
        if known is not None and known.bundle_id != bundle_id:
            raise KeyReused
        if known is not None:
            return known
    if bundle is None or bundle.state != "published":
        raise BundleNotFound
    if bundle.price is None:
        raise NothingToPay
    if bundle_id in (await owned(work, account_id)).bundle_ids:
        raise AlreadyBought(title=bundle.title)
    if request_key:
        made = order(keyed_purchase_id(account_id, request_key), account_id, bundle, gateway, work.now)
        work.save(made)
        return made
    return await _next_order(work, account_id, bundle, gateway)


async def take_notice(work: Work, *, notice: Notice) -> Purchase:
    """Note what a payment provider tells. The same notice again, or one that others have overtaken, changes nothing."""
    before = await receipt(work, notice.account_id, notice.purchase_id)
    after, told = heard(before, notice)
    if after != before:
        work.save(after, *told)
    return after


async def refund(
    works: Works, gateway: Gateway, *, account_id: str, purchase_id: str, seen: Stamp, by: str, why: str
) -> Purchase:
    """Give a family its money back. Games that run go on; new ones need the story bought again.

    Who asked is kept before the money moves: after a crash between the two, the provider's own notice or whoever asks
    again completes it, and the provider gives back once.
    """
    asked = await works.run(ask_refund, account_id=account_id, purchase_id=purchase_id, seen=seen, by=by, why=why)
    await gateway.refund(asked)
    notice = Notice(account_id=account_id, purchase_id=purchase_id, news="refunded", at=works.clock())
    return await works.run(take_notice, notice=notice)


async def ask_refund(work: Work, *, account_id: str, purchase_id: str, seen: Stamp, by: str, why: str) -> Purchase:
    """Keep that somebody wants a purchase refunded; NotRefundable unless it is paid."""
    before = await receipt(work, account_id, purchase_id)
    refuse_stale(work, before, seen)
    if before.state != "paid":
        raise NotRefundable(state=before.state)
    after = before.evolve(refund_asked_at=work.now)
    work.save(after, ContentChanged(what="purchase", content_id=purchase_id, change="refunded", by=by, why=why))
    return after


async def expire_order(work: Work, *, account_id: str, purchase_id: str) -> bool:
    """End an order that nobody paid in time; tell whether it was one."""
    before = await receipt(work, account_id, purchase_id)
    if before.state != "pending" or before.is_open(work.now):
        return False
    news = Notice(account_id=account_id, purchase_id=purchase_id, news="expired", at=work.now)
    after, _ = heard(before, news)
    work.save(after)
    return True


async def _next_order(work: Work, account_id: str, bundle: ContentBundle, gateway: str) -> Purchase:
    # Whoever orders at the same moment, in two tabs perhaps, counts to the same number, so there is one order.
    for number in range(1, ORDERS_MAX):
        at = purchase_id(account_id, bundle.id, number)
        known = await work.get(Purchase, at, account_id)
        made = order(at, account_id, bundle, gateway, work.now)
        if known is None:
            work.save(made)
            return made
        asks_the_same = (known.amount_minor, known.currency, known.gateway) == (
            made.amount_minor,
            made.currency,
            made.gateway,
        )
        if known.is_open(work.now) and asks_the_same and known.scenario_ids == made.scenario_ids:
            return known
    raise TooManyOrders
