"""A family that other software knew signs in by its address, and finds its players."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from httpx import AsyncClient
from structlog.testing import capture_logs

from mystira.accounts.model import Account, EmailClaim
from mystira.run import SAMPLE_CONTENT, platform, provisioning
from mystira.services.app import make_player_app, seed
from mystira.services.platform import Platform
from mystira.settings import read_settings
from tests.cosmos_store.test_adopting import MAPPINGS, theirs
from tests.journeys.conftest import client_of
from tests.processes import UNLIMITED

__all__ = ["theirs"]
pytestmark = pytest.mark.anyio


@pytest.fixture
async def adopted(theirs: Any, tmp_path: Path) -> AsyncIterator[Platform]:
    settings = read_settings(theirs[0] | {"MYSTIRA_MAPPINGS": str(MAPPINGS)} | UNLIMITED)
    await provisioning(settings, dry_run=False)
    async with platform(settings, print) as opened:
        await seed(opened, SAMPLE_CONTENT, print)
        yield opened


async def sign_in(client: AsyncClient, email: str) -> str:
    """Sign in by the link in the mailbox; give what the family's page shows."""
    await client.post("/sign-in", data={"email": email})
    token = re.findall(r"token=([\w-]+)", (await client.get("/mailbox")).text)[0]
    answer = await client.post("/sign-in/open", data={"token": token}, follow_redirects=False)
    assert answer.status_code == 303
    return (await client.get("/family")).text


async def test_the_oldest_account_of_an_address_is_the_one_that_signs_in(adopted: Platform) -> None:
    app = make_player_app(adopted)
    async with client_of(app) as client:
        with capture_logs() as logs:
            shown = await sign_in(client, "Naledi@example.org")
        assert "Thandi" in shown and "Luan" in shown and "Amahle" not in shown
        (told,) = [one for one in logs if one["event"] == "accounts_share_an_address"]
        assert (told["chosen"], told["others"]) == ("acc-1", ["acc-9"])
        assert "naledi" not in str(told)
    work = adopted.works.open()
    claims = (await work.find(EmailClaim)).items
    assert "acc-1" in {claim.account_id for claim in claims}
    account = await work.get(Account, "acc-1")
    assert account is not None and account.email_hash in {claim.id for claim in claims}
    async with client_of(app) as again:
        with capture_logs() as logs:
            assert "Thandi" in await sign_in(again, "naledi@example.org")
        assert not [one for one in logs if one["event"] == "accounts_share_an_address"]


async def test_an_address_that_nobody_knew_gets_an_account_of_its_own(adopted: Platform) -> None:
    before = await adopted.works.open().count(Account)
    async with client_of(make_player_app(adopted)) as client:
        assert "Thandi" not in await sign_in(client, "stranger@example.org")
    assert await adopted.works.open().count(Account) == before + 1
