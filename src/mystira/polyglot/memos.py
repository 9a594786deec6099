"""What a process remembers of records that can never change: bounded, and counted by hits and misses."""

from typing import Any, Generic, TypeVar

from mystira.polyglot import measures

K = TypeVar("K")
V = TypeVar("V")


class Memo(Generic[K, V]):
    """The values asked for last, `most` of them, in the memory of one process.

    Only what is made of records that never change belongs here: nothing tells other processes of a change, and nothing
    is ever looked at again.
    """

    def __init__(self, name: str, most: int) -> None:
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

    def put(self, key: K, value: V) -> V:
        """Remember a value, forgetting the one that nobody asked for longest."""
        if len(self._values) >= self._most:
            del self._values[next(iter(self._values))]
        self._values[key] = value
        return value


class Memos:
    """The memos of a process, under a name for each reader; they are made when they are first asked for."""

    def __init__(self) -> None:
        self._memos: dict[str, Memo[Any, Any]] = {}

    def named(self, name: str, most: int) -> Memo[Any, Any]:
        """Return a memo; the name is a label of its metrics, so it comes from the code."""
        return self._memos.setdefault(name, Memo(name, most))
