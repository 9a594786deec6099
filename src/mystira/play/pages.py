"""The pages that children play on; they work without JavaScript, and htmx makes them smooth."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from mystira.content import views as content
from mystira.play import actions
from mystira.play.model.moves import KEY_MAX, Asked, named
from mystira.play.model.script import Script
from mystira.play.model.session import GameSession
from mystira.play.problems import (
    SceneMovedOn,
    SessionOver,
)
from mystira.play.views import (
    SceneShown,
    achieved_names,
    avatars_of,
    earnings,
    echo_left,
    players_shown,
    progress,
    script,
    session,
    standing,
    statistics,
)
from mystira.polyglot.work import Work, Works
from mystira.web.access import allow, family
from mystira.web.bodies import Body, read_form
from mystira.web.pages import page

OWN_GAME = allow("family", touches="game session", page=True)
ELSEWHERE = "Somebody moved the story on, on another device."


class MoveForm(Body, frozen=True, kw_only=True):
    """A move as a button sends it."""

    scene_id: str
    choice: str
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=KEY_MAX)]


@get("/play/{session_id:str}", opt=OWN_GAME, include_in_schema=False)
async def scene_page(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Response[bytes]:
    """Show where the story stands: its scene, or its ending. A page that follows another device asks with `moved`."""
    moved = request.headers.get("hx-request") is not None and "moved" in request.query_params
    return await _shown(request, session_id, ELSEWHERE if moved else "")


@post("/play/{session_id:str}/moves", opt=OWN_GAME, include_in_schema=False)
async def move(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Response[Any]:
    """Make a move and show what follows; a move that comes too late shows where the story stands instead."""
    form = await read_form(request, MoveForm)
    who = await family(request)
    asked = Asked(scene_id=form.scene_id, choice=form.choice, key=form.key)
    notice = ""
    game = {"account_id": who.account_id, "session_id": session_id}
    try:
        # Whoever presses a choice plays, and needs no other button to end a pause first.
        await _works(request).run(actions.make_move, **game, asked=asked, wakes=True)
    except (SceneMovedOn, SessionOver):
        notice = "The story has moved on. Here is where it stands now."
    if request.headers.get("hx-request"):
        return await _shown(request, session_id, notice)
    return Redirect(f"/play/{session_id}", status_code=303)


@post("/play/{session_id:str}/pause", opt=OWN_GAME, include_in_schema=False)
async def pause(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Redirect:
    """Let the story wait: its clock stops, and whoever chooses next lets it go on."""
    return await _left(request, actions.pause_session, session_id)


@post("/play/{session_id:str}/abandon", opt=OWN_GAME, include_in_schema=False)
async def abandon(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Redirect:
    """Give the game up: nothing is counted for it."""
    return await _left(request, actions.abandon_session, session_id)


async def _left(request: Request[Any, Any, Any], action: Callable[..., Awaitable[Any]], session_id: str) -> Redirect:
    who = await family(request)
    with suppress(SessionOver):
        await _works(request).run(action, account_id=who.account_id, session_id=session_id)
    return Redirect("/", status_code=303)


@get("/play/{session_id:str}/earned", opt=OWN_GAME, include_in_schema=False)
async def earned(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Response[Any]:
    """Show what a finished game earned; a page asks again until everything is counted."""
    who = await family(request)
    work = _works(request).open()
    game = await session(work, who.account_id, session_id)
    if not game.is_over or not request.headers.get("hx-request"):
        return Redirect(f"/play/{session_id}", status_code=303)
    played = await script(work, game.scenario_id, game.scenario_version)
    context = await _counted(work, game, played)
    return page(request, "play/_earned.html", standing=standing(game, played, work), **context)


async def _shown(request: Request[Any, Any, Any], session_id: str, notice: str = "") -> Response[bytes]:
    who = await family(request)
    work = _works(request).open()
    game = await session(work, who.account_id, session_id)
    played = await script(work, game.scenario_id, game.scenario_version)
    story = await content.story(work, game.scenario_id)
    last, shown = game.moves[-1] if game.moves else None, standing(game, played, work)
    players = players_shown(game, played, await avatars_of(work, who.account_id))
    by_id = {player.id: player for player in players}
    context: dict[str, Any] = {
        "standing": shown,
        "last": last,
        "moved": by_id[last.player_id] if last else None,
        "turn": by_id[shown.scene.player_id],
        "players": players,
        "progress": progress(game, played),
        "echo": echo_left(game),
        "echo_names": await content.echo_names(work),
        "echoes": [(named(game, played, one.text), one.revealed_at_visit is not None) for one in game.echoes],
        "notice": notice,
        "image": story.image if story else None,
        "uploaded": await content.media_addresses(work, request.app.state.key, _media_of(shown.scene)),
        "texts": await content.media_texts(work, (shown.scene.media.image, shown.scene.media.video)),
        "closing": _closing_choice(game, played),
    }
    context |= await _ending(work, game, played) if game.is_over else {"axes": await content.axis_names(work)}
    fragment = request.headers.get("hx-request") is not None
    return page(request, "play/_scene.html" if fragment else "play/scene.html", **context)


async def _ending(work: Work, game: GameSession, played: Script) -> dict[str, Any]:
    """Return what the ending needs."""
    return await _counted(work, game, played) | {
        "age_groups": await content.age_groups(work),
        "statistics": statistics(game, work),
    }


async def _counted(work: Work, game: GameSession, played: Script) -> dict[str, Any]:
    """Return what each player earned, and whether all of it has been counted: a page asks until it has."""
    return {
        "earned": await earnings(work, game, played),
        "is_counted": game.state != "completed" or await actions.is_counted(work, game),
        "axes": await content.axis_names(work),
        "pictures": await content.badge_pictures(work),
        "achieved_names": await achieved_names(work, game),
    }


def _media_of(scene: SceneShown) -> list[str | None]:
    return [scene.media.image, scene.media.audio, scene.media.video, scene.music, *scene.sound_effects]


def _closing_choice(game: GameSession, played: Script) -> str:
    """Return the text of the choice that ended the story without a scene of its own; "" otherwise."""
    last = game.moves[-1] if game.moves else None
    if last is None or not last.completed or last.next_scene_id is not None:
        return ""
    scene = played.scene(last.scene_id)
    return next((named(game, played, branch.choice) for branch in scene.branches if branch.id == last.branch_id), "")


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (scene_page, move, pause, abandon, earned)
