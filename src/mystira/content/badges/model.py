"""Badges by age group, axis and tier, the words and pictures of their ladders, and what an axis reached is called."""

from collections.abc import Iterable
from typing import Literal

from mystira.polyglot.entity import Entity

Tier = Literal["bronze", "silver", "gold", "platinum", "diamond"]
TIERS: tuple[Tier, ...] = ("bronze", "silver", "gold", "platinum", "diamond")
Direction = Literal["positive", "negative"]


class Badge(Entity, frozen=True, kw_only=True):
    """One badge; `threshold` is compared with a profile's lifetime sum on the axis, in thousandths.

    `image` names a BadgeImage.
    """

    age_group: str
    axis: str
    tier: Tier
    name: str
    description: str = ""
    threshold: int
    image: str | None = None


class BadgeImage(Entity, frozen=True, kw_only=True):
    """A picture that badges share; `media` is the id of the file, `alt` says what it shows."""

    name: str
    media: str
    alt: str


class BadgeConfiguration(Entity, frozen=True, kw_only=True):
    """The words around one ladder: its name in the trophy room, and what is said when one of its badges is earned."""

    age_group: str
    axis: str
    name: str
    message: str = ""


class AxisAchievement(Entity, frozen=True, kw_only=True):
    """What it is called when a game takes an axis to +1 (positive) or to -1 (negative)."""

    age_group: str
    axis: str
    direction: Direction
    name: str
    description: str = ""


def falling(badges: Iterable[Badge]) -> tuple[Badge, ...]:
    """Return the badges whose threshold is not above that of the tier before."""
    wrong: list[Badge] = []
    last: dict[tuple[str, str], int] = {}
    for badge in sorted(badges, key=lambda badge: TIERS.index(badge.tier)):
        at = (badge.age_group, badge.axis)
        if at in last and badge.threshold <= last[at]:
            wrong.append(badge)
        last[at] = badge.threshold
    return tuple(wrong)
