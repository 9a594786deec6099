"""Reads one scene of a file: its branches, its reveals, what accompanies it."""

from itertools import count

from mystira.content.scenarios.model.graph import nameless
from mystira.content.scenarios.model.prose import HTML, too_hard_for
from mystira.content.scenarios.model.reading import Fields, Part, media_id, short
from mystira.content.scenarios.model.scenario import (
    Branch,
    CompassChange,
    EchoLog,
    EchoReveal,
    Media,
    Scene,
    SceneMetadata,
    SceneType,
)

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
SCENE_TYPES = ("narrative", "choice", "roll", "special")


def read_scene(part: Part, core_axes: tuple[str, ...], maximum_age: int | None) -> Scene:
    """Return the scene; where something is wrong with it, that is noted and something plain takes its place."""
    fields = part.fields(SCENE_FIELDS, NEXT)
    id = fields.required("id", lambda found: found.text(1, 100, r"[A-Za-z0-9_]+")) or nameless(part)
    kind: SceneType | None = fields.required("type", lambda found: found.one_of(SCENE_TYPES))
    next_scene = fields.optional("next_scene", _scene_id)
    branches = fields.get("branches", lambda found: _branches(found, id, core_axes), ())
    if kind is None:
        kind = "choice" if next_scene or branches else "special"
    else:
        _check_form(part, kind, fields)
    return Scene(
        id=id,
        title=fields.required("title", lambda found: found.text(1, 200)) or id,
        type=kind,
        description=fields.required("description", lambda found: _prose(found, maximum_age)) or "",
        next_scene=next_scene,
        difficulty=fields.optional("difficulty", lambda found: found.integer(1, 20)),
        active_character=fields.optional("active_character", short),
        media=fields.get("media", _media, Media()),
        branches=branches,
        echo_reveals=fields.get("echo_reveals", lambda found: found.items(_reveal), ()),
        metadata=fields.get("metadata", _scene_metadata, SceneMetadata()),
        music=fields.optional("music", short),
        sound_effects=fields.get("sound_effects", Part.texts, ()),
    )


def _check_form(part: Part, kind: str, fields: Fields) -> None:
    branches = fields.part("branches")
    ways = len(branches.node.value) if branches and branches.node.kind == "list" else 0
    has_next = fields.part("next_scene") is not None
    if kind == "narrative" and not has_next:
        part.error("no_next_scene", "A narrative scene needs next_scene; an ending has the type special.")
    if kind == "special" and (has_next or ways):
        part.error("special_goes_on", "A special scene is an ending: leave out next_scene and branches.")
    if kind == "choice" and ways < 2:
        part.error("too_few_branches", f"A choice scene needs 2 branches or more; there are {ways}.")
    if kind == "roll" and ways != 2:
        part.error("wrong_branch_count", f"A roll scene needs 2 branches, success and failure; there are {ways}.")
    if kind == "roll" and fields.part("difficulty") is None:
        part.error("no_difficulty", "A roll scene needs a difficulty from 1 to 20.")
    if kind == "narrative" and ways:
        part.error("narrative_with_branches", "A narrative scene has next_scene and no branches; use the type choice.")
    if kind in ("choice", "roll") and has_next:
        part.error("choice_with_next_scene", f"A {kind} scene goes on by its branches only: remove next_scene.")


def _branches(part: Part, scene_id: str, core_axes: tuple[str, ...]) -> tuple[Branch, ...]:
    numbers = count(1)
    found = part.items(lambda one: _branch(one, f"{scene_id}:{next(numbers)}", core_axes), most=50)
    seen: set[str] = set()
    for number, branch in enumerate(found):
        if branch.id in seen:
            message = f"Two branches of this scene have the id {branch.id!r}."
            part.below(number, ("id",)).error("duplicate_branch", message)
        seen.add(branch.id)
    return found


def _branch(part: Part, given_id: str, core_axes: tuple[str, ...]) -> Branch:
    aliases = {**NEXT, "text": "choice", "option": "choice", "compass_impact": "compass_change"}
    fields = part.fields(BRANCH_FIELDS, aliases)
    choice = fields.required("choice", lambda found: found.text(1, 500))
    branch_id = fields.get("id", lambda found: found.text(1, 200, r"[A-Za-z0-9_:.-]+"), given_id)
    next_scene = fields.optional("next_scene", _scene_id)
    echo_log = fields.optional("echo_log", _echo_log)
    compass_change = fields.optional("compass_change", lambda found: _compass_change(found, core_axes))
    return Branch(
        id=branch_id, choice=choice or "", next_scene=next_scene, echo_log=echo_log, compass_change=compass_change
    )


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
        part.below(("axis",)).error(
            "axis_not_core", f"{axis!r} is not among the story's core_axes ({', '.join(core_axes)})."
        )
    if axis is None or delta is None:
        return None
    return CompassChange(axis=axis, delta=delta, developmental_link=link)


def _reveal(part: Part) -> EchoReveal:
    fields = part.fields(REVEAL_FIELDS, {"is_required": "required"})
    echo_type = fields.required("echo_type", lambda found: part.reading.word("echo_type", found))
    mechanic = fields.get("reveal_mechanic", lambda found: found.one_of(("mirror", "dream", "spirit", "none")), "none")
    min_strength = fields.get("min_strength", Part.thousandths, 0)
    trigger = fields.optional("trigger_scene_id", _scene_id)
    oldest = fields.optional("max_age_scenes", lambda found: found.integer(1, 10_000))
    required = fields.get("required", Part.boolean, False)
    return EchoReveal(
        echo_type=echo_type or "",
        min_strength=min_strength,
        trigger_scene_id=trigger,
        max_age_scenes=oldest,
        reveal_mechanic=mechanic,
        # A reveal of nobody knows what has its error already and needs no second one.
        required=required and echo_type is not None,
    )


def _media(part: Part) -> Media:
    fields = part.fields(("image", "audio", "video"), {})
    return Media(
        image=fields.optional("image", media_id),
        audio=fields.optional("audio", media_id),
        video=fields.optional("video", media_id),
    )


def _scene_metadata(part: Part) -> SceneMetadata:
    fields = part.fields(("creative_instruction",), {})
    return SceneMetadata(
        creative_instruction=fields.optional("creative_instruction", lambda found: found.text(1, 5000))
    )


def _prose(part: Part, maximum_age: int | None) -> str | None:
    text = part.text(1, 20_000)
    if text is None:
        return None
    if HTML.search(text):
        part.error("html", "Write markdown here; HTML is not allowed.")
    needed = None if maximum_age is None else too_hard_for(text, maximum_age)
    if needed is not None:
        message = f"This reads like a text for age {needed}. Shorter sentences and words suit this age group better."
        part.warning("hard_to_read", message)
    return text


def _scene_id(part: Part) -> str | None:
    return part.text(1, 100)
