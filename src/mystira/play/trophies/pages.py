"""The trophy room of a player, and the page on which a parent sees what was played."""

from typing import Any, cast

import msgspec
from litestar import Request, Response, get
from litestar.params import FromPath

from mystira.content import views as content
from mystira.play.problems import ProfileNotFound
from mystira.play.trophies.views import (
    EarnedBadges,
    StoryScores,
    TrophyRoom,
    activity,
    earned_badges,
    story_scores,
    trophy_room,
)
from mystira.polyglot.work import Works
from mystira.web.access import allow, family
from mystira.web.bodies import BodyInvalid
from mystira.web.lists import LISTING, PageUnknown, span_asked
from mystira.web.openapi import describe
from mystira.web.pages import page

OWN_PLAYER = allow("family", touches="profile")
OWN_PAGE = allow("family", touches="profile", page=True)


@get("/players/{profile_id:str}", opt=OWN_PAGE, include_in_schema=False)
async def trophies_page(request: Request[Any, Any, Any], profile_id: FromPath[str]) -> Response[bytes]:
    """Show what one player has earned, and what comes next."""
    who = await family(request)
    work = cast(Works, request.app.state.works).open()
    room = await trophy_room(work, who.account_id, profile_id)
    return page(request, "play/trophies.html", room=room, axes=await content.axis_names(work))


@get("/api/v1/profiles/{profile_id:str}/trophies", opt=OWN_PLAYER | describe(TrophyRoom, refusals=(ProfileNotFound,)))
async def trophies(request: Request[Any, Any, Any], profile_id: FromPath[str]) -> Response[bytes]:
    """Tell what one player has earned: badges, the way to the next ones, and counts over its finished games."""
    who = await family(request)
    room = await trophy_room(cast(Works, request.app.state.works).open(), who.account_id, profile_id)
    return Response(msgspec.json.encode(room), media_type="application/json")


PAGED = (BodyInvalid, PageUnknown, ProfileNotFound)


@get("/api/v1/profiles/{profile_id:str}/badges", opt=OWN_PLAYER | describe(EarnedBadges, query=LISTING, refusals=PAGED))
async def badges(request: Request[Any, Any, Any], profile_id: FromPath[str]) -> EarnedBadges:
    """List the badges that one player has earned, in the order of earning."""
    span, who = span_asked(request.query_params), await family(request)
    return await earned_badges(cast(Works, request.app.state.works).open(), who.account_id, profile_id, span)


@get("/api/v1/profiles/{profile_id:str}/scores", opt=OWN_PLAYER | describe(StoryScores, query=LISTING, refusals=PAGED))
async def scores(request: Request[Any, Any, Any], profile_id: FromPath[str]) -> StoryScores:
    """List what one player's first plays of stories have earned on each axis, in thousandths."""
    span, who = span_asked(request.query_params), await family(request)
    return await story_scores(cast(Works, request.app.state.works).open(), who.account_id, profile_id, span)


@get("/family/activity", opt=OWN_PAGE, include_in_schema=False)
async def activity_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show a parent what was played, the latest games first."""
    who = await family(request)
    games = await activity(cast(Works, request.app.state.works).open(), who.account_id)
    return page(request, "play/activity.html", games=games.items)


HANDLERS = (trophies_page, trophies, badges, scores, activity_page)
