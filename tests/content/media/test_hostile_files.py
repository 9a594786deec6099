"""Strangers' files: whatever they are, they are cleaned or refused, and no byte of their metadata is kept."""

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from mystira.mediafiles.cleaning import clean
from mystira.mediafiles.forms import Cleaned, MediaLimits, Task
from mystira.textfiles.reading import Refused
from tests.content.media.files import CANARY, mp3, mp4, ogg, picture, wav, webm, with_exif
from tests.content.test_zips import packed

ROOT = Path(__file__).parents[3]


def cleaned(folder: Path, name: str, data: bytes, limits: MediaLimits | None = None) -> Cleaned:
    (folder / "source").write_bytes(data)
    task = Task(
        source=str(folder / "source"),
        name=name,
        target=str(folder / "clean"),
        thumbnail=str(folder / "thumbnail"),
        limits=limits or MediaLimits(),
    )
    return msgspec.msgpack.decode(clean(msgspec.msgpack.encode(task), b""), type=Cleaned)


def why_not(folder: Path, name: str, data: bytes, limits: MediaLimits | None = None) -> str:
    with pytest.raises(Refused) as refused:
        cleaned(folder, name, data, limits)
    assert refused.value.why.message.endswith(".")
    return refused.value.why.code


GOOD: dict[str, tuple[Callable[[], bytes], str]] = {
    "a.png": (lambda: with_exif("PNG"), "image/webp"),
    "a.jpg": (lambda: with_exif("JPEG"), "image/webp"),
    "a.webp": (lambda: with_exif("WEBP"), "image/webp"),
    "a.gif": (lambda: picture((40, 120), "GIF", comment=CANARY) + CANARY, "image/webp"),
    "a.mp3": (mp3, "audio/mpeg"),
    "a.wav": (wav, "audio/wav"),
    "a.ogg": (lambda: ogg("vorbis"), "audio/ogg"),
    "a.opus": (ogg, "audio/ogg"),
    "a.oga": (lambda: ogg(stray=b"MZ" + CANARY), "audio/ogg"),
    "a.m4a": (lambda: mp4(b"M4A "), "audio/mp4"),
    "a.mp4": (mp4, "video/mp4"),
    "a.webm": (webm, "video/webm"),
}


@pytest.mark.parametrize("name", GOOD)
def test_no_byte_of_metadata_is_kept(tmp_path: Path, name: str) -> None:
    make, content_type = GOOD[name]
    data = make()
    assert CANARY in data
    made = cleaned(tmp_path, name, data)
    assert made.content_type == content_type
    assert CANARY not in (tmp_path / "clean").read_bytes()
    if made.media_type == "image":
        assert CANARY not in (tmp_path / "thumbnail").read_bytes()
        assert (made.width, made.height) == (40, 120), "what lay on its side stands upright"
    else:
        assert made.duration_ms > 900


def test_what_is_cleaned_twice_stays_as_it_is(tmp_path: Path) -> None:
    for name in ("a.mp3", "a.wav", "a.ogg", "a.opus", "a.mp4", "a.webm"):
        first = cleaned(tmp_path, name, GOOD[name][0]())
        assert cleaned(tmp_path, name, (tmp_path / "clean").read_bytes()).hash == first.hash, name


def png_of(width: int, height: int) -> bytes:
    """A picture that says it is huge, and is nearly nothing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


HOSTILE: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "a program": ("a.png", lambda: b"MZ" + bytes(500), "unknown_type"),
    "a page": ("a.png", lambda: b"<html><script>alert(1)</script>", "unknown_type"),
    "svg": ("a.svg", lambda: b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "svg"),
    "svg as png": ("a.png", lambda: b'<?xml version="1.0"?><svg/>', "svg"),
    "PDF and JPEG": ("a.jpg", lambda: b"%PDF-1.4\n" + picture(form="JPEG"), "unknown_type"),
    "sound as picture": ("a.png", mp3, "wrong_ending"),
    "picture as sound": ("a.mp3", picture, "wrong_ending"),
    "huge": ("a.png", lambda: png_of(60_000, 60_000), "too_many_pixels"),
    "large WebP": ("a.webp", lambda: picture((2_500, 2_000), "WEBP", method=0), "too_many_pixels"),
    "less than it says": ("a.png", lambda: png_of(800, 800), "damaged_picture"),
    "cut JPEG": ("a.jpg", lambda: picture((200, 200), "JPEG")[:-900], "damaged_picture"),
    "cut PNG": ("a.png", lambda: picture((200, 200))[:-200], "damaged_picture"),
    "cut GIF": ("a.gif", lambda: picture((200, 200), "GIF")[:-200], "damaged_picture"),
    "cut WebP": ("a.webp", lambda: picture((200, 200), "WEBP")[:-200], "damaged_picture"),
    "cut film": ("a.mp4", lambda: mp4()[:-50], "damaged_film"),
    "cut WebM": ("a.webm", lambda: webm()[:-50], "damaged_film"),
    "Matroska": ("a.webm", lambda: webm(b"matroska"), "unknown_type"),
    "cut WAV": ("a.wav", lambda: wav()[:-5_000], "damaged_sound"),
    "only a tag": ("a.mp3", lambda: b"ID3\x03\x00\x00\x00\x00\x00\x00" + b"<script>" * 9, "damaged_sound"),
    "mostly something else": ("a.mp3", lambda: mp3(junk=b"<script>" * 20_000), "damaged_sound"),
    "cut OGG": ("a.ogg", lambda: ogg()[:-30], "damaged_sound"),
    "OGG without its comments": ("a.ogg", lambda: ogg("vorbis")[:200], "damaged_sound"),
    "OGG of nothing": ("a.ogg", lambda: b"OggS" + bytes(100), "unknown_codec"),
    "nothing": ("a.png", lambda: b"", "unknown_type"),
    "iPhone": ("a.heic", lambda: b"\0\0\0\x18ftypheic" + bytes(50), "phone_picture"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    called, make, code = HOSTILE[name]
    assert why_not(tmp_path, called, make()) == code


def test_what_is_two_things_at_once_comes_out_as_one(tmp_path: Path) -> None:
    script = b"/*" + b"A" * 20 + b"*/=1;alert(document.cookie)//"
    cleaned(tmp_path, "a.gif", picture(form="GIF", comment=script) + script)
    kept = (tmp_path / "clean").read_bytes()
    assert kept[:4] == b"RIFF" and b"alert" not in kept
    cleaned(tmp_path, "a.mp3", mp3(frames=400, junk=script))
    assert b"alert" not in (tmp_path / "clean").read_bytes()


def test_what_lasts_or_weighs_too_much_is_refused(tmp_path: Path) -> None:
    assert why_not(tmp_path, "a.wav", wav(3), MediaLimits(seconds=2)) == "too_long"
    assert why_not(tmp_path, "a.wav", wav(3), MediaLimits(sound_bytes=10_000)) == "too_heavy"
    assert why_not(tmp_path, "a.png", picture((100, 100)), MediaLimits(pixels=9_999)) == "too_many_pixels"


def test_flipped_bits_never_do_more_than_refuse(tmp_path: Path) -> None:
    for name, make in (("a.mp4", mp4), ("a.webm", webm), ("a.wav", lambda: wav(0.05)), ("a.mp3", lambda: mp3(4))):
        data = make()
        for at in range(0, min(len(data), 600), 3):
            broken = bytearray(data)
            broken[at] ^= 0x55
            try:
                cleaned(tmp_path, name, bytes(broken))
            except (Refused, RecursionError) as refused:
                assert isinstance(refused, Refused), (name, at)


PEAK = """
import sys
from pathlib import Path
from PIL import Image
from mystira.mediafiles.cleaning import clean
from mystira.mediafiles.forms import MediaLimits, Task
import msgspec
Image.preinit()
peak = lambda: next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
def one(name):
    limits = MediaLimits()
    task = Task(source=name, name=name, target=name + ".clean", thumbnail=name + ".small", limits=limits)
    clean(msgspec.msgpack.encode(task), b"")
one(sys.argv[1])
idle = peak()
one(sys.argv[2])
print(peak() - idle)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of memory")
@pytest.mark.parametrize(
    "form, mode, size",
    [
        ("JPEG", "RGB", (3_464, 2_309)),
        ("JPEG", "CMYK", (3_464, 2_309)),
        ("PNG", "RGB", (3_464, 2_309)),
        ("PNG", "RGBA", (3_464, 2_309)),
        ("PNG", "P", (3_464, 2_309)),
        ("GIF", "P", (3_464, 2_309)),
        ("WEBP", "RGBA", (2_170, 1_600)),
    ],
)
def test_the_largest_pictures_take_less_than_64_mb(tmp_path: Path, form: str, mode: str, size: tuple[int, int]) -> None:
    more = {"method": 0} if form == "WEBP" else {}
    (tmp_path / "large").write_bytes(picture(size, form, mode, **more))
    (tmp_path / "small").write_bytes(picture((16, 16), form, mode, **more))
    command = [sys.executable, "-c", PEAK, str(tmp_path / "small"), str(tmp_path / "large")]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) < 64 * 1024, f"{int(ended.stdout) / 1024:.0f} MB"


def test_a_picture_that_is_stored_is_no_larger_than_screens_need(tmp_path: Path) -> None:
    made = cleaned(tmp_path, "a.jpg", picture((3_000, 1_500), "JPEG"))
    assert max(made.width, made.height) <= 2_048 and made.width == 2 * made.height
    with Image.open(io.BytesIO((tmp_path / "thumbnail").read_bytes())) as small:
        assert max(small.size) == 320


def test_archives_are_no_media(tmp_path: Path) -> None:
    assert why_not(tmp_path, "a.png", packed({"a": b"x"})) == "unknown_type"
