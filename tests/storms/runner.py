"""Runs many seeds of one schedule on all cores and tells which failed, each with the fewest faults that it takes."""

import argparse
import gc
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.synchronize import Barrier
from typing import Any, NamedTuple

from tests.storms.schedules import Outcome, explain, named, run

CHUNK = 10
EXPLAINED_MAX = 3
SEED_S_MAX = 60.0
STARTED_S_MAX = 120.0
EXPLAIN_S_MAX = 600.0
PROGRESS_S = 5.0


class Stuck(KeyboardInterrupt):
    """A schedule used up its real time: it computes without ever coming back to the loop.

    Of all exceptions, asyncio lets only this family through a task.
    """


class Failure(NamedTuple):
    seed: int
    kind: str
    message: str


class Chunk(NamedTuple):
    schedules: int
    failures: list[Failure]
    counts: Counter[str]


class Storm(NamedTuple):
    """What all the seeds came to; `counts` adds up what the schedules counted."""

    schedules: int
    failures: list[Failure]
    counts: Counter[str]
    seconds: float


def storm(
    schedule: str,
    seeds: range,
    *,
    arguments: tuple[Any, ...] = (),
    processes: int | None = None,
    until_failure: bool = False,
    tell: Callable[[str], object] = lambda text: None,
) -> Storm:
    """Run the schedule with this dotted name once for each seed.

    `until_failure` ends with the first chunk in which one fails: the lowest failing seed is in it.
    """
    counts, failures, schedules = Counter[str](), list[Failure](), 0
    chunks = [seeds[start : start + CHUNK] for start in range(0, len(seeds), CHUNK)]
    with _workers(min(processes or os.cpu_count() or 1, len(chunks)), schedule) as submit:
        began = told = time.monotonic()
        for result in [submit(run_chunk, schedule, chunk, arguments) for chunk in chunks]:
            chunk = result()
            schedules += chunk.schedules
            failures += chunk.failures
            counts += chunk.counts
            if failures and until_failure:
                break
            if time.monotonic() - told > PROGRESS_S:
                told = time.monotonic()
                tell(f"{schedules} of {len(seeds)}, {len(failures)} failed, {schedules / (told - began):.0f} a second")
    return Storm(schedules, failures, counts, time.monotonic() - began)


def explained(
    schedule: str, failures: Sequence[Failure], *, arguments: tuple[Any, ...] = (), processes: int | None = None
) -> list[str]:
    """The shrunk story of each of these failures."""
    with _workers(min(processes or os.cpu_count() or 1, len(failures)), schedule) as submit:
        stories = [submit(tell_failure, schedule, failure, arguments) for failure in failures]
        return [story() for story in stories]


Submit = Callable[..., Callable[[], Any]]


@contextmanager
def _workers(processes: int, schedule: str) -> Iterator[Submit]:
    """Give work to processes that are started once, afresh, and are ready; one alone is this process itself.

    What is given back waits for the result.
    """
    if processes <= 1:
        yield partial
        return
    # What cannot be imported is told here, and not by processes that never become ready.
    named(schedule)
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(processes + 1, timeout=STARTED_S_MAX)
    pool = ProcessPoolExecutor(processes, context, initializer=_begin, initargs=(schedule, ready))
    try:
        for _ in range(processes):
            # A pool starts its processes one by one, as work comes in.
            pool.submit(os.getpid)
        ready.wait()
        yield lambda work, *arguments: pool.submit(work, *arguments).result
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(schedule: str, ready: Barrier) -> None:
    # Ctrl-C is the parent's to handle; and what was imported so far need never be looked at for garbage again.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    named(schedule)
    gc.freeze()
    ready.wait()


def run_chunk(schedule: str, seeds: range, arguments: tuple[Any, ...]) -> Chunk:
    called, failures, counts = named(schedule), list[Failure](), Counter[str]()
    with collecting_between():
        for seed in seeds:
            try:
                with _at_most(SEED_S_MAX):
                    outcome = run(called, seed, arguments=arguments, tracing=False)
            except Stuck as stuck:
                failures.append(Failure(seed, "Stuck", str(stuck)))
                continue
            counts.update(outcome.counts)
            if outcome.failure:
                failures.append(Failure(seed, outcome.failure, outcome.message))
            # A world is full of cycles. Let go of at once, it leaves its memory, still warm, to the next one.
            gc.collect(1)
    return Chunk(len(seeds), failures, counts)


@contextmanager
def collecting_between() -> Iterator[None]:
    """Look for garbage only when told to: to look through a world that lives costs much and finds little."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


def tell_failure(schedule: str, failure: Failure, arguments: tuple[Any, ...]) -> str:
    """Replay and shrink it. A failure that does not come again is the worst kind, and is told as such."""
    head = f"seed {failure.seed}: {failure.kind} {failure.message}".rstrip()
    if failure.kind == "Stuck":
        return head
    try:
        with _at_most(EXPLAIN_S_MAX):
            outcome = explain(named(schedule), failure.seed, arguments=arguments)
    except Stuck as stuck:
        return f"{head}\nNot shrunk: {stuck}"
    if outcome.failure != failure.kind:
        return (
            f"{head}\nThe same seed then {'failed with ' + outcome.failure if outcome.failure else 'passed'}: the "
            "schedule is not deterministic. Look for sets of objects, clocks, ids and randomness of its own."
        )
    return "\n".join((head, *_story(outcome)))


def _story(outcome: Outcome) -> Iterator[str]:
    yield f"needs {len(outcome.decisions)} decisions:"
    yield from (f"  {decision}" for decision in outcome.decisions)
    yield "and then happens:"
    yield from outcome.trace
    yield outcome.details.rstrip()


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """Interrupt what takes longer. Signals exist in a main thread only, which a worker's is."""

    def interrupt(*_: object) -> None:
        raise Stuck(f"It had not ended after {seconds:.0f} s of real time.")

    before = signal.signal(signal.SIGALRM, interrupt)
    # Again every second, in case something on the way out swallows it.
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def main(schedule: str | None = None, argv: Sequence[str] | None = None) -> int:
    """The command: the exit code is 1 if a seed failed, and the last line says how many did."""
    parser = argparse.ArgumentParser(prog="python -m tests.storms", description=__doc__)
    parser.add_argument("--seeds", type=int, default=2_000, help="how many")
    parser.add_argument("--from", type=int, default=0, dest="first", help="the first one")
    parser.add_argument("--processes", type=int, help="default: one a core")
    parser.add_argument("--schedule", default=schedule, required=schedule is None, help="package.module.function")
    parser.add_argument("--trace", action="store_true", help="print the whole trace of the first seed, and no more")
    parser.add_argument("arguments", nargs="*", help="passed on to the schedule")
    given = parser.parse_args(argv)
    arguments = tuple(given.arguments)
    if given.trace:
        outcome = run(named(given.schedule), given.first, arguments=arguments)
        print(outcome)
        return int(bool(outcome.failure))
    seeds = range(given.first, given.first + given.seeds)
    ended = storm(given.schedule, seeds, arguments=arguments, processes=given.processes, tell=_say)
    _say(f"{ended.schedules / max(ended.seconds, 1e-9):.0f} schedules a second")
    shown = ended.failures[:EXPLAINED_MAX]
    for story in explained(given.schedule, shown, arguments=arguments, processes=given.processes):
        _say("", story)
    if ended.failures:
        _say("", "failed seeds: " + ", ".join(str(failure.seed) for failure in ended.failures[:100]))
        _say(f"again: --from {shown[0].seed} --seeds 1, or with --trace")
    _say(f"{ended.schedules} schedules, {len(ended.failures)} failed")
    return int(bool(ended.failures))


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(line + "\n")
    sys.stdout.flush()
