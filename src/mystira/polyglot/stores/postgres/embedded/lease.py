"""Who uses the embedded PostgreSQL: locks that the kernel frees when a process dies, however it dies."""

import asyncio
import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

from mystira.polyglot.stores.postgres.embedded.belonging import mark, owned_by
from mystira.polyglot.stores.postgres.embedded.home import Home, home_of, prepare
from mystira.polyglot.stores.postgres.embedded.problems import EmbeddedFailed, StillInUse
from mystira.polyglot.stores.postgres.embedded.server import ensure_running, made_by, running_pid, stop

LOOK_S = 0.5


class Attached:
    """This process's hold on the embedded PostgreSQL; `release` gives it back."""

    def __init__(self, home: Home, ticket: Path, held: int) -> None:
        self.home = home
        self._ticket = ticket
        self._held = held

    @property
    def dsn(self) -> str:
        """The server's address for asyncpg: a Unix socket, its folder percent-encoded as the host."""
        return f"postgresql://mystira@/postgres?host={quote(str(self.home.sockets), safe='')}"

    async def keep_alive(self, report: Callable[[str], None], every_s: float = LOOK_S) -> None:
        """Start PostgreSQL again whenever it has died, until cancelled. Of all who are attached, one does."""
        while True:
            await asyncio.sleep(every_s)
            try:
                await asyncio.to_thread(self._revive, report)
            except (EmbeddedFailed, OSError) as error:
                # The disk may be full for a while; whoever asks for data is told that there is none, and we try again.
                report(str(error))
                await asyncio.sleep(every_s * 10)

    def _revive(self, report: Callable[[str], None]) -> None:
        # Whoever is being stopped or started holds the lock, and is found running once it is ours.
        if running_pid(self.home) is not None:
            return
        with _deciding(self.home):
            if self._ticket.exists() and running_pid(self.home) is None:
                report("The embedded PostgreSQL has died; starting it again.")
                ensure_running(self.home, report)

    async def release(self) -> None:
        """Leave; the last one to leave stops PostgreSQL."""
        await asyncio.to_thread(self._release)

    def _release(self) -> None:
        with _deciding(self.home):
            self._ticket.unlink(missing_ok=True)
            os.close(self._held)
            if not _others(self.home):
                stop(self.home)


async def attach(data: Path, report: Callable[[str], None], install: Path | None = None) -> Attached:
    """Return a hold on the PostgreSQL of this data directory: the first process starts it, others join.

    `report` is told of slow steps; `install` names other programs than those found. Raises EmbeddedFailed with one
    sentence that says what to do.
    """
    return await asyncio.to_thread(_attach, data, report, install)


async def set_aside(data: Path) -> Path | None:
    """Move the cluster of this data directory away, so that the next start makes a new one; tell where it is now."""
    return await asyncio.to_thread(_set_aside, data)


async def put_back(data: Path, aside: Path) -> None:
    """Let a cluster that was set aside be the one again; what was made in its place goes."""
    await asyncio.to_thread(_put_back, data, aside)


async def remove(data: Path) -> None:
    """Delete the cluster of this data directory for good; StillInUse while anybody is attached."""
    await asyncio.to_thread(_remove, data)


def _attach(data: Path, report: Callable[[str], None], install: Path | None) -> Attached:
    home = home_of(data, install)
    try:
        prepare(home, install)
        with _deciding(home):
            _own(data, home, report)
            attached = _take_ticket(home)
            try:
                ensure_running(home, report)
            except BaseException:
                attached._ticket.unlink(missing_ok=True)  # pyright: ignore[reportPrivateUsage]
                os.close(attached._held)  # pyright: ignore[reportPrivateUsage]
                raise
        return attached
    except OSError as error:
        raise EmbeddedFailed(reason=_why(error, home)) from error


def _own(data: Path, home: Home, report: Callable[[str], None]) -> None:
    if not owned_by(data, home):
        aside = _aside(home)
        report(f"A PostgreSQL of an earlier folder at this place is kept in {aside}. Delete it if you do not need it.")
    mark(data, home)


def _set_aside(data: Path) -> Path | None:
    home = home_of(data)
    if not home.cluster.exists():
        return None
    with _deciding(home):
        return _aside(home)


def _aside(home: Home) -> Path:
    if _others(home):
        raise StillInUse
    stop(home)
    aside = home.cluster.with_name(f"cluster-{made_by(home)}-{uuid4().hex[:8]}")
    return home.cluster.rename(aside)


def _put_back(data: Path, aside: Path) -> None:
    home = home_of(data)
    with _deciding(home):
        if _others(home):
            raise StillInUse
        stop(home)
        shutil.rmtree(home.cluster, ignore_errors=True)
        aside.rename(home.cluster)


def _remove(data: Path) -> None:
    home = home_of(data)
    if not home.root.exists():
        return
    with _deciding(home):
        if _others(home):
            raise StillInUse
        stop(home)
        shutil.rmtree(home.root)
    shutil.rmtree(home.sockets, ignore_errors=True)


@contextmanager
def _deciding(home: Home) -> Generator[None]:
    """Hold the lock under which PostgreSQL is started, joined and stopped."""
    held = os.open(home.root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        os.close(held)


def _take_ticket(home: Home) -> Attached:
    tickets = home.root / "attached"
    tickets.mkdir(mode=0o700, exist_ok=True)
    ticket = tickets / f"{os.getpid()}-{uuid4().hex[:8]}"
    held = os.open(ticket, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    return Attached(home, ticket, held)


def _others(home: Home) -> bool:
    """Tell whether a living process holds a ticket; tickets of the dead are cleared away."""
    alive = False
    for ticket in (home.root / "attached").glob("*"):
        held = os.open(ticket, os.O_RDWR)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ticket.unlink(missing_ok=True)
        except BlockingIOError:
            alive = True
        finally:
            os.close(held)
    return alive


def _why(error: OSError, home: Home) -> str:
    if error.errno == errno.ENOSPC:
        return f"the disk that holds {home.root} is full. Free some space, then try again."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (
            f"{error.filename or home.root} cannot be written. Choose another place with MYSTIRA_DATA=/path/to/folder."
        )
    return f"{error}."
