"""What a container must look like for its collection: partition key, time to live, and the indexes of its orders.

Unique keys are not among it. The service compares missing values too, so two tombstones of one partition would be in
each other's way; a value that must be unique is claimed by a record of its own.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec

from mystira.polyglot.collection import BadQuery, Collection
from mystira.polyglot.query import Order, Query


class Wanted(NamedTuple):
    """A container as it should be."""

    id: str
    partition_path: str
    time_to_live_s: int | None
    indexing: dict[str, Any]


def wanted(collection: Collection[Any]) -> Wanted:
    """Return what the container of a collection should look like."""
    partition = collection.by_name[collection.partition].document_name
    return Wanted(collection.container, f"/{partition}", collection.time_to_live_s, _indexing(collection))


def orders_of(collection: Collection[Any]) -> tuple[tuple[Order, ...], ...]:
    """Return the orders that the container can sort by, each ending with the key."""
    declared = ((), *collection.orders)
    return tuple(dict.fromkeys(collection.complete(Query(order=order)).order for order in declared))


def refuse_unindexed(collection: Collection[Any], order: Sequence[Order]) -> None:
    """Raise BadQuery where the service could not sort: it needs an index for exactly this order, or its reverse."""
    if len(order) == 1 or tuple(order) in orders_of(collection) or _reversed(order) in orders_of(collection):
        return
    declared = "".join(f'Order("{by.field}"{", descending=True" if by.descending else ""}), ' for by in order)
    index = msgspec.json.encode(_composite(collection, order)).decode()
    raise BadQuery(
        f"{collection.name}: Cosmos DB has no index for this order. Declare orders=(({declared.strip()}),) and run "
        f"`mystira cosmos provision`, which adds to compositeIndexes: {index}"
    )


def drift(collection: Collection[Any], found: dict[str, Any]) -> list[str]:
    """Return how a container differs from what its collection asks for, in words."""
    want = wanted(collection)
    said: list[str] = []
    paths = cast(list[str], found.get("partitionKey", {}).get("paths", []))
    if paths != [want.partition_path]:
        said.append(f"partition key {', '.join(paths)} instead of {want.partition_path}")
    if found.get("defaultTtl") != want.time_to_live_s:
        said.append(f"time to live {found.get('defaultTtl')} instead of {want.time_to_live_s}")
    indexing = cast(dict[str, Any], found.get("indexingPolicy", {}))
    if indexing.get("indexingMode", "").lower() != "consistent":
        said.append(f"indexing mode {indexing.get('indexingMode')} instead of consistent")
    for name in ("includedPaths", "excludedPaths"):
        lacking = _paths(want.indexing, name) - _paths(indexing, name)
        said += [f"{name} lacks {path}" for path in sorted(lacking)]
    said += [f"no index for {order}" for order in sorted(_composites(want.indexing) - _composites(indexing))]
    said += [f"unneeded index for {order}" for order in sorted(_composites(indexing) - _composites(want.indexing))]
    return said


def can_be_mended(found: dict[str, Any], collection: Collection[Any]) -> bool:
    """Tell whether a container can be changed to fit: a partition key stays what it is for ever."""
    return found.get("partitionKey", {}).get("paths") == [wanted(collection).partition_path]


def _indexing(collection: Collection[Any]) -> dict[str, Any]:
    composites = [_composite(collection, order) for order in orders_of(collection) if len(order) > 1]
    return {
        "indexingMode": "consistent",
        "automatic": True,
        # Of the bookkeeping, only whether a document is a tombstone is ever asked for.
        "includedPaths": [{"path": "/*"}, {"path": '/"_polyglot"/"deleted"/?'}],
        "excludedPaths": [{"path": '/"_polyglot"/*'}, {"path": '/"_etag"/?'}],
        "compositeIndexes": composites,
    }


def _composite(collection: Collection[Any], order: Sequence[Order]) -> list[dict[str, str]]:
    return [
        {
            "path": f"/{collection.by_name[by.field].document_name}",
            "order": "descending" if by.descending else "ascending",
        }
        for by in order
    ]


def _reversed(order: Sequence[Order]) -> tuple[Order, ...]:
    return tuple(Order(by.field, descending=not by.descending) for by in order)


def _paths(indexing: dict[str, Any], name: str) -> set[str]:
    return {one["path"].replace('"', "") for one in indexing.get(name, [])}


def _composites(indexing: dict[str, Any]) -> set[str]:
    return {
        ", ".join(f"{part['path']} {part.get('order', 'ascending')}".replace('"', "") for part in one)
        for one in indexing.get("compositeIndexes", [])
    }
