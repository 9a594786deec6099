"""Every kind that the desk knows, each described once: its pages, its API and its file are made from this."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Literal

from msgspec.structs import replace

from mystira.content.avatars.model import AVATARS, AvatarConfigurationFile
from mystira.content.badges.model import TIERS, AxisAchievement, Badge, BadgeConfiguration, BadgeImage
from mystira.content.characters.model import CAST, CharacterMap, CharacterMapFile
from mystira.content.desk.model.fields import Field, Wrong
from mystira.content.desk.model.rules import no_overlap, rising
from mystira.content.vocabulary.model import (
    AgeGroupDefinition,
    ArchetypeDefinition,
    CompassAxis,
    EchoTypeDefinition,
    FantasyThemeDefinition,
    WordKind,
    is_spelt_by_slug,
    slug,
)
from mystira.polyglot.entity import Entity, Value

Group = Literal["Words", "Badges", "Characters"]
MEDIA_HELP = "The id of an uploaded picture, or of one that comes with the program (art/…)."


def word_id(plain: Mapping[str, Any]) -> str:
    """Return the id that a name gives: its slug, and a mark of the whole name where the slug leaves letters out."""
    name = str(plain.get("name", ""))
    if is_spelt_by_slug(name):
        return slug(name)
    return f"{slug(name)}-{sha256(name.encode()).hexdigest()[:10]}".strip("-")


def joined(*names: str) -> Callable[[Mapping[str, Any]], str]:
    """Return what makes an id of these fields."""
    return lambda plain: "-".join(str(plain.get(name, "")) for name in names)


def always(id: str) -> Callable[[Mapping[str, Any]], str]:
    """Return what makes the id of the only record that there is."""
    return lambda plain: id


class Kind(Value, frozen=True, kw_only=True):
    """One kind of content.

    `noun` names it in addresses. `only` is the id of the one record that there is, of a kind with but one; `free_id`
    tells that whoever writes one may choose another id than `makes_id` gives. `together` finds what is wrong with all
    of a kind taken together, by the id of each. `word` is what stories call it. `example` is one in plain form.
    """

    noun: str
    one: str
    many: str
    group: Group
    explains: str
    entity: type[Entity]
    fields: tuple[Field, ...]
    makes_id: Callable[[Mapping[str, Any]], str] = word_id
    free_id: bool = False
    only: str = ""
    together: Callable[[Sequence[Any]], Sequence[tuple[str, Wrong]]] = lambda every: ()
    word: WordKind | None = None
    file: str
    example: dict[str, Any]

    @property
    def columns(self) -> tuple[Field, ...]:
        """The fields that a list shows."""
        return tuple(field for field in self.fields if field.listed)

    @property
    def has_name(self) -> bool:
        """Whether it can be searched and sorted by name."""
        return any(field.name == "name" for field in self.fields)

    @property
    def filters(self) -> tuple[Field, ...]:
        """The fields that a list can be narrowed by."""
        return tuple(field for field in self.fields if field.ask == "reference" and field.listed)


NAME = Field(name="name", label="Name", help="As people read it. Changing it keeps the id.", most=120, listed=True)
DESCRIPTION = Field(
    name="description", label="Description", ask="text", required=False, help="One or two sentences.", most=1_000
)
AGE_GROUP = Field(name="age_group", label="Age group", ask="reference", refers="age-groups", fixed=True, listed=True)
AXIS = Field(name="axis", label="Compass axis", ask="reference", refers="compass-axes", fixed=True, listed=True)


def _words(noun: str, one: str, many: str, entity: type[Entity], word: WordKind, explains: str) -> Kind:
    return Kind(
        noun=noun,
        one=one,
        many=many,
        group="Words",
        explains=explains,
        entity=entity,
        fields=(NAME, replace(DESCRIPTION, listed=True)),
        free_id=True,
        word=word,
        file=f"vocabulary/{noun.replace('-', '_').removeprefix('compass_')}.yaml",
        example={"name": "Mirror wit", "description": "Sees itself and laughs."},
    )


AGE_GROUPS = Kind(
    noun="age-groups",
    one="age group",
    many="Age groups",
    group="Words",
    explains="Whom stories, badges and pictures are for. Ages are whole years, both included, and may not overlap.",
    entity=AgeGroupDefinition,
    fields=(
        NAME,
        Field(name="minimum_age", label="Youngest", ask="number", most=150, listed=True),
        Field(name="maximum_age", label="Oldest", ask="number", most=150, listed=True),
    ),
    makes_id=joined("minimum_age", "maximum_age"),
    together=no_overlap,
    word="age_group",
    file="vocabulary/age_groups.yaml",
    example={"name": "Just born", "minimum_age": 0, "maximum_age": 0},
)
AXES = _words(
    "compass-axes", "compass axis", "Compass axes", CompassAxis, "axis", "The directions that choices move players in."
)
ARCHETYPES = _words(
    "archetypes", "archetype", "Archetypes", ArchetypeDefinition, "archetype", "The kinds of character there are."
)
ECHO_TYPES = _words(
    "echo-types", "echo type", "Echo types", EchoTypeDefinition, "echo_type", "The kinds of trace that choices leave."
)
THEMES = _words(
    "fantasy-themes", "fantasy theme", "Fantasy themes", FantasyThemeDefinition, "theme", "The kinds of world."
)
BADGES = Kind(
    noun="badges",
    one="badge",
    many="Badges",
    group="Badges",
    explains="What lifetime scores earn. On each ladder (age group and axis) every threshold is above the one before.",
    entity=Badge,
    fields=(
        NAME,
        AGE_GROUP,
        AXIS,
        Field(name="tier", label="Tier", ask="choice", choices=TIERS, fixed=True, listed=True),
        Field(
            name="threshold",
            label="Threshold",
            ask="thousandths",
            most=1_000,
            listed=True,
            help="The lifetime sum that earns it, on the scale of the stories: 1 is one strong choice.",
        ),
        DESCRIPTION,
        Field(name="image", label="Picture", ask="reference", refers="badge-images", required=False),
    ),
    makes_id=joined("age_group", "axis", "tier"),
    together=rising,
    file="badges/badges.yaml",
    example={
        "name": "Warm Hand",
        "age_group": "6-9",
        "axis": "kindness",
        "tier": "bronze",
        "threshold": 0.3,
        "description": "You held out a hand.",
        "image": None,
    },
)
BADGE_IMAGES = Kind(
    noun="badge-images",
    one="badge picture",
    many="Badge pictures",
    group="Badges",
    explains="Pictures that badges share.",
    entity=BadgeImage,
    fields=(
        NAME,
        Field(name="media", label="Picture file", ask="media", help=MEDIA_HELP, listed=True),
        Field(name="alt", label="What it shows", help="Read aloud to those who cannot see it.", most=300, listed=True),
    ),
    free_id=True,
    file="badges/images.yaml",
    example={"name": "Star", "media": "art/avatars/star.svg", "alt": "A smiling star."},
)
BADGE_CONFIGURATIONS = Kind(
    noun="badge-configurations",
    one="badge ladder",
    many="Badge ladders",
    group="Badges",
    explains="The words around a ladder: its name in the trophy room, and what is said when a badge is earned.",
    entity=BadgeConfiguration,
    fields=(
        NAME,
        AGE_GROUP,
        AXIS,
        Field(name="message", label="Said when a badge is earned", ask="text", required=False, most=500, listed=True),
    ),
    makes_id=joined("age_group", "axis"),
    file="badges/configurations.yaml",
    example={"name": "The way of the brave", "age_group": "6-9", "axis": "courage", "message": "You were brave!"},
)
AXIS_ACHIEVEMENTS = Kind(
    noun="axis-achievements",
    one="axis achievement",
    many="Axis achievements",
    group="Badges",
    explains="What it is called when a single game takes an axis all the way up (+1) or down (-1).",
    entity=AxisAchievement,
    fields=(
        NAME,
        AGE_GROUP,
        AXIS,
        Field(
            name="direction",
            label="Direction",
            ask="choice",
            choices=("positive", "negative"),
            fixed=True,
            listed=True,
        ),
        DESCRIPTION,
    ),
    makes_id=joined("age_group", "axis", "direction"),
    file="badges/achievements.yaml",
    example={
        "name": "Lionhearted",
        "age_group": "6-9",
        "axis": "courage",
        "direction": "positive",
        "description": "Brave from the first page to the last.",
    },
)
CHARACTERS = Kind(
    noun="characters",
    one="character",
    many="Characters",
    group="Characters",
    explains="Characters that belong to no single story, for authors to take into theirs.",
    entity=CharacterMap,
    fields=(
        NAME,
        Field(name="image", label="Picture", ask="media", required=False, help=MEDIA_HELP),
        Field(name="audio", label="Voice", ask="media", required=False, help="The id of an uploaded sound."),
        Field(name="species", label="Species", required=False, most=80, listed=True),
        Field(name="age", label="Age", ask="number", required=False, most=100_000, listed=True),
        Field(name="roles", label="Roles", ask="lines", required=False, most=80, help="One a line."),
        Field(name="archetypes", label="Archetypes", ask="references", refers="archetypes", required=False),
        Field(name="traits", label="Traits", ask="lines", required=False, most=80, help="One a line."),
        Field(name="backstory", label="What happened before", ask="text", required=False, most=4_000),
    ),
    free_id=True,
    file="characters/characters.yaml",
    example={
        "name": "Pip",
        "image": "art/avatars/fox.svg",
        "audio": None,
        "species": "fox",
        "age": 7,
        "roles": ["apprentice"],
        "archetypes": ["inventor"],
        "traits": ["curious"],
        "backstory": "Pip grew up under a clock.",
    },
)
CHARACTER_FILE = Kind(
    noun="character-map-file",
    one="cast",
    many="Cast",
    group="Characters",
    explains="Which characters are offered, and in which order.",
    entity=CharacterMapFile,
    fields=(
        Field(
            name="characters",
            label="Characters",
            ask="lines",
            refers="characters",
            required=False,
            help="The ids of characters, one a line, in the order in which they are offered.",
            listed=True,
        ),
    ),
    makes_id=always(CAST),
    only=CAST,
    file="characters/cast.yaml",
    example={"characters": []},
)
AVATAR_FILE = Kind(
    noun="avatars",
    one="choice of avatars",
    many="Avatars",
    group="Characters",
    explains="Which pictures players of an age group can choose from, besides those that everybody has.",
    entity=AvatarConfigurationFile,
    fields=(
        Field(
            name="avatars",
            label="Pictures",
            ask="shelves",
            refers="age-groups",
            required=False,
            help="Media ids, one a line, in the order in which they are offered.",
            listed=True,
        ),
    ),
    makes_id=always(AVATARS),
    only=AVATARS,
    file="avatars/avatars.yaml",
    example={"avatars": {"6-9": ["art/avatars/fox.svg", "art/avatars/owl.svg"]}},
)

KINDS: dict[str, Kind] = {
    kind.noun: kind
    for kind in (
        *(AGE_GROUPS, AXES, ARCHETYPES, ECHO_TYPES, THEMES),
        *(BADGE_IMAGES, BADGES, BADGE_CONFIGURATIONS, AXIS_ACHIEVEMENTS),
        *(CHARACTERS, CHARACTER_FILE, AVATAR_FILE),
    )
}
"""By noun; what others refer to comes before them, so that their files can be read in this order."""
