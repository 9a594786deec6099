"""Which processes run on which core, so that what a worker costs a reader is told from what a shared machine costs."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mystira.polyglot.stores.postgres.store import PostgresStore

OURS, THEIRS = 0, 1


def can_part() -> bool:
    """Tell whether this machine has a core for either side, and lets processes be bound to them."""
    return hasattr(os, "sched_setaffinity") and {OURS, THEIRS} <= os.sched_getaffinity(0)


@contextmanager
def bound(processes: Iterable[int], core: int) -> Iterator[None]:
    """Keep these processes, and whatever they start meanwhile, on one core."""
    bound_to, before = list(processes), os.sched_getaffinity(0)
    _bind(bound_to, {core})
    try:
        yield
    finally:
        _bind(bound_to, before)


def _bind(processes: Iterable[int], cores: set[int]) -> None:
    for process in processes:
        for thread in Path(f"/proc/{process}/task").glob("*"):
            os.sched_setaffinity(int(thread.name), cores)


async def server_processes(relational: PostgresStore) -> list[int]:
    """Return the server's process and all that it has started."""
    async with relational.connection() as connection:
        server = _parent(await connection.fetchval("SELECT pg_backend_pid()"))
    return [server, *_children(server)]


def _children(process: int) -> list[int]:
    running = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
    return [one for one in running if _parent(one) == process]


def _parent(process: int) -> int:
    try:
        # The name in brackets may hold blanks; what follows it does not.
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    except FileNotFoundError:
        return 0
