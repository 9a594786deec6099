"""The Admin API of the directory: accounts and profiles, searched, sorted, page by page; one account whole."""

from typing import Any, cast

from litestar import Request, get
from litestar.params import FromPath

from mystira.accounts.directory import views
from mystira.accounts.directory.problems import AccountNotFound, OrderHidden
from mystira.accounts.directory.views import (
    AccountOrder,
    AccountShown,
    AccountsPage,
    Looking,
    ProfileOrder,
    ProfilesPage,
    Wanted,
)
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow, staff
from mystira.web.bodies import Body, BodyInvalid, convert
from mystira.web.lists import PageUnknown
from mystira.web.openapi import describe

QUERY = {
    "search": "An id or a whole address; for administrators also the beginning of an address, or a part of a name.",
    "order": "What to sort by; what is personal for administrators only.",
    "descending": "The last one first.",
    "after": "What the page before gave as `after`.",
}


class ListOfAccounts(Body, frozen=True, kw_only=True):
    """Which accounts."""

    search: str = ""
    order: AccountOrder = "created_at"
    descending: bool = False
    after: str = ""


class ListOfProfiles(Body, frozen=True, kw_only=True):
    """Which profiles."""

    search: str = ""
    order: ProfileOrder = "created_at"
    descending: bool = False
    after: str = ""


REFUSALS = (OrderHidden, PageUnknown, BodyInvalid)


@get(
    f"{ADMIN}/api/accounts",
    opt=allow("viewer") | describe(AccountsPage, asked=ListOfAccounts, query=QUERY, refusals=REFUSALS),
)
async def list_accounts(request: Request[Any, Any, Any]) -> AccountsPage:
    """List accounts, and tell where they were read and how fresh that is."""
    return await views.accounts(await looking(request), wanted(request, ListOfAccounts))


@get(
    f"{ADMIN}/api/profiles",
    opt=allow("viewer") | describe(ProfilesPage, asked=ListOfProfiles, query=QUERY, refusals=REFUSALS),
)
async def list_profiles(request: Request[Any, Any, Any]) -> ProfilesPage:
    """List players' profiles, and tell where they were read and how fresh that is."""
    return await views.profiles(await looking(request), wanted(request, ListOfProfiles))


@get(
    f"{ADMIN}/api/accounts/{{account_id:str}}",
    opt=allow("viewer") | describe(AccountShown, refusals=(AccountNotFound,)),
)
async def show_account(request: Request[Any, Any, Any], account_id: FromPath[str]) -> AccountShown:
    """Show one account with its players and consents, from the stores that lead."""
    works = cast(Works, request.app.state.works)
    return await views.account(works.open(), account_id, reveal=(await looking(request)).reveal)


async def looking(request: Request[Any, Any, Any]) -> Looking:
    """Return with whose eyes the directory is looked at."""
    who = await staff(request)
    return Looking(request.app.state.replication, request.app.state.reader, who.may("admin"))


def wanted(request: Request[Any, Any, Any], shape: type[ListOfAccounts | ListOfProfiles]) -> Wanted:
    """Return what the address asks for; BodyInvalid names what does not fit."""
    given = {name: value for name, value in request.query_params.items() if value}
    asked = convert(given, shape, strict=False)
    return Wanted(search=asked.search, order=asked.order, descending=asked.descending, after=asked.after)


HANDLERS = (list_accounts, list_profiles, show_account)
