"""The processes that are killed: `python -m tests.chaos.workers ROLE NAME PLACE`."""

import asyncio
import ctypes
import itertools
import logging
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec

from mystira.polyglot import backfill
from mystira.polyglot.backfill import Backfiller
from mystira.polyglot.bus import OutboxPump
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Control
from mystira.polyglot.cutover import Orders, cut_over, roll_back
from mystira.polyglot.deadletters import retry_due
from mystira.polyglot.digesting import DigestKeeper
from mystira.polyglot.drains import DrainWatch
from mystira.polyglot.feed import FeedFollower
from mystira.polyglot.loops import Wake, keep_doing
from mystira.polyglot.phases import Phase
from mystira.polyglot.problem import Problem
from mystira.polyglot.relay import ReverseRelay
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Held, Refused, StoreError, Throttled, TooLarge, Unavailable
from mystira.polyglot.transition import change_phase, pick_up
from mystira.polyglot.work import Command
from tests.chaos.world import (
    COLD,
    COLLECTIONS,
    HEARD,
    HOT,
    LEASE_S,
    REACTIONS,
    Opened,
    Place,
    clock,
    open_both,
    throw_away,
    write_token,
)

PAUSE_S = 0.02
NOTHING_WRITTEN = (Unavailable, Held, Throttled)
PHASES = list(Phase)
FLIPS = {
    (Phase.DUAL_WRITE_COSMOS_READ, Phase.DUAL_WRITE_POSTGRES_READ): cut_over,
    (Phase.DUAL_WRITE_POSTGRES_READ, Phase.DUAL_WRITE_COSMOS_READ): roll_back,
}
# Letters of conflicts wait for a person, and nobody takes backups here.
ORDERS = Orders(waived=("backup", "dead letters", "verification", "scrub"), hold_s=20.0, refused_max=100_000)


class Log:
    """What one writer was promised, on the disk before anything else is asked for."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(self, id: str, token: str) -> None:
        """Keep one promise; `-` instead of a token says that the sheet was thrown away."""
        os.write(self._file, f"{id} {token}\n".encode())
        os.fsync(self._file)


async def write(opened: Opened, place: Place, name: str) -> None:
    """Write unique tokens, two at a time, until told to stop."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    watch = DrainWatch(opened.works.leadership, opened.r.journal)
    watching = asyncio.create_task(_keep_doing(name, watch.step))
    await asyncio.gather(*(_write(opened, place, f"{name}{hand}", stopping) for hand in "lr"))
    watching.cancel()


async def _write(opened: Opened, place: Place, name: str, stopping: asyncio.Event) -> None:
    log = Log(place.acknowledged / name)
    random = opened.random
    for number in itertools.count():
        if stopping.is_set():
            return
        token = f"{name}.{number}"
        if random.random() < 0.03:
            await _write_and_throw_away(opened, log, token)
        else:
            hot = random.random() < 0.5
            id = f"hot{random.randrange(HOT)}" if hot else f"cold{random.randrange(COLD)}"
            await answered(opened, write_token, id=id, token=token)
            log.note(id, token)
        await asyncio.sleep(random.random() * 2 * PAUSE_S)


async def _write_and_throw_away(opened: Opened, log: Log, token: str) -> None:
    id = f"gone-{token}"
    await answered(opened, write_token, id=id, token=token)
    log.note(id, token)
    await answered(opened, throw_away, id=id, token=f"{token}-")
    log.note(id, "-")


async def answered(opened: Opened, action: Callable[..., Awaitable[None]], *, id: str, token: str) -> None:
    """Run a command until it is acknowledged. What says that nothing was written is taken at its word."""
    looks = False
    while True:
        try:
            await opened.works.run_as(Command(op=token), action, id=id, token=token, looks=looks)
        except (Refused, TooLarge):
            raise
        except NOTHING_WRITTEN:
            await asyncio.sleep(PAUSE_S)
        except StoreError:
            looks = True
            await asyncio.sleep(PAUSE_S)
        else:
            return


async def follow(opened: Opened, place: Place, name: str) -> None:
    """Follow the documents."""
    r = opened.r
    follower = FeedFollower(COLLECTIONS, r.documents, r.relational, clock=clock, owner=name, page=50, lease_s=LEASE_S)
    keeper = DigestKeeper(r, page=50, lease_s=LEASE_S)
    await asyncio.gather(_keep_doing(name, follower.step), _keep_doing(name, keeper.step))


async def deliver(opened: Opened, place: Place, name: str) -> None:
    """Deliver facts to their reaction."""
    watch = DrainWatch(opened.works.leadership, opened.r.journal)
    pump = OutboxPump(opened.works, opened.r.journal, REACTIONS, lease_s=LEASE_S)
    # Its reactions write, so it has to answer drains as well.
    await asyncio.gather(_keep_doing(name, watch.step), _keep_doing(name, pump.step))


async def relay(opened: Opened, place: Place, name: str) -> None:
    """Carry rows to the documents."""
    r = opened.r
    await _keep_doing(name, ReverseRelay(r.catalog, r.documents, r.relational, clock=clock, lease_s=LEASE_S).step)


async def fill(opened: Opened, place: Place, name: str) -> None:
    """Fill copies, try dead letters again, and end what a dead coordinator left."""
    worker = Backfiller(opened.r, steady=time.monotonic, page=40, lease_s=LEASE_S)

    async def step() -> int:
        return await worker.step() + await retry_due(opened.r) + await pick_up(opened.r)

    await _keep_doing(name, step)


async def coordinate(opened: Opened, place: Place, name: str) -> None:
    """Walk both collections from phase to phase, there and back, for as long as it may live."""
    await asyncio.gather(*(_walk(opened, collection) for collection in COLLECTIONS))


async def _walk(opened: Opened, collection: Collection[Any]) -> None:
    while True:
        try:
            onward = await _is_onward(opened.r, collection)
            row = await opened.r.row(collection)
            await step_to(opened.r, collection, row, PHASES[PHASES.index(row.phase) + (1 if onward else -1)])
        except Problem as problem:
            # Trouble of any kind is what this is about: the next try starts from what the control row says.
            print(f"{opened.r.name} with {collection.name}: {type(problem).__name__}: {problem}", flush=True)
        # One of them lingers, so that the other is met in every phase.
        await asyncio.sleep(opened.random.random() * (1.5 if collection is HEARD else 0.8))


async def _is_onward(r: Replication, collection: Collection[Any]) -> bool:
    """Whoever takes over from one that was killed insists: on to the end where the collection was not last."""
    for change in await r.journal.history(collection.name, verb="step"):
        phase = change.after.split("/")[0]
        if phase in (PHASES[0], PHASES[-1]):
            return phase == PHASES[0]
    return True


async def step_to(r: Replication, collection: Collection[Any], row: Control, target: Phase) -> Control:
    """Go one phase on; without a copy it is filled first, and the step is for the next time."""
    if row.phase is Phase.COSMOS_ONLY and not row.complete:
        await backfill.start(r, collection, actor="chaos", why="a copy is needed")
        return await r.row(collection)
    if row.phase is Phase.DUAL_WRITE_POSTGRES_READ and not row.complete:
        # Whoever came here died half way; doing it again does the rest.
        target = row.phase
    verb = FLIPS.get((row.phase, target))
    if verb is None:
        return await change_phase(r, collection, target, actor="chaos", why="walking")
    await verb(r, collection, actor="chaos", why="walking", orders=ORDERS)
    return await r.row(collection)


async def _keep_doing(name: str, step: Callable[[], Awaitable[int]]) -> None:
    await keep_doing(name, step, Wake(), idle_s=0.05)


ROLES = {
    "writer": write,
    "follower": follow,
    "bus": deliver,
    "relay": relay,
    "backfill": fill,
    "coordinator": coordinate,
}


def die_with_parent() -> None:
    """Let the kernel kill this process when the one that started it ends, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() == 1:
        sys.exit("the parent has gone")


async def main(role: str, name: str, path: str) -> None:
    """Do one role's work."""
    # The pool's own wailing about a database that is away would drown everything else.
    logging.getLogger("asyncpg.pool").setLevel(logging.CRITICAL)
    place = msgspec.json.decode(Path(path).read_bytes(), type=Place)
    opened = await open_both(place, name)
    (place.at_work / name).touch()
    await ROLES[role](opened, place, name)


if __name__ == "__main__":
    die_with_parent()
    asyncio.run(main(*sys.argv[1:]))
