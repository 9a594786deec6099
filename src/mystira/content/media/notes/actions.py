"""What people do with the lists of notes; each function is one unit of work."""

from collections.abc import Sequence
from typing import Any

from mystira.content.events import ContentChanged
from mystira.content.media.model.metadata import ENTRIES_MAX, MetadataFile, Noted, twice
from mystira.content.media.problems import EntryTwice, TooManyEntries
from mystira.content.media.views import metadata_file
from mystira.polyglot.entity import Stamp
from mystira.polyglot.work import Work
from mystira.web.versions import refuse_stale


async def write_notes(
    work: Work, *, kind: type[MetadataFile], entries: Sequence[Noted], seen: Stamp, by: str, why: str = ""
) -> MetadataFile:
    """Put these entries in the place of all that a list holds; the same again changes nothing."""
    before = await metadata_file(work, kind)
    refuse_stale(work, before, seen)
    if len(entries) > ENTRIES_MAX:
        raise TooManyEntries(most=ENTRIES_MAX)
    again = twice(tuple(entries))
    if again is not None:
        raise EntryTwice(entry_id=again)
    told: Any = tuple(entries)
    after = before.evolve(entries=told)
    if after != before:
        work.save(after, ContentChanged(what=before.id, content_id=before.id, change="changed", by=by, why=why))
    return after
