"""New ids: UUID version 7 as text, made from the time and the randomness that the caller hands in."""

from datetime import datetime
from random import Random


def uuid7(now: datetime, random: Random) -> str:
    """Return an id that sorts roughly by time; it is opaque text to everybody else (RFC 9562)."""
    millis = int(now.timestamp() * 1000) & ((1 << 48) - 1)
    value = (millis << 80) | random.getrandbits(80)
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    value = (value & ~(0x3 << 62)) | (0x2 << 62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
