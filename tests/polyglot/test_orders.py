"""Orders are declared with their collection: what Cosmos DB could not sort by is refused on every store."""

from itertools import permutations
from typing import Any

import pytest

from mystira.polyglot.collection import BadQuery, Collection
from mystira.polyglot.query import Order, Query
from tests.contracts.sample import SAMPLES, Sample


def declared(*orders: tuple[Order, ...]) -> Collection[Any]:
    return Collection(Sample, container="Samples", table="samples", partition="owner_id", orders=orders)


def test_an_order_that_is_not_declared_is_refused_with_the_index_to_add() -> None:
    with pytest.raises(BadQuery, match="compositeIndexes") as refused:
        SAMPLES.complete(Query(order=(Order("size"), Order("title", descending=True))))
    assert 'orders=((Order("size"), Order("title", descending=True), ' in str(refused.value)
    assert '{"path":"/title","order":"descending"}' in str(refused.value)
    assert '{"path":"/ownerId","order":"ascending"}' in str(refused.value)


def test_a_declared_order_and_its_reverse_are_served() -> None:
    order = (Order("size"), Order("title", descending=True))
    back = (Order("size", descending=True), Order("title"), Order("owner_id", descending=True))
    collection = declared(order)
    assert collection.complete(Query(order=order)).order[:2] == order
    assert collection.complete(Query(order=(*back, Order("id", descending=True)))).order[:3] == back


def test_half_of_a_declared_order_needs_an_index_of_its_own() -> None:
    with pytest.raises(BadQuery, match="no index"):
        declared((Order("size"), Order("title"))).complete(Query(order=(Order("size"),)))


@pytest.mark.parametrize(
    ("orders", "told"),
    [
        (((Order("size"), Order("size", descending=True)),), "name a field once"),
        (
            (tuple(Order(n) for n in ("size", "title", "amount", "ratio", "made_at", "is_open", "colour")),),
            "by 8 fields at most",
        ),
        (((Order("tags"),),), "only single values"),
        (
            tuple(
                tuple(map(Order, names)) for names in permutations(("size", "title", "amount", "ratio", "colour"), 4)
            ),
            "100 indexes",
        ),
    ],
)
def test_an_order_that_no_index_can_serve_is_refused_where_it_is_declared(orders: Any, told: str) -> None:
    with pytest.raises(BadQuery, match=told):
        declared(*orders)
