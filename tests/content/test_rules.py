"""Every rule for story files (the domain's section 3): a file that breaks it gets its finding at its very place."""

from typing import Any, NamedTuple

import pytest

from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.reading import FINDINGS_MAX
from tests.content.test_checking import GOOD, METADATA, checked

FIVE_AXES = "core_axes: [courage, kindness, honesty, patience, fairness]"
HARD = (
    "Notwithstanding the aforementioned considerations, the protagonist's epistemological predicament necessitates a "
    "comprehensive reconsideration of fundamental presuppositions concerning responsibility, community and "
    "interdependence throughout the archipelago."
)
MIDDLE = "  - id: three\n    title: A corridor\n    type: narrative\n    description: Long.\n    next_scene: end\n"
SECOND = "      - choice: Right\n        next_scene: three\n"
CHANGE = "compass_change: {axis: courage, delta: -0.5}"
AFTER = GOOD[GOOD.index(SECOND) : GOOD.index("  - id: end")]


class Rule(NamedTuple):
    """What is broken by putting `new` for `old`, and the finding: its path, and the text that stands at its place."""

    code: str
    old: str
    new: str
    path: str
    at: str


ERRORS = [
    # What must be there, and of which kind.
    Rule("missing_field", "title: A small story\n", "", "title", "description"),
    Rule("missing_field", "description: Two doors and an ending.\n", "", "description", "title"),
    Rule("missing_field", "core_axes: [courage, Kindness]\n", "", "core_axes", "title"),
    Rule("missing_field", GOOD[GOOD.index("scenes:") :], "", "scenes", "title"),
    Rule("missing_field", "    name: Kim\n", "", "characters[0].name", "id: kim"),
    Rule("missing_field", "  - id: kim\n    name", "  - name", "characters[0].id", "name: Kim"),
    Rule("missing_field", "  - id: three\n    title", "  - title", "scenes[2].id", "title: A corr"),
    Rule("missing_field", "    title: A die\n", "", "scenes[1].title", "id: two"),
    Rule("missing_field", "    type: roll\n", "", "scenes[1].type", "id: two"),
    Rule("missing_field", "    description: Throw.\n", "", "scenes[1].description", "id: two"),
    Rule("missing_field", "choice: Won, ", "", "scenes[1].branches[0].choice", "{next_scene"),
    Rule("missing_field", "axis: courage, ", "", "scenes[0].branches[0].compass_change.axis", "{delta"),
    Rule("missing_field", ", delta: -0.5", "", "scenes[0].branches[0].compass_change.delta", "{axis"),
    Rule("missing_field", "echo_type: Risk taken, ", "", "scenes[0].branches[0].echo_log.echo_type", "{desc"),
    Rule("missing_field", ", strength: 0.125", "", "scenes[0].branches[0].echo_log.strength", "{echo"),
    Rule("missing_field", "echo_type: risk-taken, ", "", "scenes[3].echo_reveals[0].echo_type", "{min"),
    Rule("wrong_type", "title: A small story", "title: [A, B]", "title", "[A"),
    Rule("wrong_type", "characters:\n", "characters: none\nothers:\n", "characters", "none"),
    Rule("wrong_type", "difficulty: 10", "difficulty: ten", "scenes[1].difficulty", "ten"),
    Rule("wrong_type", "strength: 0.125", "strength: big", "scenes[0].branches[0].echo_log.strength", "big"),
    Rule(
        "wrong_type", "reveal_mechanic", "is_required: maybe, reveal_mechanic", "scenes[3].echo_reveals[0].is_r", "may"
    ),
    Rule("unknown_field", "title: A small story", "titel: A small story", "titel", "titel"),
    Rule("unknown_field", "{choice: Lost}", "{choice: Lost, colour: red}", "scenes[1].branches[1].colour", "colour"),
    Rule(
        "same_field_twice", "- choice: Left\n", "- choice: Left\n        text: x\n", "scenes[0].branches[0].text", "te"
    ),
    # Lengths, forms and ranges.
    Rule("wrong_length", "title: A small story", "title: " + "x" * 201, "title", "xxx"),
    Rule("wrong_length", "Two doors and an ending.", "x" * 2001, "description", "xxx"),
    Rule("wrong_form", "- id: kim", "- id: Kim!", "characters[0].id", "Kim!"),
    Rule("wrong_form", "- id: three", "- id: thr-ee", "scenes[2].id", "thr-ee"),
    Rule("unknown_value", "type: narrative", "type: poem", "scenes[2].type", "poem"),
    Rule("unknown_value", "mechanic: dream", "mechanic: puff", "scenes[3].echo_reveals[0].reveal_mechanic", "puff"),
    Rule("unknown_value", "core_axes", "difficulty: Awful\ncore_axes", "difficulty", "Awful"),
    Rule("unknown_value", "core_axes", "session_length: Endless\ncore_axes", "session_length", "Endless"),
    Rule("out_of_range", "difficulty: 10", "difficulty: 0", "scenes[1].difficulty", "0"),
    Rule("out_of_range", "difficulty: 10", "difficulty: 21", "scenes[1].difficulty", "21"),
    Rule("out_of_range", "core_axes", "minimum_age: 151\ncore_axes", "minimum_age", "151"),
    Rule("out_of_range", "delta: -0.5", "delta: -1.001", "scenes[0].branches[0].compass_change.delta", "-1.001"),
    Rule("out_of_range", "strength: 0.125", "strength: 2", "scenes[0].branches[0].echo_log.strength", "2"),
    Rule("out_of_range", "min_strength: 0.1", "min_strength: 1.1", "scenes[3].echo_reveals[0].min_strength", "1.1"),
    Rule(
        "out_of_range", "{echo_type: risk", "{max_age_scenes: 0, echo_type: risk", "scenes[3].echo_reveals[0].max_", "0"
    ),
    Rule("too_precise", "delta: -0.5", "delta: 0.1234", "scenes[0].branches[0].compass_change.delta", "0.1234"),
    Rule("wrong_count", "core_axes: [courage, Kindness]", "core_axes: []", "core_axes", "[]"),
    Rule("wrong_count", "core_axes: [courage, Kindness]", FIVE_AXES, "core_axes", "[courage"),
    Rule("wrong_count", "core_axes", "archetypes: [hero" + ", hero" * 8 + "]\ncore_axes", "archetypes", "[hero"),
    Rule("html", "description: Two doors.\n", "description: <b>Two</b> doors.\n", "scenes[0].description", "<b>"),
    # Words of the vocabulary.
    Rule("unknown_word", 'age_group: "6-9"', "age_group: giants", "age_group", "giants"),
    Rule("unknown_word", "[courage, Kindness]", "[courage, bravado]", "core_axes[1]", "bravado"),
    Rule("unknown_word", "Risk taken", "Nobody knows", "scenes[0].branches[0].echo_log.echo_type", "Nobody"),
    Rule("unknown_word", "archetype: [explorer]", "archetype: [blob]", "characters[0].metadata.archetype[0]", "blob"),
    Rule("axis_not_core", "axis: courage", "axis: honesty", "scenes[0].branches[0].compass_change.axis", "honesty"),
    # Ids and what points to them.
    Rule("duplicate_scene", "- id: three", "- id: two", "scenes[2].id", "two"),
    Rule("duplicate_character", "scenes:\n", "  - {id: kim, name: K}\nscenes:\n", "characters[1].id", "kim"),
    Rule("unknown_character", "character: kim", "character: tim", "scenes[0].active_character", "tim"),
    Rule("unknown_target", "next_scene: three", "next_scene: far", "scenes[0].branches[1].next_scene", "far"),
    Rule("unknown_target", "next_scene: three", "next_scene_id: far", "scenes[0].branches[1].next_scene_id", "far"),
    Rule("unknown_target", "Long.\n    next_scene: end", "Long.\n    next_scene: far", "scenes[2].next_scene", "far"),
    Rule(
        "unknown_target", "min_s", "trigger_scene_id: far, min_s", "scenes[3].echo_reveals[0].trigger_scene_id", "far"
    ),
    # The form of each kind of scene.
    Rule("no_next_scene", "Long.\n    next_scene: end\n", "Long.\n", "scenes[2]", "id: three"),
    Rule("narrative_with_branches", "Long.\n", "Long.\n    branches: [{choice: x}]\n", "scenes[2]", "id: three"),
    Rule("special_goes_on", "    type: special\n", "    type: special\n    next_scene: two\n", "scenes[3]", "id: end"),
    Rule("too_few_branches", SECOND, "", "scenes[0]", "id: one"),
    Rule("wrong_branch_count", "      - {choice: Lost}\n", "", "scenes[1]", "id: two"),
    Rule("wrong_branch_count", "{choice: Lost}\n", "{choice: Lost}\n      - choice: So\n", "scenes[1]", "id: two"),
    Rule("no_difficulty", "    difficulty: 10\n", "", "scenes[1]", "id: two"),
    Rule("choice_with_next_scene", "type: choice\n", "type: choice\n    next_scene: two\n", "scenes[0]", "id: one"),
    # The shape of the whole.
    Rule("no_scenes", GOOD[GOOD.index("scenes:") :], "scenes: []\n", "scenes", "[]"),
    Rule("several_starts", "        next_scene: three\n", "", "scenes[2]", "id: three"),
    Rule(
        "unreachable",
        AFTER,
        AFTER.replace(": three", ": two", 1).replace("g.\n    next_scene: end", "g.\n    next_scene: three"),
        "scenes[2]",
        "id: t",
    ),
    Rule("no_ending", MIDDLE, MIDDLE.replace(": end", ": three"), "scenes[2]", "id: three"),
    Rule("reveal_impossible", "min_strength: 0.1", "required: true, min_strength: 1", "scenes[3].echo_reveals[0]", "{"),
]
WARNINGS = [
    Rule("media_not_uploaded", "core_axes", "image: nowhere.png\ncore_axes", "image", "nowhere"),
    Rule("media_not_uploaded", "    name: Kim\n", "    name: Kim\n    audio: k.ogg\n", "characters[0].audio", "k.ogg"),
    Rule(
        "media_not_uploaded",
        "description: Throw.\n",
        "description: T\n    media: {video: v}\n",
        "scenes[1].media.v",
        "v",
    ),
    Rule("unused_character", "    active_character: kim\n", "", "characters[0]", "id: kim"),
    Rule("no_metadata", METADATA, "", "characters[0]", "id: kim"),
    Rule("missing_metadata", "species: human, ", "", "characters[0].metadata", "{role"),
    Rule(
        "many_archetypes", "core_axes", "archetypes: [hero, sage, hero, sage, hero]\ncore_axes", "archetypes", "[hero"
    ),
    Rule(
        "echo_never_revealed", "echo_type: risk-taken", "echo_type: truth-told", "scenes[0].branches[0].echo_log", "{"
    ),
    Rule("loop", "      - {choice: Lost}", "      - {choice: Lost, next_scene: two}", "scenes[1]", "id: two"),
    Rule("hard_to_read", "description: Two doors.\n", f"description: {HARD}\n", "scenes[0].description", "Notwith"),
]


def ids(rule: Any) -> str:
    return f"{rule.code} at {rule.path}"


def findings(rule: Rule) -> tuple[str, tuple[Finding, ...]]:
    assert rule.old in GOOD
    text = GOOD.replace(rule.old, rule.new, 1)
    result = checked(text, media=frozenset())
    assert (result.content is None) == bool(result.errors)
    return text, result.findings


def the_one(rule: Rule) -> tuple[Finding, str]:
    text, found = findings(rule)
    fitting = [one for one in found if one.code == rule.code and one.path.startswith(rule.path)]
    assert len(fitting) == 1, found
    return fitting[0], text.splitlines()[fitting[0].line - 1][fitting[0].column - 1 :]


@pytest.mark.parametrize("rule", ERRORS, ids=ids)
def test_what_breaks_a_rule_is_refused_at_its_place(rule: Rule) -> None:
    finding, text_there = the_one(rule)
    assert finding.severity == "error" and finding.message.endswith((".", "?"))
    assert text_there.startswith(rule.at)


@pytest.mark.parametrize("rule", WARNINGS, ids=ids)
def test_what_an_author_may_want_to_mend_is_a_warning_at_its_place(rule: Rule) -> None:
    finding, text_there = the_one(rule)
    assert finding.severity == "warning" and text_there.startswith(rule.at)
    _, found = findings(rule)
    assert {one.code for one in found} == {rule.code}, "a warning refuses nothing and brings no other"


@pytest.mark.parametrize(
    "old, new",
    [
        ("core_axes:", "compass_axes:"),
        ("next_scene: three", "next_scene_id: three"),
        ("Long.\n    next_scene: end", "Long.\n    next_scene_id: end"),
        ("choice: Left", "text: Left"),
        ("choice: Left", "option: Left"),
        ("compass_change:", "compass_impact:"),
        ("delta: -0.5", "change: -0.5"),
        ("delta: -0.5", "impact: -0.5"),
        ("delta: -0.5", "value: -0.5"),
        ("strength: 0.125", "intensity: 0.125"),
        ("strength: 0.125", "power: 0.125"),
        ("reveal_mechanic: dream", "reveal_mechanic: dream, is_required: false"),
        ('"6-9"', "school"),
        ("[courage, Kindness]", "[COURAGE!, kindness]"),
        ("echo_type: Risk taken", "echo_type: risk_taken"),
        ("type: special", "type: Special"),
    ],
)
def test_a_legacy_spelling_means_the_same(old: str, new: str) -> None:
    assert old in GOOD
    result = checked(GOOD.replace(old, new, 1))
    assert result.content == checked(GOOD).content is not None and result.findings == ()


@pytest.mark.parametrize(
    "alias, id",
    [
        ("19+", "19-150"),
        ("toddlers", "1-2"),
        ("preschoolers", "3-5"),
        ("school", "6-9"),
        ("preteens", "10-12"),
        ("teens", "13-18"),
        ("adults", "19-150"),
    ],
)
def test_an_age_group_s_alias_becomes_its_id(alias: str, id: str) -> None:
    content = checked(GOOD.replace('"6-9"', alias)).content
    assert content is not None and content.age_group == id


def test_who_made_a_story_is_read_in_either_spelling_and_refused_where_it_is_too_long() -> None:
    content = checked(GOOD + "attribution: {author: Ada Lark, license: CC BY 4.0}\n").content
    assert content is not None
    assert (content.attribution.author, content.attribution.licence) == ("Ada Lark", "CC BY 4.0")
    refused = checked(GOOD + f"attribution: {{illustrator: {'x' * 201}, painter: Bo}}\n").findings
    assert [(one.code, one.path) for one in refused] == [
        ("wrong_length", "attribution.illustrator"),
        ("unknown_field", "attribution.painter"),
    ]


def test_a_story_that_loops_without_a_start_begins_with_its_first_scene() -> None:
    result = checked(GOOD.replace("      - {choice: Lost}", "      - {choice: Lost, next_scene: one}"))
    assert result.content is not None and result.content.start == "one"


def test_each_loop_is_named_once_at_a_scene_that_lies_on_it() -> None:
    text = GOOD.replace("{choice: Lost}", "{choice: Lost, next_scene: two}").replace(SECOND, SECOND + THIRD) + FOURTH
    loops = [finding for finding in checked(text).findings if finding.code == "loop"]
    assert [(one.path, one.message) for one in loops] == [
        ("scenes[1]", "The story can come back to 'two'."),
        ("scenes[4]", "The story can come back to 'four'."),
    ]


THIRD = "      - {choice: Up, next_scene: four}\n"
FOURTH = """\
  - {id: four, title: F, type: narrative, description: F., next_scene: five}
  - id: five
    title: Five
    type: choice
    description: Five.
    branches: [{choice: Back, next_scene: four}, {choice: On, next_scene: end}]
"""


def test_the_shape_is_checked_although_parts_are_wrong() -> None:
    text = GOOD.replace("    title: A die\n", "").replace("next_scene: three", "next_scene: far")
    found = {(finding.code, finding.path) for finding in checked(text).errors}
    assert found == {
        ("missing_field", "scenes[1].title"),
        ("unknown_target", "scenes[0].branches[1].next_scene"),
        ("several_starts", "scenes[2]"),
    }


def test_a_wrong_part_brings_no_findings_about_parts_that_are_right() -> None:
    for old in ("    title: A die\n", "    description: Throw.\n", "    type: roll\n", "  - id: three\n    title: A"):
        text = GOOD.replace(old, "  - title: A" if "three" in old else "")
        codes = {finding.code for finding in checked(text).findings}
        assert codes <= {"missing_field", "unknown_target"}, (old, codes)


def test_a_file_in_which_everything_is_wrong_is_told_so_within_bounds() -> None:
    text = GOOD + "".join(f"nonsense{number}: 1\n" for number in range(20_000))
    result = checked(text)
    assert len(result.findings) == FINDINGS_MAX + 1
    assert "too_much_wrong" in {finding.code for finding in result.errors}


@pytest.mark.parametrize("scenes", [501, 600])
def test_more_branches_than_allowed_are_one_error_and_no_crash(scenes: int) -> None:
    branches = "".join(f"      - {{choice: c{number}, next_scene: three}}\n" for number in range(scenes))
    result = checked(GOOD.replace(SECOND, SECOND + branches))
    assert [finding.code for finding in result.errors] == ["too_many"]
