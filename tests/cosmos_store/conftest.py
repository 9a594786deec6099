"""The Cosmos DB store over a local endpoint that can be asked for trouble."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import pytest

from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.serving import listening
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.polyglot.stores.cosmos.address import Address, read_address
from mystira.polyglot.stores.cosmos.store import CosmosDocuments, open_cosmos, provision_cosmos
from tests.contracts.sample import COLLECTIONS

REQUEST_S = 2.0


class Account(NamedTuple):
    """A running endpoint."""

    url: str

    @property
    def address(self) -> Address:
        return read_address(f"cosmos://{WELL_KNOWN_KEY}@{self.url.removeprefix('http://')}/house?tls=0")

    async def ask(self, what: str, **asked: Any) -> dict[str, Any]:
        """Ask for what only this endpoint can do."""
        headers = {"authorization": f"Bearer {WELL_KNOWN_KEY}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.url}/_emulator/{what}", json=asked, headers=headers) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()


@pytest.fixture
async def account(anyio_backend: str) -> AsyncIterator[Account]:
    async with listening(Endpoint(ranges=3)) as (url, _):
        yield Account(url)


@pytest.fixture
async def store(account: Account) -> AsyncIterator[CosmosDocuments]:
    await provision_cosmos(account.address, COLLECTIONS)
    async with open_cosmos(account.address, COLLECTIONS, request_s=REQUEST_S) as opened:
        yield opened
