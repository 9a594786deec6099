"""Pages: Jinja templates with autoescape, a content security policy with nonces."""

import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, PrefixLoader, StrictUndefined
from litestar import Request, Response
from litestar.enums import MediaType
from markdown_it import MarkdownIt
from markupsafe import Markup

from mystira.web.files import StaticFile

HERE = Path(__file__).parent

_markdown = MarkdownIt("commonmark", {"html": False}).disable(["link", "image", "autolink", "html_inline"])


_UPLOADED = re.compile(r"[a-z0-9][a-z0-9_.-]{0,120}\.(png|jpe?g|webp|gif)")


class Place(NamedTuple):
    """One entry of the administration's navigation: a page and those below it."""

    name: str
    path: str

    def is_here(self, path: str) -> bool:
        """Tell whether a page belongs to this place."""
        return path == self.path or path.startswith(f"{self.path}/")


class Pages:
    """Renders templates: the web's own by name, a room's as `room/name.html`."""

    def __init__(self, rooms: Mapping[str, Path], files: Mapping[str, StaticFile]) -> None:
        self._files = files
        self._environment = Environment(
            loader=_Loader(rooms), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        self._environment.filters["markdown"] = render_markdown
        cast(dict[str, Any], self._environment.globals).update(
            static=self._static,
            picture=self._picture,
            media=self._media,
            avatar_picture=self._avatar,
        )

    def render(self, name: str, context: dict[str, Any]) -> str:
        """Return the page's text."""
        return self._environment.get_template(name).render(context)

    def _static(self, name: str) -> str:
        return f"/static/{name}?v={self._files[name].version}"

    def _picture(self, name: str | None, instead: str) -> str:
        """Return the address of a picture that an author names, or of another where there is no such picture.

        Whether a picture was uploaded is known where it is sent from, so that address names the other one as well.
        """
        if name is not None and name not in self._files and _UPLOADED.fullmatch(name):
            return f"/media/{name}?instead={quote(instead)}"
        return self._static(name if name is not None and name in self._files else instead)

    def _media(self, name: str | None) -> str | None:
        """Return the address of a picture, a sound or a film that an author names, or None if there is none."""
        return self._static(name) if name is not None and name in self._files else None

    def _avatar(self, name: str) -> str:
        """Return the address of a player's picture: one of ours by its short name, or any by its id."""
        own = f"art/avatars/{name}.svg"
        return self._picture(own if own in self._files else name, "art/avatars/star.svg")


class _Loader(PrefixLoader):
    def __init__(self, rooms: Mapping[str, Path]) -> None:
        super().__init__({room: FileSystemLoader(folder) for room, folder in rooms.items()})
        self._own = FileSystemLoader(HERE / "templates")

    def get_loader(self, template: str) -> Any:
        """Return the room's loader, or the web's own for a name without a room."""
        return super().get_loader(template) if "/" in template else (self._own, template)


def page(request: Request[Any, Any, Any], name: str, *, status: int = 200, **context: Any) -> Response[bytes]:
    """Answer with a page; its scripts and styles are the ones of this site and of this answer's nonce only."""
    nonce = new_nonce()
    shown = rendered(request, name, nonce, status=status, **context)
    return Response(shown, status_code=status, media_type=MediaType.HTML, headers=page_headers(nonce))


def new_nonce() -> str:
    """Return what tells the scripts and styles of one answer from all others."""
    return secrets.token_urlsafe(16)


def rendered(request: Request[Any, Any, Any], name: str, nonce: str, *, status: int, **context: Any) -> bytes:
    """Return a page's text, with all that every page may show."""
    state = request.scope["state"]
    shown = {
        "nonce": nonce,
        "principal": state.get("principal"),
        "staff": state.get("staff"),
        "navigation": request.app.state.get("navigation", ()),
        "request_id": state.get("request_id", ""),
        "path": request.url.path,
        "is_fragment": "hx-request" in request.headers,
        "status": status,
        **context,
    }
    return cast(Pages, request.app.state.pages).render(name, shown).encode()


def page_headers(nonce: str) -> dict[str, str]:
    """Return what every page's answer carries."""
    return {"Content-Security-Policy": policy(nonce), "Cache-Control": "no-store", "Vary": "HX-Request"}


def policy(nonce: str) -> str:
    """Return the content security policy of a page."""
    own = f"'self' 'nonce-{nonce}'"
    return (
        f"default-src 'none'; script-src {own}; style-src {own}; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; media-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "manifest-src 'self'; worker-src 'self'"
    )


def render_markdown(text: str) -> Markup:
    """Return a story's text as HTML; links, images and HTML of its own stay plain text."""
    return Markup(_markdown.render(text))  # noqa: S704 - the renderer escapes everything it does not make itself.
