"""Where a command works: the stores opened beside whatever runs on them, and who asks for what reason."""

import asyncio
import difflib
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypedDict, TypeVar

import structlog
from cyclopts import Parameter

from mystira.adopting import collections_of
from mystira.migrating.exits import WrongUse, refuse
from mystira.polyglot.collection import Collection
from mystira.polyglot.problem import Problem
from mystira.polyglot.replication import Replication
from mystira.run import platform, working
from mystira.services.platform import Platform
from mystira.settings import Settings, read_settings
from mystira.terminal import say_apart, whoever

T = TypeVar("T")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Reading:
    """What every command understands."""

    json: Annotated[bool, Parameter(negative="", help="Print one JSON document (docs/schemas) instead of text.")] = (
        False
    )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Asked(Reading):
    """What every command understands that changes something: it goes on record with who asked for it, and why."""

    why: Annotated[str, Parameter(help="The reason, for the history.")] = ""
    actor: Annotated[str, Parameter(name="--as", help="Who asks, for the history (default: your user name).")] = ""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Sure(Asked):
    """What commands understand that ask before they begin."""

    yes: Annotated[bool, Parameter(negative="", help="Do not ask.")] = False


READING, ASKED, SURE = Reading(), Asked(), Sure()
"""What is asked when nothing is said."""


class By(TypedDict):
    """Who does something for what reason, as every verb of replication takes it."""

    actor: str
    why: str


class Place(NamedTuple):
    """The opened stores, for the time of one command."""

    platform: Platform
    r: Replication
    by: By


def perform(asked: Reading, work: Callable[[Place], Awaitable[T]], *, tending: bool = False) -> T:
    """Do the work on the opened stores; a refusal ends the command with its message and code.

    With `tending` this process is a worker meanwhile, so that what has to be carried over is, whoever else runs.
    """
    try:
        return asyncio.run(_performed(asked, work, tending))
    except Problem as problem:
        refuse(problem, json=asked.json)


async def _performed(asked: Reading, work: Callable[[Place], Awaitable[T]], tending: bool) -> T:
    settings = read_settings()
    _refuse_nothing(settings)
    # What loops have to say is beside the point, and must not come between the lines of a result.
    structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(platform(settings, say_apart))
        if tending:
            await stack.enter_async_context(working(opened))
        return await work(Place(opened, opened.replication, _by(asked)))


def collection_named(name: str) -> Collection[Any]:
    """Return the collection of that name, or of that table, however it is capitalised; WrongUse names a close one."""
    # A collection that is adopted is read through its mapping here as everywhere.
    collections = collections_of(read_settings())
    by_name = {one.name.lower(): one for one in collections}
    found = by_name.get(name.lower()) or next((one for one in collections if one.table == name.lower()), None)
    if found is not None:
        return found
    close = difflib.get_close_matches(name.lower(), by_name, n=1)
    known = (
        f"Did you mean {by_name[close[0]].name}?" if close else f"There are {', '.join(c.name for c in collections)}."
    )
    raise WrongUse(advice=f"There is no collection {name}. {known}")


def chosen(asked: Reading, name: str) -> Collection[Any]:
    """Return the collection that a command was given; ends the command where there is none."""
    try:
        return collection_named(name)
    except Problem as problem:
        refuse(problem, json=asked.json)


def _refuse_nothing(settings: Settings) -> None:
    if settings.relational == "embedded" and not settings.data.exists():
        advice = f"There is no data in {settings.data}. Set MYSTIRA_DATA to the folder that the platform runs on."
        raise WrongUse(advice=advice)


def _by(asked: Reading) -> By:
    given = asked.actor if isinstance(asked, Asked) else ""
    return By(actor=given or whoever(), why=asked.why if isinstance(asked, Asked) else "")
