"""What can be seen of the catalogue, by players and by other rooms."""

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from mystira.content.avatars.model import AVATARS, AvatarConfigurationFile
from mystira.content.badges.model import AxisAchievement, Badge, BadgeImage
from mystira.content.media import views as media
from mystira.content.scenarios.model.checking import Checked, with_media
from mystira.content.scenarios.model.scenario import (
    Attribution,
    Character,
    Scenario,
    ScenarioContent,
    ScenarioVersion,
    Scene,
    version_id,
)
from mystira.content.vocabulary.model import (
    AgeGroupDefinition,
    ArchetypeDefinition,
    CompassAxis,
    EchoTypeDefinition,
    FantasyThemeDefinition,
    Vocabulary,
    names_of,
)
from mystira.polyglot.entity import E, Value
from mystira.polyglot.memos import Memo
from mystira.polyglot.query import EVERYTHING, Order, Where, all_of, equal
from mystira.polyglot.work import Work

LIST_MAX = 200
CARDS_MAX = 1_000
# Not asked of the web layer, because checking a file on the command line should not wait for a web server to load.
STATIC = Path(__file__).parents[1] / "web" / "static"


class StoryCard(Value, frozen=True, kw_only=True):
    """A published story as the library shows it."""

    id: str
    title: str
    description: str
    age_group: str | None
    minimum_age: int
    image: str | None
    session_length: str | None
    core_axes: tuple[str, ...]
    characters: tuple[Character, ...]
    attribution: Attribution
    scenes: int
    version: int


class PlayableVersion(Value, frozen=True, kw_only=True):
    """A published version as playing needs it; strengths and deltas in thousandths."""

    id: str
    scenario_id: str
    version: int
    title: str
    minimum_age: int
    music_palette: str | None
    start: str
    characters: tuple[Character, ...]
    scenes: tuple[Scene, ...]


async def library(work: Work, age_group: str | None = None, search: str | None = None) -> tuple[StoryCard, ...]:
    """Return the published stories by title, narrowed by age group and by words of the title."""
    parts: list[Where] = [equal("state", "published")]
    if age_group:
        parts.append(equal("age_group", age_group))
    found = await work.find(Scenario, all_of(*parts), Order("title"), limit=LIST_MAX)
    wanted = (search or "").casefold().split()
    cards = [await _card(work, scenario) for scenario in found.items]
    return tuple(card for card in cards if card is not None and all(word in _searched(card) for word in wanted))


async def cards(work: Work, scenarios: Sequence[Scenario]) -> tuple[StoryCard, ...]:
    """Return published stories as players see them, in this order."""
    found = [await _card(work, scenario) for scenario in scenarios]
    return tuple(card for card in found if card is not None)


async def story(work: Work, scenario_id: str) -> StoryCard | None:
    """Return one published story."""
    found = await work.get(Scenario, scenario_id)
    return await _card(work, found) if found is not None and found.state == "published" else None


async def published_version(work: Work, scenario_id: str, number: int) -> PlayableVersion | None:
    """Return a version that was published once, whatever happened to the scenario since."""
    found = await work.get(ScenarioVersion, version_id(scenario_id, number), scenario_id)
    return None if found is None else _playable(found)


async def latest_number(work: Work, scenario_id: str) -> int | None:
    """Return the number of the version that a game started now is played by; None when it is not published."""
    scenario = await work.get(Scenario, scenario_id)
    return scenario.latest_version if scenario is not None and scenario.state == "published" else None


async def draft(work: Work, scenario_id: str) -> PlayableVersion | None:
    """Return a story as it is written now, whatever its state: for those who write it. Its version is 0."""
    found = await work.get(Scenario, scenario_id)
    return None if found is None else _playable_of(found.id, scenario_id, 0, found.content)


async def story_names(work: Work, limit: int = LIST_MAX) -> dict[str, str]:
    """Return the titles of the first stories by title, whatever their state."""
    found = await work.find(Scenario, EVERYTHING, Order("title"), limit=limit)
    return {one.id: one.title for one in found.items}


async def age_groups(work: Work) -> tuple[AgeGroupDefinition, ...]:
    """Return the age groups, the youngest first."""
    return (await work.find(AgeGroupDefinition, EVERYTHING, Order("minimum_age"), limit=LIST_MAX)).items


async def axis_names(work: Work) -> dict[str, str]:
    """Return the display name of every compass axis."""
    return names_of((await work.find(CompassAxis, limit=1_000)).items)


async def echo_names(work: Work) -> dict[str, str]:
    """Return the display name of every type of echo."""
    return names_of((await work.find(EchoTypeDefinition, limit=1_000)).items)


async def badge_goals(work: Work, age_group: str) -> tuple[Badge, ...]:
    """Return the badges that an age group can earn."""
    return (await work.find(Badge, equal("age_group", age_group), limit=1_000)).items


async def badge_pictures(work: Work) -> dict[str, BadgeImage]:
    """Return the picture of every badge that has one of its own, by the badge's id."""
    images = {image.id: image for image in await _all(work, BadgeImage)}
    badges = await _all(work, Badge) if images else []
    return {badge.id: images[badge.image] for badge in badges if badge.image in images}


async def axis_achievements(work: Work, age_group: str) -> tuple[AxisAchievement, ...]:
    """Return what it is called when players of an age group take an axis all the way."""
    return (await work.find(AxisAchievement, equal("age_group", age_group), limit=1_000)).items


async def avatars_offered(work: Work) -> dict[str, tuple[str, ...]]:
    """Return the pictures that each age group can choose from, besides those that everybody has."""
    found = await work.get(AvatarConfigurationFile, AVATARS)
    return {} if found is None else found.avatars


async def vocabulary(work: Work) -> Vocabulary:
    """Return every word that stories may use."""
    groups = await _all(work, AgeGroupDefinition)
    return Vocabulary(
        {
            "age_group": names_of(groups),
            "axis": names_of(await _all(work, CompassAxis)),
            "archetype": names_of(await _all(work, ArchetypeDefinition)),
            "echo_type": names_of(await _all(work, EchoTypeDefinition)),
            "theme": names_of(await _all(work, FantasyThemeDefinition)),
        },
        {group.id: group.maximum_age for group in groups},
    )


async def media_there(work: Work, named: Iterable[str]) -> frozenset[str]:
    """Return those of these media that can be shown: what comes with the program, and what was uploaded."""
    wanted = frozenset(named)
    own = wanted & program_media_ids()
    return own | await media.those_there(work, wanted - own)


async def media_offered(work: Work) -> list[str]:
    """Return ids of media that a form offers while one types: what comes with the program, and the newest uploads."""
    return sorted(program_media_ids() | await media.newest_ids(work))


async def settled(work: Work, checked: Checked) -> Checked:
    """Return a check made without knowing what was uploaded, once the library was asked for what the story names."""
    return with_media(checked, await media.those_there(work, {id for id, _ in checked.unsure}))


async def media_addresses(work: Work, key: bytes, media_ids: Iterable[str | None]) -> dict[str, str]:
    """Return the address of every uploaded medium among these; signed ones hold for an hour or two."""
    found = {one: await media.shown_at(work, key, one) for one in dict.fromkeys(media_ids) if one is not None}
    return {id: address for id, address in found.items() if address is not None}


async def media_texts(work: Work, media_ids: Iterable[str | None]) -> dict[str, str]:
    """Return what is said instead of each uploaded medium among these, to those who cannot see it."""
    return {one: await media.said_instead_of(work, one) for one in dict.fromkeys(media_ids) if one is not None}


@cache
def program_media_ids() -> frozenset[str]:
    """Return the ids of the media that come with the program."""
    return frozenset(path.relative_to(STATIC).as_posix() for path in (STATIC / "art").rglob("*") if path.is_file())


async def _all(work: Work, kind: type[E]) -> list[E]:
    items: list[E] = []
    after = None
    while True:
        found = await work.find(kind, limit=1_000, after=after)
        items += found.items
        after = found.after
        if after is None:
            return items


def _searched(card: StoryCard) -> str:
    return f"{card.title} {card.description}".casefold()


async def _card(work: Work, scenario: Scenario) -> StoryCard | None:
    # The scenario holds the draft; what players see is its latest version, which never changes.
    known: Memo[str, StoryCard] = work.memos.named("content.cards", CARDS_MAX, of="ScenarioVersions")
    id = version_id(scenario.id, scenario.latest_version)
    card = known.get(id)
    if card is None:
        version = await work.get(ScenarioVersion, id, scenario.id)
        if version is None:
            return None
        card = known.put(id, _card_of(version))
    return card


def _card_of(version: ScenarioVersion) -> StoryCard:
    content = version.content
    return StoryCard(
        id=version.scenario_id,
        title=content.title,
        description=content.description,
        age_group=content.age_group,
        minimum_age=content.minimum_age,
        image=content.image,
        session_length=content.session_length,
        core_axes=content.core_axes,
        characters=content.characters,
        attribution=content.attribution,
        scenes=len(content.scenes),
        version=version.number,
    )


def _playable(version: ScenarioVersion) -> PlayableVersion:
    return _playable_of(version.id, version.scenario_id, version.number, version.content)


def _playable_of(id: str, scenario_id: str, number: int, content: ScenarioContent) -> PlayableVersion:
    return PlayableVersion(
        id=id,
        scenario_id=scenario_id,
        version=number,
        title=content.title,
        minimum_age=content.minimum_age,
        music_palette=content.music_palette,
        start=content.start,
        characters=content.characters,
        scenes=content.scenes,
    )
