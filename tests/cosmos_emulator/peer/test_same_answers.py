"""The npm server and ours are asked the same through the official client, and answer the same.

The npm server is known to be wrong here and there (`cases.py` says where): there it is skipped by name. Two things it
cannot be asked for at all: a query within a partition whose text does not name the partition (it refuses with 400), and
a change feed that goes on where it stopped (it always says that nothing has changed).
"""

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple, cast

import pytest
from azure.core.exceptions import HttpResponseError
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy

from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from tests.cosmos_emulator.conftest import Local
from tests.cosmos_emulator.peer.cases import (
    ITEMS,
    MALFORMED,
    NPM_ITEMS,
    NPM_QUERIES,
    PARAMETERS,
    PEOPLE,
    QUERIES,
    QUERIES_ACROSS,
    Etag,
    Step,
)
from tests.cosmos_emulator.peer.npm_server import missing, npm_server

pytestmark = pytest.mark.anyio


class Two(NamedTuple):
    """The same on both servers."""

    ours: DatabaseProxy
    theirs: DatabaseProxy

    async def containers(self, **options: Any) -> tuple[ContainerProxy, ContainerProxy]:
        """Return a new container on each."""
        name = str(uuid.uuid4())
        return await _container(self.ours, name, **options), await _container(self.theirs, name, **options)

    async def people(self) -> tuple[ContainerProxy, ContainerProxy]:
        """Return a new container with some items on each."""
        made = await self.containers()
        for rooms in made:
            for one in PEOPLE:
                await rooms.create_item(one)
        return made


async def _container(database: DatabaseProxy, name: str, **options: Any) -> ContainerProxy:
    made: Any = await database.create_container(name, PartitionKey("/tenant"), **options)
    return made


@pytest.fixture(scope="module")
def npm_address() -> Iterator[str]:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with npm_server() as address:
        yield address


@pytest.fixture
async def both(local: Local, npm_address: str) -> AsyncIterator[Two]:
    # The npm server calls itself by an HTTPS address that nobody listens on, so clients must not ask for it.
    options: dict[str, Any] = {"enable_endpoint_discovery": False}
    async with (
        CosmosClient(local.address, WELL_KNOWN_KEY, **options) as ours,
        CosmosClient(npm_address, WELL_KNOWN_KEY, **options) as theirs,
    ):
        name = str(uuid.uuid4())
        yield Two(await ours.create_database(name), await theirs.create_database(name))


def plain(value: Any) -> Any:
    """Return a value without what every server makes up itself."""
    if isinstance(value, dict):
        own, inside = ("requestCharge", "eTag"), cast("dict[str, Any]", value)
        return {name: plain(one) for name, one in inside.items() if name not in own and name[:1] != "_"}
    return [plain(one) for one in cast("list[Any]", value)] if isinstance(value, list) else value


async def take(rooms: ContainerProxy, steps: list[Step]) -> list[Any]:
    """Return what one server answers to all steps."""
    answers: list[Any] = []
    for method, given, named in steps:
        etag = named.get("etag")
        if isinstance(etag, Etag):
            named = {**named, "etag": answers[etag.step]["_etag"]}
        try:
            answers.append(await getattr(rooms, method)(*given, **named))
        except HttpResponseError as refused:
            answers.append(f"refused with {refused.status_code}")
    return plain(answers)


async def pages(rooms: ContainerProxy, query: str, **asked: Any) -> list[list[Any]]:
    found = rooms.query_items(query, parameters=PARAMETERS, **asked).by_page()
    return [[plain(one) async for one in page] async for page in found]


async def ask(rooms: ContainerProxy, query: str, **asked: Any) -> list[Any]:
    found = [one for page in await pages(rooms, query, **asked) for one in page]
    # Without ORDER BY nobody promises an order.
    return found if "ORDER BY" in query else sorted(found, key=lambda one: json.dumps(one, sort_keys=True))


def skip_what_npm_gets_wrong(text: str, known: dict[str, str]) -> None:
    for part, reason in known.items():
        if part in text:
            pytest.skip(f"npm server: {reason}")


async def test_items_are_answered_the_same(both: Two, subtests: pytest.Subtests) -> None:
    for name, steps in ITEMS.items():
        with subtests.test(name):
            skip_what_npm_gets_wrong(name, NPM_ITEMS)
            ours, theirs = await both.containers()
            assert await take(ours, steps) == await take(theirs, steps)


async def test_queries_within_a_partition_are_answered_the_same(both: Two, subtests: pytest.Subtests) -> None:
    ours, theirs = await both.people()
    for query in QUERIES:
        with subtests.test(query):
            skip_what_npm_gets_wrong(query, NPM_QUERIES)
            assert await ask(ours, query, partition_key="a") == await ask(theirs, query, partition_key="a")


async def test_queries_over_partitions_are_answered_the_same(both: Two, subtests: pytest.Subtests) -> None:
    ours, theirs = await both.people()
    for query in QUERIES_ACROSS:
        with subtests.test(query):
            assert await ask(ours, query) == await ask(theirs, query)


async def test_malformed_queries_are_refused_the_same(both: Two, subtests: pytest.Subtests) -> None:
    for query in MALFORMED:
        with subtests.test(query):
            for rooms in await both.containers():
                with pytest.raises(HttpResponseError) as refused:
                    await ask(rooms, query)
                assert refused.value.status_code == 400


@pytest.mark.parametrize("size", [1, 3, 100])
async def test_pages_are_cut_the_same(both: Two, size: int) -> None:
    ours, theirs = await both.people()
    query = "SELECT VALUE c.n FROM c WHERE c.tenant = 'a' ORDER BY c.n"
    asked: dict[str, Any] = {"partition_key": "a", "max_item_count": size}
    # The npm server ends with an empty page where the last one was full.
    assert await pages(ours, query, **asked) == [page for page in await pages(theirs, query, **asked) if page]


async def test_a_unique_key_is_kept_the_same(both: Two) -> None:
    policy = {"uniqueKeys": [{"paths": ["/name"]}]}
    eve: Step = ("create_item", ({"id": "1", "tenant": "a", "name": "eve"},), {})
    same: Step = ("create_item", ({"id": "2", "tenant": "a", "name": "eve"},), {})
    elsewhere: Step = ("create_item", ({"id": "2", "tenant": "b", "name": "eve"},), {})
    ours, theirs = await both.containers(unique_key_policy=policy)
    assert await take(ours, [eve, same, elsewhere]) == await take(theirs, [eve, same, elsewhere])


async def test_all_items_and_the_beginning_of_the_change_feed_are_the_same(both: Two) -> None:
    answers: list[list[list[str]]] = []
    for rooms in await both.people():
        every = [one["id"] async for one in rooms.read_all_items()]
        changed = [one["id"] async for one in rooms.query_items_change_feed(start_time="Beginning")]
        answers.append([sorted(every), sorted(changed)])
    assert answers[0] == answers[1] and answers[0][0]


async def test_containers_come_and_go_the_same(both: Two) -> None:
    async def life(database: DatabaseProxy) -> list[Any]:
        key = PartitionKey("/tenant")
        made = await database.create_container("rooms", key)
        told: list[Any] = [(await made.read())["id"], [one["id"] async for one in database.list_containers()]]
        try:
            await database.create_container("rooms", key)
        except HttpResponseError as refused:
            told.append(refused.status_code)
        await database.delete_container("rooms")
        for gone in (made.read(), database.delete_container("rooms")):
            try:
                await gone
            except HttpResponseError as refused:
                told.append(refused.status_code)
        return told

    assert await life(both.ours) == await life(both.theirs) == ["rooms", ["rooms"], 409, 404, 404]
