"""The rig with its documents in a Cosmos DB: the local endpoint, through the official client."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.serving import listening
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.polyglot.stores.cosmos.address import read_address
from mystira.polyglot.stores.cosmos.store import open_cosmos, provision_cosmos
from mystira.polyglot.stores.postgres.store import open_postgres
from tests.polyglot.counting import COLLECTIONS, Rig, make_tables


@asynccontextmanager
async def on_cosmos(dsn: str) -> AsyncGenerator[tuple[Rig, Endpoint]]:
    """Open the rig, and give the endpoint beside it, which can be told to make trouble."""
    await make_tables(dsn)
    endpoint = Endpoint(ranges=2)
    async with listening(endpoint) as (url, _):
        address = read_address(f"cosmos://{WELL_KNOWN_KEY}@{url.removeprefix('http://')}/rig?tls=0")
        await provision_cosmos(address, COLLECTIONS)
        async with open_cosmos(address, COLLECTIONS) as documents:
            opened: Any = documents
            rig = Rig(opened, await open_postgres(dsn, COLLECTIONS))
            yield rig, endpoint
            await rig.postgres.close()
