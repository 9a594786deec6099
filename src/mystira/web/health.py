"""Is this process alive, can it do its work, and how is everything it depends on? docs/health.md tells the answers."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

from litestar import Request, Response, get

from mystira.polyglot.store import StoreError
from mystira.web.access import allow

CHECK_S_MAX = 2.0
OK, AWAY, SILENT = "ok", "cannot be reached", f"no answer within {CHECK_S_MAX:g} s"


Facts = Mapping[str, Any] | None

# The questions under way, by the name of the part.
Asking = dict[str, "asyncio.Future[Facts]"]


class HealthCheck(NamedTuple):
    """One thing to ask: `ask` raises a StoreError when it does not work, and may return what there is to tell.

    Without it this process is not ready while `is_needed`. What is only `for_people` has no say in that, and is
    asked by /health alone.
    """

    name: str
    ask: Callable[[], Awaitable[Facts]]
    is_needed: Callable[[], bool] = lambda: True
    for_people: bool = False


@get("/health/live", opt=allow("anyone"), include_in_schema=False)
async def live() -> dict[str, str]:
    """Say that the process runs."""
    return {"status": "live"}


@get("/health/ready", opt=allow("anyone"), include_in_schema=False)
async def ready(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Say whether everything that this process needs answers; 503 names what does not."""
    checks = [check for check in _checks(request) if not check.for_people]
    parts = await _parts(request, checks)
    fine = all(parts[check.name] == OK for check in checks if check.is_needed())
    return Response({"status": "ready" if fine else "not ready", "parts": parts}, status_code=200 if fine else 503)


@get("/health", opt=allow("anyone"), include_in_schema=False)
async def health(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Tell how every part is, replication and events included; 503 where this process is not ready."""
    checks = _checks(request)
    parts = await _parts(request, checks)
    lacking = [check for check in checks if parts[check.name] in (AWAY, SILENT)]
    fine = not any(check.is_needed() and not check.for_people for check in lacking)
    status = "well" if not lacking else "degraded" if fine else "not ready"
    return Response({"status": status, "parts": parts}, status_code=200 if fine else 503)


async def lacking(request: Request[Any, Any, Any]) -> tuple[str, ...]:
    """Return the names of the stores that do not answer now."""
    checks = [check for check in _checks(request) if not check.for_people]
    parts = await _parts(request, checks)
    return tuple(check.name for check in checks if parts[check.name] in (AWAY, SILENT))


def _checks(request: Request[Any, Any, Any]) -> tuple[HealthCheck, ...]:
    return request.app.state.checks


async def _parts(request: Request[Any, Any, Any], checks: Sequence[HealthCheck]) -> dict[str, Any]:
    asking = cast(Asking, request.app.state.asking)
    found = await asyncio.gather(*(_ask(check, asking) for check in checks))
    return dict(zip((check.name for check in checks), found, strict=True))


async def _ask(check: HealthCheck, asking: Asking) -> Any:
    # A store that hangs may not even heed being cancelled, so nobody waits for the question itself, and who asks
    # next waits for the same one: however often anybody asks, at most one question a part is under way.
    task = asking.get(check.name)
    if task is None:
        task = asking[check.name] = asyncio.ensure_future(check.ask())
        task.add_done_callback(partial(_answered, asking, check.name))
    await asyncio.wait((task,), timeout=CHECK_S_MAX)
    if not task.done():
        return SILENT
    try:
        return task.result() or OK
    except StoreError:
        return AWAY


def _answered(asking: Asking, name: str, task: "asyncio.Future[Facts]") -> None:
    asking.pop(name, None)
    if not task.cancelled():
        # Looked at here, since whoever asked may have stopped waiting.
        task.exception()


async def end_questions(asking: Asking) -> None:
    """Let go of what is still being asked."""
    for task in list(asking.values()):
        task.cancel()
