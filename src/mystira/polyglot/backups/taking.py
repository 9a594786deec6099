"""Takes a backup of both stores at one instant, while everybody goes on.

With a document file, writers of documents wait for a few milliseconds, in which PostgreSQL's snapshot is taken: what
is then copied is a state in which both stores really stood together, as if every process had been killed there.
A document store without snapshots is read to the end of its feeds, then the snapshot is taken, then the feeds are
asked again: where nothing has come, nothing has changed around the snapshot.
"""

import asyncio
import shutil
import tarfile
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from mystira.polyglot.backups.manifest import (
    Backup,
    Led,
    Packed,
    Packer,
    abandon,
    begin,
    check_files,
    telling,
    unpacked,
    write_manifest,
)
from mystira.polyglot.backups.walk import Walk
from mystira.polyglot.catalog import Catalog
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.spill import SPILLS
from mystira.polyglot.store import DocumentStore
from mystira.polyglot.stores.postgres import dumping
from mystira.polyglot.stores.postgres.dumping import Table, connected, one_instant
from mystira.polyglot.stores.sqlite.snapshot import check_file, stand_still

DOCUMENT_FILE = "documents.sqlite.gz"
MEDIA = "media.tar.gz"
SQLITE, FEEDS = "sqlite", "feeds"
ROUNDS = 50


class NeverQuiet(Problem):
    """Documents were written without a pause, so there was no instant that both stores could be copied at. Try again at
    a quieter time, or stop the services for the minutes that it takes."""

    kind = Kind.UNAVAILABLE


class Sources(NamedTuple):
    """What a backup is taken of, and restored to. `documents` is the file of an embedded store, or a living one."""

    catalog: Catalog
    dsn: str
    documents: Path | DocumentStore
    media: Path
    secret: str


class _Copied(NamedTuple):
    taken_at: datetime
    held_ms: float
    revision: str
    postgres: str
    led: tuple[Led, ...]
    tables: tuple[Table, ...]
    sequences: dict[str, int]
    files: list[Packed]


async def take(sources: Sources, folder: Path) -> Backup:
    """Write a backup into an empty folder, read it back, and return its manifest; a failed one leaves nothing."""
    await asyncio.to_thread(begin, folder)
    is_whole = False
    try:
        kind = SQLITE if isinstance(sources.documents, Path) else FEEDS
        async with connected(sources.dsn) as connection:
            copied = await _both(connection, sources, folder)
        files = copied.files + await asyncio.to_thread(_media, sources.media, folder)
        about = {name: value for name, value in copied._asdict().items() if name != "files"}
        backup = Backup(documents=kind, secret=sources.secret, files=tuple(files), **about)
        await asyncio.to_thread(check_backup, folder, backup)
        await asyncio.to_thread(write_manifest, folder, backup)
        is_whole = True
        return backup
    finally:
        if not is_whole:
            abandon(folder)


def check_backup(folder: Path, backup: Backup) -> None:
    """Read everything back; BackupDamaged, or Unavailable for a damaged document file, when it is not as it was."""
    check_files(folder, backup)
    packed = backup.file(DOCUMENT_FILE)
    if packed is not None:
        with tempfile.TemporaryDirectory(dir=folder, prefix="check-") as apart:
            plain = Path(apart) / "documents.sqlite"
            unpack_to(folder, packed, plain)
            counted = check_file(plain)
        assert counted == packed.count, f"{counted} documents instead of {packed.count}"


def unpack_to(folder: Path, packed: Packed, target: Path) -> None:
    """Write what a compressed file holds into a plain one."""
    with telling(target.parent), target.open("wb") as file:
        for chunk in unpacked(folder, packed):
            file.write(chunk)


async def _both(connection: Any, sources: Sources, folder: Path) -> _Copied:
    if isinstance(sources.documents, Path):
        return await _with_a_file(connection, sources, sources.documents, folder)
    walk = Walk(sources.documents, (*sources.catalog, SPILLS), folder)
    await walk.go_on()
    for _ in range(ROUNDS):
        taken_at = datetime.now(UTC)
        async with one_instant(connection):
            if not await walk.go_on():
                copied = await _rows(connection, sources, folder, taken_at, 0.0)
                return copied._replace(files=[*copied.files, *await asyncio.to_thread(walk.finish)])
    raise NeverQuiet


async def _with_a_file(connection: Any, sources: Sources, documents: Path, folder: Path) -> _Copied:
    async with stand_still(documents) as instant, _held(connection, instant.let_go) as (taken_at, held_ms):
        copied = await _rows(connection, sources, folder, taken_at, held_ms)
        plain = folder / "documents.sqlite"
        count = await instant.copy(plain)
        packed = await asyncio.to_thread(_packed, folder, plain, count)
    return copied._replace(files=[*copied.files, packed])


@asynccontextmanager
async def _held(connection: Any, let_go: Any) -> AsyncGenerator[tuple[datetime, float]]:
    taken_at, began = datetime.now(UTC), time.perf_counter()
    async with one_instant(connection):
        await let_go()
        yield taken_at, (time.perf_counter() - began) * 1_000


async def _rows(connection: Any, sources: Sources, folder: Path, taken_at: datetime, held_ms: float) -> _Copied:
    tables = await dumping.tables(connection, [collection.table for collection in sources.catalog])
    return _Copied(
        taken_at=taken_at,
        held_ms=held_ms,
        revision=await dumping.revision(connection) or "",
        postgres=await connection.fetchval("SHOW server_version"),
        led=tuple(
            Led(collection=row["collection"], phase=row["phase"], epoch=row["epoch"], n=row["n"])
            for row in await connection.fetch("SELECT * FROM polyglot.control ORDER BY collection")
        ),
        tables=tuple(tables),
        sequences=await dumping.sequences(connection),
        files=[await _table(connection, table, folder) for table in tables],
    )


async def _table(connection: Any, table: Table, folder: Path) -> Packed:
    packer = await asyncio.to_thread(Packer, folder, rows_file(table))
    count = 0

    async def keep(data: bytes) -> None:
        nonlocal count
        # Within COPY's text every line is one row: a line break inside a value is written as \n.
        count += data.count(b"\n")
        await asyncio.to_thread(packer.add, data)

    await dumping.copy_out(connection, table, keep)
    return await asyncio.to_thread(packer.finish, count)


def rows_file(table: Table) -> str:
    """Return the name of the file that holds a table's rows."""
    return f"rows/{table.title}.rows.gz"


def _packed(folder: Path, plain: Path, count: int) -> Packed:
    packer = Packer(folder, DOCUMENT_FILE)
    with plain.open("rb") as file:
        shutil.copyfileobj(file, packer.stream, 1024 * 1024)
    plain.unlink()
    return packer.finish(count)


def _media(media: Path, folder: Path) -> list[Packed]:
    if not media.is_dir():
        return []
    packer = Packer(folder, MEDIA)
    with tarfile.open(fileobj=packer.stream, mode="w|") as archive:
        archive.add(media, arcname=".")
        count = len(archive.getmembers())
    return [packer.finish(count)]
