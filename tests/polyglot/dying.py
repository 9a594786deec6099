"""A process of its own that retires documents, or restores them, and kills itself before a chosen step that changes
anything: on the disk, among the documents, or in the history."""

import asyncio
import functools
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mystira.polyglot import archive
from mystira.polyglot.replication import Replication
from mystira.polyglot.stores.postgres.store import PostgresJournal, open_postgres
from mystira.polyglot.stores.sqlite.store import SqliteDocuments, open_sqlite
from tests.polyglot.counting import COLLECTIONS, COUNTERS
from tests.polyglot.moving import CATALOG, QUICK, SOMEBODY, real_clock

CHILD_S_MAX = 30.0
PART_BYTES = 600


async def in_a_process_that_dies(verb: str, documents: Path, dsn: str, folder: Path, at: int) -> bool:
    """Carry it out in a new process; tell whether that died on the way."""
    process = _FORKS.Process(target=_carry_out, args=(verb, str(documents), dsn, folder, at))
    process.start()
    await asyncio.to_thread(process.join, CHILD_S_MAX)
    assert process.exitcode in (0, -signal.SIGKILL), process.exitcode
    return process.exitcode != 0


async def carry_out(verb: str, documents: Path | str, dsn: str, folder: Path) -> None:
    """Do it in this process, on a document file of its own."""
    sqlite, postgres = await open_sqlite(documents, COLLECTIONS), await open_postgres(dsn, COLLECTIONS)
    r = Replication(CATALOG, sqlite, postgres, QUICK, clock=real_clock)
    try:
        if verb == "complete":
            await archive.complete(r, COUNTERS, folder, part_bytes=PART_BYTES, **SOMEBODY)
        else:
            await archive.restore_archive(r, COUNTERS, folder, **SOMEBODY)
    finally:
        await postgres.close()
        sqlite.close()


_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["pytest", __name__])


def _carry_out(verb: str, documents: str, dsn: str, folder: Path, at: int) -> None:
    taken = 0

    def dying(call: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(call)
        def counted(*args: Any, **named: Any) -> Any:
            nonlocal taken
            taken += 1
            if taken == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **named)

        return counted

    for owner, name in (
        (os, "fsync"),
        (os, "replace"),
        (os, "unlink"),
        (SqliteDocuments, "remove"),
        (SqliteDocuments, "write"),
        (PostgresJournal, "note"),
        (PostgresJournal, "retire_rows"),
        (PostgresJournal, "restore_rows"),
    ):
        setattr(owner, name, dying(getattr(owner, name)))
    asyncio.run(carry_out(verb, documents, dsn, folder))
    os._exit(0)
