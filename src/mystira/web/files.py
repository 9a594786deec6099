"""Static files: read once at start, known by name and content, kept by browsers for as long as their address holds."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from mystira.web.access import allow

STATIC = Path(__file__).parent / "static"
# A table of our own: what the system's table knows differs from machine to machine.
KINDS = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
KEPT_FOR_EVER = "public, max-age=31536000, immutable"


class StaticFile(NamedTuple):
    """A file's bytes, its media type, and a short hash of its content."""

    content: bytes
    kind: str
    version: str


def read_files(folder: Path) -> dict[str, StaticFile]:
    """Return every file of a folder by its path inside."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): _read(path) for path in paths}


@get("/static/{name:path}", opt=allow("anyone"), include_in_schema=False)
async def static_file(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
    """Send a static file. Only an address that names its content may be kept without asking again."""
    file = cast(Mapping[str, StaticFile], request.app.state.files).get(name.removeprefix("/"))
    if file is None:
        raise NotFoundException
    keep = KEPT_FOR_EVER if request.query_params.get("v") == file.version else "no-cache"
    headers = {"ETag": f'"{file.version}"', "Cache-Control": keep}
    if is_known(request, file.version):
        return Response(b"", status_code=304, headers=headers, media_type=file.kind)
    return Response(file.content, headers=headers, media_type=file.kind)


def content_version(content: bytes) -> str:
    """Return a short hash of the content, for its ETag."""
    return hashlib.sha256(content).hexdigest()[:12]


def is_known(request: Request[Any, Any, Any], version: str) -> bool:
    """Tell whether the asker has this version already."""
    known = (part.strip().removeprefix("W/") for part in request.headers.get("if-none-match", "").split(","))
    return any(tag in (f'"{version}"', "*") for tag in known)


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    kind = KINDS.get(path.suffix, "application/octet-stream")
    return StaticFile(content, kind, content_version(content))
