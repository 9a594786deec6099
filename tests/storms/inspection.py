"""Verification, repair and shadow reads in a storm: all that was planted is found and mended, and nothing else."""

from typing import NamedTuple

import msgspec

from mystira.polyglot.phases import Phase
from mystira.polyglot.repair import Outcome, plan_repairs, repair
from mystira.polyglot.reports import Report, every_difference
from mystira.polyglot.scrub import scrub
from mystira.polyglot.shadow import BY_KEY, ShadowLimits, Shadows
from mystira.polyglot.store import Key
from mystira.polyglot.transition import TransitionAborted, change_phase
from mystira.polyglot.verify import Scrutiny, verify
from tests.storms.planting import Gardener
from tests.storms.records import COUNTERS
from tests.storms.resting import count, document, leading, rest, wiped
from tests.storms.simulated import broken
from tests.storms.world import TERMS, Process, World

EVERY, INSPECTED = 64, 5
"""Of so many schedules one is inspected at its end."""

LAG_GOAL_S = 1.0
SCRUTINY = Scrutiny(lag_goal_s=LAG_GOAL_S, rechecks=2, recheck_s=0.25, page=3)
LIMITS = ShadowLimits(lag_goal_s=LAG_GOAL_S, calibrated_share=0.0, asking_max=64)
HOT, HOT_S, CARRIED_S = "a", 0.12, 0.5
ACTOR = {"actor": "inspector", "why": "storm"}


async def _look(process: Process, *, scrubs: bool) -> Report:
    return await (scrub if scrubs else verify)(process.r, COUNTERS, scrutiny=SCRUTINY, **ACTOR)


async def mend(process: Process, report: Report) -> None:
    """Repair what a report tells."""
    if report.differences:
        await repair(process.r, COUNTERS, await plan_repairs(process.r, COUNTERS, report.id), **ACTOR)


class Hot(NamedTuple):
    """A record that never holds still, and the carrier that comes by more often than the lag goal asks."""

    judge: Process
    stopped: list[bool]

    async def write(self) -> None:
        """Write one key again and again, so that it never looks the same on both sides."""
        while not self.stopped:
            await self.judge.write_once(HOT)
            await self.judge.pause(HOT_S)

    async def carry(self) -> None:
        """Carry what was written, not at once but within the lag goal."""
        while not self.stopped:
            await self.judge.carry_once()
            await self.judge.pause(CARRIED_S)


async def inspect(world: World, judge: Process) -> None:
    """Look at clean data while one record is written all the time, then plant, find, and repair."""
    control = world.wires.relational.control_of[COUNTERS.name]
    if not control.copying or control.phase is not Phase.DUAL_WRITE_COSMOS_READ:
        return
    await _scrubbed_clean(judge)
    if world.random.random() < 0.5:
        await change_phase(judge.r, COUNTERS, Phase.DUAL_WRITE_POSTGRES_READ, terms=TERMS, **ACTOR)
        await rest(judge)
    hot = Hot(judge, [])
    tasks = [world.loop.create_task(hot.write()), world.loop.create_task(hot.carry())]
    for scrubs in (False, True):
        await _nothing_is_told(judge, await _look(judge, scrubs=scrubs))
    hot.stopped.append(True)
    for task in tasks:
        await task
    await rest(judge)
    await planted_is_found(world, judge)


async def _scrubbed_clean(judge: Process) -> None:
    """Mend what the storm itself has left: a straggler that lost may stand in a document until somebody looks."""
    await mend(judge, await _look(judge, scrubs=True))
    await rest(judge)


async def _nothing_is_told(judge: Process, report: Report) -> None:
    if report.differences or report.digests_corrected:
        told = [one async for one in every_difference(judge.r.relational.reports, report.id)]
        raise broken(f"I10: nothing was planted, and yet the {report.kind} tells of {told}")


async def planted_is_found(world: World, judge: Process) -> None:
    """Plant, and see that the scrub tells exactly what was planted; then that a repair mends all of it."""
    gardener, random = Gardener(world.wires, COUNTERS), world.random.random
    row = world.wires.relational.control_of[COUNTERS.name]
    keys = [key for key in gardener.living() if key.id != HOT]
    kinds = gardener.kinds(row.leader)
    if len(keys) < 2:
        return
    await count(judge)
    gardener.miscount(keys[0], keys[1])
    counted = await _look(judge, scrubs=False)
    if counted.seen < len(keys[:2]) or counted.differences:
        raise broken(f"I10: {keys[:2]} were counted wrongly, and verification had {counted.seen} suspects")
    await _scrubbed_clean(judge)
    planted = {kinds[int(random() * len(kinds))](key) for key in keys[:2]}
    await count(judge)
    await _shadows_see(world, judge, keys[2:3], sorted(planted))
    if random() < 0.3:
        await _no_flip(judge)
    report = await _look(judge, scrubs=True)
    found = {one.key async for one in every_difference(judge.r.relational.reports, report.id)}
    if found != planted:
        raise broken(f"I10: planted {planted}, found {found}")
    await _repaired(world, judge, report, sorted(planted))


async def _repaired(world: World, judge: Process, report: Report, planted: list[Key]) -> None:
    """Repair; a key that was written since the plan was made is left alone."""
    plan = await plan_repairs(judge.r, COUNTERS, report.id)
    written = next((key for key in planted if key.id != "ghost" and world.random.random() < 0.5), None)
    if written is not None:
        await judge.write_once(written.id)
    done = await repair(judge.r, COUNTERS, plan, **ACTOR)
    now = leading(world, written) if written is not None else None
    if now is not None and not now.op.startswith("op"):
        raise broken(f"I11: {written} was written since the plan was made, and was repaired all the same: {done}")
    if done.counts[Outcome.FAILED]:
        raise broken(f"I10: not repaired: {done.not_repaired}")
    await rest(judge)
    await mend(judge, await _look(judge, scrubs=True))
    await rest(judge)
    for key in planted:
        row, there = world.wires.relational.rows[COUNTERS.name].get(key), document(world, key)
        if wiped(row.record if row else None) != wiped(there):
            raise broken(f"I10: {key} is not repaired: {row} and {there}")


async def _no_flip(judge: Process) -> None:
    """Where both sides differ, the leader does not change."""
    row = await judge.r.row(COUNTERS)
    ways = {Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ} - {row.phase}
    try:
        await change_phase(judge.r, COUNTERS, ways.pop(), terms=TERMS, **ACTOR)
    except TransitionAborted:
        return
    raise broken("I10: the leader has changed although both sides differ")


async def _shadows_see(world: World, judge: Process, clean: list[Key], planted: list[Key]) -> None:
    """Read everything with shadows: what was planted is a mismatch, and nothing else is."""
    row = await judge.r.row(COUNTERS)
    sampled = msgspec.structs.replace(row, shadow=1.0)
    shadows = Shadows(judge.r.documents, judge.r.relational, random=judge.random, sleep=judge.pause, limits=LIMITS)
    store = judge.works.store_of(await judge.leadership.term(COUNTERS))
    for key in (*clean, *planted):
        shadows.sample_key(COUNTERS, sampled, key, await store.read(COUNTERS, key))
    await shadows.settled()
    told = [status for status in shadows.status(COUNTERS) if status.shape == BY_KEY]
    mismatches = sum(status.mismatches for status in told)
    if mismatches != len(planted):
        raise broken(f"I10: {mismatches} shadow reads of {len(planted)} planted differences told so: {told}")
