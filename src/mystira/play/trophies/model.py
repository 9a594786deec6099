"""What many games come to, for one player: pure counting."""

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from mystira.play.model.moves import elapsed_s
from mystira.play.model.results import TIERS, BadgeGoal, UserBadge
from mystira.play.model.session import GameSession, Player
from mystira.polyglot.entity import Value


class Statistics(Value, frozen=True, kw_only=True):
    """Finished games counted for one player. `achievements` by kind; an axis reached counts once a game."""

    stories: int
    games: int
    seconds: int
    moves: int
    rolls: int
    rolls_won: int
    echoes: int
    reveals: int
    achievements: dict[str, int]


class BadgePicture(Value, frozen=True, kw_only=True):
    """What a badge looks like: the id of a picture, and what it shows for those who cannot see it."""

    media: str
    alt: str


class TierShown(Value, frozen=True, kw_only=True):
    """One badge of an axis, earned or still to come; without a picture of its own it looks as its tier does."""

    tier: str
    name: str
    threshold: int
    is_earned: bool
    image: BadgePicture | None = None


class AxisProgress(Value, frozen=True, kw_only=True):
    """How far a player has come on one axis: the lifetime sum in thousandths, and percent of the way to `next`."""

    axis: str
    total: int
    tiers: tuple[TierShown, ...]
    next: TierShown | None
    percent: int


def player_of(session: GameSession, profile_id: str) -> Player | None:
    """Return this profile's seat in a game, if it played."""
    return next((player for player in session.players if player.profile_id == profile_id), None)


def statistics(sessions: Iterable[GameSession], profile_id: str) -> Statistics:
    """Count the finished games of one profile; moves and rolls are its own, echoes and moments everybody's."""
    played = [(game, player) for game in sessions if (player := player_of(game, profile_id)) is not None]
    own = [move for game, player in played for move in game.moves if move.player_id == player.id]
    rolls = [move.roll for move in own if move.roll is not None]
    achieved = Counter(achievement.kind for game, _ in played for achievement in game.achievements)
    return Statistics(
        stories=len({game.scenario_id for game, _ in played}),
        games=len(played),
        seconds=sum(elapsed_s(game, game.last_move_at) for game, _ in played),
        moves=len(own),
        rolls=len(rolls),
        rolls_won=sum(roll.success for roll in rolls),
        echoes=sum(len(game.echoes) for game, _ in played),
        reveals=sum(len(game.reveals) for game, _ in played),
        achievements=dict(achieved),
    )


def progress_by_axis(
    goals: Iterable[BadgeGoal],
    badges: Iterable[UserBadge],
    sums: Mapping[str, int],
    pictures: Mapping[str, BadgePicture] = MappingProxyType({}),
) -> tuple[AxisProgress, ...]:
    """Return every axis that has badges to earn or was moved on, the farthest first.

    A badge once earned stays earned, whatever its threshold has become since and whatever age group it was for.
    `pictures` are by the ids of badges.
    """
    had = tuple(badges)
    by_axis: dict[str, dict[str, TierShown]] = {axis: {} for axis in sums}
    for goal in goals:
        by_axis.setdefault(goal.axis, {})[goal.tier] = TierShown(
            tier=goal.tier, name=goal.name, threshold=goal.threshold, is_earned=False, image=pictures.get(goal.id)
        )
    for badge in had:
        kept = by_axis.setdefault(badge.axis, {}).get(badge.tier)
        threshold = kept.threshold if kept else 0
        by_axis[badge.axis][badge.tier] = TierShown(
            tier=badge.tier,
            name=badge.name,
            threshold=threshold,
            is_earned=True,
            image=pictures.get(badge.badge_id),
        )
    found = [_progress(axis, tiers, sums.get(axis, 0)) for axis, tiers in by_axis.items()]
    return tuple(sorted(found, key=lambda one: (-one.total, one.axis)))


def _progress(axis: str, by_tier: Mapping[str, TierShown], total: int) -> AxisProgress:
    tiers = tuple(sorted(by_tier.values(), key=lambda tier: TIERS.index(tier.tier)))
    following = next((tier for tier in tiers if not tier.is_earned), None)
    percent = 100 if following is None else min(100, max(0, 100 * total // max(1, following.threshold)))
    return AxisProgress(axis=axis, total=total, tiers=tiers, next=following, percent=percent)
