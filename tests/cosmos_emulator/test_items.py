"""Single items through the official client: versions, conditions, refusals."""

import asyncio
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy
from azure.cosmos.exceptions import CosmosHttpResponseError, CosmosResourceExistsError, CosmosResourceNotFoundError
from azure.cosmos.partition_key import NonePartitionKeyValue

from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from tests.cosmos_emulator.conftest import Local

pytestmark = pytest.mark.anyio


async def test_an_item_is_read_as_it_was_written(container: ContainerProxy) -> None:
    item = {"id": "1", "tenant": "a", "text": "Grüße 🌍", "deep": {"list": [1, 2.5, None, True]}}
    made = await container.create_item(item)
    read = await container.read_item("1", "a")
    assert {name: read[name] for name in item} == item
    assert read["_etag"] == made["_etag"] == read.get_response_headers()["etag"]
    assert {"_rid", "_self", "_ts", "_attachments"} <= read.keys()
    assert float(read.get_response_headers()["x-ms-request-charge"]) == 1.0


@pytest.mark.parametrize("key", ["a", "", 1, -1.5, True, None, "ü/?#"])
async def test_every_kind_of_partition_key_finds_its_item(container: ContainerProxy, key: Any) -> None:
    await container.create_item({"id": "1", "tenant": key})
    assert (await container.read_item("1", key))["tenant"] == key


async def test_an_item_without_the_partition_key_property_lies_in_the_undefined_partition(
    container: ContainerProxy,
) -> None:
    await container.create_item({"id": "1"})
    await container.create_item({"id": "1", "tenant": None})
    assert "tenant" not in await container.read_item("1", NonePartitionKeyValue)


async def test_an_item_that_exists_cannot_be_created_again(container: ContainerProxy) -> None:
    await container.create_item({"id": "1", "tenant": "a"})
    await container.create_item({"id": "1", "tenant": "b"})
    with pytest.raises(CosmosResourceExistsError):
        await container.create_item({"id": "1", "tenant": "a"})


async def test_an_item_is_missing_in_another_partition(container: ContainerProxy) -> None:
    await container.create_item({"id": "1", "tenant": "a"})
    for ask in (
        container.read_item("1", "b"),
        container.replace_item("2", {"id": "2", "tenant": "a"}),
        container.delete_item("1", "b"),
    ):
        with pytest.raises(CosmosResourceNotFoundError):
            await ask


async def test_a_stale_version_changes_nothing(container: ContainerProxy) -> None:
    first = await container.create_item({"id": "1", "tenant": "a", "n": 1})
    await container.replace_item("1", {"id": "1", "tenant": "a", "n": 2})
    stale: dict[str, Any] = {"etag": first["_etag"], "match_condition": MatchConditions.IfNotModified}
    for ask in (
        container.replace_item("1", {"id": "1", "tenant": "a", "n": 3}, **stale),
        container.upsert_item({"id": "1", "tenant": "a", "n": 3}, **stale),
        container.delete_item("1", "a", **stale),
    ):
        with pytest.raises(CosmosHttpResponseError) as refused:
            await ask
        assert refused.value.status_code == 412
    assert (await container.read_item("1", "a"))["n"] == 2


async def test_the_current_version_may_be_changed(container: ContainerProxy) -> None:
    made = await container.create_item({"id": "1", "tenant": "a"})
    after = await container.replace_item(
        "1", {"id": "1", "tenant": "a", "n": 1}, etag=made["_etag"], match_condition=MatchConditions.IfNotModified
    )
    assert after["_etag"] != made["_etag"] and after["_rid"] == made["_rid"]


async def test_a_recreated_item_has_a_version_that_it_never_had(container: ContainerProxy) -> None:
    seen = set()
    for _ in range(5):
        seen.add((await container.create_item({"id": "1", "tenant": "a"}))["_etag"])
        await container.delete_item("1", "a")
    assert len(seen) == 5


async def test_an_unchanged_item_is_not_sent_again(container: ContainerProxy) -> None:
    made = await container.create_item({"id": "1", "tenant": "a"})
    body = await container.read_item("1", "a", etag=made["_etag"], match_condition=MatchConditions.IfModified)
    assert not body and body.get_response_headers()["etag"] == made["_etag"]


async def test_upsert_creates_and_replaces(container: ContainerProxy) -> None:
    await container.upsert_item({"id": "1", "tenant": "a", "n": 1})
    await container.upsert_item({"id": "1", "tenant": "a", "n": 2})
    assert (await container.read_item("1", "a"))["n"] == 2


async def test_an_item_cannot_move_to_another_partition(container: ContainerProxy) -> None:
    await container.create_item({"id": "1", "tenant": "a"})
    with pytest.raises(CosmosHttpResponseError) as refused:
        await container.patch_item("1", "a", [{"op": "set", "path": "/tenant", "value": "b"}])
    assert refused.value.status_code == 400


async def test_an_item_of_more_than_two_megabytes_is_refused(container: ContainerProxy) -> None:
    await container.create_item({"id": "1", "tenant": "a", "text": "x" * (2 * 1024 * 1024 - 100)})
    with pytest.raises(CosmosHttpResponseError) as refused:
        await container.create_item({"id": "2", "tenant": "a", "text": "x" * (2 * 1024 * 1024)})
    assert refused.value.status_code == 413


async def test_unique_keys_hold_within_a_partition(database: DatabaseProxy) -> None:
    policy = {"uniqueKeys": [{"paths": ["/email"]}, {"paths": ["/a", "/b/c"]}]}
    people = await database.create_container("people", PartitionKey("/tenant"), unique_key_policy=policy)
    await people.create_item({"id": "1", "tenant": "a", "email": "x", "a": 1})
    await people.create_item({"id": "1", "tenant": "b", "email": "x", "a": 1})
    await people.create_item({"id": "2", "tenant": "a", "email": "y", "a": 2})
    with pytest.raises(CosmosResourceExistsError):
        await people.create_item({"id": "3", "tenant": "a", "email": "x", "a": 3})
    with pytest.raises(CosmosResourceExistsError):
        await people.replace_item("2", {"id": "2", "tenant": "a", "email": "x", "a": 2})
    assert (await people.read_item("2", "a"))["email"] == "y"
    await people.delete_item("1", "a")
    await people.replace_item("2", {"id": "2", "tenant": "a", "email": "x", "a": 1, "b": {}})


async def test_hierarchical_keys_find_their_items(database: DatabaseProxy) -> None:
    people = await database.create_container("people", PartitionKey(["/tenant", "/user", "/session"]))
    for user in "xy":
        await people.create_item({"id": "1", "tenant": "a", "user": user, "session": 1})
    assert (await people.read_item("1", ["a", "y", 1]))["user"] == "y"
    await people.delete_item("1", ["a", "y", 1])
    with pytest.raises(CosmosResourceNotFoundError):
        await people.read_item("1", ["a", "y", 1])


async def test_one_of_many_writers_wins(container: ContainerProxy) -> None:
    made = await container.create_item({"id": "1", "tenant": "a", "n": 0})

    async def write(number: int) -> int:
        try:
            await container.replace_item(
                "1",
                {"id": "1", "tenant": "a", "n": number},
                etag=made["_etag"],
                match_condition=MatchConditions.IfNotModified,
            )
        except CosmosHttpResponseError as refused:
            return refused.status_code or 0
        return 200

    answers = await asyncio.gather(*(write(number) for number in range(20)))
    assert sorted(answers) == [200, *[412] * 19]


async def test_the_wrong_key_is_refused(local: Local) -> None:
    with pytest.raises(CosmosHttpResponseError) as refused:
        async with CosmosClient(local.address, "d3Jvbmc=") as stranger:
            await stranger.create_database("x")
    assert refused.value.status_code == 401


async def test_databases_and_containers_come_and_go(client: CosmosClient) -> None:
    made = await client.create_database_if_not_exists("one")
    assert await client.create_database_if_not_exists("one") is not None
    with pytest.raises(CosmosResourceExistsError):
        await client.create_database("one")
    await client.create_database("two words ü")
    assert [found["id"] async for found in client.list_databases()] == ["one", "two words ü"]
    await made.create_container("c", PartitionKey("/id"), default_ttl=60)
    again = await made.create_container_if_not_exists("c", PartitionKey("/id"))
    assert (await again.read())["defaultTtl"] == 60
    changed = await made.replace_container(again, PartitionKey("/id"), default_ttl=90)
    assert (await changed.read())["defaultTtl"] == 90
    assert [found["id"] async for found in made.list_containers()] == ["c"]
    await made.delete_container("c")
    with pytest.raises(CosmosResourceNotFoundError):
        await again.read()
    await client.delete_database("one")
    with pytest.raises(CosmosResourceNotFoundError):
        await made.read()


async def test_a_container_that_was_made_anew_is_found_by_those_who_knew_the_old_one(
    local: Local, database: DatabaseProxy, container: ContainerProxy
) -> None:
    await container.create_item({"id": "1", "tenant": "a"})
    async with CosmosClient(local.address, WELL_KNOWN_KEY) as other:
        await other.get_database_client("house").delete_container("rooms")
        await other.get_database_client("house").create_container("rooms", PartitionKey("/tenant"))
    await container.create_item({"id": "1", "tenant": "a"})
    assert (await container.read_item("1", "a"))["id"] == "1"


async def test_all_items_are_listed_page_by_page(container: ContainerProxy) -> None:
    for number in range(25):
        await container.create_item({"id": str(number), "tenant": str(number % 7)})
    pages = [
        [item["id"] async for item in page] async for page in container.read_all_items(max_item_count=10).by_page()
    ]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert sorted(int(id) for page in pages for id in page) == list(range(25))
