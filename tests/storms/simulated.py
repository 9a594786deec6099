"""Both stores as a storm needs them: behind a network that delays, loses, repeats and throttles."""

import asyncio
import types
from collections.abc import Callable, Generator
from datetime import datetime
from functools import cache, partial
from random import Random
from typing import Any, NamedTuple

from mystira.polyglot.backfill import RUNNING
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import CONTROLS, Change, Control, State
from mystira.polyglot.journal import DeadLetter
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.store import Conflict, OutcomeUnknown, Record, Throttled, Unavailable
from mystira.polyglot.stores.memory_queues import Waiting as Task
from mystira.polyglot.transition import FLIP
from tests.storms.bells import Bell
from tests.storms.history import History
from tests.storms.loop import StormLoop
from tests.storms.plainstores import PlainDocuments, PlainRelational
from tests.storms.processes import PROCESS

RANGES_MAX = 3
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
CONTROL_RATE = 0.03
COORDINATORS_SHARE = 0.15
LATE_S = 0.39
# Made seldom in two of the phases, and yet each fault has to meet it there.
RARE = {"pg.relay_claim": 4.0, "docs.feed": 2.0, "pg.settle": 2.0, "pg.claim_events": 2.0, "pg.lease_range": 2.0}
# Some calls take time to get there, most of these only long enough to let others go first.
AT_ONCE, TRAVELLERS, WAITERS = 0.1, 0.18, 0.3

READ_FAULTS = (*("unavailable", "throttled", "stale") * 3, "frozen")
WRITE_FAULTS = (*("unavailable", "lost", "applied", "late", "throttled") * 2, "frozen", "frozen after")
FEED_FAULTS = ("unavailable", "throttled", "split")
QUERY_FAULTS = (*("unavailable", "applied", "twice") * 5, "frozen", "frozen after")

DOCUMENT_CALLS = {
    "read": READ_FAULTS,
    "write": WRITE_FAULTS,
    "remove": WRITE_FAULTS,
    "feed": FEED_FAULTS,
    "feed_ranges": ("unavailable",),
    "latest": ("unavailable", "throttled"),
    "ping": ("unavailable",),
    "count": ("unavailable",),
    "search": ("unavailable",),
    "look": ("unavailable", "throttled"),
}
READING = {
    "feed",
    "feed_ranges",
    "read",
    "search",
    "count",
    "control",
    "controls",
    "acknowledged",
    "latest",
    "history",
    "ping",
    "recent",
    "shadow_reports",
    "unchecked_constraints",
    "positions",
    "standing",
    "relay_pending",
    "relay_waiting",
    "letters",
    "backfill",
    "pending",
    "kept",
    "fill",
    "fold",
    "nodes",
    "members",
    "look",
    "scan",
}


SENT_ONCE = {"relay_claim", "claim_events", "change", "write", "declare", "lease_range"}


class Broken(AssertionError):
    """An invariant does not hold; each one that is named in the design has a class of its own."""


def broken(text: str) -> Broken:
    """Return the failure of the invariant that the text begins with, as in "I1: a lost op7"."""
    name = text.partition(":")[0]
    return type(name, (Broken,), {})(text)


class Weather(NamedTuple):
    """What may go wrong with one kind of call, and how often."""

    label: str
    rate: float
    faults: tuple[str, ...]
    how: str


def weather(label: str, rate: float, faults: tuple[str, ...]) -> Weather:
    """Return what may happen to one kind of call to records."""
    # A coordinator makes a hundred calls for each flip: were each hit as often, it would never get there.
    rate *= COORDINATORS_SHARE if label.startswith("op.") else RARE.get(label, 1.0)
    # All calls of one rate share one chance, for a world has some sixty of them and lives for some milliseconds.
    shared = label if label in RARE else label.rpartition(".")[0]
    return Weather(shared, rate, faults, f"{shared}.how")


def weather_of_control(label: str, faults: tuple[str, ...]) -> Weather:
    """Return what may happen to one kind of call to what controls the phases: hit harder, and slept more."""
    label = f"{label}.control"
    faults = (*faults, *("frozen",) * 4, *("frozen after",) * (4 if ".read" not in label else 0))
    return Weather(label, CONTROL_RATE, faults, f"{label}.how")


class Kind(NamedTuple):
    """One kind of call: all about it that is the same in every world."""

    name: str
    weather: Weather
    weather_of_control: Weather | None
    waits: bool
    is_write: bool
    may_sleep: bool


@cache
def kind_of(side: str, name: str, is_coordinator: bool, rate: float) -> Kind:
    """Return the kind of a call. A coordinator's faults are drawn under labels of their own, and are fewer."""
    label = f"op.{side}.{name}" if is_coordinator else f"{side}.{name}"
    of_control: Weather | None = None
    may_sleep = False
    if side == "pg":
        is_change = name == "change"
        met = weather_of_control(label, QUERY_FAULTS) if is_change else weather(label, rate, QUERY_FAULTS)
    else:
        met = weather(label, rate, DOCUMENT_CALLS[name])
        if name in ("read", "write"):
            of_control = weather_of_control(f"docs.{name}", DOCUMENT_CALLS[name])
            # Writers oversleep their lease. A coordinator's sentinels would send it to sleep in most of its drains.
            may_sleep = not is_coordinator
    return Kind(name, met, of_control, name not in READING, side == "docs" and name == "write", may_sleep)


class Call:
    """One kind of call in one world: whom it reaches, and the chances of what may happen to it on its way."""

    __slots__ = ("chance", "chance_of_control", "kind", "method")

    def __init__(self, loop: StormLoop, kind: Kind, method: Any) -> None:
        self.kind = kind
        self.method = method
        self.chance = loop.chance(kind.weather.label, kind.weather.rate)
        of_control = kind.weather_of_control
        self.chance_of_control = loop.chance(of_control.label, of_control.rate) if of_control else self.chance


def _is_any_due(tasks: dict[Any, Task[Any]], now: datetime | None) -> bool:
    return any(task.is_due(now) if now is not None else not task.parked for task in tasks.values())


def _is_any_to_retry(letters: dict[Any, DeadLetter], now: datetime | None) -> bool:
    # What is tried again for nothing has come to rest as well.
    return now is not None and any(
        letter.next_try_at is not None and letter.next_try_at <= now for letter in letters.values()
    )


def caller() -> str:
    """Return the name of the process that is calling."""
    process = PROCESS.get(None)
    return process.name if process else ""


class Network:
    """The processes' way to one store. `calm` ends all faults; `down_until` is an outage for everybody."""

    def __init__(self, world: "Wires", side: str, store: Any, *, is_coordinator: bool) -> None:
        self._is_coordinator = is_coordinator
        self._world = world
        self._side = side
        self._store = store
        self._delay = world.delay
        # Every follower asks for it, and no store of a storm tells where nothing can be new.
        self.marks = None

    def __getattr__(self, name: str) -> Any:
        way = getattr(self._store, name)
        if callable(way):
            # One object a call, and no closure: a world has sixty of them, and lives for some milliseconds.
            kind = kind_of(self._side, name, self._is_coordinator, self._world.rate)
            ask = self._ask_documents if self._side == "docs" else self._ask_relational
            way = partial(ask, Call(self._world.loop, kind, way))
        # Looked up once; from then on the attribute is found without asking again.
        self.__dict__[name] = way
        return way

    async def _ask_documents(self, call: Call, *args: Any) -> Any:
        """Make one call to the documents. This and the next one are where a storm spends its time."""
        world, kind, delay = self._world, call.kind, self._delay
        if kind.is_write:
            world.watch_the_lease(*args)
        if (drawn := delay()) < TRAVELLERS:
            await (a_turn() if drawn < AT_ONCE else world.loop.pause(drawn * 0.05))
        if (until := world.down_until["docs"]) and world.loop.time() < until:
            raise Unavailable("the documents are down")
        if not world.fair:
            if kind.may_sleep and world.puts_to_sleep(kind.name, args[0]):
                return await world.sleeper(caller(), kind.name, call.method, args)
            of_control = kind.weather_of_control if args and args[0] is CONTROLS else None
            if (call.chance_of_control if of_control else call.chance).strikes():
                fault = world.drawn(of_control or kind.weather)
                world.seen(fault, args[0] if args else None, f"docs.{kind.name}")
                return await self._spoilt(fault, kind.name, call.method, args, {})
        answer = await call.method(*args)
        if kind.waits and delay() < WAITERS:
            await a_turn()
        return answer

    async def _ask_relational(self, call: Call, *args: Any, **kwargs: Any) -> Any:
        """Make one call to PostgreSQL."""
        world, kind, delay = self._world, call.kind, self._delay
        if (drawn := delay()) < TRAVELLERS:
            await (a_turn() if drawn < AT_ONCE else world.loop.pause(drawn * 0.05))
        if (until := world.down_until["pg"]) and world.loop.time() < until:
            raise Unavailable("PostgreSQL is down")
        if kind.name == "change" and world.an_outage_hides(*args[:3]):
            await a_turn()
        if not world.fair and call.chance.strikes():
            fault = possible(world.drawn(kind.weather), kind.name)
            world.seen(fault, args[0] if args else None, f"pg.{kind.name}")
            # These are sent in a transaction of their own, which no driver repeats by itself.
            fault = "applied" if fault == "twice" and kind.name in SENT_ONCE else fault
            return await self._spoilt(fault, kind.name, call.method, args, kwargs)
        answer = await call.method(*args, **kwargs)
        if kind.waits and delay() < WAITERS:
            await a_turn()
        return answer

    async def _spoilt(self, fault: str, name: str, method: Any, args: Any, kwargs: Any) -> Any:
        world = self._world
        answer: Any = None
        match fault:
            case "unavailable":
                raise Unavailable("the network refused")
            case "throttled":
                raise Throttled(0.02)
            case "stale":
                return await self._stale(method, args)
            case "frozen" | "frozen after":
                if fault == "frozen after":
                    answer = await method(*args, **kwargs)
                world.freeze(caller())
                await asyncio.sleep(0)
                return answer if fault == "frozen after" else await method(*args, **kwargs)
            case "split":
                if len(await self._store.feed_ranges(args[0])) < RANGES_MAX:
                    await self._store.split_range(args[0], args[1])
                return await method(*args, **kwargs)
            case "lost":
                raise OutcomeUnknown("the request was lost")
            case "applied":
                await method(*args, **kwargs)
                await asyncio.sleep(0)
                raise OutcomeUnknown("the answer was lost")
            case "twice":
                answer = await method(*args, **kwargs)
                await asyncio.sleep(0)
                try:
                    return await method(*args, **kwargs)
                except Conflict:
                    return answer
            case _:
                world.later(method, args)
                raise OutcomeUnknown("the request is late")

    async def _stale(self, method: Any, args: Any) -> Any:
        """A replica that lags: the version before, if there was one."""
        collection, key = args
        older = self._store.before.get((collection.name, key))
        return older[int(self._world.delay() * len(older))] if older else await method(*args)


def is_drowsy(seed: int) -> bool:
    """Tell whether this schedule is one of those in which processes sleep through roll calls."""
    return seed % DROWSY_OF == DROWSY


def possible(fault: str, call: str) -> str:
    """Return what can happen to a call instead: what only reads leaves nothing behind."""
    return "unavailable" if fault in ("applied", "twice", "frozen after") and call in READING else fault


@types.coroutine
def a_turn() -> Generator[None]:
    """Let others go first: `asyncio.sleep(0)` at half the price."""
    yield


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
        if (relational.drains and now and relational.is_overdue(now)) if clock else relational.is_half_done():
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
