"""What authors and importers do; each function that takes a `work` is one unit of work."""

import msgspec

from mystira.content.badges.model import Badge
from mystira.content.scenarios.model.checking import Checked, unreadable
from mystira.content.scenarios.model.scenario import (
    Scenario,
    ScenarioContent,
    ScenarioVersion,
    draft,
    published,
    story_id,
    version_id,
    version_of,
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

LEFTOVERS_MAX = 1_000

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
    """Freeze the draft as the next version, unless there is one with just this content; return its number.

    Versions beyond the latest were left by interrupted publishing. One that holds this draft is taken; one that
    holds an older draft keeps its number for ever and is passed by, for a version never changes.
    """
    scenario = await _scenario(work, scenario_id)
    for number in range(max(1, scenario.latest_version), scenario.latest_version + LEFTOVERS_MAX):
        found = await work.get(ScenarioVersion, version_id(scenario_id, number), scenario_id)
        if found is None:
            work.save(version_of(scenario, number, work.now))
            return number
        if found.content == scenario.content:
            return number
    raise AssertionError(f"{scenario_id}: {LEFTOVERS_MAX} interrupted versions in a row")


async def point_to_version(work: Work, *, scenario_id: str, number: int) -> Scenario:
    """Let players see a version that exists."""
    version = await work.get(ScenarioVersion, version_id(scenario_id, number), scenario_id)
    if version is None:
        raise ScenarioNotFound
    scenario, told = published(await _scenario(work, scenario_id), version, work.now)
    if told:
        work.save(scenario, *told)
    return scenario


async def _scenario(work: Work, scenario_id: str) -> Scenario:
    scenario = await work.get(Scenario, scenario_id)
    if scenario is None:
        raise ScenarioNotFound
    return scenario
