"""What measuring costs: a call of a store and a request, with and without it, in turns."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from mystira.polyglot import measures
from mystira.polyglot.timing import measure
from mystira.web.metrics import measured

CALLS, ROUNDS = 50_000, 7


class Nothing:
    """A store whose call takes no time."""

    async def read(self, name: str) -> None:
        """Do nothing."""


async def answers(scope: Any, receive: Any, send: Any) -> None:
    """Answer at once."""
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def taken_us(call: Callable[[], Awaitable[Any]]) -> float:
    """Return the microseconds of CPU time that one call takes."""
    began = time.process_time()
    for _ in range(CALLS):
        await call()
    return (time.process_time() - began) / CALLS * 1e6


async def compare() -> dict[str, float]:
    """Return the microseconds that measuring adds to each."""
    plain, watched = Nothing(), Nothing()
    measure(watched, "example")
    layered, scope = measured(answers), {"type": "http", "method": "GET", "path_template": "/"}

    async def send(message: Any) -> None:
        return None

    pairs: dict[str, tuple[Callable[[], Awaitable[Any]], Callable[[], Awaitable[Any]]]] = {
        "a call of a store": (lambda: plain.read("x"), lambda: watched.read("x")),
        "a request": (lambda: answers(scope, None, send), lambda: layered(scope, None, send)),  # type: ignore[arg-type]
    }
    added: dict[str, float] = {}
    for name, (without, with_it) in pairs.items():
        rounds = [await taken_us(with_it) - await taken_us(without) for _ in range(ROUNDS)]
        added[name] = statistics.median(rounds)
    began = time.process_time()
    for _ in range(CALLS):
        measures.EVENTS.add("delivered")
    added["counting something"] = (time.process_time() - began) / CALLS * 1e6
    return added


if __name__ == "__main__":
    for what, microseconds in asyncio.run(compare()).items():
        print(f"Measuring adds {microseconds:.2f} microseconds to {what}.")
