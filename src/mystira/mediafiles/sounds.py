"""Sounds: only what is heard is copied; tags, pictures and whatever hides between the frames stay behind."""

import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from mutagen import MutagenError
from mutagen.oggopus import OggOpus
from mutagen.oggvorbis import OggVorbis

from mystira.mediafiles.forms import Form
from mystira.mediafiles.sniffing import refused

BITRATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
BITRATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
MPEG_1, LAYER_3 = 3, 1
FRAMES_MIN = 3
# So much between the frames is what old software leaves; more is something else that calls itself a sound.
JUNK_SHARE_MAX = 0.1
WINDOW = 1 << 16
PAGE_HEAD = struct.Struct("<4sBBqIIIB")
WAVE_FORMATS = (1, 3, 0xFFFE)


def clean_sound(source: Path, form: Form, target: Path) -> float:
    """Write the sound anew, and return how many seconds it lasts."""
    clean = {"MP3": _clean_mp3, "OGG": _clean_ogg, "WAV": _clean_wav}[form.name]
    try:
        return clean(source, target)
    except (struct.error, MutagenError, EOFError) as error:
        raise _damaged() from error


def _clean_mp3(source: Path, target: Path) -> float:
    seconds, frames, sound = 0.0, 0, 0
    with source.open("rb") as coming, target.open("wb") as out:
        begin = _after_tags(coming)
        for frame, duration in _frames(coming):
            out.write(frame)
            frames += 1
            seconds += duration
            sound += len(frame)
        whole = coming.seek(0, 2) - begin
    if frames < FRAMES_MIN or sound < whole * (1 - JUNK_SHARE_MAX) - WINDOW // 16:
        raise _damaged()
    return seconds


def _after_tags(coming: BinaryIO) -> int:
    """Go behind the ID3 tags at the beginning and return where that is."""
    at = 0
    while True:
        coming.seek(at)
        head = coming.read(10)
        if head[:3] != b"ID3" or len(head) < 10:
            coming.seek(at)
            return at
        at += 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]) + (10 if head[5] & 0x10 else 0)


def _frames(coming: BinaryIO) -> Iterator[tuple[bytes, float]]:
    """Yield every frame that another one, or the end, follows; what is between them is passed over."""
    kept = coming.read(WINDOW)
    at = 0
    while True:
        if len(kept) - at < WINDOW // 4:
            kept = kept[at:] + coming.read(WINDOW)
            at = 0
        if at + 4 > len(kept):
            return
        size, duration = _frame(kept, at)
        after = at + size
        is_last = after == len(kept) or kept[after : after + 3] == b"TAG"
        if size and after <= len(kept) and (is_last or _frame(kept, after)[0]):
            yield kept[at:after], duration
            at = after
        else:
            following = kept.find(b"\xff", at + 1)
            at = len(kept) if following < 0 else following


def _frame(data: bytes, at: int) -> tuple[int, float]:
    """Return the size and the seconds of the frame that begins here; size 0 when none does."""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0, 0.0
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bitrate, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version not in RATES or layer != LAYER_3 or bitrate in (0, 15) or rate == 3:
        return 0, 0.0
    samples = 1_152 if version == MPEG_1 else 576
    bits_per_s = 1_000 * (BITRATES_1 if version == MPEG_1 else BITRATES_2)[bitrate]
    per_s = RATES[version][rate]
    return samples // 8 * bits_per_s // per_s + padding, samples / per_s


def _clean_ogg(source: Path, target: Path) -> float:
    with source.open("rb") as coming, target.open("wb") as out:
        first = coming.read(PAGE_HEAD.size + 1 + 16)
        coming.seek(0)
        kind = OggOpus if b"OpusHead" in first else OggVorbis if b"\x01vorbis" in first else None
        if kind is None:
            raise refused("unknown_codec", "This OGG file holds neither Vorbis nor Opus. Save it as MP3 or OGG Vorbis.")
        _copy_pages(coming, out)
    sound = kind(target)
    sound.delete(target)
    info: Any = kind(target).info
    return float(info.length)


def _copy_pages(coming: BinaryIO, out: BinaryIO) -> None:
    """Copy the pages of the first stream; anything else ends the file."""
    stream: int | None = None
    while len(head := coming.read(PAGE_HEAD.size)) == PAGE_HEAD.size:
        magic, version, _, _, serial, _, _, segments = PAGE_HEAD.unpack(head)
        if magic != b"OggS" or version != 0:
            break
        lacing = coming.read(segments)
        body = coming.read(sum(lacing))
        if len(lacing) < segments or len(body) < sum(lacing):
            raise _damaged()
        stream = serial if stream is None else stream
        if serial == stream:
            out.write(head + lacing + body)


def _clean_wav(source: Path, target: Path) -> float:
    with source.open("rb") as coming:
        form, data_at, size = _wave_parts(coming)
        kind, channels, rate, bytes_per_s, block, bits = struct.unpack_from("<HHIIHH", form)
        if kind not in WAVE_FORMATS or not channels or not rate or not block or bits % 8 or bytes_per_s != rate * block:
            raise refused(
                "unknown_codec", "This WAV file is packed in an unusual way. Save it as plain PCM, or as MP3."
            )
        form = form if kind == 0xFFFE else form[:16]
        # Only so much is copied as makes whole samples: a file that was cut off ends a moment earlier.
        size -= size % block
        coming.seek(data_at)
        with target.open("wb") as out:
            out.write(b"RIFF" + struct.pack("<I", 20 + len(form) + size) + b"WAVEfmt " + struct.pack("<I", len(form)))
            out.write(form + b"data" + struct.pack("<I", size))
            _copy(coming, out, size)
            out.write(bytes(size % 2))
    return size / bytes_per_s


def _wave_parts(coming: BinaryIO) -> tuple[bytes, int, int]:
    coming.seek(12)
    form = b""
    while len(head := coming.read(8)) == 8:
        name, size = struct.unpack("<4sI", head)
        if name == b"fmt ":
            form = coming.read(min(size, 40))
            coming.seek(size - len(form) + size % 2, 1)
        elif name == b"data" and len(form) >= 16:
            at = coming.tell()
            there = coming.seek(0, 2) - at
            if size > there:
                raise _damaged()
            return form, at, size
        else:
            coming.seek(size + size % 2, 1)
    raise _damaged()


def _copy(coming: BinaryIO, out: BinaryIO, size: int) -> None:
    while size > 0 and (piece := coming.read(min(WINDOW, size))):
        out.write(piece)
        size -= len(piece)


def copied(source: Path, target: Path) -> None:
    """Copy a file in pieces."""
    with source.open("rb") as coming, target.open("wb") as out:
        shutil.copyfileobj(coming, out, WINDOW)


def _damaged() -> Exception:
    message = "This sound is damaged, or not all of it arrived. Save it again, then send it once more."
    return refused("damaged_sound", message)
