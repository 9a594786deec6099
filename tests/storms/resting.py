"""A world at rest: how it comes there, and what it holds then."""

from typing import Any

import msgspec

from mystira.polyglot.control import State
from mystira.polyglot.phases import Phase
from mystira.polyglot.store import Key, Record
from mystira.polyglot.transition import end_transition
from tests.storms.records import COUNTERS, NEW
from tests.storms.simulated import broken
from tests.storms.world import PHASE_S, Process, World

ROUNDS_MAX = 150


async def settle(world: World) -> Process:
    """Let a fresh process bring everything to rest; it is calm from now on."""
    for name in ("p0", "p1", "op", "op2"):
        world.loop.kill(name)
    # What is still on the wire arrives, and whatever a lease protected is free again.
    await world.loop.pause(35.0)
    judge = Process(world, "judge", 10_000)
    row = world.wires.relational.control_of.get(COUNTERS.name)
    if row is not None and row.state is not State.OPEN:
        await world.loop.pause(PHASE_S + 1)
        await end_transition(judge.r, COUNTERS, actor="judge", why="the coordinator is gone")
    # Written first, so that most worlds need to come to rest only once.
    if not await judge.write_once(NEW):
        await rest(judge)
        if not await judge.write_once(NEW):
            raise broken("I14: nothing can be written although nothing is wrong any more")
    await rest(judge)
    return judge


async def rest(judge: Process) -> None:
    """Work until nothing is left to do; whatever never comes to rest is broken."""
    for _ in range(ROUNDS_MAX):
        if not await judge.carry_once() and not judge.world.wires.waiting(None):
            return
        await judge.pause(1.0)
    raise broken("I7: it never comes to rest")


async def count(judge: Process) -> None:
    """Bring the digests up to date: a step may end early, where a range was split or there is much."""
    while await judge.keeper.step():
        continue


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
