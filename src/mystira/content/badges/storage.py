"""Where badges live."""

from mystira.content.badges.model import Badge
from mystira.polyglot.collection import Collection

BADGES = Collection(Badge, container="Badges", table="badges", indexes=(("age_group",),))

COLLECTIONS = (BADGES,)
