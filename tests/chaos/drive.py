"""One run: everybody at work, everything killed, then peace, and a verdict."""

import asyncio
import contextlib
import logging
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from urllib.parse import quote

import asyncpg
import msgspec

from mystira.polyglot.store import StoreError
from mystira.polyglot.stores.postgres.embedded import attach, remove
from mystira.polyglot.stores.postgres.embedded.lease import Attached
from mystira.polyglot.stores.postgres.schema import create_table, migrate
from tests.chaos.fleet import POSTGRES, ROLES, ROOT, Fleet, kill_postgres, quiet
from tests.chaos.proxy import SOCKET, Proxy
from tests.chaos.verdict import CUT_OVER, ROLLBACK, broken, promises, settle, verbs
from tests.chaos.world import COLLECTIONS, Opened, Place, open_both

DROPPED_SHARE = 0.02
FLIPS_MIN = 2
GUARD_S = 120.0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """How long, how often PostgreSQL is killed at least, and the number that everything random comes from."""

    seconds: float
    kills: int
    seed: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to; `broken` is empty after a good one, and the folder of a bad one is kept."""

    wanted: Wanted
    seconds: float
    acknowledged: int
    verbs: dict[str, int]
    killed: dict[str, int]
    commits: int
    dropped: int
    settled_s: float
    broken: list[str]
    folder: str

    @property
    def summary(self) -> str:
        """Everything on one line."""
        killed = ", ".join(f"{number} {role}" for role, number in sorted(self.killed.items()))
        verbs = ", ".join(f"{number} {verb}" for verb, number in sorted(self.verbs.items()))
        told = (
            f"chaos seed {self.wanted.seed}: {self.seconds:.0f} s, {self.acknowledged} acknowledged writes, {verbs}; "
            f"killed {killed}; {self.dropped} of {self.commits} answers to commits dropped; "
            f"at rest after {self.settled_s:.1f} s; {len(self.broken)} promises broken"
        )
        return f"{told}; everything is in {self.folder}" if self.broken else told


async def run(wanted: Wanted) -> Outcome:
    """Do one run. All its processes are gone afterwards."""
    logging.getLogger("asyncpg.pool").setLevel(logging.CRITICAL)
    folder = Path(mkdtemp(prefix="mystira-chaos-"))
    # PostgreSQL runs as somebody else where the tests run as root, and must reach its own folder.
    folder.chmod(0o711)
    random = Random(wanted.seed)
    async with _postgres(folder) as attached, _proxy(folder, attached, random) as (proxy, place):
        fleet = Fleet(folder, folder / "place.json", random)
        began = time.monotonic()
        try:
            fleet.start()
            await _rage(wanted, attached, proxy, fleet, place)
            raged_s = time.monotonic() - began
            outcome = await _judge(wanted, attached, proxy, fleet, place, raged_s)
        finally:
            await fleet.stop_all()
    if not outcome.broken:
        await remove(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return outcome


@asynccontextmanager
async def _postgres(folder: Path) -> AsyncGenerator[Attached]:
    command = [sys.executable, "-m", "tests.chaos.watchdog", str(folder)]
    watchdog = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, start_new_session=True)
    attached = await attach(folder, quiet)
    try:
        await migrate(attached.dsn, ROOT / "migrations", quiet)
        connection = await asyncpg.connect(attached.dsn)
        for collection in COLLECTIONS:
            for statement in create_table(collection):
                await connection.execute(statement)
        await connection.close()
        yield attached
    finally:
        await attached.release()
        watchdog.communicate()


@asynccontextmanager
async def _proxy(folder: Path, attached: Attached, random: Random) -> AsyncGenerator[tuple[Proxy, Place]]:
    sockets = folder / "p"
    sockets.mkdir()
    proxy = Proxy(attached.home.sockets / SOCKET, random)
    await proxy.start(sockets)
    dsn = f"postgresql://mystira@/postgres?host={quote(str(sockets), safe='')}"
    place = Place(folder=str(folder), dsn=dsn, seed=random.getrandbits(32))
    place.acknowledged.mkdir()
    place.at_work.mkdir()
    (folder / "place.json").write_bytes(msgspec.json.encode(place))
    yield proxy, place
    await proxy.stop()


async def _rage(wanted: Wanted, attached: Attached, proxy: Proxy, fleet: Fleet, place: Place) -> None:
    """Kill and drop until the time is over and enough has happened."""
    opened = await open_both(_directly(place, attached), "watcher")
    proxy.share = DROPPED_SHARE
    every_s = wanted.seconds / (wanted.kills + 2)
    began = time.monotonic()
    raging = [
        asyncio.create_task(fleet.kill_often()),
        asyncio.create_task(kill_postgres(attached, Random(wanted.seed + 1), every_s, fleet)),
    ]
    try:
        while not await _is_enough(wanted, began, fleet, opened):
            done, _ = await asyncio.wait(raging, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
    finally:
        for task in raging:
            task.cancel()
        await asyncio.gather(*raging, return_exceptions=True)
        proxy.share = 0.0
        await opened.close()
    # The database may have been killed a moment ago.
    again = await attach(attached.home.root.parent, quiet)
    await again.release()


async def _is_enough(wanted: Wanted, began: float, fleet: Fleet, opened: Opened) -> bool:
    lasted = time.monotonic() - began
    if lasted < wanted.seconds:
        return False
    if lasted > wanted.seconds * 2 + GUARD_S:
        return True
    # Whatever is missing needs a little more room: a move that is disturbed all the time never ends.
    fleet.calm = 1.0 + lasted / wanted.seconds
    with contextlib.suppress(StoreError):
        enough = not _too_few(await verbs(opened.r))
        return enough and fleet.killed[POSTGRES] >= wanted.kills and all(fleet.killed[role] for role in ROLES)
    return False


async def _judge(
    wanted: Wanted, attached: Attached, proxy: Proxy, fleet: Fleet, place: Place, raged_s: float
) -> Outcome:
    peace_at = time.monotonic()
    # Whoever coordinated is dead, perhaps in the middle of a transition: the writers must get out of that alone.
    await fleet.stop("coordinator")
    found = [] if await fleet.stop("writer", signal.SIGTERM) else ["a writer was still waiting a minute after peace"]
    opened = await open_both(_directly(place, attached), "judge")
    found += await settle(opened.r)
    settled_s = time.monotonic() - peace_at
    await fleet.stop_all()
    found += await broken(opened.r, place)
    done = await verbs(opened.r)
    await opened.close()
    found += fleet.crashed + _too_few(done) + _too_tame(wanted, fleet)
    return Outcome(
        wanted=wanted,
        seconds=raged_s,
        acknowledged=promises(place).count,
        verbs=done,
        killed=fleet.killed,
        commits=proxy.commits,
        dropped=proxy.dropped,
        settled_s=settled_s,
        broken=found,
        folder=place.folder,
    )


def _directly(place: Place, attached: Attached) -> Place:
    return msgspec.structs.replace(place, dsn=attached.dsn)


def _too_few(done: "Counter[str]") -> list[str]:
    return [f"only {done[verb]} of {verb}" for verb in (CUT_OVER, ROLLBACK) if done[verb] < FLIPS_MIN]


def _too_tame(wanted: Wanted, fleet: Fleet) -> list[str]:
    found = [f"no {role} was killed" for role in ROLES if not fleet.killed[role]]
    if fleet.killed[POSTGRES] < wanted.kills:
        found.append(f"PostgreSQL was killed {fleet.killed[POSTGRES]} times only")
    return found
