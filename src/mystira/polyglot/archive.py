"""Retires the copy of a collection that nobody keeps any more, and can bring it back.

In PostgresOnly that are its documents; in CosmosOnly, after a rollback, its rows. The copy is archived first, and the
archive is read back; then what stands in it exactly as it is gets removed (`oldcopies.py`). A crash at any step is
finished by the next run with the same folder.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

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
from mystira.polyglot.control import Change, Control
from mystira.polyglot.oldcopies import NotRetirable, OldCopy, line_of, old_copy, record_of
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.replication import Replication
from mystira.polyglot.store import Incoming, Record, Unreadable
from mystira.polyglot.transition import wait_for_silence

COMPLETE = "complete"


class CopyLeft(Problem):
    """{left} {holds} of {collection} have changed since the archive in {folder} was made, so they were left. Repeat
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
    """Archive the old copy of a collection to this folder, then remove it; return what was archived.

    That are the documents in PostgresOnly, and the rows in CosmosOnly. A folder that holds the archive already is gone
    on with; repeating it changes nothing.
    """
    row, old = await _retirable(r, collection, folder)
    with holding(folder, make=True):
        manifest = await asyncio.to_thread(read_manifest, folder)
        if manifest is None:
            await _settled(collection, old)
            manifest = await _archive(r, collection, row, old, folder, part_bytes)
        await _verified(collection, old, folder, manifest)
        await _settled(collection, old)
        archived = f"archive {manifest.documents} {old.holds}"
        if not await _is_on_record(r, archived, manifest):
            await _note(r, row, archived, manifest, actor, why)
        # A process that has not heard yet of the step to this phase may still read what goes.
        await wait_for_silence(r)
        gone = await _each(folder, manifest, old.remove)
        left = sum([len(page) async for page in old.pages()])
        if left:
            raise CopyLeft(collection=collection.name, left=left, holds=old.holds, folder=folder)
    if gone or not await _is_on_record(r, COMPLETE, manifest):
        await _note(r, row, COMPLETE, manifest, actor, why)
    return manifest


async def restore_archive(r: Replication, collection: Collection[Any], folder: Path, *, actor: str, why: str) -> int:
    """Make anew what was archived, is absent, and has not been purged in the other store; return how many.

    Only in the phase in which it was retired, where nobody reads it: the next phase brings it up to date.
    """
    row, old = await _retirable(r, collection, folder)
    with holding(folder):
        manifest = await asyncio.to_thread(read_manifest, folder)
        if manifest is None:
            raise ArchiveDamaged(part=MANIFEST, folder=folder, reason="it is missing")
        await _verified(collection, old, folder, manifest)
        made = await _each(folder, manifest, old.make)
    await _note(r, row, f"restore {made} {old.holds}", manifest, actor, why)
    return made


async def _retirable(r: Replication, collection: Collection[Any], folder: Path) -> tuple[Control, OldCopy]:
    row = await r.row(collection)
    old = old_copy(r, collection, row, folder)
    job = await r.journal.backfill(collection.name)
    if job is not None and job.state != DONE:
        raise NotRetirable(collection=collection.name, reason="its backfill is not done")
    return row, old


async def _settled(collection: Collection[Any], old: OldCopy) -> None:
    if not await old.is_settled():
        reason = "the follower has not carried all of its documents over; wait a moment, or see to the dead letters"
        raise NotRetirable(collection=collection.name, reason=reason)


async def _archive(
    r: Replication, collection: Collection[Any], row: Control, old: OldCopy, folder: Path, part_bytes: int
) -> Manifest:
    """Write all parts, read them back, and only then call it an archive."""
    writer = await asyncio.to_thread(PartsWriter, folder, part_bytes)
    tombstones = 0
    is_whole = False
    try:
        async for page in old.pages():
            records = [_readable(collection, item) for item in page]
            tombstones += sum(record.deleted for record in records)
            await asyncio.to_thread(writer.add, [_safe_line(collection, record) for record in records])
        parts = await asyncio.to_thread(writer.finish)
        manifest = Manifest(
            collection=collection.name,
            holds=old.holds,
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


def _readable(collection: Collection[Any], item: Incoming) -> Record:
    if isinstance(item, Unreadable):
        reason = f"its record {item.key.id} cannot be read ({item.error}); repair or remove that first"
        raise NotRetirable(collection=collection.name, reason=reason)
    return item


def _safe_line(collection: Collection[Any], record: Record) -> bytes:
    line = line_of(collection, record)
    if record_of(collection, line, record.token) != record:
        reason = f"its record {record.key.id} would not come back from an archive as it is"
        raise NotRetirable(collection=collection.name, reason=reason)
    return line


async def _verified(collection: Collection[Any], old: OldCopy, folder: Path, manifest: Manifest) -> None:
    found = f"{manifest.holds} of {manifest.collection}"
    if found != f"{old.holds} of {collection.name}":
        reason = f"it is an archive of the {found}, and {old.phase} is for the {old.holds} of {collection.name}"
        raise ArchiveDamaged(part=MANIFEST, folder=folder, reason=reason)
    await asyncio.to_thread(verify, folder, manifest)


async def _each(folder: Path, manifest: Manifest, act: Callable[[Sequence[bytes]], Awaitable[int]]) -> int:
    """Act on all that was archived, some at a time; return how many were changed."""
    found = batches(folder, manifest)
    done = 0
    while (lines := await asyncio.to_thread(next, found, None)) is not None:
        done += await act(lines)
    return done


async def _is_on_record(r: Replication, verb: str, manifest: Manifest) -> bool:
    history = await r.journal.history(manifest.collection)
    return any((change.verb, change.after) == (verb, manifest.sha256) for change in history)


async def _note(r: Replication, row: Control, verb: str, manifest: Manifest, actor: str, why: str) -> None:
    told = Change(collection=row.id, verb=verb, actor=actor, why=why, at=r.clock(), n=row.n, after=manifest.sha256)
    await r.journal.note(told)
