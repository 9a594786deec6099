"""What authors see of stories: lists, one story with what is wrong with it, its versions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.life import stage
from mystira.content.scenarios.model.scenario import (
    Revision,
    Scenario,
    ScenarioContent,
    ScenarioVersion,
    State,
    version_id,
)
from mystira.content.scenarios.problems import VersionNotFound
from mystira.content.scenarios.storage import SCENARIOS
from mystira.content.vocabulary.model import slug, spellings
from mystira.polyglot.entity import Value
from mystira.polyglot.query import EVERYTHING, Order, Where, all_of, any_of, equal, prefix
from mystira.polyglot.work import Work
from mystira.web.lists import SHOWN, PageUnknown, Span, cursor_in, cursor_text

Shelf = Literal["", "draft", "in_review", "published", "archived", "changed", "changes_in_review"]
SHELVES: dict[Shelf, str] = {
    "": "All",
    "draft": "Drafts",
    "in_review": "In review",
    "published": "Published",
    "changed": "Published, being changed",
    "changes_in_review": "Changes in review",
    "archived": "Archived",
}
By = Literal["title", "changed_at"]


class Wanted(Value, frozen=True, kw_only=True):
    """Which stories: those of a shelf, whose title or id begins like this; in which order, from where on."""

    state: Shelf = ""
    search: str = ""
    order: By = "title"
    after: str = ""
    limit: int = SHOWN


class ScenarioRow(Value, frozen=True, kw_only=True):
    """One story of a list. `stage` says where it stands, in words."""

    id: str
    title: str
    state: State
    revision: Revision
    stage: str
    latest_version: int
    age_group: str | None
    scenes: int
    changed_at: datetime


class ScenariosPage(Value, frozen=True, kw_only=True):
    """A page of stories; `after` leads to the next one."""

    items: tuple[ScenarioRow, ...]
    after: str | None


class VersionRow(Value, frozen=True, kw_only=True):
    """One version of a story; players see the one that `is_shown`."""

    number: int
    title: str
    scenes: int
    published_at: datetime
    is_shown: bool


class VersionsPage(Value, frozen=True, kw_only=True):
    """A page of a story's versions, the newest first; `after` leads to older ones."""

    items: tuple[VersionRow, ...]
    after: str | None


async def scenarios(work: Work, wanted: Wanted) -> ScenariosPage:
    """Return a page of stories."""
    order = Order(wanted.order, descending=wanted.order == "changed_at")
    after = cursor_in(SCENARIOS, wanted.after, order)
    found = await work.find(Scenario, _where(wanted), order, limit=wanted.limit, after=after)
    return ScenariosPage(items=tuple(map(row, found.items)), after=cursor_text(found.after))


def row(scenario: Scenario) -> ScenarioRow:
    """Return a story as lists show it: its title is that of its draft."""
    return ScenarioRow(
        id=scenario.id,
        title=scenario.title,
        state=scenario.state,
        revision=scenario.revision,
        stage=stage(scenario),
        latest_version=scenario.latest_version,
        age_group=scenario.age_group,
        scenes=len(scenario.content.scenes),
        changed_at=scenario.changed_at,
    )


async def versions(work: Work, scenario: Scenario, span: Span) -> VersionsPage:
    """Return a page of a story's versions, the newest first; numbers that nothing points to were interrupted."""
    rows: list[VersionRow] = []
    for number in range(_newest(scenario, span.after), 0, -1):
        if len(rows) == span.limit:
            return VersionsPage(items=tuple(rows), after=str(rows[-1].number))
        found = await work.get(ScenarioVersion, version_id(scenario.id, number), scenario.id)
        if found is not None:
            rows.append(
                VersionRow(
                    number=number,
                    title=found.content.title,
                    scenes=len(found.content.scenes),
                    published_at=found.published_at,
                    is_shown=scenario.state == "published" and number == scenario.latest_version,
                )
            )
    return VersionsPage(items=tuple(rows), after=None)


def _newest(scenario: Scenario, after: str) -> int:
    if not after:
        return scenario.latest_version
    if not (after.isascii() and after.isdigit() and len(after) < 10):
        raise PageUnknown
    return min(int(after) - 1, scenario.latest_version)


async def content_at(work: Work, scenario: Scenario, number: int | None) -> ScenarioContent:
    """Return what a version says, or, without a number, the draft; VersionNotFound where there is none."""
    if number is None:
        return scenario.content
    found = await work.get(ScenarioVersion, version_id(scenario.id, number), scenario.id)
    if found is None:
        raise VersionNotFound
    return found.content


def by_scene(content: ScenarioContent, findings: Sequence[Finding]) -> dict[str, list[Finding]]:
    """Return the findings of each scene; those that are about the whole story stand under the empty id."""
    told: dict[str, list[Finding]] = {}
    for finding in findings:
        place, _, _ = finding.path.removeprefix("scenes[").partition("]")
        is_scene = finding.path.startswith("scenes[") and place.isdecimal() and int(place) < len(content.scenes)
        told.setdefault(content.scenes[int(place)].id if is_scene else "", []).append(finding)
    return told


def _where(wanted: Wanted) -> Where:
    parts: list[Where] = []
    if wanted.state in ("draft", "in_review", "published", "archived"):
        parts.append(equal("state", wanted.state))
    elif wanted.state:
        parts.append(equal("revision", "draft" if wanted.state == "changed" else "in_review"))
    text = wanted.search.strip()
    if text:
        ids = (prefix("id", slug(text)),) if slug(text) else ()
        parts.append(any_of(*(prefix("title", one) for one in spellings(text)), *ids))
    return all_of(*parts) if parts else EVERYTHING
