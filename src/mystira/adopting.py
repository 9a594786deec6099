"""Databases that other software wrote: what is read through a mapping, and an inspection as people read it."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mystira.polyglot.adopt.inspecting import Inspection, Shape
from mystira.polyglot.adopt.mapping import adopted, load_mapping, load_mappings
from mystira.polyglot.collection import Collection
from mystira.polyglot.problem import Kind, Problem
from mystira.services import COLLECTIONS
from mystira.settings import Settings

IDS_SHOWN, WORDS_SHOWN = 5, 12


class NothingToInspect(Problem):
    """{reason} There are: {known}."""

    kind = Kind.INVALID


def collections_of(settings: Settings) -> tuple[Collection[Any], ...]:
    """Return every collection, each through its mapping where MYSTIRA_MAPPINGS holds one."""
    return COLLECTIONS if settings.mappings is None else adopted(COLLECTIONS, load_mappings(settings.mappings))


def chosen(settings: Settings, names: Sequence[str], mapping: Path | None) -> tuple[Collection[Any], ...]:
    """Return the named collections and the one that the mapping file is for, read through it."""
    known = {collection.name: collection for collection in collections_of(settings)}
    tried = load_mapping(mapping) if mapping is not None else None
    wanted = dict.fromkeys([*names, *([tried.collection] if tried else ())])
    strange = [name for name in wanted if name not in known]
    if strange or not wanted:
        reason = f"No collection is called {', '.join(strange)}." if strange else "Name one or more collections."
        raise NothingToInspect(reason=reason, known=", ".join(sorted(known)))
    if tried is not None:
        known[tried.collection] = known[tried.collection].adopting(tried)
    return tuple(known[name] for name in wanted)


def told(found: Inspection) -> Iterator[str]:
    """Yield the lines that tell a person what was found."""
    seen = f"{found.seen} documents" if found.whole else f"the first {found.seen} documents"
    yield f"{found.collection}: {seen}; {found.fitting} fit, {found.stamped} are this platform's already."
    for name, kinds in found.kinds.items():
        yield f"    {name} tells the kind: {_counts(kinds)}"
    for shape in found.shapes:
        yield f"    {shape.path}: {_counts(shape.types)}{_goes(shape)}"
    if found.kept_beside:
        yield f"    Kept beside, unknown to us: {', '.join(sorted(found.kept_beside))}"
    for violation in found.violations:
        ids = ", ".join(violation.ids[:IDS_SHOWN]) + (", ..." if violation.count > IDS_SHOWN else "")
        yield f"    {violation.count} would not come over: {violation.why} ({ids})"


def _goes(shape: Shape) -> str:
    looks: Iterable[str] = (f"{word} {count}" for word, count in list(shape.words.items())[:WORDS_SHOWN])
    shown = ", ".join(looks) or ", ".join(repr(outline) for outline in shape.outlines)
    becomes = f" -> {shape.becomes}" if shape.becomes else ""
    return f"{becomes}{f' ({shown})' if shown else ''}"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items())
