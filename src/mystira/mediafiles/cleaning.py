"""What the process apart does with one file: look what it is, clean it, and tell what came of it."""

import hashlib
from pathlib import Path

import msgspec

from mystira.mediafiles.films import clean_film
from mystira.mediafiles.forms import CONTENT_TYPES, Cleaned, Form, MediaLimits, Task
from mystira.mediafiles.matroska import clean_matroska
from mystira.mediafiles.pictures import clean_picture
from mystira.mediafiles.sniffing import FIRST_BYTES, refused, sniff
from mystira.mediafiles.sounds import clean_sound

PIECE = 1 << 16


def clean(question: bytes, context: bytes) -> bytes:
    """Clean one file (`question` is an encoded Task); return the encoded Cleaned, or raise Refused."""
    task = msgspec.msgpack.decode(question, type=Task)
    source = Path(task.source)
    with source.open("rb") as opened:
        form = sniff(opened.read(FIRST_BYTES), task.name)
    _refuse_too_heavy(source.stat().st_size, form, task.limits)
    cleaned = _cleaned(task, source, form)
    if cleaned.duration_ms > task.limits.seconds * 1_000:
        message = (
            f"This lasts {_minutes(cleaned.duration_ms / 1000)}; at most {_minutes(task.limits.seconds)} are taken."
        )
        raise refused("too_long", f"{message} Cut it, or make parts of it.")
    return msgspec.msgpack.encode(cleaned)


def _cleaned(task: Task, source: Path, form: Form) -> Cleaned:
    target, thumbnail = Path(task.target), Path(task.thumbnail)
    made = Cleaned(media_type=form.media_type, content_type="image/webp", ending=form.endings[0], hash="", bytes=0)
    if form.media_type == "image":
        picture = clean_picture(source, form, target, thumbnail, task.limits.pixels)
        made = msgspec.structs.replace(made, width=picture.width, height=picture.height, thumbnail=hash_of(thumbnail))
    elif form.name in ("MP4", "M4A", "WEBM"):
        film = clean_matroska(source, target) if form.name == "WEBM" else clean_film(source, target)
        sides = {"width": film.width, "height": film.height} if form.media_type == "video" else {}
        made = msgspec.structs.replace(
            made, content_type=CONTENT_TYPES[form.name], duration_ms=round(film.seconds * 1000), **sides
        )
    else:
        seconds = clean_sound(source, form, target)
        made = msgspec.structs.replace(made, content_type=CONTENT_TYPES[form.name], duration_ms=round(seconds * 1000))
    return msgspec.structs.replace(made, hash=hash_of(target), bytes=target.stat().st_size)


def _refuse_too_heavy(size: int, form: Form, limits: MediaLimits) -> None:
    most = limits.bytes_of(form.media_type)
    if size > most:
        what = {"image": "pictures", "audio": "sounds", "video": "films"}[form.media_type]
        message = f"This file has {size / 1e6:,.1f} MB; {what} may have {most / 1e6:,.0f} MB. Make it smaller."
        raise refused("too_heavy", message)


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as opened:
        while piece := opened.read(PIECE):
            found.update(piece)
    return found.hexdigest()


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
