"""The official client, told not to repeat anything by itself: what an unanswered write means is decided above it.

By default it sends a write again after a broken connection, and waits half a minute and longer for a throttled one.
"""

import ssl
from typing import Any

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.cosmos.aio import CosmosClient
from azure.cosmos.documents import ConnectionPolicy

from mystira.polyglot.store import Unavailable
from mystira.polyglot.stores.cosmos.address import Address

CONNECT_S = 3.0


class _Transport(AioHttpTransport):
    """Verifies certificates wherever the server is; the client itself would not look at those of this machine."""

    def __init__(self, session: aiohttp.ClientSession, trusted: ssl.SSLContext | None) -> None:
        super().__init__(session=session)
        self._trusted = trusted

    def _build_ssl_config(self, cert: Any, verify: Any) -> ssl.SSLContext | bool:
        return self._trusted or True


def make_client(
    address: Address, credential: "str | AsyncTokenCredential", *, read_s: float, consistency: str | None
) -> CosmosClient:
    """Return a client that answers or fails within seconds. It is opened by `async with`."""
    # One address is asked for everything: looking for other regions costs a dead endpoint many seconds.
    policy = ConnectionPolicy()
    # As an argument, 0 counts as not given.
    policy.RetryOptions._max_retry_attempt_count = 0  # pyright: ignore[reportPrivateUsage]
    return CosmosClient(
        address.url,
        credential,
        consistency_level=consistency,
        connection_policy=policy,
        connection_timeout=CONNECT_S,
        read_timeout=read_s,
        enable_endpoint_discovery=False,
        transport=_Transport(_session(), _trusted(address)),
        retry_total=0,
        retry_connect=0,
        retry_read=0,
        retry_status=0,
    )


def _session() -> aiohttp.ClientSession:
    session = aiohttp.ClientSession(trust_env=True, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False)
    # It would send a PUT a second time when a connection ends before the answer: the write may have happened.
    session._retry_connection = False  # pyright: ignore[reportPrivateUsage]
    return session


def _trusted(address: Address) -> ssl.SSLContext | None:
    if not address.tls:
        return None
    try:
        return ssl.create_default_context(cafile=address.ca)
    except (OSError, ssl.SSLError) as error:
        raise Unavailable(f"{address}: the certificates in {address.ca} cannot be read ({error})") from error
