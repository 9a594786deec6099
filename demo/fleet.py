"""The services as separate processes, and the commands that an operator would type."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from demo.telling import Teller
from mystira.polyglot.stores.postgres.embedded.home import home_of
from mystira.polyglot.stores.postgres.embedded.server import running_pid

ROOT = Path(__file__).parents[1]
SERVICES = ("app", "admin", "worker")
READY_S_MAX = 120.0
STOP_S_MAX = 60.0
# A demonstration's players share one address, and ask more often than people do.
UNLIMITED = {"MYSTIRA_LIMIT_WRITES": "0", "MYSTIRA_LIMIT_SIGN_INS": "0", "MYSTIRA_LIMIT_LINKS": "0"}


class CommandFailed(Exception):
    """A command ended otherwise than it was expected to."""


class Fleet:
    """The services of one data folder, each a process with a port of its own."""

    def __init__(self, data: Path, tell: Teller) -> None:
        self.data = data
        self.ports = {service: _free_port() for service in SERVICES}
        self._tell = tell
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MYSTIRA_")}
        self._environment = inherited | UNLIMITED | {"MYSTIRA_DATA": str(data)}

    def address(self, service: str) -> str:
        """Return where a browser finds a service."""
        return f"http://127.0.0.1:{self.ports[service]}"

    async def start(self, *services: str) -> None:
        """Start services and return when all are ready."""
        for service in services:
            self._spawn(service)
        for service in services:
            await self._ready(service)

    def kill(self, service: str) -> int:
        """Kill a service as a crash would; return its process id."""
        process = self._running.pop(service)
        process.kill()
        process.wait()
        # The next start must not be taken for this one.
        self._log(service).unlink()
        return process.pid

    def kill_postgres(self) -> int:
        """Kill PostgreSQL as a crash would; return its process id."""
        pid = running_pid(home_of(self.data))
        if pid is None:
            raise CommandFailed("PostgreSQL is not running, so it cannot be killed")
        os.kill(pid, signal.SIGKILL)
        return pid

    async def stop(self) -> None:
        """Stop everything that runs, in order."""
        for process in self._running.values():
            process.send_signal(signal.SIGINT)
        for service, process in self._running.items():
            try:
                await asyncio.to_thread(process.wait, STOP_S_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                self._tell.line(f"The service {service} did not stop in time; it was killed.")
        self._running.clear()

    async def mystira(self, *words: str, codes: tuple[int, ...] = (0,), shown: bool = True) -> dict[str, Any]:
        """Run one command of `mystira` and return what it prints with --json."""
        if shown:
            self._tell.line(f"$ mystira {' '.join(words)}")
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mystira", *words, "--json"),
            cwd=ROOT,
            env=self._environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, apart = await process.communicate()
        if process.returncode not in codes:
            said = (out + apart).decode().strip()[-1_500:]
            raise CommandFailed(f"mystira {' '.join(words)} ended with {process.returncode}:\n{said}")
        answer = json.loads(out) if out.strip() else {}
        return answer if isinstance(answer, dict) else {"answers": answer}

    def _spawn(self, service: str) -> None:
        with self._log(service).open("ab") as log:
            self._running[service] = subprocess.Popen(
                [sys.executable, "-m", "mystira", "run", service],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env=self._environment | {"MYSTIRA_PORT": str(self.ports[service])},
                # Ctrl-C belongs to the demonstration, which stops them in order.
                start_new_session=True,
            )

    async def _ready(self, service: str) -> None:
        give_up_at = time.monotonic() + READY_S_MAX
        while "Mystira is ready" not in self._log(service).read_text():
            if self._running[service].poll() is not None or time.monotonic() > give_up_at:
                raise CommandFailed(f"the service {service} did not start:\n{self._log(service).read_text()[-1_500:]}")
            await asyncio.sleep(0.05)

    def _log(self, service: str) -> Path:
        return self.data / f"demo-{service}.log"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
