"""What authors and importers do; each function is one unit of work."""

from mystira.content.badges.model import Badge
from mystira.content.scenarios.model.scenario import (
    Scenario,
    ScenarioContent,
    ScenarioVersion,
    draft,
    next_version,
    published,
)
from mystira.content.scenarios.problems import ScenarioNotFound
from mystira.content.vocabulary.model import (
    AgeGroupDefinition,
    ArchetypeDefinition,
    CompassAxis,
    EchoTypeDefinition,
    FantasyThemeDefinition,
)
from mystira.polyglot.work import Work

Definition = (
    AgeGroupDefinition | ArchetypeDefinition | CompassAxis | EchoTypeDefinition | FantasyThemeDefinition | Badge
)


async def save_definition(work: Work, *, definition: Definition) -> bool:
    """Add or change one piece of master data; tell whether anything changed."""
    before = await work.get(type(definition), definition.id)
    if before == definition:
        return False
    work.save(definition)
    return True


async def save_draft(work: Work, *, scenario_id: str, content: ScenarioContent) -> Scenario:
    """Keep what an author's file says; importing the same file again changes nothing."""
    before = await work.get(Scenario, scenario_id)
    if before is not None and before.content == content:
        return before
    scenario = draft(scenario_id, content, before, work.now)
    work.save(scenario)
    return scenario


async def make_version(work: Work, *, scenario_id: str) -> int:
    """Freeze the draft as the next version, unless the latest one is the same; return its number.

    A version that exists without being pointed to was left by an interrupted publish and is taken as it is.
    """
    scenario = await _scenario(work, scenario_id)
    latest = await work.get(ScenarioVersion, f"{scenario_id}|{scenario.latest_version}", scenario_id)
    if latest is not None and latest.content == scenario.content:
        return latest.number
    version = next_version(scenario, work.now)
    begun = await work.get(ScenarioVersion, version.id, scenario_id)
    if begun is None:
        work.save(version)
    return version.number


async def point_to_version(work: Work, *, scenario_id: str, number: int) -> Scenario:
    """Let players see a version that exists."""
    scenario, told = published(await _scenario(work, scenario_id), number, work.now)
    if told:
        work.save(scenario, *told)
    return scenario


async def _scenario(work: Work, scenario_id: str) -> Scenario:
    scenario = await work.get(Scenario, scenario_id)
    if scenario is None:
        raise ScenarioNotFound
    return scenario
