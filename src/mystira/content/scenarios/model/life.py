"""A story's life: draft, in review, published, archived; each step is a pure function from one state to the next.

What is published goes on being played while an author changes it: the state stays `published`, and `revision` says
whether the changes are still written or wait to be looked at.
"""

from datetime import datetime
from typing import Any

from mystira.content.scenarios.events import ScenarioPublished
from mystira.content.scenarios.model.scenario import Scenario, ScenarioContent, ScenarioVersion, shown
from mystira.content.scenarios.problems import ScenarioMustWait, ScenarioPlayable

STAYS_SHOWN = ("published", "archived")


def draft(id: str, content: ScenarioContent, before: Scenario | None, now: datetime) -> Scenario:
    """Return the draft with this content; what was published before stays what players see.

    Whoever reviews has seen something else, so what is changed during a review is a draft again.
    """
    if before is not None and before.state in STAYS_SHOWN:
        return before.evolve(content=content, revision="draft", changed_at=now)
    return Scenario(
        id=id,
        **shown(content),
        state="draft",
        latest_version=before.latest_version if before else 0,
        content=content,
        changed_at=now,
    )


def waits_for_review(scenario: Scenario) -> bool:
    """Tell whether somebody has handed it in."""
    return "in_review" in (scenario.state, scenario.revision)


def steps(scenario: Scenario) -> tuple[str, ...]:
    """Return what can be done with it now, the likeliest first."""
    if waits_for_review(scenario):
        return ("publish", "return", "archive") if scenario.state == "published" else ("publish", "return")
    match scenario.state:
        case "published":
            return ("submit", "archive") if scenario.revision == "draft" else ("archive",)
        case "archived":
            return ("submit", "return") if scenario.revision == "draft" else ("publish", "return")
        case _:
            return ("submit", "archive")


def submitted(scenario: Scenario, now: datetime) -> Scenario:
    """Hand a draft in."""
    _refuse_unless(scenario, "submit")
    return _marked(scenario, "in_review", now)


def returned(scenario: Scenario, now: datetime) -> Scenario:
    """Give it back to its author; what was archived is a draft again, which nobody but its authors sees."""
    _refuse_unless(scenario, "return")
    if scenario.state == "archived" and not waits_for_review(scenario):
        return scenario.evolve(**shown(scenario.content), state="draft", revision="none", changed_at=now)
    return _marked(scenario, "draft", now)


def archived(scenario: Scenario, now: datetime) -> Scenario:
    """Take it off the shelf; games that are being played go on."""
    _refuse_unless(scenario, "archive")
    revision = "draft" if scenario.revision == "in_review" else scenario.revision
    return scenario.evolve(state="archived", revision=revision, changed_at=now)


def published(
    scenario: Scenario, version: ScenarioVersion, now: datetime
) -> tuple[Scenario, tuple[ScenarioPublished, ...]]:
    """Point the scenario to a version that exists; pointing there again, or back, changes nothing."""
    is_there = scenario.state == "published" and scenario.latest_version == version.number
    revision = "none" if scenario.content == version.content else scenario.revision
    if version.number < scenario.latest_version or (is_there and revision == scenario.revision):
        return scenario, ()
    facts: dict[str, Any] = shown(version.content)
    pointed = scenario.evolve(
        **facts, state="published", latest_version=version.number, revision=revision, changed_at=now
    )
    return pointed, () if is_there else (ScenarioPublished(scenario_id=scenario.id, version=version.number),)


def refuse_unpublishable(scenario: Scenario) -> None:
    """Raise ScenarioMustWait unless somebody handed it in, or it was published before as it is."""
    _refuse_unless(scenario, "publish")


def refuse_while_played(scenario: Scenario) -> None:
    """Raise ScenarioPlayable while players could begin it."""
    if scenario.state == "published":
        raise ScenarioPlayable


def _marked(scenario: Scenario, mark: Any, now: datetime) -> Scenario:
    if scenario.state in STAYS_SHOWN:
        return scenario.evolve(revision=mark, changed_at=now)
    return scenario.evolve(state=mark, changed_at=now)


def _refuse_unless(scenario: Scenario, step: str) -> None:
    possible = steps(scenario)
    if step not in possible:
        raise ScenarioMustWait(step=step, state=stage(scenario), possible=", ".join(possible))


def stage(scenario: Scenario) -> str:
    """Return where it stands, in words."""
    words = {"draft": "a draft", "in_review": "in review", "published": "published", "archived": "archived"}
    changes = {"none": "", "draft": ", with changes that are not", "in_review": ", with changes in review"}
    return words[scenario.state] + changes[scenario.revision]
