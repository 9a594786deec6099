"""Who asks: the account's key where there is one, otherwise a sign-in with Entra ID."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from azure.core.credentials_async import AsyncTokenCredential

from mystira.polyglot.store import Unavailable
from mystira.polyglot.stores.cosmos.address import Address


@asynccontextmanager
async def signed_in(address: Address) -> AsyncGenerator[str | AsyncTokenCredential]:
    """Provide what the client signs its requests with."""
    if address.key:
        yield address.key
        return
    if not address.tls:
        raise Unavailable(
            f"{address}: there is no key, and a sign-in with Entra ID needs TLS; write the account's key into "
            "MYSTIRA_COSMOS_KEY, or leave out tls=0"
        )
    # It loads a great deal, which whoever has a key does without.
    from azure.identity.aio import DefaultAzureCredential

    async with DefaultAzureCredential() as credential:
        yield credential
