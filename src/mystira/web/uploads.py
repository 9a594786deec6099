"""Files that a request brings: streamed to disk as they arrive, bounded in number and size, never whole in memory."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple
from urllib.parse import unquote

import msgspec
from litestar import Request
from multipart import MultipartError, MultipartSegment, PushMultipartParser

from mystira.polyglot.problem import Kind, Problem
from mystira.web.access import access_of

FIELD_BYTES_MAX, FILES_MAX = 20_000, 1_000
NAME_HEADER = "x-file-name"
UPLOAD_S_MAX = 3_600.0

_BOUNDARY = re.compile(r'boundary="?([A-Za-z0-9\'()+_,./:=? -]{1,70})"?')


class UploadTooLarge(Problem):
    """This is more than {most_mb} MB at once. Send fewer or smaller files."""

    kind = Kind.TOO_LARGE


class UploadUnreadable(Problem):
    """The upload cannot be read: {reason}. Send a form (multipart/form-data), or one file as the body, its name in the
    header X-File-Name."""


class DiskFull(Problem):
    """There is no room to keep what was sent. Free some space on the server's disk, then send it again."""

    kind = Kind.UNAVAILABLE


class Allowance(msgspec.Struct, frozen=True):
    """What one request of a route may bring, beyond what all others may."""

    bytes_max: int
    seconds: float = UPLOAD_S_MAX


class FileReceived(NamedTuple):
    """A file on our disk, and what its sender calls it."""

    path: Path
    name: str


class Received(NamedTuple):
    """What an upload brought: its files, and the other fields of its form."""

    files: list[FileReceived]
    fields: dict[str, str]


def takes_files(bytes_max: int) -> dict[str, Any]:
    """Return what a handler's `opt` must hold for its requests to be larger and slower than others.

    Only for paths without parameters, and only for those who have signed in: the server lets the bytes pass before the
    handler sees them. The handler needs `request_max_body_size=None` as well.
    """
    return {"allowance": Allowance(bytes_max)}


def allowances(app: Any) -> dict[str, Allowance]:
    """Return the allowance of every path that has one."""
    found: dict[str, Allowance] = {}
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            allowance = handler.opt.get("allowance")
            if allowance is not None:
                assert "{" not in route.path_format and access_of(handler).who != "anyone", f"{handler} takes files"
                found[route.path_format] = allowance
    return found


async def receive_files(request: Request[Any, Any, Any], folder: Path, bytes_max: int) -> Received:
    """Stream the files of a request into `folder`; UploadTooLarge, UploadUnreadable or DiskFull say what is wrong."""
    received = Received([], {})
    kind = request.headers.get("content-type", "")
    try:
        if kind.startswith("multipart/form-data"):
            boundary = _BOUNDARY.search(kind)
            if boundary is None:
                raise UploadUnreadable(reason="the form names no boundary")
            await _receive_form(request, folder, received, boundary[1], bytes_max)
        else:
            await _receive_body(request, folder, received, bytes_max)
    except MultipartError as error:
        raise UploadUnreadable(reason=str(error)[:120]) from error
    except OSError as error:
        raise DiskFull from error
    return received


async def _receive_form(
    request: Request[Any, Any, Any], folder: Path, received: Received, boundary: str, bytes_max: int
) -> None:
    size = 0
    part = _Part(folder, received)
    with PushMultipartParser(boundary, max_segment_count=FILES_MAX + 50, max_header_size=8_192) as parser:
        try:
            async for chunk in request.stream():
                size += len(chunk)
                if size > bytes_max:
                    raise UploadTooLarge(most_mb=bytes_max // 1_000_000)
                for found in parser.parse(chunk):
                    if isinstance(found, MultipartSegment):
                        part.begin(found)
                    elif found:
                        part.write(bytes(found))
                    else:
                        part.end()
        finally:
            part.close()


class _Part:
    """The part of a form that is arriving: a file goes to disk, any other field into a bounded text."""

    def __init__(self, folder: Path, received: Received) -> None:
        self._folder = folder
        self._received = received
        self._file: BinaryIO | None = None
        self._name = ""
        self._field = bytearray()

    def begin(self, segment: MultipartSegment) -> None:
        """Begin a part."""
        self._name = segment.name or ""
        self._field.clear()
        if segment.filename is not None:
            path = self._folder / f"file-{len(self._received.files)}"
            self._file = path.open("wb")
            self._received.files.append(FileReceived(path, segment.filename))

    def write(self, data: bytes) -> None:
        """Keep what arrived."""
        if self._file is not None:
            self._file.write(data)
            return
        self._field += data
        if len(self._field) > FIELD_BYTES_MAX:
            raise UploadUnreadable(reason=f"the field {self._name[:40]} is too long")

    def end(self) -> None:
        """End a part; a file that nobody chose is none."""
        if self._file is not None:
            is_empty = self._file.tell() == 0
            self.close()
            if is_empty and not self._received.files[-1].name:
                self._received.files.pop().path.unlink()
            return
        try:
            self._received.fields[self._name] = self._field.decode()
        except UnicodeDecodeError as error:
            raise UploadUnreadable(reason=f"the field {self._name[:40]} is no text in UTF-8") from error

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


async def _receive_body(request: Request[Any, Any, Any], folder: Path, received: Received, bytes_max: int) -> None:
    name = unquote(request.headers.get(NAME_HEADER, ""))
    if not name.strip() or len(name) > 300:
        raise UploadUnreadable(reason="the file has no name")
    size, path = 0, folder / "file-0"
    with path.open("wb") as file:
        async for chunk in request.stream():
            size += len(chunk)
            if size > bytes_max:
                raise UploadTooLarge(most_mb=bytes_max // 1_000_000)
            file.write(chunk)
    received.files.append(FileReceived(path, name))


def field(fields: Mapping[str, str], name: str, most: int) -> str:
    """Return a field of the form, "" where there is none; UploadUnreadable when it is too long."""
    value = fields.get(name, "").strip()
    if len(value) > most:
        raise UploadUnreadable(reason=f"the field {name} has more than {most} characters")
    return value
