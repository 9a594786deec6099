"""A process's way to one store: calls that are delayed, lost, repeated, late and throttled."""

import asyncio
import types
from collections.abc import Generator
from functools import cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple

from mystira.polyglot.control import CONTROLS
from mystira.polyglot.store import Conflict, OutcomeUnknown, Throttled, Unavailable
from tests.storms.loop import StormLoop
from tests.storms.processes import PROCESS

if TYPE_CHECKING:
    from tests.storms.simulated import Wires

RANGES_MAX = 3
CONTROL_RATE = 0.03
COORDINATORS_SHARE = 0.15
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


def possible(fault: str, call: str) -> str:
    """Return what can happen to a call instead: what only reads leaves nothing behind."""
    return "unavailable" if fault in ("applied", "twice", "frozen after") and call in READING else fault


@types.coroutine
def a_turn() -> Generator[None]:
    """Let others go first: `asyncio.sleep(0)` at half the price."""
    yield
