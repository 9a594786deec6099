"""Files that tests send: pictures with Pillow, sounds and films byte by byte, each with a canary where metadata are."""

import io
import math
import struct
from random import Random
from typing import Any

from PIL import Image, PngImagePlugin

CANARY = b"CANARY-7f3a"


def picture(
    size: tuple[int, int] = (64, 48), form: str = "PNG", mode: str = "RGB", seed: int = 1, **more: Any
) -> bytes:
    """Return a picture of noise; the same seed makes the same one."""
    small = Image.frombytes("RGB", (16, 12), Random(seed).randbytes(16 * 12 * 3)).resize(size)
    made = small.convert(mode)
    if mode == "RGBA":
        made.putalpha(Image.linear_gradient("L").resize(size))
    out = io.BytesIO()
    made.save(out, form, **more)
    return out.getvalue()


def with_exif(form: str = "JPEG", orientation: int = 6) -> bytes:
    """Return a picture on its side, with a canary in every sort of metadata."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = CANARY.decode()
    exif[0x9286] = CANARY.decode()
    more: dict[str, Any] = {"exif": exif.tobytes()}
    if form == "PNG":
        texts = PngImagePlugin.PngInfo()
        texts.add_text("Comment", CANARY.decode())
        texts.add_itxt("XML:com.adobe.xmp", CANARY.decode())
        more["pnginfo"] = texts
    if form in ("JPEG", "WEBP"):
        more["xmp"] = b"<x>" + CANARY + b"</x>"
    if form == "JPEG":
        more["comment"] = CANARY
    return picture((120, 40), form, **more) + CANARY


def wav(seconds: float = 1.0, rate: int = 8_000) -> bytes:
    """Return a sound of a tone, with a canary in its list of information and behind its end."""
    samples = b"".join(
        struct.pack("<h", int(9_000 * math.sin(at * 440 * math.tau / rate))) for at in range(int(seconds * rate))
    )
    info = b"INFOICMT" + struct.pack("<I", len(CANARY)) + CANARY + b"\0" * (len(CANARY) % 2)
    chunks = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, rate, rate * 2, 2, 16)
    chunks += b"LIST" + struct.pack("<I", len(info)) + info
    chunks += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks + CANARY


def mp3(frames: int = 40, junk: bytes = b"") -> bytes:
    """Return frames of silence (MPEG 1, layer III, 128 kbit/s, 44.1 kHz) between tags that hold a canary."""
    frame = b"\xff\xfb\x90\x64" + bytes(413)
    text = b"\x00" + CANARY
    tag = b"COMM" + struct.pack(">I", len(text)) + b"\0\0" + text
    head = b"ID3\x03\x00\x00" + bytes((0, 0, len(tag) >> 7 & 127, len(tag) & 127))
    return (
        head + tag + frame * (frames // 2) + junk + frame * (frames - frames // 2) + b"TAG" + CANARY.ljust(125, b"\0")
    )


def box(name: bytes, *inside: bytes) -> bytes:
    """Return a box of an MP4."""
    body = b"".join(inside)
    return struct.pack(">I", 8 + len(body)) + name + body


def mp4(brand: bytes = b"isom", seconds: int = 3, width: int = 320, height: int = 180) -> bytes:
    """Return the boxes of a film, with canaries where players do not look."""
    mvhd = box(b"mvhd", bytes(4), struct.pack(">IIII", 3_700_000_000, 3_700_000_001, 1_000, seconds * 1_000), bytes(80))
    sides = struct.pack(">II", width << 16, height << 16)
    tkhd = box(b"tkhd", bytes(4), struct.pack(">II", 3_700_000_000, 3_700_000_001), bytes(64), sides)
    place = box(b"udta", box(b"\xa9xyz", CANARY))
    moov = box(b"moov", mvhd, box(b"trak", tkhd, place), place, box(b"meta", CANARY))
    return (
        box(b"ftyp", brand, bytes(4), b"isom")
        + moov
        + box(b"uuid", CANARY)
        + box(b"free", CANARY)
        + box(b"mdat", b"m" * 999)
    )


def element(id: int, *inside: bytes) -> bytes:
    """Return an element of a WebM."""
    body = b"".join(inside)
    length = (id.bit_length() + 7) // 8
    return id.to_bytes(length, "big") + (len(body) | 1 << 28).to_bytes(4, "big") + body


def webm(doctype: bytes = b"webm", seconds: int = 4) -> bytes:
    """Return the elements of a film, with canaries where players do not look."""
    info = element(
        0x1549A966,
        element(0x2AD7B1, (1_000_000).to_bytes(3, "big")),
        element(0x4489, struct.pack(">d", seconds * 1_000)),
        element(0x7BA9, CANARY),
        element(0x4D80, CANARY),
        element(0x5741, CANARY),
    )
    video = element(0xE0, element(0xB0, (640).to_bytes(2, "big")), element(0xBA, (360).to_bytes(2, "big")))
    tracks = element(0x1654AE6B, element(0xAE, video, element(0x536E, CANARY)))
    rest = element(0x1254C367, CANARY) + element(0x1941A469, CANARY) + element(0x1F43B675, b"m" * 500)
    return element(0x1A45DFA3, element(0x4282, doctype)) + element(0x18538067, info, tracks, rest)


def ogg(codec: str = "opus", seconds: int = 2, stray: bytes = b"") -> bytes:
    """A sound in OGG with a comment about it, another stream beside it, and whatever comes behind its end."""
    head, comment = {
        "opus": (b"OpusHead\x01\x01\0\0" + struct.pack("<IhB", 48_000, 0, 0), b"OpusTags"),
        "vorbis": (b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, 1, 48_000, 0, 64_000, 0, 0xB8, 1), b"\x03vorbis"),
    }[codec]
    comment += struct.pack("<I", 4) + b"test" + struct.pack("<II", 1, 6 + len(CANARY)) + b"TITLE=" + CANARY + b"\x01"
    setup = [b"\x05vorbis" + bytes(40)] if codec == "vorbis" else []
    packets = [comment, *setup, *(bytes([number]) * 60 for number in range(10))]
    pages = [_page(7, 0, head, flags=2)]
    pages += [_page(9, 0, b"OpusHead" + CANARY, flags=2)] if stray else []
    for number, packet in enumerate(packets, 1):
        is_last = number == len(packets)
        pages.append(_page(7, number, packet, at=48_000 * seconds if is_last else 0, flags=4 if is_last else 0))
    return b"".join(pages) + stray


def _page(stream: int, number: int, packet: bytes, at: int = 0, flags: int = 0) -> bytes:
    lacing = bytes([255] * (len(packet) // 255) + [len(packet) % 255])
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, at, stream, number, 0) + bytes([len(lacing)]) + lacing
    return head[:22] + struct.pack("<I", _ogg_sum(head + packet)) + head[26:] + packet


def _ogg_sum(data: bytes) -> int:
    sum = 0
    for byte in data:
        sum ^= byte << 24
        for _ in range(8):
            sum = (sum << 1 ^ (0x04C11DB7 if sum & 0x80000000 else 0)) & 0xFFFFFFFF
    return sum
