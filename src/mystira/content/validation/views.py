"""What is wrong in the catalogue as it stands: everything against the words, the stories and the media of now."""

from collections.abc import AsyncIterator, Iterator, Mapping, Set
from typing import Any, Literal

from mystira.content.bundles.model import ContentBundle
from mystira.content.bundles.views import titles_of
from mystira.content.desk import views as desk
from mystira.content.desk.model.kinds import KINDS, Kind
from mystira.content.scenarios.actions import checked_document
from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.scenario import Scenario, ScenarioVersion, version_id
from mystira.content.scenarios.model.writing import document
from mystira.content.scenarios.storage import SCENARIOS
from mystira.content.views import age_groups, media_there
from mystira.polyglot.entity import Value
from mystira.polyglot.query import EVERYTHING, Order
from mystira.polyglot.work import Work, Works
from mystira.web.lists import Span, cursor_in, cursor_text

STORIES_AT_ONCE = 25
BUNDLES_AT_ONCE = 200


class Wrong(Value, frozen=True, kw_only=True):
    """One thing of the catalogue with everything that was found in it; `part` says which state of a story it is.

    `at` is the page where it is mended.
    """

    kind: str
    id: str
    title: str
    at: str
    part: str = ""
    findings: tuple[Finding, ...]


class Looked(Value, frozen=True, kw_only=True):
    """A part of the catalogue: how many stories were looked at, what is wrong, and where to go on."""

    stories: int
    wrong: tuple[Wrong, ...]
    after: str | None


async def look(work: Work, span: Span) -> Looked:
    """Check a page of stories, with the first ones everything else as well; what says nothing is left out."""
    order = Order("title")
    found = await work.find(
        Scenario, EVERYTHING, order, limit=span.limit, after=cursor_in(SCENARIOS, span.after, order)
    )
    wrong: list[Wrong] = []
    if not span.after:
        wrong = [*await _definitions(work), *await _bundles(work)]
    for scenario in found.items:
        wrong += await _story(work, scenario)
    return Looked(stories=len(found.items), wrong=tuple(wrong), after=cursor_text(found.after))


async def everything(works: Works) -> AsyncIterator[Looked]:
    """Check the whole catalogue, a page at a time."""
    after: str | None = ""
    while after is not None:
        looked = await look(works.open(), Span(limit=STORIES_AT_ONCE, after=after))
        yield looked
        after = looked.after


async def _story(work: Work, scenario: Scenario) -> list[Wrong]:
    """Check a story's draft and, where it says something else, what players see of it."""
    states = {"draft": scenario.content}
    shown = await work.get(ScenarioVersion, version_id(scenario.id, scenario.latest_version), scenario.id)
    if shown is not None:
        states[f"version {shown.number}"] = shown.content
        if shown.content == scenario.content:
            del states["draft"]
    told: list[Wrong] = []
    for part, content in states.items():
        found = (await checked_document(work, document(content))).findings
        if found:
            at = f"/admin/content/scenarios/{scenario.id}"
            told.append(Wrong(kind="scenario", id=scenario.id, title=content.title, at=at, part=part, findings=found))
    return told


async def _definitions(work: Work) -> list[Wrong]:
    """Check words, badges, characters and avatars: what they refer to, what they show, and all of a kind together."""
    told: list[Wrong] = []
    ids: dict[str, set[str]] = {}
    all_of_them = {kind.noun: await desk.every(work, kind) for kind in KINDS.values()}
    for noun, items in all_of_them.items():
        ids[noun] = {item.id for item in items}
    named = {id for kind in KINDS.values() for item in all_of_them[kind.noun] for id in _named_media(kind, item)}
    media = await media_there(work, named)
    for kind in KINDS.values():
        misfits: dict[str, list[Finding]] = {}
        for id, wrong in kind.together(all_of_them[kind.noun]):
            misfits.setdefault(id, []).append(_finding("error", "misfit", wrong.field, wrong.message))
        for item in all_of_them[kind.noun]:
            found = [*misfits.get(item.id, ()), *_lost(kind, item, ids), *_unseen(kind, item, media)]
            if found:
                title, at = str(getattr(item, "name", item.id)), f"/admin/content/{kind.noun}/{item.id}"
                told.append(Wrong(kind=kind.one, id=item.id, title=title, at=at, findings=tuple(found)))
    return told


def _named_media(kind: Kind, item: Any) -> list[str]:
    # Asked which of its media are missing where there are none, a definition tells all that it names.
    return desk.missing_media(kind, item, frozenset())


def _lost(kind: Kind, item: Any, ids: Mapping[str, Set[str]]) -> Iterator[Finding]:
    for field in kind.fields:
        value = getattr(item, field.name)
        for id in (value if field.is_many else (value,)) if field.refers else ():
            if id is not None and id not in ids[field.refers]:
                message = f"There is no {KINDS[field.refers].one} {id!r}. Add it, or choose another."
                yield _finding("error", "unknown_word", field.name, message)


def _unseen(kind: Kind, item: Any, media: Set[str]) -> Iterator[Finding]:
    for id in desk.missing_media(kind, item, frozenset(media)):
        yield _finding("warning", "media_not_uploaded", "", f"Nothing was uploaded as {id!r} yet. Upload it.")


async def _bundles(work: Work) -> list[Wrong]:
    """Check every bundle: its stories, and whether players may see them; its age group; its picture."""
    groups = {group.id for group in await age_groups(work)}
    told: list[Wrong] = []
    after = None
    while True:
        found = await work.find(ContentBundle, limit=BUNDLES_AT_ONCE, after=after)
        media = await media_there(work, (bundle.image for bundle in found.items if bundle.image is not None))
        for bundle in found.items:
            wrong = [*await _stories_of(work, bundle), *_about(bundle, groups, media)]
            if wrong:
                at = f"/admin/content/bundles/{bundle.id}"
                told.append(Wrong(kind="bundle", id=bundle.id, title=bundle.title, at=at, findings=tuple(wrong)))
        after = found.after
        if after is None:
            return told


async def _stories_of(work: Work, bundle: ContentBundle) -> list[Finding]:
    known, told = await titles_of(work, bundle.scenario_ids), list[Finding]()
    for at, id in enumerate(bundle.scenario_ids):
        path = f"scenario_ids[{at}]"
        if id not in known:
            message = f"There is no story {id!r}. Take it out of the bundle, or import it."
            told.append(_finding("error", "unknown_story", path, message))
        elif bundle.state == "published" and known[id][1] != "published":
            message = f"Players cannot see {id!r}, which is {known[id][1]}. Publish it, or take it out of the bundle."
            told.append(_finding("error", "story_not_published", path, message))
    return told


def _about(bundle: ContentBundle, groups: Set[str], media: Set[str]) -> Iterator[Finding]:
    if bundle.state == "published" and not bundle.scenario_ids:
        yield _finding("error", "no_stories", "scenario_ids", "Players are offered it without a story. Add one.")
    if bundle.age_group is not None and bundle.age_group not in groups:
        message = f"There is no age group {bundle.age_group!r}. Choose another."
        yield _finding("error", "unknown_word", "age_group", message)
    if bundle.image is not None and bundle.image not in media:
        message = f"Nothing was uploaded as {bundle.image!r} yet. Upload it, or choose another."
        yield _finding("warning", "media_not_uploaded", "image", message)


def _finding(severity: Literal["error", "warning"], code: str, path: str, message: str) -> Finding:
    return Finding(severity=severity, code=code, path=path, line=0, column=0, message=message)
