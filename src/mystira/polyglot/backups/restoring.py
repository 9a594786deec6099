"""Brings a backup back into empty stores: the rows in one transaction, the documents beside them."""

import asyncio
import os
import shutil
import tarfile
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec

from mystira.polyglot.backups.manifest import MANIFEST, Backup, BackupDamaged, Packed, telling, unpacked
from mystira.polyglot.backups.taking import DOCUMENT_FILE, FEEDS, MEDIA, SQLITE, Sources, rows_file, unpack_to
from mystira.polyglot.backups.walk import file_of
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import CONTROLS
from mystira.polyglot.envelope import from_document
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.roster import ROSTERS
from mystira.polyglot.spill import SPILLS
from mystira.polyglot.store import Conflict, DocumentStore, Record, Throttled, Unreadable
from mystira.polyglot.stores.postgres import dumping
from mystira.polyglot.stores.postgres.dumping import connected
from mystira.polyglot.walking import every_page

TOGETHER = 16

_HELD_BY_NOBODY = (
    # Whoever held a lease at the instant of the backup is gone; nothing needs to wait for them.
    "UPDATE polyglot.feed_position SET leased_until = NULL WHERE leased_until IS NOT NULL",
    "UPDATE polyglot.relay_outbox SET claimed_until = NULL WHERE claimed_until IS NOT NULL",
    "UPDATE polyglot.event_outbox SET claimed_until = NULL WHERE claimed_until IS NOT NULL",
)
_ANOTHER_FEED = (
    # Another account tells its feed from its own beginning, and everything that was copied before is told again: the
    # merge knows it by its stamps, the outbox by how far each key's events were copied.
    "DELETE FROM polyglot.feed_position",
    "TRUNCATE polyglot.document_digests, polyglot.digest_removals",
    "DELETE FROM polyglot.digest_nodes WHERE side = 'document'",
    "DELETE FROM polyglot.digest_deltas WHERE side = 'document'",
)


class OtherKindOfDocuments(Problem):
    """This backup holds documents of another kind of store ({found}). Name such a store in MYSTIRA_DOCUMENTS, then try
    again."""

    kind = Kind.CONFLICT


class StoresInUse(Problem):
    """Services of Mystira are connected to this PostgreSQL ({connections} connections). Stop them, then try again."""

    kind = Kind.CONFLICT


class NotEmpty(Problem):
    """{what} holds data already, and a restore would replace it. Add --replace if that is what you want."""

    kind = Kind.CONFLICT


async def check_targets(sources: Sources, backup: Backup, *, replace: bool) -> None:
    """Return if the backup may be restored here; nothing is changed."""
    found = SQLITE if isinstance(sources.documents, Path) else FEEDS
    if found != backup.documents:
        raise OtherKindOfDocuments(found=backup.documents)
    async with connected(sources.dsn) as connection:
        others = await dumping.others_connected(connection)
        if others:
            raise StoresInUse(connections=others)
        if not replace and await dumping.is_in_use(connection):
            raise NotEmpty(what="PostgreSQL")
    if not replace and not await _is_empty(sources):
        raise NotEmpty(what="The document store")


async def restore_rows(sources: Sources, folder: Path, backup: Backup) -> None:
    """Fill the tables, which are there at the backup's revision; all or nothing."""
    of_file = [(table, backup.file(rows_file(table))) for table in backup.tables]
    rows = [(table, _lines(folder, packed)) for table, packed in of_file if packed is not None]
    if len(rows) < len(of_file):
        raise BackupDamaged(folder=folder, file=MANIFEST, reason="names no file for one of its tables")
    async with connected(sources.dsn) as connection, connection.transaction():
        await dumping.copy_in(connection, rows, backup.sequences)
        is_another_feed = not isinstance(sources.documents, Path)
        for statement in (*_HELD_BY_NOBODY, *(_ANOTHER_FEED if is_another_feed else ())):
            await connection.execute(statement)


async def restore_documents_and_media(sources: Sources, folder: Path, backup: Backup) -> None:
    """Put the documents and the media where they belong; what was there goes."""
    if isinstance(sources.documents, Path):
        await asyncio.to_thread(_put_file, folder, backup, sources.documents)
    else:
        await _fill(sources.documents, (*sources.catalog, SPILLS), folder, backup)
    await asyncio.to_thread(_put_media, folder, backup, sources.media)


async def _is_empty(sources: Sources) -> bool:
    if isinstance(sources.documents, Path):
        return not sources.documents.exists()
    for collection in (*sources.catalog, SPILLS):
        async for page in every_page(sources.documents, collection, 1):
            if page.items:
                return False
    return True


async def _lines(folder: Path, packed: Packed) -> AsyncGenerator[bytes]:
    chunks = unpacked(folder, packed)
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk


def _put_file(folder: Path, backup: Backup, target: Path) -> None:
    packed = backup.file(DOCUMENT_FILE)
    if packed is None:
        raise BackupDamaged(folder=folder, file=DOCUMENT_FILE, reason="is missing")
    half = target.with_name(f"{target.name}.restoring")
    unpack_to(folder, packed, half)
    with telling(target.parent):
        for path in (target, target.with_name(f"{target.name}-wal"), target.with_name(f"{target.name}-shm")):
            path.unlink(missing_ok=True)
        half.replace(target)


async def _fill(
    documents: DocumentStore, collections: tuple[Collection[Any], ...], folder: Path, backup: Backup
) -> None:
    # The copies of control rows and the roster belong to processes that are gone; both are made anew.
    for collection in (*collections, CONTROLS, ROSTERS):
        async for page in every_page(documents, collection):
            found = [item.record for item in page.items]
            await asyncio.gather(*(_remove(documents, collection, one) for one in found if isinstance(one, Record)))
            if any(isinstance(one, Unreadable) for one in found):
                raise NotEmpty(
                    what=f"{collection.container} (with documents that cannot be read, so remove them first)"
                )
    for collection in collections:
        await _fill_one(documents, collection, folder, backup.file(file_of(collection)))


async def _fill_one(documents: DocumentStore, collection: Collection[Any], folder: Path, packed: Packed | None) -> None:
    if packed is None:
        return
    newest: dict[Any, Record] = {}
    rest = b""
    async for chunk in _lines(folder, packed):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            record = from_document(collection, msgspec.json.decode(line), "")
            newest[record.key] = record
    records = list(newest.values())
    for start in range(0, len(records), TOGETHER):
        batch = records[start : start + TOGETHER]
        await asyncio.gather(*(_put(documents, collection, record) for record in batch))


async def _put(documents: DocumentStore, collection: Collection[Any], record: Record) -> None:
    while True:
        try:
            await documents.write(collection, record, None)
        except Throttled as throttled:
            await asyncio.sleep(throttled.retry_after_s)
        except Conflict:
            # An answer that was lost: what stands there is this very document, for nobody else writes now.
            return
        else:
            return


async def _remove(documents: DocumentStore, collection: Collection[Any], record: Record) -> None:
    while True:
        try:
            await documents.remove(collection, record)
        except Throttled as throttled:
            await asyncio.sleep(throttled.retry_after_s)
        except Conflict:
            return
        else:
            return


def _put_media(folder: Path, backup: Backup, media: Path) -> None:
    if backup.file(MEDIA) is None:
        return
    with telling(media):
        media.mkdir(parents=True, exist_ok=True)
        unpack_files(folder, MEDIA, media)


def unpack_files(folder: Path, name: str, into: Path) -> None:
    """Bring the files of an archive back with their times; nothing but files and folders, and nothing outside `into`.

    By hand, for `filter="data"` came with Python 3.11.4, and Debian 12 has 3.11.2.
    """
    inside = into.resolve()
    with tarfile.open(folder / name, "r:gz") as archive:
        for member in archive:
            place = (inside / member.name).resolve()
            if not place.is_relative_to(inside):
                raise BackupDamaged(folder=folder, file=name, reason=f"holds {member.name}, which lies elsewhere")
            if member.isdir():
                place.mkdir(parents=True, exist_ok=True)
            elif member.isfile() and (packed := archive.extractfile(member)) is not None:
                with packed, place.open("wb") as file:
                    shutil.copyfileobj(packed, file)
                os.utime(place, (member.mtime, member.mtime))
