"""Where a reader of a change feed stands, range by range."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Stream(StrEnum):
    """The readers of a change feed. FOLLOW and BACKFILL merge, only FOLLOW carries events; DIGEST only looks.

    PURGE and SCRUB have no positions: whose turn it is to purge or scrub a collection is leased like a range.
    """

    FOLLOW = "follow"
    BACKFILL = "backfill"
    DIGEST = "digest"
    PURGE = "purge"
    SCRUB = "scrub"


class Move(NamedTuple):
    """A step of one stream's position in one feed range: valid only while the stored one is `expected`."""

    stream: Stream
    range_id: str
    expected: str
    continuation: str
    caught_up: bool = False


class RangePosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where a stream stands in one feed range. `caught_up` once it has reached the end."""

    range_id: str
    continuation: str
    caught_up: bool = False
    moved_at: datetime | None = None
