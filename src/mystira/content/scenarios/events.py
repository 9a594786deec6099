"""What others may hear about scenarios."""

from mystira.polyglot.entity import Event


class ScenarioPublished(Event, frozen=True, kw_only=True):
    """A version can be played from now on."""

    scenario_id: str
    version: int
