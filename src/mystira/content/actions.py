"""What authors and importers do; each function that takes a `work` is one unit of work."""

import msgspec

from mystira.content.badges.model import Badge
from mystira.content.scenarios.model.checking import Checked, unreadable
from mystira.content.scenarios.model.scenario import (
    Scenario,
    ScenarioContent,
    ScenarioVersion,
    draft,
    next_version,
    published,
    story_id,
)
from mystira.content.scenarios.problems import ScenarioNotFound
from mystira.content.vocabulary.model import (
    AgeGroupDefinition,
    ArchetypeDefinition,
    CompassAxis,
    EchoTypeDefinition,
    FantasyThemeDefinition,
    WordKind,
)
from mystira.polyglot.work import Work, Works
from mystira.textfiles.readers import Readers
from mystira.textfiles.reading import Refused

Definition = (
    AgeGroupDefinition | ArchetypeDefinition | CompassAxis | EchoTypeDefinition | FantasyThemeDefinition | Badge
)
Word = CompassAxis | ArchetypeDefinition | EchoTypeDefinition | FantasyThemeDefinition
WORDS: dict[WordKind, type[Word]] = {
    "axis": CompassAxis,
    "archetype": ArchetypeDefinition,
    "echo_type": EchoTypeDefinition,
    "theme": FantasyThemeDefinition,
}


async def check_scenario(readers: Readers, data: bytes, context: bytes) -> Checked:
    """Check a stranger's file in a process apart, whatever it holds; `context` comes from `examining.context`."""
    try:
        return msgspec.msgpack.decode(await readers.read(data, context), type=Checked)
    except Refused as refused:
        return unreadable(refused.why)


async def import_checked(works: Works, checked: Checked, *, publish: bool) -> Scenario:
    """Import a file without errors: the words it adds first, then the draft, then, if asked, a published version."""
    assert checked.content is not None, "a file with errors is not imported"
    for kind, words in checked.added.items():
        for id, name in words.items():
            await works.run(add_word, word=WORDS[kind](id=id, name=name))
    # The file has no id of its own, so its title gives one: importing it again finds the same story.
    scenario_id = story_id(checked.content.title)
    scenario = await works.run(save_draft, scenario_id=scenario_id, content=checked.content)
    if publish:
        number = await works.run(make_version, scenario_id=scenario_id)
        scenario = await works.run(point_to_version, scenario_id=scenario_id, number=number)
    return scenario


async def add_word(work: Work, *, word: Word) -> None:
    """Add a word to the vocabulary; one that is there stays as it is."""
    if await work.get(type(word), word.id) is None:
        work.save(word)


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
