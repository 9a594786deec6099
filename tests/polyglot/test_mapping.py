"""Mappings: read strictly, applied both ways, and nothing of a document gets lost."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mystira.polyglot.adopt.foreign import ORIGINALS
from mystira.polyglot.adopt.mapping import FieldRule, Mapping, MappingWrong, load_mapping
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import from_document, to_document
from mystira.polyglot.store import Key, Record
from tests.polyglot.library import ADOPTED, MAPPING, READERS, Card, Group, Reader, foreign, read_of

IN_YAML = """
collection: Readers
discriminator: {field: Discriminator, values: [Reader, GuestReader]}
style: pascal
fields:
  full_name: {from: [DisplayName, Name], absent: Nobody}
  interests: {split: ","}
  group:
    from: [AgeGroup]
    spellings: {"3-5": [Ages3To5, "0"], "6-9": [Ages6To9, "1"]}
"""


def adopted(document: dict[str, Any]) -> Record:
    return from_document(ADOPTED, document, "token")


def stamped(document: dict[str, Any], seq: int = 1) -> dict[str, Any]:
    record = msgspec.structs.replace(adopted(document), stamp=Stamp(0, seq))
    return to_document(ADOPTED, record)


@pytest.mark.parametrize("name", ["mapping.yaml", "mapping.yml", "mapping.json"])
def test_a_mapping_is_read_from_a_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(msgspec.json.encode(MAPPING) if name.endswith("json") else IN_YAML.encode())
    assert load_mapping(path) == MAPPING


@pytest.mark.parametrize(
    "text",
    ["", "[]", "colection: Readers", "collection: 7", "collection: Readers\nfields: {full_name: {form: [Name]}}"],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text(text)
    with pytest.raises(MappingWrong, match=r"mapping\.yaml cannot be used"):
        load_mapping(path)
    with pytest.raises(MappingWrong):
        load_mapping(tmp_path / "nowhere.yaml")


def test_all_that_does_not_fit_the_collection_is_named_at_once() -> None:
    wrong = Mapping(
        collection="Writers",
        fields={
            "id": FieldRule(names=("Key",)),
            "surname": FieldRule(),
            "full_name": FieldRule(names=("Name",), split=","),
            "email": FieldRule(names=("Name",)),
            "group": FieldRule(spellings={"3-5": ("0",), "6-9": ("0",)}),
            "interests": FieldRule(spellings={"space": ()}),
        },
    )
    with pytest.raises(MappingWrong) as refused:
        READERS.adopting(wrong)
    for told in (
        "it is for Writers",
        "the id is the key",
        "no field surname",
        "full_name cannot be split",
        "Name is given to full_name and to email",
        "0 means 3-5 and 6-9",
        "space has no spelling",
    ):
        assert told in str(refused.value)


def test_a_csharp_document_means_what_it_says() -> None:
    record = adopted(foreign("a"))
    assert record.entity == read_of("a")
    assert (record.stamp, record.parent) == (Stamp(), Stamp())


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"AgeGroup": "0"}, {"group": Group.SMALL}),
        ({"AgeGroup": 0}, {"group": Group.SMALL}),
        ({"AgeGroup": "ages_3_to_5"}, {"group": Group.SMALL}),
        ({"AgeGroup": "3-5"}, {"group": Group.SMALL}),
        ({"Interests": ""}, {"interests": ()}),
        ({"Interests": None}, {"interests": ()}),
        ({"Visits": None, "AgeGroup": None}, {"visits": 0}),
        ({"DisplayName": None}, {"full_name": "Nobody"}),
        ({"Interests": ["a,b"]}, {"interests": ("a,b",)}),
        ({"JoinedAt": "0001-01-01T00:00:00"}, {"joined_at": None}),
        ({"JoinedAt": "2024-05-06T09:08:09.123457+02:00"}, {}),
        ({"joined_at": "2024-05-06T07:08:09.1234567Z"}, {}),
        ({"JOINEDAT": None}, {}),
        ({"Discriminator": "GuestReader"}, {}),
        ({"email": "a@example.org"}, {}),
        ({"email": "b@example.org"}, None),
        ({"Name": "Somebody else"}, None),
        ({"AgeGroup": "Ages99"}, None),
        ({"Discriminator": "Writer"}, None),
        ({"Visits": "many"}, None),
    ],
)
def test_each_way_of_writing_is_understood_or_refused(changes: dict[str, Any], expected: dict[str, Any] | None) -> None:
    if expected is None:
        with pytest.raises(ValueError):
            adopted(foreign("a", **changes))
    else:
        assert adopted(foreign("a", **changes)).entity == read_of("a", **expected)


def test_what_is_absent_has_the_value_that_the_mapping_says() -> None:
    document = foreign("a")
    del document["DisplayName"]
    assert adopted(document).entity == read_of("a", full_name="Nobody")


def test_everything_that_was_there_stays_in_the_document() -> None:
    before = foreign("a")
    after = stamped(before)
    assert {name: after[name] for name in before} == before
    assert after["fullName"] == "Reader a" and ORIGINALS not in after


def test_what_our_form_cannot_give_back_is_kept_beside_it() -> None:
    document = {
        "id": "a",
        "Discriminator": "Reader",
        "fullName": "Ada",
        "interests": "space,  trains",
        "joinedAt": "2024-05-06T07:08:09Z",
        "cards": [{"CardNo": "1", "colour": "red"}],
        "group": "Ages3To5",
    }
    record = adopted(document)
    assert record.extra[ORIGINALS] == {
        "interests": "space,  trains",
        "cards": [{"CardNo": "1", "colour": "red"}],
        "group": "Ages3To5",
    }
    assert isinstance(record.entity, Reader)
    assert (record.entity.interests, record.entity.cards) == (("space", "trains"), (Card(card_no="1"),))


def test_a_stamped_document_reads_the_same_again_and_is_no_news() -> None:
    first = adopted(foreign("a"))
    again = adopted(stamped(foreign("a"), 7))
    assert (again.entity, again.extra, again.stamp) == (first.entity, first.extra, Stamp(0, 7))


def test_what_the_other_software_changes_behind_the_stamp_is_taken_and_counts_as_unstamped() -> None:
    record = adopted(stamped(foreign("a"), 7) | {"Visits": 4, "Interests": "dragons"})
    assert record.entity == read_of("a", visits=4, interests=("dragons",))
    assert (record.stamp, record.parent) == (Stamp(), Stamp(0, 7))


def test_a_tombstone_needs_no_mapping() -> None:
    document = to_document(ADOPTED, Record(key=Key("a", "a"), entity=None, stamp=Stamp(0, 3)))
    assert adopted(document).deleted


def test_what_is_written_here_can_be_read_there() -> None:
    before = adopted(foreign("a"))
    entity = read_of("a", group=Group.SMALL, interests=("a", "b"), visits=9)
    beside = ADOPTED.extra_beside(entity, before.extra)
    assert {name: beside[name] for name in ("AgeGroup", "Interests", "Visits", "JoinedAt", "legacy_flag")} == {
        "AgeGroup": "Ages3To5",
        "Interests": "a,b",
        "Visits": 9,
        "JoinedAt": "2024-05-06T07:08:09.1234567Z",
        "legacy_flag": True,
    }


def test_what_is_new_is_written_under_the_other_names_too() -> None:
    beside = ADOPTED.extra_beside(Reader(id="n", full_name="New", cards=(Card(card_no="7"),)), {})
    assert beside == {
        "Discriminator": "Reader",
        "DisplayName": "New",
        "Email": None,
        "AgeGroup": "Ages6To9",
        "Interests": "",
        "JoinedAt": None,
        "Cards": [{"CardNo": "7", "IssuedAt": None}],
        "Visits": 0,
    }


@given(
    st.builds(
        Reader,
        id=st.just("a"),
        full_name=st.text(max_size=5),
        email=st.none() | st.text(max_size=5),
        group=st.sampled_from(Group),
        interests=st.lists(st.text("abc", min_size=1, max_size=3), max_size=3).map(tuple),
        joined_at=st.none()
        | st.datetimes().map(lambda time: time.replace(year=2024, tzinfo=read_of("a").joined_at.tzinfo)),  # type: ignore[union-attr]
        visits=st.integers(-5, 5),
    )
)
def test_whatever_is_written_here_is_read_back_by_its_other_names_alone(entity: Reader) -> None:
    beside = ADOPTED.extra_beside(entity, {})
    assert adopted(json.loads(json.dumps({"id": "a", **beside}))).entity == entity


@given(st.lists(st.text(", ab", max_size=3), max_size=3).map(tuple), st.text(", ab", max_size=5))
def test_what_the_other_form_cannot_say_never_passes_for_a_change(interests: tuple[str, ...], before: str) -> None:
    entity = Reader(id="a", full_name="Ada", interests=interests)
    beside = ADOPTED.extra_beside(entity, {"Interests": before})
    whole = to_document(ADOPTED, Record(key=Key("a", "a"), entity=entity, stamp=Stamp(0, 1), extra=beside))
    assert (adopted(whole).entity, adopted(whole).stamp) == (entity, Stamp(0, 1))
