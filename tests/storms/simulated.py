"""Both stores as a storm needs them: the plain ones, behind a network that delays, loses, repeats and throttles."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, NamedTuple

import msgspec

from mystira.polyglot.collection import Collection
from mystira.polyglot.control import CONTROLS, Control, State
from mystira.polyglot.entity import Stamp
from mystira.polyglot.loops import Wake
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.roster import ROSTERS
from mystira.polyglot.spill import SPILLS
from mystira.polyglot.store import Conflict, FeedPage, Key, OutcomeUnknown, Record, Throttled, Unavailable
from mystira.polyglot.stores.memory import Document, MemoryDocuments
from mystira.polyglot.stores.memory_relational import MemoryRelational, Row
from mystira.polyglot.stores.ranges import HASHES, FeedRange
from tests.storms.loop import StormLoop

SIZE = 1_000
RANGES_MAX = 3
VERSIONS_KEPT = 5
FROZEN_S = 3.0
LONG_S = 1.2
SLEEPERS, SLEEPERS_IN_DRAIN = 0.02, 0.4
CONTROL_RATE = 0.03
LATE_S = 0.39

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


class Broken(AssertionError):
    """An invariant does not hold; each one that is named in the design has a class of its own."""


def broken(text: str) -> Broken:
    """Return the failure of the invariant that the text begins with, as in "I1: a lost op7"."""
    name = text.partition(":")[0]
    return type(name, (Broken,), {})(text)


class Node:
    """One write in the history of a key."""

    __slots__ = ("op", "parent")

    def __init__(self, op: str, parent: "Node | None") -> None:
        self.op = op
        self.parent = parent


class History:
    """What was ever written: each version with the one it was made from, wherever that happened."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, Key, Stamp, str], Node] = {}
        self.body_of: dict[tuple[str, Key, Stamp], str] = {}
        self.split_bodies: set[tuple[str, Key, Stamp]] = set()
        self.side_of: dict[tuple[str, int], str] = {}
        self.two_leaders: set[tuple[str, int]] = set()

    def add(self, name: str, record: Record, base: Record | None, side: str) -> None:
        """Remember a version; relayed and pruned ones are known already, adopted ones follow their base."""
        at = (name, record.key, record.stamp, record.op)
        if at in self._nodes:
            return
        epoch = (name, record.stamp.epoch)
        if self.side_of.setdefault(epoch, side) != side:
            self.two_leaders.add(epoch)
        parent = self._nodes.get((name, record.key, base.stamp, base.op)) if base else None
        self._nodes[at] = Node(record.op, parent)
        version = at[:3]
        if self.body_of.setdefault(version, record.op) != record.op:
            self.split_bodies.add(version)

    def ops(self, name: str, record: Record | None) -> list[str]:
        """Return every op that led to this version."""
        found: list[str] = []
        node = self._nodes.get((name, record.key, record.stamp, record.op)) if record else None
        while node is not None:
            found.append(node.op)
            node = node.parent
        return found


class Weather(NamedTuple):
    """What may go wrong, and how often."""

    loop: StormLoop
    history: History
    rate: float

    def fault(self, side: str, call: str, faults: tuple[str, ...], of_control: bool) -> str:
        """Draw what happens to one call; "" is nothing. Who controls the phases is hit harder, and slept more."""
        label = f"{side}.{call}.control" if of_control else f"{side}.{call}"
        if not self.loop.choose(label, CONTROL_RATE if of_control else self.rate):
            return ""
        if of_control:
            faults = (*faults, *("frozen",) * 4, *("frozen after",) * (4 if call != "read" else 0))
        return str(self.loop.choose(f"{label}.how", faults))


class PlainDocuments(MemoryDocuments):
    """Documents without their JSON form, which other tests look after: a storm needs speed."""

    def __init__(self, clock: Callable[[], float], history: History) -> None:
        super().__init__(clock=clock)
        self.history = history
        self.before: dict[tuple[str, Key], list[Record]] = {}
        self.feed_shows, self.feed_lags_until = 0, 0.0

    def _container(self, collection: Collection[Any]) -> Any:
        found = self._containers.get(collection.container)
        if found is None:
            found = super()._container(collection)
            found.ranges = [FeedRange(0, HASHES)]
        return found

    def kept(self, collection: Collection[Any], record: Record) -> tuple[Any, int]:
        return record, SIZE

    def record(self, collection: Collection[Any], document: Document) -> Record:
        return msgspec.structs.replace(document.body, token=str(document.position))

    item = record

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
        if collection not in (CONTROLS, ROSTERS, SPILLS):
            self.history.add(collection.name, record, base, "docs")
        if base is not None:
            older = self.before.setdefault((collection.name, record.key), [])
            older.append(base)
            del older[:-VERSIONS_KEPT]


class PlainRelational(MemoryRelational):
    """The relational side, watched: stored stamps never decrease."""

    def __init__(self, history: History) -> None:
        super().__init__(checks=False)
        self.versions = history
        self.told_ids: set[str] = set()
        self.moved = Wake()

    async def change(self, *args: Any, **kwargs: Any) -> None:
        await super().change(*args, **kwargs)
        self.moved.ring()

    def tell(self, name: str, key: Key, events: Any) -> None:
        for event in events:
            if event.event_id in self.told_ids and event.event_id not in self._events:
                self.broken.append(f"I18: fact {event.seq} of {key} was published and settled, and is told again")
            self.told_ids.add(event.event_id)
        super().tell(name, key, events)

    broken: list[str]

    def put(self, collection: Collection[Any], record: Record, base: Record | None) -> None:
        super().put(collection, record, base)
        self.versions.add(collection.name, record, base, "pg")

    def _apply(self, collection: Collection[Any], record: Record, now: Any, done: Any) -> None:
        before: Row | None = self._rows(collection).get(record.key)
        if before is not None and before.record.stamp >= record.stamp:
            self.broken.append(f"I3: {record.key} goes from {before.record.stamp} to {record.stamp}")
        super()._apply(collection, record, now, done)


class Network:
    """One process's way to one store. `calm` ends all faults; `down_until` is an outage for everybody."""

    def __init__(self, world: "Wires", side: str, store: Any, name: str) -> None:
        self._name = name
        self._world = world
        self._side = side
        self._store = store

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        if not callable(method):
            return method
        call = self._documents_call if self._side == "docs" else self._relational_call

        async def through(*args: Any, **kwargs: Any) -> Any:
            return await call(name, method, args, kwargs)

        # Looked up once; from then on the attribute is found without asking again.
        self.__dict__[name] = through
        return through

    async def _documents_call(self, name: str, method: Callable[..., Awaitable[Any]], args: Any, kwargs: Any) -> Any:
        world = self._world
        if name == "write":
            world.watch_the_lease(*args)
        await world.travel(self._side)
        if not world.fair and name in ("read", "write") and world.puts_to_sleep(self._name, name, args[0]):
            return await world.sleeper(self._name, name, method, args)
        of_control = bool(args) and args[0] is CONTROLS
        fault = "" if world.fair else world.weather.fault(self._side, name, DOCUMENT_CALLS[name], of_control)
        if not fault:
            answer = await method(*args, **kwargs)
            if name not in READING and world.delay() < 0.5:
                await asyncio.sleep(0)
            return answer
        world.seen(fault, args[0] if args else None, f"{self._side}.{name}")
        return await self._spoilt(fault, name, method, args, kwargs)

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

    async def _relational_call(self, name: str, method: Callable[..., Awaitable[Any]], args: Any, kwargs: Any) -> Any:
        world = self._world
        await world.travel(self._side)
        fault = "" if world.fair else world.weather.fault(self._side, name, QUERY_FAULTS, name == "change")
        if not fault:
            answer = await method(*args, **kwargs)
            if name not in READING and world.delay() < 0.5:
                await asyncio.sleep(0)
            return answer
        collection = args[0] if args and isinstance(args[0], Collection) else None
        if fault in ("applied", "twice", "frozen after") and name in READING:
            fault = "unavailable"
        world.seen(fault, collection, f"{self._side}.{name}")
        if fault == "twice" and name in ("relay_claim", "claim_events", "change", "write", "declare", "lease_range"):
            # These are sent in a transaction of their own, which no driver repeats by itself.
            fault = "applied"
        return await self._spoilt(fault, name, method, args, kwargs)


class Wires:
    """What lies between the processes and the stores, and who is cut off."""

    def __init__(self, loop: StormLoop, rate: float) -> None:
        self.loop = loop
        self.history = History()
        self.weather = Weather(loop, self.history, rate)
        self.documents = PlainDocuments(loop.time, self.history)
        self.documents.reads_are_current = False
        self.relational = PlainRelational(self.history)
        # Fair: nothing goes wrong any more. Calm: the walk through the phases is over as well.
        self.fair = False
        self.calm = False
        self.froze = False
        self.broken: list[str] = []
        self.relational.broken = self.broken
        self.down_until = {"docs": 0.0, "pg": 0.0}
        self.delay = Random(loop.seed * 7919 + 1).random

    def to_documents(self, name: str) -> Any:
        return Network(self, "docs", self.documents, name)

    def to_relational(self, name: str) -> Any:
        network = Network(self, "pg", self.relational, name)
        network.__dict__["journal"] = network
        network.__dict__["digests"] = Network(self, "pg", self.relational.digests, name)
        return network

    def freeze(self, name: str, at_least_s: float = 0.3) -> None:
        """Pause a process for longer than its lease, perhaps."""
        if not self.fair:
            self.froze = True
            self.loop.freeze(name, at_least_s + self.delay() * FROZEN_S)

    def puts_to_sleep(self, name: str, call: str, collection: Collection[Any]) -> bool:
        """Draw whether a process is paused while its call is under way: most of all writers when a drain has begun."""
        control = self.relational.control_of.get(collection.name)
        if control is None or collection is CONTROLS:
            return False
        if call == "read":
            return control.leader is Leader.RELATIONAL and bool(self.loop.choose("sleeper.read", SLEEPERS))
        # A coordinator has sentinels to write then, and would hardly ever come to the end of them.
        is_writer = not name.startswith("op")
        drains = is_writer and control.state is State.DRAIN and control.leader is Leader.DOCUMENTS
        return bool(self.loop.choose("sleeper", SLEEPERS_IN_DRAIN if drains else SLEEPERS / 4))

    async def sleeper(self, name: str, call: str, method: Any, args: Any) -> Any:
        """The lease was checked; now the process sleeps, its call arrives late, and both wake up together."""
        self.seen("slept", args[0], f"docs.{call}")
        asleep_s = LONG_S + self.delay() * FROZEN_S
        answer = self.loop.create_future()

        async def arrive() -> None:
            await asyncio.sleep(asleep_s - 0.001)
            try:
                answer.set_result(await method(*args))
            except (Conflict, Unavailable) as error:
                if not answer.cancelled():
                    answer.set_exception(error)

        self.loop.start("wire", arrive())
        self.froze = True
        self.loop.freeze(name, asleep_s)
        return await answer

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

    async def travel(self, side: str) -> None:
        """Take some time to get there; refused while the store is down."""
        drawn = self.delay()
        if drawn < 0.3:
            await asyncio.sleep(0 if drawn < 0.2 else drawn * 0.03)
        if self.loop.time() < self.down_until[side]:
            raise Unavailable(f"{side} is down")

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
