"""An event loop for storms: one thread, virtual time, a seeded order, and processes that can be killed or put to sleep.

A hang, a loop without end and an exception that nobody retrieved fail the run. Nothing here touches the outside.
"""

import asyncio
import gc
import sys
import warnings
from asyncio import AbstractEventLoop, Future
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from heapq import heappop, heappush
from inspect import CORO_CREATED, getcoroutinestate, iscoroutine
from random import Random
from types import CoroutineType, TracebackType
from typing import Any, NamedTuple, NoReturn, Self

from tests.storms.choices import Choices, Decision
from tests.storms.processes import PROCESS, Handle, Process, StormTask
from tests.storms.waiting import report

STEPS_MAX = 1_000_000
CLOSED_MAX = 100
SWEPT_FROM = 10_000


class Deadlock(Exception):
    """Nothing is ready, no timer runs, and the main task is not done."""


class Runaway(Exception):
    """The run took more steps than it was given."""


class Unretrieved(Exception):
    """Exceptions that no one asked for, or that a callback raised."""


class Traced(NamedTuple):
    step: int
    time: float
    process: str
    text: str

    def __str__(self) -> str:
        return f"{self.step:>6} {self.time:>10.4f} {self.process:<12} {self.text}"


class StormLoop(AbstractEventLoop):
    """Runs one schedule. The same seed runs the same schedule, in any process, under any hash seed.

    Among what is ready the next callback is drawn; `fifo` keeps asyncio's own order. Time passes only when nothing is
    ready. Sets of tasks keep their order everywhere; sets of bare futures or of your own objects do not, because their
    hash is an address.

    `forced` gives decisions (key to value) their outcome, and `drawn=False` makes all others neutral.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        fifo: bool = False,
        forced: Mapping[str, Any] | None = None,
        drawn: bool = True,
        tracing: bool = True,
        steps_max: int = STEPS_MAX,
    ) -> None:
        self.seed = seed
        self.fifo = fifo
        self.tracing = tracing
        self.steps_max = steps_max
        self.step = 0
        self.traced: list[Traced] = []
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._choices = Choices(seed, forced, drawn, self._tell_decision)
        # A fault of a fixed rate, to be asked for again and again: much cheaper than `choose`.
        self.chance = self._choices.chance
        self._random = Random(seed).random
        self._now = 0.0
        self._ready: list[Handle] = []
        # A future among them is simply done when its time has come, without a step of its own.
        self._timers: list[tuple[float, int, Handle | Future[None]]] = []
        self._timers_made = 0
        self._tasks: list[StormTask] = []
        self._tasks_made = 0
        self._swept_at = SWEPT_FROM
        self._processes: dict[str, Process] = {}
        self._on_kill: list[Callable[[str], object]] = []
        # What the dead would still have done. It stays referenced, because a coroutine that is let go of would run its
        # finally blocks.
        self._graveyard: list[Handle] = []
        # False until the first kill or freeze: until then no callback needs to be asked for its process.
        self._watching = False
        self._running = False
        self._closed = False

    # Every task and future asks at its birth. The type itself answers False without a frame of Python.
    get_debug = staticmethod(bool)

    # -- scheduling -------------------------------------------------------------------------------------------------

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Handle:  # type: ignore[override]
        handle = Handle((callback, args, copy_context() if context is None else context))
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Handle:
        handle = Handle((callback, args, copy_context() if context is None else context))
        handle.due = when
        if when <= self._now:
            self._ready.append(handle)
        else:
            self._timers_made += 1
            heappush(self._timers, (when, self._timers_made, handle))
        return handle

    def create_future(self) -> Future[Any]:
        return Future(loop=self)

    def pause(self, seconds: float) -> Future[None]:
        """Return what is done after this much virtual time: `asyncio.sleep` at a third of the price.

        It is done at its time even while its process sleeps; who waits for it is not woken before the process is.
        """
        future: Future[None] = Future(loop=self)
        self._timers_made = made = self._timers_made + 1
        heappush(self._timers, (self._now + seconds, made, future))
        return future

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
        **options: Any,
    ) -> Future[Any]:
        process = PROCESS.get(None) if context is None else context.get(PROCESS)
        self._tasks_made += 1
        name = name or f"{process.name if process else 'main'}-{self._tasks_made}"
        task = StormTask(self._tasks_made, process, coro, loop=self, name=name, context=context, **options)
        self._tasks.append(task)
        if len(self._tasks) > self._swept_at:
            self._sweep()
        return task

    def _sweep(self) -> None:
        self._tasks = [task for task in self._tasks if not task.done() or _unretrieved(task)]
        self._swept_at = max(SWEPT_FROM, 2 * len(self._tasks))

    # -- running ----------------------------------------------------------------------------------------------------

    def run_until_complete(self, future: Coroutine[Any, Any, Any] | Future[Any]) -> Any:  # type: ignore[override]
        """Run until it is done, and not one callback longer."""
        if self._closed or asyncio._get_running_loop() is not None:  # pyright: ignore[reportPrivateUsage]
            raise RuntimeError("A storm is run once, from plain code and not from a coroutine.")
        with self._entered():
            main = future if isinstance(future, Future) else self.create_task(future, name="main")
            self._run(main)
        return main.result()

    @contextmanager
    def _entered(self) -> Iterator[None]:
        """Be the running loop; asyncio knows this loop's tasks only, and no garbage is collected at a random moment."""
        known = _known_tasks()
        data, known.data = known.data, set()
        for task in self._tasks:
            known.add(task)
        hooks = sys.get_asyncgen_hooks()
        collecting, running = gc.isenabled(), asyncio._get_running_loop()  # pyright: ignore[reportPrivateUsage]
        gc.disable()
        sys.set_asyncgen_hooks(finalizer=self._finish_generator)
        asyncio._set_running_loop(self)
        self._running = True
        try:
            yield
        finally:
            self._running = False
            asyncio._set_running_loop(running)
            sys.set_asyncgen_hooks(*hooks)
            if collecting:
                gc.enable()
            known.data = data

    def _run(self, main: Future[Any]) -> None:
        ready, random, fifo, done = self._ready, self._random, self.fifo, main.done
        step, steps_max = self.step, self.steps_max
        while not done():
            count = len(ready)
            if count == 1:
                handle = ready.pop()
            elif not count:
                self._advance()
                continue
            elif fifo:
                handle = ready.pop(0)
            else:
                # The last one takes the place of the drawn one, which costs the same however many are ready.
                drawn = int(random() * count)
                handle = ready.pop()
                if drawn < count - 1:
                    handle, ready[drawn] = ready[drawn], handle
            callback, args, context = handle
            if callback is None:
                continue
            if self._watching:
                process = context.get(PROCESS)
                if process is not None and process.troubled and not self._may_run(handle, process):
                    continue
            self.step = step = step + 1
            if step > steps_max:
                raise Runaway(f"More than {steps_max} steps, at {self._now:.4f} s:\n{report(self._tasks)}")
            try:
                context.run(callback, *args)
            except Exception as error:  # noqa: BLE001
                # asyncio's loops log it and go on. This one goes on too, and the run has failed.
                self.call_exception_handler({"message": f"A callback raised: {callback!r}", "exception": error})

    def _advance(self) -> None:
        """Let time jump to the next timer, and make everything ready that is due then."""
        timers, ready = self._timers, self._ready
        while timers:
            due, moved = timers[0][0], False
            while timers and timers[0][0] == due:
                waited = heappop(timers)[2]
                if isinstance(waited, Handle):
                    if waited[0] is not None:
                        ready.append(waited)
                        moved = True
                elif not waited.done():
                    waited.set_result(None)
                    moved = True
            if moved:
                self._now = due
                return
        raise Deadlock(f"Nothing can happen any more, at {self._now:.4f} s, step {self.step}:\n{report(self._tasks)}")

    def _may_run(self, handle: Handle, process: Process) -> bool:
        if process.steps_left is not None and process.asleep_until is None:
            if process.steps_left == 0:
                self._end(process)
            process.steps_left -= 1
        if process.dead:
            self._graveyard.append(handle)
            return False
        if process.asleep_until is not None:
            process.parked.append(handle)
            return False
        return True

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.problems.append(f"{context['message']}: {error!r}" if error else context["message"])

    def _finish_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        if not self._closed:
            self.call_soon(self.create_task, generator.aclose())

    # -- processes --------------------------------------------------------------------------------------------------

    @contextmanager
    def process(self, name: str) -> Iterator[None]:
        """What is started inside belongs to this process, and so do its children. Waiting inside makes the waiting
        task a part of it as well."""
        token = PROCESS.set(self._process(name))
        try:
            yield
        finally:
            PROCESS.reset(token)

    def start(self, name: str, coro: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Start a task of the process."""
        context = copy_context()
        context.run(PROCESS.set, self._process(name))
        return self.create_task(coro, context=context)

    def _process(self, name: str) -> Process:
        process = self._processes.get(name)
        if process is None or process.dead:
            process = self._processes[name] = Process(name)
        return process

    def alive(self, name: str) -> bool:
        process = self._processes.get(name)
        return process is not None and not process.dead

    def kill(self, name: str, *, after_steps: int = 0) -> None:
        """End the process as kill -9 does: not one more callback of it runs, no finally, no CancelledError.

        `after_steps` lets it run that many more callbacks. Who kills himself still runs to his next await. A process
        that does not live stays dead; started again under its name it is a new one.
        """
        if not self.alive(name):
            return
        self._watching = self._processes[name].troubled = True
        if after_steps:
            self._processes[name].steps_left = after_steps
        else:
            self._end(self._processes[name])

    def _end(self, process: Process) -> None:
        process.dead = True
        self._graveyard += process.parked
        process.parked.clear()
        if self.tracing:
            self.trace(f"{process.name} was killed")
        for told in self._on_kill:
            # In nobody's context: what it starts must not die with the dead.
            Context().run(told, process.name)

    def on_kill(self, told: Callable[[str], object]) -> None:
        """Call it with the name of each process that is killed: a simulated database lets go of its locks then."""
        self._on_kill.append(told)

    def freeze(self, name: str, seconds: float) -> None:
        """Pause the process: its callbacks and timers wait until this much virtual time has passed, then go on."""
        if not self.alive(name):
            return
        process = self._processes[name]
        self._watching = process.troubled = True
        process.asleep_until = max(self._now + seconds, process.asleep_until or 0.0)
        self.call_at(process.asleep_until, self._wake, process, context=Context())
        if self.tracing:
            self.trace(f"{name} sleeps until {process.asleep_until:.4f}")

    def wake(self, name: str) -> None:
        """End the sleep of the process now, if it sleeps."""
        process = self._processes.get(name)
        if process is not None and process.asleep_until is not None:
            process.asleep_until = self._now
            self._wake(process)

    def _wake(self, process: Process) -> None:
        # A longer sleep may have been asked for in the meantime; its own timer wakes the process then.
        if process.asleep_until is not None and process.asleep_until <= self._now:
            process.asleep_until = None
            process.troubled = process.dead or process.steps_left is not None
            self._ready += process.parked
            process.parked.clear()

    # -- what a schedule says and asks --------------------------------------------------------------------------------

    def choose(self, label: str, options: float | Sequence[Any]) -> Any:
        """Draw a fault: a probability gives a bool, several options give one of them, whose first means no fault."""
        if self._closed:
            return options[0] if isinstance(options, Sequence) else False
        return self._choices.choose(label, options)

    def _tell_decision(self, decision: Decision) -> None:
        if self.tracing:
            self.trace(f"? {decision}")

    @property
    def decisions(self) -> list[Decision]:
        """The draws that did not come out neutral, in the order in which they were made."""
        return self._choices.decisions

    def trace(self, text: str) -> None:
        """Add a line to the run's story, with the step, the time and the process."""
        if self.tracing and not self._closed:
            process = PROCESS.get(None)
            self.traced.append(Traced(self.step, self._now, process.name if process else "", text))

    def count(self, cell: str) -> None:
        """Note that this happened; a runner adds up the counts of all its schedules."""
        self.counts[cell] += 1

    # -- the end ------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise if a callback failed or an exception was left lying, in a process that lived."""
        # Collected only now, so that futures in a cycle with their own traceback speak up as well.
        gc.collect(0)
        # Who died or did not get his turn before the end was still to be told.
        waiting = [*self._ready, *self._graveyard]
        for process in self._processes.values():
            waiting += process.parked
        told = {id(argument) for handle in waiting for argument in handle[1]}
        found = self.problems + [
            f"{task.get_name()} failed and nobody asked: {task.exception()!r}"
            for task in self._tasks
            if _unretrieved(task) and id(task) not in told and not (task.process and task.process.dead)
        ]
        if found:
            raise Unretrieved("\n".join(found))

    def close(self) -> None:
        """Put the world away: what still waits is closed, and whatever its finally blocks do has no effect any more.

        They do run, now, on the schedule's own objects: whatever is to be asserted of those must have been asserted.
        """
        if self._closed:
            return
        self._closed = self._choices.closed = True
        raised, sys.unraisablehook = sys.unraisablehook, lambda unraisable, /: None
        try:
            with self._entered(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._put_away()
        finally:
            sys.unraisablehook = raised

    def _put_away(self) -> None:
        # A finally block may start more tasks. They take their place at the end of this very list.
        for task in self._tasks:
            if not task.done():
                _close(task.get_coro())
        for held in (self._tasks, self._ready, self._timers, self._graveyard, self._processes, self._on_kill):
            held.clear()

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            if kind is None:
                self.check()
        finally:
            self.close()

    async def shutdown_asyncgens(self) -> None:
        """Nothing to do: close() puts everything away."""

    async def shutdown_default_executor(self) -> None:
        """Nothing to do: there are no threads."""


_LEAKED: list[Any] = []


def _close(coro: Any) -> None:
    """Close it, again if a finally block waits for something; one that will never end is kept for good instead."""
    # The end of an asynchronous generator has a task as well, and is no coroutine.
    if isinstance(coro, CoroutineType) and getcoroutinestate(coro) == CORO_CREATED:
        # What it was given to wait for will not begin either, and would complain of that when it is collected.
        for argument in coro.cr_frame.f_locals.values():
            if iscoroutine(argument):
                _close(argument)
    for _ in range(CLOSED_MAX):
        with suppress(BaseException):
            coro.close()
            return
    _LEAKED.append(coro)


def _unretrieved(task: StormTask) -> bool:
    return bool(getattr(task, "_log_traceback", False))


def _known_tasks() -> Any:
    """asyncio's weak set of all tasks, whose order of iteration would depend on the runs before."""
    tasks: Any = asyncio.tasks
    return tasks._scheduled_tasks if hasattr(tasks, "_scheduled_tasks") else tasks._all_tasks


def _refused(name: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError(
            f"StormLoop.{name}: a storm has one thread and no outside. Simulate it, or leave it out of the storm."
        )

    return refuse


# Everything else that asyncio's loops can do reaches threads, sockets, processes or signals.
for _name in dir(AbstractEventLoop):
    if not _name.startswith("_") and _name not in vars(StormLoop):
        setattr(StormLoop, _name, _refused(_name))
