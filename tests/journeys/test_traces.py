"""One trace from the request to the reaction, as a collector receives it over OTLP, with nothing personal in it."""

import asyncio
import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from mystira.polyglot import spans
from mystira.polyglot.otlp import first_span_of, trace_of
from mystira.run import SAMPLE_CONTENT, platform, settle
from mystira.services.app import make_player_app, seed
from mystira.settings import read_settings
from tests.journeys.conftest import Running, client_of
from tests.journeys.test_api import play_to_the_end, start
from tests.processes import UNLIMITED

pytestmark = pytest.mark.anyio


class Taker(ThreadingHTTPServer):
    """A collector: takes what is sent by OTLP over HTTP and keeps every span."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.spans: list[Span] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/traces"


class Taking(BaseHTTPRequestHandler):
    server: Taker

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans += scope.spans
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def taker() -> Iterator[Taker]:
    taker = Taker()
    thread = threading.Thread(target=taker.serve_forever, daemon=True)
    thread.start()
    yield taker
    taker.shutdown()
    taker.server_close()


def about(span: Span) -> dict[str, str]:
    return {one.key: one.value.string_value for one in span.attributes}


@pytest.fixture
async def spans_of_a_game(tmp_path: Path, clean_postgres: str, taker: Taker) -> list[Span]:
    """Everything that a collector received of one whole game."""
    given = {"MYSTIRA_DATA": str(tmp_path / "data"), "MYSTIRA_RELATIONAL": clean_postgres}
    settings = read_settings(given | UNLIMITED | {"MYSTIRA_TRACES": taker.address})
    async with platform(settings, print) as opened:
        await seed(opened, SAMPLE_CONTENT, print)
        app = make_player_app(opened)
        async with client_of(app) as client:
            running = Running(opened, app, client)
            await client.post("/sign-in/sample-family", follow_redirects=False)
            game = await start(running)
            await play_to_the_end(running, game["session_id"])
        await settle(opened)
    assert not spans.is_collected()
    return taker.spans


async def test_one_trace_goes_from_the_request_over_commit_feed_and_merge_to_the_reactions(
    spans_of_a_game: list[Span],
) -> None:
    (scored, *_) = [one for one in spans_of_a_game if about(one).get("reaction") == "play.score_players"]
    trace = [one for one in spans_of_a_game if one.trace_id == scored.trace_id]
    (request,) = [one for one in trace if not one.parent_span_id]
    assert request.name == "POST /api/v1/sessions/{session_id}/moves"
    assert about(request)["http.response.status_code"] == "200"
    assert {one.name for one in trace} == {request.name, "commit", "feed", "merge", "reaction"}
    assert {about(one)["reaction"] for one in trace if one.name == "reaction"} == {
        "play.score_players",
        "play.track_compass",
        "analytics.count_session",
    }
    by_id = {one.span_id: one for one in trace}
    assert len(by_id) == len(trace)
    above = {one.span_id: by_id[one.parent_span_id].name for one in trace if one.parent_span_id}
    for one in trace:
        expected = {"feed": request.name, "reaction": request.name, "merge": "feed"}.get(one.name)
        assert expected is None or above[one.span_id] == expected
    commits = [one for one in trace if one.name == "commit"]
    assert {above[one.span_id] for one in commits} == {request.name, "reaction"}
    assert len({about(one)["collection"] for one in commits}) >= 4
    assert all(one.end_time_unix_nano >= one.start_time_unix_nano for one in trace)


async def test_every_request_is_a_trace_of_its_own_and_begins_it(spans_of_a_game: list[Span]) -> None:
    requests = [one for one in spans_of_a_game if "http.route" in about(one)]
    assert len(requests) > 5
    assert len({one.trace_id for one in requests}) == len(requests)
    assert not any(one.parent_span_id for one in requests)


async def test_no_span_holds_anything_personal(spans_of_a_game: list[Span]) -> None:
    told = " ".join(f"{one.name} {' '.join(about(one).values())}" for one in spans_of_a_game)
    # The demo's own route has the sample family in its name.
    told = told.replace("POST /sign-in/sample-family", "").replace("/sign-in/sample-family", "")
    assert not [word for word in ("sample-mira", "sample-family", "Mira", "Gus", "sample.family", "@") if word in told]
    assert {name for one in spans_of_a_game for name in about(one)} <= {
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "collection",
        "leader",
        "reaction",
        "event",
        "error.type",
    }


def test_a_trace_is_named_by_its_correlation() -> None:
    correlation = "0193540a-7d3e-7c2f-8a53-6a7b0e6c4d11"
    assert trace_of(correlation) == int(correlation.replace("-", ""), 16)
    assert trace_of("an id of the client's own") == trace_of("an id of the client's own") > 0
    assert trace_of("z" * 32) != trace_of("y" * 32)
    assert 0 < first_span_of(trace_of(correlation)) < 1 << 64


def test_without_the_setting_nothing_of_it_is_loaded() -> None:
    code = "import sys, mystira.run, mystira.services.app; print([n for n in sys.modules if n.startswith('opentel')])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


async def test_a_collector_that_is_away_disturbs_nobody(tmp_path: Path, clean_postgres: str) -> None:
    given = {"MYSTIRA_DATA": str(tmp_path / "data"), "MYSTIRA_RELATIONAL": clean_postgres}
    settings = read_settings(given | {"MYSTIRA_TRACES": "http://127.0.0.1:9/v1/traces"})
    async with asyncio.timeout(60), platform(settings, print) as opened, client_of(make_player_app(opened)) as client:
        assert (await client.get("/health/live")).status_code == 200
