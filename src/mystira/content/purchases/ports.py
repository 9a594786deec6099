"""The payment provider as purchases need it, and the one that is built in: a sandbox in which no money moves."""

from typing import Protocol

from mystira.content.purchases.model import Purchase


class Gateway(Protocol):
    """A payment provider. Its notices come back through a door of their own (`take_notice`)."""

    name: str

    async def checkout(self, purchase: Purchase, address: str) -> str:
        """Return the page on which this order is paid; asking again for the same order leads to the same payment.

        `address` is where browsers find this platform. PaymentUnreachable when the provider does not answer.
        """
        ...

    async def refund(self, purchase: Purchase) -> None:
        """Give the money of a paid purchase back, once however often it is asked."""
        ...


class SandboxGateway:
    """Pays with a button and gives back nothing, since nothing was taken: for trying things out."""

    name = "sandbox"

    async def checkout(self, purchase: Purchase, address: str) -> str:
        """Return the sandbox's own page on this server."""
        return f"{address}/sandbox/{purchase.id}"

    async def refund(self, purchase: Purchase) -> None:
        """Give back what was never taken."""
