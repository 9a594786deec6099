"""What makes the players' pages an app on a phone: a service worker at the root, and the page that it shows offline."""

from collections.abc import Mapping
from typing import Any, cast

from litestar import Request, Response, get

from mystira.web.access import allow
from mystira.web.files import StaticFile
from mystira.web.pages import page


@get("/sw.js", opt=allow("anyone"), include_in_schema=False, sync_to_thread=False)
def service_worker(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Send the service worker. It lies at the root, because it may only serve what lies beside or below it."""
    file = cast(Mapping[str, StaticFile], request.app.state.files)["sw.js"]
    # A worker is bound by its own answer's policy: whatever it fetches for the pages is a connection of its own.
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": "default-src 'none'; connect-src 'self'"}
    return Response(file.content, media_type=file.kind, headers=headers)


@get("/offline", opt=allow("anyone", page=True), include_in_schema=False, sync_to_thread=False)
def offline_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what is shown while there is no connection: the same for everybody."""
    return page(request, "offline.html", principal=None)


HANDLERS = (service_worker, offline_page)
