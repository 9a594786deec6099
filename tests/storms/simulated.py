"""Both stores as a storm needs them, and what lies between them and the processes."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from random import Random
from typing import Any, NamedTuple

from mystira.polyglot.backfill import RUNNING
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import CONTROLS, Change, Control, State
from mystira.polyglot.journal import DeadLetter
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.store import Conflict, Record, Unavailable
from mystira.polyglot.stores.memory_queues import Waiting as Task
from mystira.polyglot.transition import FLIP
from tests.storms.bells import Bell
from tests.storms.history import History
from tests.storms.loop import StormLoop
from tests.storms.network import Network, Weather, caller
from tests.storms.plainstores import PlainDocuments, PlainRelational

FROZEN_S = 3.0
LONG_S = 1.2
SLEEPERS, SLEEPERS_IN_DRAIN = 0.02, 0.4
WOKEN_BY_THE_FLIP = 0.4
SLEEPERS_AT_A_CALL, SLEPT_THROUGH, NAP_S = 0.15, 0.25, 0.9
# One schedule of so many is drowsy: in it hardly a roll call finds everybody awake.
DROWSY, DROWSY_OF, SLEPT_IF_DROWSY = 3, 12, 0.9
DOZES, HIDDEN_S = 0.5, 0.6
URGED = 0.5
LAGS_IN_DRAIN, LAGS_AT_THE_FLIP, LAG_S = 0.15, 0.8, 1.5
LATE_S = 0.39


class Broken(AssertionError):
    """An invariant does not hold; each one that is named in the design has a class of its own."""


def broken(text: str) -> Broken:
    """Return the failure of the invariant that the text begins with, as in "I1: a lost op7"."""
    name = text.partition(":")[0]
    return type(name, (Broken,), {})(text)


def _is_any_due(tasks: dict[Any, Task[Any]], now: datetime | None) -> bool:
    return any(task.is_due(now) if now is not None else not task.parked for task in tasks.values())


def _is_any_to_retry(letters: dict[Any, DeadLetter], now: datetime | None) -> bool:
    # What is tried again for nothing has come to rest as well.
    return now is not None and any(
        letter.next_try_at is not None and letter.next_try_at <= now for letter in letters.values()
    )


def is_drowsy(seed: int) -> bool:
    """Tell whether this schedule is one of those in which processes sleep through roll calls."""
    return seed % DROWSY_OF == DROWSY


class Ways(NamedTuple):
    """The way to both stores."""

    documents: Network
    relational: Network


class Wires:
    """What lies between the processes and the stores, and who is cut off."""

    def __init__(self, loop: StormLoop, rate: float, clock: Callable[[], datetime]) -> None:
        self.loop = loop
        self._now = clock
        self.history = History()
        self.rate = rate
        self._ways: dict[bool, Ways] = {}
        self.documents = PlainDocuments(loop.time, self.history)
        self.documents.reads_are_current = False
        self.relational = PlainRelational(self.history)
        # Fair: nothing goes wrong any more. Calm: the walk through the phases is over as well.
        self.fair = False
        self.calm = False
        self.froze = False
        self._sleeping: list[asyncio.Future[None]] = []
        self.documents.on_committing = self._wake_sleepers
        self.relational.on_change = self._strike_at
        self._is_called = False
        self.urges: dict[str, Bell] = {}
        self.broken: list[str] = []
        self.relational.broken = self.documents.broken = self.broken
        self.down_until = {"docs": 0.0, "pg": 0.0}
        self.delay = Random(loop.seed * 7919 + 1).random
        self._sleeps_reading = loop.chance("sleeper.read", SLEEPERS).strikes
        self._sleeps_in_drain = loop.chance("sleeper.drain", SLEEPERS_IN_DRAIN).strikes
        self._sleeps = loop.chance("sleeper", SLEEPERS / 4).strikes
        self._sleeps_soon = loop.chance("sleeper.soon", SLEEPERS_AT_A_CALL).strikes
        slept_through = SLEPT_IF_DROWSY if is_drowsy(loop.seed) else SLEPT_THROUGH
        self._sleeps_through = loop.chance("roll call", slept_through).strikes
        self._lags = loop.chance("feed.drain", LAGS_IN_DRAIN).strikes
        self._lags_then = loop.chance("feed.flip", LAGS_AT_THE_FLIP).strikes
        self._urges = loop.chance("urge", URGED).strikes
        self._dozes = loop.chance("doze", DOZES).strikes
        self._hides = loop.chance("hidden flip", DOZES).strikes

    def to_documents(self, name: str) -> Any:
        """Return a process's way to the documents."""
        return self._way_of(name).documents

    def to_relational(self, name: str) -> Any:
        """Return a process's way to PostgreSQL."""
        return self._way_of(name).relational

    def _way_of(self, name: str) -> "Ways":
        # All that are no coordinators go the same way, whose every call is made once.
        is_coordinator = name.startswith("op")
        found = self._ways.get(is_coordinator)
        if found is None:
            to = partial(Network, self, is_coordinator=is_coordinator)
            found = self._ways[is_coordinator] = Ways(to("docs", self.documents), to("pg", self.relational))
            found.relational.__dict__["journal"] = found.relational
            found.relational.__dict__["digests"] = to("pg", self.relational.digests)
        return found

    def waiting(self, clock: Callable[[], datetime] | None) -> list[str]:
        """Return the names of the jobs that a carrier would find something to do for: now, or ever without a clock."""
        documents, relational = self.documents, self.relational
        relay, events, letters = relational.relay, relational._events, relational.letter_of
        found: list[str] = []
        changes, poison = documents.ahead_of(relational)
        if changes:
            found.append("changes")
        if poison:
            found.append("poison")
        # Most of the time nothing waits that could be due or not, and nobody needs to know how late it is.
        now = clock() if clock and (relay or events or letters or relational.drains) else None
        if relay and _is_any_due(relay, now):
            found.append("relay")
        if events and _is_any_due(events, now):
            found.append("events")
        if relational._backfills and any(job.state == RUNNING for job in relational._backfills.values()):
            found.append("fills")
        if letters and _is_any_to_retry(letters, now):
            found.append("letters")
        # While faults go on, what was left half done is found in vain looks only: its coordinator may live.
        is_looked_for = clock is None or self.fair
        if (relational.drains and now and relational.is_overdue(now)) or (is_looked_for and relational.is_half_done()):
            found.append("left")
        return found

    def drawn(self, met: Weather) -> str:
        """Draw what happens to a call that was struck."""
        return str(self.loop.choose(met.how, met.faults))

    def freeze(self, name: str, at_least_s: float = 0.3, and_s: float = FROZEN_S) -> None:
        """Pause a process for longer than its lease, perhaps."""
        if not self.fair:
            self.froze = True
            self.loop.freeze(name, at_least_s + self.delay() * and_s)

    def puts_to_sleep(self, call: str, collection: Collection[Any]) -> bool:
        """Draw whether a process is paused while its call is under way: most of all writers when a drain has begun."""
        control = self.relational.control_of.get(collection.name)
        if control is None or collection is CONTROLS:
            return False
        if call == "read":
            return control.leader is Leader.RELATIONAL and self._sleeps_reading()
        drains = control.state is State.DRAIN and control.leader is Leader.DOCUMENTS
        if self._is_called:
            # A drain follows, and finds this one silent.
            return self._sleeps_soon()
        return self._sleeps_in_drain() if drains else self._sleeps()

    async def sleeper(self, name: str, call: str, method: Any, args: Any) -> Any:
        """The lease was checked; now the process sleeps, its call arrives late, and both wake up together."""
        self.seen("slept", args[0], f"docs.{call}")
        asleep_s = LONG_S + self.delay() * FROZEN_S
        answer = self.loop.create_future()
        sleeping = self.loop.pause(asleep_s - 0.001)
        if self.delay() < WOKEN_BY_THE_FLIP:
            # By itself hardly anybody would ever arrive between the last look at both stores and the flip.
            self._sleeping.append(sleeping)

        async def arrive() -> None:
            await sleeping
            try:
                found = await method(*args)
            except (Conflict, Unavailable) as error:
                if not answer.done():
                    answer.set_exception(error)
            else:
                if not answer.done():
                    answer.set_result(found)
            self.loop.wake(name)

        self.loop.start("wire", arrive())
        self.froze = True
        self.loop.freeze(name, asleep_s)
        return await answer

    def _strike_at(self, verb: str, row: Control) -> None:
        """Let happen just now what does harm just now, and would hardly ever come at its moment by itself."""
        self._is_called = verb == "call the roster"
        if self.fair:
            return
        self._doze_off(row, verb)
        if verb in ("drain", FLIP):
            # Whoever writes at such a moment is whom the protocol is for.
            for urge in self.urges.values():
                if self._urges():
                    urge.ring()
        if self._is_called and self._sleeps_through():
            self.freeze("p0" if self.delay() < 0.5 else "p1", NAP_S, NAP_S)
        if row.state is State.DRAIN and row.leader is Leader.DOCUMENTS and self._lags():
            self.documents.let_the_feed_lag(self.loop.time() + self.delay() * LAG_S)

    def _doze_off(self, row: Control | None, verb: str) -> None:
        """Let a drowsy coordinator go on just when somebody else gives its transition up."""
        if self.fair or row is None or row.deadline is None or not is_drowsy(self.loop.seed):
            return
        left_s = (row.deadline - self._now()).total_seconds()
        if verb == "drain" and self._dozes():
            # Its own patience begins when it wakes, so it lasts longer than the deadline that others see.
            self.freeze(caller(), 0.3, 0.7)
        elif verb == "committing" and left_s > 0 and self._dozes():
            self.freeze(caller(), left_s, 0.5)

    def an_outage_hides(self, row: Control, _: Control, change: Change) -> bool:
        """Let a flip that is on its way arrive when others had to give it up without PostgreSQL; tell whether it does.

        Had its copy still drained, they would have opened it and written.
        """
        if self.fair or change.verb != FLIP or row.leader is not Leader.DOCUMENTS or row.deadline is None:
            return False
        left_s = (row.deadline - self._now()).total_seconds()
        if left_s <= 0 or not is_drowsy(self.loop.seed) or not self._hides():
            return False
        self.freeze(caller(), left_s + HIDDEN_S / 2, HIDDEN_S / 2)
        self.down_until["pg"] = self.loop.time() + left_s + HIDDEN_S
        return True

    def _wake_sleepers(self) -> None:
        self._doze_off(self.relational.control_of.get("Counters"), "committing")
        sleeping = [one for one in self._sleeping if not one.done()]
        for one in sleeping:
            one.set_result(None)
        self._sleeping.clear()
        if sleeping and not self.fair and self._lags_then():
            # Nobody hears of what they write before a relay comes by.
            self.documents.let_the_feed_lag(self.loop.time() + LAG_S * (0.5 + self.delay()))

    def watch_the_lease(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        """No lease, no write: once PostgreSQL leads, no app begins to write documents, however long it slept."""
        control = self.relational.control_of.get(collection.name)
        if (
            control is None
            or control.leader is Leader.DOCUMENTS
            or record.writer == "relay"
            or record.op.startswith("sentinel/")
        ):
            return
        if (base is None or base.op != record.op) and not record.op.startswith("adopt/"):
            self.broken.append(f"I4: {record.op} goes to the documents under {control.phase} {control.epoch}")

    def later(self, method: Any, args: Any) -> None:
        """Let a request arrive after its sender has given up on it, but within the longest request."""

        async def arrive() -> None:
            await asyncio.sleep(self.delay() * LATE_S)
            try:
                await method(*args)
            except (Conflict, Unavailable):
                return

        # The request is on the wire: it arrives even if its sender is killed.
        self.loop.start("wire", arrive())

    def seen(self, fault: str, collection: Any, call: str) -> None:
        """Count the cell of fault, phase and call."""
        self.loop.count(f"{fault} | {self.phase(collection)} | {call}")

    def phase(self, collection: Any) -> str:
        """Return the phase that a call happened in."""
        name = collection.name if isinstance(collection, Collection) and collection is not CONTROLS else "Counters"
        control: Control | None = self.relational.control_of.get(name)
        return control.phase if control else Phase.COSMOS_ONLY
