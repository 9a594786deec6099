"""A draft, played by the real rules: each page is made anew from the way that was taken, so nothing is kept."""

from datetime import UTC, datetime
from typing import Any, NamedTuple, cast

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from mystira.content import views as content
from mystira.play.model import moves
from mystira.play.model.moves import Asked
from mystira.play.model.script import Script
from mystira.play.model.session import GameSession, Move, Player
from mystira.play.problems import StoryNotFound
from mystira.play.views import scene_shown
from mystira.polyglot.problem import Problem
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow
from mystira.web.bodies import Body, convert
from mystira.web.pages import page

STEPS_MAX = 300
BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


class Way(Body, frozen=True, kw_only=True):
    """The way that was taken: a choice after the other, each by its place, and the seed of the dice."""

    way: str = ""
    seed: int = 1
    start: str = ""


class Walked(NamedTuple):
    """Where a way has led: the game, its last move, and why it could not go on, if so."""

    game: GameSession
    move: Move | None
    way: tuple[int, ...]
    stuck: str | None


@get(f"{ADMIN}/content/preview/{{scenario_id:str}}", opt=allow("viewer", page=True), include_in_schema=False)
async def preview_page(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[bytes]:
    """Show where a way through a draft leads."""
    given = {name: value for name, value in request.query_params.items() if value}
    asked = convert(given, Way, strict=False)
    draft = await content.draft(cast(Works, request.app.state.works).open(), scenario_id)
    if draft is None or not draft.scenes:
        raise StoryNotFound
    script: Script = msgspec.convert(draft, Script, from_attributes=True)
    if asked.start in {scene.id for scene in script.scenes}:
        script = msgspec.structs.replace(script, start=asked.start)
    walked = walk(script, _numbers(asked.way), asked.seed)
    images = {scene.id: scene.media.image for scene in draft.scenes}
    return page(
        request,
        "play/preview.html",
        scenario_id=scenario_id,
        title=draft.title,
        scene=scene_shown(walked.game, script, script.scene(walked.game.scene_id)),
        image=images.get(walked.game.scene_id),
        game=walked.game,
        move=walked.move,
        way=walked.way,
        stuck=walked.stuck,
        asked=asked,
        scenes=[(scene.id, scene.title) for scene in script.scenes],
    )


def walk(script: Script, way: tuple[int, ...], seed: int) -> Walked:
    """Play a script along a way, as far as it goes: a draft may lead to where nothing is."""
    players = (Player(id="you", name="You"),)
    game, _ = moves.start(
        script,
        session_id="preview",
        account_id="preview",
        owner_profile_id="",
        players=players,
        seed=seed,
        now=BEGUN,
    )
    made: Move | None = None
    for at, number in enumerate(way[:STEPS_MAX]):
        try:
            choices = moves.choices_of(script.scene(game.scene_id))
            asked = Asked(scene_id=game.scene_id, choice=choices[min(number, len(choices) - 1)], key=str(at))
            game, made, _ = moves.move(game, script, asked, BEGUN)
        except (KeyError, IndexError, Problem) as error:
            return Walked(game, made, way[:at], f"The story cannot go on from here: {_why(error)}")
    return Walked(game, made, way[:STEPS_MAX], None)


def _why(error: Exception) -> str:
    if isinstance(error, KeyError):
        return f"there is no scene {error.args[0]!r}."
    return error.message if isinstance(error, Problem) else "this scene offers nothing to choose."


def _numbers(way: str) -> tuple[int, ...]:
    return tuple(int(part) for part in way.split("-") if part.isdecimal() and len(part) < 4)


HANDLERS = (preview_page,)
