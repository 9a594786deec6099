"""The two lists of notes over the Admin API: whole, validated, by those who name the version they saw, audited."""

from typing import Any

import pytest

from mystira.operations.views import commands
from mystira.services.worker import settle
from tests.content.conftest import authors as authors
from tests.operations.conftest import Desk
from tests.operations.conftest import desk as desk

pytestmark = pytest.mark.anyio

MEDIA, CHARACTERS = "media-metadata", "character-media-metadata"
RAIN: dict[str, Any] = {
    "id": "rain",
    "title": "Rain",
    "classification_tags": [{"key": "mood", "value": "calm"}],
    "loopable": True,
}
FOX: dict[str, Any] = {"id": "fox", "title": "Tod laughs", "tags": ["fox"]}


@pytest.mark.parametrize("noun, entry", [(MEDIA, RAIN), (CHARACTERS, FOX)])
async def test_a_list_is_written_by_those_who_name_its_version_and_players_read_it(
    authors: Desk, noun: str, entry: dict[str, Any]
) -> None:
    at, client = f"/admin/api/{noun}", authors.client
    empty = await client.get(at)
    assert empty.json()["entries"] == []
    body = {"entries": [entry], "why": "a new sound"}
    assert (await client.put(at, json=body)).status_code == 428
    seen = {"If-Match": empty.headers["etag"]}
    written = await client.put(at, json=body, headers=seen)
    assert written.status_code == 200, written.text
    assert [{name: one[name] for name in entry} for one in written.json()["entries"]] == [entry]
    stale = await client.put(at, json={"entries": []}, headers=seen)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    assert (await client.get(f"/api/v1/{noun}")).json() == written.json()
    again = await client.put(at, json=body, headers={"If-Match": written.headers["etag"]})
    assert again.headers["etag"] == written.headers["etag"]
    await settle(authors.platform)
    seen = {"If-Match": again.headers["etag"]}
    refused = await client.put(at, json={"entries": []}, headers=seen)
    assert (refused.status_code, refused.json()["code"]) == (403, "role_too_low"), "removing needs an administrator"
    assert len((await client.get(at)).json()["entries"]) == 1
    (kept,) = (await commands(authors.platform.works.open(), collection=noun)).items
    assert (kept.who, kept.verb, kept.why) == ("olga", "changed", "a new sound")


@pytest.mark.parametrize(
    "noun, entries, status, code",
    [
        (MEDIA, [RAIN, RAIN], 422, "entry_twice"),
        (MEDIA, [RAIN | {"colour": "red"}], 400, "body_invalid"),
        (MEDIA, [RAIN | {"modifiers": [{"key": "a", "value": "b", "more": "c"}]}], 400, "body_invalid"),
        (MEDIA, [RAIN | {"id": "not an id"}], 400, "body_invalid"),
        (MEDIA, [RAIN | {"title": "x" * 201}], 400, "body_invalid"),
        (MEDIA, [{"id": f"n{number}"} for number in range(2_001)], 400, "body_invalid"),
        (CHARACTERS, [FOX | {"loopable": True}], 400, "body_invalid"),
    ],
)
async def test_what_is_wrong_is_refused_whole(
    authors: Desk, noun: str, entries: list[Any], status: int, code: str
) -> None:
    answer = await authors.client.put(f"/admin/api/{noun}", json={"entries": entries}, headers={"If-Match": "*"})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert (await authors.client.get(f"/admin/api/{noun}")).json()["entries"] == []


async def test_a_viewer_reads_a_list_and_does_not_write_it(authors: Desk) -> None:
    await authors.sign_in("vera")
    assert (await authors.client.get(f"/admin/api/{MEDIA}")).status_code == 200
    refused = await authors.client.put(f"/admin/api/{MEDIA}", json={"entries": []}, headers={"If-Match": "*"})
    assert refused.json()["code"] == "role_too_low"
