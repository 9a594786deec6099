"""Reads ZIP archives of strangers: our own look at the directory, and files unpacked one at a time, to disk only.

The standard library of the Python that we support opens archives whose entries share their bytes (a small file that
unpacks to gigabytes), so every entry's place is checked here before anything is unpacked.
"""

import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import msgspec

from mystira.textfiles.nodes import Unreadable
from mystira.textfiles.reading import Refused

MAGIC = b"PK\x03\x04"
END, ENTRY, LOCAL = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
END_HEAD = struct.Struct("<4s4H2LH")
ENTRY_HEAD = struct.Struct("<4s6H3L5H2L")
LOCAL_HEAD = struct.Struct("<4s5H3L2H")
COMMENT_BYTES_MAX = 65_535
DIRECTORY_BYTES_PER_ENTRY = 1_024
STORED, DEFLATED = 0, 8
ENCRYPTED, UTF8 = 0x1, 0x800
LINK, FILE_TYPE = 0xA000, 0xF000
ZIP64 = 0xFFFFFFFF
CHUNK = 64 * 1024
NAME_MAX = 240
# What compresses even better holds nothing that a person made; small files may, for their heads weigh little.
RATIO_MAX, RATIO_FROM_BYTES = 200, 1_000_000
# What file managers put into archives beside what was meant.
LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")
ARCHIVES = (".zip", ".jar", ".7z", ".rar", ".gz", ".bz2", ".xz", ".tar", ".tgz", ".zst")


class ZipLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one archive may hold, unpacked."""

    entries: int = 5_000
    bytes: int = 2_000_000_000


USUAL_LIMITS = ZipLimits()


class ZipEntry(NamedTuple):
    """One file in an archive: its path with `/`, where its header begins, how large it is packed and unpacked."""

    name: str
    at: int
    packed: int
    size: int
    crc: int
    method: int


def read_directory(source: BinaryIO, limits: ZipLimits = USUAL_LIMITS) -> list[ZipEntry]:
    """Return the files of an archive, after every check that needs no unpacking; Refused says what is wrong.

    What has no place in an archive from strangers is refused: entries that overlap, that compress impossibly well, that
    lead out of the folder, links, passwords, archives inside the archive. Folders and litter are left out.
    """
    count, size, start = _end(source, limits)
    source.seek(start)
    found = _entries(source.read(size), count)
    _refuse_bombs(found, limits)
    _refuse_overlaps(source, found, start)
    _refuse_twins(found)
    return [one for one in found if not one.name.endswith("/") and not _is_litter(one.name)]


def unpack(source: BinaryIO, entry: ZipEntry, target: Path) -> None:
    """Write one file of the archive to `target`, a piece at a time; Refused when it is not what the directory says."""
    source.seek(entry.at)
    head = LOCAL_HEAD.unpack(source.read(LOCAL_HEAD.size))
    source.seek(head[9] + head[10], 1)
    checksum, size = 0, 0
    with target.open("wb") as out:
        for piece in _unpacked(source, entry):
            if size == 0 and piece.startswith(MAGIC):
                raise _refused("zip_in_zip", f"{entry.name} is an archive inside the archive. Unpack it first.")
            size += len(piece)
            if size > entry.size:
                break
            checksum = zlib.crc32(piece, checksum)
            out.write(piece)
    if size != entry.size or checksum != entry.crc:
        raise _refused("damaged_zip", f"{entry.name} is damaged inside the archive. Make the ZIP again.")


def _unpacked(source: BinaryIO, entry: ZipEntry) -> Iterable[bytes]:
    pieces = _packed(source, entry.packed)
    if entry.method == STORED:
        yield from pieces
        return
    inflate = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in pieces:
            # However well a piece is compressed, it comes out in pieces again.
            yield inflate.decompress(piece, CHUNK)
            while inflate.unconsumed_tail:
                yield inflate.decompress(inflate.unconsumed_tail, CHUNK)
        while more := inflate.decompress(b"", CHUNK):
            yield more
    except zlib.error as error:
        raise _refused("damaged_zip", f"{entry.name} is damaged inside the archive. Make the ZIP again.") from error


def _packed(source: BinaryIO, size: int) -> Iterable[bytes]:
    while size > 0 and (piece := source.read(min(CHUNK, size))):
        size -= len(piece)
        yield piece


def _end(source: BinaryIO, limits: ZipLimits) -> tuple[int, int, int]:
    """Return how many entries there are, how long the directory is, and where it begins."""
    whole = source.seek(0, 2)
    tail_at = max(0, whole - END_HEAD.size - COMMENT_BYTES_MAX)
    source.seek(tail_at)
    tail = source.read()
    found = tail.rfind(END)
    if found < 0 or len(tail) - found < END_HEAD.size:
        raise _refused("not_a_zip", "This is not a whole ZIP archive. Make it again, or send the files themselves.")
    _, disk, first_disk, here, count, size, start, comment = END_HEAD.unpack_from(tail, found)
    if ZIP64 in (size, start) or count == 0xFFFF:
        raise _refused("zip_too_large", "This archive is of the kind for more than 4 GB. Split it into smaller ones.")
    if (disk, first_disk, here) != (0, 0, count) or start + size != tail_at + found or found + 22 + comment > len(tail):
        raise _refused("damaged_zip", "The directory of this archive is damaged. Make the ZIP again.")
    if count > limits.entries or size > max(1, count) * DIRECTORY_BYTES_PER_ENTRY:
        raise _refused(
            "too_many_entries", f"This archive holds {count:,} files; {limits.entries:,} are allowed. Split it."
        )
    return count, size, start


def _entries(directory: bytes, count: int) -> list[ZipEntry]:
    found: list[ZipEntry] = []
    at = 0
    for _ in range(count):
        if directory[at : at + 4] != ENTRY or at + ENTRY_HEAD.size > len(directory):
            raise _refused("damaged_zip", "The directory of this archive is damaged. Make the ZIP again.")
        head = ENTRY_HEAD.unpack_from(directory, at)
        _, made_by, _, flags, method, _, _, crc, packed, size, name_length, extra, comment, _, _, attributes, start = (
            head
        )
        raw = directory[at + ENTRY_HEAD.size : at + ENTRY_HEAD.size + name_length]
        at += ENTRY_HEAD.size + name_length + extra + comment
        name = _name(raw, flags)
        if flags & ENCRYPTED:
            raise _refused("zip_password", f"{name} needs a password. Make the ZIP without one.")
        if method not in (STORED, DEFLATED):
            raise _refused("zip_method", f"{name} is packed in an unusual way. Make the ZIP with the usual tools.")
        if made_by >> 8 == 3 and (attributes >> 16) & FILE_TYPE == LINK:
            raise _refused("zip_link", f"{name} is a link to another file. Put the file itself into the ZIP.")
        if name.lower().endswith(ARCHIVES):
            raise _refused("zip_in_zip", f"{name} is an archive inside the archive. Unpack it first.")
        found.append(ZipEntry(name, start, packed, size, crc, method))
    return found


def _name(raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & UTF8 else "cp437")
    except UnicodeDecodeError as error:
        raise _refused("zip_name", "The archive holds a file whose name cannot be read. Rename it.") from error
    parts = PurePosixPath(name).parts
    is_unsafe = (
        not name.isprintable()
        or not 0 < len(name) <= NAME_MAX
        or name.startswith("/")
        or "\\" in name
        or ":" in name
        or ".." in parts
        or not parts
    )
    if is_unsafe:
        raise _refused("zip_name", f"{name[:80]!a} is no path inside a folder. Rename it, and make the ZIP again.")
    return name


def _refuse_bombs(found: Sequence[ZipEntry], limits: ZipLimits) -> None:
    whole = sum(one.size for one in found)
    if whole > limits.bytes:
        raise _refused(
            "zip_unpacks_too_large", f"Unpacked, this archive is {whole:,} bytes; {limits.bytes:,} are allowed."
        )
    for one in found:
        if one.size > RATIO_FROM_BYTES and one.size > RATIO_MAX * max(1, one.packed):
            raise _refused("zip_bomb", f"{one.name} unpacks to {one.size:,} bytes of nothing. Take it out of the ZIP.")
        if one.method == STORED and one.size != one.packed:
            raise _refused("damaged_zip", f"{one.name} is damaged inside the archive. Make the ZIP again.")


def _refuse_overlaps(source: BinaryIO, found: Sequence[ZipEntry], directory_at: int) -> None:
    """Refuse entries that share bytes with one another or with the directory, or whose own heads say otherwise."""
    free_from = 0
    for one in sorted(found, key=lambda one: one.at):
        source.seek(one.at)
        raw = source.read(LOCAL_HEAD.size)
        if one.at < free_from or len(raw) < LOCAL_HEAD.size or raw[:4] != LOCAL:
            raise _refused(
                "zip_overlap", f"{one.name} shares its bytes with another file of the archive. Nobody packs so."
            )
        head = LOCAL_HEAD.unpack(raw)
        name = source.read(head[9])
        if _name(name, head[2]) != one.name or head[3] != one.method or head[2] & ENCRYPTED:
            raise _refused("damaged_zip", f"{one.name} has two different names in this archive. Make the ZIP again.")
        free_from = one.at + LOCAL_HEAD.size + head[9] + head[10] + one.packed
        if free_from > directory_at:
            raise _refused(
                "zip_overlap", f"{one.name} shares its bytes with another file of the archive. Nobody packs so."
            )


def _refuse_twins(found: Sequence[ZipEntry]) -> None:
    met: dict[str, str] = {}
    for one in found:
        other = met.setdefault(one.name.rstrip("/").casefold(), one.name)
        if other is not one.name:
            raise _refused(
                "zip_twins", f"{one.name} is there twice, or differs from {other} only in large and small letters."
            )


def _is_litter(name: str) -> bool:
    return name.startswith(LITTER[0]) or PurePosixPath(name).name in LITTER or PurePosixPath(name).name.startswith("._")


def _refused(code: str, message: str) -> Refused:
    return Refused(Unreadable(code, message))
