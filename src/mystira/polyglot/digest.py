"""A tree of digests on either side of a collection: finds the keys that differ at a cost per difference.

Every record has a digest of 64 bits over its key, stamp and canonical body. A leaf counts the records whose keys hash
to it, and adds their digests up; an inner node adds up its leaves. Never XOR: two errors of the same kind would cancel.
Rows are counted by the transactions that change them, documents by a consumer of their change feed (`digesting.py`)
that shares no position with the follower, so that what the follower leaves out is seen.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from mystira.polyglot.canonical import BITS_A_LEVEL, LEAF_BITS
from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Stamp
from mystira.polyglot.positions import Move
from mystira.polyglot.store import Key

ROOT = 1
LEVELS = LEAF_BITS // BITS_A_LEVEL
NODES_AT_ONCE = 1_024
KEYS_AT_ONCE = 5_000
FOLDED_AT_ONCE = 20_000


class Side(StrEnum):
    """Whose digests these are."""

    DOCUMENT = "document"
    ROW = "row"


class Node(NamedTuple):
    """How many records are below a node, and the sum of their digests mod 2^64."""

    number: int = 0
    total: int = 0


class Digested(msgspec.Struct, frozen=True):
    """What a side holds of one key."""

    stamp: Stamp
    digest: int


class Noted(msgspec.Struct, frozen=True):
    """What the change feed shows of one document, and where in the feed."""

    key: Key
    stamp: Stamp
    digest: int
    position: int


class Differing(NamedTuple):
    """A key that both sides do not hold alike; None where a side does not know it.

    It may only be that the copy, or the count of the documents, lags: who compares while writes go on looks again.
    """

    key: Key
    document: Digested | None
    row: Digested | None


class Digests(Protocol):
    """What the relational side keeps of both sides' digests. Each call is one transaction, whole or not at all.

    Rows count themselves: whatever changes one (a fenced write, a merge, the removal of a tombstone) commits its
    change of the tree with it, and no writer ever waits for another because of that.
    """

    async def kept(self) -> Mapping[str, int]:
        """Return the collections whose documents and rows are both kept, and how often documents were taken out."""
        ...

    async def take(self, name: str, items: Sequence[Noted], removals: int, move: Move, now: datetime) -> None:
        """Count what one page of the feed shows, and move the stream's position; what came later in the feed wins.

        Conflict, and nothing done, when the position is no longer `move.expected`, or when documents were taken out
        since `removals` was read: the page may still show them.
        """
        ...

    async def take_out(self, name: str, removed: Sequence[tuple[Key, Stamp]]) -> None:
        """Stop counting documents that were removed for good at these stamps, of which the feed does not tell."""
        ...

    async def forget_documents(self, name: str) -> None:
        """Forget all digests of a collection's documents, and the stream's positions: it begins anew."""
        ...

    async def fill(self, collection: Collection[Any], limit: int) -> int:
        """Count rows that were written before there were digests; return how many, 0 once there are none left."""
        ...

    async def unfilled(self, collection: Collection[Any], limit: int) -> int:
        """Return how many rows are not counted yet, `limit` at most."""
        ...

    async def correct(self, collection: Collection[Any], side: Side, key: Key, held: Digested) -> bool:
        """Replace a digest that turned out to be wrong, unless the side holds another stamp meanwhile; tell whether."""
        ...

    async def recount(self, collection: Collection[Any]) -> None:
        """Make the nodes of both sides anew from what they count: heals a tree that somebody changed by hand."""
        ...

    async def fold(self, limit: int) -> int:
        """Add changes that were only noted so far to the nodes; return how many. Only speed depends on it."""
        ...

    async def nodes(self, collection: Collection[Any], side: Side, wanted: Sequence[int]) -> Mapping[int, Node]:
        """Return these nodes of one level, changes that are not folded included; what is absent holds nothing."""
        ...

    async def members(self, collection: Collection[Any], side: Side, leaves: Sequence[int]) -> Mapping[Key, Digested]:
        """Return what is counted in these leaves."""
        ...


async def differing(digests: Digests, collection: Collection[Any]) -> AsyncGenerator[Differing]:
    """Yield the keys that both sides do not hold alike: as they stand now, whoever lags. Memory is bounded.

    Where nothing differs only the root is read; where something does, the way down to it.
    """
    while await digests.fold(FOLDED_AT_ONCE) == FOLDED_AT_ONCE:
        continue
    # Depth first, a few nodes at once, so that even two sides with nothing in common fit into memory.
    todo = [(0, (ROOT,))]
    while todo:
        level, wanted = todo.pop()
        unequal = await _unequal(digests, collection, wanted)
        if level < LEVELS:
            below = [child for node, _ in unequal for child in children(node)]
            todo += [(level + 1, batch) for batch in _batches(below)]
        else:
            for leaves in _by_size(unequal):
                for found in await _compare(digests, collection, leaves):
                    yield found


def children(node: int) -> range:
    """Return the nodes right below one."""
    return range(node << BITS_A_LEVEL, (node + 1) << BITS_A_LEVEL)


def add_up(nodes: Iterable[Node]) -> Node:
    """Return the node above all these."""
    listed = list(nodes)
    return Node(sum(node.number for node in listed), total_of(node.total for node in listed))


def total_of(digests: Iterable[int]) -> int:
    """Return the total of these digests. Never XOR: two errors of the same kind would cancel."""
    return sum(digests) % (1 << 64)


def _batches(nodes: Sequence[int]) -> list[tuple[int, ...]]:
    starts = range(0, len(nodes), NODES_AT_ONCE)
    return [tuple(nodes[start : start + NODES_AT_ONCE]) for start in reversed(starts)]


async def _unequal(digests: Digests, collection: Collection[Any], wanted: Sequence[int]) -> list[tuple[int, int]]:
    """Return those of these nodes that differ, with how many keys there are to read below."""
    documents = await digests.nodes(collection, Side.DOCUMENT, wanted)
    rows = await digests.nodes(collection, Side.ROW, wanted)
    found: list[tuple[int, int]] = []
    for node in wanted:
        document, row = documents.get(node, Node()), rows.get(node, Node())
        if document != row:
            found.append((node, document.number + row.number))
    return found


def _by_size(leaves: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Return the leaves in groups with not too many keys to read at once."""
    groups: list[list[int]] = []
    held = KEYS_AT_ONCE
    for leaf, count in leaves:
        if held + count > KEYS_AT_ONCE:
            groups.append([])
            held = 0
        groups[-1].append(leaf)
        held += count
    return groups


async def _compare(digests: Digests, collection: Collection[Any], leaves: Sequence[int]) -> list[Differing]:
    documents = await digests.members(collection, Side.DOCUMENT, leaves)
    rows = await digests.members(collection, Side.ROW, leaves)
    return [
        Differing(key, documents.get(key), rows.get(key))
        for key in sorted(documents.keys() | rows.keys())
        if documents.get(key) != rows.get(key)
    ]
