"""The media library over HTTP: what comes in comes out clean, is found, described, protected, deleted, brought back."""

import html
import io
from typing import Any

import pytest
from httpx import Response
from PIL import Image

from mystira.content.actions import import_checked
from mystira.content.scenarios.model.checking import check
from mystira.content.vocabulary.model import Vocabulary
from mystira.services.worker import settle
from mystira.textfiles.reading import read
from tests.content.media.files import picture, wav
from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio

API = "/admin/api/media"


async def send(desk: Desk, *files: tuple[str, bytes], **fields: str) -> list[dict[str, Any]]:
    answer = await desk.client.post(API, files=[("files", file) for file in files], data=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()["files"]


async def shown(desk: Desk, media_id: str) -> Response:
    return await desk.client.get(f"{API}/{media_id}")


async def preview(desk: Desk, media_id: str) -> str:
    """Return the signed address that the medium's page shows."""
    text = (await desk.client.get(f"/admin/content/media/{media_id}")).text
    return html.unescape(text.split('src="/media/')[1].split('"')[0]).join(("/media/", ""))


async def test_a_picture_goes_in_and_comes_out_clean(desk: Desk) -> None:
    await desk.sign_in()
    (outcome,) = await send(desk, ("Night Harbour.PNG", picture((100, 60))))
    assert outcome["state"] == "added" and outcome["media_id"] == "night-harbour.png"
    asset = (await shown(desk, "night-harbour.png")).json()
    assert (asset["width"], asset["height"], asset["home"], asset["content_type"]) == (100, 60, "hot", "image/webp")
    answer = await desk.client.get(await preview(desk, "night-harbour.png"))
    assert answer.headers["cache-control"] == "private, max-age=" + answer.headers["cache-control"].split("=")[1]
    assert answer.status_code == 200 and answer.headers["content-type"] == "image/webp"
    assert Image.open(io.BytesIO(answer.content)).size == (100, 60)
    assert len(answer.content) == asset["bytes"] == int(answer.headers["content-length"])


async def test_a_story_that_is_published_opens_its_cover_and_music_and_not_what_its_scenes_show(desk: Desk) -> None:
    await desk.sign_in()
    await send(desk, ("quay.png", picture()), ("waves.wav", wav()), ("inside.png", picture(seed=2)))
    assert (await desk.client.get("/media/quay.png")).status_code == 403
    await publish(desk)
    for name, kept in (("quay.png", 7), ("waves.wav", 30)):
        answer = await desk.client.get(f"/media/{name}")
        assert answer.status_code == 200, name
        assert answer.headers["cache-control"] == f"public, max-age={kept * 86_400}"
    assert (await desk.client.get("/media/inside.png")).status_code == 403
    assert "/media/quay.png?instead=art/hero.svg" in (await desk.client.get("/")).text


async def test_a_title_is_found_however_its_words_are_spelled(desk: Desk) -> None:
    await desk.sign_in("ada")
    await send(desk, ("a.png", picture()), ("b.png", picture(seed=2)))
    said = {"title": "The Lamp of Quays"}
    assert (await desk.client.put(f"{API}/a.png", json=said, headers={"If-Match": "*"})).status_code == 200
    bundle = {"title": "Quiet Nights"}
    made = await desk.client.put("/admin/api/bundles/odd", json=bundle, headers={"If-None-Match": "*"})
    assert made.status_code == 201
    for text, found in (("lamp quays", ["a.png"]), ("Lamp", ["a.png"]), ("moon", [])):
        listed = (await desk.client.get(API, params={"search": text})).json()["media"]
        assert [one["id"] for one in listed] == found, text
    for text in ("quiet", "nights", "Quiet N", "quiet nights"):
        assert len((await desk.client.get("/admin/api/bundles", params={"search": text})).json()["items"]) == 1, text


async def test_what_a_story_shows_cannot_be_deleted(desk: Desk) -> None:
    await desk.sign_in("ada")
    await send(desk, ("quay.png", picture()))
    await publish(desk)
    tag = (await shown(desk, "quay.png")).headers["etag"]
    answer = await desk.client.delete(f"{API}/quay.png", headers={"If-Match": tag})
    assert (answer.status_code, answer.json()["code"]) == (409, "media_in_use")
    assert "the scenario At the Quay" in answer.json()["detail"]
    assert (await desk.client.get("/media/quay.png")).status_code == 200


async def test_a_picture_that_nobody_uploaded_is_shown_as_another_one(desk: Desk) -> None:
    answer = await desk.client.get("/media/nowhere.png?instead=art/hero.svg")
    assert answer.status_code == 302 and answer.headers["location"].startswith("/static/art/hero.svg?v=")
    assert (await desk.client.get("/media/nowhere.png?instead=https://elsewhere.example")).status_code == 404
    assert (await desk.client.get("/media/nowhere.png")).json()["code"] == "media_not_found"


async def publish(desk: Desk) -> None:
    """Import and publish a story that shows quay.png and sounds like waves.wav, and let everybody hear of it."""
    root = read(STORY.encode())
    checked = check(root, Vocabulary({"axis": {"courage": "Courage"}}, {}))
    assert checked.errors == (), checked.errors
    await import_checked(desk.platform.works, checked, publish=True)
    await settle(desk.platform)


STORY = """
title: At the Quay
description: Two ways home.
core_axes: [courage]
image: quay.png
scenes:
  - id: start
    title: The Quay
    type: choice
    description: It is late.
    media: {image: inside.png}
    music: waves.wav
    branches:
      - {choice: By boat, next_scene: end}
      - {choice: On foot, next_scene: end}
  - {id: end, title: Home, type: special, description: You are home.}
"""
