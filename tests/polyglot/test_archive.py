"""Documents are retired only once an archive of them has been read back, and come back from it."""

import asyncio
import gzip
import hashlib
import json
import resource
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from mystira.polyglot import backfill, oldcopies
from mystira.polyglot.archive import CopyLeft, complete, restore_archive
from mystira.polyglot.archivefiles import ArchiveDamaged, FolderUnusable, Manifest, holding
from mystira.polyglot.control import State, read_copy
from mystira.polyglot.digest import ROOT, Side
from mystira.polyglot.entity import Stamp
from mystira.polyglot.envelope import to_document
from mystira.polyglot.journal import Backfill, DeadLetter, LetterFilter, LetterKind
from mystira.polyglot.oldcopies import LedElsewhere, NotRetirable
from mystira.polyglot.purge import purge_tombstones
from mystira.polyglot.store import Key, Record
from mystira.polyglot.stores.sqlite.store import open_sqlite
from mystira.polyglot.work import Work
from tests.polyglot.counting import COLLECTIONS, COUNTERS, Counter, Rig, raise_counter
from tests.polyglot.dying import PART_BYTES, carry_out, in_a_process_that_dies
from tests.polyglot.moving import (
    COSMOS,
    DUAL,
    POSTGRES,
    REVERSED,
    SOMEBODY,
    Process,
    assert_equal,
    documents_of,
)

pytestmark = pytest.mark.anyio
IDS = ("a", "b", "c", "d", "gone")


async def remove(work: Work, id: str) -> None:
    found = await work.get(Counter, id)
    assert found is not None
    work.remove(found)


async def raised(process: Process, *ids: str) -> None:
    for id in ids:
        await process.works.run(raise_counter, kind=Counter, id=id, by=1)


async def brought_to(rig: Rig, *phases: Any) -> Process:
    """Four counters that live and one that is gone; one document has a field that nobody here knows."""
    process = Process(rig, "a")
    await raised(process, *IDS)
    await process.works.run(remove, "gone")
    document = await rig.sqlite.read(COUNTERS, Key("a", "a"))
    assert document is not None
    await rig.sqlite.write(COUNTERS, msgspec.structs.replace(document, extra={"note": "old 😀"}), document)
    await process.fill(COUNTERS)
    await process.move(COUNTERS, *phases)
    await process.settle()
    await sweep_sentinels(process)
    return process


async def sweep_sentinels(process: Process) -> None:
    """Forget the tombstones that the cut-over wrote for its proof, so that what is counted here is what is known."""
    row = await process.r.row(COUNTERS)
    swept = [record for id, record in (await documents_of(process.rig, COUNTERS)).items() if id.startswith("sentinel")]
    for record in swept:
        await process.rig.sqlite.remove(COUNTERS, record)
        await process.r.journal.remove_tombstone(COUNTERS, record.key, record.stamp, row.n)
    await process.r.relational.digests.take_out(COUNTERS.name, [(record.key, record.stamp) for record in swept])


@pytest.fixture
async def retiring(rig: Rig) -> Process:
    return await brought_to(rig, DUAL, REVERSED, POSTGRES)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archives" / "counters"


async def retire(process: Process, folder: Path, **options: Any) -> Manifest:
    return await complete(process.r, COUNTERS, folder, **SOMEBODY, **options)


def archived(folder: Path) -> dict[str, dict[str, Any]]:
    """What an archive holds, read as docs/archives.md tells it, without any of our own code."""
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["format"], manifest["version"]) == ("mystira-archive", 1)
    documents: list[dict[str, Any]] = []
    for part in manifest["parts"]:
        packed = (folder / part["name"]).read_bytes()
        assert (len(packed), hashlib.sha256(packed).hexdigest()) == (part["bytes"], part["sha256"])
        lines = gzip.decompress(packed).splitlines()
        assert len(lines) == part["documents"]
        documents += map(json.loads, lines)
    assert len(documents) == manifest["documents"]
    assert sum(document["_polyglot"]["deleted"] for document in documents) == manifest["tombstones"]
    return {document["id"]: document for document in documents}


async def as_json(rig: Rig) -> dict[str, dict[str, Any]]:
    records = (await documents_of(rig, COUNTERS)).items()
    return {id: json.loads(msgspec.json.encode(to_document(COUNTERS, record))) for id, record in records}


async def test_documents_are_archived_as_they_are_and_then_removed(rig: Rig, retiring: Process, folder: Path) -> None:
    before = await as_json(rig)
    assert sorted(before) == sorted(IDS) and before["a"]["note"] == "old 😀"
    manifest = await retire(retiring, folder)
    row = await retiring.r.row(COUNTERS)
    assert (manifest.documents, manifest.tombstones) == (5, 1)
    assert (manifest.collection, manifest.phase, manifest.epoch, manifest.n) == ("Counters", POSTGRES, 1, row.n)
    assert archived(folder) == before
    assert await documents_of(rig, COUNTERS) == {}
    assert await read_copy(rig.sqlite, COUNTERS.name) is not None
    await raised(retiring, "a")
    history = await rig.postgres.journal.history(COUNTERS.name)
    assert [(change.verb, change.actor) for change in reversed(history[:2])] == [
        ("archive 5 documents", "somebody"),
        ("complete", "somebody"),
    ]
    told = hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    assert {change.after for change in history[:2]} == {told}


async def test_what_was_removed_is_no_longer_counted_among_the_documents(
    rig: Rig, retiring: Process, folder: Path
) -> None:
    digests = rig.postgres.digests
    assert (await digests.nodes(COUNTERS, Side.DOCUMENT, [ROOT]))[ROOT].number == 5
    await retire(retiring, folder)
    root = (await digests.nodes(COUNTERS, Side.DOCUMENT, [ROOT])).get(ROOT)
    assert root is None or root.number == 0


async def test_completing_again_changes_nothing(rig: Rig, retiring: Process, folder: Path) -> None:
    first = await retire(retiring, folder)
    history, files = await retiring.verbs(COUNTERS), {path: path.read_bytes() for path in folder.iterdir()}
    assert await retire(retiring, folder) == first
    assert await retiring.verbs(COUNTERS) == history
    assert {path: path.read_bytes() for path in folder.iterdir()} == files


async def test_parts_stay_below_their_size(rig: Rig, retiring: Process, folder: Path) -> None:
    manifest = await retire(retiring, folder, part_bytes=PART_BYTES)
    assert len(manifest.parts) > 2 and len(archived(folder)) == 5
    assert all(len(gzip.decompress((folder / part.name).read_bytes())) <= PART_BYTES for part in manifest.parts)


async def test_a_collection_without_documents_has_an_empty_archive(rig: Rig, retiring: Process, folder: Path) -> None:
    await retire(retiring, folder)
    manifest = await retire(retiring, folder.with_name("again"))
    assert (manifest.documents, manifest.parts) == (0, ())


async def test_coming_back_makes_every_document_anew(rig: Rig, retiring: Process, folder: Path) -> None:
    await retire(retiring, folder)
    await raised(retiring, "b", "new")
    await retiring.move(COUNTERS, REVERSED)
    await retiring.settle()
    await assert_equal(rig, COUNTERS)
    assert sorted(await documents_of(rig, COUNTERS)) == sorted((*IDS, "new"))
    await retiring.move(COUNTERS, DUAL)
    await raised(retiring, "b")
    await retiring.settle()
    await assert_equal(rig, COUNTERS)


@pytest.mark.parametrize("phases", [(), (DUAL,), (DUAL, REVERSED)], ids=[COSMOS, DUAL, REVERSED])
async def test_documents_that_are_needed_are_not_retired(rig: Rig, folder: Path, phases: Any) -> None:
    process = await brought_to(rig, *phases)
    with pytest.raises(NotRetirable, match=r"needed in every phase|being kept"):
        await retire(process, folder)
    assert len(await documents_of(rig, COUNTERS)) == 5 and not folder.exists()


async def test_nothing_is_retired_while_a_transition_or_a_backfill_runs(
    rig: Rig, retiring: Process, folder: Path
) -> None:
    journal = rig.postgres.journal
    await journal.backfill_put(Backfill(collection=COUNTERS.name))
    with pytest.raises(NotRetirable, match="backfill"):
        await retire(retiring, folder)
    await journal.backfill_put(Backfill(collection=COUNTERS.name, state=backfill.DONE))
    row = await retiring.r.row(COUNTERS)
    draining = row.evolve(n=row.n + 1, state=State.DRAIN)
    await journal.change(row, draining, retiring.r.noted("drain", row, draining, "somebody", "a test"))
    with pytest.raises(NotRetirable, match="on its way"):
        await retire(retiring, folder)
    assert len(await documents_of(rig, COUNTERS)) == 5


async def test_nothing_is_removed_before_the_follower_has_heard_all(rig: Rig, retiring: Process, folder: Path) -> None:
    await straggle(rig, "a", 77)
    with pytest.raises(NotRetirable, match="follower"):
        await retire(retiring, folder)
    assert len(await documents_of(rig, COUNTERS)) == 5
    await retiring.settle()
    await retire(retiring, folder)
    assert archived(folder)["a"]["value"] == 77


async def test_a_document_that_was_refused_stays_while_its_letter_waits(
    rig: Rig, retiring: Process, folder: Path
) -> None:
    letter = DeadLetter(collection=COUNTERS.name, key=Key("a", "a"), kind=LetterKind.MERGE, stamp=Stamp(0, 9))
    await retiring.r.journal.letter_put(letter)
    with pytest.raises(NotRetirable, match="dead letters"):
        await retire(retiring, folder)
    assert len(await documents_of(rig, COUNTERS)) == 5
    await retiring.r.journal.letter_drop(letter)
    await retire(retiring, folder)
    assert await documents_of(rig, COUNTERS) == {}


async def straggle(rig: Rig, id: str, value: int) -> None:
    """What a writer does that slept past its lease."""
    document = await rig.sqlite.read(COUNTERS, Key(id, id))
    assert document is not None
    late = msgspec.structs.replace(
        document,
        entity=Counter(id=id, value=value),
        stamp=document.stamp.next(0),
        parent=document.stamp,
        op=f"late{value}",
    )
    await rig.sqlite.write(COUNTERS, late, document)


class Documents:
    """The document store, with something that happens before each removal."""

    def __init__(self, rig: Rig, before_removal: Any) -> None:
        self._store = rig.sqlite
        self._before_removal = before_removal

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def remove(self, collection: Any, record: Record) -> None:
        await self._before_removal(record)
        await self._store.remove(collection, record)


@pytest.mark.parametrize("already_read", [True, False])
async def test_a_document_that_changes_at_the_last_moment_stays(
    rig: Rig, retiring: Process, folder: Path, monkeypatch: pytest.MonkeyPatch, already_read: bool
) -> None:
    changed: list[str] = []

    async def write_late(record: Record) -> None:
        if not changed:
            changed.append(record.key.id if already_read else "b" if record.key.id == "a" else "a")
            await straggle(rig, changed[0], 77)

    monkeypatch.setattr(oldcopies, "TOGETHER", 1)
    r: Any = retiring.r._replace(documents=Documents(rig, write_late))
    with pytest.raises(CopyLeft, match="1 documents"):
        await complete(r, COUNTERS, folder, **SOMEBODY)
    left = await documents_of(rig, COUNTERS)
    assert list(left) == changed and left[changed[0]].entity == Counter(id=changed[0], value=77)
    await retiring.settle()
    await retire(retiring, folder.with_name("the rest"))
    assert archived(folder.with_name("the rest"))[changed[0]]["value"] == 77
    assert await documents_of(rig, COUNTERS) == {}


async def test_a_removal_under_way_while_the_collection_comes_back_loses_no_document(
    rig: Rig, retiring: Process, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def take_long(record: Record) -> None:
        await asyncio.sleep(0.1)

    monkeypatch.setattr(oldcopies, "TOGETHER", 1)
    r: Any = retiring.r._replace(documents=Documents(rig, take_long))
    retires = asyncio.create_task(complete(r, COUNTERS, folder, **SOMEBODY))
    while "archive 5 documents" not in await retiring.verbs(COUNTERS):
        await asyncio.sleep(0.005)
    await retiring.move(COUNTERS, REVERSED)
    await retiring.settle()
    with pytest.raises(LedElsewhere):
        await retires
    await retiring.settle()
    await assert_equal(rig, COUNTERS)


async def test_a_folder_that_cannot_be_used_removes_nothing(rig: Rig, retiring: Process, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(FolderUnusable, match="cannot hold the archive"):
        await retire(retiring, tmp_path / "file" / "archive")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("a cat")
    with pytest.raises(FolderUnusable, match=r"cat\.jpg lies there already"):
        await retire(retiring, tmp_path / "photos")
    with holding(tmp_path / "taken", make=True), pytest.raises(FolderUnusable, match="another process"):
        await retire(retiring, tmp_path / "taken")
    assert len(await documents_of(rig, COUNTERS)) == 5
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["cat.jpg"]


@contextmanager
def room_for(size: int) -> Any:
    """No file may grow beyond this size, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size", [0, 200, 365])
async def test_a_full_disk_removes_nothing_and_is_left_as_empty_as_it_was(
    rig: Rig, retiring: Process, folder: Path, size: int
) -> None:
    with room_for(size), pytest.raises(FolderUnusable, match="Nothing was removed now"):
        await retire(retiring, folder)
    assert len(await documents_of(rig, COUNTERS)) == 5
    await retire(retiring, folder)
    assert len(archived(folder)) == 5


def flip_a_byte(path: Path) -> None:
    packed = bytearray(path.read_bytes())
    packed[len(packed) // 2] ^= 1
    path.write_bytes(packed)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def repack(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b'"value":1', b'"value":9')))


@pytest.mark.parametrize("damage", [flip_a_byte, empty, repack, Path.unlink])
async def test_a_damaged_archive_is_refused_and_its_part_named(
    rig: Rig, retiring: Process, folder: Path, damage: Any
) -> None:
    await retire(retiring, folder, part_bytes=PART_BYTES)
    damage(folder / "part-00002.ndjson.gz")
    with pytest.raises(ArchiveDamaged, match=r"part-00002\.ndjson\.gz"):
        await restore_archive(retiring.r, COUNTERS, folder, **SOMEBODY)
    with pytest.raises(ArchiveDamaged, match=r"part-00002\.ndjson\.gz"):
        await retire(retiring, folder)
    assert await documents_of(rig, COUNTERS) == {}


async def test_a_damaged_manifest_or_another_ones_archive_is_refused(rig: Rig, retiring: Process, folder: Path) -> None:
    await retire(retiring, folder)
    manifest = folder / "manifest.json"
    text = manifest.read_text()
    for damaged in (
        "{",
        text.replace('"version": 1', '"version": 2'),
        text.replace('"documents": 5', '"documents": 4', 1),
    ):
        manifest.write_text(damaged)
        with pytest.raises(ArchiveDamaged, match=r"manifest\.json"):
            await restore_archive(retiring.r, COUNTERS, folder, **SOMEBODY)
    manifest.write_text(text.replace("Counters", "Seats"))
    with pytest.raises(ArchiveDamaged, match="an archive of the documents of Seats"):
        await restore_archive(retiring.r, COUNTERS, folder, **SOMEBODY)
    manifest.unlink()
    with pytest.raises(ArchiveDamaged, match="missing"):
        await restore_archive(retiring.r, COUNTERS, folder, **SOMEBODY)


async def test_an_archive_comes_back_and_is_brought_up_to_date(rig: Rig, retiring: Process, folder: Path) -> None:
    before = await as_json(rig)
    await retire(retiring, folder)
    await raised(retiring, "b", "new")
    assert await restore_archive(retiring.r, COUNTERS, folder, **SOMEBODY) == 5
    restored = await as_json(rig)
    for document in (*before.values(), *restored.values()):
        document["_polyglot"].pop("writer")
    assert restored == before
    assert await restore_archive(retiring.r, COUNTERS, folder, **SOMEBODY) == 0
    await retiring.settle()
    assert not await rig.postgres.journal.letters(LetterFilter(collection=COUNTERS.name))
    await retiring.move(COUNTERS, REVERSED)
    await retiring.settle()
    await assert_equal(rig, COUNTERS)
    await retiring.move(COUNTERS, DUAL)


async def test_what_was_purged_since_does_not_come_back(rig: Rig, retiring: Process, folder: Path) -> None:
    await retire(retiring, folder)
    await retiring.works.run(remove, "b")
    assert await purge_tombstones(retiring.r, COUNTERS, older_than_s=0, **SOMEBODY) == 2
    assert await restore_archive(retiring.r, COUNTERS, folder, **SOMEBODY) == 3
    assert sorted(await documents_of(rig, COUNTERS)) == ["a", "c", "d"]
    await retiring.move(COUNTERS, REVERSED, DUAL)
    await retiring.settle()
    await assert_equal(rig, COUNTERS)


async def test_an_archive_is_restored_in_postgres_only_alone(rig: Rig, retiring: Process, folder: Path) -> None:
    await retire(retiring, folder)
    await retiring.move(COUNTERS, REVERSED)
    with pytest.raises(NotRetirable):
        await restore_archive(retiring.r, COUNTERS, folder, **SOMEBODY)


@pytest.mark.parametrize("verb", ["complete", "restore"])
async def test_a_process_killed_at_any_step_loses_nothing_and_the_next_one_finishes(
    rig: Rig, retiring: Process, tmp_path: Path, clean_postgres: str, verb: str
) -> None:
    whole = await as_json(rig)
    at, dies = 0, True
    while dies:
        at += 1
        documents, folder = tmp_path / f"{at}.sqlite", tmp_path / f"archive {at}"
        with closing(apsw.Connection(str(tmp_path / "documents.sqlite"))) as original:
            original.execute("VACUUM INTO ?", (str(documents),))
        if verb == "restore":
            await carry_out("complete", documents, clean_postgres, folder)
        dies = await in_a_process_that_dies(verb, documents, clean_postgres, folder, at)
        if await ids_in(documents) != set(IDS):
            assert archived(folder) == whole
        await carry_out(verb, documents, clean_postgres, folder)
        assert archived(folder) == whole
        assert await ids_in(documents) == (set() if verb == "complete" else set(IDS))
    assert at > (12 if verb == "complete" else 6)
    assert {"complete", "archive 5 documents"} <= set(await retiring.verbs(COUNTERS))


async def ids_in(documents: Path) -> set[str]:
    sqlite = await open_sqlite(documents, COLLECTIONS)
    try:
        return {
            item.record.key.id
            for range_id in await sqlite.feed_ranges(COUNTERS)
            for item in (await sqlite.feed(COUNTERS, range_id, "", 100)).items
        }
    finally:
        sqlite.close()
