"""Looks at what waits between the stores now and then, and keeps it as gauges; who scrapes costs the stores nothing."""

from datetime import datetime
from typing import Any, NamedTuple

from mystira.polyglot import measures
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control, State, first_control
from mystira.polyglot.differences import DifferenceClass
from mystira.polyglot.journal import LetterFilter, LetterKind, Pending
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.positions import RangePosition, Stream
from mystira.polyglot.replication import Replication
from mystira.polyglot.shadow import Shadows
from mystira.polyglot.store import Store, StoreError
from mystira.polyglot.transition import FLIP

LOOK_AHEAD = 100
"""So many waiting changes of a range are counted at most: each one that is looked at costs request units."""

RUNS_LOOKED_AT = 5
NOTHING = Pending(waiting=0, retrying=0, parked=0)
NEVER: RangePosition = RangePosition(range_id="", continuation="")


class Behind(NamedTuple):
    """How many changes of a collection wait for the other store, and for how long the oldest has."""

    changes: int
    seconds: float


class Sampler:
    """Keeps the gauges of one process. It remembers when each range was last seen without anything waiting."""

    def __init__(self, r: Replication) -> None:
        self._r = r
        self._level_at: dict[tuple[str, str], datetime] = {}

    async def step(self) -> int:
        """Look once at everything. A store that does not answer is itself what there is to tell."""
        r = self._r
        relational_is_up = await _is_up("relational", r.relational)
        documents_are_up = await _is_up("documents", r.documents)
        if relational_is_up:
            _tell_outbox(await r.journal.pending(), r.clock())
            controls = {control.id: control for control in await r.journal.controls()}
            await self._tell_letters()
            retrying = await r.journal.letters_count(LetterFilter(parked=False))
            for collection in r.catalog:
                control = controls.get(collection.name) or first_control(collection)
                _tell_control(control, r.clock())
                await self._tell_runs(collection)
                if documents_are_up:
                    await self._tell_lag(collection, control, retrying.get(collection.name, 0))
        measures.SAMPLED.set(r.clock().timestamp())
        return 0

    async def _tell_control(control: Control, now: datetime) -> None:
    for phase in Phase:
        measures.PHASE.set(float(phase is control.phase), control.id, phase, phase.leader)
    overdue_s = 0.0
    if control.state is not State.OPEN and control.deadline is not None:
        overdue_s = max((now - control.deadline).total_seconds(), 0.0)
    measures.OVERDUE.set(overdue_s, control.id)


def _tell_position(name: str, position: RangePosition, now: datetime) -> None:
    about = name, Stream.FOLLOW, position.range_id
    if position.continuation.isdecimal():
        measures.FEED_POSITION.set(float(position.continuation), *about)
    if position.moved_at is not None:
        measures.FEED_MOVED.set(max((now - position.moved_at).total_seconds(), 0.0), *about)


def tell_shadows(shadows: Shadows) -> None:
    """Bring the gauges of this process's own shadow reads up to date."""
    for gauge in (measures.SHADOW_COMPARED, measures.SHADOW_MISMATCHES):
        gauge.clear()
    for shape in shadows.status():
        measures.SHADOW_COMPARED.set(shape.compared, shape.collection, shape.shape)
        measures.SHADOW_MISMATCHES.set(shape.mismatches, shape.collection, shape.shape)
