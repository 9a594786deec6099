"""Every sample story is played to every one of its endings in a browser, and nothing shifts under a finger."""

from collections import deque
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect

from mystira.content.commands import SAMPLE_CONTENT, check_own_file, read_vocabulary, vocabulary_of
from mystira.content.scenarios.model.scenario import ScenarioContent, Scene, story_id
from tests.browser.buying import buy_if_needed
from tests.browser.looks import watched
from tests.browser.playing import enter, go_on
from tests.processes import RunningPlatform

pytestmark = pytest.mark.browser

STORIES = sorted((SAMPLE_CONTENT / "scenarios").glob("*.yaml"))
# The die decides at rolls, so a way to an ending may have to be tried again.
GAMES_MAX = 60
# What moves in the frame that brings the next scene was asked for by the finger; the browser itself forgives that for
# half a second after a click only, which a busy machine does not keep.
SHIFTS = """() => {
  window.shifted = [];
  let swapped = -1000;
  document.addEventListener("htmx:after:swap", () => { swapped = performance.now(); });
  const told = (source) => {
    const [from, to] = [source.previousRect, source.currentRect];
    return `${source.node?.nodeName} ${source.node?.className ?? ""} ${from.y}+${from.height} -> ${to.y}+${to.height}`;
  };
  new PerformanceObserver((seen) => {
    for (const one of seen.getEntries()) {
      if (one.hadRecentInput || Math.abs(one.startTime - swapped) <= 100) continue;
      window.shifted.push([one.value, ...one.sources.map(told)]);
    }
  }).observe({type: "layout-shift", buffered: true});
}"""


class Ending(NamedTuple):
    """Where a story ends: a scene, and the branch that ends it where the scene itself does not."""

    scene_id: str
    branch: int | None


class Step(NamedTuple):
    """A scene, and the branch taken there."""

    scene_id: str
    branch: int


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_a_story_is_played_to_every_ending(browser: Browser, running: RunningPlatform, path: Path) -> None:
    content = story(path)
    scenes = {scene.id: scene for scene in content.scenes}
    wanted = all_endings(scenes)
    assert wanted, "a story without an ending would be found here as well"
    context = browser.new_context()
    page = context.new_page()
    said = watched(page)
    enter(page, running.address)
    buy_if_needed(page, f"{running.address}/stories/{path.stem}")
    for _ in range(GAMES_MAX):
        begin(page, running.address, story_id(content.title))
        page.evaluate(SHIFTS)
        wanted.discard(play_towards(page, scenes, wanted))
        shifted = page.evaluate("window.shifted")
        assert shifted == [], shifted
        if not wanted:
            break
    assert not wanted, f"{GAMES_MAX} games did not come to {wanted}"
    # A story for older players is refused before a parent allows it, and a browser tells of that.
    assert [one for one in said if "403" not in one] == []
    context.close()


def story(path: Path) -> ScenarioContent:
    checked = check_own_file(path, vocabulary_of(read_vocabulary(SAMPLE_CONTENT / "vocabulary")))
    assert checked.content is not None
    return checked.content


def begin(page: Page, address: str, scenario_id: str) -> None:
    page.goto(f"{address}/stories/{scenario_id}/choose")
    page.get_by_role("button", name="Begin the story").click()
    allowing = page.get_by_role("checkbox", name="I am a parent")
    expect(page.locator(".progress").or_(allowing)).to_be_visible()
    if allowing.count():
        allowing.check()
        page.get_by_role("button", name="Begin the story").click()
    expect(page.locator(".progress")).to_be_visible()


def play_towards(page: Page, scenes: dict[str, Scene], wanted: set[Ending]) -> Ending:
    """Play one game as near to one of the wanted endings as the die allows; return the ending it came to."""
    for _ in range(200):
        sent = page.locator(".choices input[name=scene_id]").first
        assert sent.count(), "the story went on to a scene without a choice"
        at = sent.input_value()
        way = shortest(scenes, at, wanted) or shortest(scenes, at, all_endings(scenes))
        assert way, f"no ending can be reached from {at}"
        scene = scenes[at]
        before = page.locator(".scene").get_attribute("data-at") or ""
        page.locator(".choices button").nth(0 if scene.type in ("roll", "narrative") else way[0].branch).click()
        expect(page.locator(".scene")).not_to_have_attribute("data-at", before)
        go_on(page)
        if page.get_by_role("heading", name="The end", exact=True).count():
            return reached(page, scenes, scene, way[0].branch)
    raise AssertionError("the story did not end")


def reached(page: Page, scenes: dict[str, Scene], last: Scene, branch: int) -> Ending:
    """Return the ending that the page shows after a move in the scene `last`."""
    if last.type == "roll":
        branch = 0 if page.locator(".happening.roll.won").count() else 1
    onward = last.branches[branch].next_scene if last.branches else last.next_scene
    if onward is None:
        return Ending(last.id, branch)
    # Names are filled in where a title speaks of a player.
    title = scenes[onward].title
    assert "[c:" in title or page.locator("h1").text_content() == title
    return Ending(onward, None)


def all_endings(scenes: dict[str, Scene]) -> set[Ending]:
    return {Ending(scene.id, None) for scene in scenes.values() if scene.type == "special"} | {
        Ending(scene.id, at)
        for scene in scenes.values()
        for at, branch in enumerate(scene.branches)
        if branch.next_scene is None
    }


def shortest(scenes: dict[str, Scene], start: str, wanted: set[Ending]) -> list[Step]:
    """Return the fewest steps from a scene to any of the wanted endings, or nothing."""
    ways: deque[tuple[str, list[Step]]] = deque([(start, [])])
    seen = {start}
    while ways:
        at, way = ways.popleft()
        if way and Ending(at, None) in wanted:
            return way
        scene = scenes[at]
        for number, onward in enumerate([branch.next_scene for branch in scene.branches] or [scene.next_scene]):
            step = Step(at, number)
            if onward is None and Ending(at, number) in wanted:
                return [*way, step]
            if onward is not None and onward not in seen:
                seen.add(onward)
                ways.append((onward, [*way, step]))
    return []
