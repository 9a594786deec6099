"""Where master data live: one collection a kind of word."""

from mystira.content.vocabulary.model import (
    AgeGroupDefinition,
    ArchetypeDefinition,
    CompassAxis,
    EchoTypeDefinition,
    FantasyThemeDefinition,
)
from mystira.polyglot.collection import Collection
from mystira.polyglot.query import Order

AGE_GROUPS = Collection(
    AgeGroupDefinition,
    container="AgeGroupDefinitions",
    table="age_group_definitions",
    orders=((Order("minimum_age"),),),
)
COMPASS_AXES = Collection(CompassAxis, container="CompassAxes", table="compass_axes")
ARCHETYPES = Collection(ArchetypeDefinition, container="ArchetypeDefinitions", table="archetype_definitions")
ECHO_TYPES = Collection(EchoTypeDefinition, container="EchoTypeDefinitions", table="echo_type_definitions")
THEMES = Collection(FantasyThemeDefinition, container="FantasyThemeDefinitions", table="fantasy_theme_definitions")

COLLECTIONS = (AGE_GROUPS, COMPASS_AXES, ARCHETYPES, ECHO_TYPES, THEMES)
