"""Resource ids: the short names that the endpoint gives, from which a client can tell what lies in what."""

import base64
import binascii
from functools import lru_cache
from typing import NamedTuple


class Rid(NamedTuple):
    """A database, a container in it (or 0) and an item in that (or 0)."""

    database: int
    container: int = 0
    item: int = 0

    def __str__(self) -> str:
        return _text(self)


@lru_cache(maxsize=4096)
def _text(rid: Rid) -> str:
    if rid.item:
        raw = (rid.database << 96 | rid.container << 64 | rid.item).to_bytes(16, "big")
    elif rid.container:
        raw = (rid.database << 32 | rid.container).to_bytes(8, "big")
    else:
        raw = rid.database.to_bytes(4, "big")
    # A slash would end a segment of the path, so the service writes a dash.
    return binascii.b2a_base64(raw, newline=False).decode().replace("/", "-")


def parse(text: str) -> Rid | None:
    """Return what a resource id names, or None when it is none."""
    try:
        raw = base64.b64decode(text.replace("-", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(raw) not in (4, 8, 16):
        return None
    return Rid(*(int.from_bytes(part, "big") for part in (raw[:4], raw[4:8], raw[8:])))


def etag(version: int) -> str:
    """Return the version as clients see it: quoted, and as long as the service's."""
    return f'"{version >> 48:08x}-0000-0d00-0000-{version & (1 << 48) - 1:012x}"'
