"""What belongs to which simulated process, and whether that process is alive, dead or asleep."""

from asyncio import Task
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any


class Handle(list[Any]):
    """A callback, its arguments and its context, in a list because nothing of Python's is made faster."""

    __slots__ = ("due",)
    due: float

    def cancel(self) -> None:
        """Leave an empty place, which the loop passes over; the arguments are let go of at once."""
        self[0], self[1] = None, ()

    def cancelled(self) -> bool:
        return self[0] is None

    def when(self) -> float:
        return self.due


class Process:
    """One life of a process: a process that is started again under its name is another one."""

    __slots__ = ("asleep_until", "dead", "name", "parked", "steps_left", "troubled")

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        # Whether it is dead, asleep or about to be killed: all others run without being asked.
        self.troubled = False
        self.asleep_until: float | None = None
        self.steps_left: int | None = None
        self.parked: list[Handle] = []


# A callback belongs to the process in whose context it was registered, so whoever waits is woken as himself, and tasks
# inherit their process as they inherit every context variable.
PROCESS: ContextVar[Process | None] = ContextVar("PROCESS")


class StormTask(Task[Any]):
    """A task whose hash is its number: task groups and asyncio.wait keep tasks in sets, and an address would order them
    differently in every process."""

    __slots__ = ("process", "serial")

    def __init__(self, serial: int, process: Process | None, coro: Coroutine[Any, Any, Any], **options: Any) -> None:
        self.serial = serial
        self.process = process
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self.serial
