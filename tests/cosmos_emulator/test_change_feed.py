"""The change feeds and the ranges they are walked by, through the official client."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, DatabaseProxy
from azure.cosmos.exceptions import CosmosHttpResponseError

from mystira.cosmos_emulator.changes import PRUNE_EVERY
from tests.cosmos_emulator.conftest import Local

pytestmark = pytest.mark.anyio


async def put(container: ContainerProxy, *numbers: int) -> None:
    for number in numbers:
        await container.upsert_item({"id": str(number), "tenant": f"t{number}", "n": number})


async def walk(container: ContainerProxy, **asked: Any) -> tuple[list[dict[str, Any]], str]:
    """Return what the feed has, and the continuation after it."""
    feed = container.query_items_change_feed(**asked)
    found = [entry async for entry in feed]
    return found, container.client_connection.last_response_headers["etag"]


def ids(found: list[dict[str, Any]]) -> list[int]:
    return sorted(int(entry["id"]) for entry in found)


async def test_a_continuation_goes_on_where_it_ended(container: ContainerProxy) -> None:
    await put(container, *range(20))
    found, continuation = await walk(container, start_time="Beginning", max_item_count=3)
    assert ids(found) == list(range(20)) and all("_lsn" in entry for entry in found)
    assert (await walk(container, continuation=continuation))[0] == []
    await put(container, 3, 21)
    found, continuation = await walk(container, continuation=continuation)
    assert ids(found) == [3, 21]
    assert (await walk(container, continuation=continuation))[0] == []


async def test_only_the_latest_version_is_told_and_no_delete(container: ContainerProxy) -> None:
    await put(container, 1, 1, 1, 2)
    await container.delete_item("2", "t2")
    found, _ = await walk(container, start_time="Beginning")
    assert ids(found) == [1]


async def test_changes_of_a_partition_come_in_order(container: ContainerProxy) -> None:
    for number in (5, 3, 9, 3, 1):
        await container.upsert_item({"id": str(number), "tenant": "a"})
    found, _ = await walk(container, start_time="Beginning", partition_key="a", max_item_count=2)
    assert [int(entry["id"]) for entry in found] == [5, 9, 3, 1]


async def test_a_walk_from_now_sees_only_what_comes(container: ContainerProxy) -> None:
    await put(container, 1)
    found, continuation = await walk(container, start_time="Now")
    assert found == []
    await put(container, 2)
    assert ids((await walk(container, continuation=continuation))[0]) == [2]


async def test_a_walk_from_a_time_sees_what_came_since(local: Local, container: ContainerProxy) -> None:
    await put(container, 1)
    local.clock.now_s += 10
    since = datetime.fromtimestamp(local.clock.now_s, UTC)
    await put(container, 2)
    assert ids((await walk(container, start_time=since))[0]) == [2]


async def test_the_feed_ranges_together_tell_everything_once(container: ContainerProxy) -> None:
    await put(container, *range(40))
    ranges = [found async for found in container.read_feed_ranges()]
    parts = [ids((await walk(container, start_time="Beginning", feed_range=one))[0]) for one in ranges]
    assert len(ranges) == 3 and all(parts)
    assert sorted(number for part in parts for number in part) == list(range(40))


async def test_a_continuation_survives_splits_and_merges(local: Local, container: ContainerProxy) -> None:
    names = {"database": "house", "container": "rooms"}
    await put(container, *range(30))
    ranges = [found async for found in container.read_feed_ranges()]
    positions = [(await walk(container, start_time="Beginning", feed_range=one))[1] for one in ranges]
    for which in ("0", "2", "3"):
        await local.ask("split", {**names, "range": which})
    await put(container, *range(15, 45))
    found = [ids((await walk(container, continuation=one))[0]) for one in positions]
    assert sorted(number for part in found for number in part) == list(range(15, 45))
    assert len([one async for one in container.read_feed_ranges(force_refresh=True)]) == 6
    merged = await local.ask("merge", {**names, "ranges": ["7", "8"]})
    assert len(merged["ranges"]) == 5
    whole, continuation = await walk(container, start_time="Beginning")
    assert ids(whole) == list(range(45))
    await put(container, 7)
    assert ids((await walk(container, continuation=continuation))[0]) == [7]


async def test_reads_and_writes_go_on_after_a_split(local: Local, container: ContainerProxy) -> None:
    await put(container, *range(10))
    await local.ask("split", {"database": "house", "container": "rooms"})
    await put(container, *range(5, 15))
    assert (await container.read_item("14", "t14"))["n"] == 14
    assert ids([item async for item in container.read_all_items()]) == list(range(15))


async def test_a_batch_is_never_cut_in_two_by_a_page(container: ContainerProxy) -> None:
    await container.execute_item_batch([("create", ({"id": str(n), "tenant": "a"},)) for n in range(10)], "a")
    await container.create_item({"id": "10", "tenant": "a"})
    feed = container.query_items_change_feed(start_time="Beginning", partition_key="a", max_item_count=3)
    pages = [[entry async for entry in page] async for page in feed.by_page()]
    assert [len(page) for page in pages if page] == [10, 1]


async def test_the_feed_of_all_versions_tells_everything(local: Local, database: DatabaseProxy) -> None:
    container = await database.create_container("rooms", PartitionKey("/tenant"), default_ttl=-1)
    _, continuation = await walk(container, mode="AllVersionsAndDeletes")
    await container.create_item({"id": "1", "tenant": "a", "n": 1})
    await container.replace_item("1", {"id": "1", "tenant": "a", "n": 2})
    await container.delete_item("1", "a")
    await container.create_item({"id": "2", "tenant": "a", "ttl": 5})
    local.clock.now_s += 6
    found, _ = await walk(container, continuation=continuation, mode="AllVersionsAndDeletes")
    kinds = [entry["metadata"]["operationType"] for entry in found]
    assert kinds == ["create", "replace", "delete", "create", "delete"]
    assert [entry["current"].get("n") for entry in found[:3]] == [1, 2, None]
    assert found[2]["previous"]["n"] == 2 and not found[2]["metadata"]["timeToLiveExpired"]
    assert found[4]["metadata"]["timeToLiveExpired"] and found[4]["metadata"]["id"] == "2"
    assert found[2]["metadata"]["previousImageLSN"] == found[1]["metadata"]["lsn"]


async def test_the_feed_of_all_versions_forgets_what_is_old(local: Local, container: ContainerProxy) -> None:
    await container.create_item({"id": "1", "tenant": "a"})
    _, continuation = await walk(container, mode="AllVersionsAndDeletes")
    await container.create_item({"id": "2", "tenant": "a"})
    _, later = await walk(container, mode="AllVersionsAndDeletes")
    local.clock.now_s += 7200
    await asyncio.gather(*(put(container, number) for number in range(PRUNE_EVERY)))
    with pytest.raises(CosmosHttpResponseError) as refused:
        await walk(container, continuation=continuation, mode="AllVersionsAndDeletes")
    assert refused.value.status_code == 400
    assert len((await walk(container, continuation=later, mode="AllVersionsAndDeletes"))[0]) == PRUNE_EVERY


async def test_items_end_when_their_time_has_come(local: Local, database: DatabaseProxy) -> None:
    container = await database.create_container("short", PartitionKey("/tenant"), default_ttl=10)
    await container.create_item({"id": "default", "tenant": "a"})
    await container.create_item({"id": "own", "tenant": "a", "ttl": 30})
    await container.create_item({"id": "ever", "tenant": "a", "ttl": -1})
    left = []
    for _ in range(3):
        local.clock.now_s += 9
        left.append(sorted([item["id"] async for item in container.read_all_items()]))
    local.clock.now_s += 9
    left.append(sorted([item["id"] async for item in container.read_all_items()]))
    assert left == [["default", "ever", "own"], ["ever", "own"], ["ever", "own"], ["ever"]]
    await container.create_item({"id": "default", "tenant": "a"})
    await database.replace_container(container, PartitionKey("/tenant"))
    local.clock.now_s += 100
    assert sorted([item["id"] async for item in container.read_all_items()]) == ["default", "ever"]
