"""The pages of the two lists of notes: searched, added, changed and removed by those who may, losing no word."""

import re
from typing import Any

import pytest
from httpx import Response

from mystira.operations.views import commands
from mystira.services.worker import settle
from tests.content.conftest import authors as authors
from tests.content.media.files import picture
from tests.operations.conftest import Desk
from tests.operations.conftest import desk as desk

pytestmark = pytest.mark.anyio

MEDIA, CHARACTERS = "media-metadata", "character-media-metadata"
RAIN: dict[str, Any] = {
    "id": "rain",
    "title": "Rain",
    "file_name": "rain.png",
    "classification_tags": [{"key": "mood: deep", "value": "calm"}],
}


def page(noun: str, entry_id: str = "") -> str:
    return f"/admin/content/{noun}/entry" + (f"?id={entry_id}" if entry_id else "")


def version_in(answer: Response) -> str:
    return answer.text.partition('name="version" value="')[2].partition('"')[0]


async def send(authors: Desk, at: str, seen: Response, why: str = "", **values: str) -> Response:
    typed = {f"value.{name}": text for name, text in {"loopable": "no", **values}.items()}
    if "character" in at:
        del typed["value.loopable"]
    return await authors.client.post(at, data={"version": version_in(seen), "why": why, **typed})


async def entries(authors: Desk, noun: str = MEDIA) -> list[dict[str, Any]]:
    return (await authors.client.get(f"/admin/api/{noun}")).json()["entries"]


async def noted(authors: Desk, *given: dict[str, Any], noun: str = MEDIA) -> None:
    answer = await authors.client.put(f"/admin/api/{noun}", json={"entries": given}, headers={"If-Match": "*"})
    assert answer.status_code == 200, answer.text


async def test_an_entry_is_added_found_changed_and_removed_and_the_audit_knows(authors: Desk) -> None:
    for noun in (MEDIA, CHARACTERS):
        assert f"/admin/content/{noun}" in (await authors.client.get("/admin/content/media")).text
    empty = await authors.client.get(f"/admin/content/{CHARACTERS}")
    assert "Nothing is noted yet." in empty.text
    form = await authors.client.get(page(CHARACTERS))
    added = await send(authors, page(CHARACTERS), form, "a new voice", id="..", title="Tod laughs", tags="fox\r\nden")
    assert (added.status_code, added.headers["location"]) == (303, f"/admin/content/{CHARACTERS}?done=saved")
    listed = await authors.client.get(f"/admin/content/{CHARACTERS}?search=DEN+tod")
    assert "Tod laughs" in listed.text and 'entry?id=.."' in listed.text
    assert "Nothing fits." in (await authors.client.get(f"/admin/content/{CHARACTERS}?search=owl")).text
    shown = await authors.client.get(page(CHARACTERS, ".."))
    changed = await send(authors, page(CHARACTERS, ".."), shown, title="Tod smiles", tags="fox")
    assert changed.status_code == 303, changed.text
    (entry,) = await entries(authors, CHARACTERS)
    assert (entry["id"], entry["title"], entry["tags"]) == ("..", "Tod smiles", ["fox"])
    shown = await authors.client.get(page(CHARACTERS, ".."))
    away = page(CHARACTERS).replace("entry", "entry/remove?id=..")
    assert (await send(authors, away, shown, "not ours")).status_code == 403, "an operator removes nothing"
    await authors.sign_in("ada")
    removed = await send(authors, away, shown, "not ours")
    assert removed.status_code == 303 and await entries(authors, CHARACTERS) == []
    await settle(authors.platform)
    kept = (await commands(authors.platform.works.open(), collection=CHARACTERS)).items
    assert sorted((one.who, one.why) for one in kept) == [("ada", "not ours"), ("olga", ""), ("olga", "a new voice")]


async def test_what_nobody_touched_stays_as_a_program_wrote_it(authors: Desk) -> None:
    await noted(authors, RAIN)
    shown = await authors.client.get(page(MEDIA, "rain"))
    held = {"title": "Soft rain", "file_name": "rain.png", "classification_tags": "mood: deep: calm"}
    assert (await send(authors, page(MEDIA, "rain"), shown, **held)).status_code == 303
    (entry,) = await entries(authors)
    assert (entry["title"], entry["classification_tags"]) == ("Soft rain", RAIN["classification_tags"])


async def test_a_stale_form_says_so_keeps_every_word_and_shows_what_changed(authors: Desk) -> None:
    await noted(authors, RAIN)
    old = await authors.client.get(page(MEDIA, "rain"))
    await noted(authors, RAIN | {"title": "Hail"})
    stale = await send(authors, page(MEDIA, "rain"), old, "better", title="Drizzle", file_name="rain.png")
    assert stale.status_code == 412
    for text in ("Somebody has changed this", 'value="Drizzle"', "Kept now: Hail", 'value="better"', "Save mine"):
        assert text in stale.text, text
    assert (await entries(authors))[0]["title"] == "Hail"
    again = await send(authors, page(MEDIA, "rain"), stale, title="Drizzle", file_name="rain.png")
    assert again.status_code == 303
    assert (await entries(authors))[0]["title"] == "Drizzle"
    await authors.sign_in("ada")
    late = await send(authors, page(MEDIA).replace("entry", "entry/remove?id=rain"), old, "twice there")
    assert late.status_code == 412 and len(await entries(authors)) == 1
    assert 'value="twice there"' in late.text and "<details open>" in late.text


async def test_an_entry_that_was_removed_meanwhile_is_told_and_can_be_added_anew(authors: Desk) -> None:
    await noted(authors, RAIN)
    old = await authors.client.get(page(MEDIA, "rain"))
    await authors.sign_in("ada")
    await noted(authors)
    gone = await authors.client.get(page(MEDIA, "rain"))
    assert gone.status_code == 404 and "There is no entry rain in this list" in gone.text
    stale = await send(authors, page(MEDIA, "rain"), old, title="Drizzle")
    assert stale.status_code == 412
    for text in ("Somebody has removed this entry", 'value="Drizzle"', 'name="value.id" value="rain"', ">Add<"):
        assert text in stale.text, text
    missing = await send(authors, page(MEDIA, "rain"), stale, title="Drizzle")
    assert missing.status_code == 404 and 'value="Drizzle"' in missing.text
    assert (await send(authors, page(MEDIA), stale, id="rain", title="Drizzle")).status_code == 303
    assert [entry["title"] for entry in await entries(authors)] == ["Drizzle"]


@pytest.mark.parametrize(
    "field, typed, says",
    [
        ("id", "rain", "There is an entry rain already."),
        ("id", "not an id", "Write letters from a to z"),
        ("id", "", "Write letters from a to z"),
        ("title", "x" * 201, "keep to 200"),
        ("modifiers", "loud", "a name, a colon and a value"),
        ("modifiers", f"loud: {'x' * 201}", "a name, a colon and a value"),
        ("loopable", "", "Choose one."),
    ],
)
async def test_what_is_wrong_is_told_beside_its_field_and_changes_nothing(
    authors: Desk, field: str, typed: str, says: str
) -> None:
    await noted(authors, RAIN)
    form = await authors.client.get(page(MEDIA))
    wrong = await send(authors, page(MEDIA), form, **{"id": "hail", "description": "Kept.", field: typed})
    assert wrong.status_code == 422
    (told,) = re.findall(r'<p class="wrong" id="wrong-(\w+)">([^<]*)', wrong.text)
    assert told[0] == field and says in told[1]
    assert ">Kept.</textarea>" in wrong.text
    assert len(await entries(authors)) == 1


async def test_an_entry_is_shown_with_its_medium(authors: Desk) -> None:
    await noted(authors, RAIN)
    assert "The library has no medium" in (await authors.client.get(page(MEDIA, "rain"))).text
    sent = await authors.client.post("/admin/api/media", files=[("files", ("rain.png", picture()))])
    assert sent.status_code == 200
    assert 'src="/media/rain.png?until=' in (await authors.client.get(page(MEDIA, "rain"))).text


async def test_a_long_list_comes_page_by_page(authors: Desk) -> None:
    await noted(authors, *({"id": f"n{number:03}"} for number in range(60)))
    first = await authors.client.get(f"/admin/content/{MEDIA}?search=n0")
    assert "n049" in first.text and "n050" not in first.text and "60 in all." in first.text
    onward = re.findall(r'href="([^"]*after=[^"]*)"', first.text)[0].replace("&amp;", "&")
    second = await authors.client.get(onward)
    assert "n050" in second.text and "n049" not in second.text and ">Next<" not in second.text


async def test_a_viewer_looks_and_changes_nothing(authors: Desk) -> None:
    await noted(authors, RAIN)
    await authors.sign_in("vera")
    assert "New entry" not in (await authors.client.get(f"/admin/content/{MEDIA}")).text
    shown = await authors.client.get(page(MEDIA, "rain"))
    assert "Changing this needs the role operator." in shown.text and "Remove" not in shown.text
    for at in (page(MEDIA, "rain"), page(MEDIA).replace("entry", "entry/remove?id=rain")):
        assert (await send(authors, at, shown, title="Mine")).status_code == 403
    assert [entry["title"] for entry in await entries(authors)] == ["Rain"]
