"""What buying refuses, and why."""

from mystira.polyglot.problem import Kind, Problem


class PurchaseNotFound(Problem):
    """This purchase does not exist, or it is not yours."""

    kind = Kind.NOT_FOUND


class NothingToPay(Problem):
    """This bundle is free: there is nothing to pay. Choose one of its stories and play."""

    kind = Kind.CONFLICT


class AlreadyBought(Problem):
    """Your family has bought {title} already. Choose one of its stories and play."""

    kind = Kind.CONFLICT


class OrderOver(Problem):
    """This order cannot be paid any more. Go back to the bundle and order it again."""

    kind = Kind.CONFLICT


class TooManyOrders(Problem):
    """This bundle was ordered very often without being paid. Please try again tomorrow."""

    kind = Kind.CONFLICT


class ParentNeeded(Problem):
    """Buying needs a grown-up. Ask a parent to open this page with you."""

    kind = Kind.FORBIDDEN


class PaymentOff(Problem):
    """Nothing can be bought here: no payment provider is set up. See MYSTIRA_STRIPE_KEY in docs/settings.md."""

    kind = Kind.CONFLICT


class PaymentUnreachable(Problem):
    """The payment provider does not answer as it should, so nothing was paid. Please try again in a minute."""

    kind = Kind.UNAVAILABLE


class PaymentMismatch(Problem):
    """A payment for {purchase_id} is not over {expected}, so it was not accepted. Look into it at the provider."""

    kind = Kind.UNPROCESSABLE


class NotRefundable(Problem):
    """This purchase is {state}: only what is paid can be refunded."""

    kind = Kind.CONFLICT


class NoticeRefused(Problem):
    """This notice is not signed as it should be, or it is too old. Check MYSTIRA_STRIPE_WEBHOOK_SECRET and the time."""

    kind = Kind.INVALID
