"""Accounts and profiles: where a list was read is told, roles see what they may, and pages leave nothing out."""

from typing import Any

import pytest

from tests.operations.conftest import Desk
from tests.operations.families import make_families
from tests.operations.test_reconciliation import copied, got, seen

pytestmark = pytest.mark.anyio


async def ids(desk: Desk, query: str, of: str = "accounts") -> list[str]:
    return [one["id"] for one in (await got(desk, f"/{of}?{query}"))[of]]


async def test_without_a_copy_lists_come_from_the_leader_and_say_so(desk: Desk) -> None:
    await desk.sign_in("ada")
    assert "There are no accounts yet" in await seen(desk, "/accounts")
    await make_families(desk.platform)
    found = await got(desk, "/accounts")
    assert (found["source"]["store"], found["source"]["is_copy"]) == ("documents", False)
    assert [one["id"] for one in found["accounts"]] == [f"family-{at}" for at in range(4)]
    page = await seen(desk, "/accounts")
    assert "Read from the leader (documents)" in page and "family0@example.org" in page


async def test_with_a_copy_lists_come_from_it_and_tell_what_it_lacks(desk: Desk) -> None:
    await make_families(desk.platform, 2)
    await desk.sign_in("ada")
    await copied(desk)
    found = await got(desk, "/accounts")
    assert (found["source"]["is_copy"], found["source"]["changes"]) == (True, 0)
    assert "which has every change" in await seen(desk, "/accounts")
    # With the second write of a save the copy has the row at once, but the feed has still to come by.
    await desk.platform.works.run(rename, account_id="family-1", name="Renamed")
    found = await got(desk, "/accounts")
    assert found["source"]["changes"] == 1
    assert "lacks 1 change" in await seen(desk, "/accounts")
    assert (await got(desk, "/accounts/family-1"))["account"]["display_name"] == "Renamed"


async def rename(work: Any, *, account_id: str, name: str) -> None:
    from mystira.accounts.model import Account

    work.save((await work.get(Account, account_id)).evolve(display_name=name))


async def test_who_may_not_see_personal_data_finds_only_what_they_know_already(desk: Desk) -> None:
    await make_families(desk.platform)
    await desk.sign_in("vera")
    whole = str(await got(desk, "/accounts")) + await seen(desk, "/accounts") + await seen(desk, "/accounts/profiles")
    whole += str(await got(desk, "/profiles")) + await seen(desk, "/accounts/of/family-0")
    assert "family0@example" not in whole and "Child 0" not in whole and "f…@example.org" in whole
    assert await ids(desk, "search=Family2@example.org") == ["family-2"]
    assert await ids(desk, "search=family-3") == ["family-3"]
    assert await ids(desk, "search=family") == []
    assert await ids(desk, "search=Child", "profiles") == []
    assert await ids(desk, "search=family-1", "profiles") == ["child-1"]
    assert (await got(desk, "/accounts?order=email", 403))["code"] == "order_hidden"
    await desk.sign_in("ada")
    assert len(await ids(desk, "search=family")) == 4
    assert await ids(desk, "search=ild 2", "profiles") == ["child-2"]


@pytest.mark.parametrize("order", ["created_at", "email", "display_name"])
@pytest.mark.parametrize("descending", ["", "true"])
async def test_pages_neither_overlap_nor_leave_gaps(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, order: str, descending: str
) -> None:
    monkeypatch.setattr("mystira.accounts.directory.views.PAGE", 3)
    await make_families(desk.platform, 8)
    await desk.sign_in("ada")
    met: list[str] = []
    after = ""
    while True:
        found = await got(desk, f"/accounts?order={order}&descending={descending}&after={after}")
        met += [one["id"] for one in found["accounts"]]
        if found["after"] is None:
            break
        after = found["after"]
    expected = [f"family-{at}" for at in range(8)]
    assert met == (expected[::-1] if descending else expected)


async def test_what_an_address_cannot_mean_is_refused(desk: Desk) -> None:
    await desk.sign_in("ada")
    assert (await got(desk, "/accounts?after=nonsense", 400))["code"] == "page_unknown"
    assert (await got(desk, "/accounts?after=WzFd", 400))["code"] == "page_unknown"
    assert (await got(desk, "/accounts?order=age", 400))["code"] == "body_invalid"
    assert (await got(desk, "/accounts/nobody", 404))["code"] == "account_not_found"
    await desk.client.post("/admin/sign-out")
    assert (await desk.client.get("/admin/api/accounts")).status_code == 401
