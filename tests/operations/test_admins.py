"""Those who run the platform: signing in, roles, and doors that stay shut for everybody else."""

import asyncio
from datetime import timedelta

import asyncpg
import pytest

from mystira.accounts.storage import ACCOUNTS
from mystira.operations.admins import commands
from mystira.operations.admins.model import Admin, AdminSession
from mystira.operations.admins.problems import NameTaken, PasswordTooShort, RoleUnknown
from mystira.polyglot.entity import Stamp
from mystira.polyglot.store import Key, Record
from mystira.services.doors import Doors, make_application
from mystira.web.access import Access
from mystira.web.app import routes_of
from mystira.web.limits import Limit, Limits
from tests.journeys.conftest import client_of
from tests.operations.conftest import PASSWORD, Desk

pytestmark = pytest.mark.anyio


async def test_the_right_password_opens_the_pages_and_signing_out_shuts_them(desk: Desk) -> None:
    shut = await desk.client.get("/admin/audit")
    assert (shut.status_code, shut.headers["location"]) == (302, "/admin/sign-in?next=/admin/audit")
    signed_in = await desk.client.post(
        "/admin/sign-in", data={"name": " Olga ", "password": PASSWORD, "next": "/admin/audit"}
    )
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/admin/audit")
    given = signed_in.headers["set-cookie"]
    assert "Path=/admin" in given and "HttpOnly" in given
    assert "Audit" in (await desk.client.get("/admin/audit")).text
    kept = dict(desk.client.cookies)
    assert (await desk.client.post("/admin/sign-out")).status_code == 303
    async with client_of(desk.app, kept) as thief:
        assert (await thief.get("/admin/audit")).status_code == 302


@pytest.mark.parametrize(
    ("name", "password"), [("olga", "wrong-wrong-wrong"), ("nobody", PASSWORD), ("olga", "x" * 5000)]
)
async def test_a_wrong_name_and_a_wrong_password_are_told_alike(desk: Desk, name: str, password: str) -> None:
    refused = await desk.sign_in(name, password)
    assert refused.status_code == 422 and "do not go together" in refused.text
    assert not desk.client.cookies


async def test_a_players_session_opens_nothing_here_and_an_admins_nothing_there(desk: Desk) -> None:
    await desk.client.post("/sign-in/sample-family")
    assert (await desk.client.get("/admin/audit")).status_code == 302
    assert (await desk.client.get("/admin/api/commands")).status_code == 401
    cookies = dict(desk.client.cookies)
    desk.client.cookies.clear()
    await desk.sign_in()
    assert (await desk.client.get("/family")).status_code == 302
    # The secret of one kind of session means nothing as the other kind.
    desk.client.cookies.clear()
    async with client_of(desk.app, {"mystira_admin": cookies["mystira_session"]}) as other:
        assert (await other.get("/admin/audit")).status_code == 302


async def test_every_door_of_the_administration_is_shut_to_strangers_and_names_a_role(desk: Desk) -> None:
    doors = [info for info in routes_of(desk.app) if info.path.startswith("/admin")]
    assert len(doors) > 5
    for info in doors:
        assert isinstance(info.access, Access)
        if info.path == "/admin/sign-in":
            continue
        assert info.access.is_for_staff, info
        path = (
            info.path.replace("{command_id:str}", "some")
            .replace("{collection:str}", "Accounts")
            .replace("{verb:str}", "start")
        )
        answer = await desk.client.request(info.method, path)
        assert answer.status_code in (302, 303, 401), (info, answer.status_code)


async def test_a_viewer_looks_and_asks_for_nothing(desk: Desk) -> None:
    await desk.sign_in("vera")
    assert (await desk.client.get("/admin/audit")).status_code == 200
    refused = await desk.ask("verify")
    assert (refused.status_code, refused.json()["code"]) == (403, "role_too_low")
    form = {"verb": "verify", "collection": "Accounts", "why": "a test"}
    assert (await desk.client.post("/admin/commands", data=form)).status_code == 403


async def test_a_disabled_name_is_out_at_once_and_a_new_password_ends_sessions(desk: Desk) -> None:
    works = desk.platform.works
    await desk.sign_in()
    await commands.disable(works, "olga")
    assert (await desk.client.get("/admin/audit")).status_code == 302
    assert (await desk.sign_in()).status_code == 422
    await commands.set_password(works, "olga", "another-long-one")
    assert (await desk.sign_in(password="another-long-one")).status_code == 303
    await commands.set_password(works, "olga", "yet-another-long-one")
    assert (await desk.client.get("/admin/audit")).status_code == 302


async def test_a_session_ends_by_itself(desk: Desk) -> None:
    await desk.sign_in()
    clock = desk.platform.works.clock
    desk.platform.works.clock = lambda: clock() + timedelta(hours=11)
    assert (await desk.client.get("/admin/audit")).status_code == 302


async def test_no_password_and_no_secret_is_stored(desk: Desk) -> None:
    await desk.sign_in()
    work = desk.platform.works.open()
    admin = await work.get(Admin, "olga")
    assert admin is not None and admin.password_hash.startswith("$argon2id$") and PASSWORD not in admin.password_hash
    secret = desk.client.cookies["mystira_admin"]
    assert await work.get(AdminSession, secret) is None


async def test_what_cannot_be_added_is_refused_with_what_to_do(desk: Desk) -> None:
    works = desk.platform.works
    with pytest.raises(NameTaken):
        await commands.add(works, "OLGA", "viewer", PASSWORD)
    with pytest.raises(RoleUnknown, match="viewer, operator, admin"):
        await commands.add(works, "new", "owner", PASSWORD)
    with pytest.raises(PasswordTooShort, match="12"):
        await commands.add(works, "new", "viewer", "short")


async def test_guessing_is_slowed_down_for_a_name_from_one_client(desk: Desk) -> None:
    desk.app.state["limits"] = Limits(passwords=Limit("passwords", 2, 900))
    for _ in range(2):
        assert (await desk.sign_in("olga", "wrong-wrong-wrong")).status_code == 422
    late = await desk.sign_in()
    assert late.status_code == 429 and "minutes" in late.text
    assert (await desk.sign_in("vera")).status_code == 303


async def test_many_sign_ins_at_once_all_end_well(desk: Desk) -> None:
    async def one() -> int:
        async with client_of(desk.app) as client:
            return (await client.post("/admin/sign-in", data={"name": "olga", "password": PASSWORD})).status_code

    assert await asyncio.gather(*(one() for _ in range(6))) == [303] * 6


async def test_after_signing_in_nobody_is_led_elsewhere(desk: Desk) -> None:
    for there in ("https://evil.example", "//evil.example", "/family", "/admin/../family", "/administrator"):
        answer = await desk.client.post("/admin/sign-in", data={"name": "olga", "password": PASSWORD, "next": there})
        assert answer.headers["location"] == "/admin", there


async def test_who_administers_reads_families_and_postgresql_refuses_what_they_write(desk: Desk) -> None:
    reader = desk.platform.reader
    assert await reader.read(ACCOUNTS, Key("a", "a")) is None
    record = Record(key=Key("a", "a"), entity=None, stamp=Stamp(0, 1), op="op")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await reader.write(ACCOUNTS, record, None)
    # What opens doors it may not even see.
    for table in ("admins", "admin_sessions", "browser_sessions", "pending_signups"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with reader.connection() as connection:
                await connection.fetch(f"SELECT * FROM {table}")


async def test_an_application_without_the_service_has_no_such_doors(desk: Desk) -> None:
    async with client_of(make_application(desk.platform, [Doors()])) as client:
        assert (await client.get("/admin/audit")).status_code == 404
        assert (await client.get("/health/live")).status_code == 200
