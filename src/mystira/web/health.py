"""Is this process alive, and can it do its work? For people, load balancers and scripts."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, cast

from litestar import Request, Response, get

from mystira.polyglot.store import StoreError
from mystira.web.access import allow

CHECK_S_MAX = 2.0


# The questions under way, by the name of the part.
Asking = dict[str, "asyncio.Future[None]"]


class HealthCheck(NamedTuple):
    """One thing that must work: `ask` raises a StoreError when it does not."""

    name: str
    ask: Callable[[], Awaitable[None]]


@get("/health/live", opt=allow("anyone"), include_in_schema=False)
async def live() -> dict[str, str]:
    """Say that the process runs."""
    return {"status": "live"}


@get(["/health/ready", "/health"], opt=allow("anyone"), include_in_schema=False)
async def ready(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Say whether every part answers; 503 names the ones that do not."""
    checks: tuple[HealthCheck, ...] = request.app.state.checks
    asking = cast(Asking, request.app.state.asking)
    found = await asyncio.gather(*(_ask(check, asking) for check in checks))
    parts = dict(zip((check.name for check in checks), found, strict=True))
    fine = all(state == "ok" for state in parts.values())
    return Response({"status": "ready" if fine else "not ready", "parts": parts}, status_code=200 if fine else 503)


async def _ask(check: HealthCheck, asking: Asking) -> str:
    # A store that hangs may not even heed being cancelled, so nobody waits for the question itself, and who asks
    # next waits for the same one: however often anybody asks, at most one question a part is under way.
    task = asking.get(check.name)
    if task is None:
        task = asking[check.name] = asyncio.ensure_future(check.ask())
        task.add_done_callback(partial(_answered, asking, check.name))
    await asyncio.wait((task,), timeout=CHECK_S_MAX)
    if not task.done():
        return f"no answer within {CHECK_S_MAX:g} s"
    try:
        task.result()
    except StoreError:
        return "cannot be reached"
    return "ok"


def _answered(asking: Asking, name: str, task: "asyncio.Future[None]") -> None:
    asking.pop(name, None)
    if not task.cancelled():
        # Looked at here, since whoever asked may have stopped waiting.
        task.exception()


async def end_questions(asking: Asking) -> None:
    """Let go of what is still being asked."""
    for task in list(asking.values()):
        task.cancel()
