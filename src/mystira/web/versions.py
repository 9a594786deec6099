"""Optimistic concurrency: an editor names the version it saw, and a later one is never overwritten unseen."""

import re
from typing import TYPE_CHECKING, Any

from mystira.polyglot.entity import PACKED_MAX, Entity, Stamp
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.work import Work

if TYPE_CHECKING:
    # Actions name versions too, and a command line that runs them serves no pages.
    from litestar import Request

_ETAG = re.compile(r'\s*"([0-9]{1,16})"\s*')
IF_MATCH = {"If-Match": "The ETag of the version that is changed; `*` for whichever is there."}
IF_NONE_MATCH = {"If-None-Match": "`*`: only where there is none yet."}
ANY = Stamp.unpack(PACKED_MAX)
"""What a program sends as `If-Match: *`: whichever version is there."""


class VersionNeeded(Problem):
    """Say which version you change: send the ETag that you read as If-Match."""

    kind = Kind.UNCONDITIONAL


class VersionUnreadable(Problem):
    """If-Match holds no version that was ever given out. Send the ETag of what you read, with its quotes."""


class Stale(Problem):
    """Somebody has changed this since you opened it, so nothing was saved. Look at the new version, then try again."""

    kind = Kind.STALE


def etag(stamp: Stamp) -> str:
    """Return a version as the ETag of an answer."""
    return f'"{stamp.packed}"'


def named_version(request: "Request[Any, Any, Any]") -> Stamp:
    """Return the version that a program changes, from If-Match; VersionNeeded when it names none."""
    named = request.headers.get("if-match", "").strip()
    if not named:
        raise VersionNeeded
    if named == "*":
        return ANY
    found = _ETAG.fullmatch(named)
    if found is None:
        raise VersionUnreadable
    return version_in(found[1])


def version_in(text: str) -> Stamp:
    """Return the version that a form carries (`Stamp.packed` as text); VersionUnreadable for anything else."""
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= PACKED_MAX):
        raise VersionUnreadable
    return Stamp.unpack(int(text))


def refuse_stale(work: Work, entity: Entity, seen: Stamp) -> None:
    """Raise Stale unless `entity`, as this work has read it, stands at the version that the editor saw.

    Called inside the action: what is checked is what the commit replaces, and a rival in between makes it run again.
    """
    if seen not in (ANY, work.version_of(entity)):
        raise Stale
