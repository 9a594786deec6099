"""Keeps what shows which media, for those who would delete one; and opens what the shelf shows."""

from collections.abc import Iterable

from mystira.content.desk.model.kinds import KINDS, Kind
from mystira.content.desk.views import missing_media
from mystira.content.events import ContentChanged
from mystira.content.media.actions.assets import note_use, open_medium
from mystira.content.media.model.asset import type_of
from mystira.content.scenarios.events import ScenarioPublished
from mystira.content.scenarios.model.scenario import Scenario, ScenarioContent, ScenarioVersion, version_id
from mystira.polyglot.reaction import Handling, Reaction

SCENARIO = "scenario"


async def note_published(handling: Handling, event: ScenarioPublished) -> None:
    """Note what a published story shows, and open what the shelf shows of it, and its music.

    What its scenes show and tell stays closed: who plays sees it at signed addresses, and a story may have a price.
    """
    await _note_story(handling, event.scenario_id)
    work = handling.works.open()
    version = await work.get(ScenarioVersion, version_id(event.scenario_id, event.version), event.scenario_id)
    for media_id in _for_everybody(version.content) if version is not None else ():
        # Opening what is open changes nothing, so a repeated delivery does no harm.
        await handling.works.run(open_medium, media_id=media_id)


async def note_changed(handling: Handling, event: ContentChanged) -> None:
    """Note what a changed story or definition shows; a definition is seen as soon as it is there, so that is opened."""
    if event.what == SCENARIO:
        await _note_story(handling, event.content_id)
    elif event.what in KINDS:
        await _note_definition(handling, KINDS[event.what], event.content_id)


async def _note_definition(handling: Handling, kind: Kind, content_id: str) -> None:
    found = await handling.works.open().get(kind.entity, content_id)
    # Asked which of its media are missing where there are none, a definition tells all that it names.
    named = [] if found is None else missing_media(kind, found, frozenset())
    uploaded = tuple(dict.fromkeys(_uploaded(named)))
    title = str(getattr(found, "name", ""))
    await handling.works.run(note_use, what=kind.noun, content_id=content_id, title=title, media_ids=uploaded)
    for media_id in uploaded:
        await handling.works.run(open_medium, media_id=media_id)


async def _note_story(handling: Handling, scenario_id: str) -> None:
    work = handling.works.open()
    scenario = await work.get(Scenario, scenario_id)
    named: set[str] = set()
    title = ""
    if scenario is not None:
        title = scenario.title
        version = await work.get(ScenarioVersion, version_id(scenario_id, scenario.latest_version), scenario_id)
        named |= set(_media_of(scenario.content)) | (set(_media_of(version.content)) if version is not None else set())
    told = tuple(sorted(named))
    await handling.works.run(note_use, what=SCENARIO, content_id=scenario_id, title=title, media_ids=told)


def _media_of(content: ScenarioContent) -> list[str]:
    """Return the ids of uploaded media that a story names, each once."""
    named: list[str | None] = []
    for scene in content.scenes:
        named += (scene.media.image, scene.media.audio, scene.media.video)
    return list(dict.fromkeys([*_for_everybody(content), *_uploaded(named)]))


def _for_everybody(content: ScenarioContent) -> list[str]:
    """Return the ids of uploaded media that give nothing away: the cover, who one can be, music and sounds."""
    named: list[str | None] = [content.image]
    for character in content.characters:
        named += (character.image, character.audio)
    for scene in content.scenes:
        named += (scene.music, *scene.sound_effects)
    return list(dict.fromkeys(_uploaded(named)))


def _uploaded(named: Iterable[str | None]) -> Iterable[str]:
    # What comes with the program lies in folders, and uploaded media do not.
    return (one for one in named if one is not None and "/" not in one and type_of(one) is not None)


REACTIONS = (
    Reaction("content.note_media_of_published", ScenarioPublished, note_published),
    Reaction("content.note_media_of_changed", ContentChanged, note_changed),
)
