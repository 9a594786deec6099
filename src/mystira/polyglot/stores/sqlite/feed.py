"""The change feed of a document file: positions are given inside write transactions, so none appears late."""

from collections.abc import Callable, Sequence
from typing import Any

import apsw

from mystira.polyglot.collection import Collection
from mystira.polyglot.store import FeedItem, FeedPage, Incoming, RangeGone, Unavailable
from mystira.polyglot.stores.ranges import FeedRange, successors
from mystira.polyglot.stores.sqlite.schema import quoted

PASSED_MAX = 1_000

Ask = Callable[[str, Sequence[Any]], list[Any]]


class Feed:
    """Reads the feed of one container."""

    def __init__(self, container: str, ask: Ask, load: Callable[[Collection[Any], str, int], Incoming]) -> None:
        self._container = container
        self._ask = ask
        self._load = load
        self._newest = f"SELECT max(position) FROM {quoted(container)}"  # noqa: S608 - names come from declarations.
        self._changes = (
            f"SELECT position, body FROM {quoted(container)} "  # noqa: S608
            "WHERE position > ? AND hash >= ? AND hash < ? AND (expires_at IS NULL OR expires_at > ?) "
            "ORDER BY position LIMIT ?"
        )
        # Up to where a range was seen to hold nothing after a continuation. Positions only grow, so that stays true,
        # and a quiet range is not searched through all that happens in the others.
        self._passed: dict[tuple[str, int], int] = {}

    def ranges(self) -> Sequence[str]:
        """Return the ids of the living ranges in the order of their hashes."""
        return [living.id for living in self._living()]

    def page(
        self, collection: Collection[Any], range_id: str, continuation: str, limit: int, now_s: float
    ) -> tuple[FeedPage, int]:
        """Return the changes after the continuation, oldest first, as records of `collection`, and their size."""
        low, high = self._bounds(range_id)
        after = int(continuation or 0)
        # Asked before the changes are: what is committed between the two has a higher position.
        newest = self._ask(self._newest, ())[0][0] or 0
        start = max(after, self._passed.get((range_id, after), 0))
        if start >= newest:
            return FeedPage([], continuation, has_more=False), 0
        found = self._ask(self._changes, (start, low, high, now_s, limit + 1))
        items = [FeedItem(self._load(collection, body, position), position) for position, body in found[:limit]]
        if items:
            self._passed.pop((range_id, after), None)
            after = items[-1].position
        if len(found) <= limit:
            if len(self._passed) >= PASSED_MAX:
                self._passed.clear()
            self._passed[range_id, after] = newest
        size = sum(len(body) for _, body in found[:limit])
        return FeedPage(items, str(after) if after else "", has_more=len(found) > limit), size

    def splitting(self, range_id: str) -> Callable[[apsw.Connection, int], list[str]]:
        """Return the job that splits a range; RangeGone when another was faster."""
        parent = FeedRange(*self._bounds(range_id))

        def job(connection: apsw.Connection, position: int) -> list[str]:
            connection.execute(
                "UPDATE _ranges SET split = 1 WHERE container = ? AND range_id = ? AND NOT split",
                (self._container, range_id),
            )
            if not connection.changes():
                raise RangeGone([half.id for half in parent.halves()])
            for half in parent.halves():
                row = (self._container, half.id, half.low, half.high)
                connection.execute("INSERT INTO _ranges (container, range_id, low, high) VALUES (?, ?, ?, ?)", row)
            return [half.id for half in parent.halves()]

        return job

    def _living(self) -> list[FeedRange]:
        statement = "SELECT low, high FROM _ranges WHERE container = ? AND NOT split ORDER BY low"
        return [FeedRange(low, high) for low, high in self._ask(statement, (self._container,))]

    def _bounds(self, range_id: str) -> tuple[int, int]:
        statement = "SELECT low, high, split FROM _ranges WHERE container = ? AND range_id = ?"
        found = self._ask(statement, (self._container, range_id))
        if not found:
            raise Unavailable(f"{self._container} has no feed range {range_id}")
        low, high, split = found[0]
        if split:
            raise RangeGone(successors(FeedRange(low, high), self._living()))
        return low, high
