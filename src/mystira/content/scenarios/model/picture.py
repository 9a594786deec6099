"""Draws the scenes of a story as layers of boxes: what comes first stands above, and loops turn back at the side.

Layered drawing in the usual steps: ways that lead back are set apart, every scene goes below all that lead to it, long
ways get a place in each layer that they cross, and each layer is put in the order of its neighbours.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from mystira.content.scenarios.model.scenario import Scene

BOX_WIDTH, BOX_HEIGHT, GAP, LAYER_HEIGHT, MARGIN = 172, 60, 26, 128, 44
WAY_WIDTH = 18
SWEEPS = 6
SCENES_DRAWN_MAX = 300

Ways = Mapping[str, Sequence[str]]


class Box(NamedTuple):
    """One scene where it stands; the place is the box's upper left corner."""

    scene: Scene
    number: int
    x: int
    y: int
    is_start: bool
    is_reached: bool
    is_end: bool


class Way(NamedTuple):
    """One way on, as the path of a line; `target` is None where it ends the story right there."""

    source: str
    target: str | None
    label: str
    says: str
    path: str
    leads_back: bool
    x: int
    y: int


class Picture(NamedTuple):
    """The whole drawing. `hidden` counts the scenes that are too far from the one in the middle."""

    boxes: tuple[Box, ...]
    ways: tuple[Way, ...]
    width: int
    height: int
    hidden: int


class _Placed(NamedTuple):
    layers: list[list[str]]
    x: dict[str, float]


def picture(scenes: Sequence[Scene], start: str, middle: str = "") -> Picture:
    """Draw a story, or, of one with very many scenes, the part around the scene in the middle."""
    chosen = _around(scenes, middle or start)
    shown = [scene for scene in scenes if scene.id in chosen]
    ids = {scene.id for scene in shown}
    ways = {scene.id: [target for target in targets_of(scene) if target in ids] for scene in shown}
    roots = [start, *(id for id in ways if id != start)] if start in ways else list(ways)
    onward, order = _acyclic(ways, roots)
    reached = reachable(scenes, start)
    layer = _layers(onward, order, reached)
    chains = _chains(onward, layer)
    placed = _placed(layer, chains)
    left = min(placed.x.values(), default=0) - MARGIN
    boxes = tuple(
        _box(scene, number, placed.x[scene.id] - left, layer[scene.id], start, reached)
        for number, scene in enumerate(scenes)
        if scene.id in ids
    )
    lines = tuple(_lines(boxes, chains, placed.x, left, layer))
    width = max((box.x + BOX_WIDTH for box in boxes), default=BOX_WIDTH) + MARGIN * 2
    height = (max(layer.values(), default=0) + 1) * LAYER_HEIGHT + MARGIN
    return Picture(boxes, lines, width, height, len(scenes) - len(shown))


def targets_of(scene: Scene) -> tuple[str, ...]:
    """Return the scenes that this one leads to, whether they are there or not."""
    first = (scene.next_scene,) if scene.next_scene else ()
    return first + tuple(branch.next_scene for branch in scene.branches if branch.next_scene)


def reachable(scenes: Sequence[Scene], start: str) -> frozenset[str]:
    """Return the scenes that a player can come to."""
    ways = {scene.id: targets_of(scene) for scene in scenes}
    found = {start} if start in ways else set[str]()
    waiting = list(found)
    while waiting:
        for target in ways[waiting.pop()]:
            if target in ways and target not in found:
                found.add(target)
                waiting.append(target)
    return frozenset(found)


def _around(scenes: Sequence[Scene], middle: str) -> set[str]:
    if len(scenes) <= SCENES_DRAWN_MAX:
        return {scene.id for scene in scenes}
    beside: dict[str, set[str]] = {scene.id: set() for scene in scenes}
    for scene in scenes:
        for target in targets_of(scene):
            if target in beside:
                beside[scene.id].add(target)
                beside[target].add(scene.id)
    found = [middle] if middle in beside else [scenes[0].id]
    seen = set(found)
    for id in found:
        for near in sorted(beside[id] - seen)[: SCENES_DRAWN_MAX - len(seen)]:
            seen.add(near)
            found.append(near)
    return seen


def _acyclic(ways: Ways, roots: Iterable[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Return the ways without those that lead back, and the scenes in an order in which all of them lead onward."""
    onward: dict[str, list[str]] = {id: [] for id in ways}
    open_ones: set[str] = set()
    seen: set[str] = set()
    finished: list[str] = []
    for root in roots:
        if root in seen:
            continue
        path = [(root, iter(ways[root]))]
        seen.add(root)
        open_ones.add(root)
        while path:
            id, left = path[-1]
            target = next(left, None)
            if target is None:
                path.pop()
                open_ones.discard(id)
                finished.append(id)
            elif target not in open_ones:
                onward[id].append(target)
                if target not in seen:
                    seen.add(target)
                    open_ones.add(target)
                    path.append((target, iter(ways[target])))
    return onward, finished[::-1]


def _layers(onward: Ways, order: Sequence[str], reached: frozenset[str]) -> dict[str, int]:
    layer: dict[str, int] = dict.fromkeys(order, 0)
    for id in order:
        if id in reached:
            for target in onward[id]:
                layer[target] = max(layer[target], layer[id] + 1)
    # What nobody can come to stands below all the rest.
    below = max((layer[id] for id in order if id in reached), default=-1) + 1
    apart = {id: below for id in order if id not in reached}
    for id in order:
        for target in onward[id] if id in apart else ():
            if target in apart:
                apart[target] = max(apart[target], apart[id] + 1)
    return layer | apart


def _chains(onward: Ways, layer: Mapping[str, int]) -> dict[tuple[str, str], list[str]]:
    """Return, for each way that goes down, the places it goes through: one in each layer between its ends."""
    chains: dict[tuple[str, str], list[str]] = {}
    for id, targets in onward.items():
        for target in targets:
            if layer[target] > layer[id]:
                between = range(layer[id] + 1, layer[target])
                chains[id, target] = [id, *(f"{id}\n{target}\n{at}" for at in between), target]
    return chains


def _placed(layer: Mapping[str, int], chains: Mapping[tuple[str, str], list[str]]) -> _Placed:
    layers: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for id, at in layer.items():
        layers[at].append(id)
    for (source, _), chain in chains.items():
        for step, (one, other) in enumerate(pairwise(chain), start=1):
            below.setdefault(one, []).append(other)
            above.setdefault(other, []).append(one)
            if step < len(chain) - 1:
                layers[layer[source] + step].append(other)
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        for row, beside in _beside(layers, down=down):
            places = {one: float(at) for at, one in enumerate(beside)}
            near = above if down else below
            wished = {one: _mean(near.get(one, ()), places, at) for at, one in enumerate(row)}
            row.sort(key=wished.__getitem__)
    x: dict[str, float] = {}
    for row in layers:
        _spread(row, {id: at * (BOX_WIDTH + GAP) for at, id in enumerate(row)}, x)
    for sweep in range(SWEEPS):
        near = above if sweep % 2 == 0 else below
        for row in layers if near is above else reversed(layers):
            _spread(row, {id: _mean(near.get(id, ()), x, x[id]) for id in row}, x)
    return _Placed(layers, x)


def _beside(layers: list[list[str]], *, down: bool) -> Iterable[tuple[list[str], list[str]]]:
    pairs = list(zip(layers[1:], layers, strict=False))
    return pairs if down else [(one, other) for other, one in reversed(pairs)]


def _mean(near: Sequence[str], places: Mapping[str, float], otherwise: float = 0.0) -> float:
    known = [places[id] for id in near if id in places]
    return sum(known) / len(known) if known else otherwise


def _room(id: str) -> float:
    return WAY_WIDTH if "\n" in id else BOX_WIDTH + GAP


def _spread(row: Sequence[str], wished: Mapping[str, float], x: dict[str, float]) -> None:
    """Give each of a row the place it wishes for, as far as its neighbours leave room: the mean of both ways round."""
    from_left: list[float] = []
    for at, id in enumerate(row):
        least = from_left[-1] + (_room(row[at - 1]) + _room(id)) / 2 if at else wished[id]
        from_left.append(max(wished[id], least))
    from_right = list(from_left)
    for at in range(len(row) - 1, -1, -1):
        most = from_right[at + 1] - (_room(row[at + 1]) + _room(row[at])) / 2 if at + 1 < len(row) else None
        from_right[at] = wished[row[at]] if most is None else min(wished[row[at]], most)
    for at, id in enumerate(row):
        x[id] = (from_left[at] + from_right[at]) / 2


def _box(scene: Scene, number: int, x: float, layer: int, start: str, reached: frozenset[str]) -> Box:
    is_end = scene.type == "special" or any(branch.next_scene is None for branch in scene.branches)
    y = layer * LAYER_HEIGHT + MARGIN
    return Box(scene, number, round(x), y, scene.id == start, scene.id in reached, is_end)


def _lines(
    boxes: Sequence[Box],
    chains: Mapping[tuple[str, str], list[str]],
    x: Mapping[str, float],
    left: float,
    layer: Mapping[str, int],
) -> Iterable[Way]:
    known = {box.scene.id: box for box in boxes}
    for box in boxes:
        # Ways leave a box in the order of where they go, so that they do not cross each other.
        ways = sorted(_ways_of(box.scene), key=lambda way, own=x[box.scene.id]: x.get(way[0] or "", own))
        for at, (target, label, says) in enumerate(ways, start=1):
            if target is not None and target not in known:
                continue
            from_x = round(box.x + BOX_WIDTH * at / (len(ways) + 1))
            from_y = box.y + BOX_HEIGHT
            chain = chains.get((box.scene.id, target or ""))
            if target is None:
                path = f"M{from_x},{from_y} v22"
            elif chain is None:
                path = _back(box, known[target])
            else:
                middle = [(round(x[id] - left + BOX_WIDTH / 2), layer[box.scene.id] + n) for n, id in enumerate(chain)]
                path = _down(from_x, from_y, [(px, n * LAYER_HEIGHT + MARGIN) for px, n in middle[1:]])
            yield Way(box.scene.id, target, label, says, path, chain is None and target is not None, from_x, from_y)


def _ways_of(scene: Scene) -> list[tuple[str | None, str, str]]:
    if not scene.branches:
        return [(scene.next_scene, "", "goes on")] if scene.next_scene else []
    marks = ("✓", "✗") if scene.type == "roll" else ()
    first = [(scene.next_scene, "", "goes on")] if scene.next_scene else []
    return first + [
        (branch.next_scene, marks[at] if at < len(marks) else str(at + 1), branch.choice)
        for at, branch in enumerate(scene.branches)
    ]


def _down(x: int, y: int, points: Sequence[tuple[int, int]]) -> str:
    path = [f"M{x},{y}"]
    for at, (to_x, to_y) in enumerate(points):
        bend = (to_y - y) // 2
        path.append(f"C{x},{y + bend} {to_x},{to_y - bend} {to_x},{to_y}")
        x, y = to_x, to_y
        if at + 1 < len(points):
            y = to_y + BOX_HEIGHT
            path.append(f"L{x},{y}")
    return " ".join(path)


def _back(source: Box, target: Box) -> str:
    x, y = source.x + BOX_WIDTH, source.y + BOX_HEIGHT // 2
    to_x, to_y = target.x + BOX_WIDTH, target.y + BOX_HEIGHT // 2
    out = max(x, to_x) + MARGIN
    return f"M{x},{y} C{out},{y} {out},{to_y} {to_x},{to_y}"
