"""The Admin API of bundles: listed, written under an id of one's own, offered, withdrawn; writes name a version."""

import re
from typing import Any, Literal, cast

import msgspec
from litestar import Request, Response, delete, get, post, put
from litestar.params import FromPath

from mystira.content.bundles import actions, views
from mystira.content.bundles.model import BundleDetails, BundleState, ContentBundle, Price
from mystira.content.bundles.problems import (
    BundleBought,
    BundleExists,
    BundleInvalid,
    BundleNotFound,
    BundleStateWrong,
    StepUnknown,
    StoriesMissing,
)
from mystira.content.bundles.views import BundleOrder, BundlesWanted
from mystira.polyglot.entity import Value
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow, staff
from mystira.web.bodies import Body, BodyInvalid, convert, read_body
from mystira.web.lists import LISTING, PageUnknown, span_asked
from mystira.web.openapi import describe
from mystira.web.versions import (
    IF_MATCH,
    IF_NONE_MATCH,
    Stale,
    VersionNeeded,
    VersionUnreadable,
    etag,
    named_version,
)

API = f"{ADMIN}/api/bundles"
ONE = f"{API}/{{bundle_id:str}}"
STEPS: dict[str, BundleState] = {"publish": "published", "archive": "archived"}
WHY_LENGTH_MAX = 500
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,99}")


class PriceWritten(Body, frozen=True, kw_only=True):
    """A price in the smallest unit of its currency."""

    amount_minor: int
    currency: str


class BundleWritten(Body, frozen=True, kw_only=True):
    """What a bundle says and holds, and why it is written. Without a price it is free."""

    title: str
    description: str = ""
    image: str | None = None
    age_group: str | None = None
    scenario_ids: tuple[str, ...] = ()
    price: PriceWritten | None = None
    why: str = ""

    def details(self) -> BundleDetails:
        """Return what it says of the bundle."""
        price = self.price
        return BundleDetails(
            title=self.title,
            description=self.description,
            image=self.image,
            scenario_ids=self.scenario_ids,
            age_group=self.age_group,
            price=None if price is None else Price(amount_minor=price.amount_minor, currency=price.currency),
        )


class StepAsked(Body, frozen=True, kw_only=True):
    """Why a bundle is offered or withdrawn."""

    why: str = ""


class ListAsked(Body, frozen=True, kw_only=True):
    """Which bundles, in which order."""

    search: str = ""
    state: Literal["", "draft", "published", "archived"] = ""
    order: BundleOrder = "title"


class BundlesPage(Value, frozen=True, kw_only=True):
    """A page of bundles; `after` leads to the next one."""

    items: tuple[ContentBundle, ...]
    after: str | None


SAMPLE = BundleWritten(
    title="Quiet nights",
    description="Two stories for the end of the day.",
    scenario_ids=("the-moss-bridge", "the-clockwork-orchard"),
    price=PriceWritten(amount_minor=250, currency="EUR"),
    why="for the autumn",
)
WRITING = (Stale, VersionNeeded, VersionUnreadable, BundleNotFound)
LIST = describe(
    BundlesPage,
    asked=ListAsked,
    query={
        "search": "A part of the title, or the id.",
        "state": "Only the bundles in this state.",
        "order": "title or changed_at (the last one first).",
        **LISTING,
    },
    refusals=(PageUnknown, BodyInvalid),
)
PUT = describe(
    ContentBundle,
    example=SAMPLE,
    headers={**IF_MATCH, **IF_NONE_MATCH},
    also={201: "Made."},
    refusals=(*WRITING, BundleExists, BundleInvalid, StoriesMissing),
    versioned=True,
)
STEP = describe(
    ContentBundle,
    example=StepAsked(why="for the autumn"),
    headers=IF_MATCH,
    refusals=(*WRITING, BundleStateWrong, BundleInvalid, StoriesMissing, StepUnknown),
    versioned=True,
)
DELETE = describe(
    None, query={"why": "Why it is deleted."}, headers=IF_MATCH, refusals=(*WRITING, BundleBought, BodyInvalid)
)


@get(API, opt=allow("viewer") | LIST)
async def list_bundles(request: Request[Any, Any, Any]) -> BundlesPage:
    """List bundles, whatever their state."""
    given = {name: value for name, value in request.query_params.items() if name in ListAsked.__struct_fields__}
    asked = convert(given, ListAsked, strict=False)
    wanted = BundlesWanted(search=asked.search, state=asked.state or None, order=asked.order)
    items, after = await views.every(_works(request).open(), wanted, span_asked(request.query_params))
    return BundlesPage(items=items, after=after)


@get(ONE, opt=allow("viewer") | describe(ContentBundle, refusals=(BundleNotFound,), versioned=True))
async def show_bundle(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> Response[bytes]:
    """Show a bundle, whatever its state."""
    return await _shown(request, bundle_id)


@put(ONE, opt=allow("operator") | PUT)
async def put_bundle(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> Response[bytes]:
    """Write a bundle: a new draft (If-None-Match: *), or the one that you saw (If-Match)."""
    is_new = request.headers.get("if-none-match", "").strip() == "*"
    seen = None if is_new else named_version(request)
    if not _ID.fullmatch(bundle_id):
        raise BodyInvalid(summary="the id may have small letters, digits and -, at most 100", errors=[])
    sent, who = await read_body(request, BundleWritten), await staff(request)
    works, details, why = _works(request), sent.details(), _why(sent.why)
    if seen is None:
        await works.run(actions.create_bundle, bundle_id=bundle_id, details=details, by=who.name, why=why)
    else:
        await works.run(actions.change_bundle, bundle_id=bundle_id, details=details, seen=seen, by=who.name, why=why)
    return await _shown(request, bundle_id, status=201 if is_new else 200)


@post(f"{ONE}/steps/{{step:str}}", opt=allow("operator") | STEP, status_code=200)
async def take_step(request: Request[Any, Any, Any], bundle_id: FromPath[str], step: FromPath[str]) -> Response[bytes]:
    """Offer a bundle to players (publish), or withdraw it: nobody new can have it then (archive)."""
    seen = named_version(request)
    sent, who = await read_body(request, StepAsked), await staff(request)
    if step not in STEPS:
        raise StepUnknown(step=step[:60], steps=", ".join(STEPS))
    about = {"bundle_id": bundle_id, "by": who.name, "why": _why(sent.why)}
    state = STEPS[step]
    await _works(request).run(actions.move_bundle, **about, state=state, seen=seen)
    return await _shown(request, bundle_id)


@delete(ONE, opt=allow("admin") | DELETE, status_code=204)
async def delete_bundle(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> None:
    """Delete a bundle that nobody has ordered."""
    who, why = await staff(request), _why(request.query_params.get("why", ""))
    about = {"bundle_id": bundle_id, "by": who.name, "why": why}
    await _works(request).run(actions.delete_bundle, **about, seen=named_version(request))


async def _shown(request: Request[Any, Any, Any], bundle_id: str, *, status: int = 200) -> Response[bytes]:
    work = _works(request).open()
    bundle = await views.bundle(work, bundle_id)
    headers = {"ETag": etag(work.version_of(bundle)), "Cache-Control": "no-store"}
    return Response(msgspec.json.encode(bundle), status_code=status, media_type="application/json", headers=headers)


def _why(text: str) -> str:
    return " ".join(text.split())[:WHY_LENGTH_MAX]


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (list_bundles, show_bundle, put_bundle, take_step, delete_bundle)
