"""What a process remembers of records that can never change: bounded, and counted by hits and misses."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from mystira.polyglot import measures
from mystira.polyglot.catalog import Catalog

K = TypeVar("K")
V = TypeVar("V")


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """How many values this process remembers under a name, and how many it may."""

    name: str
    values: int
    most: int


class Memo(Generic[K, V]):
    """The values asked for last, `most` of them, in the memory of one process.

    Only what is made of records that never change belongs here: nothing tells other processes of a change, and nothing
    is ever looked at again.
    """

    def __init__(self, name: str, most: int, of: str = "") -> None:
        self.of = of
        self._name = name
        self._most = most
        self._values: dict[K, V] = {}

    def get(self, key: K) -> V | None:
        """Return what is remembered; it is then the last to be forgotten."""
        value = self._values.pop(key, None)
        if value is None:
            measures.CACHE_MISSES.add(self._name)
            return None
        measures.CACHE_HITS.add(self._name)
        self._values[key] = value
        return value

    @property
    def remembered(self) -> Remembered:
        """How full it is."""
        return Remembered(name=self._name, values=len(self._values), most=self._most)

    def put(self, key: K, value: V) -> V:
        """Remember a value, forgetting the one that nobody asked for longest."""
        if len(self._values) >= self._most:
            del self._values[next(iter(self._values))]
        self._values[key] = value
        return value


class Memos:
    """The memos of a process, under a name for each reader; they are made when they are first asked for."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._memos: dict[str, Memo[Any, Any]] = {}

    def named(self, name: str, most: int, *, of: str) -> Memo[Any, Any]:
        """Return a memo of what is made of records of one collection, which declares that they never change.

        The name is a label of the memo's metrics, so it comes from the code.
        """
        assert self._catalog.named(of).never_changes, f"records of {of} change, so no process may remember them"
        return self._memos.setdefault(name, Memo(name, most, of))

    def made_of(self, collection: str) -> Sequence[Remembered]:
        """Return what this process remembers of a collection's records so far."""
        return [memo.remembered for memo in self._memos.values() if memo.of == collection]
