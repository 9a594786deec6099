"""Storms over the real replication code: nothing lost, nothing twice, and every fault met in every phase."""

import os
import subprocess
import sys
from pathlib import Path

from mystira.polyglot.phases import Phase
from tests.storms.invariants import look
from tests.storms.loop import StormLoop
from tests.storms.network import DOCUMENT_CALLS, QUERY_FAULTS
from tests.storms.runner import explained, storm
from tests.storms.schedules import explain, run
from tests.storms.world import CHAOS, World

ROOT = Path(__file__).parents[2]
SCHEDULE = "tests.storms.invariants.schedule"
SEEDS = int(os.environ.get("SEEDS", "2000"))
COVERED_FROM = 1_500

LED_BY_ROWS = (Phase.DUAL_WRITE_POSTGRES_READ, Phase.POSTGRES_ONLY)
CALLS_OF_ROWS = ("claim_events", "lease_range", "change", "relay_claim", "settle")


def cells() -> set[str]:
    """Every fault, in every phase in which it can happen, with every call that it can happen to."""
    found = {(fault, phase, "any") for fault in set(CHAOS) - {""} for phase in Phase}
    for call in ("read", "write", "feed"):
        found |= {(fault, phase, f"docs.{call}") for fault in DOCUMENT_CALLS[call] for phase in Phase}
    for call in CALLS_OF_ROWS:
        found |= {(fault, phase, f"pg.{call}") for fault in ("unavailable", "applied", "twice") for phase in Phase}
    for fault in ("unavailable", "applied", "twice"):
        # What leads and follows in a phase decides which of these calls there are.
        found |= {(fault, phase, "pg.merge") for phase in Phase if phase is not Phase.POSTGRES_ONLY}
        found |= {(fault, phase, "pg.write") for phase in LED_BY_ROWS}
        found.add((fault, Phase.DUAL_WRITE_POSTGRES_READ, "pg.relay_confirm"))
    found |= {("slept", phase, "docs.write") for phase in Phase if phase not in LED_BY_ROWS}
    return {" | ".join(cell) for cell in found}


def test_two_thousand_storms_lose_nothing_and_meet_every_fault_in_every_phase() -> None:
    assert set(QUERY_FAULTS) >= {"unavailable", "applied", "twice"}
    ended = storm(SCHEDULE, range(SEEDS), tell=print)
    print(f"{ended.schedules} schedules, {ended.schedules / ended.seconds:.0f} a second")
    assert not ended.failures, "\n".join(explained(SCHEDULE, ended.failures[:2]))
    empty = sorted(cell for cell in cells() if not ended.counts[cell])
    assert SEEDS < COVERED_FROM or not empty, empty


def trace_of(seed: int, hash_seed: str) -> str:
    """The trace of one schedule in a fresh process."""
    command = [sys.executable, "-m", "tests.storms", "--from", str(seed), "--trace"]
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout


def test_the_same_seed_gives_the_same_trace_in_another_process_under_another_hash_seed() -> None:
    first = trace_of(7, "1")
    assert first.count("\n") > 15 and first.rstrip().endswith("passed")
    assert trace_of(7, "2") == first
    assert trace_of(8, "1") != first


def test_a_job_that_ends_is_told_although_its_process_is_killed_later() -> None:
    def ends(loop: StormLoop, seed: int) -> None:
        world = World(loop, seed)
        world.wires.fair = world.wires.calm = True

        async def job() -> None:
            raise TypeError("a slip")

        loop.run_until_complete(world._to_its_end("p0", job()))
        look(world)

    assert run(ends, 1).failure == "Crash"


def test_a_failing_seed_replays_exactly_and_shrinks() -> None:
    from tests.storms.invariants import schedule

    failing = next(seed for seed in range(200) if run(schedule, seed, arguments=("fence skipped",)).failure)
    first = run(schedule, failing, arguments=("fence skipped",))
    again = run(schedule, failing, arguments=("fence skipped",))
    assert (first.trace, first.message) == (again.trace, again.message)
    small = explain(schedule, failing, arguments=("fence skipped",))
    assert small.failure == first.failure
    assert len(small.decisions) < len(first.decisions)
