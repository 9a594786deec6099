"""What is counted when a fact arrives, once however often it arrives."""

from mystira.analytics.actions import count_completed
from mystira.play.events import SessionCompleted
from mystira.polyglot.reaction import Handling, Reaction


async def count_session(handling: Handling, event: SessionCompleted) -> None:
    """Count a finished game; the mark on the count keeps a second delivery from counting again."""
    await handling.run(count_completed, scenario_id=event.scenario_id, duration_s=event.duration_s)


REACTIONS = (Reaction("analytics.count_session", SessionCompleted, count_session),)
