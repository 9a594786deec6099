"""Bundles and purchases over the Admin API: lists by cursor, versions named at every write, refunds by admins alone."""

from typing import Any

import pytest

from mystira.content.bundles.actions import create_bundle
from mystira.content.bundles.model import BundleDetails
from mystira.content.purchases.actions import place_order, take_notice
from mystira.content.purchases.model import Notice, Purchase
from mystira.operations.views import commands
from mystira.services.worker import settle
from tests.content.conftest import authors as authors
from tests.operations.conftest import Desk
from tests.operations.conftest import desk as desk

pytestmark = pytest.mark.anyio

API = "/admin/api/bundles"
ONE = f"{API}/quiet-nights"
BODY: dict[str, Any] = {
    "title": "Quiet nights",
    "scenario_ids": ["the-kitchen-that-remembered"],
    "price": {"amount_minor": 250, "currency": "EUR"},
    "why": "autumn",
}
NEW = {"If-None-Match": "*"}


async def paid(desk: Desk, bundle_id: str = "winter-and-water") -> Purchase:
    works = desk.platform.works
    placed = await works.run(place_order, account_id="sample-family", bundle_id=bundle_id, gateway="sandbox")
    about = {"account_id": "sample-family", "purchase_id": placed.id}
    notice = Notice(**about, news="paid", at=works.clock(), amount_minor=499, currency="EUR")
    return await works.run(take_notice, notice=notice)


async def test_a_bundle_is_made_changed_offered_and_withdrawn_by_those_who_name_its_version(authors: Desk) -> None:
    client = authors.client
    assert (await client.put(ONE, json=BODY)).status_code == 428
    made = await client.put(ONE, json=BODY, headers=NEW)
    assert (made.status_code, made.json()["state"]) == (201, "draft"), made.text
    assert made.json()["price"] == {"amount_minor": 250, "currency": "EUR"}
    twice = await client.put(ONE, json=BODY, headers=NEW)
    assert (twice.status_code, twice.json()["code"]) == (409, "bundle_exists")
    seen = {"If-Match": made.headers["etag"]}
    assert (await client.get(ONE)).headers["etag"] == made.headers["etag"]
    changed = await client.put(ONE, json=BODY | {"description": "Two."}, headers=seen)
    assert changed.status_code == 200 and changed.json()["description"] == "Two."
    stale = await client.put(ONE, json=BODY, headers=seen)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    seen = {"If-Match": changed.headers["etag"]}
    for step, state in (("publish", "published"), ("archive", "archived")):
        moved = await client.post(f"{ONE}/steps/{step}", json={"why": "time"}, headers=seen)
        assert (moved.status_code, moved.json()["state"]) == (200, state), moved.text
        seen = {"If-Match": moved.headers["etag"]}
    wrong = await client.post(f"{ONE}/steps/burn", json={}, headers=seen)
    assert (wrong.status_code, wrong.json()["code"]) == (404, "step_unknown")
    await settle(authors.platform)
    kept = (await commands(authors.platform.works.open(), collection="bundle")).items
    told = [(one.verb, one.who, one.why) for one in kept if one.arguments == {"id": "quiet-nights"}]
    assert sorted(told) == [
        ("archived", "olga", "time"),
        ("changed", "olga", "autumn"),
        ("created", "olga", "autumn"),
        ("published", "olga", "time"),
    ]


@pytest.mark.parametrize(
    "changes, status, code",
    [
        ({"scenario_ids": ["nobody"]}, 422, "stories_missing"),
        ({"title": " "}, 422, "bundle_invalid"),
        ({"price": {"amount_minor": 0, "currency": "EUR"}}, 422, "bundle_invalid"),
        ({"price": {"amount_minor": 5, "currency": "EUR", "tax": 1}}, 400, "body_invalid"),
        ({"age_group": "dragons"}, 422, "bundle_invalid"),
        ({"colour": "red"}, 400, "body_invalid"),
    ],
)
async def test_a_bundle_with_anything_wrong_is_not_made(
    authors: Desk, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = await authors.client.put(ONE, json=BODY | changes, headers=NEW)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert (await authors.client.get(ONE)).status_code == 404


async def test_bundles_are_listed_by_cursor_searched_narrowed_and_sorted(authors: Desk) -> None:
    works = authors.platform.works
    for number in range(5):
        about = BundleDetails(title=f"Tale {number}")
        await works.run(create_bundle, bundle_id=f"tale-{number}", details=about, by="olga")
    for asked, ids in (
        ({"state": "draft"}, [f"tale-{number}" for number in range(5)]),
        ({"state": "draft", "order": "changed_at"}, [f"tale-{number}" for number in (4, 3, 2, 1, 0)]),
    ):
        found, after = list[str](), ""
        while True:
            answer = await authors.client.get(API, params={**asked, "limit": 2, "after": after})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += [one["id"] for one in page["items"]]
            if page["after"] is None:
                break
            after = page["after"]
        assert found == ids
    searched = (await authors.client.get(API, params={"search": "Winter"})).json()["items"]
    assert [one["id"] for one in searched] == ["winter-and-water"]
    assert (await authors.client.get(API, params={"order": "price"})).status_code == 400
    assert (await authors.client.get(API, params={"after": "nonsense"})).json()["code"] == "page_unknown"


async def test_only_an_administrator_deletes_a_bundle_and_none_that_was_ordered(authors: Desk) -> None:
    await authors.client.put(ONE, json=BODY, headers=NEW)
    seen = {"If-Match": "*"}
    assert (await authors.client.delete(ONE, headers=seen)).json()["code"] == "role_too_low"
    await paid(authors)
    await authors.sign_in("ada")
    kept = await authors.client.delete(f"{API}/winter-and-water", headers=seen)
    assert (kept.status_code, kept.json()["code"]) == (409, "bundle_bought")
    assert (await authors.client.delete(ONE)).status_code == 428
    assert (await authors.client.delete(ONE, params={"why": "over"}, headers=seen)).status_code == 204
    assert (await authors.client.get(ONE)).json()["code"] == "bundle_not_found"


async def test_purchases_are_listed_shown_and_refunded_once_by_an_administrator(authors: Desk) -> None:
    client = authors.client
    assert (await client.get("/admin/api/purchases")).json() == {"items": [], "after": None}
    bought = await paid(authors)
    for asked in ({"state": "paid"}, {"search": "winter-and-water"}, {"search": bought.id, "order": "oldest"}):
        listed = (await client.get("/admin/api/purchases", params=asked)).json()["items"]
        assert [one["id"] for one in listed] == [bought.id], asked
    assert (await client.get("/admin/api/purchases", params={"state": "refunded"})).json()["items"] == []
    at = f"/admin/api/purchases/sample-family/{bought.id}"
    shown = await client.get(at)
    assert (shown.json()["state"], shown.json()["amount_minor"]) == ("paid", 499)
    seen, why = {"If-Match": shown.headers["etag"]}, {"why": "a mistake"}
    assert (await client.post(f"{at}/refund", json=why, headers=seen)).json()["code"] == "role_too_low"
    await authors.sign_in("ada")
    assert (await client.post(f"{at}/refund", json=why)).status_code == 428
    assert (await client.post(f"{at}/refund", json={}, headers=seen)).status_code == 400
    done = await client.post(f"{at}/refund", json=why, headers=seen)
    assert (done.status_code, done.json()["state"]) == (200, "refunded"), done.text
    stale = await client.post(f"{at}/refund", json=why, headers=seen)
    assert (stale.status_code, stale.json()["code"]) == (412, "stale")
    again = await client.post(f"{at}/refund", json=why, headers={"If-Match": done.headers["etag"]})
    assert (again.status_code, again.json()["code"]) == (409, "not_refundable")
    nobody = await client.get(f"/admin/api/purchases/another-family/{bought.id}")
    assert (nobody.status_code, nobody.json()["code"]) == (404, "purchase_not_found")
