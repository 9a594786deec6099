"""What a player's trophy room and a parent's page of activity show."""

from datetime import datetime

from mystira.accounts import views as accounts
from mystira.content import views as content
from mystira.play.model.moves import elapsed_s
from mystira.play.model.results import PlayerScenarioScore, UserBadge, lifetime
from mystira.play.model.session import GameSession, State
from mystira.play.problems import ProfileNotFound
from mystira.play.storage import GAME_SESSIONS, PLAYER_SCENARIO_SCORES, USER_BADGES
from mystira.play.trophies.model import AxisProgress, BadgePicture, Statistics, player_of, progress_by_axis, statistics
from mystira.play.views import badge_goals, badges, scores
from mystira.polyglot.entity import Value
from mystira.polyglot.query import Order, all_of, equal
from mystira.polyglot.work import Work
from mystira.web.lists import Span, cursor_in, cursor_text

# So many of the latest finished games are counted: enough for years, and bounded.
GAMES_MAX = 300
LATELY = Span(limit=60)
LATEST = Order("last_move_at", descending=True)


class StoryPlayed(Value, frozen=True, kw_only=True):
    """One story that a player has finished, and how often."""

    scenario_id: str
    title: str
    image: str | None
    times: int
    last_at: datetime


class TrophyRoom(Value, frozen=True, kw_only=True):
    """Everything that one player has to show."""

    profile: accounts.PlayerProfile
    axes: tuple[AxisProgress, ...]
    badges: tuple[UserBadge, ...]
    statistics: Statistics
    stories: tuple[StoryPlayed, ...]


class GameSeen(Value, frozen=True, kw_only=True):
    """One game as a parent sees it: who played what, when, and for how long."""

    session_id: str
    scenario_id: str
    title: str
    state: str
    players: tuple[str, ...]
    moves: int
    seconds: int
    started_at: datetime
    last_move_at: datetime


class Activity(Value, frozen=True, kw_only=True):
    """A page of a family's games, and what leads to the next one."""

    items: tuple[GameSeen, ...]
    after: str | None


class EarnedBadges(Value, frozen=True, kw_only=True):
    """A page of the badges that a player has earned, and what leads to the next one."""

    items: tuple[UserBadge, ...]
    after: str | None


class StoryScores(Value, frozen=True, kw_only=True):
    """A page of the scores of a player, one a story, in thousandths, and what leads to the next one."""

    items: tuple[PlayerScenarioScore, ...]
    after: str | None


async def trophy_room(work: Work, account_id: str, profile_id: str) -> TrophyRoom:
    """Return what this player of the family has earned; ProfileNotFound for anybody else's."""
    profile = await _own(work, account_id, profile_id)
    finished = all_of(equal("account_id", account_id), equal("state", "completed"))
    games = (await work.find(GameSession, finished, LATEST, limit=GAMES_MAX)).items
    mine = [game for game in games if player_of(game, profile_id) is not None]
    had = await badges(work, profile_id)
    goals = await badge_goals(work, profile.age_group)
    pictures = {
        id: BadgePicture(media=image.media, alt=image.alt) for id, image in (await content.badge_pictures(work)).items()
    }
    return TrophyRoom(
        profile=profile,
        axes=progress_by_axis(goals, had, lifetime(await scores(work, profile_id)), pictures),
        badges=had,
        statistics=statistics(mine, profile_id),
        stories=await _stories(work, mine),
    )


async def activity(work: Work, account_id: str, span: Span = LATELY, state: State | None = None) -> Activity:
    """Return a page of the games that the family has played, in whatever state or in one, the latest first."""
    where = all_of(equal("account_id", account_id), *((equal("state", state),) if state else ()))
    since = cursor_in(GAME_SESSIONS, span.after, LATEST)
    found = await work.find(GameSession, where, LATEST, limit=span.limit, after=since)
    return Activity(items=tuple(_seen(game) for game in found.items), after=cursor_text(found.after))


async def earned_badges(work: Work, account_id: str, profile_id: str, span: Span) -> EarnedBadges:
    """Return a page of the badges that a player of the family has earned, in the order of earning."""
    await _own(work, account_id, profile_id)
    since = cursor_in(USER_BADGES, span.after, Order("earned_at"))
    mine = equal("profile_id", profile_id)
    found = await work.find(UserBadge, mine, Order("earned_at"), limit=span.limit, after=since)
    return EarnedBadges(items=found.items, after=cursor_text(found.after))


async def story_scores(work: Work, account_id: str, profile_id: str, span: Span) -> StoryScores:
    """Return a page of what a player's first plays of stories have earned."""
    await _own(work, account_id, profile_id)
    since = cursor_in(PLAYER_SCENARIO_SCORES, span.after)
    found = await work.find(PlayerScenarioScore, equal("profile_id", profile_id), limit=span.limit, after=since)
    return StoryScores(items=found.items, after=cursor_text(found.after))


async def _own(work: Work, account_id: str, profile_id: str) -> accounts.PlayerProfile:
    profile = await accounts.profile(work, account_id, profile_id)
    if profile is None:
        raise ProfileNotFound
    return profile


def _seen(game: GameSession) -> GameSeen:
    return GameSeen(
        session_id=game.id,
        scenario_id=game.scenario_id,
        title=game.title,
        state=game.state,
        players=tuple(player.name for player in game.players),
        moves=len(game.moves),
        seconds=elapsed_s(game, game.last_move_at),
        started_at=game.started_at,
        last_move_at=game.last_move_at,
    )


async def _stories(work: Work, games: list[GameSession]) -> tuple[StoryPlayed, ...]:
    by_story: dict[str, list[GameSession]] = {}
    for game in games:
        by_story.setdefault(game.scenario_id, []).append(game)
    found: list[StoryPlayed] = []
    for scenario_id, played in by_story.items():
        story = await content.story(work, scenario_id)
        found.append(
            StoryPlayed(
                scenario_id=scenario_id,
                title=played[0].title,
                image=story.image if story else None,
                times=len(played),
                last_at=played[0].last_move_at,
            )
        )
    return tuple(found)
