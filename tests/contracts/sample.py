"""An entity with every kind of field, and the record that the contract tests write."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from mystira.polyglot.collection import Collection
from mystira.polyglot.entity import Entity, Stamp, Value
from mystira.polyglot.query import Order
from mystira.polyglot.store import Key, Record, StoredEvent

NOW = datetime(2026, 11, 21, 9, 30, 15, 123456, tzinfo=UTC)


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(Value, frozen=True, kw_only=True):
    part_name: str
    weight_g: int = 0
    seen_at: datetime | None = None


class Sample(Entity, frozen=True, kw_only=True):
    owner_id: str = "owner"
    title: str | None = None
    amount: int | None = None
    ratio: float | None = None
    is_open: bool | None = None
    made_at: datetime | None = None
    colour: Colour | None = None
    size: Literal["small", "large"] = "small"
    tags: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    totals: dict[str, int] = {}
    by_part: dict[str, Part] = {}


SAMPLES = Collection(
    Sample,
    container="Samples",
    table="samples",
    partition="owner_id",
    indexes=(("title", "amount"), ("made_at",)),
    orders=(
        (Order("id"),),
        (Order("id", descending=True),),
        (Order("title"),),
        (Order("title", descending=True),),
        (Order("amount"),),
        (Order("amount"), Order("title")),
        (Order("title"), Order("amount")),
        (Order("amount", descending=True), Order("title")),
        (Order("made_at"),),
        (Order("made_at", descending=True),),
        (Order("is_open"), Order("id")),
        (Order("ratio"), Order("id")),
        (Order("owner_id", descending=True), Order("id")),
    ),
)


class Brief(Entity, frozen=True, kw_only=True):
    note: str = ""


BRIEFS = Collection(Brief, container="Briefs", table="briefs")
FLEETING = Collection(
    type("Fleeting", (Brief,), {}, frozen=True, kw_only=True),
    container="Fleetings",
    table="fleetings",
    time_to_live_s=60,
)


class Ticket(Entity, frozen=True, kw_only=True):
    seat: str | None = None


TICKETS = Collection(Ticket, container="Tickets", table="tickets", unique=(("seat",),))
COLLECTIONS = (SAMPLES, BRIEFS, FLEETING, TICKETS)


def record_of(
    entity: Entity, *, base: Record | None = None, collection: Collection[Any] = SAMPLES, **more: Any
) -> Record:
    """The record that a writer makes of an entity after having read `base`."""
    parent = base.stamp if base else Stamp()
    key = Key(collection.partition_of(entity), entity.id)
    values = {"key": key, "entity": entity, "parent": parent, "stamp": parent.next(0), "op": "op-1"} | more
    return Record(**values)


def tombstone_of(base: Record) -> Record:
    return Record(key=base.key, entity=None, parent=base.stamp, stamp=base.stamp.next(0), op="op-remove")


def event(seq: int, text: str = "x") -> StoredEvent:
    return StoredEvent(seq=seq, event_id=f"event-{seq}-{text}", type="Happened", occurred_at=NOW, body={"text": text})
