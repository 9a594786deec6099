"""The change feed of one container, range by range, and where each range goes on.

A range is named by its edges among the hashed partition keys, so that its name means the same after splits and merges.
A position is the service's own ETag. The client's continuation is made of the two only for the call itself: there a
range that was split meanwhile would be followed silently, and nobody would learn of its successors.
"""

import base64
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import msgspec
from azure.cosmos.aio import ContainerProxy

from mystira.polyglot.store import RangeGone, Unavailable
from mystira.polyglot.stores.cosmos.charges import Charge

FIRST, LAST = "", "FF"

_NAME = re.compile(r"((?:[0-9A-F]{2})*)-((?:[0-9A-F]{2})+)")


class Edges(NamedTuple):
    """The hashed partition keys from `low` up to, not including, `high`, as the service writes them."""

    low: str
    high: str

    @property
    def id(self) -> str:
        """The name under which followers keep their position."""
        return f"{self.low}-{self.high}"

    @property
    def feed_range(self) -> dict[str, Any]:
        """The range as the client wants it."""
        return {"Range": self._range()}

    def _range(self) -> dict[str, Any]:
        return {"min": self.low, "max": self.high, "isMinInclusive": True, "isMaxInclusive": False}

    def within(self, other: "Edges") -> "Edges | None":
        """Return the part that lies inside another range."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Edges(low, high) if low < high else None

    def continuation(self, rid: str, position: str) -> str:
        """Return the client's continuation for this range after a position."""
        here = {"v": "v2", "rid": rid, "continuation": [{"token": position, "range": self._range()}], **self.feed_range}
        whole = {
            "v": "v2",
            "containerRid": rid,
            "mode": "LatestVersion",
            "startFrom": {"Type": "Beginning"},
            "continuation": here,
        }
        return base64.b64encode(msgspec.json.encode(whole)).decode()


class Changes(NamedTuple):
    """What changed after a position, the position after that, and whether there is more."""

    documents: list[dict[str, Any]]
    position: str
    has_more: bool = False


def edges_named(container: str, name: str) -> Edges:
    """Return the range of this name; Unavailable when it names none."""
    found = _NAME.fullmatch(name)
    if found is None or not found[1] < found[2]:
        raise Unavailable(f"{container} has no feed range {name!r}")
    return Edges(found[1], found[2])


async def living(container: ContainerProxy) -> list[Edges]:
    """Return the ranges there are now as far as the client knows; Unavailable unless they cover every key once."""
    told = [one["Range"] async for one in container.read_feed_ranges()]
    found = sorted(Edges(one["min"], one["max"]) for one in told)
    ends = [FIRST, *(edges.high for edges in found)]
    if not found or [edges.low for edges in found] != ends[:-1] or ends[-1] != LAST:
        raise Unavailable(f"{container.id}: the feed ranges leave a gap, so some changes would be missed: {found}")
    return found


async def changes(
    container: ContainerProxy, rid: str, edges: Edges, position: str, limit: int, charge: Charge
) -> Changes:
    """Return the next changes of a range; RangeGone when it lies in more than one partition of the service now."""
    _refuse_split(edges, await living(container))
    found = await _next(container, rid, edges, position, limit, charge)
    if found.documents:
        # A page that is not full proves nothing: only an empty one says that this was the end.
        beyond = await _next(container, rid, edges, found.position, 1, charge)
        found = found._replace(has_more=bool(beyond.documents))
    # The client learns of a split only by asking, and then goes on with one part of it.
    _refuse_split(edges, await living(container))
    return found


async def _next(
    container: ContainerProxy, rid: str, edges: Edges, position: str, limit: int, charge: Charge
) -> Changes:
    asked: dict[str, Any] = (
        {"continuation": edges.continuation(rid, position)}
        if position
        else {"feed_range": edges.feed_range, "start_time": "Beginning"}
    )
    pages = container.query_items_change_feed(max_item_count=limit, response_hook=charge, **asked).by_page()
    documents: list[dict[str, Any]] = []
    async for page in pages:
        documents = [document async for document in page]
        break
    if not documents:
        return Changes(documents, position)
    told = msgspec.json.decode(base64.b64decode(cast(Any, pages).continuation_token))
    parts = told["continuation"]["continuation"]
    if len(parts) > 1:
        # The client met a split on its way and would go on in every part; each has a position of its own from now on.
        _refuse_split(edges, await living(container))
        raise Unavailable(f"{container.id}: the feed range {edges.id} was split while it was read; ask again")
    return Changes(documents, parts[0]["token"])


def _refuse_split(edges: Edges, ranges: Sequence[Edges]) -> None:
    parts = [part for one in ranges if (part := edges.within(one)) is not None]
    if len(parts) > 1:
        raise RangeGone([part.id for part in parts])
