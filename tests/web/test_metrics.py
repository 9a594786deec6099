"""Metrics: documented, behind a token, and with nothing in them that a stranger wrote."""

import re
from pathlib import Path
from typing import Any

import pytest
from litestar import Request, get
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from mystira.polyglot import measures
from mystira.polyglot.measures import Counter, Gauge, Spread
from mystira.web.access import Scraping, allow
from mystira.web.app import make_app
from mystira.web.metrics import metrics_text

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-this-test"
KINDS = {Counter: "counter", Gauge: "gauge", Spread: "histogram"}


@get("/rooms/{name:str}", opt=allow("anyone"), sync_to_thread=False)
def room(request: Request[Any, Any, Any]) -> dict[str, str]:
    return {"name": request.path_params["name"]}


@get("/broken", opt=allow("anyone"), sync_to_thread=False)
def broken() -> None:
    raise RuntimeError("a defect")


async def nobody(connection: Any) -> None:
    return None


def client(**more: Any) -> TestClient[Any]:
    return TestClient(make_app([room, broken], authenticate=nobody, **more), raise_server_exceptions=False)


def scraped(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def requests_of(route: str, status: str, method: str = "GET") -> float:
    labels = frozenset({"method": method, "route": route, "status": status}.items())
    return scraped(metrics_text().decode()).get(("mystira_http_request_seconds_count", labels), 0.0)


@pytest.mark.parametrize("header", [None, "Bearer wrong", TOKEN, f"Basic {TOKEN}", "Bearer "])
@pytest.mark.parametrize("token", [TOKEN, ""])
def test_without_the_token_nobody_sees_metrics(token: str, header: str | None) -> None:
    with client(scraping=Scraping(token)) as asking:
        answer = asking.get("/metrics", headers={"Authorization": header} if header else {})
    assert (answer.status_code, answer.json()["code"]) == (401, "token_needed")
    assert "mystira_" not in answer.text


def test_with_the_token_everything_is_shown_and_can_be_parsed() -> None:
    refreshed: list[int] = []
    with client(scraping=Scraping(TOKEN, lambda: refreshed.append(1))) as asking:
        answer = asking.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = {family.name for family in text_string_to_metric_families(answer.text)}
    assert {measure.name.removesuffix("_total") for measure in measures.ALL} <= families
    assert "process_cpu_seconds" in families
    assert refreshed == [1]


def test_requests_are_counted_by_route_and_never_by_address() -> None:
    before = requests_of("/rooms/{name}", "200"), requests_of("none", "404"), requests_of("/broken", "500")
    with client() as asking:
        asking.get("/rooms/mira-s-secret-place")
        asking.head("/rooms/mira-s-secret-place")
        asking.get("/nowhere/mira-s-secret-place")
        asking.get("/broken")
    after = requests_of("/rooms/{name}", "200"), requests_of("none", "404"), requests_of("/broken", "500")
    assert (after[0] - before[0], after[1] - before[1], after[2] - before[2]) == (2, 1, 1)
    assert "secret-place" not in metrics_text().decode()


def test_a_method_that_nothing_answers_to_is_not_a_label() -> None:
    with client() as asking:
        asking.request("MIRASECRET", "/rooms/x")
    assert "MIRASECRET" not in metrics_text().decode()


def test_histograms_are_cumulative_and_end_with_everything() -> None:
    spread = Spread("example_seconds", "An example.", "which", bounds_s=(0.1, 1.0))
    measures_before = measures.ALL
    for seconds in (0.05, 0.1, 0.5, 7.0):
        spread.observe(seconds, "a")
    try:
        measures.ALL = (spread,)
        found = scraped(metrics_text().decode())
    finally:
        measures.ALL = measures_before
    buckets = {dict(labels)["le"]: value for (name, labels), value in found.items() if name == "example_seconds_bucket"}
    assert buckets == {"0.1": 2, "1.0": 3, "+Inf": 4}
    assert found["example_seconds_sum", frozenset({("which", "a")})] == pytest.approx(7.65)


def test_the_documented_list_is_what_is_shown() -> None:
    rows = re.findall(
        r"^\| `(mystira_\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", (ROOT / "docs/metrics.md").read_text(), re.M
    )
    documented = {(name, kind, tuple(re.findall(r"`(\w+)`", labels)), meaning) for name, kind, labels, meaning in rows}
    assert documented == {(one.name, KINDS[type(one)], one.labels, one.meaning) for one in measures.ALL}


def test_counters_are_named_as_counters_are() -> None:
    assert all(one.name.endswith("_total") == isinstance(one, Counter) for one in measures.ALL)
    assert len({one.name for one in measures.ALL}) == len(measures.ALL)
