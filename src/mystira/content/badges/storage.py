"""Where badges live, with their pictures, the words of their ladders, and what axes reached are called."""

from mystira.content.badges.model import AxisAchievement, Badge, BadgeConfiguration, BadgeImage
from mystira.polyglot.collection import Collection
from mystira.polyglot.query import Order

BY_NAME = ((Order("name"),), (Order("name", descending=True),))

BADGES = Collection(
    Badge,
    container="Badges",
    table="badges",
    indexes=(("age_group",), ("axis",), ("image",), ("name",)),
    orders=BY_NAME,
)
BADGE_IMAGES = Collection(
    BadgeImage, container="BadgeImages", table="badge_images", indexes=(("name",), ("media",)), orders=BY_NAME
)
BADGE_CONFIGURATIONS = Collection(
    BadgeConfiguration,
    container="BadgeConfigurations",
    table="badge_configurations",
    indexes=(("age_group",), ("axis",), ("name",)),
    orders=BY_NAME,
)
AXIS_ACHIEVEMENTS = Collection(
    AxisAchievement,
    container="AxisAchievements",
    table="axis_achievements",
    indexes=(("age_group",), ("axis",), ("name",)),
    orders=BY_NAME,
)

COLLECTIONS = (BADGES, BADGE_IMAGES, BADGE_CONFIGURATIONS, AXIS_ACHIEVEMENTS)
