"""An upload that was sent with a key, and what became of each of its files."""

from datetime import datetime

from mystira.content.media.actions.uploading import Outcome
from mystira.polyglot.entity import Entity


class Upload(Entity, frozen=True, kw_only=True):
    """One upload; its id is made of who sent it and with which key, `asked` of everything that it brought."""

    by: str
    asked: str
    asked_at: datetime


class UploadedFile(Entity, frozen=True, kw_only=True):
    """What became of one file of an upload, as its sender was told first."""

    upload_id: str
    outcome: Outcome


def file_id(upload_id: str, number: int) -> str:
    """Return the one id that this file's record can have."""
    return f"{upload_id}|{number}"
