"""Cookies that scripts cannot read and other sites cannot send along."""

from typing import Any

from litestar import Request
from litestar.datastructures import Cookie


def cookie(request: Request[Any, Any, Any], name: str, value: str, lives_s: int, path: str = "/") -> Cookie:
    """Return a cookie for this site only, or a part of it; marked secure unless the site is reached without TLS."""
    return Cookie(
        key=name,
        value=value,
        max_age=lives_s,
        path=path,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def expired_cookie(request: Request[Any, Any, Any], name: str, path: str = "/") -> Cookie:
    """Return the cookie that makes a browser forget another."""
    return cookie(request, name, "", 0, path)
