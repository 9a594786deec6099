"""Makes the families, in the platform's own stores, before any service runs."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from mystira.accounts.actions import add_profile, complete_account, give_consent, open_browser_session
from mystira.content.commands import SAMPLE_CONTENT, import_folder
from mystira.polyglot.keyed import keyed_hash
from mystira.run import platform
from mystira.services.platform import Platform
from mystira.settings import read_settings

TOGETHER = 32


def name_of(number: int) -> str:
    """Return the id of a family, of its child, and of the cookie that signs it in."""
    return f"demo-{number:04}"


async def make_families(data: Path, families: int, players: int) -> None:
    """Make families with an account and a child each; the first `players` of them are signed in."""
    async with platform(read_settings({"MYSTIRA_DATA": str(data)}), _quiet) as opened:
        await import_folder(opened.works, SAMPLE_CONTENT, _quiet)
        waiting = iter(range(families))

        async def work() -> None:
            for number in waiting:
                await _make(opened, name_of(number), signs_in=number < players)

        await asyncio.gather(*(work() for _ in range(TOGETHER)))


async def _make(opened: Platform, id: str, *, signs_in: bool) -> None:
    run = opened.works.run
    email = f"{id}@example.org"
    await run(complete_account, account_id=id, email=email, email_hash=keyed_hash(opened.key, "email", email))
    await run(add_profile, account_id=id, profile_id=id, name="Mira", age_group="10-12", avatar="fox")
    await run(give_consent, account_id=id, profile_id=id)
    if signs_in:
        session_id = keyed_hash(opened.key, "browser-session", id)
        await run(open_browser_session, session_id=session_id, account_id=id)


_quiet: Callable[[str], None] = lambda text: None  # noqa: E731 - a name for saying nothing.
