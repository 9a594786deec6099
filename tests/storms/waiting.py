"""Says in words which task waits where, for the reports of hangs."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.storms.processes import StormTask

LISTED_MAX = 40
_ASYNCIO = Path(asyncio.__file__).parent


def report(tasks: Iterable[StormTask]) -> str:
    """One line for each task that still waits, in the order in which they were started."""
    lines = [line(task) for task in tasks if not task.done()]
    left_off = [f"  and {len(lines) - LISTED_MAX} more"] if len(lines) > LISTED_MAX else []
    return "\n".join(lines[:LISTED_MAX] + left_off)


def line(task: StormTask) -> str:
    killed = ", killed" if task.process is not None and task.process.dead else ""
    return f"  {task.get_name()}{killed}: {_place(task.get_coro())}{_awaited(task)}"


def _place(coro: Any) -> str:
    frames = list(_frames(coro))
    ours = [frame for frame in frames if Path(frame.f_code.co_filename).parent != _ASYNCIO]
    places = [f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_qualname}" for frame in ours]
    if frames and frames[-1] not in ours:
        places.append(f"asyncio {frames[-1].f_code.co_qualname}")
    return " > ".join(places) or "nowhere"


def _frames(coro: Any) -> Iterable[Any]:
    """The frames from the task's own coroutine down to the innermost, through generators and async generators."""
    while coro is not None:
        for prefix, inner in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
            if hasattr(coro, f"{prefix}_frame"):
                frame = getattr(coro, f"{prefix}_frame")
                if frame is not None:
                    yield frame
                coro = getattr(coro, inner)
                break
        else:
            return


def _awaited(task: StormTask) -> str:
    awaited = getattr(task, "_fut_waiter", None)
    if not isinstance(awaited, StormTask):
        return ""
    killed = ", which was killed" if awaited.process is not None and awaited.process.dead else ""
    return f", waits for {awaited.get_name()}{killed}"
