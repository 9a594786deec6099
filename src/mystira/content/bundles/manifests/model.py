"""What a manifest says: a bundle in words of its own, its stories by their ids or by their files in the archive."""

from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

from msgspec.structs import replace

from mystira.content.bundles.model import (
    AMOUNT_MINOR_MAX,
    DECIMALS,
    DESCRIPTION_LENGTH_MAX,
    STORIES_MAX,
    TITLE_LENGTH_MAX,
    BundleDetails,
    ContentBundle,
    Price,
)
from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.reading import Part, Reading, media_id, shown
from mystira.content.vocabulary.model import Vocabulary, is_spelt_by_slug, slug
from mystira.polyglot.entity import Value
from mystira.textfiles.nodes import Node

NAMES = tuple(f"{stem}.{ending}" for stem in ("bundle", "manifest") for ending in ("yaml", "yml", "json"))
FIELDS = ("id", "title", "description", "image", "age_group", "price", "stories")
ALIASES = {"cover": "image", "scenario_ids": "stories"}
ID = r"[a-z0-9][a-z0-9-]*"
ID_LENGTH_MAX = 100
FILE_ENDINGS = (".yaml", ".yml", ".json")


class Place(Value, frozen=True, kw_only=True):
    """Where something stands in the manifest."""

    path: str
    line: int
    column: int


class Named(Value, frozen=True, kw_only=True):
    """A story as the manifest names it: by its id, or by a file of the archive."""

    text: str
    place: Place

    @property
    def is_file(self) -> bool:
        """Whether it names a file; an id has neither folders nor an ending."""
        return "/" in self.text or self.text.lower().endswith(FILE_ENDINGS)


class Manifest(Value, frozen=True, kw_only=True):
    """A manifest without errors of its own; which stories it means is known only where they are."""

    id: str
    details: BundleDetails
    stories: tuple[Named, ...]
    places: dict[str, Place]


class Read(Value, frozen=True, kw_only=True):
    """What a manifest is: its content when nothing is wrong, and everything found.

    `unsure` are the media that the check was not told of, each with what it found because of that.
    """

    manifest: Manifest | None
    findings: tuple[Finding, ...]
    unsure: tuple[tuple[str, Finding], ...] = ()


class Stories(NamedTuple):
    """The stories that a manifest may mean: those of the archive by file (None: refused), those that there are."""

    files: Mapping[str, str | None]
    ids: Set[str]


def read_manifest(root: Node, vocabulary: Vocabulary, media: Set[str] | None) -> Read:
    """Read a manifest: every error and warning at once, and no content when there is any error."""
    reading = Reading(vocabulary, add_vocabulary=False, media=media)
    manifest = _manifest(Part(reading, root, ""))
    findings = tuple(sorted(reading.findings, key=lambda one: (one.line, one.column)))
    is_wrong = any(one.severity == "error" for one in findings)
    return Read(manifest=None if is_wrong else manifest, findings=findings, unsure=tuple(reading.unsure))


def resolved(manifest: Manifest, folder: str, stories: Stories) -> tuple[BundleDetails, tuple[Finding, ...]]:
    """Return the bundle with the ids of its stories, and what is wrong with those that it names.

    Files are named from the manifest's own `folder`, or from the top of the archive.
    """
    ids: list[str] = []
    findings: list[Finding] = []
    for named in manifest.stories:
        id, wrong = _story_id(named, folder, stories)
        if id is not None and id in ids:
            wrong = ("same_story_twice", f"The story {shown(id)} is there twice. Name it once.")
        if wrong is not None:
            findings.append(error(named.place, *wrong))
        elif id is not None:
            ids.append(id)
    return replace(manifest.details, scenario_ids=tuple(ids)), tuple(findings)


def written(bundle: ContentBundle, files: Sequence[str]) -> dict[str, Any]:
    """Return what the manifest of a bundle says whose stories are these files."""
    told: dict[str, Any] = {"id": bundle.id, "title": bundle.title}
    if bundle.description:
        told["description"] = bundle.description
    if bundle.image is not None:
        told["image"] = bundle.image
    if bundle.age_group is not None:
        told["age_group"] = bundle.age_group
    if bundle.price is not None:
        told["price"] = {"amount_minor": bundle.price.amount_minor, "currency": bundle.price.currency}
    return told | {"stories": list(files)}


def error(place: Place, code: str, message: str) -> Finding:
    """Return an error at a place of the manifest."""
    return Finding(severity="error", code=code, path=place.path, line=place.line, column=place.column, message=message)


def _manifest(part: Part) -> Manifest:
    fields = part.fields(FIELDS, ALIASES)
    title = fields.required("title", lambda found: found.text(1, TITLE_LENGTH_MAX))
    id = fields.optional("id", lambda found: found.text(1, ID_LENGTH_MAX, ID))
    stories = fields.required("stories", lambda found: found.items(_named, most=STORIES_MAX)) or ()
    places = {name: _place(found) for name in FIELDS if (found := fields.part(name)) is not None}
    details = BundleDetails(
        title=title or "",
        description=fields.get("description", lambda found: found.text(0, DESCRIPTION_LENGTH_MAX), ""),
        image=fields.optional("image", media_id),
        age_group=fields.optional("age_group", lambda found: part.reading.word("age_group", found)),
        price=fields.optional("price", _price),
    )
    # Two titles in letters that no id can have would become one id, and one bundle would replace the other.
    if title is not None and fields.part("id") is None and not is_spelt_by_slug(title):
        part.error("id_missing", "Give this bundle an `id` of small letters, digits and hyphens: its title gives none.")
    return Manifest(id=id or slug(details.title)[:ID_LENGTH_MAX], details=details, stories=stories, places=places)


def _price(part: Part) -> Price | None:
    fields = part.fields(("amount_minor", "currency"), {})
    amount = fields.required("amount_minor", lambda found: found.integer(1, AMOUNT_MINOR_MAX))
    currency = fields.required("currency", lambda found: found.one_of(tuple(DECIMALS)))
    return None if amount is None or currency is None else Price(amount_minor=amount, currency=currency)


def _named(part: Part) -> Named | None:
    text = part.text(1, 300)
    return None if text is None else Named(text=text, place=_place(part))


def _place(part: Part) -> Place:
    return Place(path=part.path, line=part.node.line, column=part.node.column)


def _story_id(named: Named, folder: str, stories: Stories) -> tuple[str | None, tuple[str, str] | None]:
    """Return the id of a story that is named, or what is wrong with naming it so."""
    text = shown(named.text)
    if not named.is_file:
        missing = f"There is no story {text}. Check its id, or put its file into the archive and name that."
        return (named.text, None) if named.text in stories.ids else (None, ("unknown_story", missing))
    name = next((one for one in (f"{folder}{named.text}", named.text) if one in stories.files), None)
    if name is None:
        return None, ("no_file", f"There is no story file {text} in this archive. Check its name and its folder.")
    id = stories.files[name]
    if id is None:
        return None, ("story_refused", f"{text} was refused, so the bundle cannot hold it. Mend that file first.")
    return id, None
