"""What a file is, by its first bytes and by nothing that its sender says."""

from pathlib import PurePosixPath

from mystira.mediafiles.forms import GIF, JPEG, M4A, MP3, MP4, OGG, PNG, TYPE_OF_ENDING, WAV, WEBM, WEBP, Form
from mystira.textfiles.nodes import Unreadable
from mystira.textfiles.reading import Refused

FIRST_BYTES = 64


PHONE_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")
SOUND_BRANDS = (b"M4A ", b"M4B ")
FILM_BRANDS = (
    b"isom",
    b"iso2",
    b"iso4",
    b"iso5",
    b"iso6",
    b"mp41",
    b"mp42",
    b"avc1",
    b"M4V ",
    b"dash",
    b"MSNV",
    b"qt  ",
)


def sniff(first: bytes, name: str) -> Form:
    """Return what the file is; Refused when it is nothing that is taken, or its name promises something else."""
    form = _form(first)
    promised = TYPE_OF_ENDING.get(PurePosixPath(name).suffix.lower())
    if promised is not None and promised != form.media_type:
        what = {"image": "a picture", "audio": "a sound", "video": "a film"}
        message = f"This is {what[form.media_type]} ({form.name}), but its name is that of {what[promised]}. Rename it."
        raise refused("wrong_ending", message)
    return form


def _form(first: bytes) -> Form:
    if first.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if first.startswith(b"\xff\xd8\xff"):
        return JPEG
    if first[:6] in (b"GIF87a", b"GIF89a"):
        return GIF
    if first[:4] == b"RIFF" and first[8:12] in (b"WEBP", b"WAVE"):
        return WEBP if first[8:12] == b"WEBP" else WAV
    if first.startswith(b"OggS"):
        return OGG
    if first.startswith(b"\x1a\x45\xdf\xa3"):
        return WEBM
    if first[4:8] == b"ftyp":
        return _form_of_brand(first[8:12])
    if first.startswith(b"ID3") or (first[:1] == b"\xff" and first[1:2] and first[1] & 0xE6 == 0xE2):
        return MP3
    raise _unknown(first)


def _form_of_brand(brand: bytes) -> Form:
    if brand in SOUND_BRANDS:
        return M4A
    if brand in FILM_BRANDS:
        return MP4
    if brand in PHONE_BRANDS:
        raise refused(
            "phone_picture", "This is a picture as some phones keep them (HEIC or AVIF). Save it as JPEG or PNG."
        )
    raise _unknown(brand)


def _unknown(first: bytes) -> Refused:
    text = first.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<svg", b"<?xml", b"<!doctype svg")):
        return refused("svg", "SVG pictures can hold programs, so none are taken. Save it as PNG or WebP.")
    message = (
        "This is no picture (PNG, JPEG, WebP, GIF), sound (MP3, OGG, WAV, M4A) or film (MP4, WebM) that is known here."
    )
    return refused("unknown_type", message)


def refused(code: str, message: str) -> Refused:
    """Return why a file is not taken, to be raised."""
    return Refused(Unreadable(code, message))
