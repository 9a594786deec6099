"""Parts of pages that stay up to date: server-sent events, each of which is the whole part anew.

So there is nothing to catch up on: whoever was away for a while has everything with the first event.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from typing import Any, cast

import structlog
from litestar import Request
from litestar.response import Stream

from mystira.polyglot.store import StoreError
from mystira.web.access import staff
from mystira.web.away import says_who
from mystira.web.health import lacking
from mystira.web.pages import Pages
from mystira.web.streams import Streams, told

log = structlog.get_logger(__name__)

EVERY_S = 2.0
AWAY = "{who}. This shows how things were, and goes on by itself. On the machine, mystira doctor tells what to do."


async def live(
    request: Request[Any, Any, Any],
    template: str,
    look: Callable[[], Awaitable[dict[str, Any]]],
    *,
    every_s: float = EVERY_S,
) -> Stream:
    """Answer those who run the platform with a part of a page, again whenever it has changed.

    `look` returns what its template shows.
    """
    pages, streams = cast(Pages, request.app.state.pages), cast(Streams, request.app.state.streams)
    who = await staff(request)

    before = b""

    async def coming() -> bytes:
        nonlocal before
        while True:
            if before:
                await asyncio.sleep(every_s)
            try:
                event = told("message", pages.render(template, {"staff": who, **await look()}))
            except StoreError as error:
                log.warning("live_part_failed", template=template, error=str(error))
                event = told("away", AWAY.format(who=says_who(await lacking(request))))
            if event != before:
                before = event
                return event

    async def may_look() -> bool:
        # Looked up anew: who was signed out or disabled meanwhile is told nothing more.
        # While nobody can be looked up, nobody is told anything; their browser asks again.
        with suppress(StoreError):
            return await request.app.state.authenticate_staff(request) is not None
        return False

    return streams.answer(f"admin {who.name}", nullcontext(coming), may_look)
