"""How media are sent: in parts, to whoever may see them, for as long as requirements say; and where they move."""

from datetime import timedelta

import pytest

from mystira.content import views as content
from mystira.content.desk.model.kinds import KINDS
from mystira.content.media import views
from mystira.content.media.actions.assets import keep_medium, medium
from mystira.content.media.actions.homes import forget_deleted, move_house, sweep
from mystira.content.media.jobs import tidy
from mystira.content.media.model.asset import HOMES, Told
from mystira.mediafiles.folder_store import FolderStore
from mystira.mediafiles.forms import Cleaned
from mystira.services.app import make_player_app
from tests.content.media.files import picture, wav
from tests.content.media.test_library import API, preview, send, shown
from tests.content.test_zips import packed
from tests.journeys.conftest import client_of
from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio


async def opened(desk: Desk, name: str, data: bytes) -> str:
    """Upload something that everybody may fetch, and return its address."""
    await desk.sign_in("ada")
    await send(desk, (name, data))
    tag = (await shown(desk, name)).headers["etag"]
    answer = await desk.client.put(f"{API}/{name}", json={"is_open": True, "title": "A"}, headers={"If-Match": tag})
    assert answer.status_code == 200, answer.text
    return f"/media/{name}"


async def test_parts_are_sent_as_they_are_asked_for(desk: Desk) -> None:
    at = await opened(desk, "tone.wav", wav(1.0))
    whole = await desk.client.get(at)
    assert (whole.status_code, whole.headers["accept-ranges"]) == (200, "bytes")
    body, size = whole.content, len(whole.content)
    for asked, start, end in (("0-99", 0, 100), ("100-", 100, size), ("-7", size - 7, size), ("5-999999", 5, size)):
        part = await desk.client.get(at, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.content) == (206, body[start:end]), asked
        assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
        assert part.headers["content-length"] == str(end - start)
    for asked in (f"{size}-", f"{size + 5}-{size + 9}", "-0"):
        part = await desk.client.get(at, headers={"Range": f"bytes={asked}"})
        assert (part.status_code, part.headers["content-range"]) == (416, f"bytes */{size}"), asked
    for asked in ("bytes=0-1,5-9", "bytes=9-5", "bytes=-", "lines=1-2", "bytes=a-b"):
        assert (await desk.client.get(at, headers={"Range": asked})).status_code == 200, asked


async def test_who_has_it_is_told_so_and_who_has_another_gets_the_whole(desk: Desk) -> None:
    at = await opened(desk, "tone.wav", wav(1.0))
    tag = (await desk.client.get(at)).headers["etag"]
    assert (await desk.client.get(at, headers={"If-None-Match": tag})).status_code == 304
    part = {"Range": "bytes=0-9"}
    assert (await desk.client.get(at, headers={**part, "If-Range": tag})).status_code == 206
    assert (await desk.client.get(at, headers={**part, "If-Range": '"other"'})).status_code == 200
    dated = (await desk.client.get(at)).headers["last-modified"]
    assert (await desk.client.get(at, headers={**part, "If-Range": dated})).status_code == 206
    head = await desk.client.head(at, headers=part)
    assert (head.status_code, head.content, head.headers["content-length"]) == (206, b"", "10")


async def test_a_form_offers_some_of_a_large_library_and_a_check_asks_for_what_is_named(desk: Desk) -> None:
    works = desk.platform.works
    cleaned = Cleaned(media_type="image", content_type="image/webp", ending=".webp", hash="0" * 64, bytes=1)
    many = [f"m{number}.png" for number in range(views.OFFERED + 20)]
    for media_id in many:
        about = {"cleaned": cleaned, "told": Told(), "replace": False, "by": "ada", "why": ""}
        await works.run(keep_medium, media_id=media_id, **about)
    newest = await views.newest_ids(works.open())
    assert len(newest) == views.OFFERED and many[-1] in newest and many[0] not in newest
    assert len(await content.media_offered(works.open())) <= views.OFFERED + len(content.program_media_ids())
    named = [many[0], many[-1], "nobody.png", "art/hero.svg"]
    assert await content.media_there(works.open(), named) == {many[0], many[-1], "art/hero.svg"}


async def test_every_class_of_content_is_kept_as_long_as_the_requirements_say(desk: Desk) -> None:
    picture_at, sound_at = await opened(desk, "a.png", picture()), await opened(desk, "b.wav", wav())
    await send(desk, ("mine.png", picture(seed=2)))
    day = 86_400
    for at, kept in (
        (picture_at, f"public, max-age={7 * day}"),
        (sound_at, f"public, max-age={30 * day}"),
        (await preview(desk, "mine.png"), f"private, max-age={day}"),
    ):
        answer = await desk.client.get(at)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, kept), at
    players = client_of(make_player_app(desk.platform))
    for at in ("media-metadata", "character-media-metadata", "schemas/scenario", *KINDS):
        answer = await players.get(f"/api/v1/{at}")
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=3600"), at
    for at in (picture_at, sound_at):
        same = await players.get(at)
        assert same.headers["cache-control"] == (await desk.client.get(at)).headers["cache-control"], at


async def test_a_signed_address_opens_one_medium_for_a_while(desk: Desk) -> None:
    await desk.sign_in()
    await send(desk, ("a.png", picture()), ("b.png", picture(seed=2)))
    at = await preview(desk, "a.png")
    answer = await desk.client.get(at)
    assert answer.status_code == 200 and answer.headers["cache-control"].startswith("private, max-age=")
    assert (await desk.client.get(at.replace("a.png", "b.png"))).status_code == 403
    until = int(at.split("until=")[1].split("&")[0])
    assert (await desk.client.get(at.replace(str(until), str(until + 3_600)))).status_code == 403
    later = desk.platform.works.clock() + timedelta(hours=3)
    desk.platform.works.clock = lambda: later
    assert (await desk.client.get(at)).json()["code"] == "media_closed"


async def test_what_nobody_looks_at_moves_to_cooler_homes_and_back(desk: Desk) -> None:
    at = await opened(desk, "a.png", picture())
    works, shelf = desk.platform.works, desk.platform.media
    begin = works.clock()

    async def home_after(days: int) -> str:
        works.clock = lambda: begin + timedelta(days=days)
        await tidy(works, shelf)
        await sweep(works, shelf)
        return (await medium(works.open(), "a.png")).home

    assert [await home_after(days) for days in (1, 29, 30, 89, 90)] == ["hot", "hot", "cool", "cool", "archive"]
    asset = await medium(works.open(), "a.png")
    assert await shelf.store.look("archive", asset.hash) is not None
    assert (await desk.client.get(at)).status_code == 200
    while desk.app.state.noting:
        await next(iter(desk.app.state.noting.values()))
    assert (await medium(works.open(), "a.png")).last_access_day == (begin + timedelta(days=90)).date().isoformat()
    assert await home_after(91) == "hot"
    assert (await desk.client.get(at)).status_code == 200


async def test_looking_is_noted_once_a_day_and_makes_no_form_stale(desk: Desk) -> None:
    at = await opened(desk, "a.png", picture())
    works = desk.platform.works
    tomorrow = works.clock() + timedelta(days=1)
    works.clock = lambda: tomorrow
    await desk.sign_in("ada")
    tag = (await shown(desk, "a.png")).headers["etag"]
    for _ in range(3):
        await desk.client.get(at)
        while desk.app.state.noting:
            await next(iter(desk.app.state.noting.values()))
    asset = await medium(work := works.open(), "a.png")
    assert asset.last_access_day == tomorrow.date().isoformat()
    # Kept by the upload, by the form that opened it, and by the first look of the next day.
    assert work.version_of(asset).seq == 3
    assert (await shown(desk, "a.png")).headers["etag"] == tag


async def test_deleted_media_come_back_until_they_are_forgotten(desk: Desk) -> None:
    at = await opened(desk, "a.png", picture())
    works, shelf = desk.platform.works, desk.platform.media
    begin = works.clock()
    tag = (await shown(desk, "a.png")).headers["etag"]
    gone = await desk.client.delete(f"{API}/a.png?why=old", headers={"If-Match": tag})
    assert gone.status_code == 200 and (await desk.client.get(at)).status_code == 404
    await move_house(works, shelf)
    assert (await medium(works.open(), "a.png")).home == "archive"
    back = await desk.client.post(f"{API}/a.png/restore?why=wanted", headers={"If-Match": gone.headers["etag"]})
    assert back.status_code == 200, back.text
    await desk.client.delete(f"{API}/a.png", headers={"If-Match": back.headers["etag"]})
    works.clock = lambda: begin + timedelta(days=91)
    await desk.sign_in("ada")
    assert await forget_deleted(works, shelf) == 1
    assert (await shown(desk, "a.png")).status_code == 404
    assert await sweep(works, shelf) > 0
    for home in HOMES:
        assert [kept async for kept in shelf.store.every(home)] == []


async def test_fresh_bytes_are_never_swept(desk: Desk) -> None:
    await opened(desk, "a.png", picture())
    works, shelf = desk.platform.works, desk.platform.media
    (desk.platform.settings.data / "stray").write_bytes(b"stray")
    await shelf.store.put("hot", "f" * 64, desk.platform.settings.data / "stray")
    assert await sweep(works, shelf) == 0
    later = works.clock() + timedelta(days=2)
    works.clock = lambda: later
    assert await sweep(works, shelf) == 1
    asset = await medium(works.open(), "a.png")
    assert await shelf.store.look("hot", asset.hash) and await shelf.store.look("hot", asset.thumbnail)
    assert isinstance(shelf.store, FolderStore)


async def test_a_zip_brings_what_is_good_and_tells_what_is_not(desk: Desk) -> None:
    await desk.sign_in()
    data = packed({"x/a.png": picture(), "x/b.wav": wav(0.2), "x/notes.txt": b"hello", "y/a.png": picture(seed=3)})
    found = await send(desk, ("all.zip", data))
    assert [(one["file"], one["state"], one["code"]) for one in found] == [
        ("x/a.png", "added", ""),
        ("x/b.wav", "added", ""),
        ("x/notes.txt", "refused", "unknown_type"),
        ("y/a.png", "refused", "media_name_taken"),
    ]
    assert [one["state"] for one in await send(desk, ("a.png", picture()))] == ["known"]
    assert [one["state"] for one in await send(desk, ("a.png", picture(seed=3)), replace="true")] == ["replaced"]
    assert await views.newest_ids(desk.platform.works.open()) == {"a.png", "b.wav"}
