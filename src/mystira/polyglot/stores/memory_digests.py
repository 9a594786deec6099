"""Digests in this process's memory: rows are digested when somebody asks, documents when the feed shows them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from mystira.polyglot.canonical import LEAF_BITS, digest_of, leaf_of
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control
from mystira.polyglot.digest import ROOT, Digested, Node, Noted, Side, total_of
from mystira.polyglot.entity import Stamp
from mystira.polyglot.phases import Phase
from mystira.polyglot.positions import Move, Stream
from mystira.polyglot.store import Conflict, Key, Record
from mystira.polyglot.stores.memory_merging import Row
from mystira.polyglot.stores.memory_queues import MemoryQueues


class MemoryDigests:
    """What `polyglot.digest.Digests` promises. Each call happens at once; nothing is ever left to fill or to fold."""

    def __init__(
        self, queues: MemoryQueues, rows: Mapping[str, Mapping[Key, Row]], controls: Mapping[str, Control]
    ) -> None:
        self._queues = queues
        self._rows = rows
        self._controls = controls
        self._documents: defaultdict[str, dict[Key, Noted]] = defaultdict(dict)
        self._removals: defaultdict[str, int] = defaultdict(int)
        self._known: dict[tuple[str, Key], tuple[Record, Digested]] = {}

    async def kept(self) -> Mapping[str, int]:
        """Return the collections whose documents and rows are both kept, and how often documents were taken out."""
        return {name: self._removals[name] for name, control in self._controls.items() if keeps_both(control)}

    async def take(self, name: str, items: Sequence[Noted], removals: int, move: Move, now: datetime) -> None:
        """Count what one page of the feed shows, and move the stream's position; what came later in the feed wins."""
        if self._removals[name] != removals:
            raise Conflict(f"{name}: documents were taken out since the page was read")
        self._queues.move(name, move, now)
        documents = self._documents[name]
        for item in items:
            if item.key not in documents or documents[item.key].position < item.position:
                documents[item.key] = item

    async def take_out(self, name: str, removed: Sequence[tuple[Key, Stamp]]) -> None:
        """Stop counting documents that were removed for good at these stamps, of which the feed does not tell."""
        self._removals[name] += bool(removed)
        documents = self._documents[name]
        for key, stamp in removed:
            if key in documents and documents[key].stamp <= stamp:
                del documents[key]

    async def forget_documents(self, name: str) -> None:
        """Forget all digests of a collection's documents, and the stream's positions: it begins anew."""
        self._removals[name] += 1
        self._documents[name].clear()
        await self._queues.forget_positions(name, Stream.DIGEST)

    async def fill(self, collection: Collection[Any], limit: int) -> int:
        """Every row is counted."""
        return 0

    async def unfilled(self, collection: Collection[Any], limit: int) -> int:
        """Every row is counted."""
        return 0

    async def correct(self, collection: Collection[Any], side: Side, key: Key, held: Digested) -> bool:
        """Replace a digest that turned out to be wrong, unless the side holds another stamp meanwhile; tell whether."""
        if side is Side.ROW:
            row = self._rows.get(collection.name, {}).get(key)
            return row is not None and row.record.stamp == held.stamp
        documents = self._documents[collection.name]
        before = documents.get(key)
        if before is not None and before.stamp > held.stamp:
            return False
        documents[key] = Noted(key, held.stamp, held.digest, before.position if before else 0)
        return True

    async def recount(self, collection: Collection[Any]) -> None:
        """Nodes are counted whenever somebody asks."""

    async def fold(self, limit: int) -> int:
        """Nothing waits."""
        return 0

    async def nodes(self, collection: Collection[Any], side: Side, wanted: Sequence[int]) -> Mapping[int, Node]:
        """Return these nodes of one level; what is absent holds nothing."""
        if not wanted:
            return {}
        if wanted[0] == ROOT:
            held = self._held(collection, side).values()
            return {ROOT: Node(len(held), total_of([one.digest for one in held]))} if held else {}
        below = LEAF_BITS + 1 - wanted[0].bit_length()
        found: defaultdict[int, list[int]] = defaultdict(list)
        for key, held in self._held(collection, side).items():
            found[leaf_of(key) >> below].append(held.digest)
        return {node: Node(len(found[node]), total_of(found[node])) for node in wanted if node in found}

    async def members(self, collection: Collection[Any], side: Side, leaves: Sequence[int]) -> Mapping[Key, Digested]:
        """Return what is counted in these leaves."""
        among = set(leaves)
        return {key: held for key, held in self._held(collection, side).items() if leaf_of(key) in among}

    def _held(self, collection: Collection[Any], side: Side) -> Mapping[Key, Digested]:
        if side is Side.DOCUMENT:
            documents = self._documents[collection.name]
            return {key: Digested(noted.stamp, noted.digest) for key, noted in documents.items()}
        rows = self._rows.get(collection.name, {})
        return {key: self._digested(collection, row.record) for key, row in rows.items()}

    def _digested(self, collection: Collection[Any], record: Record) -> Digested:
        at = (collection.name, record.key)
        known = self._known.get(at)
        if known is None or known[0] is not record:
            known = self._known[at] = record, Digested(record.stamp, digest_of(collection, record))
        return known[1]


def keeps_both(control: Control) -> bool:
    """Tell whether somebody keeps a second copy, so that there is something to compare."""
    return control.copying or control.phase is Phase.DUAL_WRITE_POSTGRES_READ
