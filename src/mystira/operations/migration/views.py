"""The board: where each collection stands, how far its copy is behind, and what may be asked for next."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import msgspec

from mystira.operations.migration.model import LagHistory
from mystira.polyglot.backfill import DONE, PAUSED, Progress, progress
from mystira.polyglot.certificate import Gate
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control, State, first_control
from mystira.polyglot.gates import Limits, look_at_gates
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.replication import Replication
from mystira.polyglot.reports import Report
from mystira.polyglot.store import StoreError
from mystira.polyglot.syncqueue import LettersOf, SyncQueue, letters_of, sync_queue
from mystira.polyglot.work import Work

SHADOWED = timedelta(hours=24)
GATES_EVERY = timedelta(seconds=10)
LIMITS = Limits()
Beside = tuple[object, ...]
LEADERS = {Leader.DOCUMENTS: "documents", Leader.RELATIONAL: "PostgreSQL"}
ACROSS = {
    Phase.DUAL_WRITE_COSMOS_READ: Phase.DUAL_WRITE_POSTGRES_READ,
    Phase.DUAL_WRITE_POSTGRES_READ: Phase.DUAL_WRITE_COSMOS_READ,
}
"""Where a change of leader leads from here, and so which gates it is about."""


class GatesSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What the gates of the next change of leader said at a moment."""

    target: Phase
    at: datetime
    gates: tuple[Gate, ...]

    @property
    def closed(self) -> tuple[Gate, ...]:
        """Those that would refuse it."""
        return tuple(gate for gate in self.gates if not gate.passed)


class CollectionStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Where one collection stands. `retrying` and `dead` count letters and relay tasks.

    `trouble` says what could not be found out. `gates` are those of the next change of leader, where they were looked
    at. `verbs` are those that fit its phase now.
    """

    collection: str
    phase: Phase
    state: State
    target: Phase | None
    leader: str
    follower: str
    epoch: int
    changes: int = 0
    at_least: bool = False
    seconds: float = 0.0
    retrying: int = 0
    dead: int = 0
    filling: Progress | None = None
    verification: Report | None = None
    shadow: float = 0.0
    compared: int = 0
    mismatches: int = 0
    trouble: str = ""
    gates: GatesSeen | None = None
    verbs: tuple[str, ...] = ()

    @property
    def beside(self) -> Beside:
        """Everything shown here that a gate speaks of, too."""
        run = self.verification
        return (
            self.phase,
            self.state,
            self.follower,
            self.is_lagging,
            bool(self.retrying + self.dead),
            (run.id, run.differences) if run is not None else None,
            (self.shadow, self.compared, self.mismatches),
        )

    @property
    def is_lagging(self) -> bool:
        """Whether its copy is further behind than the gates allow."""
        return self.changes > LIMITS.changes_behind or self.seconds > LIMITS.seconds_behind

    @property
    def mood(self) -> str:
        """What stands out: failed, draining, diverged, lagging, filling, or nothing but health."""
        differs = self.verification is not None and self.verification.differences
        for word, holds in (
            ("unknown", self.trouble),
            ("draining", self.state is not State.OPEN),
            ("failed", self.dead),
            ("diverged", differs or self.mismatches),
            ("lagging", self.is_lagging),
            ("filling", self.filling is not None and self.filling.state != DONE),
        ):
            if holds:
                return word
        return "healthy" if self.follower == "kept" else "alone"


class Gatekeeper:
    """Remembers what the gates said: looking costs request units, and live pages show them every other second.

    What is remembered is shown only beside what was true then, so that a page never contradicts itself.
    """

    def __init__(self, r: Replication) -> None:
        self._r = r
        self._seen: dict[str, tuple[Beside, GatesSeen]] = {}
        self._looking = asyncio.Lock()

    def known(self, one: CollectionStatus) -> GatesSeen | None:
        """Return what is remembered; None where nothing is, where other things are shown beside it by now, or where
        the next step changes no leader."""
        beside, seen = self._seen.get(one.collection, (None, None))
        return seen if beside == one.beside and one.phase in ACROSS else None

    async def look(self, collection: Collection[Any], one: CollectionStatus) -> GatesSeen | None:
        """Return what they say, once for everybody who looks; asked anew where that was some seconds ago, or where
        what is shown beside it has changed."""
        target = ACROSS.get(one.phase)
        if target is None:
            return None
        async with self._looking:
            seen, now = self.known(one), self._r.clock()
            if seen is None or now - seen.at >= GATES_EVERY:
                seen = GatesSeen(target=target, at=now, gates=await look_at_gates(self._r, collection, target))
                self._seen[collection.name] = (one.beside, seen)
        return seen


class StoreHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a store answers; `says` is empty while it does."""

    name: str
    says: str


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that operators watch, in the order of the catalogue."""

    stores: tuple[StoreHealth, ...]
    collections: tuple[CollectionStatus, ...]


async def board(r: Replication, keeper: Gatekeeper, *, look: bool) -> Board:
    """Look at every collection. Where a store does not answer, that itself is what there is to see.

    The gates are looked at only if `look` says so: whoever waits for a page is shown what is remembered of them.
    """
    stores = (await _health("documents", r.documents), await _health("PostgreSQL", r.relational))
    rows = {row.id: row for row in await r.journal.controls()}
    tally = await r.journal.letters_tally()
    found: list[CollectionStatus] = []
    for collection in r.catalog:
        row = rows.get(collection.name) or first_control(collection)
        one = await _status(r, collection, row, letters_of(tally, collection.name))
        gates = await keeper.look(collection, one) if look and not one.trouble else keeper.known(one)
        found.append(msgspec.structs.replace(one, gates=gates))
    return Board(stores=stores, collections=tuple(found))


async def status_of(r: Replication, keeper: Gatekeeper, collection: Collection[Any]) -> CollectionStatus:
    """Look at one collection and its gates."""
    row = await r.journal.control(collection.name) or first_control(collection)
    one = await _status(r, collection, row, letters_of(await r.journal.letters_tally(), collection.name))
    return msgspec.structs.replace(one, gates=await keeper.look(collection, one))


async def last_hour(work: Work, name: str) -> LagHistory:
    """Return the samples of a collection's last hour."""
    return await work.get(LagHistory, name) or LagHistory(id=name)


async def _health(name: str, store: Any) -> StoreHealth:
    try:
        await store.ping()
    except StoreError as error:
        return StoreHealth(name=name, says=f"cannot be reached: {error}")
    return StoreHealth(name=name, says="")


async def _status(r: Replication, collection: Collection[Any], row: Control, letters: LettersOf) -> CollectionStatus:
    name = collection.name
    trouble, queue, filling = "", SyncQueue(collection=name, leader=row.leader), None
    job = await r.journal.backfill(name)
    try:
        if row.copying:
            queue = await sync_queue(r, collection)
        filling = await progress(r, collection) if job is not None and row.phase is Phase.COSMOS_ONLY else None
    except StoreError as error:
        trouble = str(error)
    runs = await r.relational.reports.recent(name, 3) if row.copying else ()
    told = await r.journal.shadow_reports(name, r.clock() - SHADOWED) if row.shadow else ()
    return CollectionStatus(
        collection=name,
        phase=row.phase,
        state=row.state,
        target=row.target,
        leader=LEADERS[row.leader],
        follower="kept" if row.has_whole_copy else "being filled" if row.copying else "none",
        epoch=row.epoch,
        changes=queue.changes_behind + queue.relay_waiting,
        at_least=any(lag.at_least for lag in queue.ranges),
        seconds=queue.seconds_behind if queue.changes_behind else 0.0,
        retrying=letters.retrying + queue.relay_retrying,
        dead=letters.parked + queue.relay_parked,
        filling=filling,
        verification=next((run for run in runs if run.finished_at is not None), None),
        shadow=row.shadow,
        compared=sum(one.compared for one in told),
        mismatches=sum(one.mismatches for one in told),
        trouble=trouble,
        verbs=_verbs(row, filling),
    )


def _verbs(row: Control, filling: Progress | None) -> tuple[str, ...]:
    """Return what fits the phase that a collection is in."""
    if row.state is not State.OPEN:
        return ("abort",)
    match row.phase:
        case Phase.COSMOS_ONLY:
            running = filling is not None and row.copying and filling.state != DONE
            steer = ("resume" if filling and filling.state == PAUSED else "pause", "throttle") if running else ()
            return (*steer, *(() if running else ("start",)), *(("verify", "scrub") if row.complete else ()))
        case Phase.DUAL_WRITE_COSMOS_READ:
            return ("verify", "scrub", "shadow", "cutover", "stop")
        case Phase.DUAL_WRITE_POSTGRES_READ:
            return ("verify", "scrub", "shadow", "rollback", "finish")
        case Phase.POSTGRES_ONLY:
            return ("reopen",)
