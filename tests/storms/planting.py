"""Changes that somebody makes behind everybody's back, in either store, for verification to find and to repair."""

from collections.abc import Callable
from typing import Any

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.digest import Digested
from mystira.polyglot.entity import Stamp
from mystira.polyglot.phases import Leader
from mystira.polyglot.store import Key, Record
from mystira.polyglot.stores.memory_relational import Row
from tests.storms.simulated import Wires

GHOST = Key("ghost", "ghost")
PLANTED = "planted/"
"""How the ops of what was planted begin: nobody was promised that these stand."""


class Gardener:
    """Plants differences in one collection. A row that SQL changes keeps the digest that its writer has counted."""

    def __init__(self, wires: Wires, collection: Collection[Any]) -> None:
        self._wires = wires
        self._collection = collection
        self._rows = wires.relational.rows[collection.name]
        self._documents = wires.documents._container(collection).documents

    def living(self) -> list[Key]:
        """Return the living keys that both stores hold under the same stamp."""
        rows, documents = self._rows, self._documents
        both = [key for key, row in sorted(rows.items()) if key in documents and not row.record.deleted]
        return [key for key in both if documents[key].body.stamp == rows[key].record.stamp]

    def kinds(self, leader: Leader) -> list[Callable[[Key], Key]]:
        """Return what can be planted; where PostgreSQL leads, a new document would be a straggler and be taken in."""
        if leader is Leader.DOCUMENTS:
            return [self.change_row, self.drop_row, self.add_row, self.raise_row, self.change_document]
        return [self.change_row, self.change_document, self.drop_document]

    def change_row(self, key: Key) -> Key:
        """Change a field in SQL."""
        self._put(key, _changed(self._rows[key].record))
        return key

    def raise_row(self, key: Key) -> Key:
        """Give a row a stamp that nobody gave it."""
        record = self._rows[key].record
        stamp = Stamp(record.stamp.epoch, record.stamp.seq + 5)
        self._put(key, msgspec.structs.replace(record, stamp=stamp, op=f"{PLANTED}{key.id}"))
        return key

    def drop_row(self, key: Key) -> Key:
        """Delete a row in SQL."""
        del self._rows[key]
        return key

    def add_row(self, key: Key) -> Key:
        """Insert a row of which no document was ever written."""
        entity = self._rows[key].record.entity
        assert entity is not None
        record = Record(key=GHOST, entity=entity.evolve(id=GHOST.id), stamp=Stamp(0, 3), op=f"{PLANTED}{GHOST.id}")
        self._rows[GHOST] = Row(record)
        return GHOST

    def change_document(self, key: Key) -> Key:
        """Change a document past the platform; its feed shows it."""
        self._wires.documents.plant(self._collection, _changed(self._documents[key].body))
        return key

    def drop_document(self, key: Key) -> Key:
        """Remove a document past the platform; its feed does not tell."""
        del self._documents[key]
        return key

    def miscount(self, one: Key, other: Key) -> None:
        """Make the same error in the counts of two documents: their sum shows it, an exclusive or does not."""
        counted = self._wires.relational.digests._documents[self._collection.name]
        alike = ~(counted[one].digest ^ counted[other].digest)
        # In a bit that both have or both lack, so that the errors do not cancel in the sum.
        bit = alike & -alike
        for key in (one, other):
            counted[key] = msgspec.structs.replace(counted[key], digest=counted[key].digest ^ bit)

    def _put(self, key: Key, record: Record) -> None:
        digests, row = self._wires.relational.digests, self._rows[key]
        before = digests._digested(self._collection, row.record)
        row.record = record
        if record.stamp == before.stamp:
            digests._known[self._collection.name, key] = record, Digested(record.stamp, before.digest)


def _changed(record: Record) -> Record:
    assert record.entity is not None
    return msgspec.structs.replace(record, entity=record.entity.evolve(label="planted"))
