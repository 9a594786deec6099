"""What stores of blobs tell: what is known of one, and that the store is not there."""

from datetime import datetime
from typing import NamedTuple


class Kept(NamedTuple):
    """One blob: its hash, its size, and when it was written last."""

    hash: str
    size: int
    written_at: datetime


class StoreDown(Exception):
    """The store of blobs cannot do what it was asked for: full, forbidden, or out of reach."""
