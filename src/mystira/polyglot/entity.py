"""What is stored: entities, the values inside them, and the facts that a change announces."""

from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar

import msgspec

E = TypeVar("E", bound="Entity")

EPOCH_BITS = 13
SEQ_BITS = 40
SEQ_MAX = (1 << SEQ_BITS) - 1
EPOCH_MAX = (1 << EPOCH_BITS) - 1
PACKED_MAX = (1 << EPOCH_BITS + SEQ_BITS) - 1


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an entity: it has no identity and no life of its own."""


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """The root of an aggregate: stored, stamped and replicated as one record.

    Subclasses are frozen too; a changed entity is a new value made by `evolve`. Fields are
    snake_case here, in files and over HTTP; the document store keeps them in camelCase.
    """

    id: str

    def evolve(self, **changes: Any) -> Self:
        """Return a copy with the given fields changed."""
        return msgspec.structs.replace(self, **changes)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A fact, told in the past tense. Its identity and time are set by the work that emits it."""

    schema: ClassVar[int] = 1

    event_id: str = ""
    occurred_at: datetime | None = None
    correlation_id: str = ""


class Stamp(msgspec.Struct, frozen=True, order=True):
    """A record's version: compared by epoch, then seq. Never made from a clock."""

    epoch: int = 0
    seq: int = 0

    def __post_init__(self) -> None:
        assert 0 <= self.epoch <= EPOCH_MAX, f"epoch {self.epoch} does not fit {EPOCH_BITS} bits"
        assert 0 <= self.seq <= SEQ_MAX, f"seq {self.seq} does not fit {SEQ_BITS} bits"

    @property
    def packed(self) -> int:
        """The stamp as one integer of 53 bits, which JSON and every store keep exactly."""
        return (self.epoch << SEQ_BITS) | self.seq

    @staticmethod
    def unpack(packed: int) -> "Stamp":
        """Return the stamp that `packed` stands for."""
        return Stamp(packed >> SEQ_BITS, packed & SEQ_MAX)

    def next(self, epoch: int) -> "Stamp":
        """Return the stamp of the write that follows this one under `epoch`."""
        return Stamp(max(self.epoch, epoch), self.seq + 1)
