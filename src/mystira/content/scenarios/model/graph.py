"""What makes scenes a story: one start, every scene reachable, an ending within reach of each."""

import re
from collections import deque
from collections.abc import Iterable, Sequence

from mystira.content.scenarios.model.reading import Part, Reading
from mystira.content.scenarios.model.scenario import Character, EchoReveal, Scene
from mystira.textfiles.nodes import Node

HTML = re.compile(r"</?[A-Za-z][^<>]*>|<!--")


def places(scenes: Part) -> dict[str, tuple[str, Node]]:
    """Return where each scene id stands first: its path in the file and its node."""
    found: dict[str, tuple[str, Node]] = {}
    nodes: list[Node] = scenes.node.value if scenes.node.kind == "list" else []
    for at, node in enumerate(nodes):
        for key, value in node.value if node.kind == "map" else ():
            if key.value == "id":
                found.setdefault(str(value.value).strip(), (f"{scenes.path}[{at}]", node))
    return found


def check_characters(
    reading: Reading,
    part: Part | None,
    characters: Sequence[Character],
    scenes: Sequence[Scene],
    where: dict[str, tuple[str, Node]],
) -> None:
    """Note duplicate characters, characters nobody needs, and scenes that name one who is not there."""
    known = [character.id for character in characters]
    active = {scene.active_character for scene in scenes}
    if part is not None:
        for id in dict.fromkeys(known):
            if known.count(id) > 1:
                part.error("duplicate_character", f"Two characters have the id {id!r}.")
            if id not in active:
                message = f"No scene has {id!r} as its active_character."
                reading.warning("unused_character", part.path, part.node, message)
    for scene in scenes:
        if scene.active_character is not None and scene.active_character not in known:
            path, node = where[scene.id]
            message = f"There is no character {scene.active_character!r}."
            reading.error("unknown_character", f"{path}.active_character", node, message)


def check_scenes(
    reading: Reading, part: Part, scenes: Sequence[Scene], where: dict[str, tuple[str, Node]]
) -> str | None:
    """Note everything that keeps the scenes from being one story; return where it starts."""
    if not scenes:
        if part.node.kind == "list" and not part.node.value:
            part.error("no_scenes", "A story needs scenes.")
        return None
    by_id = _unique(reading, part, scenes)
    ways = {scene.id: _targets(scene) for scene in scenes}
    for scene in scenes:
        path, node = where[scene.id]
        for target in ways[scene.id]:
            # A scene that is there but wrong has its own finding already.
            if target not in where:
                reading.error("unknown_target", path, node, f"{scene.id!r} leads to {target!r}, which is not there.")
        _check_triggers(reading, scene, where)
    start = _start(reading, part, scenes, ways)
    if start is None or len(by_id) < len(where):
        return start
    _check_reach(reading, where, scenes, ways, start)
    _check_reveals(reading, where, scenes, ways)
    return start


def _unique(reading: Reading, part: Part, scenes: Sequence[Scene]) -> dict[str, Scene]:
    by_id: dict[str, Scene] = {}
    for at, scene in enumerate(scenes):
        if scene.id in by_id:
            node = part.node.value[at] if at < len(part.node.value) else part.node
            reading.error("duplicate_scene", f"{part.path}[{at}].id", node, f"Two scenes have the id {scene.id!r}.")
        by_id.setdefault(scene.id, scene)
    return by_id


def _targets(scene: Scene) -> list[str]:
    named = [scene.next_scene, *(branch.next_scene for branch in scene.branches)]
    return [target for target in dict.fromkeys(named) if target is not None]


def _is_end(scene: Scene) -> bool:
    return scene.type == "special" or any(branch.next_scene is None for branch in scene.branches)


def _check_triggers(reading: Reading, scene: Scene, where: dict[str, tuple[str, Node]]) -> None:
    path, node = where[scene.id]
    for at, reveal in enumerate(scene.echo_reveals):
        if reveal.trigger_scene_id is not None and reveal.trigger_scene_id not in where:
            message = f"There is no scene {reveal.trigger_scene_id!r}."
            reading.error("unknown_target", f"{path}.echo_reveals[{at}].trigger_scene_id", node, message)


def _start(reading: Reading, part: Part, scenes: Sequence[Scene], ways: dict[str, list[str]]) -> str | None:
    led_to = {target for targets in ways.values() for target in targets}
    starts = [scene.id for scene in scenes if scene.id not in led_to]
    if len(starts) > 1:
        part.error("several_starts", f"Nothing leads to {', '.join(starts)}; only the start may be so.")
        return None
    return starts[0] if starts else scenes[0].id


def _check_reach(
    reading: Reading,
    where: dict[str, tuple[str, Node]],
    scenes: Sequence[Scene],
    ways: dict[str, list[str]],
    start: str,
) -> None:
    reached = _reachable([start], ways)
    backwards: dict[str, list[str]] = {}
    for scene_id, targets in ways.items():
        for target in targets:
            backwards.setdefault(target, []).append(scene_id)
    can_end = _reachable([scene.id for scene in scenes if _is_end(scene)], backwards)
    for scene in scenes:
        path, node = where[scene.id]
        if scene.id not in reached:
            reading.error("unreachable", path, node, f"No way leads from the start to {scene.id!r}.")
        if scene.id not in can_end:
            reading.error("no_ending", path, node, f"No ending can be reached from {scene.id!r}.")
    looping = _on_a_loop(ways)
    if looping is not None:
        path, node = where[looping]
        reading.warning("loop", path, node, f"The story can come back to {looping!r}.")


def _reachable(starts: Iterable[str], ways: dict[str, list[str]]) -> set[str]:
    reached = set(starts)
    waiting = deque(reached)
    while waiting:
        for target in ways.get(waiting.popleft(), ()):
            if target not in reached:
                reached.add(target)
                waiting.append(target)
    return reached


def _on_a_loop(ways: dict[str, list[str]]) -> str | None:
    """Return a scene that lies on a loop: one that is left when scenes without ways on are taken away in turn."""
    incoming: dict[str, list[str]] = {}
    for scene_id, targets in ways.items():
        for target in targets:
            incoming.setdefault(target, []).append(scene_id)
    left = {scene_id: sum(target in ways for target in targets) for scene_id, targets in ways.items()}
    ends = deque(scene_id for scene_id, count in left.items() if count == 0)
    while ends:
        ended = ends.popleft()
        del left[ended]
        for before in incoming.get(ended, ()):
            left[before] -= 1
            if left[before] == 0:
                ends.append(before)
    return next(iter(left), None)


def _check_reveals(
    reading: Reading, where: dict[str, tuple[str, Node]], scenes: Sequence[Scene], ways: dict[str, list[str]]
) -> None:
    revealed = {reveal.echo_type for scene in scenes for reveal in scene.echo_reveals}
    for scene in scenes:
        path, node = where[scene.id]
        for at, branch in enumerate(scene.branches):
            if branch.echo_log is not None and branch.echo_log.echo_type not in revealed:
                message = f"The echo {branch.echo_log.echo_type!r} is never revealed."
                reading.warning("echo_never_revealed", f"{path}.branches[{at}].echo_log", node, message)
        for at, reveal in enumerate(scene.echo_reveals):
            if reveal.required and not _can_come(reveal, scene, scenes, ways):
                message = f"No path to this scene leaves an echo {reveal.echo_type!r} that fits; it can never be shown."
                reading.error("reveal_impossible", f"{path}.echo_reveals[{at}]", node, message)


def _can_come(reveal: EchoReveal, shown_in: Scene, scenes: Sequence[Scene], ways: dict[str, list[str]]) -> bool:
    for scene in scenes:
        for branch in scene.branches:
            log = branch.echo_log
            if log is None or log.echo_type != reveal.echo_type or branch.next_scene is None:
                continue
            strong = abs(log.strength) >= abs(reveal.min_strength) and (reveal.min_strength >= 0 or log.strength < 0)
            if strong and shown_in.id in _reachable([branch.next_scene], ways):
                return True
    return False
