"""The pages that children play on; they work without JavaScript, and htmx makes them smooth."""

from typing import Annotated, Any, cast

import msgspec
from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from mystira.accounts import views as accounts
from mystira.content import views as content
from mystira.play import actions
from mystira.play.actions import Seat
from mystira.play.model.moves import KEY_MAX, Asked, named
from mystira.play.model.script import Script
from mystira.play.model.session import GameSession
from mystira.play.problems import SceneMovedOn, SessionOver, StoryNotFound
from mystira.play.views import badges, script, session, standing, unfinished
from mystira.polyglot.work import Work, Works
from mystira.web.access import allow, family, principal
from mystira.web.bodies import Body, read_form
from mystira.web.pages import page

OWN_GAME = allow("family", touches="game session", page=True)


class StartForm(Body, frozen=True, kw_only=True):
    """Who plays, by profile id, the owner of the game first."""

    players: tuple[str, ...] = ()
    restart: bool = False


class MoveForm(Body, frozen=True, kw_only=True):
    """A move as a button sends it."""

    scene_id: str
    choice: str
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=KEY_MAX)]


@get("/", opt=allow("anyone", page=True), include_in_schema=False)
async def home(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show the stories, and what can be continued."""
    work = _works(request).open()
    who = await principal(request)
    age_group = request.query_params.get("age_group", "")
    search = request.query_params.get("search", "")
    return page(
        request,
        "play/_stories.html" if request.headers.get("hx-request") else "play/home.html",
        stories=await content.library(work, age_group or None, search),
        age_groups=await content.age_groups(work),
        axes=await content.axis_names(work),
        age_group=age_group,
        search=search,
        unfinished=await unfinished(work, who.account_id) if who else (),
        demo=request.app.state.demo,
    )


@get("/stories/{scenario_id:str}", opt=allow("anyone", page=True), include_in_schema=False)
async def story_page(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[bytes]:
    """Show one story, and who may play it."""
    work = _works(request).open()
    story = await content.story(work, scenario_id)
    if story is None:
        raise StoryNotFound
    who = await principal(request)
    return page(
        request,
        "play/story.html",
        story=story,
        axes=await content.axis_names(work),
        profiles=await accounts.profiles(work, who.account_id) if who else (),
    )


@post("/stories/{scenario_id:str}/play", opt=OWN_GAME, include_in_schema=False)
async def start(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Redirect:
    """Start the story with the chosen players, each in a character of its own."""
    form = await read_form(request, StartForm)
    who = await family(request)
    works = _works(request)
    story = await content.story(works.open(), scenario_id)
    if story is None:
        raise StoryNotFound
    free = iter([character.id for character in story.characters])
    seats = tuple(Seat(profile_id=profile_id, character_id=next(free, None)) for profile_id in form.players)
    game = await actions.start_game(
        works,
        account_id=who.account_id,
        owner_profile_id=form.players[0] if form.players else "",
        scenario_id=scenario_id,
        seats=seats,
        restart=form.restart,
    )
    return Redirect(f"/play/{game.id}", status_code=303)


@get("/play/{session_id:str}", opt=OWN_GAME, include_in_schema=False)
async def scene_page(request: Request[Any, Any, Any], session_id: FromPath[str]) -> Response[bytes]:
    """Show where the story stands: its scene, or its ending."""
    return await _shown(request, session_id)


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


async def _shown(request: Request[Any, Any, Any], session_id: str, notice: str = "") -> Response[bytes]:
    who = await family(request)
    work = _works(request).open()
    game = await session(work, who.account_id, session_id)
    played = await script(work, game.scenario_id, game.scenario_version)
    context: dict[str, Any] = {
        "standing": standing(game, played, work),
        "last": game.moves[-1] if game.moves else None,
        "axes": await content.axis_names(work),
        "notice": notice,
        "image": next((card.image for card in (await content.story(work, game.scenario_id),) if card), None),
        "badges": await _earned(work, game.id, [player.profile_id for player in game.players]) if game.is_over else (),
    }
    context["closing"] = _closing_choice(game, played)
    fragment = request.headers.get("hx-request") is not None
    return page(request, "play/_scene.html" if fragment else "play/scene.html", **context)


def _closing_choice(game: GameSession, played: Script) -> str:
    """Return the text of the choice that ended the story without a scene of its own; "" otherwise."""
    last = game.moves[-1] if game.moves else None
    if last is None or not last.completed or last.next_scene_id is not None:
        return ""
    scene = played.scene(last.scene_id)
    return next((named(game, played, branch.choice) for branch in scene.branches if branch.id == last.branch_id), "")


async def _earned(work: Work, session_id: str, profile_ids: list[str | None]) -> tuple[Any, ...]:
    earned = [badge for id in profile_ids if id is not None for badge in await badges(work, id)]
    return tuple(badge for badge in earned if badge.session_id == session_id)


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (home, story_page, start, scene_page, move)
