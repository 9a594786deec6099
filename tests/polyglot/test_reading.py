"""Documents straight from JSON: the quick way and the careful way come to the same."""

import json
from typing import Any

import msgspec
import pytest

from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import ENVELOPE, from_document, to_document
from mystira.polyglot.store import Key, Record, Spilled, StoredEvent
from mystira.polyglot.stores.documents import load, load_item
from mystira.polyglot.stores.reading import RecordDecoder
from tests.contracts.sample import BRIEFS, NOW, SAMPLES, Brief, Colour, Part, Sample

PART = Part(part_name="wheel", weight_g=3, seen_at=NOW)
FULL = Sample(
    id="a",
    owner_id="o",
    title="ü",
    amount=-3,
    ratio=2.0,
    is_open=False,
    made_at=NOW,
    colour=Colour.BLUE,
    size="large",
    tags=("x", "y"),
    numbers=(1, 2),
    part=PART,
    parts=(PART, Part(part_name="axle")),
    totals={"some_key": 1},
    by_part={"some_part": PART},
)
EVENT = StoredEvent(seq=4, event_id="e", type="Made", occurred_at=NOW, correlation_id="c", body={"a_b": [1]})


def record(entity: Sample, **more: Any) -> Record:
    values = {"stamp": Stamp(2, 7), "parent": Stamp(1, 6), "op": "op", "recent_ops": ("p",), "schema": 3, "token": "9"}
    return Record(key=Key(entity.owner_id, entity.id), entity=entity, **(values | more))


RECORDS = [
    record(FULL),
    record(Sample(id="b")),
    record(FULL, events=(EVENT,), event_seq=4, handled=("m",), writer="relay"),
    record(FULL, events=(EVENT,), event_seq=4, spilled=(Spilled(2, "x"), Spilled(3, "y"))),
]


@pytest.mark.parametrize("written", RECORDS)
def test_the_quick_way_comes_to_what_was_written(written: Record) -> None:
    body = msgspec.json.encode(to_document(SAMPLES, written))
    assert RecordDecoder(SAMPLES).decode(body, "9") == written
    assert from_document(SAMPLES, json.loads(body), "9") == written


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"_etag": "store's own"},
        {ENVELOPE: None},
        {ENVELOPE: {"stamp": 5}},
        {"title": 7},
        {"madeAt": "yesterday"},
        {"parts": [{"partName": "wheel", "extraOfPart": 1}]},
        {"amount": 3.0},
        {"title": None},
    ],
)
def test_whatever_a_document_holds_both_ways_come_to_the_same(change: dict[str, Any]) -> None:
    document = to_document(SAMPLES, RECORDS[0]) | change
    body = json.dumps(document)
    quick = RecordDecoder(SAMPLES).decode(body, "9")
    try:
        careful = from_document(SAMPLES, json.loads(body), "9")
    except (ValueError, KeyError, TypeError):
        assert quick is None
        assert not isinstance(load_item(SAMPLES, body, "9"), Record)
    else:
        assert quick in (None, careful)
        assert load(SAMPLES, body, "9") == load_item(SAMPLES, body, "9") == careful


def test_a_tombstone_is_left_to_the_careful_way() -> None:
    dead = Record(key=Key("k", "k"), entity=None, stamp=Stamp(0, 2), op="op", token="9")
    body = msgspec.json.encode(to_document(BRIEFS, dead))
    assert RecordDecoder(BRIEFS).decode(body, "9") is None
    assert load(BRIEFS, body, "9") == dead
    # What has every default would look alive to a decoder that did not ask.
    alive = Record(key=Key("k", "k"), entity=Brief(id="k"), stamp=Stamp(0, 1), token="9")
    assert load(BRIEFS, msgspec.json.encode(to_document(BRIEFS, alive)), "9") == alive
