"""Where characters live that belong to no single story."""

from mystira.content.characters.model import CharacterMap, CharacterMapFile
from mystira.polyglot.collection import Collection
from mystira.polyglot.query import Order

CHARACTER_MAPS = Collection(
    CharacterMap,
    container="CharacterMaps",
    table="character_maps",
    indexes=(("name",), ("image",)),
    orders=((Order("name"),), (Order("name", descending=True),)),
)
CHARACTER_MAP_FILES = Collection(CharacterMapFile, container="CharacterMapFiles", table="character_map_files")

COLLECTIONS = (CHARACTER_MAPS, CHARACTER_MAP_FILES)
