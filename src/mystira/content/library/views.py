"""Stories as players look for them: by age, length, axis, bundle and words, page by page, with what each one asks."""

from collections.abc import Sequence

from mystira.content.bundles.model import ContentBundle
from mystira.content.library.problems import StoryNotFound
from mystira.content.purchases.views import Claim, StoryClaim, story_claims
from mystira.content.scenarios.model.scenario import Scenario
from mystira.content.scenarios.storage import SCENARIOS
from mystira.content.views import StoryCard, cards
from mystira.polyglot.entity import Value
from mystira.polyglot.query import Order, Where, all_of, contains, equal, one_of
from mystira.polyglot.work import Work
from mystira.web.lists import Span, cursor_in, cursor_text

WORDS_MAX = 8
FIRST = Span()
BY_TITLE = Order("title")


class Sought(Value, frozen=True, kw_only=True):
    """What somebody looks for; "" means any. Every word must be in the title, the description or the tags."""

    age_group: str = ""
    length: str = ""
    axis: str = ""
    bundle: str = ""
    words: str = ""


class LibraryStory(Value, frozen=True, kw_only=True):
    """A published story, and what it asks of whoever looks: `for_sale` names the bundles that hold it."""

    story: StoryCard
    access: Claim
    bundle_ids: tuple[str, ...]
    price: str | None


class Stories(Value, frozen=True, kw_only=True):
    """A page of the stories that can be played, and what leads to the next one."""

    items: tuple[StoryCard, ...]
    after: str | None


class Library(Value, frozen=True, kw_only=True):
    """A page of the library, and what leads to the next one."""

    items: tuple[LibraryStory, ...]
    after: str | None


async def library(work: Work, sought: Sought, account_id: str | None, span: Span = FIRST) -> Library:
    """Return a page of the published stories that fit, by title."""
    parts: list[Where] = [equal("state", "published")]
    parts += [
        equal(field, text)
        for field, text in (("age_group", sought.age_group), ("session_length", sought.length))
        if text
    ]
    parts += [contains("core_axes", sought.axis)] if sought.axis else []
    parts += [contains("words", word) for word in sought.words.casefold().split()[:WORDS_MAX]]
    if sought.bundle:
        bundle = await work.get(ContentBundle, sought.bundle)
        is_seen = bundle is not None and bundle.state == "published"
        parts.append(one_of("id", bundle.scenario_ids if bundle is not None and is_seen else ()))
    since = cursor_in(SCENARIOS, span.after, BY_TITLE)
    found = await work.find(Scenario, all_of(*parts), BY_TITLE, limit=span.limit, after=since)
    return Library(items=await _shelved(work, found.items, account_id), after=cursor_text(found.after))


async def stories(work: Work, age_group: str, span: Span) -> Stories:
    """Return a page of the published stories by title, of one age group or of all."""
    where = all_of(equal("state", "published"), *((equal("age_group", age_group),) if age_group else ()))
    since = cursor_in(SCENARIOS, span.after, BY_TITLE)
    found = await work.find(Scenario, where, BY_TITLE, limit=span.limit, after=since)
    return Stories(items=await cards(work, found.items), after=cursor_text(found.after))


async def one_story(work: Work, scenario_id: str, account_id: str | None) -> LibraryStory:
    """Return a published story with what it asks of a family."""
    found = await shelf_of(work, (scenario_id,), account_id)
    if not found:
        raise StoryNotFound
    return found[0]


async def shelf_of(work: Work, scenario_ids: Sequence[str], account_id: str | None) -> tuple[LibraryStory, ...]:
    """Return those of these stories that are published, in this order."""
    found = [await work.get(Scenario, id) for id in scenario_ids]
    published = [one for one in found if one is not None and one.state == "published"]
    return await _shelved(work, published, account_id)


async def _shelved(work: Work, scenarios: Sequence[Scenario], account_id: str | None) -> tuple[LibraryStory, ...]:
    shown = await cards(work, scenarios)
    claims = await story_claims(work, account_id, [card.id for card in shown])
    return tuple(_shown(card, claims[card.id]) for card in shown)


def _shown(card: StoryCard, asked: StoryClaim) -> LibraryStory:
    # The cheapest one is named where several bundles hold the story.
    cheapest = min(asked.bundles, key=lambda one: one.amount_minor, default=None)
    price = cheapest.price if cheapest is not None and asked.claim == "for_sale" else None
    return LibraryStory(
        story=card,
        access=asked.claim,
        bundle_ids=tuple(one.id for one in asked.bundles),
        price=price,
    )
