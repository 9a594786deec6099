"""What was asked for, by whom, and what came of it."""

from datetime import datetime

import msgspec

from mystira.operations.model import Command, CommandState
from mystira.operations.problems import CommandNotFound
from mystira.polyglot.control import Change
from mystira.polyglot.journal import Journal
from mystira.polyglot.query import Order, Scalar, Where, all_of, at_most, equal, less
from mystira.polyglot.work import Found, Work

NEWEST_FIRST = Order("id", descending=True)
DUE_MAX = 20


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the audit: what was asked for here, with its `command` and `state`; else what was done, by whomever.

    What was done may have been asked for at a terminal, or be a worker's own. `outcome` tells where it led.
    """

    at: datetime
    who: str
    what: str
    collection: str
    why: str
    outcome: str
    command: str = ""
    state: CommandState | None = None


class Audit(msgspec.Struct, frozen=True, kw_only=True):
    """A page of the audit; the next one is what was before `before`, None after the last."""

    entries: tuple[Entry, ...]
    before: datetime | None


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


async def audit(
    work: Work, journal: Journal, *, collection: str = "", who: str = "", before: datetime | None = None, limit: int
) -> Audit:
    """Return what was asked for here and what was done, from wherever it was done, the newest first."""
    named = (("collection", collection), ("who", who))
    which = all_of(
        *(equal(field, value) for field, value in named if value), *((less("asked_at", before),) if before else ())
    )
    asked = await work.find(Command, which, NEWEST_FIRST, limit=limit)
    done = await journal.changes(limit, before=before, collection=collection or None, actor=who or None)
    entries = [*map(_asked, asked.items), *map(_done, done)]
    entries.sort(key=lambda entry: entry.at, reverse=True)
    last = entries[min(limit, len(entries)) - 1].at if entries else None
    shown = tuple(entry for entry in entries if last is not None and entry.at >= last)
    is_all = asked.after is None and len(done) < limit and len(shown) == len(entries)
    return Audit(entries=shown, before=None if is_all else last)


def _asked(command: Command) -> Entry:
    return Entry(
        at=command.asked_at,
        who=command.who,
        what=command.verb,
        collection=command.collection,
        why=command.why,
        outcome=command.outcome,
        command=command.id,
        state=command.state,
    )


def _done(change: Change) -> Entry:
    led = f"{change.before} → {change.after}" if change.before != change.after else change.after
    return Entry(
        at=change.at, who=change.actor, what=change.verb, collection=change.collection, why=change.why, outcome=led
    )


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
