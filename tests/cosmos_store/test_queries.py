"""Specifications on Cosmos DB: random ones find what plain code finds, and an order without its index is refused."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.serving import listening
from mystira.polyglot.matching import matches, select
from mystira.polyglot.query import Order, Query, Where, equal, one_of
from mystira.polyglot.stores.cosmos.policy import drift, wanted
from mystira.polyglot.stores.cosmos.query import IN_MAX, Compiled, confined_to
from mystira.polyglot.stores.cosmos.store import CosmosDocuments, open_cosmos, provision_cosmos
from mystira.services import COLLECTIONS as PLATFORM
from tests.contracts.sample import COLLECTIONS, NOW, SAMPLES, Colour, Sample, record_of
from tests.contracts.test_queries import ROWS
from tests.contracts.test_queries_agree import wheres
from tests.cosmos_store.conftest import Account

MORE = (
    Sample(id="i", owner_id="o", title="a", amount=-2, tags=("a", "b"), numbers=(0, 1)),
    Sample(id="j", owner_id="p", title="Aé", ratio=0.1, is_open=True, colour=Colour.BLUE, made_at=NOW),
    Sample(id="k", owner_id="p", title="\u0301 %", ratio=0.3, amount=2, numbers=(2, 2)),
)


@pytest.fixture(scope="module")
def asked() -> Iterator[tuple[asyncio.Runner, CosmosDocuments]]:
    with asyncio.Runner() as runner:
        serving = listening(Endpoint(ranges=3))
        url, _ = runner.run(serving.__aenter__())
        address = Account(url).address
        runner.run(provision_cosmos(address, COLLECTIONS))
        opening = open_cosmos(address, COLLECTIONS)
        store = runner.run(opening.__aenter__())
        for row in (*ROWS, *MORE):
            runner.run(store.write(SAMPLES, record_of(row), None))
        yield runner, store
        runner.run(opening.__aexit__(None, None, None))
        runner.run(serving.__aexit__(None, None, None))


@given(wheres, st.sampled_from(((), *SAMPLES.orders)), st.integers(1, 12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_random_specification_finds_what_plain_code_finds(
    asked: tuple[asyncio.Runner, CosmosDocuments], where: Where, order: tuple[Order, ...], limit: int
) -> None:
    runner, store = asked
    rows = (*ROWS, *MORE)
    query = Query(where=where, order=order, limit=limit)
    while True:
        expected = select(SAMPLES, query, rows)
        found = [record.entity for record in runner.run(store.search(SAMPLES, query))]
        assert found == expected
        if len(expected) < limit:
            break
        query = Query(where=where, order=order, limit=limit, after=SAMPLES.cursor_of(query, expected[-1]))
    assert runner.run(store.count(SAMPLES, where)) == sum(matches(where, row) for row in rows)


def test_the_reverse_of_a_declared_order_needs_no_index_of_its_own(
    asked: tuple[asyncio.Runner, CosmosDocuments],
) -> None:
    runner, store = asked
    order = (Order("amount", descending=True), Order("title", descending=True), Order("owner_id", descending=True))
    query = Query(order=(*order, Order("id", descending=True)))
    found = [record.entity for record in runner.run(store.search(SAMPLES, query))]
    assert found == select(SAMPLES, query, (*ROWS, *MORE))


@pytest.mark.parametrize("collection", PLATFORM, ids=str)
def test_the_platforms_containers_fit_into_one_policy(collection) -> None:  # type: ignore[no-untyped-def]
    found = {
        "partitionKey": {"paths": [wanted(collection).partition_path]},
        "defaultTtl": collection.time_to_live_s,
        "indexingPolicy": wanted(collection).indexing,
    }
    assert drift(collection, found) == []


def test_a_query_stays_in_one_partition_where_it_can() -> None:
    assert confined_to(equal("owner_id", "o"), "owner_id") == "o"
    assert confined_to(one_of("id", ["a/b"]), "id") == "a\uf02fb"
    assert confined_to(one_of("owner_id", ["o", "p"]), "owner_id") is None


def test_values_are_parameters_and_long_lists_are_one() -> None:
    compiled = Compiled(SAMPLES)
    text = compiled.where(one_of("title", ["'; DROP"] + [str(number) for number in range(IN_MAX)]))
    assert text == 'ARRAY_CONTAINS(@p0, c["title"])'
    assert compiled.parameters[0]["value"][0] == "'; DROP"
