"""Badges by age group, axis and tier; thresholds rise strictly from tier to tier."""

from collections.abc import Iterable
from typing import Literal

from mystira.polyglot.entity import Entity

Tier = Literal["bronze", "silver", "gold", "platinum", "diamond"]
TIERS: tuple[Tier, ...] = ("bronze", "silver", "gold", "platinum", "diamond")


class Badge(Entity, frozen=True, kw_only=True):
    """One badge; `threshold` is compared with a profile's lifetime sum on the axis, in thousandths."""

    age_group: str
    axis: str
    tier: Tier
    name: str
    description: str = ""
    threshold: int


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
