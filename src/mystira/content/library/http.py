"""The player API of the library."""

from typing import Any, Literal, cast

from litestar import Request, get
from litestar.params import FromPath

from mystira.content.library import views
from mystira.content.library.problems import StoryNotFound
from mystira.content.library.views import Library, LibraryStory, Sought, Stories
from mystira.polyglot.work import Work, Works
from mystira.web.access import allow, principal
from mystira.web.bodies import Body, BodyInvalid, convert
from mystira.web.lists import LISTING, PageUnknown, span_asked
from mystira.web.openapi import describe

QUERY = {
    "age_group": "Only the stories for this age group.",
    "length": "Only the stories that take this long.",
    "axis": "Only the stories that move this axis of the compass.",
    "bundle": "Only the stories of this bundle.",
    "words": "Words that the title, the description or the tags hold, all of them.",
    **LISTING,
}


class LibraryAsked(Body, frozen=True, kw_only=True):
    """What an address asks of the library."""

    age_group: str = ""
    length: Literal["", "Short", "Medium", "Long"] = ""
    axis: str = ""
    bundle: str = ""
    words: str = ""


@get(
    "/api/v1/library",
    opt=allow("anyone") | describe(Library, asked=LibraryAsked, query=QUERY, refusals=(PageUnknown, BodyInvalid)),
)
async def library(request: Request[Any, Any, Any]) -> Library:
    """List the published stories that fit, by title; a signed-in family sees what it has bought."""
    who = await principal(request)
    return await views.library(
        _work(request), sought_in(request), who.account_id if who else None, span_asked(request.query_params)
    )


@get(
    "/api/v1/stories",
    opt=allow("anyone")
    | describe(
        Stories,
        query={"age_group": "Only the stories for this age group.", **LISTING},
        refusals=(PageUnknown, BodyInvalid),
    ),
)
async def stories(request: Request[Any, Any, Any]) -> Stories:
    """List the published stories, by title."""
    given = request.query_params
    return await views.stories(_work(request), given.get("age_group", ""), span_asked(given))


@get("/api/v1/stories/{scenario_id:str}", opt=allow("anyone") | describe(LibraryStory, refusals=(StoryNotFound,)))
async def story(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> LibraryStory:
    """Show one published story, and what it asks of whoever looks."""
    who = await principal(request)
    return await views.one_story(_work(request), scenario_id, who.account_id if who else None)


def sought_in(request: Request[Any, Any, Any]) -> Sought:
    """Return what the address asks for; BodyInvalid names what does not fit."""
    named = {name: value for name, value in request.query_params.items() if name not in LISTING}
    asked = convert(named, LibraryAsked, strict=False)
    return Sought(
        age_group=asked.age_group,
        length=asked.length,
        axis=asked.axis,
        bundle=asked.bundle,
        words=asked.words,
    )


def _work(request: Request[Any, Any, Any]) -> Work:
    return cast(Works, request.app.state.works).open()


HANDLERS = (library, stories, story)
