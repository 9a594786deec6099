"""Films and sounds in MP4: metadata are overwritten where they stand, so that nothing inside the file moves."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from mystira.mediafiles.sniffing import refused
from mystira.mediafiles.sounds import copied

FOLDERS = (b"moov", b"trak", b"mdia", b"minf", b"edts", b"moof", b"traf", b"mvex")
# What players need at the top of a file; whatever else is there is overwritten.
TOP = (b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"sidx", b"styp")
METADATA = (b"udta", b"meta", b"uuid", b"free", b"skip", b"wide")
TIMED = (b"mvhd", b"tkhd", b"mdhd")
BOXES_MAX, DEPTH_MAX = 20_000, 8
PIECE = 1 << 16


class Film(NamedTuple):
    """What a cleaned film is; without a picture its sides are 0."""

    width: int
    height: int
    seconds: float


class Box(NamedTuple):
    """One part of the file: its name, where it begins, where its content begins, and where it ends."""

    name: bytes
    at: int
    inside: int
    end: int


class _Found(msgspec.Struct):
    boxes: int = 0
    width: int = 0
    height: int = 0
    seconds: float = 0.0
    tracks: int = 0
    has_media: bool = False


def clean_film(source: Path, target: Path) -> Film:
    """Copy the file without its metadata: no place, no times, no names of devices and programs."""
    copied(source, target)
    found = _Found()
    with target.open("r+b") as file:
        try:
            _clean(file, 0, file.seek(0, 2), 0, found)
        except struct.error as error:
            raise _damaged() from error
    if not found.tracks or not found.has_media or found.seconds <= 0:
        raise _damaged()
    return Film(found.width, found.height, found.seconds)


def _clean(file: BinaryIO, start: int, end: int, depth: int, found: _Found) -> None:
    for box in _boxes(file, start, end):
        found.boxes += 1
        if found.boxes > BOXES_MAX or depth > DEPTH_MAX:
            raise _damaged()
        found.has_media = found.has_media or box.name == b"mdat"
        if box.name in METADATA or (depth == 0 and box.name not in TOP):
            _blank(file, box)
        elif box.name in TIMED:
            _read_times(file, box, found)
        elif box.name in FOLDERS:
            found.tracks += box.name == b"trak"
            _clean(file, box.inside, box.end, depth + 1, found)


def _boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    at = start
    while at < end:
        file.seek(at)
        head = file.read(16)
        size, name = struct.unpack_from(">I4s", head)
        inside = at + 8
        if size == 1:
            size, inside = struct.unpack_from(">Q", head, 8)[0], at + 16
        elif size == 0:
            size = end - at
        if size < inside - at or at + size > end:
            raise _damaged()
        yield Box(name, at, inside, at + size)
        at += size


def _blank(file: BinaryIO, box: Box) -> None:
    file.seek(box.at + 4)
    file.write(b"free")
    _zero(file, box.inside, box.end)


def _zero(file: BinaryIO, start: int, end: int) -> None:
    file.seek(start)
    while start < end:
        start += file.write(bytes(min(PIECE, end - start)))


def _read_times(file: BinaryIO, box: Box, found: _Found) -> None:
    file.seek(box.inside)
    body = file.read(min(120, box.end - box.inside))
    is_long = body[0] == 1
    if box.name == b"mvhd":
        scale, duration = struct.unpack_from(">IQ" if is_long else ">II", body, 20 if is_long else 12)
        found.seconds = duration / scale if scale else 0.0
    elif box.name == b"tkhd":
        width, height = struct.unpack_from(">II", body, 88 if is_long else 76)
        found.width, found.height = max(found.width, width >> 16), max(found.height, height >> 16)
    # When it was made and changed is nobody's business.
    _zero(file, box.inside + 4, box.inside + (20 if is_long else 12))


def _damaged() -> Exception:
    message = "This film is damaged, or not all of it arrived. Save it again, then send it once more."
    return refused("damaged_film", message)
