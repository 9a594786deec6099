"""The rules of moves, one by one."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from mystira.play.events import SessionAbandoned, SessionCompleted
from mystira.play.model import moves
from mystira.play.model.moves import Asked
from mystira.play.model.results import BadgeGoal, award, earned, lifetime, score
from mystira.play.model.script import Branch, Character, CompassChange, EchoLog, EchoReveal, Scene, Script, moves_left
from mystira.play.model.session import Player
from mystira.play.problems import ChoiceUnknown, KeyReused, PlayerUnknown, SceneMovedOn, SessionOver, SessionPaused
from mystira.play.views import echo_left, outcome, progress

NOW = datetime(2026, 11, 21, tzinfo=UTC)
UP = CompassChange(axis="courage", delta=900)
SCRIPT = Script(
    scenario_id="story",
    version=2,
    title="Story",
    start="one",
    characters=(Character(id="fox", name="Fox"), Character(id="owl", name="Owl")),
    scenes=(
        Scene(
            id="one",
            title="One",
            type="choice",
            description="[c:fox] meets [c:Owl]; [c:*] laugh; [c:nobody].",
            branches=(
                Branch(id="up", choice="Up", next_scene="one", compass_change=UP),
                Branch(id="on", choice="On", next_scene="two"),
            ),
        ),
        Scene(id="two", title="Two", type="narrative", description="x", next_scene="end"),
        Scene(id="end", title="End", type="special", description="x"),
    ),
)
PLAYERS = (Player(id="p1", name="Mira", character_id="fox", profile_id="mira"), Player(id="p2", name="Gus"))


def fresh():
    return moves.start(
        SCRIPT, session_id="s", account_id="a", owner_profile_id="mira", players=PLAYERS, seed=1, now=NOW
    )[0]


def play(session, *choices: str):
    told = ()
    for choice in choices:
        asked = Asked(scene_id=session.scene_id, choice=choice, key=f"k{len(session.moves)}")
        session, _, told = moves.move(session, SCRIPT, asked, NOW + timedelta(seconds=len(session.moves) + 1))
    return session, told


def test_the_session_compass_is_clamped_and_the_players_totals_are_not() -> None:
    session, _ = play(fresh(), "up", "up", "up")
    assert session.compass == {"courage": 2000}
    assert session.totals == {"p1": {"courage": 2700}}


def test_an_axis_at_one_is_an_achievement_once() -> None:
    session, _ = play(fresh(), "up", "up", "up", "on", "continue")
    assert [(one.kind, one.axis) for one in session.achievements] == [
        ("first_choice", None),
        ("axis_reached", "courage"),
        ("completed", None),
    ]


def test_an_ending_completes_and_tells_score_and_duration() -> None:
    session, told = play(fresh(), "up", "on", "continue")
    assert session.state == "completed"
    (fact,) = told
    assert isinstance(fact, SessionCompleted)
    assert (fact.score, fact.duration_s) == (900, 3)


def test_a_move_from_another_scene_is_refused_with_the_current_one() -> None:
    session, _ = play(fresh(), "on")
    with pytest.raises(SceneMovedOn) as refused:
        moves.move(session, SCRIPT, Asked(scene_id="one", choice="up", key="k"), NOW)
    assert refused.value.facts["scene_id"] == "two"


def test_a_repeated_key_finds_its_move_and_another_body_is_refused() -> None:
    session, _ = play(fresh(), "up")
    assert moves.repeated(session, Asked(scene_id="one", choice="up", key="k0")) == session.moves[0]
    assert moves.repeated(session, Asked(scene_id="one", choice="up", key="new")) is None
    with pytest.raises(KeyReused):
        moves.repeated(session, Asked(scene_id="one", choice="on", key="k0"))


@pytest.mark.parametrize("choice", ["continue", "roll", "nothing", ""])
def test_what_the_scene_does_not_offer_is_refused(choice: str) -> None:
    with pytest.raises(ChoiceUnknown, match="up, on"):
        moves.move(fresh(), SCRIPT, Asked(scene_id="one", choice=choice, key="k"), NOW)


def test_pauses_do_not_count_as_played_time() -> None:
    session = moves.pause(fresh(), NOW + timedelta(seconds=10))
    with pytest.raises(SessionPaused):
        moves.move(session, SCRIPT, Asked(scene_id="one", choice="up", key="k"), NOW)
    assert moves.pause(session, NOW + timedelta(seconds=50)) is session
    session = moves.resume(session, NOW + timedelta(seconds=110))
    assert moves.elapsed_s(session, NOW + timedelta(seconds=115)) == 15


def test_what_is_abandoned_cannot_go_on() -> None:
    session, told = moves.abandon(fresh(), NOW)
    assert isinstance(told[0], SessionAbandoned)
    assert moves.abandon(session, NOW) == (session, ())
    with pytest.raises(SessionOver):
        moves.move(session, SCRIPT, Asked(scene_id="one", choice="up", key="k"), NOW)


def test_the_die_is_fair_and_repeatable() -> None:
    faces = [moves.throw(seed, 0, 10).value for seed in range(20_000)]
    assert set(faces) == set(range(1, 21))
    assert all(800 < faces.count(face) < 1_200 for face in range(1, 21))
    assert moves.throw(5, 3, 10) == moves.throw(5, 3, 10)
    assert [moves.throw(5, n, 1).value for n in range(5)] != [moves.throw(6, n, 1).value for n in range(5)]


def test_placeholders_become_names() -> None:
    text = moves.named(fresh(), SCRIPT, SCRIPT.scene("one").description)
    assert text == "Mira meets Owl; Mira and Gus laugh; nobody."


def test_scores_add_up_and_badges_come_tier_by_tier() -> None:
    session, _ = play(fresh(), "up", "up", "on", "continue")
    mine = score(session, PLAYERS[0], NOW)
    assert mine.axis_sums == {"courage": 1800}
    sums = lifetime([mine, mine])
    goals = [
        BadgeGoal(id=tier, age_group="6-9", axis="courage", tier=tier, name=tier, threshold=at)
        for tier, at in (("gold", 3600), ("bronze", 100), ("silver", 3601))
    ]
    assert [goal.id for goal in earned(goals, "6-9", sums)] == ["bronze"]
    assert earned(goals, "3-5", sums) == ()
    badge, fact = award("mira", goals[1], "s", NOW)
    assert (badge.id, fact.badge_id, fact.tier) == ("mira|bronze", "bronze", "bronze")


def test_a_throw_of_the_die_is_no_first_choice() -> None:
    leap = Scene(
        id="one",
        title="One",
        type="roll",
        description="x",
        difficulty=10,
        branches=(Branch(id="over", choice="Over", next_scene="two"), Branch(id="in", choice="In", next_scene="two")),
    )
    script = msgspec.structs.replace(SCRIPT, scenes=(leap, *SCRIPT.scenes[1:]))
    session, _, _ = moves.move(fresh(), script, Asked(scene_id="one", choice="roll", key="k"), NOW)
    assert session.rolls == 1 and session.achievements == ()


def test_a_game_given_up_in_a_pause_was_not_played_meanwhile() -> None:
    session = moves.pause(fresh(), NOW + timedelta(seconds=10))
    session, _ = moves.abandon(session, NOW + timedelta(days=3))
    assert moves.elapsed_s(session, NOW + timedelta(days=9)) == 10


def test_a_move_in_the_name_of_somebody_who_does_not_play_is_refused() -> None:
    with pytest.raises(PlayerUnknown, match="p1, p2"):
        moves.move(fresh(), SCRIPT, Asked(scene_id="one", choice="up", key="k", player_id="p3"), NOW)


def test_an_echo_that_comes_back_names_the_players() -> None:
    one, two, end = SCRIPT.scenes
    promise = EchoLog(echo_type="promise", description="[c:fox] gave a word.", strength=500)
    said = msgspec.structs.replace(one.branches[1], echo_log=promise)
    script = msgspec.structs.replace(
        SCRIPT,
        scenes=(
            msgspec.structs.replace(one, branches=(one.branches[0], said)),
            msgspec.structs.replace(two, echo_reveals=(EchoReveal(echo_type="promise"),)),
            end,
        ),
    )
    session, made, _ = moves.move(fresh(), script, Asked(scene_id="one", choice="on", key="k"), NOW)
    assert [reveal.text for reveal in outcome(session, script, made).reveals] == ["Mira gave a word."]


def test_the_shortest_way_to_an_ending_is_counted_over_loops() -> None:
    assert [moves_left(SCRIPT, scene.id) for scene in SCRIPT.scenes] == [2, 1, 0]
    scene = Scene(id="one", title="One", type="choice", description="x", branches=(Branch(id="stop", choice="Stop"),))
    assert moves_left(Script(scenario_id="s", version=1, title="S", start="one", scenes=(scene,)), "one") == 1


def test_progress_grows_to_a_hundred_and_an_echo_shows_once() -> None:
    echoing = EchoLog(echo_type="gift", description="You gave.", strength=500)
    first = SCRIPT.scenes[0]
    branches = (first.branches[0], Branch(id="on", choice="On", next_scene="two", echo_log=echoing))
    one = Scene(id="one", title="One", type="choice", description="x", branches=branches)
    played = Script(scenario_id="story", version=2, title="Story", start="one", scenes=(one, *SCRIPT.scenes[1:]))
    session = fresh()
    seen = [(progress(session, played), echo_left(session))]
    for at, (scene, choice) in enumerate((("one", "up"), ("one", "on"), ("two", "continue"))):
        session, _, _ = moves.move(session, played, Asked(scene_id=scene, choice=choice, key=str(at)), NOW)
        seen.append((progress(session, played), echo_left(session)))
    assert [percent for percent, _ in seen] == [0, 33, 67, 100]
    assert [echo.text if echo else None for _, echo in seen] == [None, None, "You gave.", None]
