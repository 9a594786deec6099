"""Buying over HTTP with the sandbox: the parent's step, the gate, the library, receipts, what is refused."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from httpx import Response

from mystira.content.purchases.actions import take_notice
from mystira.content.purchases.jobs import expire_orders
from mystira.content.purchases.model import Notice, Purchase
from mystira.polyglot.query import equal
from tests.journeys.conftest import Running

pytestmark = pytest.mark.anyio

BUNDLE = "winter-and-water"
STORY = "the-last-letter-of-winter"
FREE = "the-moss-bridge"
TENS = {"twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16, "seventeen": 17, "eighteen": 18}
ONES = {"six": 6, "seven": 7, "eight": 8, "nine": 9}


async def order(running: Running, *, key: str = "", bundle_id: str = BUNDLE, **changes: Any) -> Response:
    body = {"bundle_id": bundle_id, "parent_confirms": True} | changes
    return await running.client.post("/api/v1/purchases", json=body, headers={"Idempotency-Key": key} if key else {})


async def take_the_parents_step(running: Running) -> None:
    shown = (await running.client.get(f"/bundles/{BUNDLE}/buy")).text
    if "For parents" not in shown:
        return
    ten, one = re.search(r"What is (\w+) times (\w+)\?", shown).groups()  # type: ignore[union-attr]
    seal = re.search(r'name="seal" value="([^"]+)"', shown)[1]  # type: ignore[index]
    answer = await running.client.post(
        f"/bundles/{BUNDLE}/parent", data={"seal": seal, "answer": str(TENS[ten] * ONES[one])}
    )
    assert answer.status_code == 303, answer.text


async def buy(running: Running, button: str = "pay") -> str:
    await take_the_parents_step(running)
    answer = await running.client.post(f"/bundles/{BUNDLE}/buy")
    at = answer.headers["location"]
    onward = (await running.client.get(f"{at}/pay")).headers["location"]
    pressed = await running.client.post(onward, data={"button": button})
    assert (pressed.status_code, pressed.headers["location"]) == (303, at), pressed.text
    return at.rpartition("/")[2]


async def start(running: Running, story: str = STORY, **changes: Any) -> Response:
    body = {
        "scenario_id": story,
        "owner_profile_id": "sample-tomas",
        "players": [{"profile_id": "sample-tomas"}],
        "parent_allows": True,
    }
    return await running.client.post("/api/v1/sessions", json=body | changes)


async def test_a_story_of_a_priced_bundle_is_played_only_after_it_is_bought(family: Running) -> None:
    refused = await start(family)
    assert (refused.status_code, refused.json()["code"], refused.json()["bundle_ids"]) == (
        403,
        "purchase_needed",
        [BUNDLE],
    )
    assert (await start(family, FREE)).status_code == 201
    purchase_id = await buy(family)
    begun = await start(family)
    assert begun.status_code == 201, begun.text
    shown = (await family.client.get(f"/api/v1/purchases/{purchase_id}")).json()
    assert (shown["state"], shown["amount_minor"], shown["currency"]) == ("paid", 499, "EUR")


async def test_nothing_costs_money_without_the_parents_step(family: Running) -> None:
    page = await family.client.get(f"/bundles/{BUNDLE}")
    assert f"/bundles/{BUNDLE}/buy" in page.text and f'action="/bundles/{BUNDLE}/buy"' not in page.text
    asked = await family.client.get(f"/bundles/{BUNDLE}/buy")
    assert "For parents" in asked.text and f'action="/bundles/{BUNDLE}/buy"' not in asked.text
    assert (await family.client.post(f"/bundles/{BUNDLE}/buy")).status_code == 403
    for seal in ("", "12.6.99999999999.forged", "x"):
        wrong = await family.client.post(f"/bundles/{BUNDLE}/parent", data={"seal": seal, "answer": "72"})
        assert wrong.status_code == 422 and "For parents" in wrong.text
    assert (await family.client.post(f"/bundles/{BUNDLE}/buy")).status_code == 403
    placed = await order(family)
    at = placed.json()["purchase"]["id"]
    assert (await family.client.get(f"/sandbox/{at}")).status_code == 403
    assert (await family.client.post(f"/sandbox/{at}", data={"button": "pay"})).status_code == 403
    without = await order(family, parent_confirms=False)
    assert (without.status_code, without.json()["code"]) == (403, "parent_needed")


async def test_the_parents_step_lasts_a_quarter_of_an_hour(family: Running) -> None:
    await take_the_parents_step(family)
    assert f'action="/bundles/{BUNDLE}/buy"' in (await family.client.get(f"/bundles/{BUNDLE}/buy")).text
    later = datetime.now(UTC) + timedelta(minutes=16)
    family.platform.works.clock = lambda: later
    assert "For parents" in (await family.client.get(f"/bundles/{BUNDLE}/buy")).text


async def test_whoever_guesses_is_stopped(family: Running) -> None:
    answers = [
        await family.client.post(f"/bundles/{BUNDLE}/parent", data={"seal": "x", "answer": str(number)})
        for number in range(13)
    ]
    assert [answer.status_code for answer in answers] == [422] * 12 + [429]


async def test_an_order_keeps_its_price_and_is_one_order_in_two_tabs(family: Running) -> None:
    first, second = await order(family), await order(family)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    keyed = [await order(family, key="k1") for _ in range(2)]
    assert keyed[0].json() == keyed[1].json() and keyed[0].json() != first.json()
    other = await order(family, key="k1", bundle_id="first-evenings")
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")


@pytest.mark.parametrize(
    "bundle_id, status, code", [("first-evenings", 409, "nothing_to_pay"), ("nothing", 404, "bundle_not_found")]
)
async def test_what_cannot_be_bought_says_why(family: Running, bundle_id: str, status: int, code: str) -> None:
    answer = await order(family, bundle_id=bundle_id)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_what_is_bought_is_not_sold_again(family: Running) -> None:
    await buy(family)
    answer = await order(family)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_bought")
    assert "Your family has this bundle" in (await family.client.get(f"/bundles/{BUNDLE}")).text


async def test_a_declined_payment_and_a_closed_page_sell_nothing(family: Running) -> None:
    declined = await buy(family, "decline")
    assert (await family.client.get(f"/api/v1/purchases/{declined}")).json()["state"] == "failed"
    closed = await buy(family, "close")
    assert closed != declined
    assert (await family.client.get(f"/api/v1/purchases/{closed}")).json()["state"] == "pending"
    assert (await start(family)).status_code == 403


async def test_an_order_that_nobody_pays_ends_and_a_late_payment_still_counts(family: Running) -> None:
    placed = (await order(family)).json()["purchase"]["id"]
    works = family.platform.works
    assert await expire_orders(works) == 0
    later = datetime.now(UTC) + timedelta(hours=25)
    works.clock = lambda: later
    assert (await expire_orders(works), await expire_orders(works)) == (1, 0)
    notice = Notice(
        account_id="sample-family", purchase_id=placed, news="paid", at=later, amount_minor=499, currency="EUR"
    )
    assert (await works.run(take_notice, notice=notice)).state == "paid"
    assert (await start(family)).status_code == 201


async def test_a_refund_ends_the_right_to_start_but_no_running_game(family: Running) -> None:
    purchase_id = await buy(family)
    game = (await start(family)).json()
    notice = Notice(account_id="sample-family", purchase_id=purchase_id, news="refunded", at=datetime.now(UTC))
    await family.platform.works.run(take_notice, notice=notice)
    again = await start(family)
    assert again.status_code == 201 and again.json()["session_id"] == game["session_id"]
    move = {"scene_id": game["scene"]["id"], "choice": game["scene"]["choices"][0]["id"], "key": "k"}
    moved = await family.client.post(f"/api/v1/sessions/{game['session_id']}/moves", json=move)
    assert moved.status_code == 200, moved.text
    fresh = await start(family, restart=True)
    assert (fresh.status_code, fresh.json()["code"]) == (403, "purchase_needed")
    assert (await start(family)).json()["session_id"] == game["session_id"]


async def test_the_library_is_narrowed_by_everything_at_once(family: Running) -> None:
    async def titles(**query: Any) -> list[str]:
        answer = await family.client.get("/api/v1/library", params=query)
        assert answer.status_code == 200, answer.text
        return [one["story"]["id"] for one in answer.json()["items"]]

    every = await titles()
    assert len(every) == 6
    assert await titles(bundle=BUNDLE) == ["the-city-under-the-tide", STORY]
    assert await titles(age_group="13-18", length="Long") == [STORY]
    assert await titles(axis="patience") and set(await titles(axis="patience")) < set(every)
    assert await titles(words="ICE sledge") == [STORY]
    assert await titles(words="onion", age_group="3-5") == []
    assert await titles(bundle="nothing") == []
    pages: list[str] = []
    after = ""
    while True:
        answer = (await family.client.get("/api/v1/library", params={"limit": 4, "after": after})).json()
        pages += [one["story"]["id"] for one in answer["items"]]
        after = answer["after"]
        if after is None:
            break
    assert pages == every
    wrong = await family.client.get("/api/v1/library", params={"after": "bm90aGluZw=="})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "page_unknown")


async def test_the_library_tells_what_each_story_asks(family: Running) -> None:
    async def access() -> dict[str, tuple[str, str | None]]:
        items = (await family.client.get("/api/v1/library")).json()["items"]
        return {one["story"]["id"]: (one["access"], one["price"]) for one in items}

    before = await access()
    assert (before[STORY], before[FREE]) == (("for_sale", "4.99 EUR"), ("free", None))
    await buy(family)
    assert (await access())[STORY] == ("bought", None)


async def test_another_familys_purchase_does_not_exist(family: Running) -> None:
    works = family.platform.works
    purchase_id = (await order(family)).json()["purchase"]["id"]
    mine = await works.open().get(Purchase, purchase_id, "sample-family")
    assert mine is not None

    async def move_out(work: Any) -> None:
        work.save(mine.evolve(account_id="others", id="theirs"))

    await works.run(move_out)
    for path in ("/api/v1/purchases/theirs", "/purchases/theirs", "/sandbox/theirs"):
        assert (await family.client.get(path)).status_code == 404
    assert "theirs" not in (await family.client.get("/api/v1/purchases")).text
    assert await works.open().count(Purchase, equal("account_id", "others")) == 1


async def test_every_page_says_what_to_do_next(family: Running) -> None:
    assert "Nothing yet" in (await family.client.get("/family/purchases")).text
    assert "See the bundle (4.99 EUR)" in (await family.client.get(f"/stories/{STORY}")).text
    purchase_id = await buy(family)
    assert "Winter and water" in (await family.client.get("/family/purchases")).text
    assert "Thank you!" in (await family.client.get(f"/purchases/{purchase_id}")).text
    assert "which your family has" in (await family.client.get(f"/stories/{STORY}")).text
