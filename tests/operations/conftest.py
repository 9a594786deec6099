"""The admin service in this process, on stores of its own, with somebody of each role to sign in."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from httpx import AsyncClient, Response
from litestar import Litestar

from mystira.operations.admins.commands import add
from mystira.operations.jobs import CommandRunner
from mystira.run import platform
from mystira.services import admin, app
from mystira.services.doors import make_application
from mystira.services.platform import Platform
from mystira.settings import read_settings
from tests.journeys.conftest import client_of
from tests.processes import UNLIMITED

PASSWORD = "moss-bridge-lantern"


class Desk(NamedTuple):
    platform: Platform
    app: Litestar
    client: AsyncClient

    async def sign_in(self, name: str = "olga", password: str = PASSWORD) -> Response:
        return await self.client.post("/admin/sign-in", data={"name": name, "password": password})

    async def ask(self, verb: str, collection: str = "Accounts", why: str = "a test", **more: Any) -> Response:
        asked = {"verb": verb, "collection": collection, "why": why, **more}
        return await self.client.post("/admin/api/commands", json=asked)

    async def work_off(self) -> int:
        """Carry out what was asked for, as a worker would."""
        runner = CommandRunner(self.platform.works, self.platform.replication)
        done = 0
        while await runner.step():
            done += 1
        return done

    async def outcome(self, verb: str, collection: str = "Accounts", **more: Any) -> dict[str, Any]:
        asked = await self.ask(verb, collection, **more)
        assert asked.status_code == 202, asked.text
        await self.work_off()
        return (await self.client.get(f"/admin/api/commands/{asked.json()['id']}")).json()


@pytest.fixture
async def desk(tmp_path: Path, clean_postgres: str) -> AsyncIterator[Desk]:
    stores = {"MYSTIRA_DATA": str(tmp_path / "data"), "MYSTIRA_RELATIONAL": clean_postgres}
    async with platform(read_settings(stores | UNLIMITED), print) as opened:
        for name, role in (("vera", "viewer"), ("olga", "operator"), ("ada", "admin")):
            await add(opened.works, name, role, PASSWORD)
        made = make_application(opened, [app.doors(opened), admin.doors(opened)])
        async with client_of(made) as client:
            yield Desk(opened, made, client)
