"""Takes an upload in once, however often it is sent; each function that takes a `work` is one unit of work."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import msgspec

from mystira.content.media.actions.uploading import Incoming, Outcome, hash_of_file, pieces
from mystira.content.media.ports import MediaShelf
from mystira.content.media.uploads.model import Upload, UploadedFile, file_id
from mystira.polyglot.work import Work, Works
from mystira.web.keys import KeyReused


async def take_in_once(
    works: Works, shelf: MediaShelf, incoming: Sequence[Incoming], upload_id: str
) -> AsyncGenerator[Outcome]:
    """Take in what an upload brings, and tell of each file what was told of it first.

    KeyReused, before anything is taken in, where the key stands for another upload. Whoever sends it again after a
    crash completes it.
    """
    asked = await _hash_of(incoming)
    await works.run(keep_upload, upload_id=upload_id, by=incoming[0].by, asked=asked)
    number = 0
    for one in incoming:
        async for piece in pieces(works, shelf, one):
            told = await outcome_of(works.open(), upload_id, number)
            yield told or await works.run(keep_outcome, upload_id=upload_id, number=number, outcome=await piece())
            number += 1


async def keep_upload(work: Work, *, upload_id: str, by: str, asked: str) -> None:
    """Keep what a key stands for; KeyReused where that is something else."""
    known = await work.get(Upload, upload_id)
    if known is None:
        work.save(Upload(id=upload_id, by=by, asked=asked, asked_at=work.now))
    elif known.asked != asked:
        raise KeyReused


async def keep_outcome(work: Work, *, upload_id: str, number: int, outcome: Outcome) -> Outcome:
    """Keep what became of a file; what was kept first stands."""
    known = await outcome_of(work, upload_id, number)
    if known is None:
        work.save(UploadedFile(id=file_id(upload_id, number), upload_id=upload_id, outcome=outcome))
    return known or outcome


async def outcome_of(work: Work, upload_id: str, number: int) -> Outcome | None:
    """Return what was told of a file, None where it was not taken in yet."""
    known = await work.get(UploadedFile, file_id(upload_id, number), upload_id)
    return None if known is None else known.outcome


async def _hash_of(incoming: Sequence[Incoming]) -> str:
    """Return a hash of everything that an upload brings: names, bytes, and how they are to be taken in."""
    told: list[Any] = [
        (one.name, await asyncio.to_thread(hash_of_file, one.path), one.why, one.replace) for one in incoming
    ]
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()
