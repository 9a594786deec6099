"""Staff makes, publishes and archives bundles and gives money back, on the pages of the administration."""

import re

import pytest

from mystira.content.bundles.model import ContentBundle
from mystira.content.purchases.actions import place_order, take_notice
from mystira.content.purchases.model import Notice
from tests.content.conftest import authors as authors
from tests.operations.conftest import Desk
from tests.operations.conftest import desk as desk

pytestmark = pytest.mark.anyio

BASE = "/admin/content/bundles"


async def version(desk: Desk, path: str) -> str:
    shown = (await desk.client.get(path)).text
    found = re.search(r'name="version" value="([0-9]+)"', shown)
    assert found, shown
    return found[1]


async def make(desk: Desk, **changes: str) -> None:
    form = {"title": "Quiet nights", "stories": "the-kitchen-that-remembered", "amount": "2,50", "currency": "EUR"}
    answer = await desk.client.post(f"{BASE}/new", data=form | changes)
    assert (answer.status_code, answer.headers.get("location")) == (303, f"{BASE}/quiet-nights"), answer.text


async def test_a_bundle_is_made_published_and_archived(authors: Desk) -> None:
    assert "First evenings" in (await authors.client.get(BASE)).text
    assert (await authors.client.get(f"{BASE}/new")).status_code == 200
    await make(authors)
    at = f"{BASE}/quiet-nights"
    for state in ("published", "archived"):
        form = {"step": state, "version": await version(authors, at), "why": "time"}
        assert (await authors.client.post(f"{at}/steps", data=form)).status_code == 303
        bundle = await authors.platform.works.open().get(ContentBundle, "quiet-nights")
        assert bundle is not None and bundle.state == state and bundle.price is not None
        assert bundle.price.amount_minor == 250
    assert "Quiet nights" in (await authors.client.get(f"{BASE}?state=archived&search=Quiet")).text


async def test_a_stale_form_says_so_and_keeps_every_word(authors: Desk) -> None:
    await make(authors)
    at = f"{BASE}/quiet-nights"
    seen = await version(authors, at)
    form = {"title": "Mine", "stories": "the-kitchen-that-remembered", "version": seen}
    assert (await authors.client.post(at, data=form | {"title": "Theirs"})).status_code == 303
    stale = await authors.client.post(at, data=form | {"description": "typed with care"})
    assert stale.status_code == 412
    assert "Theirs" in stale.text and "typed with care" in stale.text and 'value="Mine"' in stale.text


@pytest.mark.parametrize(
    "changes, word",
    [
        ({"stories": "nothing"}, "There is no story nothing"),
        ({"amount": "much"}, "Write the price like 4.99"),
        ({"title": " "}, "Write a title"),
        ({"title": "First evenings"}, "There is a bundle first-evenings already"),
    ],
)
async def test_what_cannot_be_saved_says_what_to_write(authors: Desk, changes: dict[str, str], word: str) -> None:
    form = {"title": "Quiet nights", "stories": "the-kitchen-that-remembered", "amount": "1"} | changes
    answer = await authors.client.post(f"{BASE}/new", data=form)
    assert answer.status_code in (409, 422) and word in answer.text


async def test_only_an_administrator_refunds_and_what_was_ordered_stays(authors: Desk) -> None:
    works = authors.platform.works
    placed = await works.run(place_order, account_id="sample-family", bundle_id="winter-and-water", gateway="sandbox")
    about = {"account_id": "sample-family", "purchase_id": placed.id}
    notice = Notice(**about, news="paid", at=works.clock(), amount_minor=499, currency="EUR")
    await works.run(take_notice, notice=notice)
    at = f"/admin/content/purchases/sample-family/{placed.id}"
    assert "Winter and water" in (await authors.client.get("/admin/content/purchases?state=paid")).text
    assert (await authors.client.post(at, data={"version": "1", "why": "no"})).status_code == 403
    await authors.sign_in("ada")
    form = {"step": "deleted", "version": await version(authors, f"{BASE}/winter-and-water"), "why": "old"}
    kept = await authors.client.post(f"{BASE}/winter-and-water/steps", data=form)
    assert kept.status_code == 409 and "Archive it" in kept.text
    late = await authors.client.post(at, data={"version": "1", "why": "bought twice over"})
    assert late.status_code == 412 and 'value="bought twice over"' in late.text, "what was written is lost"
    asked = {"version": await version(authors, at), "why": "a mistake"}
    assert (await authors.client.post(at, data=asked)).status_code == 303
    assert "refunded" in (await authors.client.get(at)).text
