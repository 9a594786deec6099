"""`mystira content import` of archives and folders: the same import as on the page, carried out at the terminal."""

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4
from zipfile import ZIP_STORED, ZipFile

from mystira.content.commands import FileTold, StoryTold, import_files
from mystira.content.imports import actions, views
from mystira.content.imports.jobs import ImportRunner, file_of
from mystira.content.imports.model import Import, ImportedFile
from mystira.content.scenarios.actions import Asked
from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.scenario import Scenario
from mystira.polyglot.work import Work, Works
from mystira.textfiles.readers import Readers
from mystira.textfiles.zips import MAGIC
from mystira.web.lists import SHOWN_MAX, Span

LOOKED_AFTER_S = 1.0
Report = Callable[[str], None]


class Wanted(NamedTuple):
    """How archives are to be imported, and who wants it."""

    publish: bool
    add_vocabulary: bool
    by: str
    why: str

    @property
    def options(self) -> dict[str, bool]:
        """How, without who."""
        return {"publish": self.publish, "add_vocabulary": self.add_vocabulary}


def is_archive(path: Path) -> bool:
    """Tell whether this is imported as a whole: a folder, or a ZIP whatever its name."""
    if path.is_dir():
        return True
    try:
        with path.open("rb") as source:
            return source.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


async def import_paths(
    works: Works,
    readers: Readers,
    runner: ImportRunner,
    folder: Path,
    paths: Sequence[Path],
    wanted: Wanted,
    report: Report,
) -> AsyncIterator[FileTold]:
    """Import story files, then archives and folders one after another; tell of every file what became of it.

    `folder` is where the platform's imports wait: whoever is stopped here leaves the rest to the platform's worker.
    """
    archives = [path for path in paths if is_archive(path)]
    alone = [path for path in paths if path not in archives]
    asked, options = Asked(by=wanted.by, why=wanted.why), wanted.options
    for path, checked, scenario in await import_files(works, readers, alone, **options, asked=asked):
        yield FileTold(
            file=str(path), ok=not checked.errors, findings=checked.findings, scenario=scenario and _story(scenario)
        )
    for path in archives:
        async for told in _import_archive(works, runner, folder, path, wanted, report):
            yield told


async def _import_archive(
    works: Works, runner: ImportRunner, folder: Path, path: Path, wanted: Wanted, report: Report
) -> AsyncIterator[FileTold]:
    try:
        job = await _asked(works, folder, path, wanted)
    except OSError as error:
        message = f"It cannot be read or kept here ({error.strerror}). Check its name and who may read it."
        yield _refused(path, "cannot_read", message)
        return
    if job is None:
        yield _refused(path, "no_file", "There is no file in this folder. Name one with stories.")
        return
    job = await _carried_out(works, runner, job, report)
    report(f"{path}: {job.outcome}")
    if job.state == "failed":
        yield _refused(path, "archive_refused", job.outcome)
    after: str | None = ""
    while after is not None:
        work = works.open()
        found = await views.files(work, job.id, Span(limit=SHOWN_MAX, after=after))
        for file in found.items:
            yield await _told(work, path, job, file)
        after = found.after


async def _asked(works: Works, folder: Path, path: Path, wanted: Wanted) -> Import | None:
    import_id = works.open().new_id()
    kept = await asyncio.to_thread(_kept, path, folder, import_id)
    if kept is None:
        return None
    digest, size = kept
    return await works.run(
        actions.ask, import_id=import_id, name=path.name, file_hash=digest, file_bytes=size, **wanted._asdict()
    )


async def _carried_out(works: Works, runner: ImportRunner, job: Import, report: Report) -> Import:
    """Carry it out, or look on where a worker of the platform was faster, until it is over."""
    doing, said = asyncio.create_task(runner.carry_out(job.id)), 0
    try:
        while not job.is_over:
            await asyncio.wait([doing], timeout=LOOKED_AFTER_S)
            job = await views.import_of(works.open(), job.id)
            if job.done != said and not job.is_over:
                said = job.done
                report(f"{job.name}: {job.done:,} of {job.total:,} files, {job.errors:,} errors so far.")
            if doing.done() and not job.is_over:
                await doing
                await asyncio.sleep(LOOKED_AFTER_S)
                doing = asyncio.create_task(runner.carry_out(job.id))
        await doing
    finally:
        doing.cancel()
        with suppress(asyncio.CancelledError):
            await doing
    return job


async def _told(work: Work, path: Path, job: Import, file: ImportedFile) -> FileTold:
    scenario = None if file.scenario_id is None else await work.get(Scenario, file.scenario_id)
    return FileTold(
        file=f"{path}/{file.name}",
        ok=file.outcome != "refused",
        findings=file.findings,
        scenario=scenario and _story(scenario),
        outcome=file.outcome,
        bundle=job.bundle_id if file.kind == "manifest" and file.outcome != "refused" else None,
    )


def _story(scenario: Scenario) -> StoryTold:
    return StoryTold(id=scenario.id, state=scenario.state, version=scenario.latest_version)


def _refused(path: Path, code: str, message: str) -> FileTold:
    finding = Finding(severity="error", code=code, path="", line=0, column=0, message=message)
    return FileTold(file=str(path), ok=False, findings=(finding,), scenario=None, outcome="refused")


def _kept(path: Path, folder: Path, import_id: str) -> tuple[str, int] | None:
    """Put an archive where imports wait; return its hash and its size, None for a folder without files."""
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{uuid4()}.part"
    try:
        if not path.is_dir():
            shutil.copyfile(path, part)
        elif not _pack(path, part):
            return None
        with part.open("rb") as source:
            digest = hashlib.file_digest(source, "sha256").hexdigest()
        size = part.stat().st_size
        part.rename(file_of(folder, import_id))
        return digest, size
    finally:
        part.unlink(missing_ok=True)


def _pack(folder: Path, target: Path) -> bool:
    """Make an archive of a folder, so that it is imported by the rules of archives; hidden files stay out."""
    inside = (path for path in sorted(folder.rglob("*")) if path.is_file())
    with ZipFile(target, "w", ZIP_STORED, strict_timestamps=False) as archive:
        for path in inside:
            name = path.relative_to(folder)
            if not any(part.startswith(".") for part in name.parts):
                archive.write(path, name.as_posix())
        return bool(archive.namelist())
