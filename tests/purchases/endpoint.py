"""An endpoint like Stripe's, on this machine."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import parse_qs

from aiohttp import web

from mystira.content.purchases.stripe.ports import StripeGateway

SECRET = "whsec_test"


class Stripe(NamedTuple):
    """It keeps what it was asked, answers a key once, and can be told to fail."""

    gateway: StripeGateway
    asked: list[tuple[str, dict[str, str], dict[str, list[str]]]]
    failures: list[int]


@asynccontextmanager
async def answering() -> AsyncIterator[Stripe]:
    """Answer on a port of its own until the end."""
    answers: dict[str, dict[str, Any]] = {}
    asked: list[tuple[str, dict[str, str], dict[str, list[str]]]] = []
    failures: list[int] = []

    async def answer(request: web.Request) -> web.Response:
        body = parse_qs(await request.text())
        asked.append((request.path, dict(request.headers), body))
        if failures:
            return web.json_response({"error": {"type": "api_error"}}, status=failures.pop(0))
        key = request.headers["Idempotency-Key"]
        made = {"id": f"cs_{len(answers)}", "url": f"https://pay.example/{len(answers)}"}
        return web.json_response(answers.setdefault(key, made))

    server = web.Application()
    server.router.add_post("/v1/checkout/sessions", answer)
    server.router.add_post("/v1/refunds", answer)
    runner = web.AppRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    yield Stripe(StripeGateway("sk_test_secret", SECRET, f"http://127.0.0.1:{port}"), asked, failures)
    await runner.cleanup()
