"""One schedule: processes that write, carry and move phases over simulated stores, and an oracle that knows it all."""

from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cached_property
from random import Random
from typing import Any

from mystira.polyglot import backfill, deadletters
from mystira.polyglot.bus import OutboxPump
from mystira.polyglot.control import Control, State
from mystira.polyglot.cutover import Orders, cut_over, roll_back
from mystira.polyglot.digesting import DigestKeeper
from mystira.polyglot.drains import DrainWatch
from mystira.polyglot.entity import Stamp
from mystira.polyglot.feed import FeedFollower
from mystira.polyglot.leadership import Leadership, Tempo
from mystira.polyglot.phases import Phase
from mystira.polyglot.problem import Problem
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Key, Record
from mystira.polyglot.transition import Terms, change_phase, pick_up
from mystira.polyglot.work import Command, Works
from tests.storms.bells import Bell
from tests.storms.loop import StormLoop
from tests.storms.poison import POISONS, Poison
from tests.storms.records import CATALOG, COUNTERS, KEYS, MERGED, MOVED, OLD, REACTIONS, WRITTEN, Counter, change
from tests.storms.simulated import Wires, is_drowsy

NOW = datetime(2026, 11, 21, tzinfo=UTC)
TEMPO = Tempo(lease_s=0.9, request_s=0.4, drift_s=0.1, hold_s=0.6, inline_s=0.02, poll_s=0.3)
FLIPS = 4
IDLE_S = 0.5
APART_S = 0.3
LEASE_S = 1.5
PHASE_S = 2.5
RELIEF_S = 5.0
BEGUN = 0.8
FOUL_S, PATIENCE_S = 10.0, 100.0
RATE = 0.025
TERMS = Terms(deadline_s=PHASE_S)
# Letters of conflicts stay until a person decides; nobody takes backups of a storm, and counting is part of the drain.
ORDERS = Orders(waived=("backup", "dead letters", "digests", "verification", "scrub"), hold_s=PHASE_S)
WATCH_S, LOOKS_S = 2.5, (0.05, 0.2, 0.4)
LAGS_S = 4.0
LOOKS_IN_VAIN, TICKS, BACKWARDS = 48, 4, 0.5
# In two of the phases a relay is only ever asked in vain.
VAIN = ("relay", "relay", "relay", "changes", "poison", "events", "fills", "letters", "left")
CALM_S = 5.0
BREATH_S, ALONE_S = 0.05, 0.6
GATED = 0.12
DRAINS_SOUGHT = 0.15
FILLING_S = 0.3
THINK_S, REFUSED_S = 3.8, 1.8
CHAOS = (
    "",
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


class World:
    """The stores, the processes and what was promised to writers."""

    def __init__(self, loop: StormLoop, seed: int, rate: float = RATE) -> None:
        self.loop = loop
        self.random = Random(seed * 2 + 1)
        self._told_at, self._told = -1.0, NOW
        self.wires = Wires(loop, rate, self.clock)
        self.acked: dict[str, set[str]] = {key: set() for key in KEYS}
        self.ops = 0
        self.lives = 0
        loop.on_kill(self._killed)
        self._legacy()
        self.poison = Poison(loop, self.wires, self.random)
        if self.random.random() < BEGUN:
            # The copy has been filled before; the walk begins where most of it happens.
            begun = Control(id=COUNTERS.name, phase=Phase.DUAL_WRITE_COSMOS_READ, copying=True, complete=True)
            self.wires.relational.control_of[COUNTERS.name] = begun

    def clock(self) -> datetime:
        if self._told_at != (now := self.loop._now):
            # Seconds by position are told three times as fast as by name.
            self._told_at, self._told = now, NOW + timedelta(0, now)
        return self._told

    def _legacy(self) -> None:
        """Documents from before there were stamps."""
        documents = self.wires.documents
        for name in OLD:
            documents.plant(COUNTERS, Record(key=Key(name, name), entity=Counter(id=name, value=100), stamp=Stamp()))

    def start(self, name: str) -> None:
        """Start a process unless it lives."""
        if self.loop.alive(name):
            return
        self.lives += 1
        process = Process(self, name, self.lives)
        for job in (process.operate,) if name.startswith("op") else (process.carry, process.write, process.watch):
            self.loop.start(name, self._to_its_end(name, job()))

    async def _to_its_end(self, name: str, job: Coroutine[Any, Any, None]) -> None:
        """Run a job. What ends one but a kill would never be told, for in the end all processes are killed."""
        try:
            await job
        except Exception as error:  # noqa: BLE001 - the next look at the world raises it.
            self.wires.broken.append(f"Crash: a job of {name} ended with {error!r}")

    async def chaos(self) -> None:
        """Kill, freeze and cut off until it is calm."""
        choose, random = self.loop.choose, self.random.random
        while not self.wires.fair:
            await self.loop.pause(0.1 + random() * CALM_S)
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
        await self.loop.pause(after_s)
        if not self.wires.calm:
            self.start(name)


class Process:
    """One life of one process."""

    def __init__(self, world: World, name: str, life: int) -> None:
        self.world = world
        self.name = name
        self.random = Random(world.loop.seed * 1009 + life)
        documents, relational = world.wires.to_documents(name), world.wires.to_relational(name)
        steady, self.pause = world.loop.time, world.loop.pause
        self.leadership = Leadership(
            documents,
            relational,
            tempo=TEMPO,
            clock=world.clock,
            steady=steady,
            sleep=self.pause,
            name=f"{name}.{life}",
        )
        self.works = Works(
            CATALOG,
            documents=documents,
            relational=relational,
            leadership=self.leadership,
            clock=world.clock,
            random=self.random,
            sleep=self.pause,
            committed=lambda: self.bell.ring(),
        )
        self.bell = Bell(world.loop)
        self.urge = world.wires.urges[name] = Bell(world.loop)
        self.drains = DrainWatch(self.leadership, relational)
        self.moved = world.wires.relational.bells[name] = Bell(world.loop)
        self.r = Replication(
            MOVED, documents, relational, TEMPO, clock=world.clock, sleep=self.pause, name=f"{name}.{life}"
        )
        # The roster is called before a cut-over with gates.
        self.gated = 0.9 if is_drowsy(world.loop.seed) else GATED
        self.rounds = 1
        self.aim: tuple[Phase | None, Phase | None] = (None, None)

    @cached_property
    def keeper(self) -> DigestKeeper:
        """What counts digests; a coordinator has no use for it, nor for the jobs of a carrier."""
        return DigestKeeper(self.r, page=5, lease_s=1.0)

    @cached_property
    def jobs(self) -> dict[str, Callable[[], Awaitable[int]]]:
        """What a carrier does, by name."""
        documents, relational, owner = self.r.documents, self.r.relational, self.r.name
        clock = self.world.clock
        return {
            "changes": FeedFollower(
                [COUNTERS], documents, relational, clock=clock, owner=owner, lease_s=LEASE_S, page=5
            ).step,
            "poison": FeedFollower([POISONS], documents, relational, clock=clock, owner=owner, lease_s=LEASE_S).step,
            "relay": ReverseRelay(CATALOG, documents, relational, clock=clock, lease_s=1.0).step,
            "events": OutboxPump(self.works, relational, REACTIONS, lease_s=LEASE_S).step,
            "fills": backfill.Backfiller(self.r, steady=self.world.loop.time, page=2, lease_s=1.0).step,
            "letters": self._retry,
            "left": self._pick_up,
        }

    async def carry(self) -> None:
        """Follow, relay, fill, retry and deliver, for ever."""
        while True:
            self.bell.clear()
            if not await self.carry_once():
                await self._rest()

    async def _rest(self) -> None:
        """Wait until there is something to do, or long enough to look whether there is."""
        for _ in range(TICKS):
            if await self.bell.wait(IDLE_S) or self.world.wires.waiting(self.world.clock):
                # Changes that come soon after one another share one round.
                await self.pause(self.random.random() * APART_S)
                return

    async def watch(self) -> None:
        """Stand down when a drain is heard of, for ever; who is told of it looks again, for writes take time."""
        while True:
            self.moved.clear()
            looks = LOOKS_S if await self.moved.wait(WATCH_S) else LOOKS_S[:1]
            if is_drowsy(self.world.loop.seed):
                # The bell is only a courtesy: whoever does not hear it is waited for.
                await self.pause(self.random.random() * WATCH_S)
            if not self.world.wires.relational.drains and self.random.random() > DRAINS_SOUGHT:
                continue
            for pause_s in looks:
                await self.pause(self.random.random() * pause_s)
                with suppress(Problem):
                    if await self.drains.step():
                        break

    async def carry_once(self) -> int:
        """One step of everything that may find something; whatever fails is tried again in the next."""
        done = 0
        steps = self._steps()
        self.rounds += 1
        for step in steps:
            try:
                done += await step()
            except Problem:
                continue
        return done

    def _steps(self) -> list[Callable[[], Awaitable[int]]]:
        """Return what has something to do, and now and then something else: to look in vain costs time."""
        waiting = self.world.wires.waiting(self.world.clock)
        drawn = int(self.random.random() * LOOKS_IN_VAIN)
        vain = VAIN[drawn] if drawn < len(VAIN) else ""
        jobs = self.jobs
        if vain and vain not in waiting:
            waiting = [name for name in jobs if name == vain or name in waiting]
        steps = [jobs[name] for name in waiting]
        if self.random.random() < BACKWARDS and not self.world.wires.calm:
            # Workers run these side by side: a relay may be there before whoever hears of a straggler.
            steps.reverse()
        if self.rounds % 16 == 0:
            steps.append(self.keeper.step)
        return steps

    async def _pick_up(self) -> int:
        return await pick_up(self.r)

    async def _retry(self) -> int:
        return await deadletters.retry_due(self.r._replace(catalog=MERGED))

    async def write(self) -> None:
        """Change records now and then; remember what was acknowledged."""
        random = self.random.random
        while not self.world.wires.calm:
            self.urge.clear()
            await self.urge.wait(random() * THINK_S)
            key = WRITTEN[int(random() * len(WRITTEN))]
            if not await self.write_once(key, removes=random() < 0.15):
                # Whoever was refused comes back a little later.
                await self.pause(random() * REFUSED_S)

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
        await self.pause(random() * 0.3)
        retires_at = self.world.loop.time() + (RELIEF_S if self.name == "op2" else PATIENCE_S)
        while self.world.loop.time() < retires_at:
            try:
                row = await self.r.row(COUNTERS)
                if row.epoch >= FLIPS and row.state is State.OPEN:
                    self.world.wires.fair = self.world.wires.calm = True
                    self.world.loop.counts["walk ms"] += int(self.world.loop.time() * 1000)
                    return
                target = await self._next(row, random())
                if target is not None:
                    await self._go(row.phase, target)
            except Problem:
                await self.pause(0.4)
            await self.pause(BREATH_S + random() * BREATH_S)

    async def _go(self, phase: Phase, target: Phase) -> None:
        match phase, target:
            case Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ if self.random.random() < self.gated:
                await cut_over(self.r, COUNTERS, actor="op", why="storm", orders=ORDERS)
            case Phase.DUAL_WRITE_POSTGRES_READ, Phase.DUAL_WRITE_COSMOS_READ if self.random.random() < GATED:
                await roll_back(self.r, COUNTERS, actor="op", why="storm", orders=ORDERS)
            case _:
                await change_phase(self.r, COUNTERS, target, actor="op", why="storm", terms=TERMS)

    async def _next(self, row: Control, drawn: float) -> Phase | None:
        """Return where to go, the same as before if that has failed; None while the copy is being filled."""
        before, aim = self.aim
        if before is not row.phase or aim is None or row.phase is Phase.COSMOS_ONLY:
            # What is to be done there is no draw: another coordinator may have emptied the copy meanwhile.
            aim = await self._drawn(row, drawn)
            self.aim = (row.phase, aim)
        return aim

    async def _drawn(self, row: Control, drawn: float) -> Phase | None:
        match row.phase:
            case Phase.COSMOS_ONLY:
                if row.complete:
                    return Phase.DUAL_WRITE_COSMOS_READ
                await backfill.start(self.r, COUNTERS, actor="op", why="storm")
                await self.pause(FILLING_S)
                return None
            case Phase.DUAL_WRITE_COSMOS_READ:
                return Phase.COSMOS_ONLY if drawn < 0.1 else Phase.DUAL_WRITE_POSTGRES_READ
            case Phase.DUAL_WRITE_POSTGRES_READ:
                return Phase.POSTGRES_ONLY if drawn < 0.3 else Phase.DUAL_WRITE_COSMOS_READ
            case _:
                # Nothing waits here for anybody, so without a rest the storms would hardly ever see this phase.
                await self.pause(ALONE_S * (0.5 + drawn))
                return Phase.DUAL_WRITE_POSTGRES_READ
