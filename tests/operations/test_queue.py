"""The sync queue: what waits, letters by filter and field by field, masked by role, and done away with in bulk."""

from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from mystira.accounts.actions import complete_account
from mystira.operations.queue.views import place_text
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import DeadLetter, LetterFilter, LetterKind
from mystira.polyglot.store import Key
from mystira.run import settle
from tests.operations.conftest import Desk
from tests.operations.families import make_families

pytestmark = pytest.mark.anyio

RELAYED = """
INSERT INTO polyglot.relay_outbox (collection, partition, id, stamp, attempts, last_error, next_try_at) VALUES
  ('Accounts', 'a', 'a', 1, 0, NULL, NULL), ('Accounts', 'b', 'b', 1, 2, 'throttled', now() + interval '1 minute')
"""
SECRET = "mira@example.org"


def letter(number: int, **changes: Any) -> DeadLetter:
    id = f"account-{number:04}"
    made = DeadLetter(
        collection="Accounts",
        key=Key(id, id),
        kind=LetterKind.MERGE,
        stamp=Stamp(1, number + 1),
        payload={"id": id, "email": SECRET, "nobodyKnows": "me", "createdAt": "2026-01-01T00:00:00Z"},
        rival={"id": id, "email": "other@example.org"},
        error=f"constraint {number % 2}",
    )
    return msgspec.structs.replace(made, **changes)


async def plant(desk: Desk, many: int) -> None:
    for number in range(many):
        await desk.platform.relational.journal.letter_put(letter(number))


async def test_letters_come_by_filter_and_page_by_page_without_what_they_hold(desk: Desk) -> None:
    await plant(desk, 120)
    await desk.sign_in("vera")
    seen: list[str] = []
    after = ""
    while True:
        answer = await desk.client.get(f"/admin/api/letters?collection=Accounts&after={quote(after)}")
        assert answer.status_code == 200 and SECRET not in answer.text
        told = answer.json()
        assert told["counts"] == {"Accounts": 120}
        seen += [one["letter"]["key"][1] for one in told["letters"]]
        after = told["after"]
        if after is None:
            break
    assert sorted(seen) == [f"account-{number:04}" for number in range(120)]
    odd = (await desk.client.get("/admin/api/letters?error=constraint+1")).json()
    assert odd["counts"] == {"Accounts": 60}
    assert (await desk.client.get("/admin/api/letters?collection=Nothing")).status_code == 404
    assert (await desk.client.get("/admin/api/letters?kind=nonsense")).status_code == 400
    page = (await desk.client.get("/admin/queue?collection=Accounts")).text
    assert "120 letters" in page and "Older ones" in page and SECRET not in page
    assert "Changes need the role operator" in page
    (accounts,) = (await desk.client.get("/admin/api/queue")).json()
    assert (accounts["collection"], accounts["parked"]) == ("Accounts", 120)


async def test_keys_that_wait_are_told_with_their_attempts_and_their_last_error(desk: Desk) -> None:
    await desk.sign_in("vera")
    assert (await desk.client.get("/admin/api/queue/Accounts")).json()["keys"] == []
    assert (await desk.client.get("/admin/api/queue/Nothing")).status_code == 404
    await make_families(desk.platform, 3)
    await desk.sign_in("ada")
    for _ in range(2):
        await desk.outcome("start")
        await settle(desk.platform)
    await desk.platform.works.run(complete_account, account_id="late", email="late@example.org", email_hash="late")
    (late,) = (await desk.client.get("/admin/api/queue/Accounts")).json()["keys"]
    assert (late["key"], late["attempts"]) == (["late", "late"], 0)
    await settle(desk.platform)
    assert "No change of it waits" in (await desk.client.get("/admin/queue?collection=Accounts")).text
    async with desk.platform.relational.connection(writes=True) as connection:
        await connection.execute(RELAYED)
        await connection.execute(
            "UPDATE polyglot.control SET phase = 'DualWritePostgresRead' WHERE collection = 'Accounts'"
        )
    told = (await desk.client.get("/admin/api/queue/Accounts")).json()["keys"]
    assert [(one["key"][1], one["attempts"], one["error"]) for one in told] == [("b", 2, "throttled"), ("a", 0, "")]
    page = (await desk.client.get("/admin/queue?collection=Accounts")).text
    assert "Keys of Accounts that wait" in page and "throttled" in page and page.index(">b<") < page.index(">a<")


@pytest.mark.parametrize("name, sees", [("vera", False), ("olga", False), ("ada", True)])
async def test_one_letter_is_shown_field_by_field_and_masked_by_role(desk: Desk, name: str, sees: bool) -> None:
    await plant(desk, 1)
    (kept,) = await desk.platform.relational.journal.letters(LetterFilter())
    await desk.sign_in(name)
    page = (await desk.client.get(f"/admin/queue/letter?at={quote(place_text(kept))}")).text
    assert "account-0000" in page and "constraint 0" in page
    assert ((SECRET in page), ("other@example.org" in page), ('"me"' in page or "&#34;me&#34;" in page)) == (sees,) * 3
    assert ("Discard" in page) == (name == "ada")


async def test_a_letter_that_is_settled_or_was_never_there_is_not_found(desk: Desk) -> None:
    await plant(desk, 1)
    (kept,) = await desk.platform.relational.journal.letters(LetterFilter())
    await desk.platform.relational.journal.letter_drop(kept)
    await desk.sign_in("ada")
    for at in (place_text(kept), "nonsense", ""):
        assert (await desk.client.get(f"/admin/queue/letter?at={quote(at)}")).status_code == 404


async def test_what_a_filter_chooses_is_discarded_and_nothing_else(desk: Desk) -> None:
    await plant(desk, 20)
    await desk.sign_in("ada")
    form = {"verb": "discard", "collection": "Accounts", "why": "a test", "arg.error": "constraint 1", "arg.kind": ""}
    assert (await desk.client.post("/admin/commands", data=form)).status_code == 303
    await desk.work_off()
    left = await desk.platform.relational.journal.letters(LetterFilter())
    assert [one.error for one in left] == ["constraint 0"] * 10
    # One of them, by its key and its stamp.
    form = {**form, "arg.error": "", "arg.id": left[0].key.id, "arg.partition": left[0].key.partition}
    form["arg.stamp"] = str(left[0].stamp.packed)
    await desk.client.post("/admin/commands", data=form)
    await desk.work_off()
    assert len(await desk.platform.relational.journal.letters(LetterFilter())) == 9
