"""The pages of the directory: accounts, profiles, and one account with its players."""

from typing import Any, cast

from litestar import Request, Response, get
from litestar.params import FromPath

from mystira.accounts.directory import views
from mystira.accounts.directory.http import ListOfAccounts, ListOfProfiles, looking, wanted
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow
from mystira.web.pages import page


@get(f"{ADMIN}/accounts", opt=allow("viewer", page=True), include_in_schema=False)
async def accounts_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """List accounts."""
    eyes, asked = await looking(request), wanted(request, ListOfAccounts)
    found = await views.accounts(eyes, asked)
    return page(request, "accounts/directory.html", found=found, asked=asked, reveal=eyes.reveal)


@get(f"{ADMIN}/accounts/profiles", opt=allow("viewer", page=True), include_in_schema=False)
async def profiles_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """List players' profiles."""
    eyes, asked = await looking(request), wanted(request, ListOfProfiles)
    found = await views.profiles(eyes, asked)
    return page(request, "accounts/directory_profiles.html", found=found, asked=asked, reveal=eyes.reveal)


@get(f"{ADMIN}/accounts/of/{{account_id:str}}", opt=allow("viewer", page=True), include_in_schema=False)
async def account_page(request: Request[Any, Any, Any], account_id: FromPath[str]) -> Response[bytes]:
    """Show one account, from the stores that lead."""
    eyes = await looking(request)
    found = await views.account(cast(Works, request.app.state.works).open(), account_id, reveal=eyes.reveal)
    return page(request, "accounts/directory_account.html", found=found, reveal=eyes.reveal)


HANDLERS = (accounts_page, profiles_page, account_page)
