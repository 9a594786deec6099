"""The list of all collections of a process, passed in by whoever wires it together."""

from collections.abc import Iterable, Iterator
from typing import Any, cast

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import E, Entity


class Catalog:
    """Finds a collection by its entity or by its name; both are unique."""

    def __init__(self, collections: Iterable[Collection[Any]]) -> None:
        self._all = tuple(collections)
        self._by_entity: dict[type[Entity], Collection[Any]] = {c.entity: c for c in self._all}
        self._by_name = {collection.name: collection for collection in self._all}
        if len(self._by_entity) < len(self._all) or len(self._by_name) < len(self._all):
            raise ValueError("two collections have the same entity or the same container")

    def __iter__(self) -> Iterator[Collection[Any]]:
        return iter(self._all)

    def of(self, entity: type[E]) -> Collection[E]:
        """Return the collection of an entity; a KeyError names the entity that is not listed."""
        return cast("Collection[E]", self._by_entity[entity])

    def named(self, name: str) -> Collection[Any]:
        """Return the collection with this name."""
        return self._by_name[name]
