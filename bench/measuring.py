"""Rates of competitors in alternating rounds, so that a busy moment of the machine hits them all."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

ROUNDS = 5
TASKS = 16


class Row(NamedTuple):
    """One line of the table: our rate, the peer's, and the ratio we hold ourselves to."""

    name: str
    ours_per_s: float
    peer: str
    peer_per_s: float
    ratio: float
    goal: float | None


class Latency(NamedTuple):
    """One line of the second table: how long single requests took, counted from when they were due."""

    name: str
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    goal_p95_ms: float


class Taken(NamedTuple):
    """One line of the third table: how long one piece of work took, once."""

    name: str
    took_s: float
    goal_s: float


Job = Callable[[int, int], Awaitable[None]]


async def rates(jobs: Mapping[str, Job], seconds: float) -> dict[str, float]:
    """Return each job's median rate over the rounds; a job is called with (task number, turn)."""
    seen: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            seen[name].append(await _rate(job, seconds / ROUNDS))
    return {name: statistics.median(found) for name, found in seen.items()}


async def _rate(job: Job, seconds: float) -> float:
    done = 0
    end = time.perf_counter() + seconds

    async def worker(number: int) -> None:
        nonlocal done
        turn = 0
        while time.perf_counter() < end:
            await job(number, turn)
            turn += 1
            done += 1

    begun = time.perf_counter()
    await asyncio.gather(*(worker(number) for number in range(TASKS)))
    return done / (time.perf_counter() - begun)


def compared(name: str, found: Mapping[str, float], ours: str, peer: str, goal: float | None) -> Row:
    """Return the line that compares two of the measured rates."""
    return Row(name, found[ours], peer, found[peer], found[ours] / found[peer], goal)
