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

BY_NAME = ((Order("name"),), (Order("name", descending=True),))

AGE_GROUPS = Collection(
    AgeGroupDefinition,
    container="AgeGroupDefinitions",
    table="age_group_definitions",
    indexes=(("name",),),
    orders=((Order("minimum_age"),), *BY_NAME),
)
COMPASS_AXES = Collection(
    CompassAxis, container="CompassAxes", table="compass_axes", indexes=(("name",),), orders=BY_NAME
)
ARCHETYPES = Collection(
    ArchetypeDefinition,
    container="ArchetypeDefinitions",
    table="archetype_definitions",
    indexes=(("name",),),
    orders=BY_NAME,
)
ECHO_TYPES = Collection(
    EchoTypeDefinition,
    container="EchoTypeDefinitions",
    table="echo_type_definitions",
    indexes=(("name",),),
    orders=BY_NAME,
)
THEMES = Collection(
    FantasyThemeDefinition,
    container="FantasyThemeDefinitions",
    table="fantasy_theme_definitions",
    indexes=(("name",),),
    orders=BY_NAME,
)

COLLECTIONS = (AGE_GROUPS, COMPASS_AXES, ARCHETYPES, ECHO_TYPES, THEMES)
