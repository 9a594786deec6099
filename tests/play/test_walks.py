"""Ten thousand random walks, checked against a second, naive reading of the rules."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from mystira.play.events import SessionAbandoned, SessionCompleted
from mystira.play.model.moves import (
    Asked,
    abandon,
    choices_of,
    elapsed_s,
    move,
    named,
    pause,
    repeated,
    resume,
    start,
    throw,
)
from mystira.play.model.results import score
from mystira.play.model.script import Script
from mystira.play.model.session import GameSession, Player
from mystira.play.problems import KeyReused, SceneMovedOn, SessionOver, SessionPaused
from tests.play.stories import random_script

START = datetime(2026, 11, 21, tzinfo=UTC)
PLAYERS = (
    Player(id="p1", name="Mira", character_id="a", profile_id="mira"),
    Player(id="p2", name="Guest", character_id="b"),
    Player(id="p3", name="Third", profile_id="third"),
    *(Player(id=f"p{number}", name=f"Number {number}") for number in range(4, 8)),
    Player(id="p8", name="Last", profile_id="last"),
)
MET_AT_LEAST = {
    "moves": 50_000,
    "rolls": 10_000,
    "reveals": 4_000,
    "completed": 5_000,
    "abandoned": 1_000,
    "pauses": 2_000,
    "repeated keys": 2_000,
    "refused moves": 2_000,
    "clamped": 1_000,
    "axis reached": 1_000,
    "moved by p2": 5_000,
    "moved by p3": 3_000,
    "moved by p8": 300,
    "1 players": 1_000,
    "8 players": 1_000,
}


class Naive:
    """The rules of the domain page, written down as plainly as possible with dictionaries and lists."""

    def __init__(self, script: Script, players: tuple[Player, ...], owner: str, seed: int) -> None:
        self.scenes = {scene.id: scene for scene in script.scenes}
        self.at, self.entered, self.seed, self.thrown = script.start, [script.start], seed, 0
        self.owner = owner
        self.plays = {player.character_id: player.id for player in players if player.character_id}
        self.echoes: list[dict[str, Any]] = []
        self.compass: dict[str, int] = {}
        self.history: list[tuple[str, int, int, str]] = []
        self.totals: dict[tuple[str, str], int] = {}
        self.shown: list[tuple[str, str, str, str, int]] = []
        self.achieved: list[tuple[str, str | None]] = []
        self.faces: list[tuple[int, bool]] = []
        self.state = "in_progress"
        self.played_s = 0

    def wait(self, seconds: int) -> None:
        if self.state == "in_progress":
            self.played_s += seconds

    def act(self, choice: str, named: str | None) -> None:
        scene = self.scenes[self.at]
        branch = None
        if choice == "roll":
            face = throw(self.seed, self.thrown, 1).value
            self.thrown += 1
            self.faces.append((face, face >= scene.difficulty))
            branch = scene.branches[0] if face >= scene.difficulty else scene.branches[1]
        elif choice != "continue":
            branch = next(one for one in scene.branches if one.id == choice)
            self.achieve("first_choice")
        who = self.plays.get(scene.active_character, named or self.owner)
        if branch is not None and branch.echo_log is not None:
            self.echoes.append(
                {
                    "type": branch.echo_log.echo_type,
                    "text": branch.echo_log.description,
                    "strength": branch.echo_log.strength,
                    "visit": len(self.entered),
                    "used": None,
                }
            )
        if branch is not None and branch.compass_change is not None:
            axis, delta = branch.compass_change.axis, branch.compass_change.delta
            self.compass[axis] = min(2000, max(-2000, self.compass.get(axis, 0) + delta))
            self.history.append((axis, delta, self.compass[axis], who))
            self.totals[who, axis] = self.totals.get((who, axis), 0) + delta
        self.enter(scene.next_scene if branch is None else branch.next_scene)

    def enter(self, target: str | None) -> None:
        over = target is None
        if target is not None:
            self.at = target
            self.entered.append(target)
            for wanted in self.scenes[target].echo_reveals:
                self._reveal(wanted)
            over = self.scenes[target].type == "special"
        for axis, value in self.compass.items():
            if value >= 1000 or value <= -1000:
                self.achieve("axis_reached", axis)
        if over:
            self.achieve("completed")
            self.state = "completed"

    def achieve(self, kind: str, axis: str | None = None) -> None:
        if (kind, axis) not in self.achieved:
            self.achieved.append((kind, axis))

    def _reveal(self, wanted: Any) -> None:
        if wanted.trigger_scene_id and wanted.trigger_scene_id not in self.entered:
            return
        fitting = []
        for echo in self.echoes:
            if echo["type"] != wanted.echo_type or echo["used"] is not None:
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
            newest = fitting[-1]
            newest["used"] = len(self.entered)
            self.shown.append((newest["type"], newest["text"], wanted.reveal_mechanic, self.at, len(self.entered)))
            self.achieve("echo_revealed")


class Walk:
    """One game played by chance, by the product and by the naive reading side by side."""

    def __init__(self, seed: int, met: Counter[str]) -> None:
        self.chance = Random(seed)
        self.met = met
        self.script = random_script(self.chance, scenes=self.chance.randint(2, 14))
        self.now = START
        self.players = PLAYERS[: self.chance.randint(1, len(PLAYERS))]
        met[f"{len(self.players)} players"] += 1
        owner = self.chance.choice(self.players)
        self.session, told = start(
            self.script,
            session_id="s",
            account_id="a",
            owner_profile_id=owner.profile_id or "somebody else",
            players=self.players,
            seed=seed,
            now=START,
        )
        # A profile that does not play itself leaves its moves to the first player.
        self.naive = Naive(self.script, self.players, owner.id if owner.profile_id else "p1", seed)
        self.told: list[Any] = [told]

    def go(self) -> None:
        for _ in range(40):
            if self.session.is_over:
                break
            self.wait()
            match self.chance.random():
                case luck if luck < 0.02:
                    self.give_up()
                case luck if luck < 0.08:
                    self.take_a_break()
                case luck if luck < 0.14:
                    self.ask_again()
                case luck if luck < 0.20:
                    self.come_late()
                case _:
                    self.choose()
            compare(self.session, self.naive, self.now)
        self.finish()

    def wait(self) -> None:
        seconds = self.chance.randint(0, 90)
        self.now += timedelta(seconds=seconds)
        self.naive.wait(seconds)

    def asks(self, scene_id: str | None = None, key: str | None = None) -> Asked:
        choice = self.chance.choice(choices_of(self.script.scene(self.session.scene_id)))
        player_id = self.chance.choice([None, *(player.id for player in self.players)])
        key = key or f"k{len(self.session.moves)}"
        return Asked(scene_id=scene_id or self.session.scene_id, choice=choice, key=key, player_id=player_id)

    def choose(self) -> None:
        asked = self.asks()
        assert repeated(self.session, asked) is None
        self.session, made, told = move(self.session, self.script, asked, self.now)
        self.naive.act(asked.choice, asked.player_id)
        self.told += told
        assert made == self.session.moves[-1] == repeated(self.session, asked)
        self.met["moves"] += 1
        self.met[f"moved by {made.player_id}"] += 1
        self.met["clamped"] += made.compass is not None and abs(made.compass.value) == 2000

    def ask_again(self) -> None:
        if not self.session.moves:
            return
        made = self.chance.choice(self.session.moves)
        scene_id, choice, player_id = made.asked.split("\n")
        asked = Asked(scene_id=scene_id, choice=choice, key=made.key, player_id=player_id or None)
        assert repeated(self.session, asked) == made
        with pytest.raises(KeyReused):
            repeated(self.session, Asked(scene_id=scene_id, choice=f"not {choice}", key=made.key))
        self.met["repeated keys"] += 1

    def come_late(self) -> None:
        elsewhere = self.chance.choice([scene.id for scene in self.script.scenes])
        if elsewhere != self.session.scene_id:
            with pytest.raises(SceneMovedOn):
                move(self.session, self.script, self.asks(elsewhere), self.now)
            self.met["refused moves"] += 1

    def take_a_break(self) -> None:
        self.session = pause(self.session, self.now)
        self.naive.state = "paused"
        self.wait()
        with pytest.raises(SessionPaused):
            move(self.session, self.script, self.asks(), self.now)
        compare(self.session, self.naive, self.now)
        self.met["pauses"] += 1
        if self.chance.random() < 0.2:
            self.give_up()
            return
        self.session = resume(self.session, self.now)
        self.naive.state = "in_progress"

    def give_up(self) -> None:
        self.session, told = abandon(self.session, self.now)
        self.naive.state = "abandoned"
        self.told += told

    def finish(self) -> None:
        if self.session.is_over:
            self.now += timedelta(days=1)
            compare(self.session, self.naive, self.now)
            with pytest.raises(SessionOver):
                move(self.session, self.script, Asked(scene_id=self.session.scene_id, choice="x", key="new"), self.now)
            assert abandon(self.session, self.now) == (self.session, ())
        told = {type(fact): fact for fact in self.told[1:]}
        assert len(told) == len(self.told) - 1 == self.session.is_over
        assert (SessionCompleted in told, SessionAbandoned in told) == (
            self.naive.state == "completed",
            self.naive.state == "abandoned",
        )
        if SessionCompleted in told:
            points = sum(abs(value) for value in self.naive.compass.values())
            assert (told[SessionCompleted].score, told[SessionCompleted].duration_s) == (points, self.naive.played_s)
        for player in (one for one in self.players if one.profile_id):
            mine = {axis: total for (who, axis), total in self.naive.totals.items() if who == player.id}
            assert score(self.session, player, self.now).axis_sums == mine
        self.met[self.naive.state] += 1
        self.met["rolls"] += self.session.rolls
        self.met["reveals"] += len(self.session.reveals)
        self.met["axis reached"] += ("axis_reached", "courage") in self.naive.achieved


def compare(session: GameSession, naive: Naive, now: datetime) -> None:
    assert (session.scene_id, session.state) == (naive.at, naive.state)
    assert list(session.visits) == naive.entered
    assert session.compass == naive.compass
    assert [(step.axis, step.delta, step.value, step.player_id) for step in session.steps] == naive.history
    assert {(who, axis): value for who, axes in session.totals.items() for axis, value in axes.items()} == naive.totals
    left = [(one.echo_type, one.text, one.strength, one.visit, one.revealed_at_visit) for one in session.echoes]
    assert left == [(one["type"], one["text"], one["strength"], one["visit"], one["used"]) for one in naive.echoes]
    shown = [(one.echo_type, one.text, one.mechanic, one.scene_id, one.visit) for one in session.reveals]
    assert shown == naive.shown
    assert shown == [
        (one.echo_type, one.text, one.mechanic, one.scene_id, one.visit)
        for made in session.moves
        for one in made.reveals
    ]
    assert {(one.kind, one.axis) for one in session.achievements} == set(naive.achieved)
    assert len(session.achievements) == len(naive.achieved)
    assert [(made.roll.value, made.roll.success) for made in session.moves if made.roll] == naive.faces
    assert elapsed_s(session, now) == naive.played_s


def test_ten_thousand_walks_agree_with_the_naive_reading() -> None:
    met: Counter[str] = Counter()
    for seed in range(10_000):
        Walk(seed, met).go()
    # The walks must really have met what they are meant to compare.
    assert {what: met[what] for what, least in MET_AT_LEAST.items() if met[what] < least} == {}, met


def test_every_name_a_random_story_holds_is_filled_in() -> None:
    script = random_script(Random(1))
    session, _ = start(
        script, session_id="s", account_id="a", owner_profile_id="mira", players=PLAYERS[:3], seed=1, now=START
    )
    assert named(session, script, script.scenes[0].description) == "Mira and Mira, Guest and Third"
