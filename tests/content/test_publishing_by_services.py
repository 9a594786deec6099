"""Our own services publish what was handed in: with a token only, the version they saw, once for each key."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient, Response

from mystira.content.scenarios import actions
from mystira.content.scenarios.actions import Asked
from mystira.content.scenarios.model.scenario import Scenario, ScenarioVersion
from mystira.content.scenarios.publishing.actions import keep_request
from mystira.content.scenarios.publishing.http import PATH
from mystira.operations.views import commands
from mystira.run import SAMPLE_CONTENT, platform
from mystira.services import admin
from mystira.services.app import seed
from mystira.services.doors import make_application
from mystira.services.platform import Platform
from mystira.services.worker import settle
from mystira.settings import read_settings
from mystira.web.keys import key_id
from mystira.web.versions import etag
from tests.journeys.conftest import client_of
from tests.operations.conftest import Desk
from tests.processes import UNLIMITED

pytestmark = pytest.mark.anyio

TOKEN, OTHER = "p" * 32, "o" * 32
STORY = "the-moss-bridge"


class Publisher:
    """One of our services, with its token."""

    def __init__(self, opened: Platform, client: AsyncClient) -> None:
        self.platform = opened
        self.client = client

    async def ask(self, key: str = "k1", token: str = TOKEN, seen: str = "*", **body: Any) -> Response:
        headers = {"Authorization": f"Bearer {token}", "If-Match": seen, "Idempotency-Key": key}
        sent = {name: value for name, value in headers.items() if value}
        return await self.client.post(PATH, json={"scenario_id": STORY, "why": "agreed"} | body, headers=sent)

    async def hand_in(self, title: str = "The Moss Bridge again") -> str:
        """Change the story and hand it in; return its version."""
        works = self.platform.works
        before = await works.open().get(Scenario, STORY)
        assert before is not None
        content = type(before.content)(**{**_fields(before.content), "title": title})
        asked = Asked(by="olga")
        await works.run(actions.save_draft, scenario_id=STORY, content=content, asked=asked)
        await actions.submit(works, scenario_id=STORY, asked=asked)
        work = works.open()
        after = await work.get(Scenario, STORY)
        assert after is not None
        return etag(work.version_of(after))

    async def versions(self) -> int:
        found = await self.platform.works.open().find(ScenarioVersion, limit=1_000)
        return sum(one.scenario_id == STORY for one in found.items)


def _fields(content: Any) -> dict[str, Any]:
    return {name: getattr(content, name) for name in content.__struct_fields__}


@pytest.fixture
async def publisher(tmp_path: Path, clean_postgres: str) -> AsyncIterator[Publisher]:
    stores = {"MYSTIRA_DATA": str(tmp_path / "data"), "MYSTIRA_RELATIONAL": clean_postgres}
    tokens = {"MYSTIRA_SERVICE_TOKENS": f"publisher:{TOKEN}, other:{OTHER}"}
    async with platform(read_settings(stores | UNLIMITED | tokens), print) as opened:
        await seed(opened, SAMPLE_CONTENT, print)
        async with client_of(make_application(opened, [admin.doors(opened)])) as client:
            yield Publisher(opened, client)


async def test_what_was_handed_in_is_published_once_for_each_key_and_audited_as_the_service(
    publisher: Publisher,
) -> None:
    seen = await publisher.hand_in()
    answers = [await publisher.ask(seen=seen) for _ in range(2)]
    assert [(one.status_code, one.json()) for one in answers] == [(200, {"scenario_id": STORY, "version": 2})] * 2
    # The first answer stands, whatever is published later.
    await publisher.hand_in("The Moss Bridge, once more")
    assert (await publisher.ask("k2")).json()["version"] == 3
    assert (await publisher.ask(seen=seen)).json()["version"] == 2 and await publisher.versions() == 3
    await settle(publisher.platform)
    kept = (await commands(publisher.platform.works.open(), collection="scenario")).items
    told = [(one.who, one.why) for one in kept if one.verb.startswith("published")]
    assert told == [("publisher", "agreed")] * 2


async def test_one_key_is_one_request_of_one_service(publisher: Publisher) -> None:
    await publisher.hand_in()
    assert (await publisher.ask()).status_code == 200
    reused = await publisher.ask(why="something else")
    assert (reused.status_code, reused.json()["code"]) == (422, "key_reused")
    # The same key of another service is its own, and finds nothing to publish.
    other = await publisher.ask(token=OTHER)
    assert (other.status_code, other.json()["code"]) == (409, "scenario_must_wait")


@pytest.mark.parametrize(
    "changes, status, code",
    [
        ({"token": "x" * 32}, 401, "service_token_needed"),
        ({"key": ""}, 400, "key_missing"),
        ({"seen": ""}, 428, "version_needed"),
        ({"seen": '"1"'}, 412, "stale"),
        ({"scenario_id": "nobody"}, 404, "scenario_not_found"),
        ({"colour": "red"}, 400, "body_invalid"),
    ],
)
async def test_what_is_not_right_is_refused_and_publishes_nothing(
    publisher: Publisher, changes: dict[str, Any], status: int, code: str
) -> None:
    await publisher.hand_in()
    answer = await publisher.ask(**changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert await publisher.versions() == 1
    # A refusal leaves the key as it was.
    assert (await publisher.ask()).status_code == 200


async def test_a_draft_that_nobody_handed_in_is_not_published(publisher: Publisher) -> None:
    answer = await publisher.ask()
    assert (answer.status_code, answer.json()["code"]) == (409, "scenario_must_wait")


async def test_a_request_that_died_after_publishing_brings_the_version_that_it_made(publisher: Publisher) -> None:
    works, asked = publisher.platform.works, Asked(by="publisher", why="agreed")
    await publisher.hand_in()
    named = key_id("publisher", PATH, "k1")
    await works.run(keep_request, request_id=named, scenario_id=STORY, asked=asked)
    await actions.publish(works, scenario_id=STORY, asked=asked)
    again = await publisher.ask()
    assert (again.status_code, again.json()["version"]) == (200, 2) and await publisher.versions() == 2


async def test_without_a_token_configured_no_service_is_let_in(authors: Desk) -> None:
    for headers in ({}, {"Authorization": "Bearer "}, {"Authorization": f"Bearer {TOKEN}"}):
        answer = await authors.client.post(PATH, json={"scenario_id": STORY}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "services_off")


async def test_the_door_is_described_for_staff_and_not_for_players(authors: Desk) -> None:
    described = (await authors.client.get("/admin/api/openapi.json")).json()
    asked = described["paths"][PATH]["post"]
    assert asked["security"] == [{"service_token": []}]
    assert {"200", "400", "401", "403", "404", "409", "412", "422", "428"} <= set(asked["responses"])
    assert PATH not in (await authors.client.get("/openapi.json")).json()["paths"]
