"""What was asked for, by whom, and what came of it."""

from datetime import datetime

from mystira.operations.model import Command, CommandState
from mystira.operations.problems import CommandNotFound
from mystira.polyglot.query import Order, Scalar, Where, all_of, at_most, equal
from mystira.polyglot.work import Found, Work

NEWEST_FIRST = Order("id", descending=True)
DUE_MAX = 20


async def command(work: Work, command_id: str) -> Command:
    """Return one command; CommandNotFound where there is none."""
    found = await work.get(Command, command_id)
    if found is None:
        raise CommandNotFound(command_id=command_id[:80])
    return found


async def commands(
    work: Work, *, collection: str = "", who: str = "", limit: int = 50, after: tuple[Scalar, ...] | None = None
) -> Found[Command]:
    """Return a page of what was asked for, the newest first; of one collection or by one person only, if named."""
    named = (("collection", collection), ("who", who))
    which = all_of(*(equal(field, value) for field, value in named if value))
    return await work.find(Command, which, NEWEST_FIRST, limit=limit, after=after)


async def under_way(work: Work, collection: str = "") -> tuple[Command, ...]:
    """Return what is asked for or being done, the oldest first."""
    found: list[Command] = []
    for state in (CommandState.RUNNING, CommandState.ASKED):
        which: Where = equal("state", state.value)
        which = all_of(which, equal("collection", collection)) if collection else which
        found += (await work.find(Command, which, Order("id"))).items
    return tuple(found)


async def due(work: Work, now: datetime) -> tuple[Command, ...]:
    """Return what somebody should begin or go on with: what is asked for, and what a dead worker has left."""
    asked = await work.find(Command, equal("state", CommandState.ASKED.value), Order("id"), limit=DUE_MAX)
    left = all_of(equal("state", CommandState.RUNNING.value), at_most("leased_until", now))
    return (*(await work.find(Command, left, Order("id"), limit=DUE_MAX)).items, *asked.items)
