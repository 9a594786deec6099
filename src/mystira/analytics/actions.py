"""What counting does; each function is one unit of work."""

from mystira.analytics.views import story_count
from mystira.polyglot.work import Work


async def count_completed(work: Work, *, scenario_id: str, duration_s: int) -> None:
    """Count one finished game."""
    count = await story_count(work, scenario_id)
    work.save(count.evolve(completed=count.completed + 1, seconds_played=count.seconds_played + duration_s))
