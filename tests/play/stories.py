"""Random scripts to walk through, loops, rolls and reveals included."""

from random import Random

from mystira.play.model.script import Branch, Character, CompassChange, EchoLog, EchoReveal, Scene, Script

AXES = ("courage", "kindness")
ECHOES = ("gift", "promise", "secret")


def random_script(chance: Random, scenes: int = 8) -> Script:
    ids = [f"s{number}" for number in range(scenes)]
    made = [_scene(chance, number, ids) for number in range(scenes)]
    made.append(Scene(id="end", title="End", type="special", description="End", echo_reveals=_reveals(chance, ids)))
    characters = (Character(id="a", name="Ada"), Character(id="b", name="Bo"))
    return Script(scenario_id="story", version=1, title="Story", start="s0", characters=characters, scenes=tuple(made))


def _scene(chance: Random, number: int, ids: list[str]) -> Scene:
    kind = chance.choice(["narrative", "choice", "choice", "roll"])
    common = {
        "id": ids[number],
        "title": ids[number],
        "description": "[c:a] and [c:*]",
        "active_character": chance.choice([None, "a", "b", "nobody"]),
        "echo_reveals": _reveals(chance, ids),
    }
    if kind == "narrative":
        return Scene(type="narrative", next_scene=_onward(chance, number, ids), **common)
    count = 2 if kind == "roll" else chance.randint(2, 3)
    branches = tuple(_branch(chance, number, at, ids) for at in range(count))
    return Scene(type=kind, difficulty=chance.randint(1, 20) if kind == "roll" else None, branches=branches, **common)


def _onward(chance: Random, number: int, ids: list[str]) -> str:
    if chance.random() < 0.15:
        return chance.choice(ids)
    if chance.random() < 0.05:
        return "end"
    # Mostly only a little further, so that there is a story to walk through.
    return chance.choice(ids[number + 1 : number + 4] or ["end"])


def _branch(chance: Random, number: int, at: int, ids: list[str]) -> Branch:
    echo = EchoLog(
        echo_type=chance.choice(ECHOES), description=f"{ids[number]} {at}", strength=chance.randint(-1000, 1000)
    )
    turn = CompassChange(axis=chance.choice(AXES), delta=chance.randint(-1000, 1000))
    return Branch(
        id=f"{ids[number]}:{at + 1}",
        choice=str(at),
        next_scene=None if chance.random() < 0.05 else _onward(chance, number, ids),
        echo_log=echo if chance.random() < 0.6 else None,
        compass_change=turn if chance.random() < 0.7 else None,
    )


def _reveals(chance: Random, ids: list[str]) -> tuple[EchoReveal, ...]:
    return tuple(
        EchoReveal(
            echo_type=chance.choice(ECHOES),
            min_strength=chance.choice([0, 0, 300, -300, 900]),
            trigger_scene_id=chance.choice([None, None, chance.choice(ids)]),
            max_age_scenes=chance.choice([None, None, 1, 3]),
            reveal_mechanic=chance.choice(["mirror", "dream", "spirit", "none"]),
        )
        for _ in range(chance.choice([0, 0, 1, 2]))
    )
