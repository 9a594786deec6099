"""What a backup holds: its manifest, and its compressed files with their digests. Everything here blocks."""

import gzip
import hashlib
import os
import shutil
import zlib
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.stores.postgres.dumping import Table

FORMAT, VERSION = "mystira-backup", 1
MANIFEST = "manifest.json"
CHUNK = 256 * 1024


class BackupFolderUnusable(Problem):
    """{folder} cannot hold a backup: {reason}. Name an empty folder, or one that is not there yet."""

    kind = Kind.UNPROCESSABLE


class BackupDamaged(Problem):
    """The backup in {folder} cannot be used: {file} {reason}. Nothing was changed; take another backup, or bring an
    undamaged copy of this one."""

    kind = Kind.UNPROCESSABLE


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """One compressed file: how many things it holds, and size and SHA-256 of the file as it lies there."""

    name: str
    count: int
    bytes: int
    sha256: str


class Led(msgspec.Struct, frozen=True, kw_only=True):
    """Where a collection stood: shown to people, and what its history is told about."""

    collection: str
    phase: str
    epoch: int
    n: int


class Backup(msgspec.Struct, frozen=True, kw_only=True):
    """The manifest. `documents` says of which kind of store they are; `secret` tells keys apart without telling them.

    `taken_at` is the instant that both stores are of; documents could not be written for the `held_ms` around it.
    """

    format: str = FORMAT
    version: int = VERSION
    taken_at: datetime
    held_ms: float
    revision: str
    postgres: str
    documents: str
    secret: str
    led: tuple[Led, ...]
    tables: tuple[Table, ...]
    sequences: dict[str, int]
    files: tuple[Packed, ...]

    @property
    def sha256(self) -> str:
        """The digest of the manifest's file: whoever knows it can tell that the whole backup is the one."""
        return hashlib.sha256(_encoded(self)).hexdigest()

    @property
    def counts(self) -> dict[str, int]:
        """How many things of each kind it holds."""
        count = {"rows": 0, "documents": 0, "media files": 0}
        for file in self.files:
            kind = (
                "rows" if file.name.startswith("rows/") else "documents" if "documents" in file.name else "media files"
            )
            count[kind] += file.count
        return count

    def file(self, name: str) -> Packed | None:
        """Return the file of this name."""
        return next((file for file in self.files if file.name == name), None)


class Taken(Backup, frozen=True, kw_only=True):
    """What `mystira backup` prints: the manifest, where it is, and its digest."""

    folder: str
    manifest: str


class BroughtBack(msgspec.Struct, frozen=True, kw_only=True):
    """What `mystira restore` prints: everything is as it stood at `taken_at`."""

    seconds: float
    same_secret: bool
    taken_at: datetime


class Packer:
    """Writes one compressed file and knows what it must come to when it is read back."""

    def __init__(self, folder: Path, name: str) -> None:
        self._name = name
        with telling(folder):
            path = folder / name
            path.parent.mkdir(mode=0o700, exist_ok=True)
            self._file = path.open("xb")
        self._folder = folder
        self._hashed = _Hashed(self._file)
        self._gzip = gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=self._hashed, mtime=0)  # type: ignore[arg-type]

    @property
    def stream(self) -> gzip.GzipFile:
        """The open file, for those who write into it by themselves."""
        return self._gzip

    def add(self, data: bytes) -> None:
        """Add to the file."""
        with telling(self._folder):
            self._gzip.write(data)

    def finish(self, count: int) -> Packed:
        """Bring the file onto the disk and tell what it is."""
        with telling(self._folder), self._file:
            self._gzip.close()
            self._file.flush()
            os.fsync(self._file.fileno())
        return Packed(name=self._name, count=count, bytes=self._hashed.bytes, sha256=self._hashed.sha256.hexdigest())


class _Hashed:
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


def begin(folder: Path) -> None:
    """Make the folder, for its owner alone: a backup holds everything that families have entrusted to us."""
    with telling(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise BackupFolderUnusable(folder=folder, reason="there is something in it already")


def abandon(folder: Path) -> None:
    """Leave nothing that could be taken for a backup."""
    shutil.rmtree(folder, ignore_errors=True)


def write_manifest(folder: Path, backup: Backup) -> None:
    """Make the folder a backup, at one instant."""
    with telling(folder):
        partial = folder / f"{MANIFEST}.partial"
        with partial.open("wb") as file:
            file.write(_encoded(backup))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / MANIFEST)
        handle = os.open(folder, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def read_manifest(folder: Path) -> Backup:
    """Return what a backup says it holds."""
    try:
        backup = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Backup)
    except OSError as error:
        reason = f"cannot be read ({error.strerror}), so this is no backup or one that was never finished"
        raise BackupDamaged(folder=folder, file=MANIFEST, reason=reason) from error
    except msgspec.MsgspecError as error:
        raise BackupDamaged(folder=folder, file=MANIFEST, reason=f"does not make sense ({error})") from error
    if (backup.format, backup.version) != (FORMAT, VERSION):
        reason = f"is of format {backup.format} {backup.version}, and this program reads {FORMAT} {VERSION}"
        raise BackupDamaged(folder=folder, file=MANIFEST, reason=reason)
    return backup


def check_files(folder: Path, backup: Backup) -> None:
    """Read every file back from the disk; BackupDamaged names the first that is not what the manifest says."""
    for packed in backup.files:
        path = folder / packed.name
        if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
            raise BackupDamaged(folder=folder, file=packed.name, reason="is missing")
        with telling(folder), path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != packed.sha256:
            raise BackupDamaged(folder=folder, file=packed.name, reason=f"has the SHA-256 {found}")
        counted = sum(chunk.count(b"\n") for chunk in unpacked(folder, packed))
        if packed.name.endswith((".rows.gz", ".ndjson.gz")) and counted != packed.count:
            raise BackupDamaged(folder=folder, file=packed.name, reason=f"holds {counted} lines, not {packed.count}")


def unpacked(folder: Path, packed: Packed) -> Iterator[bytes]:
    """Yield what a file holds, some at a time."""
    try:
        with gzip.open(folder / packed.name, "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except (OSError, EOFError, zlib.error) as error:
        raise BackupDamaged(folder=folder, file=packed.name, reason=f"cannot be unpacked ({error})") from error


@contextmanager
def telling(folder: Path) -> Generator[None]:
    """Tell trouble with the disk as what somebody can act on."""
    try:
        yield
    except OSError as error:
        raise BackupFolderUnusable(folder=folder, reason=error.strerror or str(error)) from error


def _encoded(backup: Backup) -> bytes:
    return msgspec.json.format(msgspec.json.encode(backup), indent=2) + b"\n"
