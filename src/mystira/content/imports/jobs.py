"""Carries imports out: files are checked a few at a time, each leaves its record, and nothing is done twice in vain.

A worker that dies stops renewing its lease; the next one goes on behind the last file that has a record. Stories of an
archive are unpacked one by one, so neither its size nor the number of its stories shows in the memory.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, NamedTuple

import structlog

from mystira.content import views as content
from mystira.content.actions import check_scenario, import_checked
from mystira.content.bundles.manifests.actions import bring_manifest, check_manifest, settled
from mystira.content.imports import actions, views
from mystira.content.imports.model import FileKind, Import, ImportedFile, Outcome, Tally, file_id, kind_of
from mystira.content.media.actions.uploading import Incoming, take_entry
from mystira.content.media.ports import MediaShelf
from mystira.content.scenarios.actions import Asked
from mystira.content.scenarios.model.checking import Checked, unreadable
from mystira.content.scenarios.model.examining import Form, context
from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.scenario import Scenario, story_id
from mystira.polyglot.problem import Problem
from mystira.polyglot.work import Works
from mystira.textfiles.nodes import Unreadable
from mystira.textfiles.readers import Readers
from mystira.textfiles.reading import BYTES_MAX, Refused
from mystira.textfiles.zips import MAGIC, ZipEntry, read_directory, unpack
from mystira.web.lists import SHOWN_MAX, Span

log = structlog.get_logger(__name__)

AT_ONCE = 8
# Stories come after what they show, and a bundle after its stories.
TURNS: dict[FileKind, int] = {"media": 0, "story": 1, "other": 2, "manifest": 3}


class _Entry(NamedTuple):
    number: int
    name: str
    kind: FileKind
    packed: ZipEntry | None


class _Known(NamedTuple):
    """What is done already: how much, which files, which of them has which story, and what each story file became."""

    tally: Tally
    numbers: frozenset[int]
    stories: dict[str, int]
    files: dict[str, str | None]
    manifest: str = ""

    def note(self, file: ImportedFile) -> None:
        """Note what became of a story's file; one that was refused is no story."""
        if file.kind == "story":
            self.files[file.name] = file.scenario_id


class ImportRunner:
    """One hand of a worker: it carries out one import at a time."""

    def __init__(self, works: Works, readers: Readers, shelf: MediaShelf, folder: Path, *, name: str) -> None:
        self._works = works
        self._readers = readers
        self._shelf = shelf
        self._folder = folder
        self._name = f"{name}/imports"

    async def step(self) -> int:
        """Carry out one import that is due; return how many there were."""
        work = self._works.open()
        for waiting in await views.due(work, work.now):
            if await self.carry_out(waiting.id):
                return 1
        return 0

    async def carry_out(self, import_id: str) -> bool:
        """Carry out this import if it is due; tell whether it was."""
        taken = await self._works.run(actions.take_up, import_id=import_id, worker=self._name)
        if taken is not None:
            await self._do(taken)
        return taken is not None

    async def _do(self, job: Import) -> None:
        path = file_of(self._folder, job.id)
        try:
            with path.open("rb") as source:
                outcome, failed = await self._all_files(job, source), False
        except OSError as error:
            outcome, failed = f"The file cannot be read here ({error.strerror}). Send it again.", True
        except Refused as refused:
            outcome, failed = refused.why.message, True
        if outcome is None:
            return
        await self._works.run(actions.end, import_id=job.id, worker=self._name, failed=failed, outcome=outcome)
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _all_files(self, job: Import, source: BinaryIO) -> str | None:
        """Import every file that is not done; return what came of it all, None where another worker goes on."""
        entries = await asyncio.to_thread(_entries, job, source)
        known = await self._done(job, next((one.name for one in entries if one.kind == "manifest"), ""))
        tally = known.tally
        waiting = [entry for entry in entries if entry.number not in known.numbers]
        told = b""
        for some in _batches(waiting):
            if some[0].kind == "story" and (not told or job.add_vocabulary):
                told = await self._told(job)
            async for file in self._imported(job, source, some, known, told):
                await self._works.run(actions.keep_file, file=file)
                known.note(file)
                tally = tally.plus(file)
            if not await self._goes_on(job, len(entries), tally):
                return None
        return _says(tally)

    async def _goes_on(self, job: Import, total: int, tally: Tally) -> bool:
        kept = await self._works.run(actions.go_on, import_id=job.id, worker=self._name, total=total, tally=tally)
        return kept is not None

    async def _done(self, job: Import, manifest: str) -> _Known:
        known, tally, numbers, after = _Known(Tally(), frozenset(), {}, {}, manifest), Tally(), set[int](), ""
        while True:
            found = await views.files(self._works.open(), job.id, Span(limit=SHOWN_MAX, after=after))
            for file in found.items:
                tally = tally.plus(file)
                numbers.add(file.number)
                known.note(file)
                if file.scenario_id is not None:
                    known.stories[file.scenario_id] = file.number
            if found.after is None:
                return known._replace(tally=tally, numbers=frozenset(numbers))
            after = found.after

    async def _told(self, job: Import, form: Form = "story") -> bytes:
        """Return what files may name, as the child processes that check them take it."""
        work = self._works.open()
        vocabulary = await content.vocabulary(work)
        # The library is asked for the few media that a file names, once it was read.
        media = content.program_media_ids()
        return context(vocabulary, form=form, add_vocabulary=job.add_vocabulary, media=media)

    async def _imported(
        self, job: Import, source: BinaryIO, some: Sequence[_Entry], known: _Known, told: bytes
    ) -> AsyncIterator[ImportedFile]:
        """Import files of one kind."""
        kind = some[0].kind
        if kind == "story":
            texts = [await asyncio.to_thread(_bytes, source, entry) for entry in some]
            checks = await asyncio.gather(*(self._checked(text, told) for text in texts))
            for entry, checked in zip(some, checks, strict=True):
                yield await self._story(job, entry, _apart(entry, checked, known.stories))
        for entry in some:
            if kind == "media":
                yield await self._medium(job, entry)
            elif kind == "manifest":
                yield await self._bundle(job, entry, source, known)
            elif kind == "other":
                yield _left_out(job, entry)

    async def _medium(self, job: Import, entry: _Entry) -> ImportedFile:
        """Take a picture, a sound or a film into the library, as one that is sent there."""
        assert entry.packed is not None, "a file that is no archive is read as text"
        archive = Incoming(path=file_of(self._folder, job.id), name=job.name, by=job.by, why=_why(job))
        taken = await take_entry(self._works, self._shelf, archive, entry.packed)
        if taken.state == "refused":
            return _file(job, entry, "refused", (_error(taken.code, taken.message),))
        return _file(job, entry, "unchanged" if taken.state == "known" else "imported", ())

    async def _checked(self, text: "bytes | Unreadable", told: bytes) -> Checked:
        if isinstance(text, Unreadable):
            return unreadable(text)
        return await content.settled(self._works.open(), await check_scenario(self._readers, text, told))

    async def _story(self, job: Import, entry: _Entry, checked: Checked) -> ImportedFile:
        if checked.content is None:
            return _file(job, entry, "refused", checked.findings)
        before = await self._works.open().get(Scenario, story_id(checked.content.title))
        asked = Asked(by=job.by, why=_why(job))
        try:
            made = await import_checked(self._works, checked, publish=job.publish, asked=asked)
        except Problem as refusal:
            wrong = unreadable(Unreadable(refusal.code, refusal.message)).findings
            return _file(job, entry, "refused", (*checked.findings, *wrong))
        outcome: Outcome = "unchanged" if made == before else "imported"
        file = _file(job, entry, outcome, checked.findings)
        return file.evolve(scenario_id=made.id, version=made.latest_version)

    async def _bundle(self, job: Import, entry: _Entry, source: BinaryIO, known: _Known) -> ImportedFile:
        """Make or change the bundle of an archive whose stories are in."""
        if entry.name != known.manifest:
            message = f"An archive makes one bundle, and {known.manifest} tells it. Send this one in its own archive."
            return _file(job, entry, "refused", (_error("second_manifest", message),))
        text = await asyncio.to_thread(_bytes, source, entry)
        checked = await check_manifest(self._readers, text, await self._told(job, "bundle"))
        read = await settled(self._works.open(), checked)
        if read.manifest is None:
            return _file(job, entry, "refused", read.findings)
        folder = entry.name.rpartition("/")
        brought = await bring_manifest(
            self._works,
            read.manifest,
            known.files,
            folder=folder[0] + folder[1],
            publish=job.publish,
            by=job.by,
            why=_why(job),
        )
        findings = (*read.findings, *brought.findings)
        if brought.bundle is None:
            return _file(job, entry, "refused", findings)
        # Before the file's own record: a worker that dies in between leaves the manifest to the next one.
        about = {"import_id": job.id, "worker": self._name}
        await self._works.run(actions.name_bundle, **about, bundle_id=brought.bundle.id)
        return _file(job, entry, "imported" if brought.has_changed else "unchanged", findings)


def file_of(folder: Path, import_id: str) -> Path:
    """Return where the file of an import waits until it is carried out."""
    return folder / import_id


def forget_strays(folder: Path, is_old: Callable[[Path], bool]) -> int:
    """Delete files that no import came to stand for; return how many there were."""
    strays = [path for path in folder.glob("*.part") if is_old(path)]
    for path in strays:
        with suppress(OSError):
            path.unlink()
    return len(strays)


def _entries(job: Import, source: BinaryIO) -> list[_Entry]:
    source.seek(0)
    if source.read(len(MAGIC)) != MAGIC:
        return [_Entry(0, job.name, "manifest" if kind_of(job.name) == "manifest" else "story", None)]
    packed = read_directory(source)
    found = [_Entry(number, one.name, kind_of(one.name), one) for number, one in enumerate(packed)]
    return sorted(found, key=lambda entry: TURNS[entry.kind])


def _batches(entries: Sequence[_Entry]) -> Iterator[Sequence[_Entry]]:
    """Part files by their kind. A film takes its time, and a lease that is not renewed is somebody else's."""
    for kind, some in groupby(entries, lambda entry: entry.kind):
        alike = list(some)
        most = 1 if kind == "media" else AT_ONCE
        yield from (alike[first : first + most] for first in range(0, len(alike), most))


def _bytes(source: BinaryIO, entry: _Entry) -> "bytes | Unreadable":
    if entry.packed is None:
        source.seek(0)
        return source.read(BYTES_MAX + 1)
    if entry.packed.size > BYTES_MAX:
        return Unreadable("too_large", f"The file has more than {BYTES_MAX:,} bytes. Make it smaller.")
    with TemporaryDirectory(prefix="mystira-import-") as folder:
        target = Path(folder) / "story"
        try:
            unpack(source, entry.packed, target)
        except Refused as refused:
            return refused.why
        return target.read_bytes()


def _apart(entry: _Entry, checked: Checked, stories: dict[str, int]) -> Checked:
    if checked.content is None:
        return checked
    other = stories.setdefault(story_id(checked.content.title), entry.number)
    if other == entry.number:
        return checked
    message = "Another story of this archive has this title, and one would replace the other. Change one of the titles."
    return unreadable(Unreadable("same_title", message))


def _left_out(job: Import, entry: _Entry) -> ImportedFile:
    message = "This is no story (YAML or JSON), so it was left out."
    finding = Finding(severity="warning", code="left_out", path="", line=0, column=0, message=message)
    return _file(job, entry, "left out", (finding,))


def _why(job: Import) -> str:
    return job.why or f"import of {job.name}"[:500]


def _error(code: str, message: str) -> Finding:
    return Finding(severity="error", code=code, path="", line=0, column=0, message=message)


def _file(job: Import, entry: _Entry, outcome: Outcome, findings: tuple[Finding, ...]) -> ImportedFile:
    errors = sum(one.severity == "error" for one in findings)
    return ImportedFile(
        id=file_id(job.id, entry.number),
        import_id=job.id,
        number=entry.number,
        name=entry.name,
        kind=entry.kind,
        outcome=outcome,
        errors=errors,
        warnings=len(findings) - errors,
        findings=findings,
    )


def _says(tally: Tally) -> str:
    left_out = tally.done - tally.imported - tally.refused
    parts = [f"{tally.imported:,} of {tally.done:,} files imported"]
    parts += [f"{tally.refused:,} refused with {tally.errors:,} errors"] if tally.refused else []
    parts += [f"{left_out:,} left out"] if left_out else []
    return f"{', '.join(parts)}."
