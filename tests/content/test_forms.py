"""No form of the content's pages loses a word: overtaken, refused, or about what was deleted meanwhile."""

import re

import pytest
from httpx import Response

from tests.content.conftest import authors as authors
from tests.content.media.files import picture
from tests.content.media.test_library import send
from tests.operations.conftest import Desk
from tests.operations.conftest import desk as desk

pytestmark = pytest.mark.anyio

CONTENT, API = "/admin/content", "/admin/api"
WHY = "thought about it"


@pytest.fixture
async def ada(authors: Desk) -> Desk:
    await authors.sign_in("ada")
    return authors


def version_in(shown: Response) -> str:
    found = re.search(r'name="version" value="([0-9]+)"', shown.text)
    assert found, shown.text
    return found[1]


async def overtaken(ada: Desk, at: str, form: dict[str, str], rival: dict[str, str]) -> Response:
    """Send a form after a rival has sent the same page's other one."""
    seen = version_in(await ada.client.get(at))
    assert (await ada.client.post(at, data=rival | {"version": seen})).status_code == 303
    to = form.pop("to", at)
    return await ada.client.post(to, data=form | {"version": seen})


async def test_why_something_goes_stays_when_somebody_else_was_faster(ada: Desk) -> None:
    await send(ada, ("lamp.png", picture()))
    bundle, medium, hero = f"{CONTENT}/bundles/odd", f"{CONTENT}/media/lamp.png", f"{CONTENT}/archetypes/odd"
    await ada.client.put(f"{API}/bundles/odd", json={"title": "Odd"}, headers={"If-None-Match": "*"})
    await ada.client.put(f"{API}/archetypes/odd", json={"name": "Odd"}, headers={"If-None-Match": "*"})
    for at, form, rival in (
        (bundle, {"to": f"{bundle}/steps", "step": "published"}, {"title": "Evenings"}),
        (bundle, {"to": f"{bundle}/steps", "step": "deleted"}, {"title": "Nights"}),
        (medium, {"to": f"{medium}/delete"}, {"title": "A lamp"}),
        (hero, {"to": f"{hero}/delete"}, {"value.name": "Odder", "value.description": ""}),
    ):
        stale = await overtaken(ada, at, form | {"why": WHY}, rival)
        assert (stale.status_code, at) == (412, at), stale.text
        assert f'value="{WHY}"' in stale.text and "Somebody has changed this" in stale.text, at


async def test_what_was_written_about_something_that_is_gone_can_be_added_anew(ada: Desk) -> None:
    await ada.client.put(f"{API}/archetypes/odd", json={"name": "Odd"}, headers={"If-None-Match": "*"})
    await ada.client.put(f"{API}/bundles/odd", json={"title": "Odd"}, headers={"If-None-Match": "*"})
    for noun, typed, kept in (
        ("archetypes", {"value.name": "Odder", "value.description": "Long thoughts."}, "Long thoughts."),
        ("bundles", {"title": "Odder", "description": "Long thoughts."}, "Long thoughts."),
    ):
        at = f"{CONTENT}/{noun}/odd"
        seen = version_in(await ada.client.get(at))
        assert (await ada.client.delete(f"{API}/{noun}/odd", headers={"If-Match": "*"})).status_code == 204
        late = await ada.client.post(at, data=typed | {"version": seen, "why": WHY})
        assert late.status_code == 404 and kept in late.text and WHY in late.text, noun
        assert f'action="{CONTENT}/{noun}/new"' in late.text, noun
        assert (await ada.client.post(f"{CONTENT}/{noun}/new", data=typed)).status_code == 303
        assert (await ada.client.get(f"{API}/{noun}/odder")).status_code == 200


async def test_what_was_written_in_a_story_that_is_gone_can_be_added_anew(ada: Desk) -> None:
    made = {"title": "The Lost Bell", "description": "A bell calls.", "core_axes": "courage"}
    at, text = f"{CONTENT}/scenarios/the-lost-bell", "Dong, it goes, and dong again."
    assert (await ada.client.post(f"{CONTENT}/new-scenario", data=made)).status_code == 303
    whole = (await ada.client.get(f"{at}/file")).text
    seen = version_in(await ada.client.get(at))
    gone = await ada.client.post(f"{at}/delete", data={"version": seen, "why": WHY})
    assert gone.status_code == 303
    for form, typed in (
        ("about", {"title": "The Bell", "description": text}),
        ("characters", {"character.0.id": "bell", "character.0.name": "Bell", "character.0.backstory": text}),
        ("scene", {"was": "start", "id": "start", "title": "Dong", "type": "narrative", "description": text}),
        ("text", {"text": whole.replace("A bell calls.", text)}),
    ):
        late = await ada.client.post(f"{at}/{form}", data=typed | {"version": seen})
        assert late.status_code == 404 and text in late.text, form
        assert "Somebody has deleted the story" in late.text and f'action="{at}/text"' in late.text, form
    for form, typed in (("steps/submit", {}), ("delete", {})):
        late = await ada.client.post(f"{at}/{form}", data=typed | {"version": seen, "why": WHY})
        assert late.status_code == 404 and WHY in late.text, form
    added = await ada.client.get(f"{API}/scenarios/the-lost-bell")
    assert added.status_code == 404
    wrong = await ada.client.post(f"{at}/text", data={"text": f"title: Bell\n# {text}\n", "version": ""})
    assert wrong.status_code == 404 and text in wrong.text and "mend this" in wrong.text
    anew = {"text": whole.replace("A bell calls.", text), "version": ""}
    assert (await ada.client.post(f"{at}/text", data=anew)).status_code == 303
    assert (await ada.client.get(f"{API}/scenarios/the-lost-bell")).status_code == 200
    rival = await ada.client.post(f"{at}/text", data={"text": whole, "version": ""})
    assert rival.status_code == 412 and "Somebody has changed this story" in rival.text
    assert text in (await ada.client.get(f"{at}/file")).text


async def test_what_is_refused_stays_as_it_was_typed(ada: Desk) -> None:
    taken = {"title": "The Moss Bridge", "description": "Another bridge, of moss.", "core_axes": "courage"}
    refused = await ada.client.post(f"{CONTENT}/new-scenario", data=taken)
    assert refused.status_code == 409 and "There is a story the-moss-bridge already." in refused.text
    assert taken["description"] in refused.text and 'value="courage" checked' in refused.text
    await send(ada, ("lamp.png", picture()))
    at = f"{CONTENT}/media/lamp.png"
    typed = {"title": "A lamp", "tags": ",".join(f"tag{number}" for number in range(40)), "why": WHY}
    wrong = await ada.client.post(at, data=typed | {"version": version_in(await ada.client.get(at))})
    assert wrong.status_code == 400 and typed["tags"] in wrong.text and f'value="{WHY}"' in wrong.text
    sheet = await ada.client.post(f"{CONTENT}/archetypes/import", data={"text": "- {id: x}\n", "why": WHY})
    assert sheet.status_code == 422 and "- {id: x}" in sheet.text and f'value="{WHY}"' in sheet.text
    ticked = {"publish": "1", "add_vocabulary": "1", "why": WHY, "key": "k"}
    empty = await ada.client.post(f"{CONTENT}/imports", data=ticked, files={"other": ("", b"")})
    assert empty.status_code == 422 and f'value="{WHY}"' in empty.text
    assert empty.text.count('value="1" checked') == 2
