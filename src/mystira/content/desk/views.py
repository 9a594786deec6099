"""What the desk shows: lists, single definitions, who uses them, and how the catalogue stands."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, cast

from mystira.content import views as content
from mystira.content.badges.model import Badge, BadgeImage, falling
from mystira.content.desk.model.fields import Field
from mystira.content.desk.model.kinds import KINDS, Kind
from mystira.content.desk.model.uses import words_of
from mystira.content.desk.ports import Use, Uses
from mystira.content.desk.problems import NoSuchKind, NotThere
from mystira.content.scenarios.model.scenario import Scenario, ScenarioVersion
from mystira.content.vocabulary.model import WordKind, slug, spellings
from mystira.polyglot.entity import E, Entity, Value
from mystira.polyglot.query import EVERYTHING, Order, Scalar, Where, all_of, any_of, contains, equal
from mystira.polyglot.work import Found, Work

EVERY_MAX = 10_000
USES_SHOWN = 10
CHOICES_MAX = 500
SCENARIOS_AT_ONCE = 200


class Wanted(Value, frozen=True, kw_only=True):
    """What a list is to show."""

    search: str = ""
    order: str = "id"
    descending: bool = False
    only: dict[str, str] = {}
    limit: int = 50


class Standing(Value, frozen=True, kw_only=True):
    """How one kind stands: how many there are, and what somebody should see to."""

    kind: Kind
    count: int


class Attention(Value, frozen=True, kw_only=True):
    """Something that somebody should see to, and where."""

    says: str
    path: str


def kind_named(noun: str) -> Kind:
    """Return the kind with this noun; NoSuchKind where there is none."""
    if noun not in KINDS:
        raise NoSuchKind(noun=noun[:40])
    return KINDS[noun]


async def one(work: Work, kind: Kind, id: str) -> Entity:
    """Return one definition; NotThere where there is none."""
    found = await work.get(kind.entity, id)
    if found is None:
        raise NotThere(one=kind.one, id=id[:120])
    return found


async def listed(work: Work, kind: Kind, wanted: Wanted, after: tuple[Scalar, ...] | None = None) -> Found[Any]:
    """Return a page of a list."""
    return await work.find(kind.entity, _where(kind, wanted), order_of(wanted), limit=wanted.limit, after=after)


def order_of(wanted: Wanted) -> Order:
    """Return what a list is sorted by."""
    return Order(wanted.order, wanted.descending)


def orders(kind: Kind) -> tuple[str, ...]:
    """Return what a list of this kind can be sorted by."""
    return ("id", "name") if kind.has_name else ("id",)


async def every(work: Work, kind: Kind) -> list[Any]:
    """Return all of a kind, of which there are few by nature."""
    items: list[Any] = [item async for item in _every(work, kind.entity)]
    return items


async def choices(work: Work, kind: Kind) -> dict[str, dict[str, str]]:
    """Return, for each field that refers to others, the name of every id that it could hold."""
    found: dict[str, dict[str, str]] = {}
    for field in kind.fields:
        if field.refers:
            found[field.name] = await names(work, KINDS[field.refers])
    return found


async def names(work: Work, kind: Kind) -> dict[str, str]:
    """Return the names of a kind by their ids, in the order of the ids (age groups: of the ages)."""
    order = Order("minimum_age" if kind.noun == "age-groups" else "id")
    found = await work.find(kind.entity, EVERYTHING, order, limit=CHOICES_MAX)
    return {item.id: str(getattr(item, "name", item.id)) for item in found.items}


async def uses(work: Work, kind: Kind, id: str, elsewhere: Uses) -> list[Use]:
    """Return who uses a definition: other definitions, stories, and what other rooms know of; a few of each."""
    found: list[Use] = []
    for other in KINDS.values():
        for field in other.fields:
            if field.refers == kind.noun:
                found += await _uses_in(work, other, field, id)
    if kind.word is not None:
        found += await _uses_in_stories(work, kind.word, id)
    return found + list(await elsewhere(work, kind.noun, id))


def missing_media(kind: Kind, entity: Entity, known: frozenset[str]) -> list[str]:
    """Return the media that a definition names and that are not there."""
    named: list[str] = []
    for field in kind.fields:
        value = getattr(entity, field.name)
        if field.ask == "media" and value:
            named.append(value)
        elif field.ask == "shelves":
            named += [id for ids in cast(Mapping[str, Sequence[str]], value).values() for id in ids]
    return [id for id in named if id not in known]


async def standing(work: Work) -> list[Standing]:
    """Return how many there are of each kind."""
    return [Standing(kind=kind, count=await work.count(kind.entity)) for kind in KINDS.values()]


async def stories(work: Work) -> dict[str, int]:
    """Return how many stories there are in each state."""
    states = ("draft", "in_review", "published", "archived")
    return {state: await work.count(Scenario, equal("state", state)) for state in states}


async def attention(work: Work) -> list[Attention]:
    """Return what somebody should see to."""
    found: list[Attention] = []
    waiting = await work.count(Scenario, equal("state", "in_review"))
    if waiting:
        says = "1 story waits for a review." if waiting == 1 else f"{waiting} stories wait for a review."
        found.append(Attention(says=says, path="/admin/content/scenarios?state=in_review"))
    badges = cast(list[Badge], await every(work, KINDS["badges"]))
    plain = sum(badge.image is None for badge in badges)
    if plain:
        says = "1 badge has no picture." if plain == 1 else f"{plain} badges have no picture."
        found.append(Attention(says=says, path="/admin/content/badges"))
    found += [
        Attention(says=f"{badge.name} ({badge.id}) is not above the tier before.", path=_path("badges", badge.id))
        for badge in falling(badges)
    ]
    return found + await _missing(work)


async def badge_pictures(work: Work) -> dict[str, BadgeImage]:
    """Return every picture that badges share, by its id."""
    return {image.id: image async for image in _every(work, BadgeImage)}


async def _missing(work: Work) -> list[Attention]:
    naming = [
        (kind, item.id, id)
        for kind in KINDS.values()
        if any(field.ask in ("media", "shelves") for field in kind.fields)
        for item in await every(work, kind)
        for id in missing_media(kind, item, frozenset())
    ]
    there = await content.media_there(work, (id for _, _, id in naming))
    return [
        Attention(says=f"The {kind.one} {item_id} names {id}, which is not uploaded.", path=_path(kind.noun, item_id))
        for kind, item_id, id in naming
        if id not in there
    ]


async def _uses_in(work: Work, other: Kind, field: Field, id: str) -> list[Use]:
    if field.ask == "shelves":
        holding = [item for item in await every(work, other) if getattr(item, field.name).get(id)]
    else:
        where = contains(field.name, id) if field.is_many else equal(field.name, id)
        holding = (await work.find(other.entity, where, limit=USES_SHOWN)).items
    return [
        Use(says=f"the {other.one} {getattr(item, 'name', item.id)}", path=_path(other.noun, item.id))
        for item in holding
    ]


async def _uses_in_stories(work: Work, word: WordKind, id: str) -> list[Use]:
    # Drafts and everything that was ever published: games go on by the version that they began with. Looking stops
    # at the first few, so only a word that nobody uses costs a look at all of them.
    found: dict[str, Use] = {}
    async for scenario in _every(work, Scenario, SCENARIOS_AT_ONCE):
        if id in words_of(scenario.content, word):
            found[scenario.id] = Use(says=f"the story {scenario.title}", path=_path("scenarios", scenario.id))
        if len(found) >= USES_SHOWN:
            return list(found.values())
    async for version in _every(work, ScenarioVersion, SCENARIOS_AT_ONCE):
        if version.scenario_id not in found and id in words_of(version.content, word):
            says = f"version {version.number} of the story {version.content.title}"
            found[version.scenario_id] = Use(says=says, path=_path("scenarios", version.scenario_id))
        if len(found) >= USES_SHOWN:
            break
    return list(found.values())


async def _every(work: Work, entity: type[E], at_once: int = 1_000) -> AsyncIterator[E]:
    after = None
    while True:
        found = await work.find(entity, limit=at_once, after=after)
        for item in found.items:
            yield item
        after = found.after
        if after is None:
            return


def _where(kind: Kind, wanted: Wanted) -> Where:
    parts = [equal(name, value) for name, value in wanted.only.items() if value]
    text = wanted.search.strip()
    if text:
        # Ids are slugs, so a search in them takes no notice of case or accents.
        found = [contains("id", slug(text))] if slug(text) else []
        parts.append(any_of(*found, *(contains("name", one) for one in spellings(text) if kind.has_name)))
    return all_of(*parts)


def _path(noun: str, id: str) -> str:
    return f"/admin/content/{noun}/{id}"
