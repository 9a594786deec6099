"""An upload that is sent again with its key brings the first answer, and takes nothing in a second time."""

import io
import zipfile
from pathlib import Path

import pytest
from httpx import Response

from mystira.content.media.actions.uploading import Incoming
from mystira.content.media.uploads.actions import take_in_once
from mystira.web.keys import key_id
from tests.content.media.files import picture
from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio

API = "/admin/api/media"
KEY = {"Idempotency-Key": "k"}


async def sent(desk: Desk, *files: tuple[str, bytes], **fields: str) -> Response:
    return await desk.client.post(API, files=[("files", file) for file in files], data=fields, headers=KEY)


async def hash_of(desk: Desk, media_id: str) -> str:
    return (await desk.client.get(f"{API}/{media_id}")).json()["hash"]


def archive(*names: str) -> bytes:
    with zipfile.ZipFile(made := io.BytesIO(), "w") as target:
        for number, name in enumerate(names):
            target.writestr(zipfile.ZipInfo(name), picture((8 + number, 8)))
    return made.getvalue()


async def test_the_same_upload_brings_its_first_answer_and_replaces_nothing_late(desk: Desk) -> None:
    await desk.sign_in()
    files = (("lamp.png", picture()), ("notes.txt", b"no picture"))
    first = await sent(desk, *files, replace="true")
    assert [one["state"] for one in first.json()["files"]] == ["added", "refused"]
    later = await desk.client.post(API, files=[("files", ("lamp.png", picture(seed=2)))], data={"replace": "true"})
    assert later.json()["files"][0]["state"] == "replaced"
    now = await hash_of(desk, "lamp.png")
    again = await sent(desk, *files, replace="true")
    assert (again.status_code, again.json()) == (200, first.json())
    assert await hash_of(desk, "lamp.png") == now


async def test_a_key_that_stood_for_other_bytes_names_or_wishes_is_refused_and_nothing_is_taken_in(desk: Desk) -> None:
    await desk.sign_in()
    assert (await sent(desk, ("lamp.png", picture()))).status_code == 200
    for files, fields in (
        ([("lamp.png", picture(seed=2))], {}),
        ([("moon.png", picture())], {}),
        ([("lamp.png", picture())], {"replace": "true"}),
        ([("moon.png", picture()), ("lamp.png", picture())], {}),
    ):
        refused = await sent(desk, *files, **fields)
        assert (refused.status_code, refused.json()["code"]) == (422, "key_reused")
    assert (await desk.client.get(f"{API}/moon.png")).status_code == 404
    long = await desk.client.post(
        API, content=picture(), headers={"X-File-Name": "a.png", "Idempotency-Key": "k" * 201}
    )
    assert (long.status_code, long.json()["code"]) == (400, "body_invalid")
    await desk.sign_in("ada")
    others = await sent(desk, ("moon.png", picture(seed=3)))
    assert others.json()["files"][0]["state"] == "added", "a key of somebody else is another one"


async def test_an_upload_that_was_cut_short_is_completed_by_sending_it_again(desk: Desk, tmp_path: Path) -> None:
    await desk.sign_in()
    path = tmp_path / "all.zip"
    path.write_bytes(archive("one.png", "two.png"))
    platform = desk.platform
    incoming = [Incoming(path=path, name="all.zip", by="olga")]
    taken = take_in_once(platform.works, platform.media, incoming, key_id("olga", "media", "k"))
    assert (await anext(taken)).state == "added"
    await taken.aclose()
    whole = await sent(desk, ("all.zip", path.read_bytes()))
    assert [(one["file"], one["state"]) for one in whole.json()["files"]] == [
        ("one.png", "added"),
        ("two.png", "added"),
    ]
