"""What the counts show."""

from mystira.analytics.model import StoryCount
from mystira.polyglot.work import Work


async def story_count(work: Work, scenario_id: str) -> StoryCount:
    """Return how often a story was finished; zero for one that never was."""
    return await work.get(StoryCount, scenario_id) or StoryCount(id=scenario_id)
