"""What must hold for all of a kind taken together."""

from collections.abc import Sequence
from itertools import pairwise

from mystira.content.badges.model import TIERS, Badge, falling
from mystira.content.desk.model.fields import Wrong
from mystira.content.vocabulary.model import AgeGroupDefinition


def no_overlap(groups: Sequence[AgeGroupDefinition]) -> list[tuple[str, Wrong]]:
    """Return the age groups whose ages go backwards, or are those of another group as well."""
    found = [
        (group.id, Wrong("maximum_age", "The oldest age is below the youngest."))
        for group in groups
        if group.maximum_age < group.minimum_age
    ]
    in_order = sorted(groups, key=lambda group: (group.minimum_age, group.maximum_age))
    for before, group in pairwise(in_order):
        if group.minimum_age <= before.maximum_age:
            found.append((group.id, Wrong("minimum_age", _overlap(before))))
            found.append((before.id, Wrong("maximum_age", _overlap(group))))
    return found


def rising(badges: Sequence[Badge]) -> list[tuple[str, Wrong]]:
    """Return the badges on whose ladder a threshold is not above the one before, each with the whole ladder."""
    wrong = {(badge.age_group, badge.axis) for badge in falling(badges)}
    return [
        (badge.id, Wrong("threshold", _ladder([one for one in badges if _at(one) == _at(badge)])))
        for badge in badges
        if _at(badge) in wrong
    ]


def _at(badge: Badge) -> tuple[str, str]:
    return badge.age_group, badge.axis


def _overlap(other: AgeGroupDefinition) -> str:
    return f"This overlaps with {other.name} ({other.minimum_age} to {other.maximum_age})."


def _ladder(badges: Sequence[Badge]) -> str:
    steps = sorted(badges, key=lambda badge: TIERS.index(badge.tier))
    told = ", ".join(f"{badge.tier} {badge.threshold / 1000:g}" for badge in steps)
    return f"Each threshold must be above the one before, and the ladder would be: {told}."
