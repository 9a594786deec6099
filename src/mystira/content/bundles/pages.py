"""The administration's pages of bundles: list, make, change, publish, archive, delete."""

from collections.abc import Awaitable, Callable
from typing import Any, Literal, cast

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from mystira.content import views as content
from mystira.content.bundles import actions, views
from mystira.content.bundles.model import DECIMALS, BundleDetails, ContentBundle, Price
from mystira.content.bundles.problems import (
    BundleBought,
    BundleExists,
    BundleInvalid,
    BundleNotFound,
    BundleStateWrong,
    StoriesMissing,
)
from mystira.content.bundles.views import BundlesWanted
from mystira.content.vocabulary.model import slug
from mystira.polyglot.problem import Problem
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, RoleTooLow, allow, staff
from mystira.web.answers import STATUS
from mystira.web.bodies import Body, convert, read_form
from mystira.web.lists import span_asked
from mystira.web.pages import page
from mystira.web.versions import Stale, etag, version_in

PLACE = f"{ADMIN}/content/bundles"
REFUSED = (BundleInvalid, BundleExists, BundleStateWrong, BundleBought, StoriesMissing, Stale)


class ListAsked(Body, frozen=True, kw_only=True):
    """Which bundles."""

    search: str = ""
    state: Literal["", "draft", "published", "archived"] = ""


class BundleForm(Body, frozen=True, kw_only=True):
    """A bundle as an editor writes it: stories one id a line, the price as people write prices, "" for free."""

    title: str
    description: str = ""
    image: str = ""
    age_group: str = ""
    stories: str = ""
    amount: str = ""
    currency: str = "EUR"
    version: str = ""
    why: str = ""


class StepForm(Body, frozen=True, kw_only=True):
    """Publish, archive or delete what was seen at this version."""

    step: Literal["published", "archived", "deleted"]
    version: str
    why: str = ""


@get(PLACE, opt=allow("viewer", page=True), include_in_schema=False)
async def list_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """List bundles by title."""
    named = {name: value for name, value in request.query_params.items() if name in ("search", "state")}
    asked = convert(named, ListAsked, strict=False)
    wanted = BundlesWanted(search=asked.search, state=asked.state or None)
    found, after = await views.every(_works(request).open(), wanted, span_asked(request.query_params))
    return page(request, "content/admin_bundles.html", found=found, after=after, asked=asked)


@get(f"{PLACE}/new", opt=allow("operator", page=True), include_in_schema=False)
async def new_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show an empty form."""
    return await _shown(request, None, BundleForm(title=""))


@post(f"{PLACE}/new", opt=allow("operator", page=True), include_in_schema=False)
async def create(request: Request[Any, Any, Any]) -> Response[Any]:
    """Make a bundle; its id is the slug of its title."""
    form = await read_form(request, BundleForm)
    works, who = _works(request), await staff(request)
    bundle_id = slug(form.title) or works.open().new_id()

    async def make() -> None:
        await works.run(actions.create_bundle, bundle_id=bundle_id, details=_details(form), by=who.name, why=form.why)

    return await _done(request, None, form, make, f"{PLACE}/{bundle_id}")


@get(f"{PLACE}/{{bundle_id:str}}", opt=allow("viewer", page=True), include_in_schema=False)
async def bundle_page(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> Response[bytes]:
    """Show one bundle to change it."""
    bundle = await views.bundle(_works(request).open(), bundle_id)
    return await _shown(request, bundle, None)


@post(f"{PLACE}/{{bundle_id:str}}", opt=allow("operator", page=True), include_in_schema=False)
async def change(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> Response[Any]:
    """Change a bundle; a form that somebody has overtaken is shown again with every word that was typed."""
    form = await read_form(request, BundleForm)
    works, who = _works(request), await staff(request)
    try:
        bundle = await views.bundle(works.open(), bundle_id)
    except BundleNotFound as gone:
        # What somebody wrote about a bundle that was deleted meanwhile can be made anew, as it is.
        return await _shown(request, None, form, gone)

    async def alter() -> None:
        about = {"bundle_id": bundle_id, "by": who.name, "why": form.why}
        await works.run(actions.change_bundle, **about, details=_details(form), seen=version_in(form.version))

    return await _done(request, bundle, form, alter, f"{PLACE}/{bundle_id}")


@post(f"{PLACE}/{{bundle_id:str}}/steps", opt=allow("operator", page=True), include_in_schema=False)
async def step(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> Response[Any]:
    """Publish, archive or, where nobody ordered it, delete a bundle."""
    form = await read_form(request, StepForm)
    works, who = _works(request), await staff(request)
    bundle = await views.bundle(works.open(), bundle_id)
    about = {"bundle_id": bundle_id, "by": who.name, "why": form.why}

    async def take() -> None:
        if form.step == "deleted":
            if not who.may("admin"):
                raise RoleTooLow(needed="admin", role=who.role)
            await works.run(actions.delete_bundle, **about, seen=version_in(form.version))
        else:
            await works.run(actions.move_bundle, **about, state=form.step, seen=version_in(form.version))

    onward = PLACE if form.step == "deleted" else f"{PLACE}/{bundle_id}"
    return await _done(request, bundle, None, take, onward, why=form.why)


async def _done(
    request: Request[Any, Any, Any],
    bundle: ContentBundle | None,
    form: BundleForm | None,
    doing: Callable[[], Awaitable[None]],
    onward: str,
    *,
    why: str = "",
) -> Response[Any]:
    try:
        await doing()
    except REFUSED as problem:
        return await _shown(request, bundle, form, problem, why)
    return Redirect(onward, status_code=303)


async def _shown(
    request: Request[Any, Any, Any],
    bundle: ContentBundle | None,
    form: BundleForm | None,
    problem: Problem | None = None,
    why: str = "",
) -> Response[bytes]:
    work = _works(request).open()
    now = None if bundle is None else await views.bundle(work, bundle.id)
    typed = _form(now) if form is None else form
    return page(
        request,
        "content/admin_bundle.html",
        status=STATUS[problem.kind] if problem else 200,
        bundle=now,
        form=typed,
        # What is shown has been seen, whatever was typed before: saving again is then meant.
        version=etag(work.version_of(now)).strip('"') if now is not None else "",
        saved=_form(now) if isinstance(problem, Stale) else None,
        titles=await views.titles_of(work, _ids(typed.stories)),
        stories=await content.library(work),
        age_groups=await content.age_groups(work),
        currencies=tuple(DECIMALS),
        notice=problem.message if problem else "",
        why=why,
    )


def _details(form: BundleForm) -> BundleDetails:
    return BundleDetails(
        title=form.title,
        description=form.description,
        image=form.image.strip() or None,
        scenario_ids=_ids(form.stories),
        age_group=form.age_group or None,
        price=_price(form.amount, form.currency),
    )


def _ids(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _price(amount: str, currency: str) -> Price | None:
    text = amount.strip().replace(",", ".")
    if not text:
        return None
    whole, dot, rest = text.partition(".")
    decimals = DECIMALS.get(currency, 2)
    is_amount = whole.isascii() and whole.isdigit() and len(whole) <= 8
    if not is_amount or (dot and not (rest.isascii() and rest.isdigit() and len(rest) <= decimals)):
        raise BundleInvalid(field="price", reason="Write the price like 4.99, or leave it empty: then it is free.")
    return Price(amount_minor=int(whole) * 10**decimals + int(rest.ljust(decimals, "0") or 0), currency=currency)


def _form(bundle: ContentBundle | None) -> BundleForm:
    if bundle is None:
        return BundleForm(title="")
    return BundleForm(
        title=bundle.title,
        description=bundle.description,
        image=bundle.image or "",
        age_group=bundle.age_group or "",
        stories="\n".join(bundle.scenario_ids),
        amount=bundle.price.text.split()[0].replace(",", "") if bundle.price else "",
        currency=bundle.price.currency if bundle.price else "EUR",
    )


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (list_page, new_page, create, bundle_page, change, step)
