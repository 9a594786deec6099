"""An import's way through its states; each function that takes a `work` is one unit of work."""

import msgspec

from mystira.content.events import ContentChanged
from mystira.content.imports.model import LEASE, Import, ImportedFile, Tally
from mystira.content.imports.views import import_of
from mystira.polyglot.work import Work
from mystira.web.keys import KeyReused


async def ask(
    work: Work,
    *,
    import_id: str,
    name: str,
    file_hash: str,
    file_bytes: int,
    publish: bool,
    add_vocabulary: bool,
    by: str,
    why: str = "",
) -> Import:
    """Keep what is to be imported, for a worker to do. Asking again under the same id asks once."""
    known = await work.get(Import, import_id)
    if known is not None:
        if (known.file_hash, known.publish, known.add_vocabulary, known.by) != (file_hash, publish, add_vocabulary, by):
            raise KeyReused
        return known
    asked = Import(
        id=import_id,
        name=name[:240],
        file_hash=file_hash,
        file_bytes=file_bytes,
        publish=publish,
        add_vocabulary=add_vocabulary,
        by=by,
        why=why,
        asked_at=work.now,
    )
    change = f"asked for {name[:80]}"
    work.save(asked, ContentChanged(what="import", content_id=import_id, change=change, by=by, why=why))
    return asked


async def take_up(work: Work, *, import_id: str, worker: str) -> Import | None:
    """Make a worker the one that carries an import out; None where another one was faster."""
    found = await import_of(work, import_id)
    if not found.is_due(work.now):
        return None
    taken = found.taken_up(worker, work.now)
    work.save(taken)
    return None if taken.is_over else taken


async def keep_file(work: Work, *, file: ImportedFile) -> None:
    """Keep what became of a file. Done again after a worker's end, the later outcome stands."""
    work.save(file)


async def go_on(work: Work, *, import_id: str, worker: str, total: int, tally: Tally) -> Import | None:
    """Keep how far an import is, and renew its lease; None where it is not this worker's any more."""
    found = await import_of(work, import_id)
    if found.worker != worker or found.is_over:
        return None
    further = found.evolve(**msgspec.structs.asdict(tally), total=total, leased_until=work.now + LEASE)
    work.save(further)
    return further


async def name_bundle(work: Work, *, import_id: str, worker: str, bundle_id: str) -> None:
    """Keep which bundle an import makes, unless another worker has taken it over."""
    found = await import_of(work, import_id)
    if found.worker == worker and not found.is_over and found.bundle_id != bundle_id:
        work.save(found.evolve(bundle_id=bundle_id))


async def end(work: Work, *, import_id: str, worker: str, failed: bool, outcome: str) -> None:
    """Keep what came of an import, unless another worker has taken it over."""
    found = await import_of(work, import_id)
    if found.worker == worker and not found.is_over:
        work.save(found.ended("failed" if failed else "done", outcome, work.now))
