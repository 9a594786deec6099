"""An archive on disk: documents in compressed parts of bounded size, and a manifest of what they must be.

The format is told in docs/archives.md. Everything here blocks, so it belongs into a thread. Without a manifest there
is no archive: what lies there then was left by somebody who died, and is written anew.
"""

import fcntl
import gzip
import hashlib
import os
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from mystira.polyglot.problem import Kind, Problem

FORMAT, VERSION = "mystira-archive", 1
MANIFEST = "manifest.json"
PART_BYTES_MAX = 64 * 1024 * 1024
BATCH = 200


class FolderUnusable(Problem):
    """{folder} cannot hold the archive: {reason}. Nothing was removed now; see to it, or name another folder, and
    repeat."""

    kind = Kind.UNPROCESSABLE


class ArchiveDamaged(Problem):
    """{part} in {folder} is not what was archived: {reason}. Nothing was changed; put an undamaged copy in its place
    and repeat."""

    kind = Kind.UNPROCESSABLE


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One compressed file; `bytes` and `sha256` are those of the file as it lies there."""

    name: str
    documents: int
    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds, and of which moment of its collection's life. `documents` counts the tombstones too.

    `holds` tells what was retired, "documents" or "rows"; a row is archived as the document that it would be.
    """

    format: str = FORMAT
    version: int = VERSION
    collection: str
    holds: str = "documents"
    phase: str
    epoch: int
    n: int
    made_at: datetime
    documents: int
    tombstones: int
    parts: tuple[Part, ...]

    @property
    def sha256(self) -> str:
        """The digest of the manifest's file: whoever knows it can tell that the whole archive is the one."""
        return hashlib.sha256(_encoded(self)).hexdigest()


@contextmanager
def holding(folder: Path, *, make: bool = False) -> Generator[None]:
    """Keep every other process away from this archive; the kernel lets go of it when the process dies."""
    with _telling(folder):
        if make:
            folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with _telling(folder):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


class PartsWriter:
    """Writes lines into parts, one after another. Each part lies on the disk before the next one begins."""

    def __init__(self, folder: Path, part_bytes: int) -> None:
        self._folder = folder
        self._part_bytes = part_bytes
        self._parts: list[Part] = []
        self._open: _OpenPart | None = None
        with _telling(folder):
            self._clear()

    def add(self, lines: Sequence[bytes]) -> None:
        """Add one JSON document a line."""
        with _telling(self._folder):
            for line in lines:
                if self._open is not None and self._open.plain_bytes + len(line) >= self._part_bytes:
                    self._close()
                if self._open is None:
                    self._open = _OpenPart(self._folder / f"part-{len(self._parts) + 1:05}.ndjson.gz")
                self._open.add(line)

    def finish(self) -> tuple[Part, ...]:
        """Return what was written."""
        with _telling(self._folder):
            self._close()
            return tuple(self._parts)

    def abandon(self) -> None:
        """Leave the folder as empty as it was found."""
        with suppress(OSError):
            if self._open is not None:
                self._open.file.close()
            self._clear()

    def _close(self) -> None:
        if self._open is not None:
            self._parts.append(self._open.finish())
            self._open = None

    def _clear(self) -> None:
        for path in sorted(self._folder.iterdir()):
            # Only what such a writer leaves is removed; anything else is somebody's, and the folder not free.
            if not path.name.startswith(("part-", f"{MANIFEST}.partial")):
                raise FileExistsError(f"{path.name} lies there already")
            path.unlink()


class _OpenPart:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.file = Path(f"{path}.partial").open("wb")  # noqa: SIM115 - it stays open from line to line.
        self._hashed = _Hashed(self.file)
        self._gzip = gzip.GzipFile(filename="", mode="wb", fileobj=self._hashed, mtime=0)  # type: ignore[arg-type]
        self.plain_bytes = 0
        self._documents = 0

    def add(self, line: bytes) -> None:
        self._gzip.write(line + b"\n")
        self.plain_bytes += len(line) + 1
        self._documents += 1

    def finish(self) -> Part:
        self._gzip.close()
        _onto_the_disk(self.file)
        Path(self.file.name).replace(self._path)
        return Part(
            name=self._path.name,
            documents=self._documents,
            bytes=self._hashed.bytes,
            sha256=self._hashed.sha256.hexdigest(),
        )


class _Hashed:
    """A file that knows the digest of what was given to it: reading it back must come to the same."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()
        self.bytes = 0

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.bytes += len(data)
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make the folder an archive, at one instant."""
    with _telling(folder):
        partial = folder / f"{MANIFEST}.partial"
        with partial.open("wb") as file:
            file.write(_encoded(manifest))
            _onto_the_disk(file)
        partial.replace(folder / MANIFEST)
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def read_manifest(folder: Path) -> Manifest | None:
    """Return the archive's manifest, None where none was finished."""
    with _telling(folder):
        if not (folder / MANIFEST).exists():
            return None
        text = (folder / MANIFEST).read_bytes()
    try:
        manifest = msgspec.json.decode(text, type=Manifest)
    except msgspec.MsgspecError as error:
        raise ArchiveDamaged(part=MANIFEST, folder=folder, reason=str(error)) from error
    if (manifest.format, manifest.version) != (FORMAT, VERSION):
        reason = f"it is of format {manifest.format} {manifest.version}, and this program reads {FORMAT} {VERSION}"
        raise ArchiveDamaged(part=MANIFEST, folder=folder, reason=reason)
    if sum(part.documents for part in manifest.parts) != manifest.documents:
        raise ArchiveDamaged(part=MANIFEST, folder=folder, reason="its counts contradict each other")
    return manifest


def verify(folder: Path, manifest: Manifest) -> None:
    """Read every part back from the disk; ArchiveDamaged names the first that is not what the manifest says."""
    for part in manifest.parts:
        path = folder / part.name
        if path.name != part.name or not path.is_file():
            raise ArchiveDamaged(part=part.name, folder=folder, reason="it is missing")
        with _telling(folder), path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != part.sha256:
            raise ArchiveDamaged(part=part.name, folder=folder, reason=f"its SHA-256 is {found}")
        if sum(1 for _ in _lines(folder, part)) != part.documents:
            raise ArchiveDamaged(part=part.name, folder=folder, reason=f"it does not hold {part.documents} lines")


def batches(folder: Path, manifest: Manifest) -> Iterator[list[bytes]]:
    """Yield the archived documents in their order, as JSON, some at a time."""
    for part in manifest.parts:
        batch: list[bytes] = []
        for line in _lines(folder, part):
            batch.append(line)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch


def _lines(folder: Path, part: Part) -> Iterator[bytes]:
    try:
        with gzip.open(folder / part.name, "rb") as file:
            for line in file:
                yield line.rstrip(b"\n")
    except (OSError, EOFError, zlib.error) as error:
        raise ArchiveDamaged(part=part.name, folder=folder, reason=str(error)) from error


def _encoded(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=2) + b"\n"


def _onto_the_disk(file: BinaryIO) -> None:
    """Close a file; what it holds then outlives the machine."""
    with file:
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _telling(folder: Path) -> Generator[None]:
    """Tell trouble with the disk as what somebody can act on."""
    try:
        yield
    except BlockingIOError as error:
        raise FolderUnusable(folder=folder, reason="another process is at work there") from error
    except OSError as error:
        raise FolderUnusable(folder=folder, reason=error.strerror or str(error)) from error
