"""Is this process alive, and can it do its work? For people, load balancers and scripts."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from litestar import Request, Response, get

from mystira.polyglot.store import StoreError
from mystira.web.access import allow

CHECK_S_MAX = 2.0


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
    parts = dict(zip((check.name for check in checks), await asyncio.gather(*map(_ask, checks)), strict=True))
    fine = all(state == "ok" for state in parts.values())
    return Response({"status": "ready" if fine else "not ready", "parts": parts}, status_code=200 if fine else 503)


async def _ask(check: HealthCheck) -> str:
    try:
        async with asyncio.timeout(CHECK_S_MAX):
            await check.ask()
    except TimeoutError:
        return f"no answer within {CHECK_S_MAX:g} s"
    except StoreError:
        return "cannot be reached"
    return "ok"
