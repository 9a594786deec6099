"""What authors and importers do; each function that takes a `work` is one unit of work."""

import msgspec

from mystira.content.scenarios.actions import BY_PROGRAM, Asked, make_version, point_to_version, save_draft
from mystira.content.scenarios.model.checking import Checked, unreadable
from mystira.content.scenarios.model.scenario import Scenario, story_id
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

Definition = AgeGroupDefinition | ArchetypeDefinition | CompassAxis | EchoTypeDefinition | FantasyThemeDefinition
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


async def import_checked(works: Works, checked: Checked, *, publish: bool, asked: Asked = BY_PROGRAM) -> Scenario:
    """Import a file without errors: the words it adds first, then the draft, then, if asked, a published version."""
    assert checked.content is not None, "a file with errors is not imported"
    for kind, words in checked.added.items():
        for id, name in words.items():
            await works.run(add_word, word=WORDS[kind](id=id, name=name))
    # The file has no id of its own, so its title gives one: importing it again finds the same story.
    scenario_id = story_id(checked.content.title)
    scenario = await works.run(save_draft, scenario_id=scenario_id, content=checked.content, asked=asked)
    if publish:
        number = await works.run(make_version, scenario_id=scenario_id)
        scenario = await works.run(point_to_version, scenario_id=scenario_id, number=number, asked=asked)
    return scenario


async def add_word(work: Work, *, word: Word) -> None:
    """Add a word to the vocabulary; one that is there stays as it is."""
    if await work.get(type(word), word.id) is None:
        work.save(word)
