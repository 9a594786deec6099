"""The worker: the loops and jobs that carry everything onward."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial

from mystira.content.imports.jobs import ImportRunner
from mystira.content.media.jobs import JOBS as MEDIA_JOBS
from mystira.operations.jobs import CommandRunner
from mystira.operations.migration.jobs import keep_lags
from mystira.polyglot.backfill import Backfiller
from mystira.polyglot.beating import Beater
from mystira.polyglot.bus import OutboxPump
from mystira.polyglot.deadletters import retry_due
from mystira.polyglot.digesting import DigestKeeper
from mystira.polyglot.feed import LEASE_S, FeedFollower
from mystira.polyglot.loops import IDLE_S, Wake, keep_doing
from mystira.polyglot.purge import purge_in_turn
from mystira.polyglot.reaction import Reactions
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.replication import Replication
from mystira.polyglot.sampling import Sampler
from mystira.polyglot.scrub import scrub_in_turn
from mystira.polyglot.shadow_reports import ShadowTeller
from mystira.polyglot.store import StoreError
from mystira.polyglot.transition import pick_up
from mystira.polyglot.work import Works
from mystira.services import JOBS
from mystira.services.platform import Platform

Step = Callable[[], Awaitable[int]]

# Commits that come faster share one round: thirty rounds a second carry as much as one for each would.
APART_S = 0.03
# Nothing waits for digests, so they go in larger steps.
DIGESTS_APART_S = 0.5
COMMAND_HANDS = 4
HANDS = tuple(f"commands {hand}" for hand in range(1, COMMAND_HANDS + 1))
BY_CLOCK_S = {
    "shadow reads": 5.0,
    "backfill": 2.0,
    "dead letters": 2.0,
    "digests": 1.0,
    "transitions": 10.0,
    "imports": 1.0,
    # What people ask for waits for a moment; each hand that looked after every commit was most of PostgreSQL's work.
    **dict.fromkeys(HANDS, 0.5),
}

SAMPLES_S = BEATS_S = 10.0
PURGE_AFTER_S, PURGE_EVERY_S = 600.0, 3_600.0


@asynccontextmanager
async def working(platform: Platform) -> AsyncGenerator[None]:
    """Carry events from documents to the outbox and from there to the reactions, and do the jobs, until the end."""
    clock = Wake()
    loops = begin(_steps(platform), platform.wake, clock)
    for job in JOBS:
        step = partial(job.do, platform.works)
        loops.append(asyncio.create_task(keep_doing(job.name, step, clock, idle_s=job.every_s)))
    for name, media_job, every_s in MEDIA_JOBS:
        step = partial(media_job, platform.works, platform.media)
        loops.append(asyncio.create_task(keep_doing(name, step, clock, idle_s=every_s)))
    sampler = Sampler(platform.replication)
    loops.append(
        asyncio.create_task(keep_doing("samples", partial(_sample, platform, sampler), clock, idle_s=SAMPLES_S))
    )
    if platform.settings.scrub_days:
        loops.append(asyncio.create_task(_scrubbing(platform, clock)))
    if platform.settings.purge_days:
        loops.append(asyncio.create_task(_purging(platform, clock)))
    try:
        yield
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


def begin(steps: Mapping[str, Step], wake: Wake, clock: Wake) -> list[asyncio.Task[None]]:
    """Begin to do these steps again and again, whenever `wake` rings; whoever begins the tasks cancels them.

    `clock` is a bell that nobody rings: what no commit can hurry comes round by the clock alone.
    """
    return [
        asyncio.create_task(
            keep_doing(
                name,
                step,
                clock if name in BY_CLOCK_S else wake,
                idle_s=BY_CLOCK_S.get(name, IDLE_S),
                apart_s=DIGESTS_APART_S if name == "digests" else APART_S,
            )
        )
        for name, step in steps.items()
    ]


async def _sample(platform: Platform, sampler: Sampler) -> int:
    """Look once at what waits: for the gauges of this process, and for the last hour that all of them draw."""
    await sampler.step()
    await keep_lags(platform.works, sampler.readings)
    return 0


async def _purging(platform: Platform, clock: Wake) -> None:
    """Look every hour whether a day has passed; not while everything is being started."""
    await asyncio.sleep(PURGE_AFTER_S)
    older_than_s = timedelta(days=platform.settings.purge_days).total_seconds()
    step = partial(purge_in_turn, platform.replication, older_than_s=older_than_s)
    await keep_doing("purge", step, clock, idle_s=PURGE_EVERY_S)


async def _scrubbing(platform: Platform, clock: Wake) -> None:
    """Look every hour whether a collection is due; not while everything is being started."""
    await asyncio.sleep(PURGE_AFTER_S)
    every_s = timedelta(days=platform.settings.scrub_days).total_seconds()
    step = partial(scrub_in_turn, platform.replication, every_s=every_s, records_per_s=platform.settings.scrub_pace)
    await keep_doing("scrub", step, clock, idle_s=PURGE_EVERY_S)


# A filling that found the end of its last range has carried nothing, and is declared whole in the next round.
QUIET_ROUNDS = 2


async def settle(platform: Platform) -> None:
    """Carry everything that waits onward now, without loops: for commands that end at once, and for tests."""
    # Whoever held a lease may be gone; without leases nothing needs to be waited for.
    steps = _steps(platform, lease_s=None).values()
    quiet = 0
    while quiet < QUIET_ROUNDS:
        quiet = 0 if sum([await step() for step in steps]) else quiet + 1


def carrying(works: Works, r: Replication, reactions: Reactions, lease_s: float | None = LEASE_S) -> dict[str, Step]:
    """Return what carries changes of every collection onward, one step each."""
    return {
        "feed": FeedFollower(r.catalog, r.documents, r.relational, clock=r.clock, owner=r.name, lease_s=lease_s).step,
        "relay": ReverseRelay(r.catalog, r.documents, r.relational, clock=r.clock).step,
        "transitions": lambda: pick_up(r),
        "backfill": Backfiller(r, steady=time.monotonic).step_if_any,
        "dead letters": lambda: retry_due(r),
        "shadow reads": ShadowTeller(works.shadows, r).step,
        "digests": DigestKeeper(r, lease_s=lease_s).step,
        "outbox": OutboxPump(works, r.journal, reactions).step,
    }


def _steps(platform: Platform, lease_s: float | None = LEASE_S) -> dict[str, Step]:
    """Return everything that a worker does again and again, one step each."""
    r = platform.replication
    return {
        **carrying(platform.works, r, platform.reactions, lease_s),
        **{name: CommandRunner(platform.works, r, hand=hand).step for hand, name in enumerate(HANDS, start=1)},
        "imports": ImportRunner(
            platform.works, platform.readers, platform.media, platform.settings.data / "imports", name=r.name
        ).step,
    }


@asynccontextmanager
async def beating(platform: Platform, services: Sequence[str]) -> AsyncGenerator[None]:
    """Tell every few seconds that this process is alive; at its end, that it is not missed."""
    r = platform.replication
    beater = Beater(platform.relational, process=r.name, services=services, clock=r.clock)
    loop = asyncio.create_task(keep_doing("heartbeat", beater.step, Wake(), idle_s=BEATS_S))
    try:
        yield
    finally:
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)
        # PostgreSQL may be gone first; then the silence tells it.
        with suppress(StoreError):
            await beater.end()


@asynccontextmanager
async def telling(platform: Platform) -> AsyncGenerator[None]:
    """Do without a worker what belongs to this process alone: tell what its shadow reads have shown."""
    step = ShadowTeller(platform.works.shadows, platform.replication).step
    telling = asyncio.create_task(keep_doing("shadow reads", step, Wake(), idle_s=BY_CLOCK_S["shadow reads"]))
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
