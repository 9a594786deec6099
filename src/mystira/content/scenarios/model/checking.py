"""Checks a parsed file against every rule for scenarios, and returns its content when there is no error."""

from mystira.content.scenarios.model import graph
from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.reading import Fields, Part, Reading
from mystira.content.scenarios.model.scenario import (
    Branch,
    Character,
    CharacterMetadata,
    CompassChange,
    EchoLog,
    EchoReveal,
    Media,
    ScenarioContent,
    Scene,
    SceneMetadata,
)
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
    "characters",
    "scenes",
)
CHARACTER_FIELDS = ("id", "name", "image", "audio", "metadata")
CHARACTER_METADATA_FIELDS = ("role", "archetype", "species", "age", "traits", "backstory")
SCENE_FIELDS = (
    "id",
    "title",
    "type",
    "description",
    "next_scene",
    "difficulty",
    "active_character",
    "media",
    "branches",
    "echo_reveals",
    "metadata",
    "music",
    "sound_effects",
)
BRANCH_FIELDS = ("id", "choice", "next_scene", "echo_log", "compass_change")
REVEAL_FIELDS = ("echo_type", "min_strength", "trigger_scene_id", "max_age_scenes", "reveal_mechanic", "required")
NEXT = {"next_scene_id": "next_scene"}
CORE_AXES_MAX, ARCHETYPES_WARN, ARCHETYPES_MAX = 4, 4, 8


class Checked(Value, frozen=True, kw_only=True):
    """What a file is: its content when nothing is wrong, everything found, and the words to add by kind."""

    content: ScenarioContent | None
    findings: tuple[Finding, ...]
    added: dict[WordKind, dict[str, str]]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that refuse the file."""
        return tuple(finding for finding in self.findings if finding.severity == "error")


def unreadable(why: Unreadable) -> Checked:
    """Return the one finding of a file that could not be read at all."""
    finding = Finding(severity="error", code=why.code, path="", line=why.line, column=why.column, message=why.message)
    return Checked(content=None, findings=(finding,), added={})


def check(root: Node, vocabulary: Vocabulary, *, add_vocabulary: bool = False) -> Checked:
    """Check a whole file: every error and warning at once; no content when there is any error."""
    reading = Reading(vocabulary, add_vocabulary=add_vocabulary)
    content = _scenario(Part(reading, root, ""))
    findings = tuple(sorted(reading.findings, key=lambda finding: (finding.line, finding.column)))
    refused = any(finding.severity == "error" for finding in findings)
    return Checked(content=None if refused else content, findings=findings, added=reading.added)


def _scenario(part: Part) -> ScenarioContent | None:
    fields = part.fields(SCENARIO_FIELDS, {"compass_axes": "core_axes"})
    core_axes = fields.required("core_axes", _core_axes) or ()
    characters = fields.get("characters", lambda found: found.items(_character), ())
    scenes_part = fields.part("scenes")
    scenes = fields.required("scenes", lambda found: found.items(lambda one: _scene(one, core_axes), most=10_000)) or ()
    title = fields.required("title", lambda found: found.text(1, 200))
    description = fields.required("description", lambda found: found.text(1, 2000))
    start = None
    if scenes_part is not None:
        places = graph.places(scenes_part)
        graph.check_characters(part.reading, fields.part("characters"), characters, scenes, places)
        start = graph.check_scenes(part.reading, scenes_part, scenes, places)
    if title is None or description is None or start is None:
        return None
    return ScenarioContent(
        title=title,
        description=description,
        tags=fields.get("tags", Part.texts, ()),
        difficulty=fields.optional("difficulty", lambda found: found.one_of(("Easy", "Medium", "Hard"))),
        session_length=fields.optional("session_length", lambda found: found.one_of(("Short", "Medium", "Long"))),
        age_group=fields.optional("age_group", lambda found: part.reading.word("age_group", found)),
        minimum_age=fields.get("minimum_age", lambda found: found.integer(0, 150), 0),
        core_axes=core_axes,
        archetypes=fields.get("archetypes", _archetypes, ()),
        image=fields.optional("image", _short),
        music_palette=fields.optional("music_palette", _short),
        characters=characters,
        start=start,
        scenes=scenes,
    )


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
        part.reading.warning("many_archetypes", part.path, part.node, message)
    return found


def _character(part: Part) -> Character | None:
    fields = part.fields(CHARACTER_FIELDS, {})
    id = fields.required("id", lambda found: found.text(1, 100, r"[a-z0-9_]+"))
    name = fields.required("name", lambda found: found.text(1, 200))
    metadata = fields.get("metadata", _character_metadata, CharacterMetadata())
    if fields.part("metadata") is None:
        message = "Say a little about this character under `metadata` (role, archetype, species, traits)."
        part.reading.warning("no_metadata", part.path, part.node, message)
    if id is None or name is None:
        return None
    image, audio = fields.optional("image", _short), fields.optional("audio", _short)
    return Character(id=id, name=name, image=image, audio=audio, metadata=metadata)


def _character_metadata(part: Part) -> CharacterMetadata:
    fields = part.fields(CHARACTER_METADATA_FIELDS, {})
    return CharacterMetadata(
        role=fields.get("role", Part.texts, ()),
        archetype=fields.get("archetype", lambda found: found.words("archetype"), ()),
        species=fields.optional("species", _short),
        age=fields.optional("age", lambda found: found.integer(0, 1_000_000)),
        traits=fields.get("traits", Part.texts, ()),
        backstory=fields.optional("backstory", lambda found: found.text(1, 5000)),
    )


def _scene(part: Part, core_axes: tuple[str, ...]) -> Scene | None:
    fields = part.fields(SCENE_FIELDS, NEXT)
    id = fields.required("id", lambda found: found.text(1, 100, r"[A-Za-z0-9_]+"))
    title = fields.required("title", lambda found: found.text(1, 200))
    kind = fields.required("type", lambda found: found.one_of(("narrative", "choice", "roll", "special")))
    description = fields.required("description", _prose)
    next_scene = fields.optional("next_scene", _scene_id)
    difficulty = fields.optional("difficulty", lambda found: found.integer(1, 20))
    branches = fields.get("branches", lambda found: _branches(found, id or "", core_axes), ())
    _check_form(part, kind, fields)
    media = fields.get("media", _media, Media())
    reveals = fields.get("echo_reveals", lambda found: found.items(_reveal), ())
    metadata = fields.get("metadata", _scene_metadata, SceneMetadata())
    if id is None or title is None or kind is None or description is None:
        return None
    return Scene(
        id=id,
        title=title,
        type=kind,
        description=description,
        next_scene=next_scene,
        difficulty=difficulty,
        active_character=fields.optional("active_character", _short),
        media=media,
        branches=branches,
        echo_reveals=reveals,
        metadata=metadata,
        music=fields.optional("music", _short),
        sound_effects=fields.get("sound_effects", Part.texts, ()),
    )


def _check_form(part: Part, kind: str | None, fields: Fields) -> None:
    branches = fields.part("branches")
    count = len(branches.node.value) if branches and branches.node.kind == "list" else 0
    has_next = fields.part("next_scene") is not None
    if kind == "narrative" and not has_next:
        part.error("no_next_scene", "A narrative scene needs next_scene; an ending has the type special.")
    if kind == "special" and (has_next or count):
        part.error("special_goes_on", "A special scene is an ending: leave out next_scene and branches.")
    if kind == "choice" and count < 2:
        part.error("too_few_branches", f"A choice scene needs 2 branches or more; there are {count}.")
    if kind == "roll" and count != 2:
        part.error("wrong_branch_count", f"A roll scene needs 2 branches, success and failure; there are {count}.")
    if kind == "roll" and fields.part("difficulty") is None:
        part.error("no_difficulty", "A roll scene needs a difficulty from 1 to 20.")
    if kind == "narrative" and count:
        part.error("narrative_with_branches", "A narrative scene has next_scene and no branches; use the type choice.")
    if kind in ("choice", "roll") and has_next:
        part.error("choice_with_next_scene", f"A {kind} scene goes on by its branches only: remove next_scene.")


def _branches(part: Part, scene_id: str, core_axes: tuple[str, ...]) -> tuple[Branch, ...]:
    numbers = iter(range(1, 10_000))
    found = part.items(lambda one: _branch(one, f"{scene_id}:{next(numbers)}", core_axes), most=50)
    seen: set[str] = set()
    for branch in found:
        if branch.id in seen:
            part.error("duplicate_branch", f"Two branches of this scene have the id {branch.id!r}.")
        seen.add(branch.id)
    return found


def _branch(part: Part, given_id: str, core_axes: tuple[str, ...]) -> Branch | None:
    aliases = {**NEXT, "text": "choice", "option": "choice", "compass_impact": "compass_change"}
    fields = part.fields(BRANCH_FIELDS, aliases)
    choice = fields.required("choice", lambda found: found.text(1, 500))
    branch_id = fields.get("id", lambda found: found.text(1, 200, r"[A-Za-z0-9_:.-]+"), given_id)
    next_scene = fields.optional("next_scene", _scene_id)
    echo_log = fields.optional("echo_log", _echo_log)
    compass_change = fields.optional("compass_change", lambda found: _compass_change(found, core_axes))
    if choice is None:
        return None
    return Branch(id=branch_id, choice=choice, next_scene=next_scene, echo_log=echo_log, compass_change=compass_change)


def _echo_log(part: Part) -> EchoLog | None:
    fields = part.fields(("echo_type", "description", "strength"), {"intensity": "strength", "power": "strength"})
    echo_type = fields.required("echo_type", lambda found: part.reading.word("echo_type", found))
    description = fields.required("description", lambda found: found.text(1, 2000))
    strength = fields.required("strength", Part.thousandths)
    if echo_type is None or strength is None:
        return None
    return EchoLog(echo_type=echo_type, description=description or "", strength=strength)


def _compass_change(part: Part, core_axes: tuple[str, ...]) -> CompassChange | None:
    aliases = {"change": "delta", "impact": "delta", "value": "delta"}
    fields = part.fields(("axis", "delta", "developmental_link"), aliases)
    axis = fields.required("axis", lambda found: part.reading.word("axis", found))
    delta = fields.required("delta", Part.thousandths)
    link = fields.optional("developmental_link", lambda found: found.text(1, 2000))
    if axis is not None and core_axes and axis not in core_axes:
        part.error("axis_not_core", f"{axis!r} is not among the story's core_axes ({', '.join(core_axes)}).")
    if axis is None or delta is None:
        return None
    return CompassChange(axis=axis, delta=delta, developmental_link=link)


def _reveal(part: Part) -> EchoReveal | None:
    fields = part.fields(REVEAL_FIELDS, {"is_required": "required"})
    echo_type = fields.required("echo_type", lambda found: part.reading.word("echo_type", found))
    mechanic = fields.get("reveal_mechanic", lambda found: found.one_of(("mirror", "dream", "spirit", "none")), "none")
    min_strength = fields.get("min_strength", Part.thousandths, 0)
    trigger = fields.optional("trigger_scene_id", _scene_id)
    oldest = fields.optional("max_age_scenes", lambda found: found.integer(1, 10_000))
    required = fields.get("required", Part.boolean, False)
    if echo_type is None:
        return None
    return EchoReveal(
        echo_type=echo_type,
        min_strength=min_strength,
        trigger_scene_id=trigger,
        max_age_scenes=oldest,
        reveal_mechanic=mechanic,
        required=required,
    )


def _media(part: Part) -> Media:
    fields = part.fields(("image", "audio", "video"), {})
    return Media(
        image=fields.optional("image", _short),
        audio=fields.optional("audio", _short),
        video=fields.optional("video", _short),
    )


def _scene_metadata(part: Part) -> SceneMetadata:
    fields = part.fields(("creative_instruction",), {})
    return SceneMetadata(
        creative_instruction=fields.optional("creative_instruction", lambda found: found.text(1, 5000))
    )


def _prose(part: Part) -> str | None:
    text = part.text(1, 20_000)
    if text is not None and graph.HTML.search(text):
        part.error("html", "Write markdown here; HTML is not allowed.")
    return text


def _short(part: Part) -> str | None:
    return part.text(1, 500)


def _scene_id(part: Part) -> str | None:
    return part.text(1, 100)
