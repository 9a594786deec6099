"""What happens on a schedule: orders that nobody paid in time end."""

from mystira.content.purchases.actions import expire_order
from mystira.content.purchases.views import unpaid
from mystira.polyglot.loops import Job
from mystira.polyglot.work import Works


async def expire_orders(works: Works) -> int:
    """End every order that was not paid in time; return how many there were."""
    work = works.open()
    ended = 0
    after = None
    while True:
        found = await unpaid(work, work.now, after)
        for one in found.items:
            ended += await works.run(expire_order, account_id=one.account_id, purchase_id=one.id)
        if found.after is None:
            return ended
        after = found.after


JOBS = (Job("content.expire_orders", expire_orders, every_s=300.0),)
