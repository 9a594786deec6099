"""Whether both stores hold the same at this moment: by their digests, and small collections by rereading them too."""

from typing import Any, NamedTuple

from mystira.polyglot.catalog import Catalog
from mystira.polyglot.certificate import Side as Root
from mystira.polyglot.collection import Collection
from mystira.polyglot.digest import ROOT, Node, Side
from mystira.polyglot.digesting import DigestKeeper
from mystira.polyglot.equality import is_equal
from mystira.polyglot.replication import Replication

REREAD_MAX = 1_000
"""So many records are reread in no time; that finds what digests leave out (ops, marks) and errors in themselves."""


class Agreement(NamedTuple):
    """The roots of both sides' digests, in the form in which a certificate tells them."""

    documents: Root
    relational: Root


class Comparison:
    """Compares the stores of one collection again and again, and keeps the count of its documents going itself."""

    def __init__(self, r: Replication, collection: Collection[Any]) -> None:
        self._r = r
        self._collection = collection
        # Whoever asks is in a hurry: no lease of another worker is waited for, the position guards alone.
        self._keeper = DigestKeeper(r._replace(catalog=Catalog([collection])), lease_s=None)
        self.agreement: Agreement | None = None

    async def agrees(self) -> bool:
        """Tell whether everything is counted and both sides hold the same; `agreement` says what, then."""
        await self._keeper.step()
        if not self._keeper.is_current(self._collection):
            return False
        documents, rows = await self._root(Side.DOCUMENT), await self._root(Side.ROW)
        if documents != rows:
            return False
        if documents.number <= REREAD_MAX and not await is_equal(self._r, self._collection):
            return False
        self.agreement = Agreement(_told(documents), _told(rows))
        return True

    async def _root(self, side: Side) -> Node:
        return (await self._r.relational.digests.nodes(self._collection, side, [ROOT])).get(ROOT, Node())


def _told(node: Node) -> Root:
    return Root(count=node.number, sum=f"{node.total % (1 << 64):016x}")
