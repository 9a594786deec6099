"""Looks at what waits between the stores now and then, and keeps it as gauges; who scrapes costs the stores nothing."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from mystira.polyglot import measures
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control, State, first_control
from mystira.polyglot.differences import DifferenceClass
from mystira.polyglot.journal import LetterGroup, Pending
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.positions import RangePosition, Stream
from mystira.polyglot.replication import Replication
from mystira.polyglot.shadow import Shadows
from mystira.polyglot.store import Store, StoreError
from mystira.polyglot.syncqueue import LettersOf, letters_of
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


class Reading(NamedTuple):
    """What waited for one collection's follower when it was last looked at; who needs it need not look again."""

    at: datetime
    changes: int
    seconds: float
    retrying: int
    dead: int


class Sampler:
    """Keeps the gauges of one process. It remembers when each range was last seen without anything waiting.

    `readings` has the last one of every collection whose copy is kept or filled.
    """

    def __init__(self, r: Replication) -> None:
        self.readings: dict[str, Reading] = {}
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
            tally = await r.journal.letters_tally()
            _tell_letters(tally)
            for collection in r.catalog:
                control = controls.get(collection.name) or first_control(collection)
                _tell_control(control, r.clock())
                await self._tell_runs(collection)
                if documents_are_up:
                    await self._tell_lag(collection, control, letters_of(tally, collection.name))
        measures.SAMPLED.set(r.clock().timestamp())
        return 0

    async def _tell_lag(self, collection: Collection[Any], control: Control, letters: LettersOf) -> None:
        name, relay = collection.name, NOTHING
        if control.phase is not Phase.POSTGRES_ONLY or control.copying:
            relay = await self._r.journal.relay_pending(name)
        behind = await self.behind(collection, control, relay)
        measures.LAG.set(behind.seconds, name)
        measures.PENDING.set(behind.changes, name)
        retrying, dead = letters.retrying + relay.retrying, letters.parked + relay.parked
        measures.RETRIES.set(retrying, name)
        self.readings.pop(name, None)
        if control.copying:
            self.readings[name] = Reading(self._r.clock(), behind.changes, behind.seconds, retrying, dead)

    async def behind(self, collection: Collection[Any], control: Control, relay: Pending) -> Behind:
        """Tell how far the follower is behind its leader."""
        now = self._r.clock()
        if control.leader is Leader.RELATIONAL:
            waited_s = (now - relay.oldest_at).total_seconds() if relay.oldest_at else 0.0
            return Behind(relay.waiting, max(waited_s, 0.0))
        stands = {one.range_id: one for one in await self._r.journal.positions(collection.name, Stream.FOLLOW)}
        changes, seconds = 0, 0.0
        for range_id in await self._r.documents.feed_ranges(collection):
            position = stands.get(range_id, NEVER)
            page = await self._r.documents.feed(collection, range_id, position.continuation, LOOK_AHEAD)
            changes += len(page.items)
            seconds = max(seconds, self._waited_s(collection.name, range_id, position, now, is_level=not page.items))
        return Behind(changes, seconds)

    def _waited_s(self, name: str, range_id: str, position: RangePosition, now: datetime, *, is_level: bool) -> float:
        """Return since when a range has been behind: not before its position moved, nor before it was seen level."""
        at = (name, range_id)
        if position.continuation:
            _tell_position(name, position, now)
        if is_level:
            self._level_at[at] = now
            return 0.0
        level_at = self._level_at.setdefault(at, now)
        since = max(level_at, position.moved_at) if position.moved_at else level_at
        return max((now - since).total_seconds(), 0.0)

    async def _tell_runs(self, collection: Collection[Any]) -> None:
        r, name = self._r, collection.name
        finished = [one for one in await r.relational.reports.recent(name, RUNS_LOOKED_AT) if one.finished_at]
        for report in finished[:1]:
            assert report.finished_at is not None
            measures.VERIFIED.set((r.clock() - report.finished_at).total_seconds(), name)
            for kind in DifferenceClass:
                measures.MISMATCHES.set(report.counts.get(kind, 0), name, kind)
        flips = await r.journal.history(name, 1, FLIP)
        if flips and "held_s" in flips[0].details:
            measures.HOLD.set(float(flips[0].details["held_s"]), name)


async def _is_up(name: str, store: Store) -> bool:
    try:
        await store.ping()
    except StoreError:
        measures.STORE_UP.set(0, name)
        return False
    measures.STORE_UP.set(1, name)
    return True


def _tell_letters(tally: Mapping[LetterGroup, int]) -> None:
    measures.DEAD_LETTERS.clear()
    for group, count in tally.items():
        if group.parked:
            measures.DEAD_LETTERS.set(count, group.collection, group.kind)


def _tell_outbox(pending: Pending, now: datetime) -> None:
    measures.OUTBOX.set(pending.waiting, "waiting")
    measures.OUTBOX.set(pending.retrying, "retrying")
    measures.OUTBOX.set(pending.parked, "parked")
    waited_s = (now - pending.oldest_at).total_seconds() if pending.oldest_at else 0.0
    measures.OUTBOX_AGE.set(max(waited_s, 0.0))


def _tell_control(control: Control, now: datetime) -> None:
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
