"""Ten thousand random walks, checked against a second, naive reading of the rules."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from mystira.play.model.moves import Asked, choices_of, move, start, throw
from mystira.play.model.session import GameSession, Player
from tests.play.stories import random_script

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PLAYERS = (
    Player(id="p1", name="Mira", character_id="a", profile_id="mira"),
    Player(id="p2", name="Guest", character_id="b"),
    Player(id="p3", name="Third"),
)


class Naive:
    """The rules of the domain page, written down as plainly as possible with dictionaries and lists."""

    def __init__(self, script: Any, seed: int) -> None:
        self.scenes = {scene.id: scene for scene in script.scenes}
        self.at, self.entered, self.seed, self.thrown = script.start, [script.start], seed, 0
        self.echoes: list[dict[str, Any]] = []
        self.compass: dict[str, int] = {}
        self.totals: dict[tuple[str, str], int] = {}
        self.shown: list[str] = []
        self.over = False

    def act(self, choice: str, named: str | None) -> None:
        scene = self.scenes[self.at]
        branch = None
        if choice == "roll":
            face = throw(self.seed, self.thrown, 1).value
            self.thrown += 1
            branch = scene.branches[0] if face >= scene.difficulty else scene.branches[1]
        elif choice != "continue":
            branch = next(one for one in scene.branches if one.id == choice)
        who = {"a": "p1", "b": "p2"}.get(scene.active_character or "", named or "p1")
        if branch is not None and branch.echo_log is not None:
            self.echoes.append(
                {
                    "type": branch.echo_log.echo_type,
                    "strength": branch.echo_log.strength,
                    "visit": len(self.entered),
                    "used": False,
                }
            )
        if branch is not None and branch.compass_change is not None:
            axis, delta = branch.compass_change.axis, branch.compass_change.delta
            self.compass[axis] = min(2000, max(-2000, self.compass.get(axis, 0) + delta))
            self.totals[who, axis] = self.totals.get((who, axis), 0) + delta
        target = scene.next_scene if branch is None else branch.next_scene
        if target is None:
            self.over = True
            return
        self.at = target
        self.entered.append(target)
        for wanted in self.scenes[target].echo_reveals:
            self._reveal(wanted)
        self.over = self.scenes[target].type == "special"

    def _reveal(self, wanted: Any) -> None:
        if wanted.trigger_scene_id and wanted.trigger_scene_id not in self.entered:
            return
        fitting = []
        for echo in self.echoes:
            if echo["type"] != wanted.echo_type or echo["used"]:
                continue
            if abs(echo["strength"]) < abs(wanted.min_strength):
                continue
            if wanted.min_strength < 0 and echo["strength"] >= 0:
                continue
            if wanted.trigger_scene_id and echo["visit"] < self.entered.index(wanted.trigger_scene_id) + 1:
                continue
            if wanted.max_age_scenes is not None and len(self.entered) - echo["visit"] > wanted.max_age_scenes:
                continue
            fitting.append(echo)
        if fitting:
            fitting[-1]["used"] = True
            self.shown.append(wanted.echo_type)


def test_ten_thousand_walks_agree_with_the_naive_reading() -> None:
    reveals = rolls = finished = 0
    for seed in range(10_000):
        chance = Random(seed)
        script = random_script(chance, scenes=chance.randint(2, 9))
        session, _ = start(
            script, session_id="s", account_id="a", owner_profile_id="mira", players=PLAYERS, seed=seed, now=NOW
        )
        naive = Naive(script, seed)
        for number in range(30):
            if session.is_over:
                break
            choice = chance.choice(choices_of(script.scene(session.scene_id)))
            named = chance.choice([None, "p2", "p3"])
            asked = Asked(scene_id=session.scene_id, choice=choice, key=str(number), player_id=named)
            session, _, _ = move(session, script, asked, NOW + timedelta(seconds=number))
            naive.act(choice, named)
            _compare(session, naive)
        reveals, rolls, finished = reveals + len(session.reveals), rolls + session.rolls, finished + session.is_over
    # The walks must really have met what they are meant to compare.
    assert min(reveals, rolls, finished) > 1_000


def _compare(session: GameSession, naive: Naive) -> None:
    assert session.scene_id == naive.at
    assert list(session.visits) == naive.entered
    assert session.compass == naive.compass
    assert {(who, axis): value for who, axes in session.totals.items() for axis, value in axes.items()} == naive.totals
    assert [(echo.echo_type, echo.strength, echo.visit) for echo in session.echoes] == [
        (echo["type"], echo["strength"], echo["visit"]) for echo in naive.echoes
    ]
    assert [echo.revealed_at_visit is not None for echo in session.echoes] == [echo["used"] for echo in naive.echoes]
    assert [reveal.echo_type for reveal in session.reveals] == naive.shown
    assert session.is_over == naive.over
