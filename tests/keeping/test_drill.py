"""The restore drill: a backup is taken while families write, and what was acknowledged before its instant is there."""

import asyncio
import itertools
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mystira.accounts.actions import add_profile, complete_account, give_consent, open_browser_session
from mystira.accounts.storage import ACCOUNTS, BROWSER_SESSIONS, PARENTAL_CONSENTS, USER_PROFILES
from mystira.keeping.backups import back_up, bring_back
from mystira.polyglot import backfill
from mystira.polyglot.collection import Collection
from mystira.polyglot.phases import Phase
from mystira.polyglot.store import StoreError
from mystira.polyglot.stores.postgres.embedded import remove
from mystira.polyglot.transition import TransitionAborted, change_phase
from mystira.polyglot.verify import verify
from mystira.run import platform, settle, working
from mystira.services.platform import Platform
from mystira.settings import Settings, read_settings

pytestmark = pytest.mark.anyio

WRITERS = 4


def quiet(text: str) -> None:
    """Listen to what is told, and say nothing."""


@pytest.fixture
async def homes(tmp_path: Path) -> AsyncIterator[Callable[[str], Settings]]:
    made: list[Settings] = []

    def settings(name: str) -> Settings:
        made.append(read_settings({"MYSTIRA_DATA": str(tmp_path / name)}))
        return made[-1]

    yield settings
    for one in made:
        await remove(one.data)


class Families:
    """Writers that remember what was acknowledged to them, and when."""

    def __init__(self, opened: Platform) -> None:
        self._works = opened.works
        self._numbers = itertools.count(1)
        self.acknowledged: list[tuple[Collection[Any], str, datetime]] = []

    async def write(self) -> None:
        while True:
            # Who is held by a drain for long, or meets a busy store, goes on with the next family as a client would.
            with suppress(StoreError):
                await self._family()

    async def _family(self) -> None:
        id = f"family-{next(self._numbers):05}"
        await self._works.run(complete_account, account_id=id, email=f"{id}@example.org", email_hash=id)
        self._promised(ACCOUNTS, id)
        await self._works.run(add_profile, account_id=id, profile_id=id, name="Mira", age_group="6-9", avatar="fox")
        self._promised(USER_PROFILES, id)
        await self._works.run(give_consent, account_id=id, profile_id=id)
        self._promised(PARENTAL_CONSENTS, id)
        await self._works.run(open_browser_session, session_id=id, account_id=id)
        self._promised(BROWSER_SESSIONS, id)

    def _promised(self, collection: Collection[Any], id: str) -> None:
        self.acknowledged.append((collection, id, datetime.now(UTC)))

    @asynccontextmanager
    async def writing(self) -> AsyncGenerator[None]:
        tasks = [asyncio.create_task(self.write()) for _ in range(WRITERS)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(end, asyncio.CancelledError) for end in ended), ended


async def move(opened: Platform, collection: Collection[Any], *phases: Phase) -> None:
    r = opened.replication
    await backfill.start(r, collection, actor="tests", why="a drill")
    while not (await r.row(collection)).complete:
        await asyncio.sleep(0.05)
    for phase in (Phase.DUAL_WRITE_COSMOS_READ, *phases):
        await to_phase(opened, collection, phase)


async def to_phase(opened: Platform, collection: Collection[Any], phase: Phase) -> None:
    """Take a step as an operator does, who repeats a verb that was taken back; repeating it changes nothing."""
    r = opened.replication
    for _ in range(20):
        with suppress(StoreError, TransitionAborted):
            await change_phase(r, collection, phase, actor="tests", why="a drill")
            return
        await asyncio.sleep(0.2)
    raise AssertionError(f"{collection} never came to {phase}")


async def missing(opened: Platform, families: Families) -> list[tuple[str, str, datetime]]:
    """What was acknowledged and is not found, asked for as anybody would ask."""
    found: list[tuple[str, str, datetime]] = []
    for collection, id, at in families.acknowledged:
        partition = None if collection.partition == "id" else id
        record = await opened.works.open().get(collection.entity, id, partition)
        if record is None:
            found.append((collection.name, id, at))
    return found


async def test_a_restore_drill_loses_nothing_that_was_acknowledged_before_the_backup(
    homes: Callable[[str], Settings], tmp_path: Path
) -> None:
    here, there = homes("here"), homes("there")
    folder = tmp_path / "backup"
    async with platform(here, quiet) as opened, working(opened):
        families = Families(opened)
        async with families.writing():
            await move(opened, ACCOUNTS)
            await move(opened, PARENTAL_CONSENTS, Phase.DUAL_WRITE_POSTGRES_READ)
            before = len(families.acknowledged)
            taken = await back_up(here, folder, quiet, actor="tests")
            await asyncio.sleep(0.5)
        assert before < len(families.acknowledged)
    there.data.mkdir()
    shutil.copy(here.data / "secret", there.data / "secret")
    restored = await bring_back(there, folder, quiet, replace=False)
    assert restored.same_secret
    async with platform(there, quiet) as opened:
        await settle(opened)
        lost = await missing(opened, families)
        assert [one for one in lost if one[2] < taken.taken_at] == []
        for collection in (ACCOUNTS, PARENTAL_CONSENTS):
            report = await verify(opened.replication, collection, actor="tests", why="a drill")
            assert report.differences == 0, report
        assert (await opened.replication.journal.pending()).waiting == 0
    newest = max(at for _, _, at in families.acknowledged)
    print(
        f"restore drill: a backup of {sum(taken.counts.values())} rows, documents and files, taken while "
        f"{len(families.acknowledged)} writes were acknowledged; writes of documents waited {taken.held_ms:.1f} ms; "
        f"restored in {restored.seconds:.1f} s; {len(lost)} writes lost, all from the "
        f"{(newest - taken.taken_at).total_seconds():.1f} s after it, none from before"
    )
