"""What is counted: one record per story."""

from mystira.polyglot.entity import Entity


class StoryCount(Entity, frozen=True, kw_only=True):
    """How often a story was played to an ending; its id is the scenario's."""

    completed: int = 0
    seconds_played: int = 0
