"""Out and in again: a story that was exported imports to the very same, whatever its texts look like."""

from pathlib import Path
from random import Random

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mystira.content.commands import SAMPLE_CONTENT, check_own_file, export_files
from mystira.content.scenarios.model.checking import check
from mystira.content.scenarios.model.comparing import compare
from mystira.content.scenarios.model.picture import picture
from mystira.content.scenarios.model.scenario import ScenarioContent
from mystira.content.scenarios.model.writing import document, plain_numbers
from mystira.textfiles.nodes import node_of
from mystira.textfiles.reading import read
from mystira.textfiles.writing import to_yaml
from tests.content.generated import story
from tests.content.test_checking import VOCABULARY
from tests.operations.conftest import Desk

SAMPLES = sorted((SAMPLE_CONTENT / "scenarios").glob("*.yaml"))


def content_of(seed: int, scenes: int = 8) -> ScenarioContent:
    made = check(read(yaml.safe_dump(story(Random(seed), scenes, odd=True)).encode()), VOCABULARY).content
    assert made is not None
    return made


def again(text: bytes) -> ScenarioContent | None:
    return check(read(text), VOCABULARY).content


@settings(deadline=None)
@given(seed=st.integers(0, 1 << 60))
def test_every_story_comes_back_as_it_was_from_yaml_from_json_and_from_plain_values(seed: int) -> None:
    content = content_of(seed)
    told = document(content)
    assert again(to_yaml(told).encode()) == content
    assert again(msgspec.json.encode(plain_numbers(told))) == content
    assert check(node_of(told), VOCABULARY).content == content


@settings(deadline=None)
@given(text=st.text(min_size=1, max_size=60).filter(lambda text: text.strip() and text.isprintable()))
def test_any_text_survives_as_a_title_and_as_a_description(text: str) -> None:
    content = msgspec.structs.replace(
        content_of(1), title=text.strip(), description=f"{text.strip()}\n\n{text.strip()}"
    )
    back = again(to_yaml(document(content)).encode())
    assert back is not None and (back.title, back.description) == (content.title, content.description)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_the_sample_stories_come_back_as_they_were(path: Path) -> None:
    content = check_own_file(path, VOCABULARY).content
    assert content is not None and again(to_yaml(document(content)).encode()) == content


def test_a_comparison_names_what_was_added_removed_moved_and_changed() -> None:
    before = document(content_of(3))
    after = document(content_of(3))
    assert compare(before, after).is_none
    first, second, *rest = after["scenes"]
    gone = rest.pop()
    after["scenes"] = [second, {**first, "title": "Another"}, *rest, {**gone, "id": "fresh"}]
    after["title"] = "New"
    told = compare(before, after)
    assert [(one.path, one.after) for one in told.about] == [("title", "New")]
    assert [one.id for one in told.scenes.added] == ["fresh"] and [one.id for one in told.scenes.removed] == [
        gone["id"]
    ]
    assert [(one.id, [field.path for field in one.fields]) for one in told.scenes.changed] == [(first["id"], ["title"])]
    assert told.scenes.moved and not told.characters.changed


@settings(deadline=None)
@given(seed=st.integers(0, 1 << 40), scenes=st.integers(3, 40))
def test_a_picture_has_every_scene_once_none_upon_another_and_every_way(seed: int, scenes: int) -> None:
    content = content_of(seed, scenes)
    drawn = picture(content.scenes, content.start)
    assert sorted(box.scene.id for box in drawn.boxes) == sorted(scene.id for scene in content.scenes)
    places = [(box.x, box.y) for box in drawn.boxes]
    for at, (x, y) in enumerate(places):
        assert all(y != other_y or abs(x - other_x) >= 172 for other_x, other_y in places[at + 1 :])
    ways = sum(len(scene.branches) or bool(scene.next_scene) for scene in content.scenes)
    assert len(drawn.ways) == ways
    assert min(x for x, _ in places) >= 0 and max(x for x, _ in places) + 172 <= drawn.width


@pytest.mark.anyio
async def test_the_command_writes_every_story_or_those_that_are_named(authors: Desk, tmp_path: Path) -> None:
    works = authors.platform.works
    assert len(await export_files(works, (), tmp_path / "all")) == len(SAMPLES)
    assert len(await export_files(works, ["the-moss-bridge"], tmp_path / "one")) == 1
    written = (tmp_path / "one/the-moss-bridge.yaml").read_bytes()
    assert written == (tmp_path / "all/the-moss-bridge.yaml").read_bytes()
    assert again(written) == check_own_file(SAMPLE_CONTENT / "scenarios/the-moss-bridge.yaml", VOCABULARY).content
