"""Differences planted behind everybody's back: straight into the document file and the table."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import apsw
import asyncpg
import msgspec

from mystira.polyglot.catalog import Catalog
from mystira.polyglot.collection import Collection
from mystira.polyglot.contrasts import Way
from mystira.polyglot.control import Change, Control
from mystira.polyglot.differences import DifferenceClass
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import to_document
from mystira.polyglot.phases import Phase
from mystira.polyglot.replication import Replication
from mystira.polyglot.reports import Report
from mystira.polyglot.scrub import scrub
from mystira.polyglot.store import Key, Record
from mystira.polyglot.stores.postgres.query import quoted
from mystira.polyglot.stores.postgres.rows import DIGESTS, Rows
from mystira.polyglot.stores.postgres.store import PostgresStore
from mystira.polyglot.stores.ranges import hash_of
from mystira.polyglot.stores.sqlite.store import SqliteDocuments
from mystira.polyglot.verify import Scrutiny
from tests.contracts.sample import COLLECTIONS, NOW, SAMPLES, Colour, Part, Sample
from tests.polyglot.moving import QUICK, SOMEBODY

THIRD = Stamp(0, 3)
QUICKLY = Scrutiny(lag_goal_s=0.05, rechecks=2, recheck_s=0.02)
MISSING, EXTRA = DifferenceClass.MISSING, DifferenceClass.EXTRA
STALE, AHEAD, DIVERGENT = DifferenceClass.STALE, DifferenceClass.AHEAD, DifferenceClass.DIVERGENT


class Planted(NamedTuple):
    """What leader and follower are made to hold of one key, and what must be found."""

    leader: Record | None
    follower: Record | None
    kind: DifferenceClass
    path: str = ""
    way: Way | None = None


class Garden:
    """Both stores of one collection, in one phase, and the way behind their backs."""

    def __init__(self, path: Path, dsn: str, documents: SqliteDocuments, relational: PostgresStore) -> None:
        self.documents = documents
        self.relational = relational
        self.r = Replication(Catalog(COLLECTIONS), documents, relational, QUICK, name="a")
        self._file = apsw.Connection(str(path))
        self._file.set_busy_timeout(5_000)
        self._dsn = dsn
        self._rows = Rows(SAMPLES)
        self.documents_lead = True

    def close(self) -> None:
        self._file.close()

    async def begin(self, phase: Phase) -> Control:
        """Let the collection be in this phase, with both sides kept."""
        self.documents_lead = phase is Phase.DUAL_WRITE_COSMOS_READ
        control = Control(id=SAMPLES.name, phase=Phase.DUAL_WRITE_COSMOS_READ, copying=True, complete=True)
        control = await self.r.journal.declare(control)
        if self.documents_lead:
            return control
        after = control.evolve(phase=phase, n=control.n + 1, epoch=1)
        note = Change(collection=SAMPLES.name, verb="flip", actor="a test", at=self.r.clock())
        await self.r.journal.change(control, after, note)
        return after

    async def sow(self, planted: Sequence[Planted]) -> None:
        """Put what is to be found where it is to be found."""
        for one in planted:
            document, row = (one.leader, one.follower) if self.documents_lead else (one.follower, one.leader)
            if document is not None:
                self.put_document(document.key, to_document(SAMPLES, document))
            if row is not None:
                await self.put_row(row)

    def put_document(self, key: Key, body: dict[str, Any]) -> None:
        """Change a document in the file; of one that is there the change feed is not told."""
        self._file.execute("UPDATE _position SET last = last + 1")
        deleted = bool(body.get("_polyglot", {}).get("deleted"))
        self._file.execute(
            'INSERT INTO "Samples" (partition, id, hash, position, deleted, expires_at, body) '
            "VALUES (?, ?, ?, (SELECT last FROM _position), ?, NULL, ?) ON CONFLICT (partition, id) "
            "DO UPDATE SET deleted = excluded.deleted, body = excluded.body",
            (*key, hash_of(key.partition), deleted, json.dumps(body)),
        )

    def put_text(self, key: Key, text: str) -> None:
        """Change the text of a document that is there."""
        self._file.execute('UPDATE "Samples" SET body = ? WHERE partition = ? AND id = ?', (text, *key))

    def drop_document(self, key: Key) -> None:
        self._file.execute('DELETE FROM "Samples" WHERE partition = ? AND id = ?', key)

    def expire(self, collection: Collection[Any], id: str) -> None:
        """Let a document's time be up."""
        self._file.execute(f'UPDATE "{collection.container}" SET expires_at = 1 WHERE id = ?', (id,))

    async def put_row(self, record: Record) -> None:
        """Change a row in SQL."""
        rows = self._rows
        # Whoever works behind our back does not know of digests.
        names = [name for name in rows.names if name not in DIGESTS]
        places = ", ".join(f"${number}" for number in range(1, len(names) + 1))
        changes = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in names)
        await self.sql(
            f"INSERT INTO {rows.table} ({rows.shown}) VALUES ({places}) "
            f"ON CONFLICT ({rows.key_columns}) DO UPDATE SET {changes}",
            *rows.parameters(record)[: len(names)],
        )

    async def sql(self, statement: str, *values: Any) -> None:
        connection = await asyncpg.connect(self._dsn)
        try:
            await connection.execute(statement, *values)
        finally:
            await connection.close()

    async def scrub(self, scrutiny: Scrutiny = QUICKLY) -> Report:
        return await scrub(self.r, SAMPLES, scrutiny=scrutiny, **SOMEBODY)

    async def stamps(self) -> dict[Key, tuple[Stamp | None, Stamp | None]]:
        """The stamps of every key on both sides."""
        rows = {item.key: item.stamp for item in await self.relational.scan(SAMPLES, None, 10_000)}
        documents: dict[Key, Stamp] = {}
        for range_id in await self.documents.feed_ranges(SAMPLES):
            page = await self.documents.feed(SAMPLES, range_id, "", 10_000)
            documents |= {item.record.key: item.record.stamp for item in page.items}
        return {key: (documents.get(key), rows.get(key)) for key in documents.keys() | rows.keys()}


def sample(id: str, **fields: Any) -> Record:
    """A record with something in every field, third in its line."""
    values: dict[str, Any] = {
        "id": id,
        "owner_id": f"owner of {id}",
        "title": "The fox",
        "amount": 7,
        "ratio": 1.5,
        "is_open": True,
        "made_at": NOW,
        "colour": Colour.RED,
        "tags": ("one", "two", "three"),
        "numbers": (1, 2, 3),
        "part": Part(part_name="wheel", weight_g=5, seen_at=NOW),
        "parts": (Part(part_name="left"), Part(part_name="right", weight_g=2)),
        "totals": {"in": 1, "out": 2},
    }
    entity = Sample(**(values | fields))
    return Record(
        key=Key(entity.owner_id, id),
        entity=entity,
        stamp=Stamp(0, 3),
        parent=Stamp(0, 2),
        op=f"op-{id}-3",
        recent_ops=(f"op-{id}-2", f"op-{id}-1"),
        handled=("a mark",),
        event_seq=2,
        extra={"note": "unknown", "level": 3},
    )


def clean(count: int) -> list[Planted]:
    """Records that both sides hold alike; the class is never found."""
    return [Planted(sample(f"clean-{at:04}"), sample(f"clean-{at:04}"), STALE) for at in range(count)]


def changed(name: str, before: dict[str, Any], after: dict[str, Any], path: str, way: Way) -> Planted:
    return Planted(sample(name, **before), sample(name, **after), DIVERGENT, path, way)


def extra(name: str, before: dict[str, Any], after: dict[str, Any], path: str, way: Way) -> Planted:
    one = sample(name)
    leader, follower = (msgspec.structs.replace(one, extra=values) for values in (before, after))
    return Planted(leader, follower, DIVERGENT, path, way)


def marked(name: str, path: str, way: Way = Way.VALUE, **changes: Any) -> Planted:
    """The follower's bookkeeping is another one."""
    one = sample(name)
    return Planted(one, msgspec.structs.replace(one, **changes), DIVERGENT, f"_polyglot.{path}", way)


def stamped(name: str, kind: DifferenceClass, leader: Stamp, follower: Stamp) -> Planted:
    one = sample(name)
    sides = (msgspec.structs.replace(one, stamp=stamp) for stamp in (leader, follower))
    return Planted(*sides, kind)


def dead(id: str, stamp: Stamp = THIRD) -> Record:
    return Record(key=sample(id).key, entity=None, stamp=stamp, parent=Stamp(0, 2), op=f"op-{id}-{stamp.seq}-gone")


def living(id: str, stamp: Stamp) -> Record:
    return msgspec.structs.replace(sample(id), stamp=stamp)


HOUR = timedelta(hours=1)
WHOLE = NOW.replace(microsecond=0)

VALUES = (
    changed("one field", {"title": "The fox"}, {"title": "The owl"}, "title", Way.VALUE),
    changed("one number", {"amount": 7}, {"amount": 8}, "amount", Way.VALUE),
    changed("a flag", {"is_open": True}, {"is_open": False}, "isOpen", Way.VALUE),
    changed("a choice", {"colour": Colour.RED}, {"colour": Colour.BLUE}, "colour", Way.VALUE),
    changed("null for empty", {"title": ""}, {"title": None}, "title", Way.NULL_OR_EMPTY),
    changed("empty for null", {"title": None}, {"title": ""}, "title", Way.NULL_OR_EMPTY),
    changed("null for a value", {"amount": 7}, {"amount": None}, "amount", Way.NULL_OR_VALUE),
    changed("a value for null", {"made_at": None}, {"made_at": NOW}, "madeAt", Way.NULL_OR_VALUE),
    changed("emptied text", {"title": "The fox"}, {"title": ""}, "title", Way.EMPTY),
    changed("minus zero", {"ratio": 0.0}, {"ratio": -0.0}, "ratio", Way.SIGN_OF_ZERO),
    changed("a lost minus", {"ratio": -1.5}, {"ratio": 1.5}, "ratio", Way.SIGN),
    changed("the last digit", {"ratio": 0.1 + 0.2}, {"ratio": 0.3}, "ratio", Way.VALUE),
    changed("beyond 53 bits", {"amount": (1 << 53) + 1}, {"amount": 1 << 53}, "amount", Way.ROUNDED),
    changed("the largest number", {"amount": (1 << 63) - 1}, {"amount": (1 << 63) - 2}, "amount", Way.ROUNDED),
    changed("emoji", {"title": "A 🦊"}, {"title": "A ??"}, "title", Way.VALUE),
    changed("combining", {"title": "café"}, {"title": "cafe\u0301"}, "title", Way.NORMAL_FORM),
    changed("wrong encoding", {"title": "é"}, {"title": "Ã©"}, "title", Way.VALUE),
    changed("an invisible letter", {"title": "fox"}, {"title": "f\u200box"}, "title", Way.VALUE),
    changed("decimal scale", {"title": "1.50"}, {"title": "1.5"}, "title", Way.SCALE),
    changed("time zone", {"made_at": NOW}, {"made_at": NOW - HOUR}, "madeAt", Way.ZONE),
    changed("microseconds", {"made_at": NOW}, {"made_at": WHOLE}, "madeAt", Way.PRECISION),
    changed("a day", {"made_at": NOW}, {"made_at": NOW - 24 * HOUR}, "madeAt", Way.VALUE),
    changed("space behind", {"title": "fox"}, {"title": "fox "}, "title", Way.SPACES),
    changed("line ends", {"title": "a\nb"}, {"title": "a\r\nb"}, "title", Way.SPACES),
    changed("hard space", {"title": "a\u00a0b"}, {"title": "a b"}, "title", Way.SPACES),
    changed("case", {"title": "Fox"}, {"title": "fox"}, "title", Way.CASE),
    changed("cut off", {"title": "x" * 300}, {"title": "x" * 255}, "title", Way.CUT_OFF),
    changed("list order", {"tags": ("a", "b")}, {"tags": ("b", "a")}, "tags", Way.ORDER),
    changed("list shorter", {"tags": ("a", "b")}, {"tags": ("a",)}, "tags[1]", Way.ONE_SIDE),
    changed("list repeats", {"numbers": (1, 2)}, {"numbers": (1, 2, 2)}, "numbers", Way.REPEATED),
    changed("list emptied", {"tags": ("a",)}, {"tags": ()}, "tags[0]", Way.ONE_SIDE),
    changed(
        "nested",
        {"part": Part(part_name="a", weight_g=1)},
        {"part": Part(part_name="a", weight_g=2)},
        "part.weightG",
        Way.VALUE,
    ),
    changed(
        "nested time",
        {"part": Part(part_name="a", seen_at=NOW)},
        {"part": Part(part_name="a", seen_at=NOW + HOUR / 2)},
        "part.seenAt",
        Way.ZONE,
    ),
    changed("nested gone", {"part": Part(part_name="a")}, {"part": None}, "part", Way.NULL_OR_VALUE),
    changed(
        "nested in a list",
        {"parts": (Part(part_name="a"), Part(part_name="b"))},
        {"parts": (Part(part_name="a"), Part(part_name="c"))},
        "parts[1].partName",
        Way.VALUE,
    ),
    changed("in a mapping", {"totals": {"a": 1}}, {"totals": {"a": 2}}, "totals.a", Way.VALUE),
    changed("a mapping's key", {"totals": {"a": 1}}, {"totals": {"A": 1}}, "totals.A", Way.ONE_SIDE),
    extra("unknown field more", {}, {"new": 1}, "new", Way.ONE_SIDE),
    extra("unknown field lost", {"old": [1]}, {}, "old", Way.ONE_SIDE),
    extra("null for absent", {}, {"old": None}, "old", Way.NULL_OR_ABSENT),
    extra("boolean for number", {"old": 1}, {"old": True}, "old", Way.TYPE),
    extra("text for number", {"old": 5}, {"old": "5"}, "old", Way.TYPE),
    extra("list for mapping", {"old": [1]}, {"old": {"0": 1}}, "old", Way.TYPE),
    marked("another op", "op", op="op-of-another"),
    marked("a mark lost", "handled[0]", Way.ONE_SIDE, handled=()),
    marked("events not counted", "eventSeq", event_seq=1),
    marked("ops forgotten", "ops[0]", Way.ONE_SIDE, recent_ops=()),
    marked("another parent", "parent", parent=Stamp(0, 1)),
    marked("another schema", "schema", schema=2),
)

WHOLE_RECORDS = (
    Planted(sample("missing"), None, MISSING),
    Planted(None, sample("extra"), EXTRA),
    Planted(None, sample("a second copy", title="The fox"), EXTRA),
    Planted(dead("tombstone missing"), None, MISSING),
    Planted(None, dead("tombstone extra"), EXTRA),
    Planted(dead("resurrected"), living("resurrected", Stamp(0, 2)), STALE),
    Planted(dead("resurrected at once"), living("resurrected at once", Stamp(0, 3)), DIVERGENT),
    Planted(dead("resurrected above"), living("resurrected above", Stamp(0, 4)), AHEAD),
    Planted(living("deleted below", Stamp(0, 4)), dead("deleted below"), STALE),
    Planted(sample("deleted at once"), dead("deleted at once"), DIVERGENT),
    Planted(sample("deleted above"), dead("deleted above", Stamp(0, 9)), AHEAD),
    stamped("stamp too low", STALE, Stamp(0, 3), Stamp(0, 2)),
    stamped("stamp too high", AHEAD, Stamp(0, 3), Stamp(0, 1_000_000)),
    stamped("epoch too low", STALE, Stamp(1, 3), Stamp(0, 3)),
    stamped("epoch too high", AHEAD, Stamp(0, 3), Stamp(7, 3)),
    stamped("stamp lost", STALE, Stamp(0, 3), Stamp()),
    # Two keys with each other's bodies.
    Planted(sample("left", title="left"), sample("left", title="right"), DIVERGENT, "title", Way.VALUE),
    Planted(sample("right", title="right"), sample("right", title="left"), DIVERGENT, "title", Way.VALUE),
    # One record in another partition.
    Planted(sample("strayed"), None, MISSING),
    Planted(None, sample("strayed", owner_id="another owner"), EXTRA),
)

PLANTED = (*VALUES, *WHOLE_RECORDS)
