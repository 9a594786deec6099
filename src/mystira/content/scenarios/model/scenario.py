"""Scenarios as they are kept: the draft with its life cycle, and the versions that never change.

Deltas and strengths are integer thousandths here; files and the API write them as decimals from -1 to 1.
"""

from datetime import datetime
from hashlib import sha256
from typing import Any, Literal

from mystira.content.vocabulary.model import is_spelt_by_slug, slug
from mystira.polyglot.entity import Entity, Value

State = Literal["draft", "in_review", "published", "archived"]
Revision = Literal["none", "draft", "in_review"]
SceneType = Literal["narrative", "choice", "roll", "special"]
Mechanic = Literal["mirror", "dream", "spirit", "none"]


class EchoLog(Value, frozen=True, kw_only=True):
    """What a choice leaves behind."""

    echo_type: str
    description: str = ""
    strength: int = 1_000


class CompassChange(Value, frozen=True, kw_only=True):
    """How a choice moves the compass."""

    axis: str
    delta: int
    developmental_link: str | None = None


class Branch(Value, frozen=True, kw_only=True):
    """One way on; without `next_scene` it ends the story."""

    id: str
    choice: str
    next_scene: str | None = None
    echo_log: EchoLog | None = None
    compass_change: CompassChange | None = None


class EchoReveal(Value, frozen=True, kw_only=True):
    """What a scene may bring back."""

    echo_type: str
    min_strength: int = 0
    trigger_scene_id: str | None = None
    max_age_scenes: int | None = None
    reveal_mechanic: Mechanic = "none"
    required: bool = False


class Media(Value, frozen=True, kw_only=True):
    """The ids of what accompanies a scene."""

    image: str | None = None
    audio: str | None = None
    video: str | None = None


class SceneMetadata(Value, frozen=True, kw_only=True):
    """What authors and generators tell each other about a scene."""

    creative_instruction: str | None = None


class Scene(Value, frozen=True, kw_only=True):
    """One scene; `description` is markdown, `difficulty` that of its roll."""

    id: str
    title: str
    type: SceneType
    description: str
    next_scene: str | None = None
    difficulty: int | None = None
    active_character: str | None = None
    media: Media = Media()
    branches: tuple[Branch, ...] = ()
    echo_reveals: tuple[EchoReveal, ...] = ()
    metadata: SceneMetadata = SceneMetadata()
    music: str | None = None
    sound_effects: tuple[str, ...] = ()


class CharacterMetadata(Value, frozen=True, kw_only=True):
    """Who a character is, as far as the author says."""

    role: tuple[str, ...] = ()
    archetype: tuple[str, ...] = ()
    species: str | None = None
    age: int | None = None
    traits: tuple[str, ...] = ()
    backstory: str | None = None


class Character(Value, frozen=True, kw_only=True):
    """Somebody a player can be."""

    id: str
    name: str
    image: str | None = None
    audio: str | None = None
    metadata: CharacterMetadata = CharacterMetadata()


class Attribution(Value, frozen=True, kw_only=True):
    """Who made the story, as far as its file says; `licence` is what others may do with it."""

    author: str | None = None
    illustrator: str | None = None
    narrator: str | None = None
    musician: str | None = None
    based_on: str | None = None
    licence: str | None = None


class ScenarioContent(Value, frozen=True, kw_only=True):
    """Everything an author's file says. `start` is found at import: the scene that play begins with."""

    title: str
    description: str
    tags: tuple[str, ...] = ()
    difficulty: Literal["Easy", "Medium", "Hard"] | None = None
    session_length: Literal["Short", "Medium", "Long"] | None = None
    age_group: str | None = None
    minimum_age: int = 0
    core_axes: tuple[str, ...]
    archetypes: tuple[str, ...] = ()
    image: str | None = None
    music_palette: str | None = None
    attribution: Attribution = Attribution()
    characters: tuple[Character, ...] = ()
    start: str
    scenes: tuple[Scene, ...]


class Scenario(Entity, frozen=True, kw_only=True):
    """A story's draft and life cycle. Its id is the slug of its first title; `latest_version` 0 means none yet.

    `content` is the draft. Once published, everything else that the library shows and searches is that of the published
    version: players must not see what an author is still changing. `revision` then says how far those changes are.
    `words` is title, description and tags in small letters.
    """

    title: str
    description: str
    age_group: str | None
    minimum_age: int
    image: str | None
    state: State
    latest_version: int
    content: ScenarioContent
    changed_at: datetime
    revision: Revision = "none"
    session_length: str | None = None
    core_axes: tuple[str, ...] = ()
    words: str = ""


class ScenarioVersion(Entity, frozen=True, kw_only=True):
    """What was published: numbered from 1, never changed."""

    scenario_id: str
    number: int
    content: ScenarioContent
    published_at: datetime


def story_id(title: str) -> str:
    """Return the id that a title gives: its slug, and, where that leaves letters out, a mark of the whole title."""
    slugged = slug(title)
    if is_spelt_by_slug(title):
        return slugged
    mark = sha256(title.encode()).hexdigest()[:10]
    return f"{slugged}-{mark}" if slugged else f"story-{mark}"


def version_id(scenario_id: str, number: int) -> str:
    """Return the one id that this version can have."""
    return f"{scenario_id}|{number}"


def version_of(scenario: Scenario, number: int, now: datetime) -> ScenarioVersion:
    """Return this draft as the version with this number."""
    return ScenarioVersion(
        id=version_id(scenario.id, number),
        scenario_id=scenario.id,
        number=number,
        content=scenario.content,
        published_at=now,
    )


def shown(content: ScenarioContent) -> dict[str, Any]:
    """Return what a scenario shows of its content without being opened."""
    return {
        "title": content.title,
        "description": content.description,
        "age_group": content.age_group,
        "minimum_age": content.minimum_age,
        "image": content.image,
        "session_length": content.session_length,
        "core_axes": content.core_axes,
        "words": " ".join((content.title, content.description, *content.tags)).casefold(),
    }
