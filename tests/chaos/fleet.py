"""Starts the processes of a run, kills them with -9, and starts them again."""

import asyncio
import itertools
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from mystira.polyglot.stores.postgres.embedded import attach
from mystira.polyglot.stores.postgres.embedded.lease import Attached
from mystira.polyglot.stores.postgres.embedded.server import running_pid

ROOT = Path(__file__).parents[2]
ROLES = {"writer": 3, "follower": 2, "bus": 2, "relay": 2, "backfill": 1, "coordinator": 1}
POSTGRES = "postgres"
START_S = 1.5
"""How long a process takes to start where nothing else runs."""
SLOWNESS_MAX = 4.0


class Fleet:
    """The processes that are running now, and how many of each role were killed or died by themselves.

    `calm` stretches the time between two deaths.
    """

    def __init__(self, folder: Path, place: Path, random: Random) -> None:
        self._folder = folder
        self._place = place
        self._random = random
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._born = 0
        self._born_at: dict[str, float] = {}
        self._start_s = 0.0
        self.killed: Counter[str] = Counter()
        self.crashed: list[str] = []
        self.calm = 1.0

    def start(self) -> None:
        """Start everybody."""
        for role, number in ROLES.items():
            for _ in range(number):
                self.spawn(role)
        # All at once they take longer than one that is started again.
        self._born_at.clear()

    def spawn(self, role: str) -> None:
        """Start one process; every one has a name of its own, so that no token is ever written twice."""
        self._born += 1
        name = f"{role}{self._born}"
        with (self._folder / "processes.log").open("ab") as log:
            command = [sys.executable, "-m", "tests.chaos.workers", role, name, str(self._place)]
            self._born_at[name] = time.monotonic()
            self._running[name] = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    async def kill_often(self) -> None:
        """Kill somebody every moment, every role in turn, and start another in its place after a while."""
        for turn in itertools.count():
            # A move takes seconds: whoever coordinates is spared every other time, so that some come to their end.
            roles = [role for role in ROLES if role != "coordinator" or turn % 2 == 0]
            for role in self._random.sample(roles, len(roles)):
                await asyncio.sleep(self._random.uniform(0.2, 1.2) * self.calm * self.slowness())
                self._note_crashes()
                if self._kill(role):
                    await asyncio.sleep(self._random.choice((0.0, 0.3)))
                    self.spawn(role)

    def slowness(self) -> float:
        """How much longer than on an idle machine it takes to start: who is killed sooner than that never works."""
        for name, born_at in list(self._born_at.items()):
            if (self._folder / "at work" / name).exists():
                del self._born_at[name]
                self._start_s += ((time.monotonic() - born_at) - self._start_s) / 4
        return min(max(1.0, self._start_s / START_S), SLOWNESS_MAX)

    def _of(self, role: str) -> list[str]:
        return [name for name in self._running if name.rstrip("0123456789") == role]

    def _kill(self, role: str) -> bool:
        # On a busy machine starting takes seconds, and nobody would ever get to work if that were held against them.
        at_work = [name for name in self._of(role) if (self._folder / "at work" / name).exists()]
        if not at_work:
            return False
        process = self._running.pop(self._random.choice(at_work))
        process.kill()
        process.wait()
        self.killed[role] += 1
        return True

    def _note_crashes(self) -> None:
        for name, process in list(self._running.items()):
            if process.poll() is not None:
                self.crashed.append(f"{name} ended by itself with {process.returncode}")
                del self._running[name]
                self.spawn(name.rstrip("0123456789"))

    async def stop(self, role: str, how: int = signal.SIGKILL, *, patience_s: float = 60.0) -> bool:
        """End all processes of a role; tell whether they went within their time."""
        self._note_crashes()
        going = [self._running.pop(name) for name in self._of(role)]
        for process in going:
            process.send_signal(how)
        return all([await asyncio.to_thread(_went, process, patience_s) for process in going])

    async def stop_all(self) -> None:
        """End everybody at once."""
        for role in ROLES:
            await self.stop(role)


def _went(process: "subprocess.Popen[bytes]", patience_s: float) -> bool:
    try:
        process.wait(patience_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return False
    return True


async def kill_postgres(attached: Attached, random: Random, every_s: float, fleet: Fleet) -> None:
    """Kill the database again and again, and start it after a while."""
    while True:
        await asyncio.sleep(every_s * random.uniform(0.7, 1.1) * fleet.calm * fleet.slowness())
        pid = running_pid(attached.home)
        if pid is not None:
            signal_postmaster(pid)
            fleet.killed[POSTGRES] += 1
        await asyncio.sleep(random.uniform(0.0, 0.7))
        # On a busy machine it may still be on its way down or up; whoever attaches next waits for it.
        again = await attach(attached.home.root.parent, quiet)
        await again.release()


def signal_postmaster(pid: int) -> None:
    """Kill it as a crash of the machine would: it gets no chance to write anything down."""
    os.kill(pid, signal.SIGKILL)


def quiet(told: str) -> None:
    """Listen to the steps of a start, and say nothing."""
