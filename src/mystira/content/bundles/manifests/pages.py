"""A bundle sent as an archive, from its page."""

from typing import Any

from litestar import Request, get
from litestar.params import FromPath
from litestar.response import Stream

from mystira.content.bundles.manifests.http import send
from mystira.content.bundles.pages import PLACE
from mystira.web.access import allow


@get(f"{PLACE}/{{bundle_id:str}}/archive", opt=allow("viewer", page=True), include_in_schema=False)
async def download(request: Request[Any, Any, Any], bundle_id: FromPath[str]) -> Stream:
    """Send a bundle as an archive."""
    return await send(request, bundle_id)


HANDLERS = (download,)
