"""Waits for what takes long, and shows a person how far it is; where nobody looks, it only waits."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, NamedTuple

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from mystira.migrating.place import Place
from mystira.migrating.showing import span
from mystira.migrating.standing import waiting
from mystira.polyglot import backfill
from mystira.polyglot.backfill import RUNNING
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import State
from mystira.polyglot.digesting import progress as digests_of
from mystira.polyglot.syncqueue import sync_queue
from mystira.terminal import console

POLL_S = 0.3
PATIENCE_S = 10.0


class Mark(NamedTuple):
    """How far something is: so much of so much (None: nobody knows), and a few words."""

    done: float
    total: float | None
    words: str = ""


@asynccontextmanager
async def shown(title: str, look: Callable[[], Awaitable[Mark]]) -> AsyncGenerator[None]:
    """Show again and again how far the work is that is done inside."""
    drawn = console(apart=True)
    if not drawn.is_terminal:
        yield
        return
    columns = (
        TextColumn(title),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[words]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=drawn, transient=True) as bar:
        looking = asyncio.create_task(_look(bar, look))
        try:
            yield
        finally:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking


async def _look(bar: Progress, look: Callable[[], Awaitable[Mark]]) -> None:
    task = bar.add_task("", total=None, words="")
    while True:
        mark = await look()
        bar.update(task, completed=mark.done, total=mark.total, words=mark.words)
        await asyncio.sleep(POLL_S)


async def filled(place: Place, collection: Collection[Any]) -> None:
    """Wait until the copy is filled, or somebody has paused that."""
    r = place.r

    async def look() -> Mark:
        job = await backfill.progress(r, collection)
        kept = await r.journal.backfill(collection.name)
        assert kept is not None
        rate = f"{job.seen / kept.seconds:,.0f}/s" if kept.seconds else ""
        left = "" if job.left_s_high is None else f", at most {span(job.left_s_high)} left"
        return Mark(job.seen, max(kept.total_high, job.seen), f"{job.seen:,} documents {rate}{left}")

    async with shown(f"Filling the copy of {collection.name}", look):
        while (job := await r.journal.backfill(collection.name)) is not None and job.state == RUNNING:
            await r.sleep(POLL_S)


async def counted(place: Place, collection: Collection[Any]) -> None:
    """Wait until both sides are counted, so that comparing them means something."""

    async def look() -> Mark:
        found = await digests_of(place.r, collection)
        return Mark(found.ranges_built, found.ranges, f"{found.rows_left:,} rows left")

    async with shown(f"Counting both sides of {collection.name}", look):
        while not (await digests_of(place.r, collection)).is_built:
            await place.r.sleep(POLL_S)


async def carried(place: Place, collection: Collection[Any], patience_s: float | None = None) -> None:
    """Wait until nothing waits between the stores, or patience is at an end."""
    most = 1

    async def left() -> int:
        return waiting(await sync_queue(place.r, collection))

    async def look() -> Mark:
        nonlocal most
        now = await left()
        most = max(most, now)
        return Mark(most - now, most, f"{now:,} changes left")

    async with shown(f"Carrying over what waits in {collection.name}", look):
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_s):
                while await left():
                    await place.r.sleep(POLL_S)


@asynccontextmanager
async def moving(place: Place, collection: Collection[Any]) -> AsyncGenerator[None]:
    """Show whether writers are held meanwhile."""

    async def look() -> Mark:
        row = await place.r.row(collection)
        held = row.state is not State.OPEN
        return Mark(0, None, "writes are held" if held else "nobody is held")

    async with shown(f"Moving {collection.name}", look):
        yield
