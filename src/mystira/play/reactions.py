"""What happens when games end: scores, badges and analytics lines, each once however often the fact arrives."""

from mystira.play.actions import give_badge, reached_badges, record_score, track_step
from mystira.play.events import SessionCompleted
from mystira.play.model.session import GameSession
from mystira.polyglot.reaction import Handling, Reaction


async def score_players(handling: Handling, event: SessionCompleted) -> None:
    """Give every profile that took part its score, then the badges that its scores reach."""
    finished = await handling.works.open().get(GameSession, event.session_id, event.account_id)
    if finished is None:
        return
    for player in finished.players:
        if player.profile_id is None:
            continue
        await handling.run(record_score, account_id=event.account_id, session_id=event.session_id, player_id=player.id)
        reached = await reached_badges(
            handling.works.open(), profile_id=player.profile_id, age_group=player.age_group or ""
        )
        for goal in reached:
            await handling.run(give_badge, profile_id=player.profile_id, goal=goal, session_id=event.session_id)


async def track_compass(handling: Handling, event: SessionCompleted) -> None:
    """Keep one line per compass change of a finished game."""
    finished = await handling.works.open().get(GameSession, event.session_id, event.account_id)
    for at in range(len(finished.steps) if finished else 0):
        await handling.run(track_step, account_id=event.account_id, session_id=event.session_id, at=at)


REACTIONS = (
    Reaction("play.score_players", SessionCompleted, score_players),
    Reaction("play.track_compass", SessionCompleted, track_compass),
)
