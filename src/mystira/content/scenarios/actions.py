"""What authors do with a story; each function that takes a `work` is one unit of work."""

from collections.abc import Awaitable, Callable
from typing import Any

from mystira.content.events import ContentChanged
from mystira.content.scenarios.model.checking import Checked, check
from mystira.content.scenarios.model.life import (
    archived,
    draft,
    published,
    refuse_unpublishable,
    refuse_while_played,
    returned,
    submitted,
)
from mystira.content.scenarios.model.scenario import (
    Scenario,
    ScenarioContent,
    ScenarioVersion,
    shown,
    version_id,
    version_of,
)
from mystira.content.scenarios.model.writing import document
from mystira.content.scenarios.problems import (
    ScenarioExists,
    ScenarioInUse,
    ScenarioNotFound,
    ScenarioUnfinished,
    VersionNotFound,
    WhyMissing,
)
from mystira.content.views import program_media_ids, settled, vocabulary
from mystira.polyglot.entity import Event, Stamp, Value
from mystira.polyglot.work import Work, Works
from mystira.textfiles.nodes import node_of
from mystira.web.versions import ANY, refuse_stale

LEFTOVERS_MAX = 1_000
WHY_LENGTH_MAX = 500

Uses = Callable[[Work, str], Awaitable[tuple[str, ...]]]
"""Says who else uses a story: games, bundles. Other rooms know; whoever wires them together gives it."""


class Asked(Value, frozen=True, kw_only=True):
    """Who changes a story, why, and the version of it that they saw."""

    by: str = ""
    why: str = ""
    seen: Stamp = ANY

    def told(self, scenario_id: str, change: str) -> tuple[Event, ...]:
        """Return the fact of a change, unless the program itself made it."""
        if not self.by:
            return ()
        return (ContentChanged(what="scenario", content_id=scenario_id, change=change, by=self.by, why=self.why),)


BY_PROGRAM = Asked()


async def save_draft(
    work: Work, *, scenario_id: str, content: ScenarioContent, asked: Asked = BY_PROGRAM, is_new: bool = False
) -> Scenario:
    """Keep what an author writes; saving the same again changes nothing. ScenarioExists where it should be new."""
    before = await work.get(Scenario, scenario_id)
    if before is not None and before.content == content:
        return before
    if before is not None and is_new:
        raise ScenarioExists(scenario_id=scenario_id)
    if before is None and asked.seen != ANY:
        raise ScenarioNotFound
    if before is not None:
        refuse_stale(work, before, asked.seen)
    scenario = draft(scenario_id, content, before, work.now)
    work.save(scenario, *asked.told(scenario_id, "edited" if before else "created"))
    return scenario


async def submit(works: Works, *, scenario_id: str, asked: Asked) -> Scenario:
    """Hand a draft in for review; ScenarioUnfinished while it has errors."""
    await _refuse_unfinished(works.open(), scenario_id)
    return await works.run(_step, scenario_id=scenario_id, asked=asked, step=submitted, change="submitted")


async def give_back(works: Works, *, scenario_id: str, asked: Asked) -> Scenario:
    """Make it a draft again, and say why."""
    _refuse_without_why(asked)
    return await works.run(_step, scenario_id=scenario_id, asked=asked, step=returned, change="returned")


async def archive(works: Works, *, scenario_id: str, asked: Asked) -> Scenario:
    """Take it off the shelf, and say why."""
    _refuse_without_why(asked)
    return await works.run(_step, scenario_id=scenario_id, asked=asked, step=archived, change="archived")


async def publish(works: Works, *, scenario_id: str, asked: Asked) -> Scenario:
    """Let players see what was handed in, as the next version; games that are being played keep theirs."""
    scenario = await _refuse_unfinished(works.open(), scenario_id)
    refuse_unpublishable(scenario)
    number = await works.run(make_version, scenario_id=scenario_id, seen=asked.seen)
    return await works.run(point_to_version, scenario_id=scenario_id, number=number, asked=asked)


async def delete(work: Work, *, scenario_id: str, asked: Asked, uses: Uses) -> None:
    """Delete a story that nobody plays or sells.

    Its versions stay: a game that began in this very moment still finds its own, and their numbers are not used again.
    """
    _refuse_without_why(asked)
    scenario = await scenario_of(work, scenario_id)
    refuse_stale(work, scenario, asked.seen)
    refuse_while_played(scenario)
    used = await uses(work, scenario_id)
    if used:
        raise ScenarioInUse(uses=", ".join(used))
    work.remove(scenario, *asked.told(scenario_id, "deleted"))


async def make_version(work: Work, *, scenario_id: str, seen: Stamp = ANY) -> int:
    """Freeze the draft as the next version, unless there is one with just this content; return its number.

    Versions beyond the latest were left by interrupted publishing. One that holds this draft is taken; one that
    holds an older draft keeps its number for ever and is passed by, for a version never changes.
    """
    scenario = await scenario_of(work, scenario_id)
    refuse_stale(work, scenario, seen)
    for number in range(max(1, scenario.latest_version), scenario.latest_version + LEFTOVERS_MAX):
        found = await work.get(ScenarioVersion, version_id(scenario_id, number), scenario_id)
        if found is None:
            work.save(version_of(scenario, number, work.now))
            return number
        if found.content == scenario.content:
            return number
    raise AssertionError(f"{scenario_id}: {LEFTOVERS_MAX} interrupted versions in a row")


async def point_to_version(work: Work, *, scenario_id: str, number: int, asked: Asked = BY_PROGRAM) -> Scenario:
    """Let players see a version that exists."""
    version = await work.get(ScenarioVersion, version_id(scenario_id, number), scenario_id)
    if version is None:
        raise VersionNotFound
    before = await scenario_of(work, scenario_id)
    refuse_stale(work, before, asked.seen)
    scenario, told = published(before, version, work.now)
    if scenario != before:
        work.save(scenario, *told, *asked.told(scenario_id, f"published as version {number}"))
    return scenario


async def tell_what_is_shown(work: Work, *, scenario_id: str) -> bool:
    """Note what the library searches of a story that was published before that was noted; tell whether it was one."""
    scenario = await scenario_of(work, scenario_id)
    version = await work.get(ScenarioVersion, version_id(scenario_id, scenario.latest_version), scenario_id)
    if scenario.words or version is None:
        return False
    facts: dict[str, Any] = shown(version.content)
    work.save(scenario.evolve(**facts))
    return True


async def scenario_of(work: Work, scenario_id: str) -> Scenario:
    """Return a story, whatever state it is in; ScenarioNotFound where there is none."""
    scenario = await work.get(Scenario, scenario_id)
    if scenario is None:
        raise ScenarioNotFound
    return scenario


async def checked_document(work: Work, told: dict[str, Any], *, is_draft: bool = False) -> Checked:
    """Check a story's plain values against the vocabulary and the media of now."""
    checked = check(node_of(told), await vocabulary(work), media=program_media_ids(), is_draft=is_draft)
    return await settled(work, checked)


async def _step(
    work: Work, *, scenario_id: str, asked: Asked, step: Callable[[Scenario, Any], Scenario], change: str
) -> Scenario:
    scenario = await scenario_of(work, scenario_id)
    refuse_stale(work, scenario, asked.seen)
    after = step(scenario, work.now)
    work.save(after, *asked.told(scenario_id, change))
    return after


async def _refuse_unfinished(work: Work, scenario_id: str) -> Scenario:
    scenario = await scenario_of(work, scenario_id)
    wrong = (await checked_document(work, document(scenario.content))).errors
    if wrong:
        raise ScenarioUnfinished(count=len(wrong), first=wrong[0].message, findings=wrong)
    return scenario


def _refuse_without_why(asked: Asked) -> None:
    if not 3 <= len(asked.why.strip()) <= WHY_LENGTH_MAX:
        raise WhyMissing(most=WHY_LENGTH_MAX)


STEPS = {"submit": submit, "publish": publish, "return": give_back, "archive": archive}
"""The steps of a story's life by name: each takes the works, the story's id, and who asks."""
