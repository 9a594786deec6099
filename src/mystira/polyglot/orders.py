"""What a collection can be sorted by: the orders that it declares, since Cosmos DB needs an index for each of them."""

from collections.abc import Mapping, Sequence

import msgspec

from mystira.polyglot.fields import Field
from mystira.polyglot.query import Order

# Limits of Cosmos DB: paths in a composite index, and such indexes of a container.
PATHS_MAX, INDEXES_MAX = 8, 100

Orders = tuple[tuple[Order, ...], ...]


def completed(order: Sequence[Order], key_fields: Sequence[str]) -> tuple[Order, ...]:
    """End an order with the key, so that pages neither overlap nor leave gaps."""
    named = {by.field for by in order}
    return (*order, *(Order(name) for name in key_fields if name not in named))


def reversed_order(order: Sequence[Order]) -> tuple[Order, ...]:
    """Return the order from the other end; the same index serves it."""
    return tuple(Order(by.field, descending=not by.descending) for by in order)


def indexed_orders(declared: Orders, key_fields: Sequence[str]) -> Orders:
    """Return the orders that need an index each, and that of the key; ValueError for what no index can serve."""
    orders = tuple(dict.fromkeys(completed(order, key_fields) for order in ((), *declared)))
    for order in orders:
        if len({by.field for by in order}) < len(order):
            raise ValueError(f"orders name a field once: {told(order)}")
        if len(order) > PATHS_MAX:
            raise ValueError(f"Cosmos DB sorts by {PATHS_MAX} fields at most, the key included: {told(order)}")
    if sum(len(order) > 1 for order in orders) > INDEXES_MAX:
        raise ValueError(f"a container of Cosmos DB has {INDEXES_MAX} indexes for orders at most")
    return orders


def composite_index(fields: Mapping[str, Field], order: Sequence[Order]) -> list[dict[str, str]]:
    """Return the index of an order as it stands in a container's policy, among `compositeIndexes`."""
    return [
        {"path": f"/{fields[by.field].document_name}", "order": "descending" if by.descending else "ascending"}
        for by in order
    ]


def how_to_declare(fields: Mapping[str, Field], order: Sequence[Order]) -> str:
    """Tell what to write so that an order can be asked for."""
    index = msgspec.json.encode(composite_index(fields, order)).decode()
    declaration = f"orders=(({told(order)},),)"
    return f"Declare {declaration} and run `mystira cosmos provision`, which adds to compositeIndexes: {index}"


def told(order: Sequence[Order]) -> str:
    """Return an order as it is written in a declaration."""
    return ", ".join(f'Order("{by.field}"{", descending=True" if by.descending else ""})' for by in order)
