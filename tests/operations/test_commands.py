"""What is asked for is audited, carried out by a worker, and survives its worker."""

import asyncio
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from openapi_spec_validator import validate

from mystira.operations.actions import asking
from mystira.operations.jobs import CommandRunner
from mystira.operations.model import TRIES_MAX, Command, CommandState
from mystira.polyglot import backfill
from mystira.polyglot.control import Change
from mystira.polyglot.phases import Phase
from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio


async def test_what_is_asked_for_waits_for_a_worker_and_tells_its_outcome(desk: Desk) -> None:
    await desk.sign_in()
    asked = await desk.ask("start", why="moving   day")
    assert asked.status_code == 202
    told = asked.json()
    assert (told["state"], told["who"], told["why"]) == ("asked", "olga", "moving day")
    assert await desk.work_off() == 1
    done = (await desk.client.get(f"/admin/api/commands/{told['id']}")).json()
    assert (done["state"], done["tries"]) == ("done", 1) and "being filled" in done["outcome"]
    row = await desk.platform.relational.journal.control("Accounts")
    assert row is not None and row.copying
    (change,) = await desk.platform.relational.journal.history("Accounts", 1)
    assert (change.verb, change.actor, change.why) == ("start backfill", "olga", "moving day")


async def test_a_refusal_is_an_outcome_that_names_the_gate(desk: Desk) -> None:
    await desk.sign_in()
    done = await desk.outcome("cutover")
    assert done["state"] == "refused"
    assert "cannot go to" in done["outcome"] and "backup" in done["outcome"]
    done = await desk.outcome("pause")
    assert done["state"] == "refused" and "has not been started" in done["outcome"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"verb": "explode"}, "verb_unknown"),
        ({"collection": "Nothing"}, "collection_unknown"),
        ({"why": "  "}, "why_missing"),
        ({"verb": "shadow", "arguments": {"rate": 2}}, "arguments_wrong"),
        ({"verb": "shadow", "arguments": {"rate": "0.5"}}, "arguments_wrong"),
        ({"verb": "verify", "arguments": {"more": 1}}, "arguments_wrong"),
        ({"verb": "discard"}, "verb_forbidden"),
        ({"verb": "finish"}, "verb_forbidden"),
        ({"verb": "cutover", "arguments": {"waived": ["backup"]}}, "verb_forbidden"),
        ({"id": "1"}, "body_invalid"),
    ],
)
async def test_what_cannot_be_asked_for_is_refused_at_the_door(desk: Desk, body: dict[str, object], code: str) -> None:
    await desk.sign_in()
    refused = await desk.client.post(
        "/admin/api/commands", json={"verb": "verify", "collection": "Accounts", "why": "a test"} | body
    )
    assert refused.json()["code"] == code and refused.status_code >= 400
    assert await desk.platform.works.open().count(Command) == 0


async def test_asking_again_under_the_same_id_asks_once(desk: Desk) -> None:
    await desk.sign_in()
    mine = "0198f0a0-0000-7000-8000-000000000001"
    first, second = await desk.ask("start", id=mine), await desk.ask("start", id=mine)
    assert (first.status_code, second.status_code) == (202, 202)
    assert await desk.platform.works.open().count(Command) == 1
    assert (await desk.ask("verify", id=mine)).json()["code"] == "command_differs"


async def test_a_key_in_the_header_does_what_an_id_does(desk: Desk) -> None:
    await desk.sign_in()
    body, key = {"verb": "start", "collection": "Accounts", "why": "a test"}, {"Idempotency-Key": "once"}
    first = await desk.client.post("/admin/api/commands", json=body, headers=key)
    second = await desk.client.post("/admin/api/commands", json=body, headers=key)
    assert first.status_code == 202 and first.json()["id"] == second.json()["id"]
    assert await desk.platform.works.open().count(Command) == 1
    other = await desk.client.post("/admin/api/commands", json=body | {"verb": "verify"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    mine = body | {"id": "0198f0a0-0000-7000-8000-000000000001"}
    both = await desk.client.post("/admin/api/commands", json=mine, headers=key)
    assert (both.status_code, both.json()["code"]) == (422, "keys_differ")


async def test_of_many_workers_one_carries_a_command_out(desk: Desk) -> None:
    await desk.sign_in()
    asked = (await desk.ask("start")).json()
    hands = [CommandRunner(desk.platform.works, desk.platform.replication, hand=hand) for hand in range(4)]
    assert sum(await asyncio.gather(*(hand.step() for hand in hands))) == 1
    command = await desk.platform.works.open().get(Command, asked["id"])
    assert command is not None and command.tries == 1 and command.state is CommandState.DONE


async def test_a_command_whose_worker_died_is_taken_up_again_and_given_up_at_last(desk: Desk) -> None:
    await desk.sign_in()
    works = desk.platform.works
    asked = (await desk.ask("start")).json()
    assert await works.run(asking.take_up, command_id=asked["id"], worker="dead") is not None
    assert await desk.work_off() == 0, "its worker may be alive"
    clock = works.clock
    works.clock = lambda: clock() + timedelta(seconds=31)
    assert await desk.work_off() == 1
    command = await works.open().get(Command, asked["id"])
    assert command is not None and (command.state, command.tries) == (CommandState.DONE, 2)
    # Whoever comes back late changes nothing any more.
    late = {"state": CommandState.FAILED, "outcome": "late", "facts": {}, "done": 0, "total": None}
    await works.run(asking.end, command_id=command.id, worker="dead", **late)
    assert (await works.open().get(Command, asked["id"])) == command
    again = (await desk.ask("start")).json()
    for died in range(TRIES_MAX):
        works.clock = lambda died=died: clock() + timedelta(seconds=31 * (died + 2))
        assert await works.run(asking.take_up, command_id=again["id"], worker="dead") is not None
    works.clock = lambda: clock() + timedelta(seconds=31 * (TRIES_MAX + 3))
    assert await desk.work_off() == 0
    given_up = await works.open().get(Command, again["id"])
    assert given_up is not None and given_up.state is CommandState.FAILED


async def test_a_command_that_lost_its_lease_is_left_to_whoever_has_it(desk: Desk) -> None:
    await desk.sign_in()
    works = desk.platform.works
    asked = (await desk.ask("verify")).json()
    taken = await works.run(asking.take_up, command_id=asked["id"], worker="first")
    assert taken is not None
    told = {"done": 1, "total": None, "doing": ""}
    assert await works.run(asking.go_on, command_id=asked["id"], worker="first", **told) is not None
    assert await works.run(asking.go_on, command_id=asked["id"], worker="second", **told) is None


async def test_the_forms_of_the_pages_ask_for_the_same(desk: Desk) -> None:
    await desk.sign_in()
    form = {"verb": "start", "collection": "Accounts", "why": "a test", "arg.units_per_s": "100", "arg.latency_ms": ""}
    asked = await desk.client.post("/admin/commands", data=form)
    assert asked.status_code == 303
    assert "Fill or keep the copy: Accounts" in (await desk.client.get(asked.headers["location"])).text
    await desk.work_off()
    job = await desk.platform.relational.journal.backfill("Accounts")
    assert job is not None and (job.units_per_s, job.latency_ms) == (100.0, None)
    audit = (await desk.client.get("/admin/audit?collection=Accounts")).text
    assert "a test" in audit and "olga" in audit
    assert "Nothing was asked for or done" in (await desk.client.get("/admin/audit?who=vera")).text


async def test_what_was_done_at_a_terminal_is_audited_beside_what_was_asked_for_here(desk: Desk) -> None:
    await desk.sign_in()
    r = desk.platform.replication
    of = r.catalog.named("Accounts")
    await desk.outcome("start")
    await backfill.throttle(r, of, units_per_s=5.0, actor="terminal-tom", why="players complain")
    await desk.outcome("resume", why="calm again")
    shown = (await desk.client.get("/admin/audit")).text
    assert "terminal-tom" in shown and "players complain" in shown and "throttle" in shown
    told = (await desk.client.get("/admin/api/audit")).json()
    assert told["before"] is None
    assert [(one["what"], one["who"], bool(one["command"])) for one in told["entries"]] == [
        ("resume", "olga", True),
        ("throttle", "terminal-tom", False),
        ("start backfill", "olga", False),
        ("start", "olga", True),
    ]
    mine = (await desk.client.get("/admin/api/audit?who=terminal-tom")).json()
    assert [one["why"] for one in mine["entries"]] == ["players complain"]
    assert (await desk.client.get("/admin/api/audit?before=yesterday")).status_code == 400


async def test_the_audit_is_read_page_by_page_and_leaves_nothing_out(desk: Desk) -> None:
    await desk.sign_in()
    journal = desk.platform.relational.journal
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    for number in range(130):
        at = begun + timedelta(seconds=number // 3)
        await journal.note(Change(collection="Accounts", verb=f"did {number}", actor="tom", at=at))
    await desk.ask("start")
    seen: list[str] = []
    before = ""
    while True:
        told = (await desk.client.get(f"/admin/api/audit?before={quote(before)}")).json()
        seen += [one["what"] for one in told["entries"]]
        before = told["before"]
        if before is None:
            break
    assert sorted(seen) == sorted(["start", *(f"did {number}" for number in range(130))])
    assert "Older" in (await desk.client.get("/admin/audit")).text


async def test_a_collection_goes_all_the_way_and_back_by_asking(desk: Desk) -> None:
    from mystira.run import settle

    await desk.sign_in("ada")
    waived = {"arguments": {"waived": ["backup", "scrub", "verification", "digests"]}}
    assert (await desk.outcome("start"))["state"] == "done"
    await settle(desk.platform)
    assert "DualWriteCosmosRead" in (await desk.outcome("start"))["outcome"]
    await settle(desk.platform)
    assert "hold the same" in (await desk.outcome("verify"))["outcome"]
    assert "hold the same" in (await desk.outcome("scrub"))["outcome"]
    moved = await desk.outcome("cutover", **waived)
    assert moved["state"] == "done" and moved["facts"]["certificate"]["actor"] == "ada", moved
    await settle(desk.platform)
    assert (await desk.outcome("finish"))["state"] == "done"
    assert (await desk.outcome("reopen"))["state"] == "done"
    await settle(desk.platform)
    assert (await desk.outcome("rollback", **waived))["state"] == "done"
    row = await desk.platform.relational.journal.control("Accounts")
    assert row is not None and row.phase is Phase.DUAL_WRITE_COSMOS_READ
    assert (await desk.outcome("stop"))["state"] == "done"


async def test_the_admin_api_describes_itself_and_the_players_document_knows_nothing_of_it(desk: Desk) -> None:
    assert not any(path.startswith("/admin") for path in (await desk.client.get("/openapi.json")).json()["paths"])
    await desk.sign_in("vera")
    document = (await desk.client.get("/admin/api/openapi.json")).json()
    validate(document)
    assert "/admin/api/commands" in document["paths"]
    verbs = (await desk.client.get("/admin/api/verbs")).json()
    assert {"start", "cutover", "discard"} <= {verb["verb"] for verb in verbs}


async def test_a_command_that_nobody_works_on_says_what_to_do(desk: Desk) -> None:
    await desk.sign_in()
    asked = (await desk.ask("start")).json()
    path = f"/admin/commands/{asked['id']}"
    assert "No worker has taken this up" not in (await desk.client.get(path)).text
    works = desk.platform.works
    clock = works.clock
    works.clock = lambda: clock() + timedelta(seconds=11)
    assert "Where none runs, start one: mystira run worker" in (await desk.client.get(path)).text
    await works.run(asking.take_up, command_id=asked["id"], worker="dead")
    assert "mystira run worker" not in (await desk.client.get(path)).text
    works.clock = lambda: clock() + timedelta(seconds=60)
    assert "Its worker has ended" in (await desk.client.get(path)).text
