"""Checks a parsed file against every rule for scenarios, and returns its content when there is no error."""

from collections.abc import Set

import msgspec

from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.graph import Placed, check_characters, check_scenes
from mystira.content.scenarios.model.reading import Part, Reading, media_id, short
from mystira.content.scenarios.model.scenario import Attribution, Character, CharacterMetadata, ScenarioContent
from mystira.content.scenarios.model.scene_reading import read_scene
from mystira.content.vocabulary.model import Vocabulary, WordKind
from mystira.polyglot.entity import Value
from mystira.textfiles.nodes import Node, Unreadable

SCENARIO_FIELDS = (
    "title",
    "description",
    "tags",
    "difficulty",
    "session_length",
    "age_group",
    "minimum_age",
    "core_axes",
    "archetypes",
    "image",
    "music_palette",
    "attribution",
    "characters",
    "scenes",
)
ATTRIBUTION_FIELDS = Attribution.__struct_fields__
CHARACTER_FIELDS = ("id", "name", "image", "audio", "metadata")
CHARACTER_METADATA_FIELDS = ("role", "archetype", "species", "age", "traits", "backstory")
CORE_AXES_MAX, ARCHETYPES_WARN, ARCHETYPES_MAX = 4, 4, 8
SCENES_MAX = 10_000
UNFINISHED = frozenset(
    {
        *("no_next_scene", "special_goes_on", "too_few_branches", "wrong_branch_count", "no_difficulty"),
        *("narrative_with_branches", "choice_with_next_scene", "axis_not_core", "html", "unknown_target"),
        *("several_starts", "unreachable", "no_ending", "unknown_character", "reveal_impossible", "no_scenes"),
    }
)
"""What may be wrong with a story while somebody still writes it: nothing of what they wrote is lost by it."""


class Checked(Value, frozen=True, kw_only=True):
    """What a file is: its content when nothing is wrong, everything found, and the words to add by kind.

    `unsure` are the media that the check was not told of, each with what it found because of that.
    """

    content: ScenarioContent | None
    findings: tuple[Finding, ...]
    added: dict[WordKind, dict[str, str]]
    unsure: tuple[tuple[str, Finding], ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that refuse the file."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


def with_media(checked: Checked, there: Set[str]) -> Checked:
    """Return a check without what it found of media that are there after all."""
    mistaken = [finding for id, finding in checked.unsure if id in there]
    left = tuple(one for one in checked.findings if one not in mistaken)
    return checked if not mistaken else msgspec.structs.replace(checked, findings=left, unsure=())


def unreadable(why: Unreadable) -> Checked:
    """Return the one finding of a file that could not be read at all."""
    finding = Finding(severity="error", code=why.code, path="", line=why.line, column=why.column, message=why.message)
    return Checked(content=None, findings=(finding,), added={})


def check(
    root: Node,
    vocabulary: Vocabulary,
    *,
    add_vocabulary: bool = False,
    media: Set[str] | None = None,
    is_draft: bool = False,
) -> Checked:
    """Check a whole file: every error and warning at once; no content when there is any error.

    `media` are the ids of what was uploaded; None leaves media unchecked. A draft may have errors of an unfinished
    story.
    """
    reading = Reading(vocabulary, add_vocabulary=add_vocabulary, media=media)
    content = _scenario(Part(reading, root, ""))
    findings = tuple(sorted(reading.findings, key=lambda finding: (finding.line, finding.column)))
    borne = UNFINISHED if is_draft else ()
    refused = any(finding.severity == "error" and finding.code not in borne for finding in findings)
    return Checked(
        content=None if refused else content, findings=findings, added=reading.added, unsure=tuple(reading.unsure)
    )


def _scenario(part: Part) -> ScenarioContent | None:
    fields = part.fields(SCENARIO_FIELDS, {"compass_axes": "core_axes"})
    core_axes = fields.required("core_axes", _core_axes) or ()
    age_group = fields.optional("age_group", lambda found: part.reading.word("age_group", found))
    age = None if age_group is None else part.reading.vocabulary.maximum_ages.get(age_group)
    title = fields.required("title", lambda found: found.text(1, 200))
    description = fields.required("description", lambda found: found.text(1, 2000))
    characters = fields.get("characters", lambda found: found.items(_character), ())
    scenes = fields.required("scenes", lambda found: _scenes(found, core_axes, age)) or ()
    check_characters(characters, scenes)
    start = check_scenes(scenes) or next((scene.id for _, scene in scenes), "")
    if title is None or description is None:
        return None
    return ScenarioContent(
        title=title,
        description=description,
        tags=fields.get("tags", Part.texts, ()),
        difficulty=fields.optional("difficulty", lambda found: found.one_of(("Easy", "Medium", "Hard"))),
        session_length=fields.optional("session_length", lambda found: found.one_of(("Short", "Medium", "Long"))),
        age_group=age_group,
        minimum_age=fields.get("minimum_age", lambda found: found.integer(0, 150), 0),
        core_axes=core_axes,
        archetypes=fields.get("archetypes", _archetypes, ()),
        image=fields.optional("image", media_id),
        music_palette=fields.optional("music_palette", short),
        attribution=fields.get("attribution", _attribution, Attribution()),
        characters=tuple(character for _, character in characters),
        start=start,
        scenes=tuple(scene for _, scene in scenes),
    )


def _scenes(part: Part, core_axes: tuple[str, ...], age: int | None) -> tuple[Placed, ...]:
    if part.node.kind == "list" and not part.node.value:
        part.error("no_scenes", "A story needs scenes.")
    return part.items(lambda one: (one, read_scene(one, core_axes, age)), most=SCENES_MAX)


def _core_axes(part: Part) -> tuple[str, ...]:
    axes = part.words("axis")
    if part.node.kind == "list" and not 1 <= len(part.node.value) <= CORE_AXES_MAX:
        part.error("wrong_count", f"Name 1 to {CORE_AXES_MAX} core axes; there are {len(part.node.value)}.")
    return axes


def _archetypes(part: Part) -> tuple[str, ...]:
    found = part.words("archetype")
    if len(found) > ARCHETYPES_MAX:
        part.error("wrong_count", f"At most {ARCHETYPES_MAX} archetypes; there are {len(found)}.")
    elif len(found) > ARCHETYPES_WARN:
        message = f"More than {ARCHETYPES_WARN} archetypes blur a story; there are {len(found)}."
        part.warning("many_archetypes", message)
    return found


def _attribution(part: Part) -> Attribution:
    fields = part.fields(ATTRIBUTION_FIELDS, {"license": "licence"})
    return Attribution(**{name: fields.optional(name, _credit) for name in ATTRIBUTION_FIELDS})


def _credit(part: Part) -> str | None:
    return part.text(1, 200)


def _character(part: Part) -> tuple[Part, Character] | None:
    fields = part.fields(CHARACTER_FIELDS, {})
    id = fields.required("id", lambda found: found.text(1, 100, r"[a-z0-9_]+"))
    name = fields.required("name", lambda found: found.text(1, 200))
    metadata = fields.get("metadata", _character_metadata, CharacterMetadata())
    if fields.part("metadata") is None:
        names = ", ".join(CHARACTER_METADATA_FIELDS)
        part.warning("no_metadata", f"Say a little about this character under `metadata` ({names}).")
    image, audio = fields.optional("image", media_id), fields.optional("audio", media_id)
    if id is None:
        return None
    return part, Character(id=id, name=name or id, image=image, audio=audio, metadata=metadata)


def _character_metadata(part: Part) -> CharacterMetadata:
    fields = part.fields(CHARACTER_METADATA_FIELDS, {})
    missing = [name for name in CHARACTER_METADATA_FIELDS if fields.part(name) is None]
    if missing and part.node.kind == "map":
        part.warning("missing_metadata", f"This character's metadata could also say: {', '.join(missing)}.")
    return CharacterMetadata(
        role=fields.get("role", Part.texts, ()),
        archetype=fields.get("archetype", lambda found: found.words("archetype"), ()),
        species=fields.optional("species", short),
        age=fields.optional("age", lambda found: found.integer(0, 1_000_000)),
        traits=fields.get("traits", Part.texts, ()),
        backstory=fields.optional("backstory", lambda found: found.text(1, 5000)),
    )
