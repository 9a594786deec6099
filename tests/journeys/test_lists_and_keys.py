"""The player API's lists, page by page, and games that are begun with a program's own key."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from httpx import Response

from mystira.play.actions import Keyed, Seat, keep_key, reserve_session, start_game
from mystira.play.model.results import PlayerScenarioScore, UserBadge
from mystira.play.model.session import PlayClaim, keyed_claim_id, keyed_session_id
from mystira.polyglot.store import Key
from mystira.polyglot.work import Work
from tests.journeys.conftest import Running

pytestmark = pytest.mark.anyio

START = {
    "scenario_id": "the-moss-bridge",
    "owner_profile_id": "sample-mira",
    "players": [{"profile_id": "sample-mira"}],
}


async def start(running: Running, key: str = "", **changes: Any) -> Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await running.client.post("/api/v1/sessions", json=START | changes, headers=headers)


async def begun(running: Running, key: str = "", **changes: Any) -> str:
    answer = await start(running, key, **changes)
    assert answer.status_code == 201, answer.text
    return answer.json()["session_id"]


async def give_up(running: Running, session_id: str) -> None:
    assert (await running.client.post(f"/api/v1/sessions/{session_id}/abandon")).status_code == 200


async def every_page(running: Running, path: str, limit: int, **query: Any) -> list[list[Any]]:
    pages: list[list[Any]] = []
    after = ""
    while True:
        answer = await running.client.get(path, params={"limit": limit, "after": after, **query})
        assert answer.status_code == 200, answer.text
        pages.append(answer.json()["items"])
        after = answer.json()["after"]
        if after is None:
            return pages


async def test_a_key_leads_to_one_game_even_after_it_is_over(family: Running) -> None:
    first = await begun(family, "k")
    assert await begun(family, "k") == first == await begun(family)
    await give_up(family, first)
    assert await begun(family, "k") == first
    fresh = await begun(family)
    assert fresh != first
    assert await begun(family, "joined") == fresh
    await give_up(family, fresh)
    assert await begun(family, "joined") == fresh


async def test_starting_over_with_a_key_starts_over_once(family: Running) -> None:
    first = await begun(family)
    answers = await asyncio.gather(*(start(family, "again", restart=True) for _ in range(4)))
    answers += [await start(family, "again", restart=True)]
    assert {answer.status_code for answer in answers} == {201}
    (second,) = {answer.json()["session_id"] for answer in answers}
    assert second != first
    pages = await every_page(family, "/api/v1/sessions", 10)
    assert {one["session_id"]: one["state"] for one in pages[0]} == {first: "abandoned", second: "in_progress"}


async def test_a_game_begun_over_is_not_begun_over_by_the_same_request_that_was_slower(family: Running) -> None:
    first = await begun(family)
    documents = family.platform.documents
    read, claim = documents.read, keyed_claim_id("sample-family", "again")
    overtaken: list[str] = []

    async def read_slowly(collection: Any, key: Key) -> Any:
        found = await read(collection, key)
        if key.id == claim and not overtaken:
            overtaken.append("")
            overtaken.append(await begun(family, "again", restart=True))
        return found

    # The store is the real one; only the moment between its answer and the next step is made long.
    documents.read = read_slowly  # type: ignore[method-assign]
    second = await begun(family, "again", restart=True)
    assert overtaken[1] == second != first
    assert (await family.client.get(f"/api/v1/sessions/{second}")).json()["state"] == "in_progress"


async def test_the_same_key_for_another_game_is_refused(family: Running) -> None:
    first = await begun(family, "k")
    other = await start(family, "k", scenario_id="the-clockwork-orchard")
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert await begun(family, "k") == first
    assert [len(page) for page in await every_page(family, "/api/v1/sessions", 10)] == [1]
    long = await start(family, "k" * 201)
    assert (long.status_code, long.json()["code"]) == (400, "body_invalid")


async def test_a_game_that_a_crash_left_reserved_is_begun_by_the_same_request(family: Running) -> None:
    works = family.platform.works
    keyed = Keyed(key="k", asked="what was asked")
    fresh_id = keyed_session_id("sample-family", "k", keyed.asked)
    who = {"account_id": "sample-family", "owner_profile_id": "sample-mira", "scenario_id": "the-moss-bridge"}
    assert await works.run(reserve_session, **who, fresh_id=fresh_id) == fresh_id
    assert await works.run(keep_key, **who, session_id=fresh_id, keyed=keyed) == fresh_id
    game = await start_game(works, **who, seats=(Seat(profile_id="sample-mira"),), keyed=keyed)
    assert game.id == fresh_id and await works.open().count(PlayClaim) == 2


async def test_every_list_comes_page_by_page(family: Running) -> None:
    ids = [await begun(family, f"k{number}", restart=True) for number in range(5)]
    pages = await every_page(family, "/api/v1/sessions", 2)
    assert [len(page) for page in pages] == [2, 2, 1]
    assert {one["session_id"] for page in pages for one in page} == set(ids)
    (running,) = await every_page(family, "/api/v1/sessions", 200, state="in_progress")
    assert [one["session_id"] for one in running] == ids[-1:]

    async def earn(work: Work, number: int) -> None:
        at = datetime(2026, 11, 1, number, tzinfo=UTC)
        made = {"profile_id": "sample-mira", "axis": "courage", "tier": "gold", "session_id": ids[0]}
        work.save(UserBadge(id=f"b{number}", badge_id=f"b{number}", name="Brave", earned_at=at, **made))

    async def score(work: Work, number: int) -> None:
        made = {"profile_id": "sample-mira", "session_id": ids[0], "scored_at": datetime(2026, 11, 1, tzinfo=UTC)}
        work.save(PlayerScenarioScore(id=f"s{number}", scenario_id=f"s{number}", axis_sums={"courage": 1}, **made))

    for number in range(5):
        await family.platform.works.run(earn, number=number)
        await family.platform.works.run(score, number=number)
    badges = await every_page(family, "/api/v1/profiles/sample-mira/badges", 2)
    assert [[one["id"] for one in page] for page in badges] == [["b0", "b1"], ["b2", "b3"], ["b4"]]
    scores = await every_page(family, "/api/v1/profiles/sample-mira/scores", 2)
    assert sorted(one["id"] for page in scores for one in page) == [f"s{number}" for number in range(5)]
    stories = await every_page(family, "/api/v1/stories", 4)
    assert [len(page) for page in stories] == [4, 2]
    titles = [one["title"] for page in stories for one in page]
    assert titles == sorted(titles)


@pytest.mark.parametrize("path", ["sessions", "stories", "profiles/sample-mira/badges", "profiles/sample-mira/scores"])
async def test_a_list_says_what_is_wrong_with_what_is_asked(family: Running, path: str) -> None:
    for query, code in (({"limit": "0"}, "body_invalid"), ({"after": "bm90aGluZw=="}, "page_unknown")):
        answer = await family.client.get(f"/api/v1/{path}", params=query)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert (await family.client.get("/api/v1/profiles/nobody/badges")).status_code == 404
    assert (await family.client.get("/api/v1/sessions", params={"state": "asleep"})).status_code == 400
