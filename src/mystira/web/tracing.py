"""The first span of a trace: a request, under its route."""

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from mystira.polyglot import spans
from mystira.web.metrics import method_of, route_of


def traced(app: ASGIApp) -> ASGIApp:
    """Return the application inside a layer that begins a trace with every request, while traces are collected.

    What a request says of its trace is not believed: anybody could send it.
    """

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not spans.is_collected():
            await app(scope, receive, send)
            return
        with spans.span("request") as request:

            async def answer(message: Message) -> None:
                if message["type"] == "http.response.start":
                    request.attributes["http.response.status_code"] = str(message["status"])
                await send(message)

            try:
                await app(scope, receive, answer)
            finally:
                method, route = method_of(scope), route_of(scope)
                request.name = f"{method} {route}"
                request.attributes |= {"http.request.method": method, "http.route": route}

    return handle
