"""Where an entity lives: container and partition key, table and columns, and what is known of its fields."""

from copy import copy
from typing import Any, Generic, Self

import msgspec

from mystira.polyglot.adopt.foreign import ForeignForm
from mystira.polyglot.adopt.mapping import Mapping
from mystira.polyglot.entity import E
from mystira.polyglot.fields import SCALARS, Field, FieldKind, decode_fields, encode_fields, fields_of_entity
from mystira.polyglot.orders import completed, how_to_declare, indexed_orders, reversed_order
from mystira.polyglot.phases import Phase
from mystira.polyglot.query import LIMIT_MAX, AllOf, AnyOf, Compare, Contains, Not, OneOf, Order, Prefix, Query, Where
from mystira.polyglot.values import is_bool, is_float, is_int, is_text, is_time

VALUE_CHECKS = {
    FieldKind.TEXT: is_text,
    FieldKind.INT: is_int,
    FieldKind.FLOAT: is_float,
    FieldKind.BOOL: is_bool,
    FieldKind.TIME: is_time,
}


class BadQuery(TypeError):
    """A specification does not fit its collection: a programming error, told in one sentence."""


class Collection(Generic[E]):
    """One kind of entity and its homes in both stores.

    `partition` names the field whose value confines a record to one logical partition; `indexes` name the field
    lists that queries search by; `orders` are those that queries sort by, forwards or backwards (the key may be left
    out at the end): Cosmos DB sorts by nothing else, so no store does; `unique` names field lists whose values
    PostgreSQL keeps apart (a document store cannot: claim such a value by a record of its own first);
    `time_to_live_s` lets the document store forget records that long after their last write (only for records nobody
    misses); `personal` names the fields that identify a person; records that `never_changes` are made and removed, and
    are all that a process may remember.
    """

    def __init__(
        self,
        entity: type[E],
        *,
        container: str,
        table: str,
        partition: str = "id",
        phase: Phase = Phase.COSMOS_ONLY,
        indexes: tuple[tuple[str, ...], ...] = (),
        orders: tuple[tuple[Order, ...], ...] = (),
        unique: tuple[tuple[str, ...], ...] = (),
        time_to_live_s: int | None = None,
        personal: frozenset[str] = frozenset(),
        never_changes: bool = False,
        schema: int = 1,
    ) -> None:
        self.entity = entity
        self.container = container
        # The name in control rows, metrics and commands.
        self.name = container
        self.table = table
        self.partition = partition
        self.phase = phase
        self.indexes = indexes
        self.orders = orders
        self.unique = unique
        self.time_to_live_s = time_to_live_s
        self.personal = personal
        self.never_changes = never_changes
        self.schema = schema
        self.foreign: ForeignForm | None = None
        self.fields = fields_of_entity(entity)
        self.by_name = {field.name: field for field in self.fields}
        self.by_document_name = {field.document_name: field for field in self.fields}
        for name in (partition, *personal, *(name for names in (*indexes, *unique) for name in names)):
            if name not in self.by_name:
                raise BadQuery(f"{entity.__name__} has no field {name!r}")
        for by in (by for order in orders for by in order):
            self._scalar(by.field)
        try:
            self.indexed_orders = indexed_orders(orders, self.key_fields)
        except ValueError as error:
            raise BadQuery(f"{entity.__name__}: {error}") from None
        self._sortable = {*self.indexed_orders, *map(reversed_order, self.indexed_orders)}

    def __repr__(self) -> str:
        return f"Collection({self.entity.__name__})"

    def adopting(self, mapping: Mapping) -> Self:
        """Return this collection, read through a mapping: other software has written its documents, or still does.

        MappingWrong when the mapping does not fit. Stores and catalogue must be given the same.
        """
        adopted = copy(self)
        adopted.foreign = ForeignForm(mapping, self.name, self.entity, self.fields)
        return adopted

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The fields that together are unique, the partition first."""
        return ("id",) if self.partition == "id" else (self.partition, "id")

    def partition_of(self, entity: E) -> str:
        """Return the partition that this entity belongs to."""
        return str(getattr(entity, self.partition))

    def to_document(self, entity: E, extra: dict[str, Any]) -> dict[str, Any]:
        """Return the entity as a document body, what the entity does not know of (`extra`) included."""
        return {**extra, **encode_fields(self.fields, entity)}

    def extra_beside(self, entity: E, extra: dict[str, Any]) -> dict[str, Any]:
        """Return what belongs beside an entity about to be written, given what was beside it before."""
        return extra if self.foreign is None else self.foreign.beside(encode_fields(self.fields, entity), extra)

    def from_document(self, body: dict[str, Any]) -> tuple[E, dict[str, Any]]:
        """Return (the entity, the fields it does not know) of a document body."""
        values, extra = decode_fields(self.by_document_name, body)
        return msgspec.convert(values, self.entity), extra

    def complete(self, query: Query) -> Query:
        """Check `query` against the fields and end its order with the key; raise BadQuery if it does not fit."""
        self.check(query.where)
        for by in query.order:
            self._scalar(by.field)
        if not 1 <= query.limit <= LIMIT_MAX:
            raise BadQuery(f"limit {query.limit} is not between 1 and {LIMIT_MAX}")
        order = completed(query.order, self.key_fields)
        if order not in self._sortable:
            raise BadQuery(f"{self.name}: no index serves this order. {how_to_declare(self.by_name, order)}")
        if query.after is not None and len(query.after) != len(order):
            raise BadQuery(f"the cursor has {len(query.after)} values, the order has {len(order)}")
        return msgspec.structs.replace(query, order=order)

    def check(self, where: Where) -> None:
        """Raise BadQuery unless every field exists and every value fits it."""
        match where:
            case AllOf(parts) | AnyOf(parts):
                for part in parts:
                    self.check(part)
            case Not(part):
                self.check(part)
            case Compare(name, op, value):
                self._check_value(self._scalar(name), value)
                if value is None and op != "=":
                    raise BadQuery(f"{name} {op} null has no meaning: null has no order but in sorting")
            case OneOf(name, values):
                for value in values:
                    self._check_value(self._scalar(name), value)
            case Prefix(name, text):
                field = self._scalar(name)
                if field.kind is not FieldKind.TEXT:
                    raise BadQuery(f"{name} is not text: only text has a prefix")
                self._check_value(field, text)
            case Contains(name, part):
                self._check_contains(self._field(name), part)

    def cursor_of(self, query: Query, entity: E) -> tuple[Any, ...]:
        """Return the `after` of the page that follows the one ending with `entity`."""
        return tuple(getattr(entity, by.field) for by in self.complete(query).order)

    def _field(self, name: str) -> Field:
        if name not in self.by_name:
            raise BadQuery(f"{self.entity.__name__} has no field {name!r}")
        return self.by_name[name]

    def _scalar(self, name: str) -> Field:
        field = self._field(name)
        if field.kind not in SCALARS:
            raise BadQuery(f"{name} is a {field.kind} field: only single values can be compared and sorted")
        return field

    def _check_value(self, field: Field, value: Any) -> None:
        if value is not None and not VALUE_CHECKS[field.kind](value):
            raise BadQuery(f"{field.name} is a {field.kind} field; {value!r} is not a {field.kind} value")

    def _check_contains(self, field: Field, part: str | int) -> None:
        kinds = {FieldKind.TEXT: FieldKind.TEXT, FieldKind.TEXTS: FieldKind.TEXT, FieldKind.INTS: FieldKind.INT}
        if field.kind not in kinds or not VALUE_CHECKS[kinds[field.kind]](part):
            raise BadQuery(f"{field.name} ({field.kind}) cannot contain {part!r}")
