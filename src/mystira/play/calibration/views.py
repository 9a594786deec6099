"""The distribution of each axis over all plays of some stories, and how many of them reach each badge."""

from collections.abc import Sequence

import msgspec

from mystira.content import views as content
from mystira.play.model.calibration import Measure, Spread, Summary, calibrate, calibrate_bundle, summary
from mystira.play.model.script import Scene, Script, is_ending, ways_on
from mystira.play.problems import StoryNotFound, StoryUnfinished
from mystira.polyglot.entity import Value
from mystira.polyglot.work import Work

BARS = 40
STORIES_MAX = 50
PERCENTS = (10.0, 25.0, 50.0, 75.0, 90.0)


class Reached(Value, frozen=True, kw_only=True):
    """A badge and the share of all plays that reach it."""

    badge_id: str
    name: str
    tier: str
    threshold: int
    share: float


class Bar(Value, frozen=True, kw_only=True):
    """The share of plays whose total lies from `least` up to, without it, `below`; in thousandths."""

    least: int
    below: int
    share: float


class AxisShown(Value, frozen=True, kw_only=True):
    """One axis: the few numbers, the distribution in bars, and the badges of an age group."""

    axis: str
    name: str
    least: int
    mean: float
    most: int
    percentiles: dict[str, int]
    bars: tuple[Bar, ...]
    badges: tuple[Reached, ...]


class Calibrated(Value, frozen=True, kw_only=True):
    """Some stories played one after another: what every axis comes to. `paths` may be beyond any number of JSON."""

    stories: tuple[str, ...]
    measure: Measure
    paths: str
    unfinished: float
    axes: tuple[AxisShown, ...]


async def calibrated(
    work: Work, stories: Sequence[str], measure: Measure, age_group: str, percents: Sequence[float] = PERCENTS
) -> Calibrated:
    """Return what stories, as they are written now, come to; StoryNotFound where one is not there."""
    scripts: list[Script] = []
    for story in stories[:STORIES_MAX]:
        draft = await content.draft(work, story)
        if draft is None:
            raise StoryNotFound
        script = msgspec.convert(draft, Script, from_attributes=True)
        if not all(map(_goes_on, script.scenes)):
            raise StoryUnfinished(title=script.title)
        scripts.append(script)
    made = calibrate_bundle([calibrate(script, measure) for script in scripts])
    names, goals = await content.axis_names(work), await content.badge_goals(work, age_group) if age_group else ()
    few: Summary = summary(", ".join(script.title for script in scripts), made, percents)
    axes: list[AxisShown] = []
    for told, spread in zip(few.axes, made.spreads, strict=True):
        badges = sorted((goal for goal in goals if goal.axis == spread.axis), key=lambda goal: goal.threshold)
        axes.append(
            AxisShown(
                axis=spread.axis,
                name=names.get(spread.axis, spread.axis),
                least=told.least,
                mean=told.mean,
                most=told.most,
                percentiles=told.percentiles,
                bars=bars(spread),
                badges=tuple(
                    Reached(
                        badge_id=goal.id,
                        name=goal.name,
                        tier=goal.tier,
                        threshold=goal.threshold,
                        share=spread.share_at_least(goal.threshold),
                    )
                    for goal in badges
                ),
            )
        )
    return Calibrated(
        stories=tuple(script.scenario_id for script in scripts),
        measure=measure,
        paths=few.paths,
        unfinished=made.unfinished,
        axes=tuple(axes),
    )


def _goes_on(scene: Scene) -> bool:
    """Tell whether a draft's scene is whole enough to be counted with."""
    if is_ending(scene):
        return True
    return len(scene.branches) == 2 if scene.type == "roll" else any(ways_on(scene)) or bool(scene.branches)


def bars(spread: Spread, most: int = BARS) -> tuple[Bar, ...]:
    """Return a distribution as at most so many bars of the same width."""
    low, high = spread.weights[0][0], spread.weights[-1][0]
    width = max(1, -(-(high - low + 1) // most))
    sums = [0] * ((high - low) // width + 1)
    for total, weight in spread.weights:
        sums[(total - low) // width] += weight
    return tuple(
        Bar(least=low + at * width, below=low + (at + 1) * width, share=part / spread.weight)
        for at, part in enumerate(sums)
    )
