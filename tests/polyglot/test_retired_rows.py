"""Rows that nobody keeps any more after a rollback: archived, removed, and brought back."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mystira.polyglot.archive import CopyLeft, complete, restore_archive
from mystira.polyglot.archivefiles import ArchiveDamaged, Manifest
from mystira.polyglot.digest import ROOT, Side
from mystira.polyglot.oldcopies import LedElsewhere, NotRetirable
from mystira.polyglot.purge import purge_tombstones
from tests.polyglot.counting import COUNTERS, Rig
from tests.polyglot.dying import carry_out, in_a_process_that_dies
from tests.polyglot.moving import (
    COSMOS,
    DUAL,
    POSTGRES,
    REVERSED,
    SOMEBODY,
    Process,
    assert_equal,
    documents_of,
    rows_of,
)
from tests.polyglot.test_archive import IDS, archived, as_json, brought_to, raised, remove

pytestmark = pytest.mark.anyio


@pytest.fixture
async def back(rig: Rig) -> Process:
    """Documents lead alone again, after a rollback; their rows are as they were left."""
    process = await brought_to(rig, DUAL, REVERSED, DUAL, COSMOS)
    assert sorted(await rows_of(rig, COUNTERS)) == sorted(IDS)
    return process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archives" / "rows"


async def retire(process: Process, folder: Path) -> Manifest:
    return await complete(process.r, COUNTERS, folder, **SOMEBODY)


async def restore(process: Process, folder: Path) -> int:
    return await restore_archive(process.r, COUNTERS, folder, **SOMEBODY)


class Relational:
    """PostgreSQL, with something that happens first whenever rows are removed."""

    def __init__(self, rig: Rig, first: Callable[[], Awaitable[None]]) -> None:
        self._rig = rig
        self._first = first
        self.journal: Any = self

    def __getattr__(self, name: str) -> Any:
        store = self._rig.postgres
        return getattr(store, name) if hasattr(store, name) else getattr(store.journal, name)

    async def retire_rows(self, collection: Any, lines: Any, n: int) -> int:
        await self._first()
        return await self._rig.postgres.journal.retire_rows(collection, lines, n)


async def test_rows_are_archived_as_the_documents_that_they_would_be_and_then_removed(
    rig: Rig, back: Process, folder: Path
) -> None:
    documents = await as_json(rig)
    manifest = await retire(back, folder)
    assert (manifest.holds, manifest.phase, manifest.documents, manifest.tombstones) == ("rows", COSMOS, 5, 1)
    told = archived(folder)
    for document in (*documents.values(), *told.values()):
        document["_polyglot"].pop("writer")
    assert told == documents
    assert await rows_of(rig, COUNTERS) == {}
    root = (await rig.postgres.digests.nodes(COUNTERS, Side.ROW, [ROOT])).get(ROOT)
    assert root is None or root.number == 0
    assert (await back.verbs(COUNTERS))[-2:] == ["archive 5 rows", "complete"]
    assert len(await documents_of(rig, COUNTERS)) == 5
    assert await retire(back, folder) == manifest
    assert (await back.verbs(COUNTERS))[-2:] == ["archive 5 rows", "complete"]


async def test_a_copy_that_was_retired_is_filled_anew_and_the_collection_goes_on(
    rig: Rig, back: Process, folder: Path
) -> None:
    await retire(back, folder)
    await raised(back, "a", "new")
    await back.settle()
    await back.fill(COUNTERS)
    await back.move(COUNTERS, DUAL, REVERSED)
    await raised(back, "b", "new")
    await back.settle()
    await assert_equal(rig, COUNTERS)
    assert sorted(await rows_of(rig, COUNTERS))[:6] == sorted((*IDS, "new"))


async def test_rows_come_back_as_they_were_and_a_backfill_brings_them_up_to_date(
    rig: Rig, back: Process, folder: Path
) -> None:
    before = await rows_of(rig, COUNTERS)
    await retire(back, folder)
    await raised(back, "b", "new")
    assert await restore(back, folder) == 5
    assert await rows_of(rig, COUNTERS) == before
    assert await restore(back, folder) == 0
    await back.fill(COUNTERS)
    await back.move(COUNTERS, DUAL)
    await back.settle()
    await assert_equal(rig, COUNTERS)


async def test_a_row_whose_tombstone_was_purged_since_does_not_come_back(rig: Rig, back: Process, folder: Path) -> None:
    await retire(back, folder)
    await back.works.run(remove, "b")
    await back.settle()
    assert await purge_tombstones(back.r, COUNTERS, older_than_s=0, **SOMEBODY) == 2
    assert await restore(back, folder) == 3
    assert sorted(await rows_of(rig, COUNTERS)) == ["a", "c", "d"]


async def test_a_row_that_was_changed_by_hand_since_stays(rig: Rig, back: Process, folder: Path) -> None:
    async def change() -> None:
        async with rig.postgres.connection(writes=True) as connection:
            await connection.execute('UPDATE "counters" SET value = 77 WHERE id = $1', "b")

    r: Any = back.r._replace(relational=Relational(rig, change))
    with pytest.raises(CopyLeft, match="1 rows of Counters have changed"):
        await complete(r, COUNTERS, folder, **SOMEBODY)
    assert list(await rows_of(rig, COUNTERS)) == ["b"]
    await retire(back, folder.with_name("the rest"))
    assert archived(folder.with_name("the rest"))["b"]["value"] == 77
    assert await rows_of(rig, COUNTERS) == {}


async def test_a_backfill_that_begins_meanwhile_ends_the_removal_and_keeps_every_row(
    rig: Rig, back: Process, folder: Path
) -> None:
    async def begin() -> None:
        await back.fill(COUNTERS)

    r: Any = back.r._replace(relational=Relational(rig, begin))
    with pytest.raises(LedElsewhere, match="left CosmosOnly while"):
        await complete(r, COUNTERS, folder, **SOMEBODY)
    await back.settle()
    await assert_equal(rig, COUNTERS)
    with pytest.raises(NotRetirable, match="being kept"):
        await retire(back, folder)
    with pytest.raises(NotRetirable):
        await restore(back, folder)


async def test_an_archive_of_rows_makes_no_documents(rig: Rig, back: Process, folder: Path) -> None:
    await retire(back, folder)
    await back.fill(COUNTERS)
    await back.move(COUNTERS, DUAL, REVERSED, POSTGRES)
    with pytest.raises(ArchiveDamaged, match="an archive of the rows of Counters"):
        await restore(back, folder)


@pytest.mark.parametrize("verb", ["complete", "restore"])
async def test_a_process_killed_at_any_step_loses_no_row_and_the_next_one_finishes(
    rig: Rig, back: Process, tmp_path: Path, clean_postgres: str, verb: str
) -> None:
    whole = await rows_of(rig, COUNTERS)
    documents, kept = tmp_path / "documents.sqlite", tmp_path / "kept"
    await carry_out("complete", documents, clean_postgres, kept)
    at, dies = 0, True
    while dies:
        at += 1
        folder = tmp_path / f"archive {at}"
        await carry_out("restore", documents, clean_postgres, kept)
        if verb == "restore":
            await carry_out("complete", documents, clean_postgres, folder)
        dies = await in_a_process_that_dies(verb, documents, clean_postgres, folder, at)
        if await rows_of(rig, COUNTERS) != whole:
            assert archived(folder).keys() == set(IDS)
        await carry_out(verb, documents, clean_postgres, folder)
        assert archived(folder).keys() == set(IDS)
        assert await rows_of(rig, COUNTERS) == ({} if verb == "complete" else whole)
    assert at > (12 if verb == "complete" else 2)
