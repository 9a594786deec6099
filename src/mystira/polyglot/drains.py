"""How writers and coordinators hear of one another while a collection that documents lead is drained.

A writer that hears of the drain gives up its lease, waits for its writes to be answered and says so; the coordinator
need not wait then until every lease there might be has run out. Who stays silent is waited out.
"""

from collections.abc import Mapping

import msgspec

from mystira.polyglot.control import Control, State
from mystira.polyglot.journal import Journal
from mystira.polyglot.leadership import Leadership
from mystira.polyglot.phases import Leader
from mystira.polyglot.replication import Replication
from mystira.polyglot.roster import call_roster, strike


class DrainWatch:
    """Answers drains for one process; a loop calls `step` all the time, for that is how long a drain waits for it."""

    def __init__(self, leadership: Leadership, journal: Journal) -> None:
        self._leadership = leadership
        self._journal = journal
        self._told: dict[str, tuple[int, int]] = {}
        self._refused_before: dict[str, int] = {}

    async def step(self) -> int:
        """Answer every drain that this process has stood down for; return how many answers were given."""
        told = 0
        for row in await self._journal.controls():
            if row.state is State.DRAIN and row.leader is Leader.DOCUMENTS:
                told += await self._answer(row)
        return told

    async def _answer(self, row: Control) -> int:
        n, refused = self._told.get(row.id, (0, 0))
        if n != row.n:
            if not await self._leadership.stand_down(row.id, row.n):
                return 0
            self._refused_before[row.id] = self._leadership.refused(row.id)
        now_refused = self._leadership.refused(row.id) - self._refused_before[row.id]
        if (n, refused) == (row.n, now_refused):
            return 0
        await self._journal.acknowledge(row.id, row.n, self._leadership.name, now_refused)
        self._told[row.id] = (row.n, now_refused)
        return 1


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """Who stood down for a drain, and who never answered and was waited out."""

    answered: tuple[str, ...]
    silent: tuple[str, ...]


async def hear_writers(r: Replication, draining: Control) -> Heard:
    """Wait until nobody can have a write on its way; call it once the copy has been seen at this DRAIN."""
    roster = await call_roster(r.documents, draining.id)
    slept_s = 0.0
    answered = await _answered(r, draining, roster)
    while len(answered) < len(roster) and slept_s < r.tempo.silence_s:
        await r.sleep(r.tempo.poll_s)
        slept_s += r.tempo.poll_s
        answered = await _answered(r, draining, roster)
    silent = {writer: n for writer, n in roster.items() if writer not in answered}
    # Their leases have ended, and for the next one they have to enter themselves again.
    await strike(r.documents, draining.id, {writer: n for writer, n in silent.items() if may_be_struck(n, draining)})
    return Heard(answered=tuple(sorted(answered)), silent=tuple(sorted(silent)))


def may_be_struck(entered: int, draining: Control) -> bool:
    """Tell whether a writer's leases under the version that it entered under have ended with a drain's silence.

    Where somebody else has ended that drain meanwhile, writers have entered under a later version, and go on.
    """
    return entered < draining.n


async def _answered(r: Replication, draining: Control, roster: Mapping[str, int]) -> set[str]:
    if not roster:
        return set()
    return roster.keys() & (await r.journal.acknowledged(draining.id, draining.n)).keys()
