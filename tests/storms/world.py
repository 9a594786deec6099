"""One schedule: processes that write, carry and move phases over simulated stores, and an oracle that knows it all."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
import structlog

from mystira.polyglot import backfill, deadletters
from mystira.polyglot.bus import OutboxPump
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control, State
from mystira.polyglot.cutover import Orders, cut_over, roll_back
from mystira.polyglot.digesting import DigestKeeper
from mystira.polyglot.drains import DrainWatch
from mystira.polyglot.entity import Entity, Event, Stamp
from mystira.polyglot.feed import FeedFollower
from mystira.polyglot.leadership import Leadership, Tempo
from mystira.polyglot.phases import Phase
from mystira.polyglot.problem import Problem
from mystira.polyglot.reaction import Handling, Reaction, Reactions
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Key, Record
from mystira.polyglot.stores.memory import Document
from mystira.polyglot.transition import Terms, change_phase, end_transition
from mystira.polyglot.work import Command, Work, Works
from tests.storms.loop import StormLoop
from tests.storms.simulated import Wires, broken

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TEMPO = Tempo(lease_s=0.6, request_s=0.4, drift_s=0.1, hold_s=0.6, inline_s=0.02, poll_s=0.2)
OLD = ("old", "older", "oldest")
NEW = "new"
WRITTEN = ("a", "a", "a", "a", "a", "b", "b", "c", "d", "old")
KEYS = ("a", "b", "c", "d", *OLD, NEW)
FLIPS = (4, 4, 5)
IDLE_S = 1.6
PHASE_S = 3.0
RELIEF_S = 5.0
BEGUN = 0.6
FOUL_S, PATIENCE_S = 60.0, 150.0
ROUNDS_MAX = 150
RATE = 0.025
TERMS = Terms(deadline_s=PHASE_S)
# Letters of conflicts stay until a person decides, and nobody takes backups of a storm.
ORDERS = Orders(waived=("backup", "dead letters", "verification", "scrub"), hold_s=PHASE_S)
WATCH_S, LOOKS_S = 1.5, (0.05, 0.2, 0.4)
LAGS_S = 4.0
CHAOS = (
    *[""] * 30,
    "kill p0",
    "kill p1",
    "kill op",
    "freeze p0",
    "freeze p1",
    "freeze op",
    "pg down",
    "docs down",
    "feed lags",
)


class Raised(Event, frozen=True, kw_only=True):
    token: str


class Counter(Entity, frozen=True, kw_only=True):
    value: int = 0
    label: str | None = None


class Effect(Entity, frozen=True, kw_only=True):
    heard: int = 0


class Poison(Counter, frozen=True, kw_only=True):
    """Labels that collide, kept in a collection that stays where it is."""


COUNTERS = Collection(Counter, container="Counters", table="counters")
EFFECTS = Collection(Effect, container="Effects", table="effects")
POISONS = Collection(
    Poison, container="Poisons", table="poisons", phase=Phase.DUAL_WRITE_COSMOS_READ, unique=(("label",),)
)
CATALOG = Catalog([COUNTERS, EFFECTS, POISONS])


async def change(work: Work, key: str, token: str, removes: bool, thinks_s: float) -> None:
    counter = await work.get(Counter, key)
    if thinks_s:
        await asyncio.sleep(thinks_s)
    if removes and counter is not None:
        work.remove(counter, Raised(token=token))
    else:
        counter = counter or Counter(id=key)
        work.save(counter.evolve(value=counter.value + 1), Raised(token=token))


async def add_effect(work: Work, token: str) -> None:
    effect = await work.get(Effect, token) or Effect(id=token)
    work.save(effect.evolve(heard=effect.heard + 1))


async def hear(handling: Handling, event: Raised) -> None:
    await handling.run(add_effect, event.token)


class World:
    """The stores, the processes and what was promised to writers."""

    def __init__(self, loop: StormLoop, seed: int, rate: float = RATE) -> None:
        self.loop = loop
        self.random = Random(seed * 2 + 1)
        self.wires = Wires(loop, rate)
        self.acked: dict[str, set[str]] = {key: set() for key in KEYS}
        self.ops = 0
        self.filled = False
        self.flips = self.random.choice(FLIPS)
        self.lives = 0
        loop.on_kill(self._killed)
        self._legacy()
        if self.random.random() < BEGUN:
            # The copy has been filled before; the walk begins where most of it happens.
            begun = Control(id=COUNTERS.name, phase=Phase.DUAL_WRITE_COSMOS_READ, copying=True, complete=True)
            self.wires.relational.control_of[COUNTERS.name] = begun

    def clock(self) -> datetime:
        return NOW + timedelta(seconds=self.loop.time())

    def _legacy(self) -> None:
        """Documents from before there were stamps."""
        documents = self.wires.documents
        for name in OLD:
            plain = Record(key=Key(name, name), entity=Counter(id=name, value=100), stamp=Stamp())
            documents._position += 1
            documents._container(COUNTERS).documents[plain.key] = Document(documents._position, plain, None, 1)

    def start(self, name: str) -> None:
        """Start a process unless it lives."""
        if self.loop.alive(name):
            return
        self.lives += 1
        process = Process(self, name, self.lives)
        for job in (process.operate,) if name.startswith("op") else (process.carry, process.write, process.watch):
            self.loop.start(name, job())

    async def chaos(self) -> None:
        """Kill, freeze and cut off until it is calm."""
        choose, random = self.loop.choose, self.random.random
        while not self.wires.fair:
            await asyncio.sleep(0.1 + random() * 0.5)
            what = choose("chaos", CHAOS)
            if not what or self.wires.fair:
                continue
            verb_or_side, name = what.split(" ")
            self.wires.seen(what, COUNTERS, "any")
            if verb_or_side == "kill":
                self.loop.kill(name, after_steps=1 + int(random() * 80))
            elif verb_or_side == "freeze":
                self.wires.freeze(name, 2.0 if name == "op" else 0.3)
                if name == "op":
                    # Whoever waits for a paused coordinator starts another one, and PostgreSQL may be away as well.
                    self.start("op2")
                    self.wires.down_until["pg"] = self.loop.time() + random() * 6 - 2
            elif what == "feed lags":
                self.wires.documents.let_the_feed_lag(self.loop.time() + random() * LAGS_S)
            else:
                self.wires.down_until[verb_or_side] = self.loop.time() + random() * 1.5

    def _killed(self, name: str) -> None:
        if not self.wires.calm:
            self.loop.start("world", self._restart(name, self.random.random() * 0.4 + 0.3))

    async def _restart(self, name: str, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if not self.wires.calm:
            self.start(name)


class Process:
    """One life of one process."""

    def __init__(self, world: World, name: str, life: int) -> None:
        self.world = world
        self.name = name
        self.random = Random(world.loop.seed * 1009 + life)
        documents, relational = world.wires.to_documents(name), world.wires.to_relational(name)
        steady = world.loop.time
        self.leadership = Leadership(
            documents, relational, tempo=TEMPO, clock=world.clock, steady=steady, name=f"{name}.{life}"
        )
        self.works = Works(
            CATALOG,
            documents=documents,
            relational=relational,
            leadership=self.leadership,
            clock=world.clock,
            random=self.random,
            committed=lambda: self.bell.set(),
        )
        self.bell = asyncio.Event()
        self.drains = DrainWatch(self.leadership, relational)
        self.r = Replication(
            Catalog([COUNTERS]), documents, relational, tempo=TEMPO, clock=world.clock, name=f"{name}.{life}"
        )
        self.follower = FeedFollower(
            [COUNTERS], documents, relational, clock=world.clock, owner=self.r.name, lease_s=4.0, page=5
        )
        self.relay = ReverseRelay(CATALOG, documents, relational, clock=world.clock, lease_s=1.0)
        self.filler = backfill.Backfiller(self.r, steady=steady, page=2, lease_s=1.0)
        self.keeper = DigestKeeper(self.r, page=5, lease_s=1.0)
        self.rounds = 0
        self.pump = OutboxPump(self.works, relational, Reactions([Reaction("effect", Raised, hear)]))

    async def carry(self) -> None:
        """Follow, relay, fill, retry and deliver, for ever."""
        while True:
            self.bell.clear()
            if not await self.carry_once():
                try:
                    async with asyncio.timeout(IDLE_S):
                        await self.bell.wait()
                except TimeoutError:
                    continue

    async def watch(self) -> None:
        """Stand down when a drain is heard of, for ever; who is told of it looks again, for writes take time."""
        bell = self.world.wires.relational.moved.join()
        while True:
            try:
                async with asyncio.timeout(WATCH_S):
                    await bell.wait()
            except TimeoutError:
                pass
            looks = LOOKS_S if bell.is_set() else LOOKS_S[:1]
            bell.clear()
            for pause_s in looks:
                await asyncio.sleep(self.random.random() * pause_s)
                with suppress(Problem):
                    await self.drains.step()

    async def carry_once(self) -> int:
        """One step of everything; whatever fails is tried again in the next."""
        done = 0
        self.rounds += 1
        steps: list[Callable[[], Awaitable[int]]] = [self.follower.step, self.relay.step, self.pump.step]
        if not self.world.filled:
            steps.append(self.filler.step)
        if self.rounds % 4 == 0:
            steps += [lambda: deadletters.retry_due(self.r), self.keeper.step]
        for step in steps:
            try:
                done += await step()
            except Problem:
                continue
        return done

    async def write(self) -> None:
        """Change records now and then; remember what was acknowledged."""
        random = self.random.random
        while not self.world.wires.calm:
            await asyncio.sleep(random() * 0.9)
            key = WRITTEN[int(random() * len(WRITTEN))]
            await self.write_once(key, removes=random() < 0.15)

    async def write_once(self, key: str, *, removes: bool = False) -> bool:
        """Make one change; tell whether it was acknowledged."""
        self.world.ops += 1
        op = f"op{self.world.ops}"
        drawn = self.random.random()
        thinks_s = drawn * 6 if drawn < 0.2 and not self.world.wires.fair else 0.0
        try:
            await self.works.run_as(Command(op=op), change, key, op, removes, thinks_s)
        except Problem:
            return False
        self.world.acked[key].add(op)
        return True

    async def operate(self) -> None:
        """Walk through the phases, forwards and back, until the leader has changed often enough."""
        random = self.random.random
        await asyncio.sleep(random())
        retires_at = self.world.loop.time() + (RELIEF_S if self.name == "op2" else PATIENCE_S)
        while self.world.loop.time() < retires_at:
            try:
                row = await self.r.row(COUNTERS)
                self.world.filled = row.complete
                if row.epoch >= self.world.flips and row.state is State.OPEN:
                    self.world.wires.fair = self.world.wires.calm = True
                    self.world.loop.counts["walk ms"] += int(self.world.loop.time() * 1000)
                    return
                target = await self._next(row.phase, random())
                if target is not None:
                    await self._go(row.phase, target)
            except Problem:
                await asyncio.sleep(0.4)
            await asyncio.sleep(0.1 + random() * 0.2)

    async def _go(self, phase: Phase, target: Phase) -> None:
        match phase, target:
            case Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ if self.random.random() < 0.3:
                await cut_over(self.r, COUNTERS, actor="op", why="storm", orders=ORDERS)
            case Phase.DUAL_WRITE_POSTGRES_READ, Phase.DUAL_WRITE_COSMOS_READ:
                await roll_back(self.r, COUNTERS, actor="op", why="storm", orders=ORDERS)
            case _:
                await change_phase(self.r, COUNTERS, target, actor="op", why="storm", terms=TERMS)

    async def _next(self, phase: Phase, drawn: float) -> Phase | None:
        match phase:
            case Phase.COSMOS_ONLY:
                await backfill.start(self.r, COUNTERS, actor="op", why="storm")
                row = await self.r.row(COUNTERS)
                return Phase.DUAL_WRITE_COSMOS_READ if row.complete else None
            case Phase.DUAL_WRITE_COSMOS_READ:
                return Phase.COSMOS_ONLY if drawn < 0.1 else Phase.DUAL_WRITE_POSTGRES_READ
            case Phase.DUAL_WRITE_POSTGRES_READ:
                return Phase.POSTGRES_ONLY if drawn < 0.3 else Phase.DUAL_WRITE_COSMOS_READ
            case _:
                return Phase.DUAL_WRITE_POSTGRES_READ


async def settle(world: World) -> Process:
    """Let a fresh process bring everything to rest; it is calm from now on."""
    for name in ("p0", "p1", "op", "op2"):
        world.loop.kill(name)
    # What is still on the wire arrives, and whatever a lease protected is free again.
    await asyncio.sleep(35.0)
    judge = Process(world, "judge", 10_000)
    row = world.wires.relational.control_of.get(COUNTERS.name)
    if row is not None and row.state is not State.OPEN:
        await asyncio.sleep(PHASE_S + 1)
        await end_transition(judge.r, COUNTERS, actor="judge", why="the coordinator is gone")
    await rest(judge)
    return judge


async def rest(judge: Process) -> None:
    """Work until nothing is left to do; whatever never comes to rest is broken."""
    quiet = 0
    for _ in range(ROUNDS_MAX):
        quiet = 0 if await judge.carry_once() else quiet + 1
        if quiet == 4:
            return
        await asyncio.sleep(1.0)
    raise broken("I7: it never comes to rest")


def wiped(record: Record | None) -> Record | None:
    """Return what both stores must agree on."""
    if record is None:
        return None
    return msgspec.structs.replace(record, events=(), spilled=(), token="", writer="app", handled=(), extra={})


def leading(world: World, key: Key) -> Record | None:
    """Return the record of the store that leads."""
    control = world.wires.relational.control_of[COUNTERS.name]
    rows = world.wires.relational.rows.get(COUNTERS.name, {})
    if control.phase in (Phase.DUAL_WRITE_POSTGRES_READ, Phase.POSTGRES_ONLY):
        return rows[key].record if key in rows else None
    return document(world, key)


def document(world: World, key: Key) -> Record | None:
    """Return the document as it is."""
    found: Any = world.wires.documents._container(COUNTERS).documents.get(key)
    return found.body if found else None
