"""The player API: start games, see where they stand, make moves."""

from contextlib import AbstractContextManager
from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Stream

from mystira.play import actions
from mystira.play.actions import Keyed, Seat
from mystira.play.model.moves import KEY_MAX, Asked
from mystira.play.model.session import GameSession, State
from mystira.play.problems import (
    ChoiceUnknown,
    ConsentMissing,
    KeyReused,
    PlayersInvalid,
    PlayerUnknown,
    ProfileNotFound,
    PurchaseNeeded,
    SceneMovedOn,
    SessionNotFound,
    SessionOver,
    SessionPaused,
    StoryNotFound,
    TooYoung,
)
from mystira.play.trophies.views import Activity, activity
from mystira.play.views import Outcome, Standing, outcome, script, session, standing
from mystira.polyglot.entity import Stamp
from mystira.polyglot.store import Key
from mystira.polyglot.work import Works
from mystira.web.access import allow, family
from mystira.web.bodies import Body, BodyInvalid, convert, read_body
from mystira.web.keys import KEY_LENGTH_MAX, KeyMissing, KeysDiffer, key_of_either
from mystira.web.lists import LISTING, PageUnknown, span_asked
from mystira.web.openapi import describe
from mystira.web.repeats import REPEATABLE, hash_of, repeat_key
from mystira.web.streams import Coming, Gone, Streams, TooManyStreams, told

OWN_GAME = allow("family", touches="game session")


class PlayerAsked(Body, frozen=True, kw_only=True):
    """One player: a profile of the family, or a guest with a name."""

    profile_id: str | None = None
    name: str | None = None
    character_id: str | None = None
    age_group: str | None = None


class GameAsked(Body, frozen=True, kw_only=True):
    """A game to start, or to continue if one of the same owner and story is unfinished."""

    scenario_id: str
    owner_profile_id: str
    players: tuple[PlayerAsked, ...]
    restart: bool = False
    parent_allows: bool = False


class MoveAsked(Body, frozen=True, kw_only=True):
    """A move: the scene that was seen, a branch id or "continue" or "roll".

    The caller's own key for it stands here or in the header `Idempotency-Key`.
    """

    scene_id: str
    choice: str
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=KEY_MAX)] | None = None
    player_id: str | None = None


class GamesAsked(Body, frozen=True, kw_only=True):
    """Which of the family's games."""

    state: State | None = None


START = GameAsked(
    scenario_id="the-clockwork-orchard",
    owner_profile_id="sample-mira",
    players=(PlayerAsked(profile_id="sample-mira", character_id="pip"), PlayerAsked(name="Gus")),
)
MOVE = MoveAsked(scene_id="gate", choice="continue", key="4f1c9a52-first-move")
STARTING = describe(
    Standing,
    example=START,
    headers=REPEATABLE,
    refusals=(ConsentMissing, KeyReused, PlayersInvalid, ProfileNotFound, PurchaseNeeded, StoryNotFound, TooYoung),
)
MOVING = describe(
    Outcome,
    example=MOVE,
    headers={"Idempotency-Key": "A key of your own, where `key` is not in the body; one of them is needed."},
    refusals=(
        *(ChoiceUnknown, KeyMissing, KeyReused, KeysDiffer, PlayerUnknown),
        *(SceneMovedOn, SessionNotFound, SessionOver, SessionPaused),
    ),
)
WATCHING = describe(Standing, refusals=(SessionNotFound, TooManyStreams), streams=True)
SEEING = describe(Standing, refusals=(SessionNotFound,))
CHANGING = describe(Standing, refusals=(SessionNotFound, SessionOver))
LISTED = describe(
    Activity,
    query={"state": (State, "Only the games in this state."), **LISTING},
    refusals=(BodyInvalid, PageUnknown),
)


@get("/api/v1/sessions", opt=OWN_GAME | LISTED)
async def games(request: Request[Any, Any, Any]) -> Activity:
    """List the family's games, finished ones as well, those played last first."""
    given = request.query_params
    asked = convert({"state": given["state"]} if given.get("state") else {}, GamesAsked, strict=False)
    span = span_asked(given)
    who = await family(request)
    return await activity(_works(request).open(), who.account_id, span, asked.state)


@post("/api/v1/sessions", opt=OWN_GAME | STARTING)
async def start(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Start a game, or return the unfinished one.

    With an `Idempotency-Key`, the same request always brings the same game, as it stands by then.
    """
    asked = await read_body(request, GameAsked)
    who = await family(request)
    key = repeat_key(request)
    seats = tuple(msgspec.convert(player, Seat, from_attributes=True) for player in asked.players)
    works = _works(request)
    game = await actions.start_game(
        works,
        account_id=who.account_id,
        owner_profile_id=asked.owner_profile_id,
        scenario_id=asked.scenario_id,
        seats=seats,
        restart=asked.restart,
        parent_allows=asked.parent_allows,
        keyed=Keyed(key=key, asked=hash_of(asked)) if key else None,
    )
    return _json(await _standing(works, who.account_id, game.id), status=201)


@get("/api/v1/sessions/{session_id:str}", opt=OWN_GAME | SEEING)
async def see(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Response[bytes]:
    """Show where a game stands."""
    who = await family(request)
    return _json(await _standing(_works(request), who.account_id, session_id))


@get("/api/v1/sessions/{session_id:str}/events", opt=OWN_GAME | WATCHING)
async def watch(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Stream:
    """Tell where a game stands, and again after every change, on whichever device (server-sent events `standing`).

    The first event is where it stands now, so a stream that was lost and opened again has missed nothing.
    """
    who = await family(request)
    works = _works(request)
    await session(works.open(), who.account_id, session_id)

    async def may_look() -> bool:
        return await request.app.state.authenticate(request) is not None

    telling = _telling(works, Key(who.account_id, session_id))
    return cast(Streams, request.app.state.streams).answer(who.account_id, telling, may_look)


def _telling(works: Works, key: Key) -> AbstractContextManager[Coming]:
    async def read() -> tuple[Stamp, GameSession]:
        work = works.open()
        try:
            game = await session(work, *key)
        except SessionNotFound as gone:
            raise Gone from gone
        return work.version_of(game), game

    async def show(game: GameSession) -> bytes:
        work = works.open()
        shown = standing(game, await script(work, game.scenario_id, game.scenario_version), work)
        return told("standing", msgspec.json.encode(shown).decode())

    return works.watchers.watch(works.catalog.of(GameSession).name, key, read, show)


@post("/api/v1/sessions/{session_id:str}/moves", opt=OWN_GAME | MOVING, status_code=200)
async def move(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Response[bytes]:
    """Make a move. The same key brings the first answer again; a scene already left is refused with 409.

    The refusal's `standing` then shows where the game stands.
    """
    asked = await read_body(request, MoveAsked)
    key = key_of_either(request, asked.key or "")
    if not key:
        raise KeyMissing(most=KEY_LENGTH_MAX)
    who = await family(request)
    works = _works(request)
    wanted = Asked(scene_id=asked.scene_id, choice=asked.choice, key=key, player_id=asked.player_id)
    try:
        game, made = await works.run(actions.make_move, account_id=who.account_id, session_id=session_id, asked=wanted)
    except (SceneMovedOn, SessionOver, SessionPaused) as refused:
        # Whoever is late needs to know where the game stands now, and should not have to ask for it.
        now = await _standing(works, who.account_id, session_id)
        raise type(refused)(**refused.facts, standing=now) from refused
    played = await script(works.open(), game.scenario_id, game.scenario_version)
    answer: Outcome = outcome(game, played, made)
    return _json(answer)


@post("/api/v1/sessions/{session_id:str}/pause", opt=OWN_GAME | CHANGING, status_code=200)
async def pause(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Response[bytes]:
    """Stop the clock."""
    return await _changed(request, session_id, actions.pause_session)


@post("/api/v1/sessions/{session_id:str}/resume", opt=OWN_GAME | CHANGING, status_code=200)
async def resume(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Response[bytes]:
    """Let the clock run again."""
    return await _changed(request, session_id, actions.resume_session)


@post("/api/v1/sessions/{session_id:str}/abandon", opt=OWN_GAME | CHANGING, status_code=200)
async def abandon(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Response[bytes]:
    """Give the game up."""
    return await _changed(request, session_id, actions.abandon_session)


async def _changed(request: Request[Any, Any, Any], session_id: str, action: Any) -> Response[bytes]:
    who = await family(request)
    works = _works(request)
    await works.run(action, account_id=who.account_id, session_id=session_id)
    return _json(await _standing(works, who.account_id, session_id))


async def _standing(works: Works, account_id: str, session_id: str) -> Standing:
    work = works.open()
    game = await session(work, account_id, session_id)
    return standing(game, await script(work, game.scenario_id, game.scenario_version), work)


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


def _json(value: Any, status: int = 200) -> Response[bytes]:
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json")


HANDLERS = (games, start, see, watch, move, pause, resume, abandon)
