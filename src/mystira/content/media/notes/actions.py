"""What people do with the lists of notes; each function is one unit of work."""

from collections.abc import Sequence
from typing import Any

from mystira.content.desk.actions import not_right
from mystira.content.desk.model.fields import Wrong
from mystira.content.events import ContentChanged
from mystira.content.media.model.metadata import ENTRIES_MAX, MetadataFile, Noted, twice
from mystira.content.media.notes.model import Sort, entry_in, entry_of
from mystira.content.media.problems import EntryNotFound, EntryTwice, TooManyEntries
from mystira.content.media.views import metadata_file
from mystira.polyglot.entity import Stamp
from mystira.polyglot.work import Work
from mystira.web.access import RoleTooLow
from mystira.web.versions import refuse_stale


async def write_notes(
    work: Work,
    *,
    kind: type[MetadataFile],
    entries: Sequence[Noted],
    may_remove: bool = True,
    seen: Stamp,
    by: str,
    why: str = "",
) -> MetadataFile:
    """Put these entries in the place of all that a list holds; the same again changes nothing."""
    before = await metadata_file(work, kind)
    refuse_stale(work, before, seen)
    if len(entries) > ENTRIES_MAX:
        raise TooManyEntries(most=ENTRIES_MAX)
    again = twice(tuple(entries))
    if again is not None:
        raise EntryTwice(entry_id=again)
    if not may_remove and {one.id for one in before.entries} - {one.id for one in entries}:
        raise RoleTooLow(needed="admin", role="operator")
    told: Any = tuple(entries)
    after = before.evolve(entries=told)
    if after != before:
        work.save(after, ContentChanged(what=before.id, content_id=before.id, change="changed", by=by, why=why))
    return after


async def add_entry(
    work: Work, *, sort: Sort, entry_id: str, typed: dict[str, str], seen: Stamp, by: str, why: str = ""
) -> MetadataFile:
    """Add what a form holds to a list; NotRight names every field that is wrong."""
    file = await metadata_file(work, sort.file)
    refuse_stale(work, file, seen)
    entry, found = entry_of(sort, entry_id, typed, None)
    if entry_in(file, entry_id) is not None:
        found.append(Wrong("id", f"There is an entry {entry_id} already. Change that one, or choose another id."))
    if found:
        raise not_right(found)
    return await write_notes(work, kind=sort.file, entries=(*file.entries, entry), seen=seen, by=by, why=why)


async def change_entry(
    work: Work, *, sort: Sort, entry_id: str, typed: dict[str, str], seen: Stamp, by: str, why: str = ""
) -> MetadataFile:
    """Change one entry of a list to what a form holds; NotRight names every field that is wrong."""
    file = await metadata_file(work, sort.file)
    refuse_stale(work, file, seen)
    before = entry_in(file, entry_id)
    if before is None:
        raise EntryNotFound(entry_id=entry_id[:120])
    entry, found = entry_of(sort, entry_id, typed, before)
    if found:
        raise not_right(found)
    entries = tuple(entry if one is before else one for one in file.entries)
    return await write_notes(work, kind=sort.file, entries=entries, seen=seen, by=by, why=why)


async def remove_entry(work: Work, *, sort: Sort, entry_id: str, seen: Stamp, by: str, why: str = "") -> MetadataFile:
    """Take one entry out of a list."""
    file = await metadata_file(work, sort.file)
    refuse_stale(work, file, seen)
    if entry_in(file, entry_id) is None:
        raise EntryNotFound(entry_id=entry_id[:120])
    left = tuple(one for one in file.entries if one.id != entry_id)
    return await write_notes(work, kind=sort.file, entries=left, seen=seen, by=by, why=why)
