"""What makes scenes a story: one start, every scene reachable, an ending within reach of each.

Scenes come here with the part of the file they stand in, also those that have errors of their own: what is wrong with
the whole is told together with what is wrong inside.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mystira.content.scenarios.model.reading import Part
from mystira.content.scenarios.model.scenario import Character, EchoReveal, Scene

NEXT_NAMES = ("next_scene", "next_scene_id")
MENTION = re.compile(r"\[c:([^\]]{1,200})\]")

Placed = tuple[Part, Scene]
Ways = Mapping[str, Sequence[str]]


def nameless(part: Part) -> str:
    """Return what stands for the id of a scene without one: no target can be spelt so."""
    return f"<{part.path}>"


def check_characters(characters: Sequence[tuple[Part, Character]], scenes: Sequence[Placed]) -> None:
    """Note duplicate characters, characters nobody needs, and scenes that name one who is not there."""
    known: set[str] = set()
    used = {scene.active_character for _, scene in scenes}
    for _, scene in scenes:
        used.update(MENTION.findall(scene.description))
    for part, character in characters:
        if character.id in known:
            part.below(("id",)).error("duplicate_character", f"Two characters have the id {character.id!r}.")
        elif used.isdisjoint((character.id, character.name)):
            message = f"No scene needs {character.id!r}: it is nobody's active_character and in no text ([c:…])."
            part.warning("unused_character", message)
        known.add(character.id)
    for part, scene in scenes:
        if scene.active_character is not None and scene.active_character not in known:
            message = f"There is no character {scene.active_character!r}."
            part.below(("active_character",)).error("unknown_character", message)


def check_scenes(scenes: Sequence[Placed]) -> str | None:
    """Note everything that keeps the scenes from being one story; return where it starts."""
    where: dict[str, Part] = {}
    ways: dict[str, list[str]] = {}
    for part, scene in scenes:
        if scene.id in where:
            part.below(("id",)).error("duplicate_scene", f"Two scenes have the id {scene.id!r}.")
        where.setdefault(scene.id, part)
        ways.setdefault(scene.id, []).extend(target for _, target in _targets(part, scene))
    for part, scene in scenes:
        for at, target in _targets(part, scene):
            if target not in where:
                at.error("unknown_target", f"{scene.id!r} leads to {target!r}, which is not there.")
        for number, reveal in enumerate(scene.echo_reveals):
            if reveal.trigger_scene_id is not None and reveal.trigger_scene_id not in where:
                at = part.below(("echo_reveals",), number, ("trigger_scene_id",))
                at.error("unknown_target", f"There is no scene {reveal.trigger_scene_id!r}.")
    start = _start(where, ways)
    if start is not None:
        _check_reach(scenes, where, ways, start)
    _check_loops(where, ways)
    _check_reveals(scenes, ways)
    return start


def _targets(part: Part, scene: Scene) -> Iterator[tuple[Part, str]]:
    if scene.next_scene is not None:
        yield part.below(NEXT_NAMES), scene.next_scene
    for number, branch in enumerate(scene.branches):
        if branch.next_scene is not None:
            yield part.below(("branches",), number, NEXT_NAMES), branch.next_scene


def _is_end(scene: Scene) -> bool:
    return scene.type == "special" or any(branch.next_scene is None for branch in scene.branches)


def _start(where: Mapping[str, Part], ways: Ways) -> str | None:
    led_to = {target for targets in ways.values() for target in targets}
    starts = [id for id, part in where.items() if id not in led_to and id != nameless(part)]
    if len(starts) > 1:
        message = f"Nothing leads to {', '.join(starts[:20])}; only the start may be so."
        where[starts[1]].error("several_starts", message)
        return None
    return starts[0] if starts else next(iter(where), None)


def _check_reach(scenes: Sequence[Placed], where: Mapping[str, Part], ways: Ways, start: str) -> None:
    nameless_ones = [id for id, part in where.items() if id == nameless(part)]
    reached = _reachable([start, *nameless_ones], ways)
    can_end = _reachable([scene.id for _, scene in scenes if _is_end(scene)], _turned(ways))
    for id, part in where.items():
        if id not in reached:
            part.error("unreachable", f"No way leads from the start to {id!r}.")
        if id not in can_end:
            part.error("no_ending", f"No ending can be reached from {id!r}.")


def _check_loops(where: Mapping[str, Part], ways: Ways) -> None:
    for loop in _loops(ways):
        first = next(id for id in where if id in loop)
        where[first].warning("loop", f"The story can come back to {first!r}.")


def _turned(ways: Ways) -> dict[str, list[str]]:
    turned: dict[str, list[str]] = {}
    for id, targets in ways.items():
        for target in targets:
            turned.setdefault(target, []).append(id)
    return turned


def _reachable(starts: Iterable[str], ways: Ways) -> set[str]:
    reached = set(starts)
    waiting = deque(reached)
    while waiting:
        for target in ways.get(waiting.popleft(), ()):
            if target not in reached:
                reached.add(target)
                waiting.append(target)
    return reached


def _loops(ways: Ways) -> list[set[str]]:
    """Return the sets of scenes that lead to each other (Kosaraju's algorithm, without recursion)."""
    turned = _turned(ways)
    grouped: set[str] = set()
    found: list[set[str]] = []
    for root in reversed(_by_finish(ways)):
        if root in grouped:
            continue
        group, waiting = {root}, [root]
        while waiting:
            for before in turned.get(waiting.pop(), ()):
                if before not in grouped and before not in group:
                    group.add(before)
                    waiting.append(before)
        grouped |= group
        if len(group) > 1 or root in ways.get(root, ()):
            found.append(group)
    return found


def _by_finish(ways: Ways) -> list[str]:
    seen: set[str] = set()
    finished: list[str] = []
    for root in ways:
        if root in seen:
            continue
        seen.add(root)
        path = [(root, iter(ways[root]))]
        while path:
            id, left = path[-1]
            target = next((one for one in left if one in ways and one not in seen), None)
            if target is None:
                finished.append(id)
                path.pop()
            else:
                seen.add(target)
                path.append((target, iter(ways[target])))
    return finished


def _check_reveals(scenes: Sequence[Placed], ways: Ways) -> None:
    revealed = {reveal.echo_type for _, scene in scenes for reveal in scene.echo_reveals}
    turned = _turned(ways)
    for part, scene in scenes:
        for number, branch in enumerate(scene.branches):
            if branch.echo_log is not None and branch.echo_log.echo_type not in revealed:
                message = f"The echo {branch.echo_log.echo_type!r} is never revealed."
                part.below(("branches",), number, ("echo_log",)).warning("echo_never_revealed", message)
        if any(reveal.required for reveal in scene.echo_reveals):
            before = _reachable([scene.id], turned)
            for number, reveal in enumerate(scene.echo_reveals):
                if reveal.required and not _can_come(reveal, before, scenes):
                    message = f"No way to this scene leaves an echo {reveal.echo_type!r} that fits: it never shows."
                    part.below(("echo_reveals",), number).error("reveal_impossible", message)


def _can_come(reveal: EchoReveal, before: set[str], scenes: Sequence[Placed]) -> bool:
    """Tell whether a choice that leads to one of the scenes `before` leaves a fitting echo."""
    return any(
        branch.next_scene in before
        and branch.echo_log is not None
        and branch.echo_log.echo_type == reveal.echo_type
        and abs(branch.echo_log.strength) >= abs(reveal.min_strength)
        and (reveal.min_strength >= 0 or branch.echo_log.strength < 0)
        for _, scene in scenes
        for branch in scene.branches
    )
