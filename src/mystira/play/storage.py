"""Where games live: one collection an entity."""

from mystira.play.model.results import CompassTracking, PlayerScenarioScore, UserBadge
from mystira.play.model.session import GameSession, PlayClaim
from mystira.polyglot.collection import Collection
from mystira.polyglot.query import Order

GAME_SESSIONS = Collection(
    GameSession,
    container="GameSessions",
    table="game_sessions",
    partition="account_id",
    indexes=(("account_id", "last_move_at"), ("state", "last_move_at"), ("scenario_id",)),
    orders=((Order("last_move_at"),), (Order("last_move_at", descending=True),)),
)
PLAY_CLAIMS = Collection(PlayClaim, container="PlayClaims", table="play_claims")
PLAYER_SCENARIO_SCORES = Collection(
    PlayerScenarioScore,
    container="PlayerScenarioScores",
    table="player_scenario_scores",
    partition="profile_id",
)
USER_BADGES = Collection(
    UserBadge,
    container="UserBadges",
    table="user_badges",
    partition="profile_id",
    orders=((Order("earned_at"),),),
)
COMPASS_TRACKINGS = Collection(
    CompassTracking,
    container="CompassTrackings",
    table="compass_trackings",
    partition="axis",
    indexes=(("session_id",),),
)

COLLECTIONS = (GAME_SESSIONS, PLAY_CLAIMS, PLAYER_SCENARIO_SCORES, USER_BADGES, COMPASS_TRACKINGS)
