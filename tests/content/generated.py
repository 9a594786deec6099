"""Story files made by chance, valid by construction: every scene is reached and every way can end."""

from random import Random
from typing import Any

from mystira.content.scenarios.model.checking import ATTRIBUTION_FIELDS

AXES = ("courage", "kindness", "honesty", "patience")
ECHOES = ("risk-taken", "help-offered", "truth-told", "promise-kept")
NOUNS = ["fox", "moon", "river", "stone", "door", "friend", "lantern", "song"]
WORDS = [*NOUNS, "the", "a", "small", "sings", "waits", "under", "over", "bright", "and", "laughs", "softly"]
ODD = (
    "No",
    "12:30",
    "null",
    "0777",
    "1e3",
    "é 🦊",
    'say "hi": yes',
    "# no comment",
    "- dash",
    "a\\b",
    "'tis",
    "[x",
    "~",
)


def story(chance: Random, scenes: int = 24, *, odd: bool = False) -> dict[str, Any]:
    """A whole story; an odd one has texts that a careless reader or writer of YAML would spoil."""
    say = _Words(chance, odd=odd)
    made = {f"s{number}": _scene(chance, say, f"s{number}", number) for number in range(scenes)}
    _lead(chance, made)
    _embellish(chance, say, made)
    axes = chance.sample(AXES, 2)
    for scene in made.values():
        for branch in scene.get("branches", ()):
            if "compass_change" in branch:
                branch["compass_change"]["axis"] = chance.choice(axes)
    return {
        "title": f"{say.line()} {chance.getrandbits(64):x}",
        "description": say.text(20),
        "tags": [say.line() for _ in range(chance.randint(0, 3))],
        "difficulty": chance.choice(["Easy", "Medium", "Hard"]),
        "session_length": chance.choice(["Short", "Medium", "Long"]),
        "age_group": "19-150",
        "minimum_age": chance.randint(0, 150),
        "core_axes": axes,
        "archetypes": ["hero", "sage"],
        "image": "art/hero.svg",
        "music_palette": say.line(),
        "attribution": {name: say.line() for name in ATTRIBUTION_FIELDS},
        "characters": [_character(chance, say, id) for id in ("ada", "bo_2")],
        "scenes": list(made.values()),
    }


class _Words:
    def __init__(self, chance: Random, *, odd: bool) -> None:
        self._chance = chance
        self._odd = odd

    def line(self) -> str:
        if self._odd and self._chance.random() < 0.5:
            return self._chance.choice(ODD)
        return " ".join(self._chance.choices(WORDS, k=4))

    def text(self, words: int) -> str:
        plain = " ".join(self._chance.choices(WORDS, k=words)).capitalize() + "."
        if self._odd:
            plain += self._chance.choice(["", "\n\n* one\n* two", "\n  indented\n\nand back", " " + self.line()])
        return plain


def _scene(chance: Random, say: _Words, id: str, number: int) -> dict[str, Any]:
    kind = "choice" if number == 0 else chance.choice(["narrative", "choice", "choice", "roll"])
    scene: dict[str, Any] = {"id": id, "title": say.line(), "type": kind, "description": say.text(40)}
    if kind == "roll":
        scene["difficulty"] = chance.randint(1, 20)
    if kind != "narrative":
        ways = 2 if kind == "roll" else chance.randint(2, 4)
        scene["branches"] = [_branch(chance, say) for _ in range(ways)]
    return scene


def _branch(chance: Random, say: _Words) -> dict[str, Any]:
    branch: dict[str, Any] = {"choice": say.line()}
    if chance.random() < 0.5:
        strength = chance.randint(-1000, 1000) / 1000
        branch["echo_log"] = {"echo_type": chance.choice(ECHOES), "description": say.text(8), "strength": strength}
    if chance.random() < 0.5:
        branch["compass_change"] = {"axis": "", "delta": chance.randint(-1000, 1000) / 1000}
        if chance.random() < 0.3:
            branch["compass_change"]["developmental_link"] = say.text(8)
    return branch


def _lead(chance: Random, made: dict[str, dict[str, Any]]) -> None:
    """Give every scene but the first a way to it, then every way that is left an end or a scene."""
    ids = list(made)
    # Every scene takes one open way and brings one or more, so there is always one to take.
    open_ways: list[tuple[int, int, dict[str, Any]]] = []
    for at, (id, scene) in enumerate(made.items()):
        if open_ways:
            open_ways.pop(chance.randrange(len(open_ways)))[2]["next_scene"] = id
        open_ways += [(at, number, way) for number, way in enumerate(scene.get("branches", [scene]))]
    chance.shuffle(open_ways)
    endings = [f"end{number}" for number in range(min(3, len(open_ways)))]
    for (_, _, way), ending in zip(open_ways, endings, strict=False):
        way["next_scene"] = ending
    for at, number, way in open_ways[len(endings) :]:
        # A scene's first way only goes onward, so that every loop can be left.
        way["next_scene"] = chance.choice([*endings, chance.choice(ids[1:] if number else [*ids[at + 1 :], "end0"])])
        if number and chance.random() < 0.2:
            del way["next_scene"]
    for ending in endings:
        made[ending] = {"id": ending, "title": ending, "type": "special", "description": "It is over."}


def _embellish(chance: Random, say: _Words, made: dict[str, dict[str, Any]]) -> None:
    for scene in made.values():
        if chance.random() < 0.4:
            scene["echo_reveals"] = [_reveal(chance, list(made)) for _ in range(chance.randint(1, 2))]
        if chance.random() < 0.3:
            scene["active_character"] = chance.choice(["ada", "bo_2"])
        if chance.random() < 0.3:
            scene["media"] = {"image": "art/hero.svg", "audio": say.line()}
        if chance.random() < 0.2:
            scene["metadata"] = {"creative_instruction": say.text(6)}
            scene["music"], scene["sound_effects"] = say.line(), [say.line(), say.line()]


def _reveal(chance: Random, ids: list[str]) -> dict[str, Any]:
    reveal: dict[str, Any] = {
        "echo_type": chance.choice(ECHOES),
        "min_strength": chance.choice([0, 0.3, -0.25]),
        "reveal_mechanic": chance.choice(["mirror", "dream", "spirit", "none"]),
    }
    if chance.random() < 0.3:
        reveal |= {"trigger_scene_id": chance.choice(ids), "max_age_scenes": chance.randint(1, 9)}
    return reveal


def _character(chance: Random, say: _Words, id: str) -> dict[str, Any]:
    metadata = {
        "role": [say.line()],
        "archetype": ["hero"],
        "species": say.line(),
        "age": chance.randint(1, 900),
        "traits": [say.line()],
        "backstory": say.text(10),
    }
    return {"id": id, "name": say.line(), "image": "art/hero.svg", "audio": say.line(), "metadata": metadata}
