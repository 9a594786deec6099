"""Background loops that must survive: each does its step until nothing is left, then waits to be woken."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog

from mystira.polyglot.measures import LOOP_FAILURES
from mystira.polyglot.work import Works

log = structlog.get_logger(__name__)

IDLE_S = 0.25
BACK_OFF_S_MAX = 10.0


class Job(NamedTuple):
    """Something to do on a schedule; it returns how much it did, and is done again at once while that is not 0."""

    name: str
    do: Callable[[Works], Awaitable[int]]
    every_s: float


class Wake:
    """A bell that any number of loops can wait for; ringing it costs next to nothing."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    def ring(self) -> None:
        """Wake everyone who waits now, and let nobody who is about to wait miss it."""
        for event in self._waiting:
            event.set()

    def join(self) -> asyncio.Event:
        """Return an event of one's own, set at every ring until `leave`."""
        event = asyncio.Event()
        self._waiting.add(event)
        return event

    def leave(self, event: asyncio.Event) -> None:
        """Stop listening."""
        self._waiting.discard(event)


async def keep_doing(
    name: str, step: Callable[[], Awaitable[int]], wake: Wake, *, idle_s: float = IDLE_S, apart_s: float = 0.0
) -> None:
    """Call `step` for ever: again at once while it did something, else when woken or after `idle_s`.

    Steps begin at least `apart_s` after one another, so that many wake-ups in a row share one.
    """
    bell = wake.join()
    clock = asyncio.get_running_loop().time
    failures = 0
    try:
        while True:
            bell.clear()
            next_at = clock() + apart_s
            try:
                done = await step()
                failures = 0
            except Exception as error:  # noqa: BLE001 - the next round starts from what is stored, which heals it.
                failures += 1
                LOOP_FAILURES.add(name)
                done = 0
                log.warning("loop_failed", loop=name, failures=failures, error=f"{type(error).__name__}: {error}")
            if not done:
                await _wait(bell, _pause_s(idle_s, failures), woken=failures == 0)
            if clock() < next_at:
                await asyncio.sleep(next_at - clock())
    finally:
        wake.leave(bell)


def _pause_s(idle_s: float, failures: int) -> float:
    # What comes round seldom is not tried more often for having failed.
    return min(idle_s * (1 << min(failures, 6)), max(idle_s, BACK_OFF_S_MAX))


async def _wait(bell: asyncio.Event, pause_s: float, *, woken: bool) -> None:
    if not woken:
        # After a failure a bell must not turn the back-off into a busy loop.
        await asyncio.sleep(pause_s)
        return
    try:
        async with asyncio.timeout(pause_s):
            await bell.wait()
    except TimeoutError:
        return
