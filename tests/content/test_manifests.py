"""Bundles as archives: made from a manifest with every finding at its place, and out again as the same bundle."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from mystira.content.bundles.actions import change_bundle
from mystira.content.bundles.manifests.commands import export_bundle
from mystira.content.bundles.model import BundleDetails, ContentBundle, Price
from mystira.content.imports import actions, views
from mystira.content.media.actions.assets import medium, users_of
from mystira.content.scenarios.model.scenario import Scenario
from mystira.operations.views import commands
from mystira.services.worker import settle
from mystira.web.versions import ANY
from tests.content.media.files import picture
from tests.content.test_bundles_of_files import API, BAD, archive, outcome, runner, sent
from tests.content.test_checking import GOOD
from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio

OTHER = GOOD.replace("A small story", "Another story")
MANIFEST: dict[str, Any] = {
    "title": "Small tales",
    "description": "Two of them.",
    "cover": "cover.png",
    "age_group": "school",
    "price": {"amount_minor": 350, "currency": "eur"},
    "stories": ["scenarios/other.yaml", "the-clockwork-orchard", "scenarios/good.yaml"],
}
DETAILS = BundleDetails(
    title="Small tales",
    description="Two of them.",
    image="cover.png",
    age_group="6-9",
    price=Price(amount_minor=350, currency="EUR"),
    scenario_ids=("another-story", "the-clockwork-orchard", "a-small-story"),
)


def files(**changes: Any) -> dict[str, str | bytes]:
    return {
        "tales/bundle.yaml": yaml.safe_dump(MANIFEST | changes, sort_keys=False),
        "tales/scenarios/good.yaml": GOOD,
        "tales/scenarios/other.yaml": OTHER,
        "tales/media/cover.png": picture(),
    }


async def brought(
    desk: Desk, body: bytes, name: str = "tales.zip", **query: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Import an archive; return the import, and what became of its manifest."""
    job = await sent(desk, body, name=name, **query)
    assert await runner(desk).step() == 1
    listed = (await desk.client.get(f"{API}/{job['id']}/files")).json()["items"]
    return await outcome(desk, job), next(one for one in listed if one["kind"] == "manifest")


async def bundle(desk: Desk, id: str = "small-tales") -> ContentBundle | None:
    return await desk.platform.works.open().get(ContentBundle, id)


def details_of(made: ContentBundle | None) -> BundleDetails:
    assert made is not None
    return BundleDetails(**{name: getattr(made, name) for name in BundleDetails.__struct_fields__})


async def test_a_manifest_makes_a_bundle_of_the_stories_that_came_with_it_and_of_others(authors: Desk) -> None:
    told, manifest = await brought(authors, archive(**files()), publish="true", why="spring")
    assert (manifest["outcome"], manifest["findings"]) == ("imported", []), manifest
    assert told["bundle_id"] == "small-tales"
    made = await bundle(authors)
    assert details_of(made) == DETAILS and made is not None and made.state == "published"
    await settle(authors.platform)
    work = authors.platform.works.open()
    (kept,) = [
        one for one in (await commands(work, collection="bundle")).items if one.arguments == {"id": "small-tales"}
    ]
    assert (kept.who, kept.verb, kept.why) == ("olga", "created", "spring")
    # What a bundle on the shelf shows is open to everybody, and nobody deletes it.
    cover = await medium(work, "cover.png")
    assert (
        cover.is_shown
        and cover.is_for_all
        and [use.title for use in await users_of(work, "cover.png")] == ["Small tales"]
    )
    page = (await authors.client.get(f"/admin/content/imports/{told['id']}")).text
    assert 'href="/admin/content/bundles/small-tales"' in page


async def test_the_same_archive_again_changes_nothing_and_another_one_changes_the_bundle(authors: Desk) -> None:
    await brought(authors, archive(**files()))
    first = await bundle(authors)
    assert first is not None and first.state == "draft"
    _, manifest = await brought(authors, archive(**files()))
    assert manifest["outcome"] == "unchanged" and await bundle(authors) == first
    _, manifest = await brought(authors, archive(**files(title="Tales", id="small-tales", price=None)))
    assert manifest["outcome"] == "imported", manifest
    changed = await bundle(authors)
    assert changed is not None and (changed.title, changed.price, changed.state) == ("Tales", None, "draft")


async def test_everything_wrong_with_a_manifest_is_told_at_its_line_and_no_bundle_is_made(authors: Desk) -> None:
    text = "\n".join(
        (
            "title: Сказки",
            "colour: red",
            "age_group: dragons",
            "cover: nowhere.png",
            "price: {amount_minor: 0, currency: XYZ}",
            "stories: the-clockwork-orchard",
        )
    )
    told, manifest = await brought(authors, archive(**{"manifest.yml": text, "scenarios/good.yaml": GOOD}))
    found = {one["code"]: (one["path"], one["line"], one["severity"]) for one in manifest["findings"]}
    assert manifest["outcome"] == "refused" and found == {
        "id_missing": ("", 1, "error"),
        "unknown_field": ("colour", 2, "error"),
        "unknown_word": ("age_group", 3, "error"),
        "media_not_uploaded": ("cover", 4, "warning"),
        "out_of_range": ("price.amount_minor", 5, "error"),
        "unknown_value": ("price.currency", 5, "error"),
        "wrong_type": ("stories", 6, "error"),
    }
    assert (told["state"], told["imported"], told["refused"], told["bundle_id"]) == ("done", 1, 1, None)


async def test_stories_that_are_not_there_were_refused_or_are_named_twice_are_told_at_their_line(
    authors: Desk,
) -> None:
    stories = ["no-such-story", "scenarios/bad.yaml", "scenarios/lost.yaml", "scenarios/good.yaml", "a-small-story"]
    body = files(stories=stories) | {"tales/scenarios/bad.yaml": BAD}
    _, manifest = await brought(authors, archive(**body))
    assert manifest["outcome"] == "refused"
    assert [(one["code"], one["path"]) for one in manifest["findings"]] == [
        ("unknown_story", "stories[0]"),
        ("story_refused", "stories[1]"),
        ("no_file", "stories[2]"),
        ("same_story_twice", "stories[4]"),
    ]
    lines = [one["line"] for one in manifest["findings"]]
    assert [yaml.safe_dump(MANIFEST | {"stories": stories}, sort_keys=False).splitlines()[at - 1] for at in lines] == [
        f"- {stories[at]}" for at in (0, 1, 2, 4)
    ]
    assert await bundle(authors) is None


async def test_a_story_that_players_cannot_see_keeps_a_bundle_from_being_published(authors: Desk) -> None:
    await sent(authors, OTHER.encode(), name="other.yaml")
    assert await runner(authors).step() == 1
    text = yaml.safe_dump({"title": "One", "stories": ["the-clockwork-orchard", "another-story"]})
    _, manifest = await brought(authors, text.encode(), name="bundle.yaml", publish="true")
    found = [(one["code"], one["path"], one["line"]) for one in manifest["findings"]]
    assert found == [("stories_missing", "stories[1]", 3)] and await bundle(authors, "one") is None


async def test_a_manifest_by_itself_makes_a_bundle_of_stories_that_are_there(authors: Desk) -> None:
    text = yaml.safe_dump({"title": "One", "stories": ["the-clockwork-orchard"]})
    told, _ = await brought(authors, text.encode(), name="bundle.yaml", publish="true")
    assert told["bundle_id"] == "one"
    made = await bundle(authors, "one")
    assert made is not None and made.scenario_ids == ("the-clockwork-orchard",) and made.state == "published"


async def test_a_hostile_manifest_is_refused_in_its_process_apart(authors: Desk) -> None:
    for text, code in (("[" * 100_000, "too_deep"), ("title: !!python/object/apply:os.getcwd []\n", "tag")):
        _, manifest = await brought(authors, archive(**{"bundle.yaml": text, "scenarios/good.yaml": GOOD}))
        assert manifest["outcome"] == "refused" and [one["code"] for one in manifest["findings"]] == [code]


async def test_an_archive_with_two_manifests_makes_one_bundle(authors: Desk) -> None:
    second = {"more/bundle.yaml": yaml.safe_dump({"title": "More", "stories": ["the-clockwork-orchard"]})}
    job = await sent(authors, archive(**files(), **second), name="two.zip")
    assert await runner(authors).step() == 1
    listed = (await authors.client.get(f"{API}/{job['id']}/files", params={"outcome": "refused"})).json()["items"]
    assert [(one["name"], one["findings"][0]["code"]) for one in listed] == [("more/bundle.yaml", "second_manifest")]
    assert await bundle(authors) is not None and await bundle(authors, "more") is None


async def test_a_worker_that_dies_after_the_bundle_leaves_its_manifest_to_the_next_one(authors: Desk) -> None:
    job = await sent(authors, archive(**files()), name="tales.zip", publish="true")
    works = authors.platform.works
    run = works.run

    async def dying(action: Any, **given: Any) -> Any:
        """It dies with the bundle made and the manifest's own record not yet kept."""
        if action is actions.keep_file and given["file"].kind == "manifest":
            raise asyncio.CancelledError
        return await run(action, **given)

    # The work is the real one; only the moment of the death is chosen.
    works.run = dying  # type: ignore[method-assign]
    with pytest.raises(asyncio.CancelledError):
        await runner(authors, "dying").step()
    works.run = run  # type: ignore[method-assign]
    made = await bundle(authors)
    assert made is not None

    async def expire(work: Any) -> None:
        found = await views.import_of(work, job["id"])
        work.save(found.evolve(leased_until=work.now))

    await works.run(expire)
    assert await runner(authors, "next").step() == 1
    told = await outcome(authors, job)
    assert (told["state"], told["done"], told["imported"], told["bundle_id"]) == ("done", 4, 4, "small-tales")
    assert await bundle(authors) == made


async def test_a_bundle_that_was_exported_imports_to_the_same_bundle_stories_and_media(
    authors: Desk, tmp_path: Path
) -> None:
    await brought(authors, archive(**files()), publish="true")
    works, store = authors.platform.works, authors.platform.media.store
    target = tmp_path / "small-tales.zip"
    packed = await export_bundle(works, store, "small-tales", target)
    assert (packed.stories, packed.media, packed.missing) == (3, 1, ())
    before = await bundle(authors)
    stories = {id: await works.open().get(Scenario, id) for id in DETAILS.scenario_ids}

    told, manifest = await brought(authors, target.read_bytes(), publish="true")
    assert (manifest["outcome"], told["refused"]) == ("unchanged", 0), (manifest, told)
    assert await bundle(authors) == before
    assert {id: await works.open().get(Scenario, id) for id in DETAILS.scenario_ids} == stories

    # Whatever became of it meanwhile, the archive brings it back.
    changed = BundleDetails(title="Other", scenario_ids=("the-clockwork-orchard",))
    await works.run(change_bundle, bundle_id="small-tales", details=changed, seen=ANY, by="olga")
    _, manifest = await brought(authors, target.read_bytes(), publish="true")
    assert manifest["outcome"] == "imported" and details_of(await bundle(authors)) == DETAILS


async def test_the_same_bundle_is_exported_as_the_same_bytes_and_tells_what_is_missing(
    authors: Desk, tmp_path: Path
) -> None:
    await brought(authors, archive(**files(cover="lost.png")))
    works, store = authors.platform.works, authors.platform.media.store
    one, two = tmp_path / "one.zip", tmp_path / "two.zip"
    assert (await export_bundle(works, store, "small-tales", one)).missing == ("lost.png",)
    await export_bundle(works, store, "small-tales", two)
    assert one.read_bytes() == two.read_bytes()


async def test_a_bundle_is_downloaded_as_the_archive_that_makes_it_again(authors: Desk) -> None:
    works, store = authors.platform.works, authors.platform.media.store
    await brought(authors, archive(**files()))
    target = authors.platform.settings.data / "by-command.zip"
    await export_bundle(works, store, "small-tales", target)
    await authors.sign_in("vera")
    for at in ("/admin/api/bundles/small-tales/archive", "/admin/content/bundles/small-tales/archive"):
        sent = await authors.client.get(at)
        assert (sent.status_code, sent.headers["content-type"]) == (200, "application/zip"), sent.text
        assert sent.content == target.read_bytes() and sent.headers["cache-control"] == "no-store"
        assert 'filename="small-tales.zip"' in sent.headers["content-disposition"]
    assert list(authors.platform.media.scratch.iterdir()) == [], "nothing of it is left"
    assert (await authors.client.get("/admin/api/bundles/nothing/archive")).status_code == 404
    assert "bundles/small-tales/archive" in (await authors.client.get("/admin/content/bundles/small-tales")).text
