"""The way of a story through the administration: written, handed in, published, changed, taken off the shelf."""

import re
from typing import Any

import pytest

from mystira.content import views as catalogue
from mystira.content.events import ContentChanged
from mystira.content.scenarios.model.scenario import Scenario
from mystira.content.scenarios.model.writing import document
from mystira.play.actions import Seat, make_move, start_game
from mystira.play.model.moves import Asked as Move
from mystira.play.views import latest_script, script, session
from mystira.polyglot.store import Key
from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio

STORY = "the-moss-bridge"
BASE = f"/admin/content/scenarios/{STORY}"


async def scenario(desk: Desk, id: str = STORY) -> Scenario:
    found = await desk.platform.works.open().get(Scenario, id)
    assert found is not None
    return found


async def version(desk: Desk, path: str = BASE) -> str:
    found = re.search(r'name="version" value="(\d+)"', (await desk.client.get(path)).text)
    assert found is not None
    return found[1]


async def about(desk: Desk, **changes: Any) -> dict[str, Any]:
    """What the form about the story sends when nothing but these is changed."""
    content = (await scenario(desk)).content
    form = {
        "version": await version(desk),
        "title": content.title,
        "description": content.description,
        "core_axes": list(content.core_axes),
        "archetypes": list(content.archetypes),
        "tags": "\n".join(content.tags),
        "minimum_age": str(content.minimum_age),
        **{name: getattr(content, name) or "" for name in ("difficulty", "session_length", "age_group", "image")},
    }
    return {**form, **changes}


async def step(desk: Desk, name: str, why: str = "it is time") -> Any:
    return await desk.client.post(f"{BASE}/steps/{name}", data={"version": await version(desk), "why": why})


async def test_a_changed_title_is_handed_in_published_and_seen_by_players_while_a_running_game_keeps_its_own(
    authors: Desk,
) -> None:
    works = authors.platform.works
    seats = (Seat(profile_id="sample-mira"),)
    game = await start_game(
        works, account_id="sample-family", owner_profile_id="sample-mira", scenario_id=STORY, seats=seats
    )
    saved = await authors.client.post(f"{BASE}/about", data=await about(authors, title="The Mossy Bridge"))
    assert saved.status_code == 303, saved.text
    assert (await latest_script(works.open(), STORY)).title == "The Moss Bridge"
    assert (await scenario(authors)).revision == "draft"
    assert (await step(authors, "submit")).status_code == 303
    assert (await scenario(authors)).revision == "in_review"
    assert (await step(authors, "publish")).status_code == 303
    after = await scenario(authors)
    assert (after.state, after.revision, after.latest_version, after.title) == (
        *("published", "none", 2),
        "The Mossy Bridge",
    )
    assert (await latest_script(works.open(), STORY)).title == "The Mossy Bridge"
    # The game that was begun before goes on with what it was begun with.
    played = await session(works.open(), "sample-family", game.id)
    assert (await script(works.open(), STORY, played.scenario_version)).title == "The Moss Bridge"
    moved, _ = await works.run(
        make_move,
        account_id="sample-family",
        session_id=game.id,
        asked=Move(scene_id="arrival", choice="continue", key="k"),
    )
    assert moved.scene_id == "why"


async def test_a_stale_form_is_told_loses_nothing_and_shows_what_it_would_change(authors: Desk) -> None:
    mine = await about(authors, title="Mine", description="All that I have typed.")
    theirs = await about(authors, title="Theirs")
    assert (await authors.client.post(f"{BASE}/about", data=theirs)).status_code == 303
    refused = await authors.client.post(f"{BASE}/about", data=mine)
    assert refused.status_code == 412
    assert "Somebody has changed this story" in refused.text and "All that I have typed." in refused.text
    assert "<del>Theirs</del>" in refused.text and "<ins>Mine</ins>" in refused.text
    assert (await scenario(authors)).content.title == "Theirs"
    again = {**mine, "version": re.search(r'name="version" value="(\d+)"', refused.text)[1]}  # type: ignore[index]
    assert (await authors.client.post(f"{BASE}/about", data=again)).status_code == 303
    assert (await scenario(authors)).content.title == "Mine"


async def test_what_cannot_be_kept_is_told_and_stays_in_the_form(authors: Desk) -> None:
    wrong = await authors.client.post(f"{BASE}/about", data=await about(authors, minimum_age="six", title="Typed"))
    assert wrong.status_code == 422
    assert 'value="six"' in wrong.text and 'value="Typed"' in wrong.text and "must be a whole number" in wrong.text
    assert (await scenario(authors)).content.title == "The Moss Bridge"


async def test_an_unfinished_story_is_kept_and_cannot_be_handed_in(authors: Desk) -> None:
    new = {"version": await version(authors), "id": "attic", "title": "The attic", "type": "choice"}
    assert (await authors.client.post(f"{BASE}/scenes", data=new)).status_code == 303
    shown = (await authors.client.get(f"{BASE}?scene=attic")).text
    assert "A choice scene needs 2 branches or more" in shown and "nobody comes here" in shown
    refused = await step(authors, "submit")
    assert refused.status_code == 422 and "Mend them" in refused.text
    removed = {"version": await version(authors), "scene": "attic"}
    assert (await authors.client.post(f"{BASE}/scenes/remove", data=removed)).status_code == 303
    # Adding and removing has changed nothing in the end, and what is the same needs no review.
    assert (await step(authors, "submit")).status_code == 303


async def test_a_renamed_scene_is_still_led_to(authors: Desk) -> None:
    form = {
        "version": await version(authors),
        "was": "why",
        "id": "no_means_no",
        "title": "No means no",
        "type": "narrative",
        "description": "It says no.",
        "next_scene": "think",
    }
    saved = await authors.client.post(f"{BASE}/scene", data=form)
    assert saved.status_code == 303, saved.text
    scenes = {scene.id: scene for scene in (await scenario(authors)).content.scenes}
    assert scenes["arrival"].next_scene == "no_means_no" and scenes["no_means_no"].description == "It says no."


async def test_archived_stories_leave_the_shelf_need_a_reason_and_come_back(authors: Desk) -> None:
    assert (await step(authors, "archive", why="")).status_code == 422
    assert (await step(authors, "archive")).status_code == 303
    assert await catalogue.story(authors.platform.works.open(), STORY) is None
    assert (await step(authors, "publish")).status_code == 303
    found = await catalogue.story(authors.platform.works.open(), STORY)
    assert found is not None and found.version == 1


async def test_a_step_that_is_not_possible_is_refused_with_what_is(authors: Desk) -> None:
    refused = await step(authors, "return")
    assert refused.status_code == 409 and "archive" in refused.text


async def test_only_an_administrator_deletes_and_only_what_nobody_has_played(authors: Desk) -> None:
    assert (await authors.client.get(f"{BASE}/delete")).status_code == 403
    works = authors.platform.works
    seats = (Seat(profile_id="sample-mira"),)
    await start_game(works, account_id="sample-family", owner_profile_id="sample-mira", scenario_id=STORY, seats=seats)
    await authors.sign_in("ada")
    form = {"version": await version(authors, f"{BASE}/delete"), "why": "not needed"}
    assert "Archive it first" in (await authors.client.post(f"{BASE}/delete", data=form)).text
    await step(authors, "archive")
    form["version"] = await version(authors, f"{BASE}/delete")
    used = await authors.client.post(f"{BASE}/delete", data=form)
    assert used.status_code == 409 and "1 game" in used.text
    assert "the bundle First evenings" in used.text
    other = "/admin/content/scenarios/the-kitchen-that-remembered"
    archived = {"version": await version(authors, f"{other}/steps/archive"), "why": "old"}
    assert (await authors.client.post(f"{other}/steps/archive", data=archived)).status_code == 303
    form = {"version": await version(authors, f"{other}/delete"), "why": "not needed"}
    assert (await authors.client.post(f"{other}/delete", data=form)).status_code == 303
    assert await works.open().get(Scenario, "the-kitchen-that-remembered") is None


async def test_who_made_a_story_is_kept_exported_published_and_read_on_its_page(authors: Desk) -> None:
    made = {"author": "Ada Lark", "illustrator": "Bo <b>", "based_on": "a riddle of the fens", "licence": "CC BY 4.0"}
    saved = await authors.client.post(f"{BASE}/about", data=await about(authors, **made))
    assert saved.status_code == 303, saved.text
    assert document((await scenario(authors)).content)["attribution"] == made
    assert 'value="Ada Lark"' in (await authors.client.get(f"{BASE}?part=about")).text
    for name in ("submit", "publish"):
        assert (await step(authors, name)).status_code == 303
    page = (await authors.client.get(f"/stories/{STORY}")).text
    assert "By <strong>Ada Lark</strong>, after a riddle of the fens" in page
    assert "Pictures: Bo &lt;b&gt;. Licence: CC BY 4.0. Version 2." in page
    told = (await authors.client.get("/api/v1/stories")).json()["items"]
    (card,) = (one for one in told if one["id"] == STORY)
    assert {name: said for name, said in card["attribution"].items() if said} == made
    emptied = await authors.client.post(f"{BASE}/about", data=await about(authors))
    assert emptied.status_code == 303
    assert "attribution" not in document((await scenario(authors)).content)


async def test_every_change_is_told_with_who_and_why(authors: Desk) -> None:
    await authors.client.post(f"{BASE}/about", data=await about(authors, title="Told"))
    await step(authors, "submit", why="done with it")
    record = await authors.platform.documents.read(authors.platform.works.catalog.of(Scenario), Key(STORY, STORY))
    assert record is not None
    told = [event for event in record.events if event.type == ContentChanged.__name__]
    assert [(one.body["change"], one.body["by"], one.body["why"]) for one in told][-2:] == [
        ("edited", "olga", ""),
        ("submitted", "olga", "done with it"),
    ]
