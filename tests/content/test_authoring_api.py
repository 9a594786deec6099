"""Stories over the Admin API: versions named at every write, steps, differences, exports; and everything checked."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mystira.content.badges.model import Badge
from mystira.content.bundles.model import ContentBundle
from mystira.content.characters.model import CharacterMap
from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio

API = "/admin/api/scenarios"
ONE = f"{API}/the-moss-bridge"


async def show(desk: Desk, path: str = ONE) -> tuple[dict[str, Any], dict[str, str]]:
    answer = await desk.client.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json(), {"If-Match": answer.headers["etag"]}


async def test_a_story_is_written_only_by_those_who_name_the_version_that_they_saw(authors: Desk) -> None:
    told, seen = await show(authors)
    told["document"]["title"] = "Over the API"
    body = {"document": told["document"], "why": "a better name"}
    assert (await authors.client.put(ONE, json=body)).status_code == 428
    written = await authors.client.put(ONE, json=body, headers=seen)
    assert written.status_code == 200 and written.json()["document"]["title"] == "Over the API"
    assert written.json()["scenario"]["revision"] == "draft" and written.headers["etag"] != seen["If-Match"]
    told["document"]["title"] = "Too late"
    stale = await authors.client.put(ONE, json={"document": told["document"]}, headers=seen)
    assert stale.status_code == 412 and stale.json()["code"] == "stale"


async def test_a_new_story_is_made_once_taken_through_its_life_and_deleted(authors: Desk) -> None:
    told, _ = await show(authors)
    path, new = f"{API}/fresh", {"If-None-Match": "*"}
    body = {"document": {**told["document"], "title": "Fresh"}}
    assert (await authors.client.put(path, json=body, headers=new)).status_code == 201
    other = {"document": {**told["document"], "title": "Other"}}
    assert (await authors.client.put(path, json=other, headers=new)).json()["code"] == "scenario_exists"
    way = {"submit": "in_review", "return": "draft"}
    for step, state in (*way.items(), ("submit", "in_review"), ("publish", "published")):
        _, seen = await show(authors, path)
        taken = await authors.client.post(f"{path}/steps/{step}", json={"why": "a test"}, headers=seen)
        assert taken.status_code == 200 and taken.json()["scenario"]["state"] == state, taken.text
    _, seen = await show(authors, path)
    assert (await authors.client.delete(path, headers=seen)).status_code == 403
    await authors.sign_in("ada")
    playable = await authors.client.delete(path, params={"why": "a test"}, headers=seen)
    assert playable.status_code == 409 and playable.json()["code"] == "scenario_playable"
    await authors.client.post(f"{path}/steps/archive", json={"why": "a test"}, headers=seen)
    _, seen = await show(authors, path)
    assert (await authors.client.delete(path, params={"why": "a test"}, headers=seen)).status_code == 204
    assert (await authors.client.get(path)).status_code == 404


async def test_an_unfinished_draft_is_kept_and_what_cannot_be_kept_is_refused_with_every_finding(authors: Desk) -> None:
    told, seen = await show(authors)
    scenes = told["document"]["scenes"]
    scenes[0]["next_scene"] = "nowhere"
    kept = await authors.client.put(ONE, json={"document": told["document"]}, headers=seen)
    assert kept.status_code == 200 and "unknown_target" in {one["code"] for one in kept.json()["findings"]}
    scenes[0] = {**scenes[0], "colour": "red", "title": 7 * "x" * 100}
    wrong = await authors.client.put(ONE, json={"document": told["document"]}, headers={"If-Match": "*"})
    assert wrong.status_code == 422
    assert {"unknown_field", "wrong_length"} <= {one["code"] for one in wrong.json()["findings"]}
    refused = await authors.client.post(f"{ONE}/steps/submit", json={}, headers={"If-Match": "*"})
    assert refused.status_code == 422 and refused.json()["code"] == "scenario_unfinished"


async def test_lists_are_searched_narrowed_and_paged(authors: Desk) -> None:
    first = (await authors.client.get(API, params={"limit": 4})).json()
    second = (await authors.client.get(API, params={"limit": 4, "after": first["after"]})).json()
    titles = [one["title"] for one in first["items"] + second["items"]]
    assert titles == sorted(titles) and len(titles) == 6 and second["after"] is None
    found = (await authors.client.get(API, params={"search": "the moss", "state": "published"})).json()["items"]
    assert [one["id"] for one in found] == ["the-moss-bridge"]
    assert (await authors.client.get(API, params={"state": "draft"})).json()["items"] == []
    assert (await authors.client.get(API, params={"after": "nonsense"})).json()["code"] == "page_unknown"
    assert (await authors.client.get(API, params={"state": "lost"})).status_code == 400


async def test_versions_are_listed_compared_and_exported(authors: Desk) -> None:
    told, seen = await show(authors)
    told["document"]["title"] = "Renamed"
    await authors.client.put(ONE, json={"document": told["document"]}, headers=seen)
    assert [one["number"] for one in (await authors.client.get(f"{ONE}/versions")).json()["items"]] == [1]
    seen = {"If-Match": (await authors.client.get(ONE)).headers["etag"]}
    for step in ("submit", "publish"):
        answer = await authors.client.post(f"{ONE}/steps/{step}", json={"why": "renamed"}, headers=seen)
        seen = {"If-Match": answer.headers["etag"]}
    newest = (await authors.client.get(f"{ONE}/versions", params={"limit": 1})).json()
    assert [(one["number"], one["is_shown"]) for one in newest["items"]] == [(2, True)]
    older = (await authors.client.get(f"{ONE}/versions", params={"limit": 1, "after": newest["after"]})).json()
    assert [(one["number"], one["is_shown"]) for one in older["items"]] == [(1, False)] and older["after"] is None
    refused = await authors.client.get(f"{ONE}/versions", params={"after": "nowhere"})
    assert (refused.status_code, refused.json()["code"]) == (400, "page_unknown")
    told = (await authors.client.get(f"{ONE}/difference", params={"before": 1})).json()
    assert told["about"] == [{"path": "title", "before": "The Moss Bridge", "after": "Renamed"}]
    same = (await authors.client.get(f"{ONE}/difference", params={"before": 1, "after": 1})).json()
    assert same["about"] == [] and same["scenes"]["changed"] == []
    export = (await authors.client.get(f"{ONE}/export", params={"version": 1})).json()
    assert export["name"] == "the-moss-bridge.yaml" and export["text"].startswith("title: The Moss Bridge\n")
    assert (await authors.client.get(f"{ONE}/export", params={"version": 9})).json()["code"] == "version_not_found"
    page = (await authors.client.get("/admin/content/scenarios/the-moss-bridge/versions?before=1")).text
    assert "<del>The Moss Bridge</del>" in page and "<ins>Renamed</ins>" in page


async def test_the_whole_catalogue_is_checked_stories_bundles_badges_and_characters(authors: Desk) -> None:
    works = authors.platform.works

    async def spoil(work: Any, entity: Any) -> None:
        work.save(entity)

    assert {one["kind"] for one in (await authors.client.get("/admin/api/validation")).json()["wrong"]} <= {"scenario"}
    at = datetime(2026, 11, 21, tzinfo=UTC)
    for entity in (
        Badge(id="odd", age_group="6-9", axis="no-such-axis", tier="gold", name="Odd", threshold=1),
        CharacterMap(id="pip", name="Pip", image="gone.png", archetypes=("no-such-archetype",)),
        ContentBundle(id="bad", title="Bad", state="published", image="lost.png", age_group="9-6", changed_at=at),
        ContentBundle(id="worse", title="Worse", state="published", scenario_ids=("nobody",), changed_at=at),
    ):
        await works.run(spoil, entity=entity)
    told, seen = await show(authors)
    told["document"]["scenes"][0]["next_scene"] = "nowhere"
    await authors.client.put(ONE, json={"document": told["document"]}, headers=seen)
    looked = (await authors.client.get("/admin/api/validation")).json()
    wrong = {(one["kind"], one["id"], one["part"]): {f["code"] for f in one["findings"]} for one in looked["wrong"]}
    assert "unknown_word" in wrong["badge", "odd", ""]
    assert wrong["character", "pip", ""] == {"unknown_word", "media_not_uploaded"}
    assert wrong["bundle", "bad", ""] == {"no_stories", "unknown_word", "media_not_uploaded"}
    assert wrong["bundle", "worse", ""] == {"unknown_story"}
    assert "unknown_target" in wrong["scenario", "the-moss-bridge", "draft"]
    # What players see of the story is as good as it was.
    assert "unknown_target" not in wrong.get(("scenario", "the-moss-bridge", "version 1"), set())
    shown = (await authors.client.get("/admin/content/validation")).text
    assert "no-such-axis" in shown and "nowhere" in shown


async def test_a_draft_is_played_by_the_rules_and_says_where_it_cannot_go_on(authors: Desk) -> None:
    base = "/admin/content/preview/the-moss-bridge"
    assert "A bridge with a beard" in (await authors.client.get(base)).text
    assert "No means no" in (await authors.client.get(base, params={"way": "0"})).text
    again = [(await authors.client.get(base, params={"way": "0-1-0", "seed": 4})).text for _ in range(2)]
    assert "The die showed" in again[0] and ("success" in again[0]) == ("success" in again[1])
    told, seen = await show(authors)
    told["document"]["scenes"][0]["next_scene"] = "nowhere"
    await authors.client.put(ONE, json={"document": told["document"]}, headers=seen)
    stuck = (await authors.client.get(base, params={"way": "0"})).text
    assert "cannot go on from here" in stuck and "nowhere" in stuck


async def test_calibration_shows_each_axis_with_the_badges_that_are_reached(authors: Desk) -> None:
    asked = {"story": ["the-moss-bridge", "the-clockwork-orchard"], "age_group": "6-9", "percent": [50]}
    told = (await authors.client.get("/admin/api/calibration", params=asked)).json()
    kindness = next(one for one in told["axes"] if one["axis"] == "kindness")
    assert abs(sum(bar["share"] for bar in kindness["bars"]) - 1) < 1e-9 and set(kindness["percentiles"]) == {"50"}
    shares = [one["share"] for one in kindness["badges"]]
    assert shares == sorted(shares, reverse=True) and 0 < shares[0] <= 1
    page = (await authors.client.get("/admin/content/calibration", params=asked)).text
    assert page.count("data-chart=") == len(told["axes"]) and "bronze at" in page
    assert (await authors.client.get("/admin/api/calibration")).json()["code"] == "stories_missing"
