"""What playing needs to know of a published scenario; strengths and deltas are integer thousandths."""

from typing import Literal

from mystira.polyglot.entity import Value

SceneType = Literal["narrative", "choice", "roll", "special"]
Mechanic = Literal["mirror", "dream", "spirit", "none"]


class EchoLog(Value, frozen=True, kw_only=True):
    """What a choice leaves behind."""

    echo_type: str
    description: str = ""
    strength: int


class CompassChange(Value, frozen=True, kw_only=True):
    """How a choice moves the compass."""

    axis: str
    delta: int


class Branch(Value, frozen=True, kw_only=True):
    """One way on; without `next_scene` it ends the story."""

    id: str
    choice: str
    next_scene: str | None = None
    echo_log: EchoLog | None = None
    compass_change: CompassChange | None = None


class EchoReveal(Value, frozen=True, kw_only=True):
    """What a scene may bring back when it is entered."""

    echo_type: str
    min_strength: int = 0
    trigger_scene_id: str | None = None
    max_age_scenes: int | None = None
    reveal_mechanic: Mechanic = "none"


class Media(Value, frozen=True, kw_only=True):
    """The ids of what is seen and heard with a scene: `audio` is its narration."""

    image: str | None = None
    audio: str | None = None
    video: str | None = None


class Scene(Value, frozen=True, kw_only=True):
    """One scene; `difficulty` is that of its roll, `music` a mood or the id of a piece."""

    id: str
    title: str
    type: SceneType
    description: str
    next_scene: str | None = None
    difficulty: int | None = None
    active_character: str | None = None
    branches: tuple[Branch, ...] = ()
    echo_reveals: tuple[EchoReveal, ...] = ()
    media: Media = Media()
    music: str | None = None
    sound_effects: tuple[str, ...] = ()


class Character(Value, frozen=True, kw_only=True):
    """Somebody a player can be."""

    id: str
    name: str
    image: str | None = None


class Script(Value, frozen=True, kw_only=True):
    """A scenario as far as the rules go. `start` is the scene that play begins with."""

    scenario_id: str
    version: int
    title: str
    minimum_age: int = 0
    music_palette: str | None = None
    start: str
    characters: tuple[Character, ...] = ()
    scenes: tuple[Scene, ...]

    def scene(self, scene_id: str) -> Scene:
        """Return the scene with this id; a KeyError means that the script is not a checked one."""
        for scene in self.scenes:
            if scene.id == scene_id:
                return scene
        raise KeyError(scene_id)


def ways_on(scene: Scene) -> tuple[str | None, ...]:
    """Return where this scene can lead, None for an ending without a scene of its own."""
    if is_ending(scene):
        return ()
    return tuple(branch.next_scene for branch in scene.branches) if scene.branches else (scene.next_scene,)


def moves_left(script: Script, scene_id: str) -> int:
    """Return the fewest moves from this scene to any ending."""
    scenes = {scene.id: scene for scene in script.scenes}
    reached, edge = {scene_id}, [scene_id]
    for moves in range(len(scenes)):
        if any(is_ending(scenes[at]) for at in edge):
            return moves
        onward = {way for at in edge for way in ways_on(scenes[at])}
        if None in onward:
            return moves + 1
        edge = [way for way in onward if way is not None and way not in reached]
        reached.update(edge)
    return 0


def is_ending(scene: Scene) -> bool:
    """Tell whether entering this scene ends the story."""
    return scene.type == "special"
