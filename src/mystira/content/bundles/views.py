"""What can be seen of bundles: by players what is offered, by staff everything."""

from collections.abc import Sequence
from typing import Literal

from mystira.content.bundles.model import BundleState, ContentBundle
from mystira.content.bundles.problems import BundleNotFound
from mystira.content.bundles.storage import CONTENT_BUNDLES
from mystira.content.scenarios.model.scenario import Scenario
from mystira.content.vocabulary.model import spellings
from mystira.polyglot.entity import Value
from mystira.polyglot.query import EVERYTHING, Order, Where, all_of, any_of, contains, equal, one_of
from mystira.polyglot.work import Found, Work
from mystira.web.lists import Span, cursor_in, cursor_text

NAMED_MAX = 200
FIRST = Span()


BundleOrder = Literal["title", "changed_at"]
ORDERS: dict[BundleOrder, Order] = {"title": Order("title"), "changed_at": Order("changed_at", descending=True)}


class BundleCard(Value, frozen=True, kw_only=True):
    """A bundle as players see it; without a price it is free."""

    id: str
    title: str
    description: str
    image: str | None
    age_group: str | None
    scenario_ids: tuple[str, ...]
    amount_minor: int
    currency: str | None
    price: str | None


class BundleCards(Value, frozen=True, kw_only=True):
    """A page of bundles, and what leads to the next one."""

    items: tuple[BundleCard, ...]
    after: str | None


class BundlesWanted(Value, frozen=True, kw_only=True):
    """Which bundles staff want to see, and in which order."""

    search: str = ""
    state: BundleState | None = None
    order: BundleOrder = "title"


async def offered(work: Work, span: Span = FIRST) -> BundleCards:
    """Return a page of the bundles that players can have, by title."""
    found = await _page(work, equal("state", "published"), span)
    return BundleCards(items=tuple(card_of(one) for one in found.items), after=cursor_text(found.after))


async def offer(work: Work, bundle_id: str) -> BundleCard:
    """Return one bundle that players can have."""
    bundle = await work.get(ContentBundle, bundle_id)
    if bundle is None or bundle.state != "published":
        raise BundleNotFound
    return card_of(bundle)


async def every(work: Work, wanted: BundlesWanted, span: Span = FIRST) -> tuple[tuple[ContentBundle, ...], str | None]:
    """Return a page of the bundles that staff look for, and what leads to the next one."""
    parts: list[Where] = [equal("state", wanted.state)] if wanted.state else []
    if wanted.search.strip():
        text = wanted.search.strip()
        parts.append(any_of(equal("id", text), *(contains("title", one) for one in spellings(text))))
    found = await _page(work, all_of(*parts) if parts else EVERYTHING, span, ORDERS[wanted.order])
    return found.items, cursor_text(found.after)


async def bundle(work: Work, bundle_id: str) -> ContentBundle:
    """Return a bundle in whatever state."""
    found = await work.get(ContentBundle, bundle_id)
    if found is None:
        raise BundleNotFound
    return found


async def holding(work: Work, scenario_ids: Sequence[str]) -> tuple[ContentBundle, ...]:
    """Return the bundles, offered or archived, that hold any of these stories."""
    if not scenario_ids:
        return ()
    any_story = any_of(*(contains("scenario_ids", id) for id in scenario_ids))
    where = all_of(one_of("state", ("published", "archived")), any_story)
    return (await work.find(ContentBundle, where, Order("title"), limit=NAMED_MAX)).items


async def bundles_of(work: Work, scenario_id: str) -> tuple[ContentBundle, ...]:
    """Return the bundles, drafts as well, that hold this story."""
    where = contains("scenario_ids", scenario_id)
    return (await work.find(ContentBundle, where, Order("title"), limit=NAMED_MAX)).items


async def titles_of(work: Work, scenario_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return title and state of those of these stories that exist."""
    found = {id: await work.get(Scenario, id) for id in scenario_ids}
    return {id: (story.title, story.state) for id, story in found.items() if story is not None}


def card_of(bundle: ContentBundle) -> BundleCard:
    """Return a bundle as players see it."""
    price = bundle.price
    return BundleCard(
        id=bundle.id,
        title=bundle.title,
        description=bundle.description,
        image=bundle.image,
        age_group=bundle.age_group,
        scenario_ids=bundle.scenario_ids,
        amount_minor=price.amount_minor if price else 0,
        currency=price.currency if price else None,
        price=price.text if price else None,
    )


async def _page(work: Work, where: Where, span: Span, order: Order = ORDERS["title"]) -> Found[ContentBundle]:
    since = cursor_in(CONTENT_BUNDLES, span.after, order)
    return await work.find(ContentBundle, where, order, limit=span.limit, after=since)
