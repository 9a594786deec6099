"""Films in WebM: metadata become empty space of the same length, so that nothing inside the file moves."""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from mystira.mediafiles.films import Film
from mystira.mediafiles.sniffing import refused
from mystira.mediafiles.sounds import copied

HEADER, SEGMENT, INFO, TRACKS, TRACK, VIDEO, CLUSTER = (
    0x1A45DFA3,
    0x18538067,
    0x1549A966,
    0x1654AE6B,
    0xAE,
    0xE0,
    0x1F43B675,
)
DOCTYPE, SCALE, DURATION, WIDTH, HEIGHT = 0x4282, 0x2AD7B1, 0x4489, 0xB0, 0xBA
TAGS, ATTACHMENTS, CHAPTERS, VOID, CHECKSUM = 0x1254C367, 0x1941A469, 0x1043A770, 0xEC, 0xBF
TITLE, DATE, MUXER, WRITER, SEGMENT_NAME, TRACK_NAME = 0x7BA9, 0x4461, 0x4D80, 0x5741, 0x7384, 0x536E
METADATA = (TAGS, ATTACHMENTS, CHAPTERS, VOID, CHECKSUM, TITLE, DATE, SEGMENT_NAME, TRACK_NAME)
# Players insist that these are there, so only their text goes.
TEXTS = (MUXER, WRITER)
FOLDERS = (HEADER, SEGMENT, INFO, TRACKS, TRACK, VIDEO)
ELEMENTS_MAX = 200_000
PIECE = 1 << 16


class Element(NamedTuple):
    """One part of the file: what it is, where it begins, where its content begins, and where it ends."""

    id: int
    at: int
    inside: int
    end: int


class _Found(msgspec.Struct):
    elements: int = 0
    doctype: bytes = b""
    scale: int = 1_000_000
    ticks: float = 0.0
    width: int = 0
    height: int = 0
    has_media: bool = False


def clean_matroska(source: Path, target: Path) -> Film:
    """Copy the file without its metadata."""
    copied(source, target)
    found = _Found()
    with target.open("r+b") as file:
        try:
            _clean(file, 0, file.seek(0, 2), found)
        except (struct.error, IndexError) as error:
            raise _damaged() from error
    seconds = found.ticks * found.scale / 1e9
    if found.doctype != b"webm":
        raise refused(
            "unknown_type", "This is Matroska, but not WebM, and browsers may not show it. Save it as WebM or MP4."
        )
    if not found.has_media or not 0 < seconds < 1e7:
        raise _damaged()
    return Film(found.width, found.height, seconds)


def _clean(file: BinaryIO, start: int, end: int, found: _Found) -> None:
    for element in _elements(file, start, end):
        found.elements += 1
        if found.elements > ELEMENTS_MAX:
            raise _damaged()
        found.has_media = found.has_media or element.id == CLUSTER
        if element.id in METADATA:
            _blank(file, element)
        elif element.id in TEXTS:
            _zero(file, element.inside, element.end)
        elif element.id in FOLDERS:
            _clean(file, element.inside, element.end, found)
        else:
            _note(file, element, found)


def _note(file: BinaryIO, element: Element, found: _Found) -> None:
    if element.id not in (DOCTYPE, SCALE, DURATION, WIDTH, HEIGHT) or element.end - element.inside > 16:
        return
    file.seek(element.inside)
    body = file.read(element.end - element.inside)
    if element.id == DOCTYPE:
        found.doctype = body.rstrip(b"\0")
    elif element.id == DURATION:
        found.ticks = struct.unpack(">d" if len(body) == 8 else ">f", body)[0]
    elif element.id == SCALE:
        found.scale = int.from_bytes(body, "big")
    elif element.id == WIDTH:
        found.width = int.from_bytes(body, "big")
    else:
        found.height = int.from_bytes(body, "big")


def _elements(file: BinaryIO, start: int, end: int) -> Iterator[Element]:
    at = start
    while at < end:
        file.seek(at)
        head = file.read(12)
        id_length = 9 - head[0].bit_length()
        if id_length > 4:
            raise _damaged()
        size_length = 9 - head[id_length].bit_length()
        if size_length > 8:
            raise _damaged()
        id = int.from_bytes(head[:id_length], "big")
        size = int.from_bytes(head[id_length : id_length + size_length], "big") & ((1 << 7 * size_length) - 1)
        inside = at + id_length + size_length
        if size == (1 << 7 * size_length) - 1:
            # Of unknown size, as live recordings are: it goes on until what holds it ends.
            size = end - inside
        if inside + size > end:
            raise _damaged()
        yield Element(id, at, inside, inside + size)
        at = inside + size


def _blank(file: BinaryIO, element: Element) -> None:
    whole = element.end - element.at
    file.seek(element.at)
    if whole < 9:
        file.write(bytes((VOID, 0x80 | whole - 2)))
        _zero(file, element.at + 2, element.end)
    else:
        file.write(bytes((VOID, 0x01)) + (whole - 9).to_bytes(7, "big"))
        _zero(file, element.at + 9, element.end)


def _zero(file: BinaryIO, start: int, end: int) -> None:
    file.seek(start)
    while start < end:
        start += file.write(bytes(min(PIECE, end - start)))


def _damaged() -> Exception:
    message = "This film is damaged, or not all of it arrived. Save it again, then send it once more."
    return refused("damaged_film", message)
