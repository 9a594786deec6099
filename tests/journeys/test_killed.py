"""A process is killed at every step of what players do: nothing is lost, nothing happens twice."""

import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pytest

from mystira.accounts.actions import add_profile, give_consent
from mystira.analytics.views import story_count
from mystira.content.commands import import_folder
from mystira.play import actions
from mystira.play.actions import Seat
from mystira.play.model.moves import Asked
from mystira.play.model.results import CompassTracking, PlayerScenarioScore
from mystira.play.model.session import GameSession, Move, PlayClaim, claim_id
from mystira.play.views import badges, scores, session
from mystira.polyglot.query import equal
from mystira.polyglot.store import Key
from mystira.run import SAMPLE_CONTENT, settle
from mystira.services.platform import Platform
from tests.journeys.killing import Death, Place, after_leases, in_a_process_that_dies, opened, story_folder

pytestmark = pytest.mark.anyio

STORY = "the-short-cut"
TO_THE_END = (("fork", "fork:1"), ("leap", "roll"), ("hall", "continue"))


@pytest.fixture(params=["documents", "postgres"], ids=lambda led_by: f"{led_by} lead")
async def place(request: pytest.FixtureRequest, tmp_path: Path, clean_postgres: str) -> Place:
    place = Place(str(tmp_path / "data"), clean_postgres, request.param)
    (tmp_path / "content").mkdir()
    async with opened(place) as running:
        await import_folder(running.works, story_folder(tmp_path / "content", SAMPLE_CONTENT), print)
        await settle(running)
    return place


# How to die, and how many steps further each time.
EVERY_STEP: "Ways" = {"before": 1, "during": 1, "after": 1}


class Family(NamedTuple):
    """A family of its own for each death: a child who is the fox, a grown-up who is the owl, and a guest."""

    account_id: str

    @property
    def child(self) -> str:
        return f"{self.account_id}-child"

    @property
    def start(self) -> dict[str, Any]:
        seats = (
            Seat(profile_id=self.child, character_id="fox"),
            Seat(profile_id=f"{self.account_id}-parent", character_id="owl"),
            Seat(name="Gus"),
        )
        return {
            "account_id": self.account_id,
            "owner_profile_id": self.child,
            "scenario_id": STORY,
            "seats": seats,
        }

    async def move_in(self, running: Platform) -> None:
        about = {"account_id": self.account_id, "avatar": "fox"}
        await running.works.run(add_profile, **about, profile_id=self.child, name="Mira", age_group="6-9")
        await running.works.run(
            add_profile, **about, profile_id=f"{self.account_id}-parent", name="Ana", age_group="19-150"
        )
        await running.works.run(give_consent, account_id=self.account_id, profile_id=self.child)

    async def ready(self, running: Platform, prepare: "Prepare") -> dict[str, Any]:
        await self.move_in(running)
        return await prepare(running, self)

    async def begin(self, running: Platform, moves: int) -> GameSession:
        game = await actions.start_game(running.works, **self.start)
        for number in range(moves):
            await running.works.run(actions.make_move, **self.asks(game.id, number))
        return await session(running.works.open(), self.account_id, game.id)

    def asks(self, session_id: str, number: int) -> dict[str, Any]:
        scene_id, choice = TO_THE_END[number]
        asked = Asked(scene_id=scene_id, choice=choice, key=f"key {number}")
        return {"account_id": self.account_id, "session_id": session_id, "asked": asked}

    async def games(self, running: Platform) -> list[GameSession]:
        found = await running.works.open().find(GameSession, equal("account_id", self.account_id))
        return list(found.items)


Prepare = Callable[[Platform, Family], Awaitable[dict[str, Any]]]
Ways = dict[Literal["before", "during", "after"], int]
Check = Callable[[Platform, Family, dict[str, Any]], Awaitable[None]]


async def die_at_every_step(
    place: Place, command: str, prepare: Prepare, check: Check, *, at_least: int, ways: Ways = EVERY_STEP
) -> None:
    """Carry the command out again and again, each time dying further on, until a process lives through it."""
    deaths = 0
    for when, stride in ways.items():
        family = Family(f"{when}-1")
        async with opened(place) as running:
            arguments = await family.ready(running, prepare)
        for at in itertools.count(1, stride):
            died = await in_a_process_that_dies(place, Death(at, when), command, arguments)
            async with opened(place) as running:
                with after_leases(running):
                    await check(running, family, arguments)
                if not died:
                    break
                deaths += 1
                # Who comes next makes ready what already stands open, and it is opened anew after each death.
                family = Family(f"{when}-{at + stride}")
                arguments = await family.ready(running, prepare)
    assert deaths >= at_least, deaths


async def told(running: Platform, game: GameSession) -> int:
    """How many facts this game has ever told."""
    collection = running.works.catalog.of(GameSession)
    works = running.works
    leading = works.store_of(await works.leadership.term(collection))
    record = await leading.read(collection, Key(game.account_id, game.id))
    assert record is not None
    return record.event_seq


async def test_starting(place: Place) -> None:
    async def prepare(running: Platform, family: Family) -> dict[str, Any]:
        return family.start

    async def check(running: Platform, family: Family, arguments: dict[str, Any]) -> None:
        left = await family.games(running)
        first = await actions.start_game(running.works, **arguments)
        again = await actions.start_game(running.works, **arguments)
        (game,) = await family.games(running)
        assert first == again == game and left in ([], [game])
        claim = await running.works.open().get(PlayClaim, claim_id(family.account_id, family.child, STORY))
        assert claim is not None and claim.session_id == game.id
        assert await told(running, game) == 1

    await die_at_every_step(place, "start", prepare, check, at_least=10)


async def test_starting_over(place: Place) -> None:
    async def prepare(running: Platform, family: Family) -> dict[str, Any]:
        await family.begin(running, 1)
        return {**family.start, "restart": True}

    async def check(running: Platform, family: Family, arguments: dict[str, Any]) -> None:
        left = await family.games(running)
        assert len([game for game in left if not game.is_over]) <= 1
        resumed = await actions.start_game(running.works, **family.start)
        fresh = await actions.start_game(running.works, **arguments)
        games = {game.id: game for game in await family.games(running)}
        assert fresh.id != resumed.id and games[fresh.id].state == "in_progress"
        assert all(game.state == "abandoned" for game in games.values() if game.id != fresh.id)
        assert [await told(running, game) for game in games.values() if game.id != fresh.id] == [2] * (len(games) - 1)

    await die_at_every_step(place, "start", prepare, check, at_least=12)


@pytest.mark.parametrize("number", [0, 1, 2], ids=["choice", "roll", "ending"])
async def test_moving(place: Place, number: int) -> None:
    finished = 0

    async def prepare(running: Platform, family: Family) -> dict[str, Any]:
        game = await family.begin(running, number)
        return family.asks(game.id, number)

    async def check(running: Platform, family: Family, arguments: dict[str, Any]) -> None:
        nonlocal finished
        (left,) = await family.games(running)
        assert len(left.moves) in (number, number + 1)
        answers = [await running.works.run(actions.make_move, **arguments) for _ in range(2)]
        (game,) = await family.games(running)
        made: list[Move] = [move for _, move in answers]
        assert made[0] == made[1] == game.moves[-1] and len(game.moves) == number + 1
        if len(left.moves) > number:
            assert left == game
        assert await told(running, game) == (2 if number == 2 else 1)
        if number == 2:
            finished += 1
            await results_are_whole(running, game, finished)

    await die_at_every_step(place, "move", prepare, check, at_least=4)


async def test_abandoning(place: Place) -> None:
    async def prepare(running: Platform, family: Family) -> dict[str, Any]:
        game = await family.begin(running, 1)
        return {"account_id": family.account_id, "session_id": game.id}

    async def check(running: Platform, family: Family, arguments: dict[str, Any]) -> None:
        for _ in range(2):
            await running.works.run(actions.abandon_session, **arguments)
        (game,) = await family.games(running)
        assert (game.state, len(game.moves), await told(running, game)) == ("abandoned", 1, 2)
        assert (await actions.start_game(running.works, **family.start)).id != game.id

    await die_at_every_step(place, "abandon", prepare, check, at_least=3)


async def test_what_follows_an_ending(place: Place) -> None:
    finished = 0

    async def prepare(running: Platform, family: Family) -> dict[str, Any]:
        game = await family.begin(running, 2)
        # What was told before is carried onward first, so that every step below belongs to the ending.
        await settle(running)
        await running.works.run(actions.make_move, **family.asks(game.id, 2))
        return {}

    async def check(running: Platform, family: Family, arguments: dict[str, Any]) -> None:
        nonlocal finished
        finished += 1
        (game,) = await family.games(running)
        await results_are_whole(running, game, finished)

    # After a step is before the next one; and of this many writes, every third one cut short is enough.
    await die_at_every_step(place, "settle", prepare, check, at_least=20, ways={"before": 1, "during": 3})


async def results_are_whole(running: Platform, game: GameSession, finished: int) -> None:
    """Every score, badge, line and count that the game's end brings is there exactly once."""
    await settle(running)
    work = running.works.open()
    assert (await story_count(work, STORY)).completed == finished
    assert await work.count(PlayerScenarioScore) == 2 * finished
    lines = (await work.find(CompassTracking, equal("session_id", game.id))).items
    assert sorted((line.axis, line.delta) for line in lines) == sorted((step.axis, step.delta) for step in game.steps)
    for player in game.players[:2]:
        assert player.profile_id is not None
        (mine,) = await scores(work, player.profile_id)
        assert (mine.session_id, mine.axis_sums) == (game.id, game.totals[player.id])
    had = [badge.badge_id for badge in await badges(work, game.owner_profile_id)]
    assert sorted(had) == ["6-9-kindness-bronze", "6-9-kindness-silver"]
