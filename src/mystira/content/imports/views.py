"""How far imports are, and what became of their files."""

from collections.abc import Sequence
from datetime import datetime

from mystira.content.imports.model import UNDER_WAY, Import, ImportedFile, Outcome
from mystira.content.imports.problems import ImportNotFound
from mystira.content.imports.storage import IMPORTED_FILES, IMPORTS
from mystira.polyglot.entity import Value
from mystira.polyglot.query import EVERYTHING, Order, all_of, equal, one_of
from mystira.polyglot.work import Work
from mystira.web.lists import Span, cursor_in, cursor_text

DUE_MAX = 10
NEWEST = Order("asked_at", descending=True)
NUMBER = Order("number")


class ImportsPage(Value, frozen=True, kw_only=True):
    """A page of imports, the newest first; `after` leads to the next one."""

    items: tuple[Import, ...]
    after: str | None


class FilesPage(Value, frozen=True, kw_only=True):
    """A page of an import's files with everything found in them; `after` leads to the next one."""

    items: tuple[ImportedFile, ...]
    after: str | None


async def import_of(work: Work, import_id: str) -> Import:
    """Return one import; ImportNotFound where there is none."""
    found = await work.get(Import, import_id)
    if found is None:
        raise ImportNotFound
    return found


async def imports(work: Work, span: Span) -> ImportsPage:
    """Return a page of imports."""
    found = await work.find(Import, EVERYTHING, NEWEST, limit=span.limit, after=cursor_in(IMPORTS, span.after, NEWEST))
    return ImportsPage(items=found.items, after=cursor_text(found.after))


async def files(work: Work, import_id: str, span: Span, outcome: Outcome | None = None) -> FilesPage:
    """Return a page of an import's files in their order, all or those with this outcome."""
    only = () if outcome is None else (equal("outcome", outcome),)
    where = all_of(equal("import_id", import_id), *only)
    after = cursor_in(IMPORTED_FILES, span.after, NUMBER)
    found = await work.find(ImportedFile, where, NUMBER, limit=span.limit, after=after)
    return FilesPage(items=found.items, after=cursor_text(found.after))


async def done_numbers(work: Work, import_id: str, numbers: Sequence[int]) -> set[int]:
    """Return which of these files are done."""
    found = await work.find(
        ImportedFile, all_of(equal("import_id", import_id), one_of("number", tuple(numbers))), NUMBER, limit=1_000
    )
    return {file.number for file in found.items}


async def due(work: Work, now: datetime) -> list[Import]:
    """Return imports that a worker should begin or go on with, the oldest first."""
    found = await work.find(Import, one_of("state", UNDER_WAY), Order("asked_at"), limit=100)
    return [one for one in found.items if one.is_due(now)][:DUE_MAX]
