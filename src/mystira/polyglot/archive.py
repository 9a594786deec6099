"""Retires the documents of a collection that PostgreSQL leads alone, and can bring them back.

They are archived first, and the archive is read back; then each document is removed that stands in it exactly as it is,
by If-Match. Whoever removes looks every lease whether PostgreSQL still leads alone, and coming back waits out such a
lease before the relay fills the documents anew. A crash at any step is finished by the next run with the same folder.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from mystira.polyglot.archivefiles import (
    MANIFEST,
    PART_BYTES_MAX,
    ArchiveDamaged,
    Manifest,
    PartsWriter,
    batches,
    holding,
    read_manifest,
    verify,
    write_manifest,
)
from mystira.polyglot.backfill import DONE
from mystira.polyglot.collection import Collection
from mystira.polyglot.control import Change, Control, State
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import from_document, to_document
from mystira.polyglot.equality import is_caught_up
from mystira.polyglot.phases import Phase
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.relay import as_relayed
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Conflict, Key, OutcomeUnknown, Record, Throttled, Unreadable
from mystira.polyglot.walking import every_page

T = TypeVar("T")

TOGETHER = 16
COMPLETE = "complete"


class NotRetirable(Problem):
    """The documents of {collection} can be neither archived nor restored now: {reason}. Nothing was changed."""

    kind = Kind.CONFLICT


class LedElsewhere(Problem):
    """{collection} left PostgresOnly while this was under way, so it was stopped. The archive in {folder} is whole, and
    what is missing among the documents is being filled anew."""

    kind = Kind.CONFLICT


class DocumentsLeft(Problem):
    """{left} documents of {collection} have changed since the archive in {folder} was made, so they were left. Repeat
    this with an empty folder to archive them as well."""

    kind = Kind.CONFLICT


async def complete(
    r: Replication,
    collection: Collection[Any],
    folder: Path,
    *,
    actor: str,
    why: str,
    part_bytes: int = PART_BYTES_MAX,
) -> Manifest:
    """Archive the documents of a collection in PostgresOnly to this folder, then remove them; return what was archived.

    A folder that holds the archive already is gone on with; repeating it changes nothing.
    """
    row = await _retirable(r, collection)
    with holding(folder, make=True):
        manifest = await asyncio.to_thread(read_manifest, folder)
        if manifest is None:
            # What is still to be heard would be pruned afterwards, and then is not what was archived.
            await _heard(r, collection)
            manifest = await _archive(r, collection, row, folder, part_bytes)
        await _verified(collection, folder, manifest)
        await _heard(r, collection)
        archived = f"archive {manifest.documents} documents"
        if not await _is_on_record(r, archived, manifest):
            await _note(r, row, archived, manifest, actor, why)
        gone = await _each(r, collection, folder, manifest, _remove)
        left = await _left(r, collection)
        if left:
            raise DocumentsLeft(collection=collection.name, left=left, folder=folder)
    if gone or not await _is_on_record(r, COMPLETE, manifest):
        await _note(r, row, COMPLETE, manifest, actor, why)
    return manifest


async def restore_archive(r: Replication, collection: Collection[Any], folder: Path, *, actor: str, why: str) -> int:
    """Make every archived document anew that is absent and still has its row; return how many.

    Only in PostgresOnly, where nobody reads them: going back to DualWritePostgresRead brings them up to date.
    """
    row = await _retirable(r, collection)
    with holding(folder):
        manifest = await asyncio.to_thread(read_manifest, folder)
        if manifest is None:
            raise ArchiveDamaged(part=MANIFEST, folder=folder, reason="it is missing")
        await _verified(collection, folder, manifest)
        made = await _each(r, collection, folder, manifest, _make)
    await _note(r, row, f"restore {made} documents", manifest, actor, why)
    return made


async def _retirable(r: Replication, collection: Collection[Any]) -> Control:
    row = await r.row(collection)
    job = await r.journal.backfill(collection.name)
    reason = ""
    if row.state is not State.OPEN:
        reason = "it is on its way to another phase"
    elif row.phase is not Phase.POSTGRES_ONLY:
        reason = f"it is in {row.phase}, and its documents are needed in every phase but PostgresOnly"
    elif job is not None and job.state != DONE:
        reason = "its backfill is not done"
    if reason:
        raise NotRetirable(collection=collection.name, reason=reason)
    return row


async def _heard(r: Replication, collection: Collection[Any]) -> None:
    if not await is_caught_up(r, collection):
        reason = "the follower has not read all of its documents yet; wait a moment and repeat"
        raise NotRetirable(collection=collection.name, reason=reason)


async def _archive(
    r: Replication, collection: Collection[Any], row: Control, folder: Path, part_bytes: int
) -> Manifest:
    """Write all parts, read them back, and only then call it an archive."""
    writer = await asyncio.to_thread(PartsWriter, folder, part_bytes)
    tombstones = 0
    is_whole = False
    try:
        async for page in every_page(r.documents, collection):
            records = [_readable(collection, item.record) for item in page.items]
            tombstones += sum(record.deleted for record in records)
            await asyncio.to_thread(writer.add, [_safe_line(collection, record) for record in records])
        parts = await asyncio.to_thread(writer.finish)
        manifest = Manifest(
            collection=collection.name,
            phase=row.phase,
            epoch=row.epoch,
            n=row.n,
            made_at=r.clock(),
            documents=sum(part.documents for part in parts),
            tombstones=tombstones,
            parts=parts,
        )
        await asyncio.to_thread(verify, folder, manifest)
        is_whole = True
    finally:
        if not is_whole:
            writer.abandon()
    await asyncio.to_thread(write_manifest, folder, manifest)
    return manifest


def _readable(collection: Collection[Any], item: Record | Unreadable) -> Record:
    if isinstance(item, Unreadable):
        reason = f"its document {item.key.id} cannot be read ({item.error}); repair or remove that first"
        raise NotRetirable(collection=collection.name, reason=reason)
    return item


def _safe_line(collection: Collection[Any], record: Record) -> bytes:
    line = _line(collection, record)
    if from_document(collection, msgspec.json.decode(line), record.token) != record:
        reason = f"its document {record.key.id} would not come back from an archive as it is"
        raise NotRetirable(collection=collection.name, reason=reason)
    return line


def _line(collection: Collection[Any], record: Record) -> bytes:
    return msgspec.json.encode(to_document(collection, record))


async def _verified(collection: Collection[Any], folder: Path, manifest: Manifest) -> None:
    if manifest.collection != collection.name:
        raise ArchiveDamaged(part=MANIFEST, folder=folder, reason=f"it is an archive of {manifest.collection}")
    await asyncio.to_thread(verify, folder, manifest)


class _Alone:
    """Tells whether PostgreSQL still leads alone: asked once a lease, which counts from the start of the request."""

    def __init__(self, r: Replication, collection: Collection[Any], folder: Path) -> None:
        self._r = r
        self._collection = collection
        self._folder = folder
        self._until = 0.0
        self._now = asyncio.get_running_loop().time

    async def check(self) -> None:
        """Return while it does; the last thing to be awaited before a document is touched."""
        while self._now() >= self._until:
            until = self._now() + self._r.tempo.lease_s
            row = await self._r.row(self._collection)
            if (row.phase, row.state) != (Phase.POSTGRES_ONLY, State.OPEN):
                raise LedElsewhere(collection=self._collection.name, folder=self._folder)
            self._until = until


Act = Callable[[Replication, Collection[Any], Sequence[bytes], _Alone], Awaitable[int]]


async def _each(r: Replication, collection: Collection[Any], folder: Path, manifest: Manifest, act: Act) -> int:
    """Act on all archived documents, some at a time; return how many were changed."""
    alone = _Alone(r, collection, folder)
    found = batches(folder, manifest)
    done = 0
    while (lines := await asyncio.to_thread(next, found, None)) is not None:
        done += await act(r, collection, lines, alone)
    return done


async def _remove(r: Replication, collection: Collection[Any], lines: Sequence[bytes], alone: _Alone) -> int:
    absent: list[tuple[Key, Stamp]] = []
    done = await _some_together(lines, lambda line: _remove_one(r, collection, line, alone, absent))
    if absent:
        # The feed does not tell of a removal. Once the collection came back, it is counted by what the relay makes.
        await alone.check()
        await r.relational.digests.take_out(collection.name, absent)
    return done


async def _remove_one(
    r: Replication, collection: Collection[Any], line: bytes, alone: _Alone, absent: list[tuple[Key, Stamp]]
) -> bool:
    archived = msgspec.json.decode(line)
    kept = from_document(collection, archived, "")
    try:
        found = await r.documents.read(collection, kept.key)
    except (ValueError, KeyError, TypeError):
        # Somebody else wrote what cannot be read over it; that is not what was archived.
        return False
    if found is None:
        absent.append((kept.key, kept.stamp))
        return False
    if msgspec.json.decode(_line(collection, found)) != archived:
        return False
    if not await _touch(r, alone, lambda: r.documents.remove(collection, found)):
        return False
    absent.append((kept.key, kept.stamp))
    return True


async def _make(r: Replication, collection: Collection[Any], lines: Sequence[bytes], alone: _Alone) -> int:
    records = [from_document(collection, msgspec.json.decode(line), "") for line in lines]
    standing = await r.journal.standing(collection, [record.key for record in records])
    # Without a row its tombstone was purged since: nobody would ever bring such a document up to date.
    wanted = [record for record in records if record.key in standing]
    return await _some_together(wanted, lambda record: _make_one(r, collection, record, alone))


async def _make_one(r: Replication, collection: Collection[Any], record: Record, alone: _Alone) -> bool:
    return await _touch(r, alone, lambda: r.documents.write(collection, as_relayed(record), None))


async def _touch(r: Replication, alone: _Alone, send: Callable[[], Awaitable[None]]) -> bool:
    """Send one conditional write; False when the document is not what it was taken for."""
    while True:
        await alone.check()
        try:
            async with asyncio.timeout(r.tempo.request_s):
                await send()
        except Conflict:
            return False
        except Throttled as throttled:
            await r.sleep(throttled.retry_after_s)
        except TimeoutError as error:
            raise OutcomeUnknown("no answer in time") from error
        else:
            return True


async def _some_together(items: Sequence[T], act: Callable[[T], Awaitable[bool]]) -> int:
    """Return for how many it did something; the first that fails ends it, once those begun with it have ended."""
    done = 0
    for start in range(0, len(items), TOGETHER):
        results = await asyncio.gather(*map(act, items[start : start + TOGETHER]), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
            done += result
    return done


async def _left(r: Replication, collection: Collection[Any]) -> int:
    return sum([len(page.items) async for page in every_page(r.documents, collection)])


async def _is_on_record(r: Replication, verb: str, manifest: Manifest) -> bool:
    history = await r.journal.history(manifest.collection)
    return any((change.verb, change.after) == (verb, manifest.sha256) for change in history)


async def _note(r: Replication, row: Control, verb: str, manifest: Manifest, actor: str, why: str) -> None:
    told = Change(collection=row.id, verb=verb, actor=actor, why=why, at=r.clock(), n=row.n, after=manifest.sha256)
    await r.journal.note(told)
