"""Feed ranges: the hashes of all partition keys, cut into pieces that can be cut again."""

import zlib
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

HASHES = 1 << 32
RANGES_AT_FIRST = 2


class FeedRange(NamedTuple):
    """The hashes from `low` up to, not including, `high`."""

    low: int
    high: int

    @property
    def id(self) -> str:
        """The name under which followers keep their position in this range."""
        return _id_of(self.low, self.high)

    def holds(self, hashed: int) -> bool:
        """Tell whether a partition key with this hash belongs here."""
        return self.low <= hashed < self.high

    def covers(self, other: "FeedRange") -> bool:
        """Tell whether the other range lies inside this one."""
        return self.low <= other.low and other.high <= self.high

    def halves(self) -> tuple["FeedRange", "FeedRange"]:
        """Return the two ranges that follow a split."""
        middle = (self.low + self.high) // 2
        return FeedRange(self.low, middle), FeedRange(middle, self.high)


@lru_cache(maxsize=1024)
def _id_of(low: int, high: int) -> str:
    return f"{low:09x}-{high:09x}"


@lru_cache(maxsize=1024)
def hash_of(partition: str) -> int:
    """Return the place of a partition key among the hashes: the same in every process and version."""
    return zlib.crc32(partition.encode())


def first_ranges() -> tuple[FeedRange, ...]:
    """Return the ranges of a new container."""
    width = HASHES // RANGES_AT_FIRST
    return tuple(FeedRange(low, low + width) for low in range(0, HASHES, width))


def successors(gone: FeedRange, living: Iterable[FeedRange]) -> list[str]:
    """Return the ids of the living ranges that took over from one that was split, however often."""
    return [child.id for child in sorted(living) if gone.covers(child)]


@lru_cache(maxsize=1024)
def range_named(range_id: str) -> FeedRange | None:
    """Return the range of an id, or None when it names none."""
    low, dash, high = range_id.partition("-")
    try:
        named = FeedRange(int(low, 16), int(high, 16))
    except ValueError:
        return None
    return named if dash and 0 <= named.low < named.high <= HASHES else None
