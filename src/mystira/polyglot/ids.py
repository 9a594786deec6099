"""New ids: UUID version 7 as text, made from the time and the randomness that the caller hands in."""

from datetime import datetime
from random import Random
from uuid import UUID


def uuid7(now: datetime, random: Random) -> str:
    """Return an id that sorts roughly by time; it is opaque text to everybody else (RFC 9562)."""
    millis = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    value = (millis << 80) | random.getrandbits(80)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    return str(UUID(int=value))
