"""The kinds of files that are taken, what one file may be, and what is known of a cleaned one: values only."""

from typing import Literal, NamedTuple

import msgspec

MediaType = Literal["image", "audio", "video"]
CLEAN = "mystira.mediafiles.cleaning:clean"
"""What the processes apart run, by name, so that no other process loads what decodes pictures."""


class Form(NamedTuple):
    """One kind of file that is taken: what it is, what people call it, and the endings that its name may have."""

    name: str
    media_type: MediaType
    endings: tuple[str, ...]


PNG = Form("PNG", "image", (".png",))
JPEG = Form("JPEG", "image", (".jpg", ".jpeg"))
WEBP = Form("WEBP", "image", (".webp",))
GIF = Form("GIF", "image", (".gif",))
MP3 = Form("MP3", "audio", (".mp3",))
OGG = Form("OGG", "audio", (".ogg", ".oga", ".opus"))
WAV = Form("WAV", "audio", (".wav",))
M4A = Form("M4A", "audio", (".m4a",))
MP4 = Form("MP4", "video", (".mp4", ".m4v"))
WEBM = Form("WEBM", "video", (".webm",))
FORMS = (PNG, JPEG, WEBP, GIF, MP3, OGG, WAV, M4A, MP4, WEBM)
TYPE_OF_ENDING: dict[str, MediaType] = {ending: form.media_type for form in FORMS for ending in form.endings}
CONTENT_TYPES = {
    "MP3": "audio/mpeg",
    "OGG": "audio/ogg",
    "WAV": "audio/wav",
    "M4A": "audio/mp4",
    "MP4": "video/mp4",
    "WEBM": "video/webm",
}


class MediaLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What one file may be, and how much may come at once."""

    picture_bytes: int = 25_000_000
    sound_bytes: int = 50_000_000
    film_bytes: int = 250_000_000
    upload_bytes: int = 1_000_000_000
    pixels: int = 8_300_000
    seconds: int = 1_800

    def bytes_of(self, media_type: MediaType) -> int:
        """Return how large a file of this sort may be."""
        return {"image": self.picture_bytes, "audio": self.sound_bytes, "video": self.film_bytes}[media_type]

    @property
    def bytes_most(self) -> int:
        """The size that no file may exceed, whatever it is."""
        return max(self.picture_bytes, self.sound_bytes, self.film_bytes)


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """One file to be cleaned: where it is, what its sender calls it, where the result and a small picture go."""

    source: str
    name: str
    target: str
    thumbnail: str
    limits: MediaLimits


class Cleaned(msgspec.Struct, frozen=True, kw_only=True):
    """What a cleaned file is. `thumbnail` is the hash of the small picture, "" without one."""

    media_type: MediaType
    content_type: str
    ending: str
    hash: str
    bytes: int
    width: int = 0
    height: int = 0
    duration_ms: int = 0
    thumbnail: str = ""
