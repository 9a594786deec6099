"""What players can expect on each axis: the exact distribution of its total over all paths, without walking them.

A distribution is one large integer. Its slot number i counts how often the total `low + i * unit` comes up, so a
choice shifts it, where ways meet is an addition, and two stories after one another are a product. Every slot is wide
enough for the sum of all, so nothing ever carries into the next one.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import reduce
from math import gcd, lcm, prod
from typing import Literal, NamedTuple

from mystira.play.model.moves import DIE_SIDES
from mystira.play.model.script import Scene, Script, is_ending
from mystira.play.problems import NeverEnds
from mystira.polyglot.entity import Value

MOVES_MAX = 200

Measure = Literal["paths", "chance"]


class Spread(Value, frozen=True, kw_only=True):
    """How the total of an axis is spread: `weights` by total in thousandths, rising. Their sum is `weight`."""

    axis: str
    weights: tuple[tuple[int, int], ...]
    weight: int

    @property
    def mean(self) -> float:
        """The mean total, in thousandths."""
        return float(Fraction(sum(total * weight for total, weight in self.weights), self.weight))

    def percentile(self, percent: float) -> int:
        """Return the least total that at least this share of all plays stays at or below."""
        share = Fraction(percent) / 100 * self.weight
        reached = 0
        for total, weight in self.weights:
            reached += weight
            if reached >= share:
                return total
        return self.weights[-1][0]

    def share_at_least(self, total: int) -> float:
        """Return the share of plays that end at this total or above it: how many would reach a threshold."""
        return float(Fraction(sum(weight for at, weight in self.weights if at >= total), self.weight))


class Calibration(Value, frozen=True, kw_only=True):
    """Every axis of a story or a bundle in one measure.

    `paths` counts every path once; `chance` is a player who chooses evenly, with the real odds of each roll.
    `unfinished` is the share that is not at an ending after `MOVES_MAX` moves; the spreads are of those that are.
    """

    measure: Measure
    paths: int
    unfinished: float
    spreads: tuple[Spread, ...]

    def spread(self, axis: str) -> Spread:
        """Return one axis; one that no choice turns stays at 0."""
        still = Spread(axis=axis, weights=((0, 1),), weight=1)
        return next((spread for spread in self.spreads if spread.axis == axis), still)


class AxisSummary(Value, frozen=True, kw_only=True):
    """What one axis comes to: totals in thousandths; `percentiles` by percent."""

    axis: str
    least: int
    mean: float
    most: int
    percentiles: dict[str, int]


class Summary(Value, frozen=True, kw_only=True):
    """A calibration as people and scripts read it. `paths` is text, because it may be beyond any number of JSON."""

    title: str
    measure: Measure
    paths: str
    unfinished: float
    axes: tuple[AxisSummary, ...]


class _Way(NamedTuple):
    """One way out of a scene: where to, how far it turns which axis, and its share of the scene's weight."""

    target: str | None
    axis: str | None
    delta: int
    weight: int


class _Graph(NamedTuple):
    """The scenes that go on. `is_even`: the ways out of a scene share what comes in, instead of each getting all."""

    start: str
    ways: Mapping[str, tuple[_Way, ...]]
    is_even: bool
    moves_max: int

    def shares(self, scenes: Iterable[str]) -> tuple[int, dict[str, int]]:
        """Return a common denominator of these scenes, and what the weights of each are multiplied with for it."""
        sums = {scene: sum(way.weight for way in self.ways[scene]) if self.is_even else 1 for scene in scenes}
        whole = lcm(*sums.values())
        return whole, {scene: whole // own for scene, own in sums.items()}


class _Walked(NamedTuple):
    finished: int
    unfinished: int
    moves: int


def calibrate(script: Script, measure: Measure, moves_max: int = MOVES_MAX) -> Calibration:
    """Compute the distribution of every axis exactly. The time grows with scenes and moves, not with paths."""
    graph = _graph(script, measure, moves_max)
    walked = _walk(graph, lambda weight, way: weight)
    if not walked.finished:
        raise NeverEnds(title=script.title, moves=moves_max)
    axes = sorted({way.axis for ways in graph.ways.values() for way in ways if way.axis is not None})
    every_path = walked if measure == "paths" else _walk(_graph(script, "paths", moves_max), lambda weight, way: weight)
    return Calibration(
        measure=measure,
        paths=every_path.finished,
        unfinished=float(Fraction(walked.unfinished, walked.finished + walked.unfinished)),
        spreads=tuple(_spread(graph, axis, walked) for axis in axes),
    )


def calibrate_bundle(calibrations: Iterable[Calibration]) -> Calibration:
    """Add stories up, each played once, all in the same measure: the lifetime sums after a whole bundle."""
    stories = list(calibrations)
    axes = sorted({spread.axis for story in stories for spread in story.spreads})
    return Calibration(
        measure=stories[0].measure,
        paths=prod(story.paths for story in stories),
        unfinished=1 - prod(1 - story.unfinished for story in stories),
        spreads=tuple(reduce(_added, [story.spread(axis) for story in stories]) for axis in axes),
    )


def summary(title: str, calibration: Calibration, percents: Iterable[float]) -> Summary:
    """Return the few numbers of each axis that badge thresholds are set by."""
    asked = tuple(percents)
    return Summary(
        title=title,
        measure=calibration.measure,
        paths=str(calibration.paths),
        unfinished=calibration.unfinished,
        axes=tuple(
            AxisSummary(
                axis=spread.axis,
                least=spread.weights[0][0],
                mean=spread.mean,
                most=spread.weights[-1][0],
                percentiles={f"{percent:g}": spread.percentile(percent) for percent in asked},
            )
            for spread in calibration.spreads
        ),
    )


def _graph(script: Script, measure: Measure, moves_max: int) -> _Graph:
    ways = {scene.id: _ways(scene, measure) for scene in script.scenes if not is_ending(scene)}
    return _Graph(script.start, ways, measure == "chance", moves_max)


def _ways(scene: Scene, measure: Measure) -> tuple[_Way, ...]:
    if not scene.branches:
        return (_Way(scene.next_scene, None, 0, 1),)
    weights = [1] * len(scene.branches)
    if measure == "chance" and scene.type == "roll":
        difficulty = scene.difficulty or 1
        weights = [DIE_SIDES + 1 - difficulty, difficulty - 1]
    return tuple(
        _Way(branch.next_scene, change.axis if change else None, change.delta if change else 0, weight)
        for branch, weight in zip(scene.branches, weights, strict=True)
        for change in (branch.compass_change,)
        if weight
    )


def _walk(graph: _Graph, turn: Callable[[int, _Way | None], int]) -> _Walked:
    """Carry weight along all paths at once, a move at a time; `turn` is what a way, or having ended, does to it."""
    here, finished, moves = ({graph.start: 1}, 0, 0) if graph.start in graph.ways else ({}, 1, 0)
    while here and moves < graph.moves_max:
        whole, shares = graph.shares(here)
        finished = turn(finished, None) * whole
        onward: defaultdict[str, int] = defaultdict(int)
        for scene, weight in here.items():
            for way in graph.ways[scene]:
                carried = turn(weight, way) * (way.weight * shares[scene])
                if way.target is None or way.target not in graph.ways:
                    finished += carried
                else:
                    onward[way.target] += carried
        here, moves = onward, moves + 1
    return _Walked(finished, sum(here.values()), moves)


def _spread(graph: _Graph, axis: str, walked: _Walked) -> Spread:
    deltas = {way.delta for ways in graph.ways.values() for way in ways if way.axis == axis} | {0}
    unit, least = gcd(*deltas) or 1, min(deltas)
    slot_bytes = (walked.finished + walked.unfinished).bit_length() // 8 + 1

    def turned(weight: int, way: _Way | None) -> int:
        delta = way.delta if way is not None and way.axis == axis else 0
        return weight << ((delta - least) // unit * slot_bytes * 8)

    finished = _walk(graph, turned).finished
    weights = _unpacked(finished, slot_bytes, least * walked.moves, unit)
    return Spread(axis=axis, weights=weights, weight=walked.finished)


def _added(one: Spread, other: Spread) -> Spread:
    """Return the spread of the sum of two totals that have nothing to do with one another."""
    unit = gcd(*(total for spread in (one, other) for total, _ in spread.weights)) or 1
    weight = one.weight * other.weight
    slot_bytes = weight.bit_length() // 8 + 1
    product = _packed(one, slot_bytes, unit) * _packed(other, slot_bytes, unit)
    low = one.weights[0][0] + other.weights[0][0]
    return Spread(axis=one.axis, weights=_unpacked(product, slot_bytes, low, unit), weight=weight)


def _packed(spread: Spread, slot_bytes: int, unit: int) -> int:
    low, high = spread.weights[0][0], spread.weights[-1][0]
    slots = bytearray(((high - low) // unit + 1) * slot_bytes)
    for total, weight in spread.weights:
        at = (total - low) // unit * slot_bytes
        slots[at : at + slot_bytes] = weight.to_bytes(slot_bytes, "little")
    return int.from_bytes(slots, "little")


def _unpacked(packed: int, slot_bytes: int, low: int, unit: int) -> tuple[tuple[int, int], ...]:
    slots = packed.to_bytes((packed.bit_length() // 8 // slot_bytes + 1) * slot_bytes, "little")
    found = (
        (low + at // slot_bytes * unit, int.from_bytes(slots[at : at + slot_bytes], "little"))
        for at in range(0, len(slots), slot_bytes)
    )
    return tuple((total, weight) for total, weight in found if weight)
