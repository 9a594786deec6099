"""Who takes families' money: Stripe where it is set up, the sandbox in the demo, else nobody."""

from typing import Any

from mystira.content.purchases.ports import Gateway, SandboxGateway
from mystira.content.purchases.stripe.ports import StripeGateway
from mystira.settings import Settings


def paying(settings: Settings) -> dict[str, Any]:
    """Return what doors that sell are wired with."""
    return {"gateway": _gateway(settings), "address": settings.public_url or settings.address}


def _gateway(settings: Settings) -> Gateway | None:
    if settings.stripe_key:
        return StripeGateway(settings.stripe_key, settings.stripe_webhook_secret, settings.stripe_url)
    return SandboxGateway() if settings.demo else None
