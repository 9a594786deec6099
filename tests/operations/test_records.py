"""One record is found by its id, compared in both stores, masked for those who may not see it, and mended alone."""

from typing import Any

import pytest

from mystira.content import views as content
from mystira.content.scenarios.model.scenario import version_id
from mystira.polyglot.entity import Stamp
from mystira.polyglot.journal import DeadLetter, LetterKind
from mystira.polyglot.store import Key
from mystira.run import SAMPLE_CONTENT
from mystira.services.app import seed
from tests.operations.conftest import Desk
from tests.operations.families import corrupt, make_families
from tests.operations.test_reconciliation import copied, got, seen

pytestmark = pytest.mark.anyio


@pytest.fixture
async def corrupted(desk: Desk) -> Desk:
    await make_families(desk.platform)
    await desk.sign_in()
    await copied(desk)
    await corrupt(desk.platform, "family-1")
    return desk


async def record(desk: Desk, id: str, collection: str = "Accounts") -> Any:
    return (await got(desk, f"/records?collection={collection}&id={id}"))["record"]


async def test_both_sides_are_shown_and_what_is_personal_only_to_an_administrator(corrupted: Desk) -> None:
    letter = DeadLetter(
        collection="Accounts",
        key=Key("family-1", "family-1"),
        kind=LetterKind.CONFLICT,
        stamp=Stamp(0, 9),
        payload={"email": "family1@example.org"},
    )
    await corrupted.platform.relational.journal.letter_put(letter)
    found = await record(corrupted, "family-1")
    assert (found["difference"], found["leader"]) == ("divergent", "documents")
    name = next(pair for pair in found["fields"] if pair["path"] == "displayName")
    assert name["is_personal"] and "personal" in name["document"]
    page = await seen(corrupted, "/compare?collection=Accounts&id=family-1")
    assert "The two sides differ: divergent" in page
    for text in (page, str(found)):
        assert "somebody else" not in text and "family1@example.org" not in text
    assert len(found["letters"]) == 1
    await corrupted.sign_in("ada")
    page = await seen(corrupted, "/compare?collection=Accounts&id=family-1")
    assert "somebody else" in page and "family1@example.org" in page


async def test_a_record_is_mended_as_it_was_shown_and_only_so(corrupted: Desk) -> None:
    looked = await got(corrupted, "/records?collection=Accounts&id=family-1")
    arguments = {"partition": "family-1", "id": "family-1"}
    arguments |= {side: looked["repair"][side] for side in ("leader", "follower")}
    old = await corrupted.outcome("repair-record", arguments=arguments | {"follower": "0-0"})
    assert old["facts"]["counts"] == {"changed since the plan was made": 1}
    done = await corrupted.outcome("repair-record", arguments=arguments)
    assert done["facts"]["counts"] == {"repaired": 1}, done
    again = await got(corrupted, "/records?collection=Accounts&id=family-1")
    assert (again["record"]["difference"], again["repair"]) == (None, None)
    assert [one["verb"] for one in again["asked"]] == ["repair-record", "repair-record"]
    assert "Both sides hold the same" in await seen(corrupted, "/compare?collection=Accounts&id=family-1")


async def test_what_is_not_there_or_has_no_such_collection_says_so(desk: Desk) -> None:
    await desk.sign_in("vera")
    assert "Field by field" not in await seen(desk, "/compare")
    assert "Neither store" in await seen(desk, "/compare?collection=Accounts&id=nobody/1")
    assert (await got(desk, "/records?collection=Accounts&id=nobody"))["record"] is None
    assert (await got(desk, "/records?collection=Nothing&id=x", 404))["code"] == "collection_unknown"
    answer = await desk.client.get("/admin/compare?collection=Nothing&id=x", headers={"accept": "text/html"})
    assert answer.status_code == 404 and "There is no collection Nothing" in answer.text
    assert (await got(desk, "/records?collection=Accounts", 400))["code"] == "body_invalid"


async def test_a_record_of_a_partition_is_found_by_its_id_alone(corrupted: Desk) -> None:
    from mystira.accounts.actions import give_consent

    await corrupted.platform.works.run(give_consent, account_id="family-0", profile_id="child-0")
    found = await record(corrupted, "child-0", "ParentalConsents")
    assert (found["key"], found["both_hold"], found["difference"]) == (["child-0", "child-0"], False, None)


async def test_what_processes_remember_of_a_record_is_told_and_it_is_never_of_records_that_change(
    corrupted: Desk,
) -> None:
    told = await got(corrupted, "/records?collection=Accounts&id=family-0")
    assert (told["record"]["never_changes"], told["remembered"]) == (False, [])
    assert "Records of Accounts change, so every read asks a store" in await seen(
        corrupted, "/compare?collection=Accounts&id=family-0"
    )
    await seed(corrupted.platform, SAMPLE_CONTENT, print)
    card = (await content.library(corrupted.platform.works.open()))[0]
    where = f"collection=ScenarioVersions&id={version_id(card.id, card.version)}"
    told = await got(corrupted, f"/records?{where}")
    assert told["record"]["never_changes"] and told["remembered"][0]["name"] == "content.cards"
    assert "content.cards" in await seen(corrupted, f"/compare?{where}")
