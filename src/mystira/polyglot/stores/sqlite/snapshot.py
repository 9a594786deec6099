"""A document file as it stood at one instant, copied while others go on writing to it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import apsw

from mystira.polyglot.store import Unavailable
from mystira.polyglot.stores.sqlite.failures import sentence
from mystira.polyglot.stores.sqlite.schema import connect, quoted

PAGES_AT_ONCE = 2_000


class Instant:
    """One committed state of a document file. Nobody writes until `let_go`; the state stays readable after that."""

    def __init__(self, lock: apsw.Connection, reader: apsw.Connection) -> None:
        self._lock = lock
        self._reader = reader

    async def let_go(self) -> None:
        """Let writers go on."""
        await asyncio.to_thread(lambda: self._lock.execute("ROLLBACK"))

    async def copy(self, target: Path) -> int:
        """Copy this state into a new file; return how many documents it holds."""
        return await asyncio.to_thread(self._copy, target)

    def _copy(self, target: Path) -> int:
        try:
            copied = apsw.Connection(str(target))
            try:
                # A backup of a connection that is inside a read transaction copies what that transaction sees.
                with copied.backup("main", self._reader, "main") as backup:
                    while not backup.done:
                        backup.step(PAGES_AT_ONCE)
                # One file, without a log beside it.
                copied.execute("PRAGMA journal_mode = DELETE")
            finally:
                copied.close()
        except apsw.Error as error:
            raise Unavailable(sentence(str(target), error)) from error
        return count_documents(self._reader)


@asynccontextmanager
async def stand_still(path: Path) -> AsyncGenerator[Instant]:
    """Wait for the running write, keep others from writing, and hold on to the state between them."""
    lock, reader = await asyncio.to_thread(_hold, str(path))
    try:
        yield Instant(lock, reader)
    finally:
        lock.close()
        reader.close()


def check_file(path: Path) -> int:
    """Return how many documents a file holds; Unavailable when it is damaged."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        verdict = cast(str, connection.execute("PRAGMA integrity_check").get)
        if verdict != "ok":
            raise Unavailable(f"{path} is damaged: {verdict}")
        return count_documents(connection)
    except apsw.Error as error:
        raise Unavailable(sentence(str(path), error)) from error
    finally:
        connection.close()


def count_documents(connection: apsw.Connection) -> int:
    """Return how many documents all containers of a file hold together, tombstones included."""
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = '_ranges'").get is None:
        return 0
    containers = cast(list[tuple[str]], connection.execute("SELECT DISTINCT container FROM _ranges").fetchall())
    return sum(
        cast(int, connection.execute(f"SELECT count(*) FROM {quoted(name)}").get)  # noqa: S608 - names come from declarations.
        for (name,) in containers
    )


def _hold(path: str) -> tuple[apsw.Connection, apsw.Connection]:
    opened: list[apsw.Connection] = []
    try:
        lock = connect(path)
        opened.append(lock)
        reader = connect(path)
        opened.append(reader)
        lock.execute("BEGIN IMMEDIATE")
        # A transaction sees the state at its first read; nobody can commit between the lock and this.
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except apsw.Error as error:
        for connection in opened:
            connection.close()
        raise Unavailable(sentence(path, error)) from error
    return lock, reader
