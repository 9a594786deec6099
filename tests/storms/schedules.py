"""Runs one schedule with one seed, and tells how it ended in words that another process can be sent."""

import gc
import inspect
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Any, NamedTuple

from tests.storms.choices import Decision
from tests.storms.loop import STEPS_MAX, StormLoop
from tests.storms.shrinking import shrink


class Outcome(NamedTuple):
    """How one schedule ended; `failure` names the class of its exception, or is empty.

    Shrinking keeps to the same class, so an invariant with a class of its own never turns into another one.
    """

    seed: int
    failure: str
    message: str
    details: str
    decisions: list[Decision]
    trace: list[str]
    counts: Counter[str]
    steps: int
    time: float

    def __str__(self) -> str:
        return "\n".join((*self.trace, f"{self.failure or 'passed'} {self.message}".strip()))


def run(
    schedule: Callable[..., Any],
    seed: int,
    *,
    arguments: tuple[Any, ...] = (),
    forced: Mapping[str, Any] | None = None,
    drawn: bool = True,
    tracing: bool = True,
    fifo: bool = False,
    steps_max: int = STEPS_MAX,
) -> Outcome:
    """Run `schedule(loop, seed, *arguments)`, which may be a coroutine function, and put its world away.

    A trace changes nothing in the course of a run, so the many runs that pass can do without (`tracing=False`).
    """
    loop = StormLoop(seed, fifo=fifo, forced=forced, drawn=drawn, tracing=tracing, steps_max=steps_max)
    failure = message = details = ""
    # Collected at a random moment, garbage would speak at another step in every process.
    collecting = gc.isenabled()
    gc.disable()
    try:
        with loop:
            result = schedule(loop, seed, *arguments)
            if inspect.iscoroutine(result):
                loop.run_until_complete(result)
    except Exception as error:  # noqa: BLE001
        # Whatever it is, it is what the schedule found; it is reported and the next seed has its turn.
        leaves = list(_leaves(error))
        failure = " and ".join(sorted({type(leaf).__name__ for leaf in leaves}))
        message = "; ".join(str(leaf).partition("\nassert ")[0] for leaf in leaves)
        details = "".join(traceback.format_exception(error)) if tracing else ""
    finally:
        if collecting:
            gc.enable()
    trace = [str(line) for line in loop.traced]
    return Outcome(seed, failure, message, details, loop.decisions, trace, loop.counts, loop.step, loop.time())


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """What failed, out of the groups that task groups wrap it in."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def named(schedule: str) -> Callable[..., Any]:
    """The schedule with this dotted name, `package.module.function`."""
    module, _, name = schedule.rpartition(".")
    return getattr(import_module(module), name)


def explain(schedule: Callable[..., Any], seed: int, *, arguments: tuple[Any, ...] = ()) -> Outcome:
    """Run a failing seed again with the fewest decisions that still make it fail in the same way, and with its trace.

    An answer that has not failed says that the schedule does not replay.
    """
    whole = run(schedule, seed, arguments=arguments)
    if not whole.failure:
        return whole

    def fails(decisions: list[Decision]) -> bool:
        return _only(schedule, seed, decisions, arguments, tracing=False).failure == whole.failure

    return _only(schedule, seed, shrink(fails, whole.decisions), arguments, tracing=True)


def _only(
    schedule: Callable[..., Any], seed: int, decisions: list[Decision], arguments: tuple[Any, ...], *, tracing: bool
) -> Outcome:
    forced = {decision.key: decision.value for decision in decisions}
    return run(schedule, seed, arguments=arguments, forced=forced, drawn=False, tracing=tracing)
