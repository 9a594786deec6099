"""Calibration against walking every path, and on stories far too large for that."""

import json
import subprocess
import sys
from collections import Counter
from fractions import Fraction
from random import Random

import pytest

from mystira.play.model.calibration import Calibration, calibrate, calibrate_bundle
from mystira.play.model.script import Branch, CompassChange, Scene, Script, is_ending
from mystira.play.problems import NeverEnds
from tests.play.stories import AXES, random_script

Path = tuple[dict[str, int], Fraction]


def every_path(script: Script, moves_max: int) -> tuple[list[Path], list[Path]]:
    """Return all that end, and all that do not within so many moves; each with its totals and its odds."""
    finished: list[Path] = []
    open_: list[Path] = []

    def walk(scene_id: str | None, totals: dict[str, int], odds: Fraction, moves: int) -> None:
        scene = script.scene(scene_id) if scene_id is not None else None
        if scene is None or is_ending(scene):
            finished.append((totals, odds))
        elif moves == moves_max:
            open_.append((totals, odds))
        elif not scene.branches:
            walk(scene.next_scene, totals, odds, moves + 1)
        else:
            for at, branch in enumerate(scene.branches):
                share = Fraction(1, len(scene.branches))
                if scene.type == "roll":
                    wins = Fraction(21 - (scene.difficulty or 1), 20)
                    share = wins if at == 0 else 1 - wins
                change = branch.compass_change
                after = totals | {change.axis: totals.get(change.axis, 0) + change.delta} if change else totals
                walk(branch.next_scene, after, odds * share, moves + 1)

    walk(script.start, {}, Fraction(1), 0)
    return finished, open_


def shares_of(calibration: Calibration, axis: str) -> dict[int, Fraction]:
    spread = calibration.spread(axis)
    return {total: Fraction(weight, spread.weight) for total, weight in spread.weights}


def counted(paths: list[Path], axis: str, weight_of: dict[int, Fraction]) -> dict[int, Fraction]:
    spread: Counter[int] = Counter()
    for at, (totals, _) in enumerate(paths):
        spread[totals.get(axis, 0)] += weight_of[at]  # type: ignore[assignment]
    whole = sum(spread.values())
    return {total: Fraction(weight) / whole for total, weight in spread.items() if weight}


@pytest.mark.parametrize("seed", range(60))
def test_it_equals_walking_every_path(seed: int) -> None:
    script = random_script(Random(seed), scenes=6)
    finished, open_ = every_path(script, 9)
    if not finished:
        with pytest.raises(NeverEnds):
            calibrate(script, "paths", moves_max=9)
        return
    paths, chance = (calibrate(script, measure, moves_max=9) for measure in ("paths", "chance"))
    assert paths.paths == chance.paths == len(finished)
    assert paths.unfinished == float(Fraction(len(open_), len(finished) + len(open_)))
    assert chance.unfinished == pytest.approx(float(sum(odds for _, odds in open_)), abs=1e-12)
    for axis in AXES:
        assert shares_of(paths, axis) == counted(finished, axis, dict.fromkeys(range(len(finished)), Fraction(1)))
        by_odds = {at: odds for at, (_, odds) in enumerate(finished)}
        assert shares_of(chance, axis) == counted(finished, axis, by_odds)


def test_a_bundle_is_the_sum_of_its_stories() -> None:
    stories = [random_script(Random(seed), scenes=4) for seed in (3, 5)]
    one, other = (calibrate(story, "chance", moves_max=12) for story in stories)
    both = calibrate_bundle([one, other])
    for axis in AXES:
        expected: Counter[int] = Counter()
        for here, first in shares_of(one, axis).items():
            for there, second in shares_of(other, axis).items():
                expected[here + there] += first * second  # type: ignore[assignment]
        assert shares_of(both, axis) == dict(expected)
    assert both.paths == one.paths * other.paths


def long_script(choices: int, delta: int = 7) -> Script:
    """Two ways at each of so many scenes, each of its own strength: two to the power of `choices` paths."""
    scenes = [
        Scene(
            id=f"s{at}",
            title="",
            type="choice",
            description="",
            branches=tuple(
                Branch(
                    id=f"s{at}:{way}",
                    choice="",
                    next_scene=f"s{at + 1}" if at + 1 < choices else "end",
                    compass_change=CompassChange(axis="courage", delta=way * (delta * at % 999 + 1)),
                )
                for way in (-1, 1)
            ),
        )
        for at in range(choices)
    ]
    end = Scene(id="end", title="", type="special", description="")
    return Script(scenario_id="long", version=1, title="", start="s0", scenes=(*scenes, end))


def test_a_story_of_a_trillion_paths_is_counted_whole() -> None:
    calibration = calibrate(long_script(40), "chance")
    spread = calibration.spread("courage")
    assert calibration.paths == 2**40
    assert sum(weight for _, weight in spread.weights) == spread.weight == 2**40
    assert [total for total, _ in spread.weights] == sorted({-total for total, _ in spread.weights})
    assert abs(spread.mean) < 1e-9
    strengths = sum(7 * at % 999 + 1 for at in range(40))
    assert (spread.percentile(0), spread.percentile(100)) == (-strengths, strengths)
    assert -20 < spread.percentile(50) <= 0
    assert spread.share_at_least(-strengths) == 1.0
    assert spread.share_at_least(strengths) == 2**-40


def test_a_story_that_is_cut_off_says_which_share_is() -> None:
    loop = Scene(
        id="loop",
        title="",
        type="roll",
        description="",
        difficulty=20,
        branches=(Branch(id="a", choice="", next_scene="end"), Branch(id="b", choice="", next_scene="loop")),
    )
    end = Scene(id="end", title="", type="special", description="")
    script = Script(scenario_id="loop", version=1, title="", start="loop", scenes=(loop, end))
    assert calibrate(script, "paths").unfinished == 1 / 201
    assert calibrate(script, "chance").unfinished == pytest.approx(0.95**200)


def test_a_story_of_one_scene_has_one_path() -> None:
    end = Scene(id="end", title="", type="special", description="")
    calibration = calibrate(Script(scenario_id="s", version=1, title="", start="end", scenes=(end,)), "chance")
    assert (calibration.paths, calibration.unfinished, calibration.spread("courage").percentile(50)) == (1, 0.0, 0)


def calibrated(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mystira", "content", "calibrate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_command_line_shows_each_story_and_all_of_them_together() -> None:
    files = ("content/scenarios/the-moss-bridge.yaml", "content/scenarios/the-clockwork-orchard.yaml")
    stories = json.loads(calibrated(*files, "--json", "--percent", "50").stdout)
    assert [story["title"] for story in stories] == ["The Moss Bridge", "The Clockwork Orchard", "All 2 stories"]
    assert int(stories[2]["paths"]) == int(stories[0]["paths"]) * int(stories[1]["paths"])
    kindness = [next(axis for axis in story["axes"] if axis["axis"] == "kindness") for story in stories]
    assert kindness[2]["most"] == kindness[0]["most"] + kindness[1]["most"]
    assert kindness[2]["mean"] == pytest.approx(kindness[0]["mean"] + kindness[1]["mean"])
    assert list(kindness[0]["percentiles"]) == ["50"]
    assert "All 2 stories" in calibrated(*files).stdout


def test_a_percentile_beyond_a_hundred_is_refused() -> None:
    refused = calibrated("content/scenarios/the-moss-bridge.yaml", "--percent", "101")
    assert refused.returncode != 0
    assert "101" in refused.stdout + refused.stderr
