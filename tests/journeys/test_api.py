"""The player API over HTTP: playing, repeating, refusing."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from openapi_spec_validator import validate

from mystira.play.actions import pause_session, record_score
from mystira.play.jobs import abandon_idle_games
from mystira.play.model.results import CompassTracking, PlayerScenarioScore, UserBadge
from mystira.play.views import session
from mystira.polyglot.store import OutcomeUnknown
from mystira.run import SAMPLE_CONTENT, platform, settle
from mystira.services.app import make_player_app, seed
from mystira.web.app import routes_of
from tests.journeys.conftest import Running, client_of

pytestmark = pytest.mark.anyio

STORY = "the-clockwork-orchard"
START = {
    "scenario_id": STORY,
    "owner_profile_id": "sample-mira",
    "players": [{"profile_id": "sample-mira", "character_id": "pip"}, {"name": "Gus"}],
}


async def start(running: Running, **changes: Any) -> dict[str, Any]:
    answer = await running.client.post("/api/v1/sessions", json=START | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def play_to_the_end(running: Running, session_id: str) -> dict[str, Any]:
    for number in range(60):
        shown = (await running.client.get(f"/api/v1/sessions/{session_id}")).json()
        if shown["state"] == "completed":
            return shown
        choice = shown["scene"]["choices"][0]["id"]
        body = {"scene_id": shown["scene"]["id"], "choice": choice, "key": f"k{number}"}
        answer = await running.client.post(f"/api/v1/sessions/{session_id}/moves", json=body)
        assert answer.status_code == 200, answer.text
    raise AssertionError("the story did not end")


async def test_a_story_is_played_to_its_end_and_scored_once(family: Running) -> None:
    game = await start(family)
    await play_to_the_end(family, game["session_id"])
    await settle(family.platform)
    work = family.platform.works.open()
    assert await work.count(PlayerScenarioScore) == 1
    count = (await family.client.get(f"/api/v1/stories/{STORY}/count")).json()
    assert count["completed"] == 1
    lines, badges = await work.count(CompassTracking), await work.count(UserBadge)
    assert lines > 3 and badges >= 1
    first = (await work.find(PlayerScenarioScore)).items
    again = await start(family)
    assert again["session_id"] != game["session_id"]
    await play_to_the_end(family, again["session_id"])
    await settle(family.platform)
    work = family.platform.works.open()
    assert await work.count(PlayerScenarioScore) == 1
    assert await work.count(CompassTracking) > lines
    await family.platform.works.run(
        record_score, account_id="sample-family", session_id=again["session_id"], player_id="p1"
    )
    assert (await family.platform.works.open().find(PlayerScenarioScore)).items == first
    count = (await family.client.get(f"/api/v1/stories/{STORY}/count")).json()
    assert count["completed"] == 2


async def test_a_repeated_key_brings_the_first_answer_and_moves_once(family: Running) -> None:
    game = await start(family)
    url = f"/api/v1/sessions/{game['session_id']}/moves"
    body = {"scene_id": "gate", "choice": "continue", "key": "same"}
    answers = await asyncio.gather(*(family.client.post(url, json=body) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert (await family.client.get(f"/api/v1/sessions/{game['session_id']}")).json()["moves"] == 1
    other = await family.client.post(url, json=body | {"choice": "roll"})
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    late = await family.client.post(url, json=body | {"key": "late"})
    assert (late.status_code, late.json()["scene_id"]) == (409, "cog_arrives")
    now = (await family.client.get(f"/api/v1/sessions/{game['session_id']}")).json()
    assert late.json()["standing"] == now | {"elapsed_s": late.json()["standing"]["elapsed_s"]}


async def test_the_key_of_a_move_may_be_in_the_header_and_never_two_keys(family: Running) -> None:
    game = await start(family)
    url = f"/api/v1/sessions/{game['session_id']}/moves"
    body = {"scene_id": "gate", "choice": "continue"}
    first = await family.client.post(url, json=body, headers={"Idempotency-Key": "once"})
    again = await family.client.post(url, json=body | {"key": "once"})
    both = await family.client.post(url, json=body | {"key": "once"}, headers={"Idempotency-Key": "once"})
    assert first.status_code == 200 and first.content == again.content == both.content
    for headers, changes, status, code in (
        ({"Idempotency-Key": "another"}, {"key": "once"}, 422, "keys_differ"),
        ({"Idempotency-Key": "once"}, {"choice": "roll"}, 422, "key_reused"),
        ({"Idempotency-Key": "k" * 201}, {}, 400, "key_missing"),
        ({"Idempotency-Key": " "}, {}, 400, "key_missing"),
        ({}, {}, 400, "key_missing"),
    ):
        refused = await family.client.post(url, json=body | changes, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (status, code), refused.text
    assert (await family.client.get(f"/api/v1/sessions/{game['session_id']}")).json()["moves"] == 1


@pytest.mark.parametrize(
    "changes, status, code",
    [
        ({"key": ""}, 400, "body_invalid"),
        ({"key": "k" * 201}, 400, "body_invalid"),
        ({"player_id": "p9"}, 422, "player_unknown"),
        ({"choice": "dance"}, 422, "choice_unknown"),
    ],
    ids=["no key", "a long key", "a stranger", "no such choice"],
)
async def test_a_move_is_refused_with_a_reason(
    family: Running, changes: dict[str, Any], status: int, code: str
) -> None:
    game = await start(family)
    body = {"scene_id": "gate", "choice": "continue", "key": "k"} | changes
    answer = await family.client.post(f"/api/v1/sessions/{game['session_id']}/moves", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_a_game_that_nobody_touches_for_thirty_days_is_given_up(family: Running) -> None:
    works = family.platform.works
    idle = await start(family)
    paused = await start(family, scenario_id="the-moss-bridge", players=[{"profile_id": "sample-mira"}])
    later = datetime.now(UTC) + timedelta(days=29)
    works.clock = lambda: later
    assert await abandon_idle_games(works) == 0
    await works.run(pause_session, account_id="sample-family", session_id=paused["session_id"])
    later += timedelta(days=2)
    assert await abandon_idle_games(works) == 1
    assert await abandon_idle_games(works) == 0
    states = [(await session(works.open(), "sample-family", game["session_id"])).state for game in (idle, paused)]
    assert states == ["abandoned", "paused"]


async def test_many_starts_give_one_session(family: Running) -> None:
    games = await asyncio.gather(*(start(family) for _ in range(6)))
    assert len({game["session_id"] for game in games}) == 1
    fresh = await start(family, restart=True)
    assert fresh["session_id"] != games[0]["session_id"]
    old = (await family.client.get(f"/api/v1/sessions/{games[0]['session_id']}")).json()
    assert old["state"] == "abandoned"


@pytest.mark.parametrize(
    "changes, status, code",
    [
        ({"players": []}, 422, "players_invalid"),
        ({"players": [{"name": " "}]}, 422, "players_invalid"),
        ({"players": [{"profile_id": "nobody"}]}, 404, "profile_not_found"),
        ({"owner_profile_id": "nobody"}, 404, "profile_not_found"),
        ({"scenario_id": "nothing"}, 404, "story_not_found"),
        (
            {"players": [{"name": "A", "character_id": "pip"}, {"name": "B", "character_id": "pip"}]},
            422,
            "players_invalid",
        ),
        ({"players": [{"name": "Tiny", "age_group": "1-2"}]}, 403, "too_young"),
        ({"players": [{"name": "Tiny", "age_group": "1 to 2"}]}, 422, "players_invalid"),
        ({"surprise": 1}, 400, "body_invalid"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_start_is_refused_with_a_reason(
    family: Running, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = await family.client.post("/api/v1/sessions", json=START | changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.headers["content-type"].startswith("application/problem+json")


async def test_playing_without_consent_is_refused(family: Running) -> None:
    from mystira.accounts.actions import take_consent_back

    await family.platform.works.run(take_consent_back, account_id="sample-family", profile_id="sample-mira")
    answer = await family.client.post("/api/v1/sessions", json=START)
    assert (answer.status_code, answer.json()["code"]) == (403, "consent_missing")


async def test_pause_resume_and_abandon(family: Running) -> None:
    url = f"/api/v1/sessions/{(await start(family))['session_id']}"
    assert (await family.client.post(f"{url}/pause")).json()["state"] == "paused"
    move = {"scene_id": "gate", "choice": "continue", "key": "k"}
    assert (await family.client.post(f"{url}/moves", json=move)).json()["code"] == "session_paused"
    assert (await family.client.post(f"{url}/resume")).json()["state"] == "in_progress"
    assert (await family.client.post(f"{url}/abandon")).json()["state"] == "abandoned"
    assert (await family.client.post(f"{url}/moves", json=move)).json()["code"] == "session_over"


async def test_a_choice_on_the_page_ends_a_pause(family: Running) -> None:
    game = await start(family)
    url = f"/api/v1/sessions/{game['session_id']}"
    await family.client.post(f"{url}/pause")
    form = {"scene_id": "gate", "choice": "continue", "key": "1-continue"}
    for _ in range(2):
        answer = await family.client.post(f"/play/{game['session_id']}/moves", data=form, follow_redirects=False)
        assert answer.status_code == 303
    shown = (await family.client.get(url)).json()
    assert (shown["state"], shown["moves"]) == ("in_progress", 1)


async def test_a_stranger_gets_nowhere_on_any_route(running: Running) -> None:
    """Everything that is not open to anyone refuses who is not signed in, and hides what belongs to others."""
    seen = 0
    for route in routes_of(running.app):
        if route.method in ("*", "HEAD") or route.access.who == "anyone":
            continue
        path = route.path.replace("{session_id:str}", "nobody").replace("{scenario_id:str}", STORY)
        answer = await running.client.request(route.method, path, follow_redirects=False)
        assert answer.status_code in (401, 302, 303), (route, answer.status_code)
        seen += 1
    assert seen >= 8


async def test_another_familys_game_does_not_exist(family: Running) -> None:
    game = await start(family)
    from mystira.accounts.actions import open_browser_session
    from mystira.polyglot.keyed import keyed_hash

    session_id = keyed_hash(family.platform.key, "browser-session", "strangers-secret")
    await family.platform.works.run(open_browser_session, session_id=session_id, account_id="strangers")
    family.client.cookies.clear()
    family.client.cookies.set("mystira_session", "strangers-secret")
    seen = 0
    for route in routes_of(family.app):
        if route.access.touches == "game session" and "{session_id:str}" in route.path:
            path = route.path.replace("{session_id:str}", game["session_id"])
            body = {"scene_id": "gate", "choice": "continue", "key": "k"}
            options: dict[str, Any] = {"data": body} if route.access.page else {"json": body}
            answer = await family.client.request(route.method, path, **({} if route.method == "GET" else options))
            assert answer.status_code == 404, (route, answer.status_code, answer.text)
            seen += 1
    assert seen >= 6


async def test_each_store_call_of_a_move_failing_in_turn_loses_and_repeats_nothing(
    family: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    game = await start(family)
    url = f"/api/v1/sessions/{game['session_id']}"
    store = family.platform.documents
    write = type(store).write
    for number, when in enumerate(("before", "after", "before", "after"), start=1):
        shown = (await family.client.get(url)).json()
        body = {"scene_id": shown["scene"]["id"], "choice": shown["scene"]["choices"][0]["id"], "key": f"f{number}"}
        broken = [True] * (2 if number < 3 else 30)

        async def failing(self: Any, *what: Any, when: str = when, broken: list[bool] = broken) -> None:
            if when == "after":
                await write(self, *what)
            if broken:
                broken.pop()
                raise OutcomeUnknown("planned")
            if when == "before":
                await write(self, *what)

        monkeypatch.setattr(type(store), "write", failing)
        first = await family.client.post(f"{url}/moves", json=body)
        monkeypatch.setattr(type(store), "write", write)
        assert first.status_code in (200, 503)
        second = await family.client.post(f"{url}/moves", json=body)
        assert second.status_code == 200
        if first.status_code == 200:
            assert first.content == second.content
        assert (await family.client.get(url)).json()["moves"] == number


async def test_the_api_describes_itself(running: Running) -> None:
    document = (await running.client.get("/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    validate(document)
    assert "/api/v1/sessions/{session_id}/moves" in document["paths"]


async def test_what_stood_goes_on_after_a_restart(family: Running) -> None:
    game = await start(family)
    body = {"scene_id": "gate", "choice": "continue", "key": "k"}
    await family.client.post(f"/api/v1/sessions/{game['session_id']}/moves", json=body)
    async with platform(family.platform.settings, print) as again:
        await seed(again, SAMPLE_CONTENT, print)
        async with client_of(make_player_app(again), dict(family.client.cookies)) as client:
            assert (await client.get(f"/api/v1/sessions/{game['session_id']}")).json()["scene"]["id"] == "cog_arrives"
