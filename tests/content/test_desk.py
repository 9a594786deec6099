"""The desk: every kind over the Admin API and on its pages, on a whole platform."""

from pathlib import Path
from typing import Any

import pytest

from mystira.accounts.actions import add_profile
from mystira.accounts.model import UserProfile
from mystira.content.desk.actions import By
from mystira.content.desk.commands import add_definitions, export_sheets, import_sheets
from mystira.content.desk.http import shapes_of
from mystira.content.desk.model.kinds import KINDS, Kind
from mystira.polyglot.work import Work
from mystira.run import SAMPLE_CONTENT
from tests.operations.conftest import Desk, desk

__all__ = ["desk"]
pytestmark = pytest.mark.anyio
API, PAGE = "/admin/api", "/admin/content"
NEW = {"If-None-Match": "*"}


@pytest.fixture
async def stocked(desk: Desk) -> Desk:
    """The desk with the master data that come with the program, and somebody signed in who may do everything."""
    await add_definitions(desk.platform.works, SAMPLE_CONTENT)
    await desk.sign_in("ada")
    return desk


async def add(desk: Desk, noun: str, id: str, **changes: Any) -> Any:
    return await desk.client.put(f"{API}/{noun}/{id}", json=KINDS[noun].example | changes, headers=NEW)


def id_of(kind: Kind) -> str:
    return kind.makes_id(kind.example)


async def test_every_kind_is_added_read_changed_and_deleted_by_its_version(stocked: Desk) -> None:
    for kind in KINDS.values():
        await added_changed_and_deleted(stocked, kind)


async def added_changed_and_deleted(stocked: Desk, kind: Kind) -> None:
    id = id_of(kind)
    at = f"{API}/{kind.noun}/{id}"
    if (await stocked.client.get(at)).status_code == 200:
        held = await stocked.client.get(at)
        gone = await stocked.client.delete(at, headers={"If-Match": held.headers["etag"]})
        assert gone.status_code == 204, gone.text
    if kind.noun == "badges":
        await _drop_ladder(stocked, "6-9-kindness")
    assert (await stocked.client.get(at)).status_code == 404
    assert (await stocked.client.put(at, json=kind.example)).status_code == 428
    made = await stocked.client.put(at, json=kind.example, headers=NEW)
    assert made.status_code == 201, made.text
    assert made.json() == {"id": id} | kind.example
    again = await stocked.client.put(at, json=kind.example, headers=NEW)
    assert again.status_code == 412 and again.json()["code"] == "there_already"
    read = await stocked.client.get(at)
    assert read.headers["etag"] == made.headers["etag"]
    changed = kind.example | ({"name": "Another name"} if kind.has_name else {})
    first, later = [
        await stocked.client.put(at, json=changed, headers={"If-Match": read.headers["etag"]}) for _ in "12"
    ]
    assert first.status_code == 200 and first.json() == {"id": id} | changed
    if kind.has_name:
        assert later.status_code == 412 and later.json()["code"] == "stale"
    listed = (await stocked.client.get(f"{API}/{kind.noun}?limit=200")).json()
    assert first.json() in listed["items"]
    stale = await stocked.client.delete(at, headers={"If-Match": '"987654"'})
    assert stale.status_code == 412
    gone = await stocked.client.delete(at, headers={"If-Match": first.headers["etag"]})
    assert gone.status_code == 204, gone.text
    assert (await stocked.client.get(at)).status_code == 404


async def _drop_ladder(desk: Desk, ladder: str) -> None:
    for tier in ("bronze", "silver", "gold", "platinum", "diamond"):
        await desk.client.delete(f"{API}/badges/{ladder}-{tier}", headers={"If-Match": "*"})


async def test_pages_of_a_list_neither_overlap_nor_leave_gaps(stocked: Desk) -> None:
    for query in ("", "&order=name", "&order=name&descending=true", "&age_group=6-9", "&search=COURAGE"):
        whole = (await stocked.client.get(f"{API}/badges?limit=200{query}")).json()["items"]
        seen: list[Any] = []
        after = ""
        while after is not None:
            answer = await stocked.client.get(f"{API}/badges?limit=7{query}&after={after}")
            assert answer.status_code == 200, answer.text
            seen += answer.json()["items"]
            after = answer.json()["after"]
        assert seen == whole and len(whole) > 7
    assert (await stocked.client.get(f"{API}/badges?after=nonsense")).json()["code"] == "page_unknown"
    assert (await stocked.client.get(f"{API}/badges?limit=0")).status_code == 400
    assert (await stocked.client.get(f"{API}/badges?order=tier")).status_code == 400


BREAKING: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("badges", "6-9-kindness-silver", {"threshold": 0.3}, "threshold"),
    ("badges", "6-9-kindness-silver", {"threshold": 1.6}, "threshold"),
    ("badges", "6-9-kindness-silver", {"axis": "courage"}, "axis"),
    ("badges", "6-9-kindness-silver", {"threshold": 0.80001}, "threshold"),
    ("badges", "6-9-kindness-silver", {"image": "nobody"}, "image"),
    ("age-groups", "6-9", {"maximum_age": 10}, "maximum_age"),
    ("age-groups", "6-9", {"minimum_age": 5}, "minimum_age"),
    ("age-groups", "6-9", {"minimum_age": 9, "maximum_age": 8}, "maximum_age"),
    ("compass-axes", "courage", {"name": "two\nlines"}, "name"),
)


async def test_what_breaks_a_rule_is_refused_at_its_field(stocked: Desk) -> None:
    for noun, id, changes, field in BREAKING:
        held = (await stocked.client.get(f"{API}/{noun}/{id}")).json()
        body = {name: value for name, value in held.items() if name != "id"} | changes
        refused = await stocked.client.put(f"{API}/{noun}/{id}", json=body, headers={"If-Match": "*"})
        assert refused.status_code == 422, refused.text
        assert f"$.{field}" in [error["path"] for error in refused.json()["errors"]]
        assert (await stocked.client.get(f"{API}/{noun}/{id}")).json() == held


async def test_a_definition_in_use_says_who_uses_it(stocked: Desk) -> None:
    refused = await stocked.client.delete(f"{API}/age-groups/6-9", headers={"If-Match": "*"})
    assert refused.status_code == 409 and refused.json()["code"] == "in_use"
    assert {"says": "the badge Wobbly Knees", "path": f"{PAGE}/badges/6-9-courage-bronze"} in refused.json()["uses"]


async def test_an_age_group_that_a_player_has_stays(stocked: Desk) -> None:
    await add(stocked, "age-groups", "0-0")
    details = {"name": "Kim", "age_group": "6-9", "avatar": "fox"}
    player = await stocked.platform.works.run(add_profile, account_id="a", **details)
    await stocked.platform.works.run(_becomes, player.id, "0-0")
    refused = await stocked.client.delete(f"{API}/age-groups/0-0", headers={"If-Match": "*"})
    assert refused.status_code == 409 and refused.json()["uses"][0]["says"] == "players of families"


async def _becomes(work: Work, profile_id: str, age_group: str) -> None:
    profile = await work.get(UserProfile, profile_id)
    assert profile is not None
    work.save(profile.evolve(age_group=age_group))


async def test_a_rename_keeps_the_id(stocked: Desk) -> None:
    renamed = await stocked.client.put(
        f"{API}/compass-axes/courage", json={"name": "Bravery"}, headers={"If-Match": "*"}
    )
    assert renamed.json() == {"id": "courage", "name": "Bravery", "description": ""}


async def test_roles_open_as_much_as_they_say(stocked: Desk) -> None:
    for name, statuses in (("vera", (200, 403, 403)), ("olga", (200, 201, 403)), ("ada", (200, 412, 204))):
        await stocked.sign_in(name)
        listed = await stocked.client.get(f"{API}/archetypes")
        added = await add(stocked, "archetypes", "mirror-wit")
        deleted = await stocked.client.delete(f"{API}/archetypes/mirror-wit", headers={"If-Match": "*"})
        assert (listed.status_code, added.status_code, deleted.status_code) == statuses, name


async def test_what_somebody_changed_stays_when_the_program_starts_again(stocked: Desk) -> None:
    await stocked.client.put(f"{API}/compass-axes/courage", json={"name": "Bravery"}, headers={"If-Match": "*"})
    await stocked.client.delete(f"{API}/fantasy-themes/small-magic", headers={"If-Match": "*"})
    await add_definitions(stocked.platform.works, SAMPLE_CONTENT)
    assert (await stocked.client.get(f"{API}/compass-axes/courage")).json()["name"] == "Bravery"
    assert (await stocked.client.get(f"{API}/fantasy-themes/small-magic")).status_code == 404


async def test_what_is_exported_imports_as_it_was(stocked: Desk, tmp_path: Path) -> None:
    for kind in KINDS.values():
        await exported_and_imported(stocked, kind, tmp_path)


async def exported_and_imported(stocked: Desk, kind: Kind, tmp_path: Path) -> None:
    file = (await stocked.client.get(f"{PAGE}/{kind.noun}/file")).text
    came = await stocked.client.post(f"{PAGE}/{kind.noun}/import", data={"text": file or "[]"})
    assert came.status_code == 200 and "0 added, 0 changed" in came.text
    assert [one.file async for one in export_sheets(stocked.platform.works, tmp_path, [kind.noun])]
    assert (tmp_path / kind.file).read_text() == file


async def test_a_file_with_anything_wrong_changes_nothing_and_says_all_of_it(stocked: Desk) -> None:
    text = (
        '- {id: fresh, name: "Fresh"}\n'
        "- {id: second}\n"
        '- {id: "Bad id", name: Third}\n'
        "- {id: fresh, name: Again, colour: red}\n"
    )
    came = await stocked.client.post(f"{PAGE}/archetypes/import", data={"text": text})
    assert came.status_code == 422 and "Nothing was imported. 4 things are wrong" in came.text
    assert "Write something." in came.text and "There is no such field" in came.text and "is there twice" in came.text
    assert (await stocked.client.get(f"{API}/archetypes/fresh")).status_code == 404
    broken = await stocked.client.post(f"{PAGE}/archetypes/import", data={"text": "- {id: ["})
    assert broken.status_code == 422 and "cannot be parsed" in broken.text
    low = "- {age_group: '6-9', axis: kindness, tier: silver, name: Low, threshold: 0.1}\n"
    falls = await stocked.client.post(f"{PAGE}/badges/import", data={"text": low})
    assert falls.status_code == 422 and "Each threshold must be above" in falls.text


async def test_a_stale_form_says_so_and_loses_no_word(stocked: Desk) -> None:
    shown = (await stocked.client.get(f"{PAGE}/archetypes/hero")).text
    version = shown.partition('name="version" value="')[2].partition('"')[0]
    await stocked.client.put(f"{API}/archetypes/hero", json={"name": "Champion"}, headers={"If-Match": "*"})
    typed = {"version": version, "why": "nicer", "value.name": "Heroine", "value.description": "Steps up."}
    stale = await stocked.client.post(f"{PAGE}/archetypes/hero", data=typed)
    assert stale.status_code == 412
    for text in ("Heroine", "Steps up.", "Kept now: Champion", "Kept now: (empty)", 'value="nicer"', "Save mine"):
        assert text in stale.text, text
    newer = stale.text.partition('name="version" value="')[2].partition('"')[0]
    saved = await stocked.client.post(f"{PAGE}/archetypes/hero", data=typed | {"version": newer})
    assert saved.status_code == 303
    assert (await stocked.client.get(f"{API}/archetypes/hero")).json()["name"] == "Heroine"


async def test_a_wrong_form_keeps_what_was_typed_and_says_what_to_do_at_each_field(stocked: Desk) -> None:
    typed = {"value.name": "", "value.age_group": "6-9", "value.axis": "kindness", "value.threshold": "much"}
    wrong = await stocked.client.post(f"{PAGE}/badges/new", data=typed)
    assert wrong.status_code == 422 and 'value="much"' in wrong.text
    assert "Write a number, for example 0.3." in wrong.text and "Choose one." in wrong.text
    made = await stocked.client.post(
        f"{PAGE}/echo-types/new", data={"value.name": "Ein Geräusch", "value.description": ""}
    )
    assert made.status_code == 303
    assert (await stocked.client.get(f"{API}/echo-types/ein-gerausch")).json()["name"] == "Ein Geräusch"


async def test_every_kind_has_its_pages(stocked: Desk) -> None:
    for kind in KINDS.values():
        await has_its_pages(stocked, kind)


async def has_its_pages(stocked: Desk, kind: Kind) -> None:
    shown = await stocked.client.get(f"{PAGE}/{kind.noun}")
    assert shown.status_code == 200 and kind.many in shown.text
    assert (await stocked.client.get(f"{PAGE}/{kind.noun}/new")).status_code == 200
    assert (await stocked.client.get(f"{PAGE}/{kind.noun}/import")).status_code == 200
    if not kind.only:
        assert (await stocked.client.get(f"{PAGE}/{kind.noun}/nobody")).status_code == 404


async def test_the_desk_tells_how_the_catalogue_stands(stocked: Desk) -> None:
    shown = (await stocked.client.get(PAGE)).text
    assert "To see to" in shown and all(kind.many in shown for kind in KINDS.values())
    assert (await stocked.client.get(f"{PAGE}/nonsense")).status_code == 404


async def test_players_read_it_and_keep_it_for_an_hour(stocked: Desk) -> None:
    for kind in KINDS.values():
        first = await stocked.client.get(f"/api/v1/{kind.noun}")
        assert first.status_code == 200 and first.headers["cache-control"] == "public, max-age=3600"
        known = {"If-None-Match": first.headers["etag"]}
        assert (await stocked.client.get(f"/api/v1/{kind.noun}", headers=known)).status_code == 304
        assert set(first.json()) == {"items", "after"}
    one = await stocked.client.get("/api/v1/badges/6-9-kindness-silver")
    assert one.json()["threshold"] == 0.8


def test_every_example_is_right() -> None:
    for kind in KINDS.values():
        assert shapes_of(kind.noun).written.__struct_fields__ == tuple(field.name for field in kind.fields)


async def test_a_folder_of_files_goes_out_and_comes_in_again(stocked: Desk, tmp_path: Path) -> None:
    works = stocked.platform.works
    told = {one.file: one.count async for one in export_sheets(works, tmp_path, ())}
    assert len(told) == len(KINDS) and told[str(tmp_path / "badges/badges.yaml")] == 95
    sheet = tmp_path / "vocabulary/axes.yaml"
    sheet.write_text(sheet.read_text().replace('name: "Courage"', 'name: "Bravery"'))
    (tmp_path / "vocabulary/archetypes.yaml").write_text("- {id: hero}\n")
    came = {Path(one.file).name: one for one in await import_sheets(works, tmp_path, By("tess"))}
    assert (came["axes.yaml"].changed, came["axes.yaml"].same) == (1, 7)
    assert came["archetypes.yaml"].found[0].message == "name: Write something."
    assert (await stocked.client.get(f"{API}/compass-axes/courage")).json()["name"] == "Bravery"
    assert (await stocked.client.get(f"{API}/archetypes/hero")).json()["name"] == "Hero"
