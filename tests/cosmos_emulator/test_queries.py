"""Queries through the official client: within a partition, over several, with plans, page by page."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from azure.cosmos import PartitionKey
from azure.cosmos.aio import ContainerProxy, CosmosClient, DatabaseProxy
from azure.cosmos.exceptions import CosmosHttpResponseError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cosmos_emulator.conftest import Local
from tests.cosmos_emulator.test_trouble import signed

pytestmark = pytest.mark.anyio

NAMES = ["Zoe", "adam", "Ümit", "eve", "Bob"]


@pytest.fixture
async def people(container: ContainerProxy) -> ContainerProxy:
    for number in range(60):
        tags = ["even" if number % 2 == 0 else "odd", f"t{number % 3}"]
        item = {"id": str(number), "tenant": f"t{number % 5}", "n": number, "name": NAMES[number % 5], "tags": tags}
        if number % 10 == 0:
            item["rare"] = number // 10
        await container.create_item(item)
    return container


async def ask(container: ContainerProxy, query: str, **asked: Any) -> list[Any]:
    values = {f"@{name}": asked.pop(name) for name in ("n", "name", "ids") if name in asked}
    parameters = [{"name": name, "value": value} for name, value in values.items()]
    return [found async for found in container.query_items(query, parameters=parameters, **asked)]


async def pages(container: ContainerProxy, query: str, **asked: Any) -> list[list[Any]]:
    found = container.query_items(query, **asked)
    return [[one async for one in page] async for page in found.by_page()]


async def test_a_query_within_a_partition_sees_nothing_else(people: ContainerProxy) -> None:
    found = await ask(people, "SELECT * FROM c WHERE c.n < @n", n=20, partition_key="t1")
    assert sorted(item["n"] for item in found) == [1, 6, 11, 16]
    assert {"_rid", "_etag", "_ts", "_self"} <= found[0].keys()


async def test_everything_works_within_a_partition(people: ContainerProxy) -> None:
    async def within(query: str) -> list[Any]:
        return await ask(people, query, partition_key="t0")

    assert await within("SELECT VALUE COUNT(1) FROM c") == [12]
    assert await within("SELECT VALUE c.n FROM c ORDER BY c.n DESC OFFSET 2 LIMIT 3") == [45, 40, 35]
    assert await within("SELECT TOP 2 c.n FROM c ORDER BY c.n") == [{"n": 0}, {"n": 5}]
    assert sorted(await within("SELECT DISTINCT VALUE t FROM c JOIN t IN c.tags WHERE STARTSWITH(t, 't')")) == [
        "t0",
        "t1",
        "t2",
    ]
    grouped = await within("SELECT c.tags[0] AS tag, COUNT(1) AS many, MAX(c.n) AS most FROM c GROUP BY c.tags[0]")
    assert sorted(grouped, key=lambda one: one["tag"]) == [
        {"tag": "even", "many": 6, "most": 50},
        {"tag": "odd", "many": 6, "most": 55},
    ]


async def test_a_query_may_cross_partitions(people: ContainerProxy) -> None:
    found = await ask(people, "SELECT c.n, c.name AS who FROM c WHERE c.name = @name", name="Ümit")
    assert sorted(one["n"] for one in found) == list(range(2, 60, 5)) and found[0]["who"] == "Ümit"
    assert sorted(await ask(people, "SELECT VALUE c.n FROM c WHERE ARRAY_CONTAINS(@ids, c.id)", ids=["3", "44"])) == [
        3,
        44,
    ]


@pytest.mark.parametrize("partition", [{}, {"partition_key": "t3"}])
@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("SELECT * FROM c", "n"),
        ("SELECT * FROM c WHERE c.n >= 7", "n"),
        ("SELECT c.n, t FROM c JOIN t IN c.tags", "t"),
        ("SELECT * FROM c ORDER BY c.n DESC", "n"),
        ("SELECT * FROM c ORDER BY c.name, c.n DESC", "n"),
        ("SELECT DISTINCT c.name FROM c", "name"),
        ("SELECT * FROM c ORDER BY c.n OFFSET 3 LIMIT 20", "n"),
    ],
)
async def test_pages_together_are_the_whole(
    people: ContainerProxy, query: str, key: str, partition: dict[str, Any]
) -> None:
    whole = await ask(people, query, **partition)
    found = await pages(people, query, max_item_count=4, **partition)
    assert [one for page in found for one in page] == whole and whole
    assert all(len(page) <= 4 for page in found) and all(key in one for one in whole)


async def test_a_continuation_goes_on_in_another_process(local: Local, people: ContainerProxy) -> None:
    asked: dict[str, Any] = {"query": "SELECT VALUE c.n FROM c", "partition_key": "t2", "max_item_count": 5}
    first = people.query_items(**asked).by_page()
    numbers = [found async for found in await first.__anext__()]
    rest = people.query_items(**asked).by_page(first.continuation_token)
    numbers += [found async for page in rest async for found in page]
    assert numbers == list(range(2, 60, 5))


async def test_order_and_aggregates_over_partitions_are_put_together(people: ContainerProxy) -> None:
    assert await ask(people, "SELECT VALUE c.n FROM c ORDER BY c.n DESC") == list(range(59, -1, -1))
    assert await ask(people, "SELECT VALUE COUNT(1) FROM c") == [60]
    assert await ask(people, "SELECT VALUE SUM(c.n) FROM c WHERE c.n > 50") == [sum(range(51, 60))]
    assert await ask(people, "SELECT VALUE AVG(c.n) FROM c") == [29.5]
    assert await ask(people, "SELECT VALUE MIN(c.name) FROM c") == ["Bob"]
    assert await ask(people, "SELECT VALUE MAX(c.n) FROM c") == [59]
    assert sorted(await ask(people, "SELECT DISTINCT VALUE c.name FROM c")) == sorted(NAMES)
    assert await ask(people, "SELECT DISTINCT VALUE c.name FROM c ORDER BY c.name") == sorted(NAMES)
    assert await ask(people, "SELECT TOP 3 VALUE c.n FROM c ORDER BY c.n") == [0, 1, 2]
    assert await ask(people, "SELECT VALUE c.n FROM c ORDER BY c.n OFFSET 57 LIMIT 10") == [57, 58, 59]
    assert len(await ask(people, "SELECT TOP 7 * FROM c")) == 7


async def test_items_without_the_sorted_property_come_first(people: ContainerProxy) -> None:
    # Over several partitions the client itself refuses to sort values of different types.
    found = await ask(people, "SELECT * FROM c ORDER BY c.rare", partition_key="t0")
    assert [item.get("rare") for item in found] == [None] * 6 + [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("query", "looked_at"),
    [
        ("SELECT * FROM c WHERE c.id IN ('3', '13')", 2),
        ("SELECT VALUE c.n FROM c WHERE c.tenant = 't3' AND c.n < 20", 12),
        ("SELECT * FROM c WHERE c.tenant = 't3' AND c.id = '3'", 1),
    ],
)
async def test_only_items_that_can_match_are_looked_at(people: ContainerProxy, query: str, looked_at: int) -> None:
    charges: list[float] = []
    found = people.query_items(
        query, response_hook=lambda headers, _: charges.append(float(headers["x-ms-request-charge"]))
    )
    assert [item async for item in found]
    assert charges == [pytest.approx(2.3 + 0.03 * looked_at + 0.5)]


async def test_a_client_that_cannot_group_over_partitions_is_told_so(people: ContainerProxy) -> None:
    with pytest.raises(CosmosHttpResponseError) as refused:
        await ask(people, "SELECT c.name, COUNT(1) AS many FROM c GROUP BY c.name")
    assert refused.value.status_code == 400 and "GroupBy" in str(refused.value)


async def test_a_query_goes_on_over_a_split(local: Local, people: ContainerProxy) -> None:
    found = people.query_items("SELECT VALUE c.n FROM c ORDER BY c.n", max_item_count=5).by_page()
    numbers = [one async for one in await found.__anext__()]
    await local.ask("split", {"database": "house", "container": "rooms", "range": "1"})
    numbers += [one async for page in found async for one in page]
    assert numbers == list(range(60))


async def test_feed_ranges_narrow_a_query(people: ContainerProxy) -> None:
    ranges = [found async for found in people.read_feed_ranges()]
    parts = [await ask(people, "SELECT VALUE c.n FROM c", feed_range=one) for one in ranges]
    assert sorted(number for part in parts for number in part) == list(range(60))
    own = await people.feed_range_from_partition_key("t4")
    assert sorted(await ask(people, "SELECT VALUE c.n FROM c", feed_range=own)) == list(range(4, 60, 5))


async def test_a_prefix_of_a_hierarchical_key_narrows_a_query(database: DatabaseProxy) -> None:
    people = await database.create_container("people", PartitionKey(["/tenant", "/user"]))
    for number in range(30):
        await people.create_item({"id": str(number), "tenant": f"t{number % 3}", "user": f"u{number % 5}"})
    found = await ask(people, "SELECT VALUE c.id FROM c", partition_key=["t1"])
    assert sorted(map(int, found)) == list(range(1, 30, 3))
    found = await ask(people, "SELECT VALUE c.id FROM c", partition_key=["t1", "u1"])
    assert sorted(map(int, found)) == [1, 16]


@pytest.mark.parametrize(
    ("query", "line", "column", "offset"),
    [
        ("SELECT *\nFROM c WHERE c.n === 1", 2, 19, 27),
        ("SELECT", 1, 7, 6),
        ("SELECT * FROM c WHERE c.n = 'open", 1, 29, 28),
        ("SELECT * FROM c WHERE NOSUCH(c.n)", 1, 23, 22),
        ("SELECT * FROM c ORDER BY", 1, 25, 24),
        ("UPDATE c", 1, 1, 0),
    ],
)
@pytest.mark.parametrize("partition", [{}, {"partition_key": "t1"}])
async def test_a_malformed_query_is_refused_with_the_position(
    container: ContainerProxy, query: str, line: int, column: int, offset: int, partition: dict[str, Any]
) -> None:
    with pytest.raises(CosmosHttpResponseError) as refused:
        await ask(container, query, **partition)
    assert refused.value.status_code == 400
    told = json.loads(refused.value.response.text())["message"]
    assert json.loads(told[told.index("{") :]) == {"line": line, "column": column, "offset": offset}


WORDS = """
SELECT VALUE DISTINCT TOP FROM c WHERE ORDER BY GROUP JOIN IN t OFFSET LIMIT ASC DESC AND OR NOT BETWEEN LIKE EXISTS
ARRAY COUNT( SUM( AVG( MIN( MAX( UPPER( ARRAY_CONTAINS( IS_DEFINED( REPLICATE( SUBSTRING( DateTimePart( udf.f( c.n
c.name c["x"] c.tags c.tags[0] @p * ( ) [ ] { } , : . ? ?? = != < >= + - / % || & 1 0 -2 2.5 1e308 'x' "y" true null
undefined é \\ ' --
"""
CLAUSES = [
    *("FROM c", "FROM t IN c.tags", "JOIN t IN c.tags", "WHERE c.n > @p", "WHERE c.tenant = 't1'", "GROUP BY c.name"),
    *("ORDER BY c.n", "ORDER BY c.name DESC", "OFFSET 1 LIMIT @p", "WHERE EXISTS(SELECT VALUE 1 FROM t IN c.tags)"),
]
TEXTS = st.lists(st.sampled_from(WORDS.split() + CLAUSES), max_size=12).map(lambda words: " ".join(("SELECT", *words)))
HEADERS = st.sampled_from(
    [
        {"x-ms-documentdb-partitionkey": '["t1"]'},
        {"x-ms-documentdb-query-enablecrosspartition": "True"},
        {"x-ms-documentdb-query-enablecrosspartition": "True", "x-ms-documentdb-partitionkeyrangeid": "0"},
        {"x-ms-cosmos-is-query-plan-request": "True", "x-ms-cosmos-supported-query-features": "OrderBy, Aggregate"},
    ]
)
SIMPLE = st.none() | st.booleans() | st.integers(-5, 10**12) | st.text(max_size=3) | st.lists(st.integers(), max_size=2)


async def test_no_query_makes_the_endpoint_fail(local: Local, people: ContainerProxy) -> None:
    loop = asyncio.get_running_loop()
    seen: set[int] = set()
    link = "dbs/house/colls/rooms"
    async with aiohttp.ClientSession() as session:

        async def send(body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
            told = {**signed("post", f"{link}/docs", "docs", link), "content-type": "application/query+json", **headers}
            async with session.post(f"{local.address}/{link}/docs", headers=told, data=body) as answer:
                return answer.status, await answer.json()

        @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
        @given(TEXTS, SIMPLE, HEADERS)
        def hammer(text: str, value: Any, headers: dict[str, str]) -> None:
            body = json.dumps({"query": text, "parameters": [{"name": "@p", "value": value}]}).encode()
            status, told = asyncio.run_coroutine_threadsafe(send(body, headers), loop).result(20)
            seen.add(status)
            assert status == 200 or (status == 400 and told["message"]), (status, told)
            assert "Syntax error" not in told.get("message", "") or '"offset": ' in told["message"]

        await asyncio.to_thread(hammer)
    assert seen == {200, 400}


async def test_databases_containers_and_throughput_can_be_asked_for(client: CosmosClient) -> None:
    house = await client.create_database("house", offer_throughput=500)
    await client.create_database("other")
    found = client.query_databases(
        "SELECT * FROM root r WHERE r.id = @id", parameters=[{"name": "@id", "value": "house"}]
    )
    assert [one["id"] async for one in found] == ["house"]
    container = await house.create_container("rooms", PartitionKey("/id"), offer_throughput=700)
    found = house.query_containers("SELECT * FROM root r WHERE r.id='rooms'")
    assert [one["id"] async for one in found] == ["rooms"]
    assert (await house.get_throughput()).offer_throughput == 500
    assert (await container.get_throughput()).offer_throughput == 700
    await container.replace_throughput(900)
    assert (await container.get_throughput()).offer_throughput == 900


async def test_a_patch_may_have_a_condition(container: ContainerProxy) -> None:
    await container.create_item({"id": "1", "tenant": "a", "stock": 1})
    take = [{"op": "incr", "path": "/stock", "value": -1}]
    await container.patch_item("1", "a", take, filter_predicate="from c where c.stock > 0")
    with pytest.raises(CosmosHttpResponseError) as refused:
        await container.patch_item("1", "a", take, filter_predicate="from c where c.stock > 0")
    assert refused.value.status_code == 412
    with pytest.raises(CosmosHttpResponseError) as refused:
        await container.patch_item("1", "a", take, filter_predicate="nonsense (")
    assert refused.value.status_code == 400
    assert (await container.read_item("1", "a"))["stock"] == 0
