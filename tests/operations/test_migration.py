"""The Migration pages: where every collection stands, and what may be asked for there."""

import asyncio
import re

import msgspec
import pytest

from mystira.accounts.actions import complete_account
from mystira.operations.migration.jobs import keep_lags
from mystira.operations.migration.model import EVERY
from mystira.operations.migration.views import Gatekeeper, last_hour, status_of
from mystira.polyglot.phases import Phase
from mystira.polyglot.sampling import Sampler
from mystira.run import settle
from tests.operations.conftest import Desk
from tests.operations.families import make_families

pytestmark = pytest.mark.anyio

LETTER = """
INSERT INTO polyglot.dead_letters SELECT 'Accounts', 'a', 'a', 'merge', 1, '', '{}', '{}', 'refused', 5, NULL, now()
"""


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


async def test_the_last_hour_is_drawn_from_what_the_gauges_have_read_and_costs_no_request_units(desk: Desk) -> None:
    await desk.sign_in()
    await make_families(desk.platform)
    await desk.outcome("start")
    await desk.platform.works.run(complete_account, account_id="late", email="late@example.org", email_hash="late")
    sampler = Sampler(desk.platform.replication)
    await sampler.step()
    assert sampler.readings["Accounts"].changes > 0 and "GameSessions" not in sampler.readings
    spent = dict(desk.platform.documents.charged)
    for _ in range(2):
        await keep_lags(desk.platform.works, sampler.readings)
    assert dict(desk.platform.documents.charged) == spent
    history = await last_hour(desk.platform.works.open(), "Accounts")
    assert [point.changes for point in history.points] == [sampler.readings["Accounts"].changes], "kept once"
    shown = (await desk.client.get("/admin/migration/Accounts")).text
    assert "Changes that wait" in shown
    (end, _) = re.findall(r"&#34;to&#34;:(\d+)", shown)
    assert int(end) % EVERY.total_seconds() == 0, "a page that is live is sent anew when something has changed"


async def test_gates_are_looked_at_once_for_all_who_watch_and_no_page_waits_for_them(desk: Desk) -> None:
    await desk.sign_in()
    await make_families(desk.platform)
    for _ in range(2):
        await desk.outcome("start")
        await settle(desk.platform)
    assert "closed" not in (await desk.client.get("/admin/migration")).text, "the page does not wait for the gates"
    (accounts,) = [
        one
        for one in (await desk.client.get("/admin/api/migration/status")).json()["collections"]
        if one["collection"] == "Accounts"
    ]
    shut = [gate["name"] for gate in accounts["gates"]["gates"] if not gate["passed"]]
    assert "backup" in shut and accounts["gates"]["target"] == "DualWritePostgresRead"
    board = (await desk.client.get("/admin/migration")).text
    assert f"{len(shut)} closed" in board and "Take one: mystira backup." in board
    keeper = Gatekeeper(desk.platform.replication)
    of = desk.platform.replication.catalog.named("Accounts")
    one = await status_of(desk.platform.replication, keeper, of)
    first, second = await asyncio.gather(*(keeper.look(of, one) for _ in range(2)))
    assert first is second is one.gates, "looked at once"
    alone = msgspec.structs.replace(one, phase=Phase.COSMOS_ONLY)
    assert await keeper.look(of, alone) is None and keeper.known(alone) is None


async def test_gates_never_contradict_the_numbers_beside_them(desk: Desk) -> None:
    await desk.sign_in()
    await make_families(desk.platform)
    for _ in range(2):
        await desk.outcome("start")
        await settle(desk.platform)

    async def letters_gate(path: str = "/admin/migration/Accounts") -> bool:
        text = (await desk.client.get(path)).text
        return "some changes could not be carried over" in text

    assert not await letters_gate()
    async with desk.platform.relational.connection(writes=True) as connection:
        await connection.execute(LETTER)
        # A page that does not wait for the gates rather says nothing than what was true before.
        board = (await desk.client.get("/admin/migration")).text
        assert "closed" not in board and "failed" in board
        assert await letters_gate() and await letters_gate("/admin/migration")
        await connection.execute("DELETE FROM polyglot.dead_letters")
    assert not await letters_gate()


async def test_a_start_is_confirmed_with_how_much_there_is_to_copy(desk: Desk) -> None:
    await desk.sign_in()
    await make_families(desk.platform, 4)
    shown = (await desk.client.get("/admin/migration/Accounts/ask/start")).text
    assert "4 to 5 documents are to be copied" in shown
