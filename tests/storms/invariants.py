"""What must hold when the storm is over, by the numbers of the design."""

from collections.abc import Iterator
from contextlib import contextmanager
from logging import CRITICAL

import structlog

from mystira.polyglot import spill
from mystira.polyglot.control import control_of, read_copy
from mystira.polyglot.digest import differing
from mystira.polyglot.journal import LetterKind
from mystira.polyglot.phases import Leader, Phase
from mystira.polyglot.store import Key
from tests.storms.inspection import EVERY, INSPECTED, inspect
from tests.storms.loop import StormLoop
from tests.storms.mutants import guard_taken_away
from tests.storms.planting import PLANTED
from tests.storms.records import COUNTERS, EFFECTS, KEYS
from tests.storms.resting import count, document, leading, settle, wiped
from tests.storms.simulated import broken
from tests.storms.world import FOUL_S, PATIENCE_S, Process, World

EVENTS_MAX = 2


async def schedule(loop: StormLoop, seed: int, mutant: str = "") -> None:
    """Run one storm and judge it; with one guard taken away if a mutant is named."""
    # Rare events must be common here, or no storm would ever meet them.
    with _quietly(), guard_taken_away(mutant), _spilling_soon():
        await storm(World(loop, seed))


@contextmanager
def _quietly() -> Iterator[None]:
    """Log nothing: what goes wrong here is meant to, and a line of log costs more than the call that it tells of."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


@contextmanager
def _spilling_soon() -> Iterator[None]:
    # By hand, for mock takes a hundredth of the time that the whole schedule does.
    before = spill.PENDING_EVENTS_MAX
    spill.PENDING_EVENTS_MAX = EVENTS_MAX
    try:
        yield
    finally:
        spill.PENDING_EVENTS_MAX = before


async def storm(world: World) -> None:
    """Let processes write, carry and move phases through all faults, then let everything come to rest and look."""
    loop = world.loop
    for name in ("p0", "p1", "op"):
        world.start(name)
    loop.start("chaos", world.chaos())
    poisoning = loop.start("chaos", world.poison.spread())
    while not world.wires.calm and loop.time() < PATIENCE_S:
        await loop.pause(1.0)
        # Faults may hold a transition up for as long as they last. Once they end, so must it.
        world.wires.fair = world.wires.fair or loop.time() > FOUL_S
        look(world)
    if not world.wires.calm:
        world.wires.calm = True
        raise broken("I14: the phases could not be walked to their end")
    await poisoning
    judge = await settle(world)
    if world.loop.seed % EVERY == INSPECTED:
        await inspect(world, judge)
    await examine(world, judge)


def look(world: World) -> None:
    """Raise what was seen to break while it happened."""
    if world.wires.broken:
        raise broken(world.wires.broken[0])


async def examine(world: World, judge: Process) -> None:
    """Assert every invariant that can be asserted at rest."""
    look(world)
    standing = {key: world.wires.history.ops(COUNTERS.name, leading(world, Key(key, key))) for key in KEYS}
    acknowledged_writes_stand(world, standing)
    one_body_per_stamp(world)
    both_sides_equal(world)
    await queues_are_empty(world, judge)
    effects_happened_once(world, standing)
    await row_and_copy_agree(world)
    await digests_agree(judge)


async def digests_agree(judge: Process) -> None:
    """What both sides hold alike has equal digests: the documents' count came through all of it."""
    if COUNTERS.name not in await judge.r.relational.digests.kept():
        return
    await count(judge)
    async for found in differing(judge.r.relational.digests, COUNTERS):
        raise broken(f"I10: {found.key} is held alike, and counted as {found.document} and {found.row}")


def conflicting_ops(world: World) -> set[str]:
    letters = world.wires.relational.letter_of.values()
    conflicts = {letter.op for letter in letters if letter.kind is LetterKind.CONFLICT}
    return {op for op in conflicts if not op.startswith(PLANTED)}


def acknowledged_writes_stand(world: World, standing: dict[str, list[str]]) -> None:
    kept = conflicting_ops(world)
    for key, acked in world.acked.items():
        ops = set(standing[key])
        lost = acked - ops - kept
        if lost:
            raise broken(f"I1: {key} lost {sorted(lost)}")
        if len(ops) < len(standing[key]):
            raise broken(f"I1: {key} took a write twice: {standing[key]}")
    if kept and not world.wires.froze:
        raise broken(f"I9: {sorted(kept)} stand against others although no lease was broken")


def one_body_per_stamp(world: World) -> None:
    if world.wires.history.two_leaders:
        raise broken(f"I4: both stores took writes in {sorted(world.wires.history.two_leaders)}")
    if world.wires.history.split_bodies and not world.wires.froze:
        raise broken(f"I2: two bodies for {sorted(world.wires.history.split_bodies)}")


def both_sides_equal(world: World) -> None:
    control = world.wires.relational.control_of[COUNTERS.name]
    if control.phase is Phase.POSTGRES_ONLY or not control.copying:
        return
    rows = world.wires.relational.rows[COUNTERS.name]
    for name in KEYS:
        key = Key(name, name)
        row, there = (rows[key].record if key in rows else None), document(world, key)
        if wiped(row) != wiped(there):
            raise broken(f"I7: {name} differs:\n  row      {wiped(row)}\n  document {wiped(there)}")


async def queues_are_empty(world: World, judge: Process) -> None:
    waiting = await judge.r.journal.pending()
    if waiting.waiting + waiting.parked:
        raise broken(f"I7: events wait: {waiting}")
    control = world.wires.relational.control_of[COUNTERS.name]
    if control.phase is not Phase.POSTGRES_ONLY and world.wires.relational.relay:
        raise broken("I7: the relay outbox is not empty")
    world.poison.examine()


def effects_happened_once(world: World, standing: dict[str, list[str]]) -> None:
    effects = world.wires.documents._container(EFFECTS).documents
    heard = {key.id: found.body.entity.heard for key, found in effects.items()}
    kept = conflicting_ops(world)
    for key, ops in standing.items():
        committed = {op for op in ops if op.startswith("op")}
        silent = {op for op in committed if heard.get(op) != 1}
        if silent:
            told = {op: heard.get(op, 0) for op in sorted(silent)}
            raise broken(f"I18: {key}: effects of committed writes: {told}")
    everything = {op for ops in standing.values() for op in ops}
    false = {op for op in heard if op not in everything}
    if false:
        raise broken(f"I18: effects of writes that do not stand: {sorted(false)} (conflicts: {sorted(kept)})")


async def row_and_copy_agree(world: World) -> None:
    row = world.wires.relational.control_of[COUNTERS.name]
    copy = await read_copy(world.wires.documents, COUNTERS.name)
    if copy is not None and row.leader is Leader.DOCUMENTS and control_of(copy).leader is not Leader.DOCUMENTS:
        raise broken(f"I4: the row says {row}, the copy {control_of(copy)}")
