"""A local Cosmos DB on a port of its own, and the official client for it."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import aiohttp
import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy

from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.serving import listening
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY


class Clock:
    """Seconds since 1970 that pass only when a test says so."""

    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


class Local(NamedTuple):
    """A running endpoint and its clock."""

    address: str
    clock: Clock

    async def ask(self, what: str, asked: dict[str, Any]) -> dict[str, Any]:
        """Ask for what only this endpoint can do."""
        headers = {"authorization": f"Bearer {WELL_KNOWN_KEY}"}
        async with (
            aiohttp.ClientSession() as session,
            session.post(f"{self.address}/_emulator/{what}", json=asked, headers=headers) as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()


@pytest.fixture
async def local(anyio_backend: str) -> AsyncIterator[Local]:
    clock = Clock()
    async with listening(Endpoint(ranges=3, clock=clock)) as (address, _):
        yield Local(address, clock)


@pytest.fixture
async def client(local: Local) -> AsyncIterator[CosmosClient]:
    async with CosmosClient(local.address, WELL_KNOWN_KEY) as made:
        yield made


@pytest.fixture
async def database(client: CosmosClient) -> DatabaseProxy:
    return await client.create_database("house")


@pytest.fixture
async def container(database: DatabaseProxy) -> ContainerProxy:
    return await database.create_container("rooms", PartitionKey("/tenant"))
