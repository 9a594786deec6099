"""Records as rows: one native column a field, the bookkeeping in columns that start with an underscore."""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from mystira.polyglot.canonical import digest_of, leaf_of
from mystira.polyglot.collection import VALUE_CHECKS, Collection
from mystira.polyglot.entity import Stamp
from mystira.polyglot.fields import SCALARS, Convert, FieldKind
from mystira.polyglot.store import Key, Record
from mystira.polyglot.stores.postgres.query import quoted
from mystira.polyglot.values import are_texts, is_storable, is_storable_list, is_text, refuse_unstorable

BOOKKEEPING = {
    "_stamp": "bigint NOT NULL",
    "_parent": "bigint NOT NULL",
    "_op": "text NOT NULL",
    "_ops": "text[] NOT NULL",
    "_writer": "text NOT NULL",
    "_deleted": "boolean NOT NULL",
    "_schema": "integer NOT NULL",
    "_handled": "text[] NOT NULL",
    "_event_seq": "bigint NOT NULL",
    "_extra": "jsonb NOT NULL",
}
# Written with every record and never read back: what digests count.
DIGESTS = {"_leaf": "integer", "_digest": "bigint"}
# Not among a record's columns: only merges and the relay know it, and a write leaves it alone.
DOC_SEEN = {"_doc_seen": "bigint NOT NULL DEFAULT 0"}
OUTBOX_COLUMNS = "event_id, collection, partition, id, seq, type, body, occurred_at, correlation_id"

_json = msgspec.json.Encoder()


class _Column(NamedTuple):
    name: str
    encode: Convert | None
    decode: Convert | None
    is_fine: Callable[[Any], bool]


class Rows:
    """The statements of one table, written once, and the way between records and their parameters.

    Parameters stand in the order of the columns: fields first, then the bookkeeping, then what digests count.
    """

    def __init__(self, collection: Collection[Any]) -> None:
        self.collection = collection
        self.table = quoted(collection.table)
        self._columns = [_column(field) for field in collection.fields]
        shown = [*(column.name for column in self._columns), *BOOKKEEPING]
        self.names = [*shown, *DIGESTS]
        self._values = _getter([column.name for column in self._columns])
        # Plain texts are checked together; every other column has a check or a form of its own.
        self._texts = [at for at, column in enumerate(self._columns) if column.is_fine is is_text]
        self._others = [
            (at, name, encode, is_fine)
            for at, (name, encode, _, is_fine) in enumerate(self._columns)
            if is_fine is not is_text
        ]
        self.keys = collection.key_fields
        self.width = len(self.names)
        self.columns = ", ".join(map(quoted, self.names))
        self.shown = ", ".join(map(quoted, shown))
        self.key_columns = ", ".join(map(quoted, self.keys))
        self.places = ", ".join(f"${number}" for number in range(1, self.width + 1))
        at = {name: number for number, name in enumerate(self.names, start=1)}
        self.changes = ", ".join(f"{quoted(name)} = ${at[name]}" for name in self.names if name not in self.keys)
        taken_over = [f"{quoted(name)} = excluded.{quoted(name)}" for name in self.names if name not in self.keys]
        self.taken_over = ", ".join([*taken_over, "_doc_seen = greatest(t._doc_seen, excluded._doc_seen)"])
        self.is_base = f"{self._is_key([at[name] for name in self.keys])} AND _stamp = ${self.width + 1}"
        self.by_key = self._is_key(range(1, len(self.keys) + 1))
        self.read = f"SELECT {self.shown} FROM {self.table} WHERE {self.by_key}"  # noqa: S608 - names come from declarations.
        insert = f"INSERT INTO {self.table} ({self.columns}) VALUES ({self.places})"  # noqa: S608
        self.create = f"{insert} ON CONFLICT ({self.key_columns}) DO NOTHING RETURNING 1"
        self.replace = f"UPDATE {self.table} SET {self.changes} WHERE {self.is_base} RETURNING 1"  # noqa: S608
        self._tell = {
            (is_new, is_one): self._telling(self.create if is_new else self.replace, self.width + (not is_new), is_one)
            for is_new in (True, False)
            for is_one in (True, False)
        }

    def key(self, key: Key) -> tuple[str, ...]:
        """Return the parameters that name one row."""
        return (key.id,) if len(self.keys) == 1 else (key.partition, key.id)

    def parameters(self, record: Record, *, digested: bool = True) -> list[Any]:
        """Return a record's columns; raises ValueError naming the field that no store could keep.

        A row that nobody will count needs no digest.
        """
        entity = record.entity
        values: list[Any] = [None] * len(self._columns) if entity is None else list(self._values(entity))
        self._refuse_texts(record, values)
        for at, name, encode, is_fine in self._others:
            value = values[at]
            if value is not None:
                if not is_fine(value):
                    refuse_unstorable(name, value)
                if encode is not None:
                    values[at] = encode(value)
        if entity is None:
            self._name_the_key(values, record.key)
        values += (
            record.stamp.packed,
            record.parent.packed,
            record.op,
            record.recent_ops,
            record.writer,
            record.entity is None,
            record.schema,
            record.handled,
            record.event_seq,
            _json.encode(record.extra).decode() if record.extra else "{}",
        )
        values += (leaf_of(record.key), digest_of(self.collection, record)) if digested else (None, None)
        return values

    def writing(self, record: Record, base: Record | None) -> tuple[str, list[Any]]:
        """Return the one statement that writes a record and tells its events, and its parameters."""
        values = self.parameters(record)
        if base is not None:
            values.append(base.stamp.packed)
        if not record.events:
            return (self.create if base is None else self.replace), values
        values += self.told(record)
        return self._tell[base is None, len(record.events) == 1], values

    def told(self, record: Record) -> list[Any]:
        """Return the parameters of `telling`."""
        events = record.events
        if len(events) == 1:
            (event,) = events
            body = _json.encode(event.body).decode()
            about = (self.collection.name, record.key.partition, record.key.id, event.seq, event.type, body)
            return [event.event_id, *about, event.occurred_at, event.correlation_id]
        return [
            [event.event_id for event in events],
            self.collection.name,
            record.key.partition,
            record.key.id,
            [event.seq for event in events],
            [event.type for event in events],
            [_json.encode(event.body).decode() for event in events],
            [event.occurred_at for event in events],
            [event.correlation_id for event in events],
        ]

    def record(self, row: Sequence[Any]) -> Record:
        """Return the record of a row read with `shown`."""
        width = len(self._columns)
        stamp, parent, op, ops, writer, deleted, schema, handled, event_seq, extra = row[width:]
        values: dict[str, Any] = {}
        for at, (name, _, decode, _) in enumerate(self._columns):
            value = row[at]
            values[name] = value if value is None or decode is None else decode(value)
        partition = values[self.keys[0]]
        return Record(
            key=Key(partition if isinstance(partition, str) else str(partition), values["id"]),
            entity=None if deleted else msgspec.convert(values, self.collection.entity),
            stamp=Stamp.unpack(stamp),
            parent=Stamp.unpack(parent),
            op=op,
            recent_ops=tuple(ops),
            writer=writer,
            schema=schema,
            handled=tuple(handled),
            event_seq=event_seq,
            extra={} if extra == "{}" else msgspec.json.decode(extra),
        )

    def _refuse_texts(self, record: Record, values: list[Any]) -> None:
        if record.extra or record.handled or record.events:
            _refuse_bookkeeping(record)
        texts = [record.op, *record.key]
        texts += [value for at in self._texts if (value := values[at]) is not None]
        # One look at all of them together; only where it finds something each is looked at alone.
        if are_texts(texts):
            return
        _refuse_bookkeeping(record)
        for at in self._texts:
            if values[at] is not None and not is_text(values[at]):
                refuse_unstorable(self.names[at], values[at])

    def _name_the_key(self, values: list[Any], key: Key) -> None:
        names = [column.name for column in self._columns]
        values[names.index("id")] = key.id
        if len(self.keys) == 2:
            values[names.index(self.keys[0])] = key.partition

    def _is_key(self, numbers: Iterable[int]) -> str:
        return " AND ".join(f"{quoted(name)} = ${number}" for name, number in zip(self.keys, numbers, strict=True))

    def _telling(self, change: str, used: int, is_one: bool) -> str:
        if is_one:
            return f"WITH changed AS ({change}) {telling(used, is_one=True)} RETURNING 1"
        return f"WITH changed AS ({change}), told AS ({telling(used, is_one=False)}) SELECT 1 FROM changed"  # noqa: S608


@cache
def rows_of(collection: Collection[Any]) -> Rows:
    """Return the statements of a collection's table: every store of this process that keeps it uses the same ones."""
    return Rows(collection)


def telling(used: int, *, is_one: bool) -> str:
    """Return the statement that adds the events of what `changed`; its nine parameters follow the first `used`."""
    p = [f"${used + number}" for number in range(1, 10)]
    if is_one:
        # Almost every write tells one fact; plain values cost the server much less than unrolled arrays.
        return f"INSERT INTO polyglot.event_outbox ({OUTBOX_COLUMNS}) SELECT {', '.join(p)} FROM changed"  # noqa: S608
    return (  # The names come from declarations, the values are parameters.
        f"INSERT INTO polyglot.event_outbox ({OUTBOX_COLUMNS}) "  # noqa: S608
        f"SELECT e.event_id, {p[1]}, {p[2]}, {p[3]}, e.seq, e.type, e.body::jsonb, e.occurred_at, e.correlation_id "
        f"FROM unnest({p[0]}::text[], {p[4]}::bigint[], {p[5]}::text[], {p[6]}::text[], {p[7]}::timestamptz[], "
        f"{p[8]}::text[]) AS e(event_id, seq, type, body, occurred_at, correlation_id), changed ORDER BY e.seq"
    )


def _column(field: Any) -> _Column:
    if field.kind in SCALARS:
        # PostgreSQL keeps times natively; only enumerations change their form.
        encode = field.to_document if field.kind is not field.kind.TIME else None
        # Enumerations hold fixed values of the right kind; whatever else is checked by its kind.
        is_fine = is_storable if encode is not None else VALUE_CHECKS[field.kind]
        return _Column(field.name, encode, None, is_fine)
    is_fine = is_storable_list if field.kind is FieldKind.TEXTS else is_storable
    return _Column(field.name, _to_json(field.to_document), _from_json(field.from_document), is_fine)


def _getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) == 1:
        (name,) = names
        return lambda entity: (getattr(entity, name),)
    return attrgetter(*names)


def _refuse_bookkeeping(record: Record) -> None:
    if not (is_text(record.op) and is_text(record.key.partition) and is_text(record.key.id)):
        refuse_unstorable("the record's key and op", (*record.key, record.op))
    if record.extra:
        refuse_unstorable("extra", record.extra)
    if record.handled:
        refuse_unstorable("handled", record.handled)
    for event in record.events:
        refuse_unstorable("events", event.body)


def _to_json(convert: Convert | None) -> Callable[[Any], str]:
    if convert is None:
        return lambda value: _json.encode(value).decode()
    return lambda value: _json.encode(convert(value)).decode()


def _from_json(convert: Convert | None) -> Callable[[str], Any]:
    decode = msgspec.json.Decoder().decode
    return decode if convert is None else lambda text: convert(decode(text))
