"""Starts `mystira run` as a process of its own, on a free port, and stops it again."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from mystira.polyglot.stores.postgres.embedded.home import home_of

ROOT = Path(__file__).parents[1]
READY_S_MAX = 120
# Tests and measurements ask far more often than people; those about the limits set their own.
UNLIMITED = {f"MYSTIRA_LIMIT_{what}": "0" for what in ("WRITES", "SIGN_INS", "LINKS", "PASSWORDS")}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class RunningPlatform:
    """One `mystira run` on a data folder; `output` is what it said."""

    def __init__(self, data: Path, port: int | None = None, *arguments: str, **environment: str) -> None:
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        given = {name: value for name, value in os.environ.items() if not name.startswith("MYSTIRA_")}
        given |= {"MYSTIRA_DATA": str(data), "MYSTIRA_PORT": str(self.port), **UNLIMITED, **environment}
        self.log = data.parent / f"run-{self.port}.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mystira", "run", *arguments],
                stdout=log,
                stderr=log,
                env=given,
                cwd=ROOT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait_until_ready(self) -> "RunningPlatform":
        deadline = time.monotonic() + READY_S_MAX
        while "Mystira is ready" not in self.output:
            assert self.process.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.02)
        return self

    def stop(self, how: int = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=60)


def postgres_of(data: Path) -> list[int]:
    """The pids of every process that works in this data folder's cluster, wherever that had to be put."""
    cluster = os.path.realpath(home_of(data).cluster)
    found = []
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                if os.readlink(path / "cwd") == cluster:
                    found.append(int(path.name))
            except OSError:
                continue
    return found
