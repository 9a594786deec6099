"""Families: signing in by mail, players, consent, and what another family never sees."""

import asyncio
import re

import msgspec
import pytest
from litestar import Litestar

from mystira.accounts import views
from mystira.accounts.actions import add_profile
from mystira.accounts.model import Account, EmailClaim
from mystira.accounts.problems import ProfileNotFound
from mystira.run import SAMPLE_CONTENT
from mystira.services.app import make_player_app, seed
from tests.journeys.conftest import Running, client_of

pytestmark = pytest.mark.anyio


async def ask(running: Running, email: str = "Ada@Example.org ") -> str:
    """Ask for a link and return its token from the mailbox page."""
    answer = await running.client.post("/sign-in", data={"email": email})
    assert answer.status_code == 200 and "Check your mail" in answer.text
    mailbox = (await running.client.get("/mailbox")).text
    return re.findall(r"token=([\w-]+)", mailbox)[0]


async def redeem(running: Running, token: str) -> int:
    answer = await running.client.post("/sign-in/open", data={"token": token}, follow_redirects=False)
    return answer.status_code


async def test_a_link_signs_in_once_and_opening_it_does_nothing(running: Running) -> None:
    token = await ask(running)
    assert "Nearly there" in (await running.client.get(f"/sign-in/open?token={token}")).text
    assert (await running.client.get("/family", follow_redirects=False)).status_code == 302
    assert await redeem(running, token) == 303
    assert "Your family" in (await running.client.get("/family")).text
    assert await redeem(running, token) == 422


async def test_another_browser_cannot_use_the_link(running: Running) -> None:
    token = await ask(running)
    async with client_of(running.app) as other:
        answer = await other.post("/sign-in/open", data={"token": token})
        assert answer.status_code == 422
    assert await redeem(running, token) == 303


async def test_asking_again_ends_the_link_before(running: Running) -> None:
    first = await ask(running)
    second = await ask(running)
    assert first != second
    assert await redeem(running, first) == 422
    assert await redeem(running, second) == 303


async def test_a_link_ends_after_ten_minutes(running: Running) -> None:
    from datetime import timedelta

    token = await ask(running)
    clock = running.platform.works.clock
    running.platform.works.clock = lambda: clock() + timedelta(minutes=10)
    assert await redeem(running, token) == 422


async def test_many_requests_use_a_link_once_and_open_one_account(running: Running) -> None:
    token = await ask(running)
    answers = await asyncio.gather(*(redeem(running, token) for _ in range(6)))
    assert sorted(answers) == [303, 422, 422, 422, 422, 422]
    assert await redeem(running, await ask(running, "ada@example.org")) == 303
    work = running.platform.works.open()
    # The sample family is the other one.
    assert await work.count(Account) == 2
    assert await work.count(EmailClaim) == 1


async def test_no_secret_is_stored_as_it_is(running: Running) -> None:
    token = await ask(running)
    await redeem(running, token)
    cookie = running.client.cookies["mystira_session"]
    kept = b"".join(path.read_bytes() for path in running.platform.settings.data.glob("documents.sqlite*"))
    assert token.encode() not in kept and cookie.encode() not in kept


@pytest.mark.parametrize(
    "email",
    ["", "no at", "a@b", "a@b c.org", "x" * 250 + "@example.org", "a@@b.org", "a,b@c.org", "<a>@b.org"],
)
async def test_what_is_no_address_is_refused(running: Running, email: str) -> None:
    assert (await running.client.post("/sign-in", data={"email": email})).status_code in (400, 422)


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "//[", "/\t/x"]
)
async def test_signing_in_never_leads_away(running: Running, target: str) -> None:
    token = await ask(running)
    answer = await running.client.post(
        "/sign-in/open", params={"next": target}, data={"token": token}, follow_redirects=False
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_players_are_added_changed_and_removed(family: Running) -> None:
    added = await family.client.post(
        "/family/profiles", data={"name": "  Lo  la ", "age_group": "3-5", "avatar": "owl"}, follow_redirects=False
    )
    assert added.status_code == 303 and added.headers["location"].endswith("/consent")
    url = added.headers["location"].removesuffix("/consent")
    assert "Lo la" in (await family.client.get("/family")).text
    changed = {"name": "Lola", "age_group": "6-9", "avatar": "cat"}
    assert (await family.client.post(url, data=changed, follow_redirects=False)).status_code == 303
    assert "Lola" in (await family.client.get(url)).text
    assert (await family.client.post(url, data=changed | {"avatar": "../x"})).status_code == 422
    assert (await family.client.post(url, data=changed | {"name": " "})).status_code == 422
    assert (await family.client.post(f"{url}/remove", follow_redirects=False)).status_code == 303
    assert (await family.client.get(url)).status_code == 404


async def test_a_child_plays_only_while_consent_is_given(family: Running) -> None:
    added = await family.client.post(
        "/family/profiles", data={"name": "Lola", "age_group": "6-9", "avatar": "owl"}, follow_redirects=False
    )
    url = added.headers["location"]
    profile_id = url.split("/")[3]
    game = {
        "scenario_id": "the-clockwork-orchard",
        "owner_profile_id": profile_id,
        "players": [{"profile_id": profile_id}],
    }
    assert (await family.client.post("/api/v1/sessions", json=game)).json()["code"] == "consent_missing"
    await family.client.post(url, data={"analytics": "true"})
    assert (await family.client.post("/api/v1/sessions", json=game)).status_code == 201
    assert "checked" in (await family.client.get(url)).text
    await family.client.post(f"{url}/revoke")
    other = game | {"restart": True}
    assert (await family.client.post("/api/v1/sessions", json=other)).json()["code"] == "consent_missing"


async def test_a_family_has_room_for_twelve(family: Running) -> None:
    for number in range(10):
        form = {"name": f"N{number}", "age_group": "19-150", "avatar": "star"}
        assert (await family.client.post("/family/profiles", data=form, follow_redirects=False)).status_code == 303
    assert (await family.client.post("/family/profiles", data=form)).status_code == 409


async def test_another_familys_players_do_not_exist(running: Running) -> None:
    await redeem(running, await ask(running))
    for method, path in (
        ("GET", "/family/profiles/sample-mira"),
        ("POST", "/family/profiles/sample-mira"),
        ("POST", "/family/profiles/sample-mira/remove"),
        ("GET", "/family/profiles/sample-mira/consent"),
        ("POST", "/family/profiles/sample-mira/consent"),
        ("POST", "/family/profiles/sample-mira/consent/revoke"),
    ):
        form = {"name": "X", "age_group": "6-9", "avatar": "fox"} if path.endswith("sample-mira") else {}
        answer = await running.client.request(method, path, data=form if method == "POST" else None)
        assert answer.status_code == 404, (method, path, answer.status_code)


async def test_signing_out_ends_the_session_for_good(family: Running) -> None:
    cookie = family.client.cookies["mystira_session"]
    assert (await family.client.post("/sign-out", follow_redirects=False)).status_code == 303
    family.client.cookies.set("mystira_session", cookie, domain="mystira.example")
    assert (await family.client.get("/family", follow_redirects=False)).status_code == 302


async def test_a_page_to_go_on_to_keeps_its_name(running: Running) -> None:
    shown = await running.client.get("/sign-in", params={"next": "/stories/a&token=x/ä?b=1#c"})
    assert 'value="/stories/a%26token%3Dx/%C3%A4"' in shown.text
    token = await ask(running)
    answer = await running.client.post(
        "/sign-in/open", params={"next": "/stories/ä"}, data={"token": token}, follow_redirects=False
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/stories/%C3%A4")
    assert (await running.client.get("/sign-in", params={"next": "//["})).status_code == 200


async def test_what_the_sample_family_changed_stays_after_a_restart(family: Running) -> None:
    await family.client.post("/family/profiles/sample-mira/consent/revoke")
    await family.client.post("/family/profiles/sample-tomas/remove")
    for number in range(11):
        form = {"name": f"N{number}", "age_group": "19-150", "avatar": "star"}
        assert (await family.client.post("/family/profiles", data=form, follow_redirects=False)).status_code == 303
    await seed(family.platform, SAMPLE_CONTENT, print)
    found = {profile.id: profile for profile in await views.profiles(family.platform.works.open(), "sample-family")}
    assert "sample-tomas" not in found and not found["sample-mira"].may_play


async def test_a_player_of_another_family_is_never_replaced(running: Running) -> None:
    details = {"name": "X", "age_group": "6-9", "avatar": "fox"}
    with pytest.raises(ProfileNotFound):
        await running.platform.works.run(add_profile, account_id="others", profile_id="sample-mira", **details)
    assert await views.profile(running.platform.works.open(), "sample-family", "sample-mira") is not None


async def limited(running: Running, **limits: int) -> Litestar:
    settings = msgspec.structs.replace(running.platform.settings, **limits)
    return make_player_app(running.platform._replace(settings=settings))


async def test_an_address_gets_a_few_links_only_whether_it_has_an_account_or_not(running: Running) -> None:
    assert await redeem(running, await ask(running, "known@example.org")) == 303
    async with client_of(await limited(running, limit_links=2)) as client:
        for email in ("known@example.org", "unknown@example.org"):
            answers = [await client.post("/sign-in", data={"email": spelt}) for spelt in (email, email.upper(), email)]
            assert [answer.status_code for answer in answers] == [200, 200, 429]
            assert "Please wait 450 seconds" not in answers[2].text and "Please wait 8 minutes" in answers[2].text
            assert int(answers[2].headers["retry-after"]) in range(449, 451)
        assert (await client.post("/sign-in", data={"email": "third@example.org"})).status_code == 200


async def test_a_client_asks_for_and_opens_a_few_links_only(running: Running) -> None:
    async with client_of(await limited(running, limit_sign_ins=3)) as client:
        for number in range(3):
            assert (await client.post("/sign-in", data={"email": f"a{number}@example.org"})).status_code == 200
        assert (await client.post("/sign-in", data={"email": "b@example.org"})).status_code == 429
        assert (await client.post("/sign-in/open", data={"token": "x"})).status_code == 429
        assert (await client.get("/sign-in")).status_code == 200
        assert (await client.get("/sign-in/open?token=x")).status_code == 200


async def test_guessing_tokens_ends_soon(running: Running) -> None:
    async with client_of(await limited(running, limit_sign_ins=5)) as client:
        answers = [(await client.post("/sign-in/open", data={"token": f"t{n}"})).status_code for n in range(7)]
        assert answers == [422] * 5 + [429] * 2


async def test_signing_in_again_ends_the_session_before(family: Running) -> None:
    before = family.client.cookies["mystira_session"]
    assert await redeem(family, await ask(family)) == 303
    assert family.client.cookies["mystira_session"] != before
    async with client_of(family.app, {"mystira_session": before}) as other:
        assert (await other.get("/family", follow_redirects=False)).status_code == 302
