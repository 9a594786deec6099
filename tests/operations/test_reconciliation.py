"""What comparing has found is read page by page, taken away as a file, and mended as it was shown."""

import csv
import io
import json
from typing import Any

import pytest

from mystira.run import settle
from tests.operations.conftest import Desk
from tests.operations.families import corrupt, lose, make_families

pytestmark = pytest.mark.anyio


@pytest.fixture
async def diverged(desk: Desk) -> str:
    """Accounts with a whole copy of which one row was changed and one lost; the report that found them."""
    await make_families(desk.platform)
    await desk.sign_in()
    await copied(desk)
    await corrupt(desk.platform, "family-1")
    await lose(desk.platform, "family-2")
    done = await desk.outcome("scrub")
    return done["facts"]["report"]


async def copied(desk: Desk) -> None:
    for _ in range(2):
        done = await desk.outcome("start")
        assert done["state"] == "done", done
        await settle(desk.platform)
    assert "kept already" in (await desk.outcome("start"))["outcome"]


async def got(desk: Desk, path: str, status: int = 200) -> Any:
    answer = await desk.client.get(f"/admin/api{path}")
    assert answer.status_code == status, answer.text
    return answer.json()


async def seen(desk: Desk, path: str) -> str:
    answer = await desk.client.get(f"/admin{path}", headers={"accept": "text/html"})
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_before_anything_was_compared_the_pages_say_what_to_do(desk: Desk) -> None:
    await desk.sign_in("vera")
    assert "nothing to compare" in await seen(desk, "/reconciliation")
    page = await seen(desk, "/reconciliation/collections/Accounts")
    assert "there is nothing to compare now" in page and "Reread now" not in page
    assert await got(desk, "/reconciliation/Accounts") == []
    assert (await got(desk, "/reconciliation/Nothing", 404))["code"] == "collection_unknown"
    assert (await got(desk, "/reports/none", 404))["code"] == "report_missing"


async def test_a_run_is_shown_with_what_it_found(desk: Desk, diverged: str) -> None:
    report = await got(desk, f"/reports/{diverged}")
    assert report["counts"] == {"divergent": 1, "missing": 1}
    found = await got(desk, f"/reports/{diverged}/differences")
    assert [one["key"][1] for one in found["differences"]] == ["family-1", "family-2"]
    only = await got(desk, f"/reports/{diverged}/differences?kind=missing")
    assert [one["key"][1] for one in only["differences"]] == ["family-2"]
    behind = await got(desk, f"/reports/{diverged}/differences?after_partition=family-1&after_id=family-1")
    assert [one["key"][1] for one in behind["differences"]] == ["family-2"]
    assert (await got(desk, f"/reports/{diverged}/differences?kind=odd", 400))["code"] == "body_invalid"
    page = await seen(desk, f"/reconciliation/runs/{diverged}")
    assert "family-1" in page and "displayName" in page and "somebody else" not in page
    assert "2 differ" in await seen(desk, "/reconciliation")
    assert (await got(desk, "/reconciliation/Accounts"))[0]["id"] == diverged


async def test_a_report_can_be_taken_away_as_a_file(desk: Desk, diverged: str) -> None:
    answer = await desk.client.get(f"/admin/api/reports/{diverged}/file.csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.reader(io.StringIO(answer.text, newline="")))
    assert {row[1] for row in rows[1:]} == {"family-1", "family-2"}
    whole = json.loads((await desk.client.get(f"/admin/api/reports/{diverged}/file.json")).content)
    assert len(whole["differences"]) == 2
    await desk.client.post("/admin/sign-out")
    assert (await desk.client.get(f"/admin/api/reports/{diverged}/file.csv")).status_code == 401


async def test_what_is_confirmed_is_the_plan_that_was_shown(desk: Desk, diverged: str) -> None:
    assert (await got(desk, f"/reports/{diverged}/plan", 404))["code"] == "plan_missing"
    dry = await desk.outcome("repair", arguments={"report": diverged, "dry_run": True})
    assert dry["state"] == "done" and "nothing was changed" in dry["outcome"]
    plan = await got(desk, f"/reports/{diverged}/plan")
    assert plan["actions"] == {"rewrite": 1, "merge": 1}
    page = await seen(desk, f"/reconciliation/runs/{diverged}/plan")
    assert plan["plan"]["made_at"].replace("Z", "+00:00") in page
    # A third one goes wrong; the plan does not know of it.
    await lose(desk.platform, "family-3")
    planned_at = plan["plan"]["made_at"]
    late = await desk.outcome("repair", arguments={"report": diverged, "planned_at": "2026-01-01T00:00:00Z"})
    assert late["state"] == "refused" and "newest one" in late["outcome"]
    done = await desk.outcome("repair", arguments={"report": diverged, "planned_at": planned_at})
    assert done["state"] == "done" and done["facts"]["counts"] == {"repaired": 2}, done
    again = await desk.outcome("scrub")
    assert again["facts"]["counts"] == {"missing": 1}
    history = await got(desk, "/reconciliation/Accounts")
    assert [run["counts"] for run in history] == [{"missing": 1}, {"divergent": 1, "missing": 1}]
    assert "Keys that differ" in await seen(desk, "/reconciliation/collections/Accounts")


async def test_who_may_only_look_gets_no_button_and_no_repair(desk: Desk, diverged: str) -> None:
    await desk.sign_in("vera")
    page = await seen(desk, f"/reconciliation/runs/{diverged}")
    assert "Make a plan" not in page
    asked = await desk.ask("repair", arguments={"report": diverged})
    assert asked.status_code == 403
