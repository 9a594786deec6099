"""What makes a file a scenario: each rule has a file that breaks it, and the finding names the place."""

from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from mystira.content.commands import check_own_file, read_vocabulary, vocabulary_of
from mystira.content.scenarios.model.checking import Checked, check
from mystira.content.scenarios.model.file_schema import scenario_schema
from mystira.content.scenarios.model.findings import render
from mystira.content.scenarios.model.skeleton import skeleton
from mystira.textfiles.reading import read

ROOT = Path(__file__).parents[2]
VOCABULARY = vocabulary_of(read_vocabulary(ROOT / "content" / "vocabulary"))

GOOD = """\
title: A small story
description: Two doors and an ending.
age_group: "6-9"
core_axes: [courage, Kindness]
characters:
  - id: kim
    name: Kim
    metadata: {role: [hero], archetype: [explorer], species: human, age: 9, traits: [kind], backstory: Born.}
scenes:
  - id: one
    title: The doors
    type: choice
    description: Two doors.
    active_character: kim
    branches:
      - choice: Left
        next_scene: two
        echo_log: {echo_type: Risk taken, description: You went left., strength: 0.125}
        compass_change: {axis: courage, delta: -0.5}
      - choice: Right
        next_scene: three
  - id: two
    title: A die
    type: roll
    description: Throw.
    difficulty: 10
    branches:
      - {choice: Won, next_scene: end}
      - {choice: Lost}
  - id: three
    title: A corridor
    type: narrative
    description: Long.
    next_scene: end
  - id: end
    title: The end
    type: special
    description: Done.
    echo_reveals:
      - {echo_type: risk-taken, min_strength: 0.1, reveal_mechanic: dream}
"""
METADATA = next(line for line in GOOD.splitlines(keepends=True) if "metadata:" in line)


def checked(text: str, **options: Any) -> Checked:
    return check(read(text.encode()), VOCABULARY, **options)


def codes(text: str) -> set[str]:
    return {finding.code for finding in checked(text).errors}


def test_a_good_file_becomes_its_content() -> None:
    result = checked(GOOD)
    assert result.findings == ()
    assert result.content is not None
    first = result.content.scenes[0]
    assert result.content.start == "one"
    assert result.content.core_axes == ("courage", "kindness")
    assert [branch.id for branch in first.branches] == ["one:1", "one:2"]
    assert first.branches[0].echo_log is not None and first.branches[0].echo_log.strength == 125
    assert first.branches[0].compass_change is not None and first.branches[0].compass_change.delta == -500


def test_a_loop_without_an_ending_is_an_error_and_one_with_an_ending_a_warning() -> None:
    endless = GOOD.replace("      - {choice: Lost}", "      - {choice: Lost, next_scene: one}").replace(
        "    type: special\n", "    type: narrative\n    next_scene: one\n"
    )
    assert "no_ending" in codes(endless)
    looping = checked(GOOD.replace("      - {choice: Lost}", "      - {choice: Lost, next_scene: one}"))
    assert looping.content is not None and [finding.code for finding in looping.findings] == ["loop"]


def test_everything_wrong_is_told_at_once_with_its_place() -> None:
    text = (
        GOOD.replace("delta: -0.5", "delta: 7")
        .replace("difficulty: 10", "difficulty: 0")
        .replace("kim\n    name", "K\n    name")
    )
    result = checked(text)
    assert result.content is None
    found = {finding.code: finding for finding in result.errors}
    assert set(found) == {"out_of_range", "wrong_form", "unknown_character"}
    delta = next(finding for finding in result.errors if finding.path.endswith("delta"))
    assert (delta.path, delta.line) == ("scenes[0].branches[0].compass_change.delta", 19)
    shown = render("story.yaml", delta, text.splitlines())
    assert "story.yaml:19:48: error" in shown and shown.splitlines()[-1].index("^") == 4 + 47


def test_old_spellings_are_accepted() -> None:
    text = (
        GOOD.replace("core_axes:", "compass_axes:")
        .replace("next_scene: end\n", "next_scene_id: end\n")
        .replace("choice: Left", "option: Left")
        .replace("choice: Right", "text: Right")
        .replace("compass_change: {axis: courage, delta", "compass_impact: {axis: courage, impact")
        .replace("strength: 0.125", "intensity: 0.125")
        .replace('"6-9"', "school")
    )
    assert checked(text).content == checked(GOOD).content


def test_missing_words_are_added_only_when_that_is_asked() -> None:
    text = GOOD.replace("echo_type: Risk taken", "echo_type: Brand New").replace(
        "echo_type: risk-taken", "echo_type: brand-new"
    )
    assert checked(text).content is None
    result = checked(text, add_vocabulary=True)
    assert result.content is not None and result.added == {"echo_type": {"brand-new": "Brand New"}}


def test_warnings_do_not_refuse() -> None:
    result = checked(GOOD.replace("    active_character: kim\n", "").replace(METADATA, ""))
    assert result.content is not None
    assert {finding.code for finding in result.findings} == {"unused_character", "no_metadata"}


def test_a_part_of_the_wrong_shape_never_crashes_the_check() -> None:
    good = yaml.safe_load(GOOD)

    def spoil(value: Any, path: tuple[Any, ...], spoiled: Any) -> Any:
        if not path:
            return spoiled
        copy = dict(value) if isinstance(value, dict) else list(value)
        copy[path[0]] = spoil(value[path[0]], path[1:], spoiled)
        return copy

    def paths(value: Any, so_far: tuple[Any, ...] = ()) -> Any:
        yield so_far
        for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            yield from paths(value[key], (*so_far, key))

    for spoiled in (None, 7, "x", [], {}, [None], {"a": []}, True, [[["x"]]]):
        for path in paths(good):
            text = yaml.safe_dump(spoil(good, path, spoiled))
            if text.strip() not in ("null", "null\n..."):
                result = checked(text)
                assert result.content is not None or result.errors


def test_the_schema_agrees_with_the_check() -> None:
    schema = scenario_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for path in (ROOT / "content" / "scenarios").glob("*.yaml"):
        assert list(validator.iter_errors(yaml.safe_load(path.read_text()))) == []
    assert list(validator.iter_errors(yaml.safe_load(skeleton("A title")))) == []
    for wrong in ("strength: 2", "strength: strong", "surprise: 1"):
        text = skeleton("A title").replace("strength: 0.6", wrong)
        assert list(validator.iter_errors(yaml.safe_load(text))), wrong
        assert checked(text).errors


@pytest.mark.parametrize("title", ["Plain", 'With "quotes": and colons', "- dash", "é 🦊", "#hash", "{brace"])
def test_the_skeleton_validates_whatever_its_title(title: str) -> None:
    result = checked(skeleton(title))
    assert result.findings == () and result.content is not None and result.content.title == title


@pytest.mark.parametrize("path", sorted((ROOT / "content" / "scenarios").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_sample_stories_have_no_error(path: Path) -> None:
    assert check_own_file(path, VOCABULARY).errors == ()
