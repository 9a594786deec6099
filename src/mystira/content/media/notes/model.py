"""How one entry of the two lists is asked for on a page, and its way between form and record."""

from typing import Any, NamedTuple, cast

import msgspec

from mystira.content.desk.model.fields import Field, Wrong, from_form, to_form, wrongs
from mystira.content.media.model.metadata import (
    CHARACTER_MEDIA_METADATA,
    MEDIA_METADATA,
    CharacterMediaEntry,
    CharacterMediaMetadataFile,
    Id,
    KeyValue,
    MediaEntry,
    MediaMetadataFile,
    MetadataFile,
    Noted,
)

PAIRS = ("classification_tags", "modifiers")
PAIR = "One a line, for example mood: calm."
PAIR_WRONG = "Write each line as a name, a colon and a value, both up to 200 characters: mood: calm."
ID = Field(name="id", label="Id", most=120, help="It cannot be changed later.")
NOTED = (
    Field(name="title", label="Title", required=False),
    Field(name="file_name", label="File", required=False, help="As the media library calls it: rain-on-leaves.mp3."),
    Field(name="type", label="Type", required=False, help="Image, audio or video."),
    Field(name="description", label="Description", ask="text", required=False, most=2_000),
    Field(name="age_rating", label="Age rating", required=False),
)


class Sort(NamedTuple):
    """One of both lists: what it is called, of what its entries are, and what is asked of each."""

    noun: str
    title: str
    file: type[MetadataFile]
    entry: type[Noted]
    fields: tuple[Field, ...]


SORTS = {
    sort.noun: sort
    for sort in (
        Sort(
            MEDIA_METADATA,
            "Notes of media",
            MediaMetadataFile,
            MediaEntry,
            (
                *NOTED,
                Field(name="subject_reference_id", label="Subject", required=False, help="The id of what it is of."),
                Field(name="classification_tags", label="Tags", ask="lines", required=False, most=402, help=PAIR),
                Field(name="modifiers", label="Modifiers", ask="lines", required=False, most=402, help=PAIR),
                Field(name="loopable", label="Can be played in a loop", ask="choice", choices=("no", "yes")),
            ),
        ),
        Sort(
            CHARACTER_MEDIA_METADATA,
            "Notes of characters' media",
            CharacterMediaMetadataFile,
            CharacterMediaEntry,
            (*NOTED, Field(name="tags", label="Tags", ask="lines", required=False, help="One a line.")),
        ),
    )
}
"""Both lists, by what addresses call them."""
BLANK = {"loopable": "no"}


def entry_in(file: MetadataFile, entry_id: str) -> Any:
    """Return the entry of a list with this id, None where there is none."""
    return next((entry for entry in file.entries if entry.id == entry_id), None)


def form_of(sort: Sort, entry: Noted) -> dict[str, str]:
    """Return an entry as the inputs of a page hold it."""
    return to_form(sort.fields, {field.name: _plain(getattr(entry, field.name)) for field in sort.fields})


def entry_of(sort: Sort, entry_id: str, typed: dict[str, str], before: Noted | None) -> tuple[Noted, list[Wrong]]:
    """Return the entry that a form makes of the one before, and everything that is wrong with it.

    What nobody touched stays as it is, even where a program wrote what no form could hold.
    """
    plain = from_form(sort.fields, typed)
    was = {} if before is None else from_form(sort.fields, form_of(sort, before))
    touched = tuple(field for field in sort.fields if field.name not in was or plain[field.name] != was[field.name])
    found = wrongs(touched, {field.name: plain[field.name] for field in touched})
    found += [
        Wrong(field.name, PAIR_WRONG) for field in touched if field.name in PAIRS and _unpaired(plain[field.name])
    ]
    if before is None and not _is_id(entry_id):
        found.append(Wrong("id", "Write letters from a to z, digits, dots, hyphens or underscores, at most 120."))
    entry = sort.entry(id=entry_id) if before is None else before
    values = {field.name: _value(field.name, plain[field.name]) for field in touched}
    return (entry if found else msgspec.structs.replace(entry, **values)), found


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        parts = cast(tuple[KeyValue | str, ...], value)
        return [part if isinstance(part, str) else f"{part.key}: {part.value}" for part in parts]
    return value


def _value(name: str, plain: Any) -> Any:
    if name in PAIRS:
        return tuple(KeyValue(key=key, value=value) for key, value in map(_pair, plain))
    if name == "loopable":
        return plain == "yes"
    return tuple(cast(list[str], plain)) if isinstance(plain, list) else plain


def _pair(line: str) -> tuple[str, str]:
    key, _, value = line.partition(":")
    return key.strip(), value.strip()


def _unpaired(lines: list[str]) -> bool:
    return not all(0 < len(part) <= 200 for line in lines for part in _pair(line))


def _is_id(text: str) -> bool:
    try:
        msgspec.convert(text, Id)
    except msgspec.ValidationError:
        return False
    return True
