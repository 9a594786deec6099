"""Documents that a constraint of PostgreSQL refuses: the dead letters are exactly they, until they are mended."""

from random import Random
from typing import Any

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import first_control
from mystira.polyglot.entity import Entity, Stamp
from mystira.polyglot.journal import LetterKind
from mystira.polyglot.phases import Phase
from mystira.polyglot.store import Key, Record
from tests.storms.loop import StormLoop
from tests.storms.simulated import Wires, broken


class Labelled(Entity, frozen=True, kw_only=True):
    """Only PostgreSQL keeps labels apart."""

    label: str


POISONS = Collection(
    Labelled, container="Poisons", table="poisons", phase=Phase.DUAL_WRITE_COSMOS_READ, unique=(("label",),)
)
TWINS = (Key("left", "left"), Key("right", "right"))
BEGINS_S, MENDS_S = 6.0, 6.0
MENDED = 0.5
EVERY, POISONED = 4, 1
"""Of so many schedules one is poisoned: letters are tried again and again, which others need not pay for."""


class Poison:
    """Two documents of one label, written past every process; one of them may be mended after a while."""

    def __init__(self, loop: StormLoop, wires: Wires, random: Random) -> None:
        self._loop, self._documents, self._relational = loop, wires.documents, wires.relational
        self._random = random.random
        self._twins = TWINS if loop.seed % EVERY == POISONED else ()
        self._is_mended = False
        wires.relational.control_of[POISONS.name] = first_control(POISONS)

    async def spread(self) -> None:
        """Write both, and mend one or not."""
        if not self._twins:
            return
        await self._loop.pause(self._random() * BEGINS_S)
        for twin in self._twins:
            await self._write(twin, "same", None)
            await self._loop.pause(self._random())
        if self._random() < MENDED:
            await self._loop.pause(self._random() * MENDS_S)
            twin = TWINS[int(self._random() * 2)]
            await self._write(twin, "another", await self._documents.read(POISONS, twin))
            self._is_mended = True

    async def _write(self, key: Key, label: str, base: Record | None) -> None:
        parent = base.stamp if base else Stamp()
        entity = Labelled(id=key.id, label=label)
        record = Record(key=key, entity=entity, stamp=parent.next(0), parent=parent, op=f"poison/{key.id}/{label}")
        await self._documents.write(POISONS, record, base)

    def examine(self) -> None:
        """Assert that the dead letters are exactly what still is poison; conflicts are another matter."""
        letters = [one for one in self._relational.letter_of.values() if one.kind is not LetterKind.CONFLICT]
        rows: dict[Key, Any] = self._relational.rows.get(POISONS.name, {})
        refused = [twin for twin in self._twins if twin not in rows]
        if len(refused) != (1 if self._twins and not self._is_mended else 0):
            raise broken(f"I7: of the twins {refused} have no row, mended: {self._is_mended}")
        found = sorted((letter.collection, letter.key, letter.kind) for letter in letters)
        if found != [(POISONS.name, twin, LetterKind.MERGE) for twin in refused]:
            raise broken(f"I7: the dead letters are not exactly the poison that was injected: {letters}")
