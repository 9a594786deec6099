"""Stops a run's PostgreSQL when the run is gone, however it went: `python -m tests.chaos.watchdog DATA`.

The database has a session of its own and is nobody's child by then, so the kernel does not end it with the run.
"""

import signal
import sys
from pathlib import Path

from mystira.polyglot.stores.postgres.embedded.home import home_of
from mystira.polyglot.stores.postgres.embedded.server import stop


def watch(data: Path) -> None:
    """Wait until nobody holds the other end of the standard input."""
    for interrupt in (signal.SIGINT, signal.SIGTERM):
        signal.signal(interrupt, signal.SIG_IGN)
    sys.stdin.read()
    home = home_of(data)
    if home.root.exists():
        stop(home)


if __name__ == "__main__":
    watch(Path(sys.argv[1]))
