"""Takes files in: one, many or a ZIP; each is cleaned in a process apart, kept by its hash, and noted."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, ParamSpec, TypeVar

import msgspec

from mystira.content.media.actions.assets import keep_medium
from mystira.content.media.model.asset import MediaAsset, Told, home_of, id_of
from mystira.content.media.ports import MediaShelf
from mystira.content.media.problems import MediaNameUnusable, MediaStoreDown, NoRoomForMedia
from mystira.mediafiles.forms import Cleaned, Task
from mystira.mediafiles.kept import StoreDown
from mystira.polyglot.entity import Value
from mystira.polyglot.problem import Problem
from mystira.polyglot.query import equal
from mystira.polyglot.work import Works
from mystira.textfiles.reading import Refused
from mystira.textfiles.zips import MAGIC, ZipEntry, ZipLimits, read_directory, unpack

P = ParamSpec("P")
T = TypeVar("T")

KNOWN_MAX = 100
ZIP_ENTRIES_MAX, ZIP_BYTES_MAX = 5_000, 4_000_000_000

State = Literal["added", "replaced", "known", "refused"]


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A file that has arrived: where it is, what its sender calls it, who sends it and why."""

    path: Path
    name: str
    by: str
    why: str = ""
    replace: bool = False
    told: Told = Told()


class Outcome(Value, frozen=True, kw_only=True):
    """What became of one file. A refused one has a code that is stable, and a sentence that says what to do."""

    file: str
    state: State
    media_id: str = ""
    media_type: str = ""
    code: str = ""
    message: str = ""


Piece = Callable[[], Awaitable[Outcome]]
"""Takes in one file, and tells what became of it."""


async def take_in(works: Works, shelf: MediaShelf, incoming: Incoming) -> AsyncIterator[Outcome]:
    """Take in a file, or every file of a ZIP, and tell of each what became of it; one refusal stops no other file."""
    async for piece in pieces(works, shelf, incoming):
        yield await piece()


async def pieces(works: Works, shelf: MediaShelf, incoming: Incoming) -> AsyncIterator[Piece]:
    """Yield what takes in each file that has arrived, always in the same order; a ZIP brings many."""
    if not await _is_zip(incoming.path):
        yield partial(take_one, works, shelf, incoming)
        return
    try:
        limits = ZipLimits(entries=ZIP_ENTRIES_MAX, bytes=ZIP_BYTES_MAX)
        entries = await _apart(_directory_of, incoming.path, limits)
    except Refused as refused:
        yield partial(_tell, _refused(incoming.name, refused.why.code, refused.why.message))
        return
    for entry in entries:
        yield partial(take_entry, works, shelf, incoming, entry)


async def take_one(works: Works, shelf: MediaShelf, incoming: Incoming) -> Outcome:
    """Take in one file, which is no ZIP."""
    known = await _known(works, incoming)
    if known is not None:
        return _taken(incoming.name, known, "known")
    try:
        with scratch(shelf) as folder:
            cleaned = await clean(shelf, incoming, folder)
            media_id = id_of(incoming.name, cleaned.ending)
            await _keep_blobs(shelf, cleaned, folder)
        asset, state = await works.run(
            keep_medium,
            media_id=media_id,
            cleaned=cleaned,
            told=incoming.told,
            replace=incoming.replace,
            by=incoming.by,
            why=incoming.why,
        )
    except Refused as refused:
        return _refused(incoming.name, refused.why.code, refused.why.message)
    except Problem as problem:
        return _refused(incoming.name, problem.code, problem.message)
    return _taken(incoming.name, asset, state)


async def take_entry(works: Works, shelf: MediaShelf, incoming: Incoming, entry: ZipEntry) -> Outcome:
    """Take in one file of the ZIP that has arrived."""
    if entry.size > shelf.limits.bytes_most:
        most = shelf.limits.bytes_most // 1_000_000
        return _refused(entry.name, "too_heavy", f"This file is larger than {most} MB. Make it smaller.")
    with scratch(shelf) as folder:
        unpacked = folder / "unpacked"
        try:
            await _apart(_unpack, incoming.path, entry, unpacked)
        except Refused as refused:
            return _refused(entry.name, refused.why.code, refused.why.message)
        return await take_one(works, shelf, msgspec.structs.replace(incoming, path=unpacked, name=entry.name))


async def clean(shelf: MediaShelf, incoming: Incoming, folder: Path) -> Cleaned:
    """Clean a file into `folder` as `clean` and `thumbnail`; Refused says what is wrong with it."""
    task = Task(
        source=str(incoming.path),
        name=incoming.name,
        target=str(folder / "clean"),
        thumbnail=str(folder / "thumbnail"),
        limits=shelf.limits,
    )
    return msgspec.msgpack.decode(await shelf.cleaners.read(msgspec.msgpack.encode(task), b""), type=Cleaned)


@contextmanager
def scratch(shelf: MediaShelf) -> Generator[Path]:
    """A folder for files on their way, gone afterwards; NoRoomForMedia when the disk is full."""
    try:
        shelf.scratch.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="upload-", dir=shelf.scratch) as folder:
            yield Path(folder)
    except OSError as error:
        raise NoRoomForMedia from error


async def _tell(outcome: Outcome) -> Outcome:
    return outcome


async def _known(works: Works, incoming: Incoming) -> MediaAsset | None:
    """Return the medium of this name that has these very bytes: they came from here, and were cleaned then.

    Cleaned again, a picture would become another one, and a bundle that was exported could not be imported again.
    """
    found = await works.open().find(
        MediaAsset, equal("hash", await _apart(hash_of_file, incoming.path)), limit=KNOWN_MAX
    )
    return next((one for one in found.items if not one.is_deleted and _is_called(one.id, incoming.name)), None)


def hash_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def _is_called(media_id: str, name: str) -> bool:
    try:
        return id_of(name, media_id.rpartition(".")[2]) == media_id
    except MediaNameUnusable:
        return False


async def _keep_blobs(shelf: MediaShelf, cleaned: Cleaned, folder: Path) -> None:
    # Always written, even where it is there already: the sweeper removes nothing that is new.
    try:
        await shelf.store.put(home_of(cleaned.media_type), cleaned.hash, folder / "clean")
        if cleaned.thumbnail:
            await shelf.store.put("hot", cleaned.thumbnail, folder / "thumbnail")
    except StoreDown as down:
        raise MediaStoreDown(reason=str(down)) from down


async def _is_zip(path: Path) -> bool:
    def begins_so() -> bool:
        with path.open("rb") as opened:
            # An empty archive begins with its end.
            return opened.read(4) in (MAGIC, b"PK\x05\x06")

    return await asyncio.to_thread(begins_so)


def _directory_of(path: Path, limits: ZipLimits) -> list[ZipEntry]:
    with path.open("rb") as source:
        return read_directory(source, limits)


def _unpack(path: Path, entry: ZipEntry, target: Path) -> None:
    with path.open("rb") as source:
        unpack(source, entry, target)


async def _apart(do: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    return await asyncio.to_thread(do, *given, **named)


def _taken(file: str, asset: MediaAsset, state: str) -> Outcome:
    return Outcome(file=file, state=msgspec.convert(state, State), media_id=asset.id, media_type=asset.media_type)


def _refused(file: str, code: str, message: str) -> Outcome:
    return Outcome(file=file, state="refused", code=code, message=message)
