"""The first page: what is up, who leads what, what flows, and what it costs."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mystira.operations.overview.model import Prices, costs
from mystira.operations.overview.problems import PricesWrong
from mystira.operations.overview.views import read_prices
from mystira.polyglot.beating import Beater
from mystira.polyglot.stores.postgres.heartbeats import Usage, add_usage
from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio


async def look(desk: Desk) -> dict[str, Any]:
    answer = await desk.client.get("/admin/api/overview")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_before_anything_was_told_the_page_says_so(desk: Desk) -> None:
    await desk.sign_in("vera")
    told = await look(desk)
    assert (told["processes"], told["costs"], told["missing"]) == ([], None, [])
    assert {store["name"]: store["says"] for store in told["stores"]} == {"documents": "", "PostgreSQL": ""}
    assert all(store["size_bytes"] > 0 for store in told["stores"])
    page = (await desk.client.get("/admin/overview")).text
    assert "No process has told of itself yet" in page and "Nothing was measured yet" in page


async def test_a_process_that_falls_silent_is_told_with_what_nobody_does_any_more(desk: Desk) -> None:
    await desk.sign_in("vera")
    r = desk.platform.replication
    for name, services, age_s in (("a", ("app",), 5), ("b", ("worker",), 60)):
        at = r.clock() - timedelta(seconds=age_s)
        await Beater(desk.platform.relational, process=name, services=services, clock=lambda at=at: at).step()  # type: ignore[misc]
    told = await look(desk)
    assert {one["process"]: one["is_silent"] for one in told["processes"]} == {"a": False, "b": True}
    assert told["missing"] == ["worker"]
    assert "mystira run worker" in (await desk.client.get("/admin/overview")).text


async def test_what_leads_is_told_for_every_collection(desk: Desk) -> None:
    await desk.sign_in("vera")
    led = {one["collection"]: one for one in (await look(desk))["led"]}
    assert (led["Accounts"]["phase"], led["Accounts"]["leader"]) == ("CosmosOnly", "documents")
    assert set(led) == {collection.name for collection in desk.platform.replication.catalog}


async def test_measured_use_is_priced_by_the_operators_own_table(desk: Desk) -> None:
    await desk.sign_in("vera")
    now = desk.platform.replication.clock()
    used = Usage(store="documents", collection="Accounts", operation="read", calls=10.0, seconds=0.1, units=24_000.0)
    await add_usage(desk.platform.relational, now - timedelta(hours=23), [used])
    prices = {"currency": "EUR", "documents_million_units": 1_000.0, "relational_server_month": 10.0}
    (desk.platform.settings.data / "prices.json").write_text(json.dumps(prices))
    told = (await look(desk))["costs"]
    (accounts,) = [one for one in told["collections"] if one["collection"] == "Accounts"]
    assert accounts["units_hour"] == pytest.approx(24_000 / told["hours"])
    assert accounts["documents_month"] == pytest.approx(24_000 / told["hours"] * 730 / 1_000)
    assert (told["currency"], told["server_month"]) == ("EUR", 10.0)
    assert "EUR" in (await desk.client.get("/admin/overview")).text
    (desk.platform.settings.data / "prices.json").write_text('{"curency": "EUR"}')
    refused = await desk.client.get("/admin/api/overview")
    assert refused.status_code == 400 and "curency" in refused.json()["detail"]


async def test_after_two_days_units_are_compared_with_the_first_day(desk: Desk) -> None:
    await desk.sign_in("vera")
    now = desk.platform.replication.clock()
    used = Usage(store="documents", collection="Accounts", operation="read", calls=1.0, seconds=0.1, units=2_400.0)
    await add_usage(desk.platform.relational, now - timedelta(days=3), [used])
    await add_usage(desk.platform.relational, now - timedelta(hours=2), [msgspec.structs.replace(used, units=1_200.0)])
    told = (await look(desk))["costs"]
    assert told["before"] == pytest.approx(100 * 730 / 1_000_000 * 0.25)
    assert told["saved_share"] == pytest.approx(1 - 1_200 / told["hours"] / 100)


async def test_strangers_and_families_see_nothing_of_it(desk: Desk) -> None:
    assert (await desk.client.get("/admin/api/overview")).status_code == 401
    await desk.client.post("/sign-in/sample-family")
    assert (await desk.client.get("/admin/api/overview")).status_code == 401


def test_shares_of_the_server_add_up_to_it() -> None:
    used = [
        Usage(store="relational", collection="A", operation="read", calls=3.0, seconds=1.0),
        Usage(store="relational", collection="B", operation="read", calls=1.0, seconds=3.0),
        Usage(store="documents", collection="A", operation="write", calls=2.0, units=10.0),
    ]
    found = costs(used, 2.0, Prices(relational_server_month=100.0), documents_bytes=None, relational_bytes=0)
    shares = {one.collection: one.relational_month for one in found.collections}
    assert shares == {"A": 25.0, "B": 75.0}
    assert [(one.collection, one.units_hour) for one in found.collections] == [("A", 5.0), ("B", 0.0)]
    assert found.month == pytest.approx(100.0 + 5 * 730 / 1_000_000 * 0.25)


def test_prices_that_cannot_be_read_are_refused_with_their_reason(tmp_path: Path) -> None:
    assert read_prices(tmp_path / "nothing.json") == Prices()
    (tmp_path / "prices.json").write_text("{")
    with pytest.raises(PricesWrong, match="docs/costs"):
        read_prices(tmp_path / "prices.json")
