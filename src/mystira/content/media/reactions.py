"""Keeps what shows which media, for those who would delete one; and opens what the shelf shows."""

from mystira.content.bundles.model import ContentBundle
from mystira.content.desk.model.kinds import KINDS, Kind
from mystira.content.desk.views import missing_media
from mystira.content.events import ContentChanged
from mystira.content.media.actions.assets import close_medium, note_use, open_medium, users_of
from mystira.content.media.model.asset import MediaUse
from mystira.content.media.model.naming import for_everybody, media_of, uploaded
from mystira.content.scenarios.events import ScenarioPublished
from mystira.content.scenarios.model.scenario import Scenario, ScenarioVersion, version_id
from mystira.polyglot.reaction import Handling, Reaction
from mystira.polyglot.work import Work

SCENARIO, BUNDLE = "scenario", "bundle"


async def note_published(handling: Handling, event: ScenarioPublished) -> None:
    """Note what a published story shows, and open what the shelf shows of it, and its music.

    What its scenes show and tell stays closed: who plays sees it at signed addresses, and a story may have a price.
    """
    await _note_story(handling, event.scenario_id)
    work = handling.works.open()
    version = await work.get(ScenarioVersion, version_id(event.scenario_id, event.version), event.scenario_id)
    for media_id in for_everybody(version.content) if version is not None else ():
        # Opening what is open changes nothing, so a repeated delivery does no harm.
        await handling.works.run(open_medium, media_id=media_id)


async def note_changed(handling: Handling, event: ContentChanged) -> None:
    """Note what a changed story, bundle or definition shows.

    A definition is seen as soon as it is there, and a bundle once it is offered, so theirs is opened then.
    """
    if event.what == SCENARIO:
        await _note_story(handling, event.content_id)
        await _close_story(handling, event.content_id)
    elif event.what == BUNDLE:
        await _note_bundle(handling, event.content_id)
    elif event.what in KINDS:
        await _note_definition(handling, KINDS[event.what], event.content_id)


async def _note_bundle(handling: Handling, content_id: str) -> None:
    found = await handling.works.open().get(ContentBundle, content_id)
    media_ids = () if found is None else tuple(uploaded((found.image,)))
    title = found.title if found is not None else ""
    await handling.works.run(note_use, what=BUNDLE, content_id=content_id, title=title, media_ids=media_ids)
    for media_id in media_ids if found is not None and found.state == "published" else ():
        await handling.works.run(open_medium, media_id=media_id)


async def _note_definition(handling: Handling, kind: Kind, content_id: str) -> None:
    found = await handling.works.open().get(kind.entity, content_id)
    # Asked which of its media are missing where there are none, a definition tells all that it names.
    named = [] if found is None else missing_media(kind, found, frozenset())
    media_ids = tuple(dict.fromkeys(uploaded(named)))
    title = str(getattr(found, "name", ""))
    await handling.works.run(note_use, what=kind.noun, content_id=content_id, title=title, media_ids=media_ids)
    for media_id in media_ids:
        await handling.works.run(open_medium, media_id=media_id)


async def _close_story(handling: Handling, scenario_id: str) -> None:
    """Close what an archived story has opened, unless something else that players see shows it as well."""
    work = handling.works.open()
    scenario = await work.get(Scenario, scenario_id)
    if scenario is None or scenario.state != "archived":
        return
    for media_id in await _opened_by(work, scenario):
        if not await is_seen(work, media_id):
            await handling.works.run(close_medium, media_id=media_id)


async def is_seen(work: Work, media_id: str) -> bool:
    """Tell whether something that everybody sees shows a medium."""
    return any([await _shows(work, use, media_id) for use in await users_of(work, media_id)])


async def _shows(work: Work, use: MediaUse, media_id: str) -> bool:
    """Tell whether this shows a medium to everybody: a definition always does."""
    if use.what == SCENARIO:
        scenario = await work.get(Scenario, use.content_id)
        is_published = scenario is not None and scenario.state == "published"
        return scenario is not None and is_published and media_id in await _opened_by(work, scenario)
    if use.what == BUNDLE:
        bundle = await work.get(ContentBundle, use.content_id)
        return bundle is not None and bundle.state == "published"
    return True


async def _opened_by(work: Work, scenario: Scenario) -> list[str]:
    version = await work.get(ScenarioVersion, version_id(scenario.id, scenario.latest_version), scenario.id)
    return [] if version is None else for_everybody(version.content)


async def _note_story(handling: Handling, scenario_id: str) -> None:
    work = handling.works.open()
    scenario = await work.get(Scenario, scenario_id)
    named: set[str] = set()
    title = ""
    if scenario is not None:
        title = scenario.title
        version = await work.get(ScenarioVersion, version_id(scenario_id, scenario.latest_version), scenario_id)
        named |= set(media_of(scenario.content)) | (set(media_of(version.content)) if version is not None else set())
    told = tuple(sorted(named))
    await handling.works.run(note_use, what=SCENARIO, content_id=scenario_id, title=title, media_ids=told)


REACTIONS = (
    Reaction("content.note_media_of_published", ScenarioPublished, note_published),
    Reaction("content.note_media_of_changed", ContentChanged, note_changed),
)
