"""What remains of a game: scores and badges per profile, and one line per compass change for analytics."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from mystira.play.events import BadgeEarned
from mystira.play.model.session import CompassStep, GameSession, Player
from mystira.polyglot.entity import Entity, Value

TIERS = ("bronze", "silver", "gold", "platinum", "diamond")


class PlayerScenarioScore(Entity, frozen=True, kw_only=True):
    """What one profile's first finished play of a scenario earned: the sums of its own deltas by axis."""

    profile_id: str
    scenario_id: str
    session_id: str
    axis_sums: dict[str, int]
    scored_at: datetime


class UserBadge(Entity, frozen=True, kw_only=True):
    """A badge that a profile has earned; at most one of each."""

    profile_id: str
    badge_id: str
    axis: str
    tier: str
    name: str
    earned_at: datetime
    session_id: str


class CompassTracking(Entity, frozen=True, kw_only=True):
    """One compass change, kept for analytics."""

    profile_id: str | None
    session_id: str
    axis: str
    delta: int
    value: int
    at: datetime


class BadgeGoal(Value, frozen=True, kw_only=True):
    """A badge that can be earned: `threshold` is compared with the lifetime sum on its axis, in thousandths."""

    id: str
    age_group: str
    axis: str
    tier: str
    name: str
    threshold: int


def score_id(profile_id: str, scenario_id: str) -> str:
    """Return the one id for a profile's score of a scenario, so that a replay cannot earn a second."""
    return f"{profile_id}|{scenario_id}"


def score(session: GameSession, player: Player, now: datetime) -> PlayerScenarioScore:
    """Return what this player's own moves add up to."""
    assert player.profile_id is not None, "guests earn no scores"
    return PlayerScenarioScore(
        id=score_id(player.profile_id, session.scenario_id),
        profile_id=player.profile_id,
        scenario_id=session.scenario_id,
        session_id=session.id,
        axis_sums=session.totals.get(player.id, {}),
        scored_at=now,
    )


def lifetime(scores: Iterable[PlayerScenarioScore]) -> dict[str, int]:
    """Return the sums over all scores by axis."""
    sums: dict[str, int] = {}
    for one in scores:
        for axis, value in one.axis_sums.items():
            sums[axis] = sums.get(axis, 0) + value
    return sums


def earned(goals: Iterable[BadgeGoal], age_group: str, sums: Mapping[str, int]) -> tuple[BadgeGoal, ...]:
    """Return the badges that these lifetime sums reach, each axis in tier order up to the first one missed."""
    mine = [goal for goal in goals if goal.age_group == age_group]
    reached: list[BadgeGoal] = []
    for axis in dict.fromkeys(goal.axis for goal in mine):
        for goal in sorted((goal for goal in mine if goal.axis == axis), key=lambda goal: TIERS.index(goal.tier)):
            if sums.get(axis, 0) < goal.threshold:
                break
            reached.append(goal)
    return tuple(reached)


def award(profile_id: str, goal: BadgeGoal, session_id: str, now: datetime) -> tuple[UserBadge, BadgeEarned]:
    """Return the badge for this profile, under the one id that it can have, and the fact that it was earned."""
    badge = UserBadge(
        id=f"{profile_id}|{goal.id}",
        profile_id=profile_id,
        badge_id=goal.id,
        axis=goal.axis,
        tier=goal.tier,
        name=goal.name,
        earned_at=now,
        session_id=session_id,
    )
    return badge, BadgeEarned(profile_id=profile_id, badge_id=goal.id, tier=goal.tier)


def tracked(session: GameSession, step: CompassStep) -> CompassTracking:
    """Return the analytics line of one compass change; guests have no profile to name."""
    player = session.player(step.player_id)
    return CompassTracking(
        id=f"{session.id}|{step.move}",
        profile_id=player.profile_id if player else None,
        session_id=session.id,
        axis=step.axis,
        delta=step.delta,
        value=step.value,
        at=step.at,
    )
