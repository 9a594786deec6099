"""The Cosmos DB store over a local endpoint of its own, or over the account that COSMOS_URL names."""

import os
import shutil
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from mystira.cosmos_emulator import ranges
from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.serving import listening
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.polyglot.collection import Collection
from mystira.polyglot.store import RangeGone
from mystira.polyglot.stores.cosmos import feed
from mystira.polyglot.stores.cosmos.address import Address, read_address
from mystira.polyglot.stores.cosmos.store import CosmosDocuments, open_cosmos, provision_cosmos
from tests.contracts.sample import COLLECTIONS

DOUBLES = "Cosmos DB keeps numbers as doubles, so the store refuses whole numbers beyond 2**53 - 1"
SWEEPS = "Cosmos DB removes what has expired by itself"
CHARGES = "what a request costs is the service's affair: tests/cosmos_store looks at it"
LARGE = (
    "amount-9223372036854775807",
    "amount--9223372036854775808",
    "amount-9007199254740993",
    "numbers-(1, -1, 4611686018427387",
)

CANNOT = {
    "test_large_whole_numbers_are_told_apart[cosmos]": DOUBLES,
    **dict.fromkeys((f"test_every_value_survives[cosmos-{which}]" for which in LARGE), DOUBLES),
    "test_any_text_can_be_a_key[cosmos-..]": "an address could not name it: it would mean the folder above",
    "test_a_sweep_removes_what_has_expired_and_nothing_else[cosmos]": SWEEPS,
    "test_throttling_says_when_to_come_back_and_changes_nothing[cosmos]": CHARGES,
    "test_request_units_are_counted_for_each_collection[cosmos]": CHARGES,
}
"""Cases that this store cannot pass, by name, and why."""

NOT_ON_AN_ACCOUNT = {
    "test_what_was_changed_last_is_known_without_the_feed_the_newest_first",
    "test_time_to_live_lets_documents_go",
    "test_a_write_begins_the_time_to_live_anew",
    "test_what_has_expired_is_created_as_if_it_had_never_been",
    "test_of_two_who_split_a_range_one_is_told_that_it_is_gone",
}

ACCOUNT = os.environ.get("COSMOS_URL", "")


class LocalCosmos(CosmosDocuments):
    """The store as it is, and a way to split ranges on the endpoint behind it."""

    endpoint: Endpoint | None = None

    async def sweep(self) -> int:
        """Return how many expired documents were removed: here the service does that."""
        return 0

    async def split_range(self, collection: Collection[Any], parent: str) -> Sequence[str]:
        """Split one range as the service does when a partition grows; return the two that follow."""
        if self.endpoint is None:
            pytest.skip("an account cannot be told to split a range")
        catalogue = self.endpoint._catalogue
        found = catalogue.container(catalogue.database("contracts"), collection.container)
        edges = feed.edges_named(collection.container, parent)
        within = [one for one in found.ranges if edges.within(feed.Edges(one.low, one.high))]
        if len(within) == 1:
            ranges.split(catalogue.connection, found.rid, found.ranges, str(within[0].id), 0)
            catalogue.forget()
        # The client would learn of it with its next refused request.
        proxy = self._containers[collection.name].proxy
        _ = [one async for one in proxy.read_feed_ranges(force_refresh=True)]
        parts = [f"{one.low}-{one.high}" for one in await feed.living(proxy) if edges.within(one)]
        if len(within) > 1:
            raise RangeGone(parts)
        return parts


async def provision_into(file: Path) -> None:
    """Make the containers in a file, for the endpoints of all cases to begin with: making them costs more than most."""
    if not ACCOUNT:
        async with _at(Endpoint(file)) as address:
            await provision_cosmos(address, COLLECTIONS)


@asynccontextmanager
async def cosmos_store(clock: Callable[[], float], name: str, made: Path, file: Path) -> AsyncGenerator[LocalCosmos]:
    """Open the store on an endpoint whose containers are made, and empty."""
    if ACCOUNT and name.removesuffix("[cosmos]") in NOT_ON_AN_ACCOUNT:
        pytest.skip("neither the clock nor the ranges of an account can be moved")
    if name in CANNOT:
        pytest.skip(CANNOT[name])
    if ACCOUNT:
        address = read_address(ACCOUNT, os.environ.get("MYSTIRA_COSMOS_KEY", ""))
        await provision_cosmos(address, COLLECTIONS)
        async with _opened(address) as store:
            await _empty(store)
            yield store
        return
    shutil.copy(made, file)
    endpoint = Endpoint(file, clock=clock)
    async with _at(endpoint) as address, _opened(address) as store:
        store.endpoint = endpoint
        yield store


@asynccontextmanager
async def _at(endpoint: Endpoint) -> AsyncGenerator[Address]:
    async with listening(endpoint) as (url, _):
        yield read_address(f"cosmos://{WELL_KNOWN_KEY}@{url.removeprefix('http://')}/contracts?tls=0")


@asynccontextmanager
async def _opened(address: Address) -> AsyncGenerator[LocalCosmos]:
    async with open_cosmos(address, COLLECTIONS) as store:
        store.__class__ = LocalCosmos
        yield store  # type: ignore[misc]


async def _empty(store: CosmosDocuments) -> None:
    for container, _ in store._containers.values():
        properties = await container.read()
        (path,) = properties["partitionKey"]["paths"]
        async for found in container.query_items("SELECT * FROM c"):
            await container.delete_item(found["id"], found[path.strip("/")])
