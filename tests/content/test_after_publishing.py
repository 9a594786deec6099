"""What publishing and archiving bring: who may fetch a story's media, what the audit says, what the library finds."""

from pathlib import Path

import apsw
import pytest

from mystira.content.commands import import_files
from mystira.content.library.views import Sought, library
from mystira.content.media.actions.assets import medium
from mystira.content.media.jobs import tell_who_opened
from mystira.content.media.model.asset import deleted, restored
from mystira.content.media.views import those_there
from mystira.content.scenarios.actions import Asked, archive, checked_document, publish
from mystira.content.scenarios.jobs import complete_old_stories
from mystira.content.scenarios.model.scenario import Scenario
from mystira.content.scenarios.model.writing import document
from mystira.operations.model import Command
from mystira.polyglot.query import equal
from mystira.polyglot.work import Work
from mystira.services.worker import settle
from tests.content.media.files import picture
from tests.content.media.test_library import send
from tests.content.test_checking import GOOD
from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio

BY_ADA = Asked(by="ada (terminal)", why="the first of them")


async def brought(desk: Desk, folder: Path, *titles: str) -> None:
    """Publish stories that share a cover; the first one's hero has a face besides."""
    for number, title in enumerate(titles):
        text = GOOD.replace("A small story", title).replace("characters:", "image: cover.png\ncharacters:")
        if not number:
            text = text.replace("name: Kim\n", "name: Kim\n    image: kim.png\n")
        (folder / f"{number}.yaml").write_text(text)
    paths = sorted(folder.glob("*.yaml"))
    options = {"publish": True, "add_vocabulary": True, "asked": BY_ADA}
    results = await import_files(desk.platform.works, desk.platform.readers, paths, **options)
    assert all(one.scenario is not None for one in results), results
    await settle(desk.platform)


async def opened(desk: Desk) -> list[bool]:
    work = desk.platform.works.open()
    return [(await medium(work, media_id)).is_for_all for media_id in ("cover.png", "kim.png")]


async def test_media_of_an_archived_story_are_closed_unless_another_one_shows_them(
    authors: Desk, tmp_path: Path
) -> None:
    works = authors.platform.works
    await send(authors, ("cover.png", picture()), ("kim.png", picture((30, 30))))
    assert await opened(authors) == [False, False]
    await brought(authors, tmp_path, "The first", "The second")
    assert await opened(authors) == [True, True]
    for scenario_id, left in (("the-first", [True, False]), ("the-second", [False, False])):
        await archive(works, scenario_id=scenario_id, asked=BY_ADA)
        await settle(authors.platform)
        assert await opened(authors) == left, scenario_id
    await publish(works, scenario_id="the-first", asked=BY_ADA)
    await settle(authors.platform)
    assert await opened(authors) == [True, True]


async def test_what_staff_opened_stays_open_whatever_is_published_archived_or_deleted(
    authors: Desk, tmp_path: Path
) -> None:
    works = authors.platform.works
    await send(authors, ("cover.png", picture()), ("kim.png", picture((30, 30))))
    at = "/admin/api/media/cover.png"
    seen = {"If-Match": (await authors.client.get(at)).headers["etag"]}
    ticked = await authors.client.put(at, json={"is_open": True, "why": "for the poster"}, headers=seen)
    assert ticked.json()["is_open"] and not ticked.json()["is_shown"]
    await brought(authors, tmp_path, "The first")
    # Nobody's form became stale by it, and what people said stays what they said.
    assert (await authors.client.get(at)).headers["etag"] == ticked.headers["etag"]
    kim = (await authors.client.get("/admin/api/media/kim.png")).json()
    assert (kim["is_open"], kim["is_shown"]) == (False, True)
    await archive(works, scenario_id="the-first", asked=BY_ADA)
    await settle(authors.platform)
    assert await opened(authors) == [True, False]
    page = await authors.client.get("/admin/content/media/cover.png")
    assert "everybody, as ticked below" in page.text
    asset = await medium(works.open(), "cover.png")
    back = restored(deleted(asset, works.clock()), works.clock())
    assert back.is_open and not back.is_shown


async def test_what_an_older_release_opened_by_publishing_is_told_from_what_people_ticked(
    authors: Desk, tmp_path: Path
) -> None:
    works, shelf = authors.platform.works, authors.platform.media
    await send(authors, ("cover.png", picture()), ("kim.png", picture((30, 30))), ("free.png", picture((20, 20))))
    for media_id in ("kim.png", "free.png"):
        at = f"/admin/api/media/{media_id}"
        said = {"is_open": media_id == "kim.png", "title": "said"}
        assert (await authors.client.put(at, json=said, headers={"If-Match": "*"})).status_code == 200
    await brought(authors, tmp_path, "The first")
    # That release kept one field, and opening wrote into it what people's tick did.
    documents = apsw.Connection(str(authors.platform.settings.data / "documents.sqlite"))
    older = "json_remove(json_set(body, '$.isOpen', json('true')), '$.isShown')"
    documents.execute(f"UPDATE \"MediaAssets\" SET body = {older} WHERE id != 'free.png'")
    documents.close()
    for _ in range(2):
        await tell_who_opened(works, shelf)
        found = [await medium(works.open(), media_id) for media_id in ("cover.png", "kim.png", "free.png")]
        assert [(one.is_open, one.is_shown) for one in found] == [(False, True), (True, True), (False, False)]
    await archive(works, scenario_id="the-first", asked=BY_ADA)
    await settle(authors.platform)
    assert await opened(authors) == [False, True]


async def test_what_is_imported_at_a_terminal_is_in_the_audit(authors: Desk, tmp_path: Path) -> None:
    await brought(authors, tmp_path, "The first")
    kept = (await authors.platform.works.open().find(Command, equal("collection", "scenario"))).items
    told = [(one.verb, one.who, one.why) for one in kept if one.arguments == {"id": "the-first"}]
    assert sorted(told) == [("created", BY_ADA.by, BY_ADA.why), ("published as version 1", BY_ADA.by, BY_ADA.why)]


async def test_a_story_of_an_older_release_is_found_by_its_words(authors: Desk, tmp_path: Path) -> None:
    works = authors.platform.works
    await brought(authors, tmp_path, "The first")

    async def forget(work: Work) -> None:
        scenario = await work.get(Scenario, "the-first")
        assert scenario is not None
        work.save(scenario.evolve(words="", core_axes=(), session_length=None))

    async def found(sought: Sought) -> list[str]:
        return [one.story.id for one in (await library(works.open(), sought, None)).items]

    await works.run(forget)
    assert await found(Sought(words="two doors ending")) == []
    assert (await complete_old_stories(works), await complete_old_stories(works)) == (1, 0)
    assert await found(Sought(words="two doors ending", axis="courage")) == ["the-first"]


async def test_a_check_asks_the_library_only_for_what_the_story_names(authors: Desk, tmp_path: Path) -> None:
    await send(authors, ("cover.png", picture()), ("other.png", picture((9, 9))))
    text = GOOD.replace("characters:", "image: cover.png\ncharacters:")
    text = text.replace("name: Kim\n", "name: Kim\n    image: k.png\n")
    (tmp_path / "a.yaml").write_text(text)
    works = authors.platform.works
    options = {"publish": False, "add_vocabulary": True}
    (result,) = await import_files(works, authors.platform.readers, [tmp_path / "a.yaml"], **options)
    assert [(one.code, one.path) for one in result.checked.findings] == [("media_not_uploaded", "characters[0].image")]
    assert await those_there(works.open(), {"cover.png", "k.png"}) == {"cover.png"}
    scenario = await works.open().get(Scenario, "a-small-story")
    assert scenario is not None
    checked = await checked_document(works.open(), document(scenario.content))
    assert [one.code for one in checked.findings] == ["media_not_uploaded"]
