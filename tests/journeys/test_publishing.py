"""Drafts and versions: players see what was published, whatever an author does meanwhile."""

import pytest

from mystira.content.scenarios.actions import make_version, point_to_version, save_draft
from mystira.content.scenarios.model.scenario import Scenario, ScenarioContent
from mystira.content.views import latest_number, library, published_version, story
from mystira.play.views import latest_script
from mystira.polyglot.work import Works
from tests.journeys.conftest import Running

pytestmark = pytest.mark.anyio

STORY = "the-moss-bridge"


async def edited(works: Works, title: str) -> ScenarioContent:
    """Change the draft in everything that a story's card shows."""
    scenario = await works.open().get(Scenario, STORY)
    assert scenario is not None
    about = {"title": title, "description": title, "age_group": "13-18", "minimum_age": 13, "image": None}
    return ScenarioContent(
        **about, core_axes=scenario.content.core_axes, start=scenario.content.start, scenes=scenario.content.scenes
    )


async def test_a_draft_shows_only_when_it_is_published(running: Running) -> None:
    works = running.platform.works
    before = await story(works.open(), STORY)
    await works.run(save_draft, scenario_id=STORY, content=await edited(works, "Another bridge"))
    assert await story(works.open(), STORY) == before
    assert before in await library(works.open(), "6-9", "moss")
    assert await library(works.open(), None, "Another bridge") == ()
    assert (await latest_script(works.open(), STORY)).title == "The Moss Bridge"
    number = await works.run(make_version, scenario_id=STORY)
    await works.run(point_to_version, scenario_id=STORY, number=number)
    (after,) = await library(works.open(), "13-18", "Another bridge")
    assert (after.version, after.minimum_age, after.characters) == (2, 13, ())
    assert after == await story(works.open(), STORY)
    assert (await latest_script(works.open(), STORY)).title == "Another bridge"


async def test_publishing_again_after_an_interruption_publishes_what_the_draft_says_now(running: Running) -> None:
    works = running.platform.works
    await works.run(save_draft, scenario_id=STORY, content=await edited(works, "Interrupted"))
    assert await works.run(make_version, scenario_id=STORY) == 2
    # Here a process died: the version is there, and nothing points to it.
    assert await works.run(make_version, scenario_id=STORY) == 2
    await works.run(save_draft, scenario_id=STORY, content=await edited(works, "Said better"))
    number = await works.run(make_version, scenario_id=STORY)
    await works.run(point_to_version, scenario_id=STORY, number=number)
    assert (await latest_script(works.open(), STORY)).title == "Said better"
    # Whoever was interrupted may still come back to point to the older one.
    await works.run(point_to_version, scenario_id=STORY, number=2)
    assert await latest_number(works.open(), STORY) == number == 3
    interrupted = await published_version(works.open(), STORY, 2)
    assert interrupted is not None and interrupted.title == "Interrupted"


async def test_publishing_the_same_draft_twice_makes_one_version(running: Running) -> None:
    works = running.platform.works
    for _ in range(2):
        number = await works.run(make_version, scenario_id=STORY)
        await works.run(point_to_version, scenario_id=STORY, number=number)
    assert await latest_number(works.open(), STORY) == 1
