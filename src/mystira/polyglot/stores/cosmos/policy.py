"""What a container must look like for its collection: partition key, time to live, and the indexes of its orders.

Unique keys are not among it. The service compares missing values too, so two tombstones of one partition would be in
each other's way; a value that must be unique is claimed by a record of its own.
"""

from typing import Any, NamedTuple, cast

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.orders import composite_index, reversed_order
from mystira.polyglot.query import Order

MADE, CHANGED, DIFFERS, FITS = "made", "changed", "differs", "fits"


class Finding(msgspec.Struct, frozen=True):
    """What is so with the database or one container. A dry run only says what would be done."""

    name: str
    state: str
    details: tuple[str, ...] = ()

    def told(self, *, dry_run: bool) -> str:
        """Return the state in words."""
        words = {MADE: "would be made", CHANGED: "would be changed"} if dry_run else {}
        told = words.get(self.state, self.state)
        if self.state == DIFFERS:
            return f"{told}, and a partition key cannot be changed: copy the documents into a new container"
        return told


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


def lacking_orders(collection: Collection[Any], found: dict[str, Any]) -> list[tuple[Order, ...]]:
    """Return the declared orders that a container could not be sorted by: each needs an index of exactly its fields."""
    there = _composites(cast(dict[str, Any], found.get("indexingPolicy", {})))

    def is_served(order: tuple[Order, ...]) -> bool:
        ways = (order, reversed_order(order))
        return any(_index_told(composite_index(collection.by_name, way)) in there for way in ways)

    return [order for order in collection.indexed_orders if len(order) > 1 and not is_served(order)]


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
    composites = [composite_index(collection.by_name, order) for order in collection.indexed_orders if len(order) > 1]
    return {
        "indexingMode": "consistent",
        "automatic": True,
        # Of the bookkeeping, only whether a document is a tombstone is ever asked for.
        "includedPaths": [{"path": "/*"}, {"path": '/"_polyglot"/"deleted"/?'}],
        "excludedPaths": [{"path": '/"_polyglot"/*'}, {"path": '/"_etag"/?'}],
        "compositeIndexes": composites,
    }


def _paths(indexing: dict[str, Any], name: str) -> set[str]:
    return {one["path"].replace('"', "") for one in indexing.get(name, [])}


def _composites(indexing: dict[str, Any]) -> set[str]:
    return {_index_told(one) for one in indexing.get("compositeIndexes", [])}


def _index_told(index: list[dict[str, str]]) -> str:
    return ", ".join(f"{part['path']} {part.get('order', 'ascending')}".replace('"', "") for part in index)
