"""Metrics for Prometheus, behind a token of their own; without one there are none."""

import time
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from litestar import Request, Response, get
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from mystira.polyglot import measures
from mystira.polyglot.measures import Counter, Gauge, Spread
from mystira.web.access import allow

UNROUTED = "none"


class Measured(Collector):
    """Turns this process's own numbers into Prometheus's form whenever they are asked for."""

    def collect(self) -> Iterable[Metric]:
        """Yield every measure, those without a value included: their names are then known all the same."""
        return [_family(measure) for measure in measures.ALL]


def metrics_text() -> bytes:
    """Return everything that this process counts, in Prometheus's text form."""
    return generate_latest(_registry())


@cache
def _registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    for collector in (Measured(), ProcessCollector(registry=None), PlatformCollector(registry=None)):
        registry.register(collector)
    GCCollector(registry)
    return registry


def _family(measure: Counter | Gauge | Spread) -> Metric:
    if isinstance(measure, Spread):
        spread = HistogramMetricFamily(measure.name, measure.meaning, labels=measure.labels)
        for labels, counts in measure.buckets.items():
            spread.add_metric(list(labels), list(_cumulated(measure, counts)), measure.sums[labels])
        return spread
    kind = CounterMetricFamily if isinstance(measure, Counter) else GaugeMetricFamily
    family = kind(measure.name, measure.meaning, labels=measure.labels)
    for labels, value in measure.values.items():
        family.add_metric(list(labels), value)
    return family


def _cumulated(measure: Spread, counts: list[int]) -> Iterator[tuple[str, float]]:
    total = 0
    for bound, count in zip((*map(str, measure.bounds_s), "+Inf"), counts, strict=True):
        total += count
        yield bound, total


@get("/metrics", opt=allow("scraper"), include_in_schema=False, sync_to_thread=False)
def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what this process counts."""
    request.app.state.scraping.refresh()
    return Response(metrics_text(), headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"})


def measured(app: ASGIApp) -> ASGIApp:
    """Return the application inside a layer that measures every request under its route, never under its address."""
    steady = time.perf_counter

    async def handle(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        began, status = steady(), "none"

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await app(scope, receive, answer)
        finally:
            measures.HTTP_REQUESTS.observe(steady() - began, method_of(scope), route_of(scope), status)

    return handle


def route_of(scope: Any) -> str:
    """Return the route that a request took, as it was declared; addresses hold what strangers wrote."""
    return scope.get("path_template") or UNROUTED


def method_of(scope: Any) -> str:
    """Return the method, if it is one that anything here answers to."""
    method = scope["method"]
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"
