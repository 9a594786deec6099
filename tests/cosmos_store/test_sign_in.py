"""Without a key the platform signs in with Entra ID, over TLS only, and says what to do where that does not work."""

import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from mystira.cosmos_emulator import serving
from mystira.cosmos_emulator.certificate import certificate
from mystira.cosmos_emulator.endpoint import Endpoint
from mystira.cosmos_emulator.signing import WELL_KNOWN_KEY
from mystira.polyglot.store import Key, Unavailable
from mystira.polyglot.stores.cosmos.address import Address, read_address
from mystira.polyglot.stores.cosmos.store import open_cosmos, provision_cosmos
from tests.contracts.sample import COLLECTIONS, SAMPLES, Sample, record_of

pytestmark = pytest.mark.anyio

TOKEN = "eyJhbGciOiJub25lIn0.e30."


class SignedIn:
    """Somebody whom Entra ID knows: gives out tokens as the client's protocol asks for them."""

    def __init__(self, token: str = TOKEN, lives_s: int = 3600) -> None:
        self.token = token
        self._lives_s = lives_s
        self.asked: list[tuple[str, ...]] = []

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.asked.append(scopes)
        if not self.token:
            raise ClientAuthenticationError("nobody is signed in here")
        return AccessToken(self.token, int(time.time()) + self._lives_s)

    async def close(self) -> None:
        return

    async def __aenter__(self) -> "SignedIn":
        return self

    async def __aexit__(self, *_: object) -> None:
        return


@pytest.fixture
async def secure(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Address]:
    """An endpoint over HTTPS that takes one token of Entra ID; its containers are made, with the key."""
    made = certificate()
    monkeypatch.setattr(serving, "certificate", lambda: made)
    async with serving.listening(Endpoint(token=TOKEN), https=True) as (url, _):
        address = read_address(f"cosmos://{url.removeprefix('https://')}/house?ca={made[0]}")
        await provision_cosmos(address._replace(key=WELL_KNOWN_KEY), COLLECTIONS)
        yield address


async def test_whoever_is_signed_in_reads_and_writes_without_a_key(secure: Address) -> None:
    credential = SignedIn()
    async with open_cosmos(secure, COLLECTIONS, credential=credential) as store:
        await store.write(SAMPLES, record_of(Sample(id="a")), None)
        found = await store.read(SAMPLES, Key("owner", "a"))
        assert found is not None and found.entity == Sample(id="a")
        for range_id in await store.feed_ranges(SAMPLES):
            await store.feed(SAMPLES, range_id, "", 10)
    assert credential.asked == [("https://127.0.0.1/.default",)]


async def test_a_token_that_nobody_knows_is_refused_with_what_to_check(secure: Address) -> None:
    with pytest.raises(Unavailable, match="role of whoever signs in"):
        async with open_cosmos(secure, COLLECTIONS, credential=SignedIn("forged")):
            pass


async def test_making_containers_without_the_key_says_that_the_key_is_needed(secure: Address) -> None:
    with pytest.raises(Unavailable, match="write the key into MYSTIRA_COSMOS_KEY"):
        await provision_cosmos(secure._replace(database="other"), COLLECTIONS, credential=SignedIn())


async def test_without_a_sign_in_a_write_is_known_not_to_have_happened(secure: Address) -> None:
    # A token that is about to expire is asked for anew with every request.
    credential = SignedIn(lives_s=60)
    async with open_cosmos(secure, COLLECTIONS, credential=credential) as store:
        credential.token = ""
        with pytest.raises(Unavailable, match=r"Entra ID gave no token.*az login"):
            await store.write(SAMPLES, record_of(Sample(id="a")), None)


async def test_a_token_never_travels_without_tls() -> None:
    with pytest.raises(Unavailable, match="needs TLS"):
        async with open_cosmos(read_address("cosmos://127.0.0.1:9/d?tls=0"), COLLECTIONS):
            pass


async def test_a_machine_where_nobody_is_signed_in_says_what_to_do(
    secure: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only what the environment names is asked, or a developer's own sign-in would answer.
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    with pytest.raises(Unavailable, match="Entra ID gave no token"):
        async with open_cosmos(secure, COLLECTIONS):
            pass


def test_whoever_has_a_key_loads_no_sign_in(tmp_path: Path) -> None:
    code = "import sys, mystira.polyglot.stores.cosmos.store; sys.exit('azure.identity' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0
