"""What shadow reads have shown, told by each process on the relational side: gates and pages of others ask for it."""

from collections import Counter

from mystira.polyglot.journal import ShadowReport
from mystira.polyglot.replication import Replication
from mystira.polyglot.shadow import Shadows


class ShadowTeller:
    """Tells now and then what the shadow reads of this process have shown."""

    def __init__(self, shadows: Shadows, r: Replication) -> None:
        self._shadows = shadows
        self._r = r
        self._told: dict[str, tuple[int, int]] = {}

    async def step(self) -> int:
        """Keep what is new; return how many collections there was something new of."""
        counts: Counter[str] = Counter()
        wrong: Counter[str] = Counter()
        for shape in self._shadows.status():
            counts[shape.collection] += shape.compared
            wrong[shape.collection] += shape.mismatches
        told = 0
        for name, compared in counts.items():
            if self._told.get(name) != (compared, wrong[name]):
                await self._r.journal.report_shadow(
                    ShadowReport(
                        collection=name,
                        process=self._r.name,
                        compared=compared,
                        mismatches=wrong[name],
                        at=self._r.clock(),
                    )
                )
                self._told[name] = (compared, wrong[name])
                told += 1
        return told
