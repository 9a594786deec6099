"""Where scenarios live: drafts, and the versions made of them."""

from mystira.content.scenarios.model.scenario import Scenario, ScenarioVersion
from mystira.polyglot.collection import Collection
from mystira.polyglot.query import Order

SCENARIOS = Collection(
    Scenario,
    container="Scenarios",
    table="scenarios",
    indexes=(
        ("state", "title"),
        ("age_group", "title"),
        ("revision", "title"),
        ("state", "changed_at"),
        ("title",),
        ("changed_at",),
    ),
    orders=((Order("title"),), (Order("changed_at", descending=True),)),
)
SCENARIO_VERSIONS = Collection(
    ScenarioVersion,
    container="ScenarioVersions",
    table="scenario_versions",
    partition="scenario_id",
    never_changes=True,
)

COLLECTIONS = (SCENARIOS, SCENARIO_VERSIONS)
