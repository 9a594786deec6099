"""The Migration pages: where every collection stands, and what may be asked for there."""

import pytest

from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio


async def test_the_board_and_its_api_tell_where_a_collection_stands(desk: Desk) -> None:
    await desk.sign_in("vera")
    told = (await desk.client.get("/admin/api/migration/status")).json()
    (accounts,) = [one for one in told["collections"] if one["collection"] == "Accounts"]
    assert (accounts["phase"], accounts["follower"], accounts["verbs"]) == ("CosmosOnly", "none", ["start"])
    assert "Accounts" in (await desk.client.get("/admin/migration")).text
    looked_at = (await desk.client.get("/admin/migration/Accounts")).text
    assert "Changes need the role operator" in looked_at and "/ask/start" not in looked_at
    assert (await desk.client.get("/admin/migration/Accounts/ask/start")).status_code == 403
    assert (await desk.client.get("/admin/migration/Nothing")).status_code == 404


async def test_a_confirmation_shows_the_plan_with_its_gates(desk: Desk) -> None:
    await desk.sign_in()
    shown = (await desk.client.get("/admin/migration/Accounts/ask/cutover")).text
    assert "DualWritePostgresRead" in shown and "backup" in shown and "Closed gates refuse this" in shown
    assert 'name="waived"' not in shown, "only an admin waives gates"
