"""Both stores as a storm needs them: the plain ones, behind a network that delays, loses, repeats and throttles."""

import asyncio
import types
from collections.abc import Awaitable, Callable, Generator, Sequence, ValuesView
from datetime import datetime
from random import Random
from typing import Any, NamedTuple

import msgspec

from mystira.polyglot.backfill import RUNNING
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import CONTROLS, Change, Control, State
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.positions import Move, Stream
from mystira.polyglot.roster import ROSTERS
from mystira.polyglot.spill import SPILLS
from mystira.polyglot.store import Conflict, FeedPage, Key, OutcomeUnknown, Record, Throttled, Unavailable
from mystira.polyglot.stores.documents import Meter
from mystira.polyglot.stores.memory import Document, MemoryDocuments
from mystira.polyglot.stores.memory_queues import MemoryQueues
from mystira.polyglot.stores.memory_queues import Waiting as Task
from mystira.polyglot.stores.memory_relational import MemoryRelational, Row
from mystira.polyglot.stores.ranges import HASHES, FeedRange, hash_of
from tests.storms.bells import Bell
from tests.storms.history import History
from tests.storms.loop import StormLoop

SIZE = 1_000
RANGES_MAX = 3
VERSIONS_KEPT = 5
FROZEN_S = 3.0
LONG_S = 1.2
SLEEPERS, SLEEPERS_IN_DRAIN = 0.02, 0.4
WOKEN_BY_THE_FLIP = 0.4
SLEEPERS_AT_A_CALL, SLEPT_THROUGH, NAP_S = 0.15, 0.25, 0.9
LAGS_IN_DRAIN, LAG_S = 0.15, 1.5
CONTROL_RATE = 0.03
COORDINATORS_SHARE = 0.15
LATE_S = 0.39
TRAVELLERS = 0.3

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
    "letters",
    "backfill",
    "pending",
    "kept",
    "fill",
    "fold",
    "nodes",
    "members",
}


SENT_ONCE = {"relay_claim", "claim_events", "change", "write", "declare", "lease_range"}


class Broken(AssertionError):
    """An invariant does not hold; each one that is named in the design has a class of its own."""


def broken(text: str) -> Broken:
    """Return the failure of the invariant that the text begins with, as in "I1: a lost op7"."""
    name = text.partition(":")[0]
    return type(name, (Broken,), {})(text)


class Weather:
    """What may go wrong with one kind of call, and how often. Who controls the phases is hit harder, and slept more."""

    def __init__(self, loop: StormLoop, label: str, rate: float, faults: tuple[str, ...], of_control: bool) -> None:
        if of_control:
            label, rate = f"{label}.control", CONTROL_RATE
            faults = (*faults, *("frozen",) * 4, *("frozen after",) * (4 if ".read" not in label else 0))
        self.strikes = loop.chance(label, rate).strikes
        self._loop = loop
        self._label = f"{label}.how"
        self._faults = faults

    def fault(self) -> str:
        """Draw what happens to a call that was struck."""
        return str(self._loop.choose(self._label, self._faults))


class Unmetered(Meter):
    """Counts nothing: request units are the contracts' affair."""

    def refuse_over_budget(self) -> None:
        """Refuse nothing."""

    def read(self, collection: Collection[Any], size: int) -> None:
        """Charge nothing."""

    write = read


class PlainDocuments(MemoryDocuments):
    """Documents without their JSON form, which other tests look after: a storm needs speed."""

    first_ranges = (FeedRange(0, HASHES),)
    followed = ("Counters", "Poisons")

    def __init__(self, clock: Callable[[], float], history: History) -> None:
        super().__init__(clock=clock)
        self._meter = Unmetered(clock)
        self.history = history
        self.before: dict[tuple[str, Key], list[Record]] = {}
        self.feed_shows, self.feed_lags_until = 0, 0.0
        self.on_committing: Callable[[], None] = lambda: None
        self._looked_at = (-1, -1)
        self._is_ahead: dict[str, bool] = {}

    def kept(self, collection: Collection[Any], record: Record) -> tuple[Any, int]:
        return record, SIZE

    def record(self, collection: Collection[Any], document: Document) -> Record:
        return msgspec.structs.replace(document.body, token=str(document.position))

    item = record

    def is_ahead_of(self, journal: "PlainRelational", name: str) -> bool:
        """Tell whether the feed holds what its follower has not read."""
        looked_at = (self._position, journal.moves)
        if self._looked_at != looked_at:
            self._looked_at = looked_at
            self._is_ahead = {name: self._unread(name, journal) for name in self.followed}
        return self._is_ahead[name]

    def _unread(self, name: str, journal: MemoryQueues) -> bool:
        container = self._containers.get(name)
        for feed_range in container.ranges if container else ():
            position = journal.position_of.get((name, Stream.FOLLOW, feed_range.id))
            through = int(position.continuation or 0) if position else 0
            for key, document in container.documents.items() if container else ():
                if document.position > through and feed_range.holds(hash_of(key.partition)):
                    return True
        return False

    def let_the_feed_lag(self, until: float) -> None:
        """Show nothing in the feed for a while that is not there now; reads know better."""
        self.feed_shows, self.feed_lags_until = self._position, until

    async def feed(self, collection: Collection[Any], range_id: str, continuation: str, limit: int) -> FeedPage:
        page = await super().feed(collection, range_id, continuation, limit)
        if self._clock() >= self.feed_lags_until or not page.items or page.items[-1].position <= self.feed_shows:
            return page
        seen = [item for item in page.items if item.position <= self.feed_shows]
        return FeedPage(seen, str(seen[-1].position) if seen else continuation, has_more=False, charge=page.charge)

    async def write(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        await super().write(collection, record, base)
        if isinstance(record.entity, Control) and record.entity.state is State.COMMITTING:
            self.on_committing()
        if collection not in (CONTROLS, ROSTERS, SPILLS):
            self.history.add(collection.name, record, base, "docs")
        if base is not None:
            older = self.before.setdefault((collection.name, record.key), [])
            older.append(base)
            del older[:-VERSIONS_KEPT]


class Waiting(NamedTuple):
    """Where something waits to be carried on."""

    changes: bool
    poison: bool
    relay: bool
    events: bool
    fills: bool
    letters: bool


class PlainRelational(MemoryRelational):
    """The relational side, watched: stored stamps never decrease."""

    def __init__(self, history: History) -> None:
        super().__init__(checks=False)
        self.versions = history
        self.told_ids: set[str] = set()
        self.moves = 0
        self.bells: dict[str, Bell] = {}
        self.on_change: Callable[[str, Control], None] = lambda verb, row: None

    async def change(self, before: Control, after: Control, change: Change, *, drained: bool = False) -> None:
        await super().change(before, after, change, drained=drained)
        self.on_change(change.verb, after)
        if self.drains():
            for bell in self.bells.values():
                bell.ring()

    def drains(self) -> bool:
        """Tell whether writers are to stand down anywhere."""
        return any(control.state is State.DRAIN for control in self.control_of.values())

    def tell(self, name: str, key: Key, events: Any) -> None:
        for event in events:
            if event.event_id in self.told_ids and event.event_id not in self._events:
                self.broken.append(f"I18: fact {event.seq} of {key} was published and settled, and is told again")
            self.told_ids.add(event.event_id)
        super().tell(name, key, events)

    broken: list[str]

    def move(self, name: str, move: Move, now: datetime) -> None:
        super().move(name, move, now)
        self.moves += 1

    async def split_range(self, name: str, stream: Stream, range_id: str, successors: Sequence[str]) -> None:
        await super().split_range(name, stream, range_id, successors)
        self.moves += 1

    def put(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        super().put(collection, record, base)
        self.versions.add(collection.name, record, base, "pg")

    def _apply(self, collection: Collection[Any], record: Record, now: Any, done: Any) -> None:
        before: Row | None = self._rows(collection).get(record.key)
        if before is not None and before.record.stamp >= record.stamp:
            self.broken.append(f"I3: {record.key} goes from {before.record.stamp} to {record.stamp}")
        super()._apply(collection, record, now, done)


def _any_due(tasks: ValuesView[Task[Any]], now: datetime | None) -> bool:
    # Mostly there is none.
    return bool(tasks) and any(not task.parked if now is None else task.is_due(now) for task in tasks)


class Network:
    """One process's way to one store. `calm` ends all faults; `down_until` is an outage for everybody."""

    def __init__(self, world: "Wires", side: str, store: Any, name: str) -> None:
        self._name = name
        self._is_coordinator = name.startswith("op")
        self._world = world
        self._side = side
        self._store = store

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not callable(method):
            return method
        # Looked up once; from then on the attribute is found without asking again.
        way = self._way(name, method) if self._side == "docs" else self._relational_way(name, method)
        self.__dict__[name] = way
        return way

    def _named(self, call: str) -> str:
        """Return under which label a call's faults are drawn; a coordinator's are its own, and fewer."""
        return f"op.{self._side}.{call}" if self._is_coordinator else f"{self._side}.{call}"

    def _way(self, name: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Return the way of one call to the documents. This is where a storm spends its time."""
        world, side, delay = self._world, self._side, self._world.delay
        now, down_until, travel = world.loop.time, world.down_until, world.travel
        weather = of_control = world.weather(self._named(name), DOCUMENT_CALLS[name])
        if name in ("read", "write"):
            of_control = world.weather(f"docs.{name}", DOCUMENT_CALLS[name], of_control=True)
        is_write, waits = name == "write", name not in READING
        # Writers oversleep their lease. A coordinator's sentinels would send it to sleep in most of its drains.
        may_sleep = name in ("read", "write") and not self._is_coordinator

        async def way(*args: Any) -> Any:
            if is_write:
                world.watch_the_lease(*args)
            if (drawn := delay()) < TRAVELLERS:
                await travel(drawn)
            if now() < down_until[side]:
                raise Unavailable("the documents are down")
            if not world.fair:
                if may_sleep and world.puts_to_sleep(name, args[0]):
                    return await world.sleeper(self._name, name, method, args)
                met = of_control if args and args[0] is CONTROLS else weather
                if met.strikes():
                    fault = met.fault()
                    world.seen(fault, args[0] if args else None, f"docs.{name}")
                    return await self._spoilt(fault, name, method, args, {})
            answer = await method(*args)
            if waits and delay() < 0.5:
                await a_turn()
            return answer

        return way

    def _relational_way(self, name: str, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        """Return the way of one call to PostgreSQL."""
        world, side, delay = self._world, self._side, self._world.delay
        now, down_until, travel = world.loop.time, world.down_until, world.travel
        met = world.weather(self._named(name), QUERY_FAULTS, of_control=name == "change")
        waits = name not in READING

        async def way(*args: Any, **kwargs: Any) -> Any:
            if (drawn := delay()) < TRAVELLERS:
                await travel(drawn)
            if now() < down_until[side]:
                raise Unavailable("PostgreSQL is down")
            if not world.fair and met.strikes():
                fault = possible(met.fault(), name)
                world.seen(fault, args[0] if args else None, f"pg.{name}")
                # These are sent in a transaction of their own, which no driver repeats by itself.
                fault = "applied" if fault == "twice" and name in SENT_ONCE else fault
                return await self._spoilt(fault, name, method, args, kwargs)
            answer = await method(*args, **kwargs)
            if waits and delay() < 0.5:
                await a_turn()
            return answer

        return way

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
                world.freeze(self._name)
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


def possible(fault: str, call: str) -> str:
    """Return what can happen to a call instead: what only reads leaves nothing behind."""
    return "unavailable" if fault in ("applied", "twice", "frozen after") and call in READING else fault


@types.coroutine
def a_turn() -> Generator[None]:
    """Let others go first: `asyncio.sleep(0)` at half the price."""
    yield


class Wires:
    """What lies between the processes and the stores, and who is cut off."""

    def __init__(self, loop: StormLoop, rate: float) -> None:
        self.loop = loop
        self.history = History()
        self._rate = rate
        # One for each name: the lives of a process go the same way.
        self._networks: dict[tuple[str, str], Network] = {}
        self._weather: dict[tuple[str, bool], Weather] = {}
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
        self.broken: list[str] = []
        self.relational.broken = self.broken
        self.down_until = {"docs": 0.0, "pg": 0.0}
        self.delay = Random(loop.seed * 7919 + 1).random
        self._sleeps_reading = loop.chance("sleeper.read", SLEEPERS).strikes
        self._sleeps_in_drain = loop.chance("sleeper.drain", SLEEPERS_IN_DRAIN).strikes
        self._sleeps = loop.chance("sleeper", SLEEPERS / 4).strikes
        self._sleeps_soon = loop.chance("sleeper.soon", SLEEPERS_AT_A_CALL).strikes
        self._sleeps_through = loop.chance("roll call", SLEPT_THROUGH).strikes
        self._lags = loop.chance("feed.drain", LAGS_IN_DRAIN).strikes

    def to_documents(self, name: str) -> Any:
        return self._networks.setdefault(("docs", name), Network(self, "docs", self.documents, name))

    def to_relational(self, name: str) -> Any:
        network = self._networks.setdefault(("pg", name), Network(self, "pg", self.relational, name))
        network.__dict__["journal"] = network
        network.__dict__["digests"] = Network(self, "pg", self.relational.digests, name)
        return network

    def waiting(self, now: datetime | None) -> "Waiting":
        """Return where a carrier would find something to do: now, or ever if no time is given."""
        relational = self.relational
        return Waiting(
            changes=self.documents.is_ahead_of(relational, "Counters"),
            poison=self.documents.is_ahead_of(relational, "Poisons"),
            relay=_any_due(relational.relay.values(), now),
            events=_any_due(relational._events.values(), now),
            fills=any(job.state == RUNNING for job in relational._backfills.values()),
            # What is tried again for nothing has come to rest as well.
            letters=now is not None
            and any(
                letter.next_try_at is not None and letter.next_try_at <= now for letter in relational.letter_of.values()
            ),
        )

    def weather(self, label: str, faults: tuple[str, ...], *, of_control: bool = False) -> Weather:
        """Return what may happen to one kind of call: to records, or to what controls the phases."""
        found = self._weather.get((label, of_control))
        if found is None:
            # A coordinator makes a hundred calls for each flip: were each hit as often, it would never get there.
            rate = self._rate * COORDINATORS_SHARE if label.startswith("op.") else self._rate
            found = self._weather[label, of_control] = Weather(self.loop, label, rate, faults, of_control)
        return found

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
        if self._is_called and self._sleeps_through():
            self.freeze("p0" if self.delay() < 0.5 else "p1", NAP_S, NAP_S)
        if row.state is State.DRAIN and row.leader is Leader.DOCUMENTS and self._lags():
            self.documents.let_the_feed_lag(self.loop.time() + self.delay() * LAG_S)

    def _wake_sleepers(self) -> None:
        for sleeping in self._sleeping:
            if not sleeping.done():
                sleeping.set_result(None)
        self._sleeping.clear()

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

    async def travel(self, drawn: float) -> None:
        """Take some time to get there."""
        if drawn < 0.2:
            await a_turn()
        else:
            await self.loop.pause(drawn * 0.03)

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
