"""A process of its own that carries out one command and kills itself at a chosen step of it."""

import asyncio
import functools
import multiprocessing
import os
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, NamedTuple

import asyncpg

from mystira.content.purchases.actions import place_order, refund, take_notice
from mystira.play import actions
from mystira.polyglot.control import Control, write_copy
from mystira.polyglot.phases import Phase
from mystira.run import platform, settle
from mystira.services import COLLECTIONS
from mystira.services.platform import Platform
from mystira.settings import read_settings

# A write that is cut short is somewhere between its first byte and its answer; a local one takes about this long.
WRITE_S_MAX = 0.003
CHILD_S_MAX = 30.0
# What a dead process had leased comes again after its lease.
LEASES_ENDED = timedelta(minutes=1)


class Place(NamedTuple):
    """The stores that outlive the process, and which of them leads."""

    data: str
    dsn: str
    led_by: Literal["documents", "postgres"]


class Death(NamedTuple):
    """At which step the process dies: `before` counts every step, `during` and `after` count the writes only.

    What is read changes nothing, so dying after a read is dying before the next step. For the same reason the long
    command, `settle`, counts of reads in a row only the first.
    """

    at: int
    when: Literal["before", "during", "after"]


@asynccontextmanager
async def opened(place: Place) -> AsyncIterator[Platform]:
    """The platform as a fresh process opens it."""
    settings = read_settings({"MYSTIRA_DATA": place.data, "MYSTIRA_RELATIONAL": place.dsn})
    async with platform(settings, print) as running:
        if place.led_by == "postgres":
            await _lead(running)
        yield running


async def _lead(running: Platform) -> None:
    declared = {control.id for control in await running.relational.journal.controls()}
    for collection in COLLECTIONS:
        if collection.name not in declared:
            led = Control(id=collection.name, phase=Phase.POSTGRES_ONLY)
            await running.relational.journal.declare(led)
            # What asks the documents first finds this copy there, as after a real cut-over.
            await write_copy(running.documents, None, led)


@contextmanager
def after_leases(running: Platform) -> Iterator[None]:
    """A while later: what a dead process had leased is free again."""
    running.works.clock = lambda: datetime.now(UTC) + LEASES_ENDED
    yield
    running.works.clock = lambda: datetime.now(UTC)


async def in_a_process_that_dies(place: Place, death: Death, command: str, arguments: dict[str, Any]) -> bool:
    """Carry out the command in a new process; tell whether it died on the way, as planned."""
    process = _FORKS.Process(target=_carry_out, args=(place, death, command, arguments))
    process.start()
    await asyncio.to_thread(process.join, CHILD_S_MAX)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


# The fork server is a clean interpreter that has read the code and written statements: no loop, thread or connection.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pytest", __name__, "tests.journeys.warm"])


def _carry_out(place: Place, death: Death, command: str, arguments: dict[str, Any]) -> None:
    asyncio.run(_commanded(place, death, command, arguments))


async def _commanded(place: Place, death: Death, command: str, arguments: dict[str, Any]) -> None:
    async with opened(place) as running:
        _arm(running, _Steps(death, every_read=command != "settle"))
        match command:
            case "start":
                await actions.start_game(running.works, **arguments)
            case "move":
                await running.works.run(actions.make_move, **arguments)
            case "abandon":
                await running.works.run(actions.abandon_session, **arguments)
            case "order":
                await running.works.run(place_order, **arguments)
            case "hear":
                await running.works.run(take_notice, **arguments)
            case "refund":
                await refund(running.works, **arguments)
            case "settle":
                await settle(running)
        # Whoever gets here has come through alive; what a tidy end would still do is not part of the command.
        os._exit(0)


def _arm(running: Platform, steps: "_Steps") -> None:
    # The platform measures this very store's calls, so they are taken where it left them.
    for name in ("read", "search", "count", "write"):
        _wrap(running.documents, name, functools.partial(steps.take, name == "write"))
    _wrap(running.documents, "feed", steps.take_page)
    for name in ("execute", "fetch", "fetchrow", "fetchval"):
        _wrap(asyncpg.Connection, name, steps.take_statement)


def _wrap(owner: Any, name: str, through: Callable[..., Awaitable[Any]]) -> None:
    method = getattr(owner, name)

    async def call(*args: Any, **kwargs: Any) -> Any:
        return await through(functools.partial(method, *args, **kwargs))

    setattr(owner, name, call)


class _Steps:
    def __init__(self, death: Death, *, every_read: bool) -> None:
        self._death = death
        self._every_read = every_read
        self._taken = 0
        self._read_before = False

    async def take(self, writes: bool, call: Callable[[], Awaitable[Any]]) -> Any:
        if not writes and (self._death.when != "before" or (self._read_before and not self._every_read)):
            return await call()
        self._read_before = not writes
        self._taken += 1
        if self._taken == self._death.at:
            await self._die(call)
        return await call()

    async def take_statement(self, call: "functools.partial[Any]") -> Any:
        return await self.take(not call.args[1].lstrip().startswith("SELECT"), call)

    async def take_page(self, call: "functools.partial[Any]") -> Any:
        page = await call()
        # A look at a feed that has nothing new is no step of anything.
        if page.continuation != call.args[2]:
            await self.take(False, functools.partial(asyncio.sleep, 0))
        return page

    async def _die(self, call: Callable[[], Awaitable[Any]]) -> None:
        if self._death.when == "during":
            # The task is held by a name, or it could be collected before it is sent.
            running = asyncio.ensure_future(call())
            await asyncio.sleep(random.Random(self._taken).random() * WRITE_S_MAX)
            del running
        elif self._death.when == "after":
            await call()
        os.kill(os.getpid(), signal.SIGKILL)


def story_folder(folder: Path, content: Path) -> Path:
    """A content folder with the sample vocabulary and badges, and one short story."""
    for name in ("vocabulary", "badges"):
        (folder / name).symlink_to(content / name)
    (folder / "scenarios").mkdir()
    (folder / "scenarios" / "story.yaml").write_text(STORY)
    return folder


STORY = """
title: The short cut
description: A story just long enough to die in.
age_group: "6-9"
minimum_age: 6
core_axes: [kindness, courage]
characters:
  - {id: fox, name: Fox}
  - {id: owl, name: Owl}
scenes:
  - id: fork
    title: The fork
    type: choice
    description: "[c:fox] stands where the path divides."
    branches:
      - choice: Share the bread.
        next_scene: leap
        compass_change: {axis: kindness, delta: 0.9}
        echo_log: {echo_type: promise-kept, description: "You shared the bread.", strength: 0.7}
      - choice: Keep it.
        next_scene: leap
        compass_change: {axis: kindness, delta: -0.3}
  - id: leap
    title: The leap
    type: roll
    description: A ditch. It is wider than it looks.
    difficulty: 11
    active_character: owl
    branches:
      - {choice: Over., next_scene: hall, compass_change: {axis: courage, delta: 0.9}}
      - {choice: In., next_scene: hall, compass_change: {axis: courage, delta: 0.4}}
  - id: hall
    title: The hall
    type: narrative
    description: It smells of bread.
    next_scene: home
    echo_reveals:
      - {echo_type: promise-kept, reveal_mechanic: mirror}
  - id: home
    title: Home
    type: special
    description: The door is open.
"""
