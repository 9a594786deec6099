"""Blobs in a folder: one file each, in a folder for its home; pieces are read and written in threads."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import ParamSpec, TypeVar
from uuid import uuid4

from mystira.mediafiles.kept import Kept, StoreDown

P = ParamSpec("P")
T = TypeVar("T")

PIECE = 256 * 1024
HALF = ".half-"


class FolderStore:
    """Keeps blobs under `folder/home/ab/abcdef...`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, home: str, hash: str, source: Path) -> None:
        """Keep a file's bytes; a blob that is there already becomes new again."""
        await _in_thread(self._put, home, hash, source)

    async def look(self, home: str, hash: str) -> Kept | None:
        """Return what is known of a blob, or None where there is none."""
        return await _in_thread(self._look, home, hash)

    async def read(self, home: str, hash: str, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` to before `end`, a piece at a time."""
        file = await _in_thread(self._path(home, hash).open, "rb")
        try:
            await _in_thread(file.seek, start)
            while start < end and (piece := await _in_thread(file.read, min(PIECE, end - start))):
                start += len(piece)
                yield piece
        finally:
            file.close()

    async def copy(self, home: str, hash: str, to: str) -> None:
        """Keep a blob in another home too; it is new there."""
        await self.put(to, hash, self._path(home, hash))

    async def wake(self, home: str, hash: str) -> bool:
        """Tell whether a blob can be read now: a folder never sleeps."""
        return await self.look(home, hash) is not None

    async def remove_unless_newer(self, home: str, hash: str, than: datetime) -> bool:
        """Remove a blob unless it was written after `than`; tell whether it is gone."""
        return await _in_thread(self._remove_unless_newer, home, hash, than)

    async def every(self, home: str) -> AsyncIterator[Kept]:
        """Yield everything that a home holds, and remove what interrupted writing left behind."""
        for folder in await _in_thread(self._folders, home):
            for kept in await _in_thread(_listed, folder):
                yield kept

    async def close(self) -> None:
        """A folder needs no closing."""

    def _path(self, home: str, hash: str) -> Path:
        return self._folder / home / hash[:2] / hash

    def _put(self, home: str, hash: str, source: Path) -> None:
        target = self._path(home, hash)
        target.parent.mkdir(parents=True, exist_ok=True)
        half = target.with_name(f"{HALF}{uuid4().hex}")
        try:
            shutil.copyfile(source, half)
            with half.open("rb+") as written:
                os.fsync(written.fileno())
            half.replace(target)
        finally:
            half.unlink(missing_ok=True)

    def _look(self, home: str, hash: str) -> Kept | None:
        try:
            found = self._path(home, hash).stat()
        except FileNotFoundError:
            return None
        return Kept(hash, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def _remove_unless_newer(self, home: str, hash: str, than: datetime) -> bool:
        # Taken aside first: whoever writes the blob meanwhile makes a new file, which is not touched.
        path = self._path(home, hash)
        aside = path.with_name(f"{HALF}{uuid4().hex}")
        try:
            path.rename(aside)
        except FileNotFoundError:
            return True
        if datetime.fromtimestamp(aside.stat().st_mtime, UTC) > than:
            with suppress(FileExistsError):
                path.hardlink_to(aside)
            aside.unlink()
            return False
        aside.unlink()
        return True

    def _folders(self, home: str) -> list[Path]:
        place = self._folder / home
        return sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []


def _listed(folder: Path) -> list[Kept]:
    return list(_kept_in(folder))


def _kept_in(folder: Path) -> Iterator[Kept]:
    for path in sorted(folder.iterdir()):
        try:
            found = path.stat()
        except FileNotFoundError:
            continue
        if not path.name.startswith(HALF):
            yield Kept(path.name, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))
        elif datetime.now(UTC).timestamp() - found.st_mtime > 86_400:
            path.unlink(missing_ok=True)


async def _in_thread(do: Callable[P, T], *given: P.args, **named: P.kwargs) -> T:
    try:
        return await asyncio.to_thread(do, *given, **named)
    except OSError as error:
        raise StoreDown(error.strerror or str(error)) from error
