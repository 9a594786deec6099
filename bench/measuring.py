"""Rates of competitors in alternating rounds, so that a busy moment of the machine hits them all."""

import asyncio
import math
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

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
    """One line of the second table: how long single requests took, counted from when they were due.

    `cpu_ms` is what the server's process spent meanwhile, by request: it hardly depends on how busy the machine was.
    """

    name: str
    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    errors: int
    goal_p95_ms: float
    cpu_ms: float | None = None


class Taken(NamedTuple):
    """One line of the third table: how long one piece of work took, once."""

    name: str
    took_s: float
    goal_s: float


class Filled(NamedTuple):
    """One line of the fourth table: how fast documents became rows, a second and a core, and the bare limit beside."""

    documents: int
    ours_per_cpu_s: float
    bare_per_cpu_s: float
    ours_per_s: float
    bare_per_s: float
    memory_mb: float


class Seen(NamedTuple):
    """How long single requests took."""

    requests: int
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @classmethod
    def of(cls, taken_ms: list[float]) -> "Seen":
        """Return the summary of what was measured."""
        ordered = sorted(taken_ms)
        return cls(len(ordered), *(at_share(ordered, share) for share in (0.5, 0.95, 0.99)))


class Beside(NamedTuple):
    """One line of the fifth table: the same requests with and without something else going on, in turns.

    `ratio` is the median of the ratios of the medians of neighbouring turns.
    """

    name: str
    on: Seen
    off: Seen
    ratio: float


class Lag(NamedTuple):
    """One line of the sixth table: how far a copy was behind its documents."""

    name: str
    due_per_s: float
    made_per_s: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    kept_up: bool


def at_share(ordered: list[float], share: float) -> float:
    """Return the value below which this share of them is."""
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


class Clocks:
    """Counts wall time, and CPU time of this process and of all of PostgreSQL's, between `go_on` and `rest`."""

    def __init__(self, postmaster: int) -> None:
        self._postmaster = postmaster
        self.wall_s = self.cpu_s = 0.0
        self._began: tuple[float, float, dict[int, int]] = (0.0, 0.0, {})

    @classmethod
    async def of(cls, connection: Any) -> "Clocks":
        """Return clocks for the server of this connection, on this machine."""
        backend = await connection.fetchval("SELECT pg_backend_pid()")
        return cls(_parent(backend))

    def go_on(self) -> None:
        """Count from here."""
        self._began = (time.perf_counter(), time.process_time(), _server_ns(self._postmaster))

    def rest(self) -> None:
        """Count up to here."""
        wall, cpu, server = self._began
        self.wall_s += time.perf_counter() - wall
        now = _server_ns(self._postmaster)
        # A process of the server that began meanwhile has done all its work meanwhile; one that ended is lost.
        self.cpu_s += time.process_time() - cpu + sum(ns - server.get(pid, 0) for pid, ns in now.items()) / 1e9


def _parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def _server_ns(postmaster: int) -> dict[int, int]:
    children = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    spent: dict[int, int] = {}
    for process in (postmaster, *map(int, children)):
        with suppress(OSError):
            spent[process] = int(Path(f"/proc/{process}/schedstat").read_text().split()[0])
    return spent


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
