"""What is wrong in the catalogue as it stands: stories against today's words and media, badges against both."""

from collections.abc import AsyncIterator

from mystira.content.badges.model import Badge, falling
from mystira.content.scenarios.actions import checked_document
from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.scenario import Scenario, ScenarioVersion, version_id
from mystira.content.scenarios.model.writing import document
from mystira.content.scenarios.storage import SCENARIOS
from mystira.content.views import vocabulary
from mystira.polyglot.entity import Value
from mystira.polyglot.query import EVERYTHING, Order
from mystira.polyglot.work import Work, Works
from mystira.web.lists import Span, cursor_in, cursor_text

STORIES_AT_ONCE = 25
BADGES_MAX = 1_000


class Wrong(Value, frozen=True, kw_only=True):
    """One thing of the catalogue with everything that was found in it; `part` says which state of a story it is."""

    kind: str
    id: str
    title: str
    part: str = ""
    findings: tuple[Finding, ...]


class Looked(Value, frozen=True, kw_only=True):
    """A part of the catalogue: how many stories were looked at, what is wrong, and where to go on."""

    stories: int
    wrong: tuple[Wrong, ...]
    after: str | None


async def look(work: Work, span: Span) -> Looked:
    """Check a page of stories, on the first page the badges as well; what says nothing is left out."""
    order = Order("title")
    found = await work.find(
        Scenario, EVERYTHING, order, limit=span.limit, after=cursor_in(SCENARIOS, span.after, order)
    )
    wrong = [] if span.after else await _badges(work)
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
            told.append(Wrong(kind="scenario", id=scenario.id, title=content.title, part=part, findings=found))
    return told


async def _badges(work: Work) -> list[Wrong]:
    badges = (await work.find(Badge, limit=BADGES_MAX)).items
    known = (await vocabulary(work)).words
    low = {badge.id for badge in falling(badges)}
    told: list[Wrong] = []
    for badge in badges:
        wrongs = [
            ("unknown_word", f"There is no axis {badge.axis!r}.", badge.axis not in known["axis"]),
            ("unknown_word", f"There is no age group {badge.age_group!r}.", badge.age_group not in known["age_group"]),
            ("falling_tier", "Its threshold is not above that of the tier before.", badge.id in low),
        ]
        found = tuple(
            Finding(severity="error", code=code, path="", line=0, column=0, message=message)
            for code, message, is_so in wrongs
            if is_so
        )
        if found:
            told.append(Wrong(kind="badge", id=badge.id, title=badge.name, findings=found))
    return told
