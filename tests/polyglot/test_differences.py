"""Classes and fields of differences: pure, value by value."""

from datetime import timedelta, timezone
from typing import Any

import msgspec
import pytest

from mystira.polyglot.collection import Collection
from mystira.polyglot.contrasts import ABSENT, Way, is_same, places, way_of
from mystira.polyglot.control import Control
from mystira.polyglot.differences import FIELDS_MAX, SHOWN_MAX, DifferenceClass, Sides, at_age, difference_of
from mystira.polyglot.entity import Stamp
from mystira.polyglot.phases import Phase
from mystira.polyglot.store import Record, Unreadable
from tests.contracts.sample import BRIEFS, FLEETING, NOW, SAMPLES, Brief, Sample, record_of
from tests.polyglot.planting import dead, sample

CONTROL = Control(id=SAMPLES.name, phase=Phase.DUAL_WRITE_COSMOS_READ, copying=True, complete=True)

WAYS: tuple[tuple[Any, Any, Way], ...] = (
    (None, ABSENT, Way.NULL_OR_ABSENT),
    (1, ABSENT, Way.ONE_SIDE),
    (None, {}, Way.NULL_OR_EMPTY),
    ("", "a", Way.EMPTY),
    (1, True, Way.TYPE),
    (True, False, Way.VALUE),
    ([1], {"0": 1}, Way.TYPE),
    ("1", 1, Way.TYPE),
    (2, -2, Way.SIGN),
    ((1 << 53) + 1, 1 << 53, Way.ROUNDED),
    (1, 2, Way.VALUE),
    ("1.50", "1.5", Way.SCALE),
    ("1e3", "1000", Way.SCALE),
    ("2026-11-21T09:30:00Z", "2026-11-21T10:30:00+01:00", Way.ZONE),
    ("2026-11-21T09:30:00Z", "2026-11-21T04:00:00Z", Way.ZONE),
    ("2026-11-21T09:30:00.5Z", "2026-11-21T09:30:00Z", Way.PRECISION),
    ("2026-11-21T09:30:00Z", "2026-11-21T09:31:00Z", Way.VALUE),
    ("fox", "FOX", Way.CASE),
    ("a b", "ab", Way.SPACES),
    ("fox", "fo", Way.CUT_OFF),
    ("é", "e\u0301", Way.NORMAL_FORM),
    ("fox", "owl", Way.VALUE),
    ([1, 2], [2, 1], Way.ORDER),
    ([1, 1], [1], Way.REPEATED),
)


@pytest.mark.parametrize(("left", "right", "way"), WAYS)
def test_the_way_in_which_values_differ_is_told_from_either_side(left: Any, right: Any, way: Way) -> None:
    assert way_of(left, right) is way
    assert way_of(right, left) is way


@pytest.mark.parametrize(("left", "right"), [(1, 1.0), (-0.0, 0), ("a", "a"), (None, None)])
def test_what_means_the_same_is_no_difference(left: Any, right: Any) -> None:
    assert is_same(left, right)
    assert list(places({"a": [{"b": left}]}, {"a": [{"b": right}]})) == []


def test_places_are_named_by_their_path() -> None:
    left = {"a": {"b": [1, {"c": 2}]}, "x": 1}
    right = {"a": {"b": [1, {"c": 3}, 4]}, "y": None}
    assert [path for path, _, _ in places(left, right)] == ["a.b[1].c", "a.b[2]", "x", "y"]


def differ(leader: Any, follower: Any, collection: Collection[Any] = SAMPLES, **control: Any) -> DifferenceClass | None:
    key = (leader or follower).key
    found = difference_of(collection, key, Sides(leader, follower), CONTROL.evolve(**control))
    return found and found.kind


def test_what_cannot_be_read_is_told_before_its_stamp() -> None:
    one = sample("a")
    spoilt = Unreadable(one.key, Stamp(0, 9), {"id": 5}, "no text")
    assert differ(spoilt, one) is differ(one, spoilt) is DifferenceClass.UNREADABLE
    assert differ(one, None) is DifferenceClass.MISSING
    assert differ(None, spoilt) is DifferenceClass.EXTRA


def test_young_ones_may_only_be_on_their_way() -> None:
    one = sample("a")
    for follower, kind in ((None, DifferenceClass.MISSING), (sample("a", title="x"), DifferenceClass.DIVERGENT)):
        found = difference_of(SAMPLES, one.key, Sides(one, follower), CONTROL)
        assert found is not None
        is_divergent = kind is DifferenceClass.DIVERGENT
        assert at_age(found, 0.9, 1.0).kind is (kind if is_divergent else DifferenceClass.LAGGING)
        assert at_age(found, 1.0, 1.0).kind is kind


def test_a_purge_that_is_half_done_is_no_difference() -> None:
    assert differ(dead("a"), None, purged=3) is None
    assert differ(dead("a"), None, purged=2) is DifferenceClass.MISSING
    assert differ(sample("a"), None, purged=3) is DifferenceClass.MISSING
    assert differ(None, dead("a"), purged=3) is DifferenceClass.EXTRA


def test_a_document_whose_time_was_up_is_not_missed() -> None:
    entity = FLEETING.entity(id="a")
    row = record_of(entity, collection=FLEETING)
    led_by_rows = {"phase": Phase.DUAL_WRITE_POSTGRES_READ}
    assert differ(None, row, FLEETING) is None
    assert differ(row, None, FLEETING) is DifferenceClass.MISSING
    assert differ(row, None, FLEETING, **led_by_rows) is None
    assert differ(None, row, FLEETING, **led_by_rows) is DifferenceClass.EXTRA
    brief = record_of(Brief(id="a"), collection=BRIEFS)
    assert differ(None, brief, BRIEFS) is DifferenceClass.EXTRA


def test_the_documents_own_marks_are_not_compared() -> None:
    one = sample("a")
    relayed = msgspec.structs.replace(one, writer="relay", token="7", events=(), spilled=())
    assert differ(one, relayed) is None


def test_declared_and_absent_equals_its_default_in_any_zone() -> None:
    elsewhere = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
    bare = record_of(Sample(id="a"))
    full = record_of(Sample(id="a", title=None, tags=(), made_at=None))
    assert differ(bare, full) is None
    assert differ(sample("a", made_at=NOW), sample("a", made_at=elsewhere)) is None


def test_what_identifies_a_person_is_not_shown() -> None:
    private = Collection(Brief, container="Private", table="private", personal=frozenset({"note"}))
    left, right = (record_of(Brief(id="a", note=note), collection=private) for note in ("Anna", "Berta"))
    found = difference_of(private, left.key, Sides(left, right), CONTROL)
    assert found is not None
    (place,) = found.fields
    assert (place.path, place.leader, place.follower) == (
        "note",
        "(personal, 6 characters)",
        "(personal, 7 characters)",
    )


def test_what_is_shown_is_bounded() -> None:
    left, right = (sample("a", title=text * 10_000, totals={}) for text in "xy")
    many: Record = msgspec.structs.replace(right, extra={str(at): at for at in range(500)})
    found = difference_of(SAMPLES, left.key, Sides(left, many), CONTROL)
    assert found is not None and len(found.fields) == FIELDS_MAX
    found = difference_of(SAMPLES, left.key, Sides(left, right), CONTROL)
    assert found is not None and found.fields[0].leader is not None and len(found.fields[0].leader) < SHOWN_MAX + 30
