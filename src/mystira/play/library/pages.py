"""The pages before a game: the stories with their filters, and one story."""

from typing import Any, cast

from litestar import Request, Response, get
from litestar.params import FromPath

from mystira.content import views as content
from mystira.content.bundles import views as bundles
from mystira.content.library.views import Sought, library
from mystira.content.purchases import views as purchases
from mystira.play.library.views import played_before
from mystira.play.problems import StoryNotFound
from mystira.play.views import continuable
from mystira.polyglot.work import Works
from mystira.web.access import allow, principal
from mystira.web.lists import Span
from mystira.web.pages import page

STORIES_SHOWN = 24
BUNDLES_SHOWN, BUNDLES_NAMED = 4, 100
LENGTHS = ("Short", "Medium", "Long")


@get("/", opt=allow("anyone", page=True), include_in_schema=False)
async def home(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show the stories that fit, the bundles, and what can be continued."""
    work = _works(request).open()
    who = await principal(request)
    account_id = who.account_id if who else None
    asked = request.query_params
    sought = Sought(
        age_group=asked.get("age_group", ""),
        length=asked.get("length", ""),
        axis=asked.get("axis", ""),
        bundle=asked.get("bundle", ""),
        words=asked.get("search", ""),
    )
    offered = await bundles.offered(work, Span(limit=BUNDLES_NAMED))
    return page(
        request,
        "play/_stories.html" if request.headers.get("hx-request") else "play/home.html",
        found=await library(work, sought, account_id, Span(limit=STORIES_SHOWN, after=asked.get("after", ""))),
        sought=sought,
        age_groups=await content.age_groups(work),
        axes=await content.axis_names(work),
        lengths=LENGTHS,
        bundles=offered.items,
        shown=offered.items[:BUNDLES_SHOWN],
        has=await purchases.owned(work, account_id),
        games=await continuable(work, account_id) if account_id else (),
        demo=request.app.state.demo,
    )


@get("/stories/{scenario_id:str}", opt=allow("anyone", page=True), include_in_schema=False)
async def story_page(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[bytes]:
    """Show one story, what it asks of the family, who one can be in it, and who has played it before."""
    work = _works(request).open()
    who = await principal(request)
    account_id = who.account_id if who else None
    story = await content.story(work, scenario_id)
    if story is None:
        raise StoryNotFound
    return page(
        request,
        "play/story.html",
        story=story,
        asks=await purchases.story_claim(work, account_id, scenario_id),
        axes=await content.axis_names(work),
        games=await continuable(work, account_id, scenario_id) if account_id else (),
        before=await played_before(work, account_id, scenario_id) if account_id else (),
    )


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (home, story_page)
