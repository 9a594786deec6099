"""`status`, `history`, `shadow`: looking at collections without moving them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Annotated

from cyclopts import Parameter
from rich.console import RenderableType
from rich.live import Live

from mystira.migrating.answers import CollectionStatus, History, Status
from mystira.migrating.exits import WrongUse, refuse
from mystira.migrating.place import ASKED, READING, Asked, Place, Reading, chosen, perform
from mystira.migrating.showing import drawn_one, drawn_status, moment, rows, show, table
from mystira.migrating.standing import status as status_of_all
from mystira.migrating.standing import status_of
from mystira.polyglot.shadow import shadow as set_shadow
from mystira.services import COLLECTIONS
from mystira.terminal import console, print_json

WATCH_S = 2.0


def status(
    collection: str = "",
    *,
    watch: Annotated[bool, Parameter(negative="", help="Look again every two seconds, until Ctrl-C.")] = False,
    asked: Reading = READING,
) -> None:
    """Show where every collection stands, or everything about one."""
    which = [chosen(asked, collection)] if collection else list(COLLECTIONS)
    if watch and asked.json:
        refuse(WrongUse(advice="--watch is for people: leave out --json, or call status again and again."), json=True)

    async def work(place: Place) -> Status:
        if watch:
            await _watch(lambda: status_of_all(place.r, which), one=bool(collection))
        return await status_of_all(place.r, which)

    found = perform(asked, work)
    if asked.json:
        print_json(found)
    else:
        show(_drawn(found, bool(collection)))


async def _watch(look: Callable[[], Awaitable[Status]], *, one: bool) -> None:
    """Draw what is found again and again, until somebody stops it."""
    if not console().is_terminal:
        # A file or a pipe cannot be drawn over, so whoever follows it gets one table after the other.
        while True:
            show(_drawn(await look(), one))
            await asyncio.sleep(WATCH_S)
    with Live(_drawn(await look(), one), console=console(), screen=False, auto_refresh=False) as live:
        live.refresh()
        while True:
            await asyncio.sleep(WATCH_S)
            live.update(_drawn(await look(), one), refresh=True)


def tell(asked: Reading, one: CollectionStatus) -> None:
    """Tell where a collection stands after a command has done its work."""
    if asked.json:
        print_json(one)
    else:
        show(drawn_one(one, datetime.now(UTC)))


def history(
    collection: str,
    *,
    limit: Annotated[int, Parameter(help="How many lines at most.")] = 50,
    asked: Reading = READING,
) -> None:
    """Show who did what to a collection, when and why, the newest first."""
    which = chosen(asked, collection)

    async def work(place: Place) -> History:
        return History(collection=which.name, changes=tuple(await place.r.journal.history(which.name, limit)))

    found = perform(asked, work)
    if asked.json:
        print_json(found)
        return
    drawn = table("When (UTC)", "Who", "What", "Afterwards", "Why")
    lines = [(moment(one.at), one.actor, one.verb, one.after[:60], one.why) for one in found.changes]
    show(rows(drawn, lines) if lines else f"Nothing was done to {which.name} yet.")


def shadow(
    collection: str,
    rate: Annotated[float | None, Parameter(help="From 0 (none) to 1 (all); left out, nothing is changed.")] = None,
    *,
    asked: Asked = ASKED,
) -> None:
    """Ask the follower for a share of all reads as well, and show what that found."""
    which = chosen(asked, collection)

    async def work(place: Place) -> CollectionStatus:
        if rate is not None:
            await set_shadow(place.r, which, rate, **place.by)
        return await status_of(place.r, which)

    tell(asked, perform(asked, work))


def _drawn(found: Status, is_one: bool) -> RenderableType:
    if is_one:
        return drawn_one(found.collections[0], found.at)
    return drawn_status(found, console().width)
