"""Where the counts live: relational from the start."""

from mystira.analytics.model import StoryCount
from mystira.polyglot.collection import Collection
from mystira.polyglot.phases import Phase

STORY_COUNTS = Collection(StoryCount, container="StoryCounts", table="story_counts", phase=Phase.POSTGRES_ONLY)

COLLECTIONS = (STORY_COUNTS,)
