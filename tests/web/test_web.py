"""How any room speaks HTTP: bodies, problems, access, headers, health."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import Litestar, Request, get, post
from litestar.testing import TestClient

from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.store import Throttled, Unavailable
from mystira.web import health
from mystira.web.access import Principal, UndeclaredRoute, allow, family
from mystira.web.app import make_app, routes_of
from mystira.web.bodies import Body, BodyInvalid, convert, read_body, read_form
from mystira.web.health import HealthCheck
from mystira.web.pages import page


class Inner(Body, frozen=True, kw_only=True):
    name: str
    size: int = 0


class Outer(Body, frozen=True, kw_only=True):
    title: str
    parts: tuple[Inner, ...] = ()
    amount: float | None = None


class Tray(Body, frozen=True, kw_only=True):
    cups: dict[str, int] = {}
    name: str = ""


class OutOfTea(Problem):
    """There is no {kind_of} tea left."""

    kind = Kind.CONFLICT


@post("/echo", opt=allow("anyone"), status_code=200)
async def echo(request: Request[Any, Any, Any]) -> dict[str, Any]:
    body = await read_body(request, Outer)
    return {"title": body.title, "parts": len(body.parts)}


@post("/form", opt=allow("anyone"), status_code=200)
async def form(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return {"name": (await read_form(request, Inner)).name}


@post("/tray", opt=allow("anyone"), status_code=200)
async def tray(request: Request[Any, Any, Any]) -> dict[str, Any]:
    return (await read_form(request, Tray)).cups


@get("/tea", opt=allow("anyone"))
async def tea() -> None:
    raise OutOfTea(kind_of="green")


@get("/busy", opt=allow("anyone"))
async def busy() -> None:
    raise Throttled(3.2)


@get("/crash", opt=allow("anyone"))
async def crash() -> None:
    raise RuntimeError("secret detail")


@get("/page", opt=allow("anyone", page=True))
async def a_page(request: Request[Any, Any, Any]) -> Any:
    return page(request, "layout.html")


@get("/page/crash", opt=allow("anyone", page=True))
async def page_crash() -> None:
    raise OutOfTea(kind_of="<b>black</b>")


@get("/mine", opt=allow("family", touches="tea"))
async def mine(request: Request[Any, Any, Any]) -> dict[str, str]:
    return {"account": (await family(request)).account_id}


@get("/mine/page", opt=allow("family", page=True))
async def mine_page() -> None:
    return None


@post("/mine/page", opt=allow("family", page=True))
async def mine_changed() -> None:
    return None


async def authenticate(connection: Any) -> Principal | None:
    cookie = connection.cookies.get("who")
    return Principal(account_id=cookie, session_id="s") if cookie else None


async def healthy() -> None:
    return


async def ill() -> None:
    raise Unavailable("down")


async def stuck() -> None:
    # A driver that waits for a silent server cannot be cancelled either.
    try:
        await asyncio.sleep(8)
    except asyncio.CancelledError:
        await asyncio.sleep(8)


HANDLERS = [echo, form, tray, tea, busy, crash, a_page, page_crash, mine, mine_page, mine_changed]


def app(*checks: HealthCheck) -> Litestar:
    return make_app(HANDLERS, authenticate=authenticate, checks=checks)


@pytest.fixture
def client() -> Any:
    with TestClient(app(), raise_server_exceptions=False) as client:
        yield client


def send(client: Any, raw: bytes, kind: str = "application/json") -> Any:
    return client.post("/echo", content=raw, headers={"content-type": kind})


def test_a_good_body_is_read(client: Any) -> None:
    assert send(client, b'{"title": "x", "parts": [{"name": "a"}]}').json() == {"title": "x", "parts": 1}


@pytest.mark.parametrize(
    "raw, paths",
    [
        (
            b'{"title": 3, "parts": [{"name": 1, "size": "2"}, {"size": 1}], "extra": 1}',
            {"$.title", "$.parts[0].name", "$.parts[0].size", "$.parts[1].name", "$.extra"},
        ),
        (b"{}", {"$.title"}),
        (b"[]", {"$"}),
        (b"null", {"$"}),
        (b'{"title": "x", "title": "y"}', {"$"}),
        (b'{"title": "x", "parts": [{"name": "a", "name": "b"}]}', {"$"}),
        (b'{"title": "a\\u0000b"}', {"$.title"}),
        (b'{"title": "\\ud800"}', {"$.title"}),
        (b'{"title": "x", "amount": NaN}', {"$"}),
        (b'{"title": "x", "amount": "3"}', {"$.amount"}),
        (b'{"title": "x", "amount": true}', {"$.amount"}),
        (b"{" * 50, {"$"}),
        (b"[" * 100_000, {"$"}),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, {"$"}),
        (b"\xff\xfe", {"$"}),
        (b"", {"$"}),
    ],
    ids=lambda value: repr(value)[:30] if isinstance(value, bytes) else "refused",
)
def test_a_bad_body_is_refused_with_every_error(client: Any, raw: bytes, paths: set[str]) -> None:
    answer = send(client, raw)
    assert answer.status_code == 400, answer.text
    assert {error["path"] for error in answer.json()["errors"]} == paths
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_another_content_type_or_too_much_is_refused(client: Any) -> None:
    assert send(client, b"{}", "text/plain").status_code == 400
    assert send(client, b'{"title": "' + b"x" * 300_000 + b'"}').status_code == 413


def test_forms_are_as_strict(client: Any) -> None:
    assert client.post("/form", data={"name": "a", "size": "3"}).json() == {"name": "a"}
    for bad in ({"name": "a", "size": "x"}, {"size": "1"}, {"name": "a", "other": "1"}, {"name": ["a", "b"]}):
        assert client.post("/form", data=bad).status_code == 400


def test_a_forms_mapping_has_its_entries_named_after_a_dot(client: Any) -> None:
    given = {"cups.mira": "2", "cups.a.b": "3", "name": "x"}
    assert client.post("/tray", data=given).json() == {"mira": 2, "a.b": 3}
    bad: tuple[dict[str, Any], ...] = (
        {"cups.mira": ["1", "2"]},
        {"cups": "1"},
        {"cups.mira": "two"},
        {"name.x": "1"},
        {"other.x": "1"},
    )
    for one in bad:
        assert client.post("/tray", data=one).status_code == 400, one


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["title", "parts", "name", "size", "amount", "x"]), inner)
    ),
    max_leaves=12,
)


@given(json_values)
def test_no_body_is_more_than_refused(value: Any) -> None:
    plain = json.loads(json.dumps(value))
    try:
        assert isinstance(convert(plain, Outer, strict=True), Outer)
    except BodyInvalid as refused:
        assert refused.facts["errors"]


def test_problems_have_stable_codes_and_ids(client: Any) -> None:
    answer = client.get("/tea", headers={"x-request-id": "my-request-1"})
    assert answer.json() == {
        "type": "/problems/out_of_tea",
        "title": "Something changed meanwhile",
        "status": 409,
        "detail": "There is no green tea left.",
        "code": "out_of_tea",
        "kind_of": "green",
        "request_id": "my-request-1",
    }
    assert client.get("/busy").status_code == 503
    assert client.get("/busy").headers["retry-after"] == "3"


@pytest.mark.parametrize("sent", ["short", "spaces in it", "x" * 65, "new\tline-tab"])
def test_a_strange_request_id_is_replaced(client: Any, sent: str) -> None:
    assert client.get("/tea", headers={"x-request-id": sent}).headers["x-request-id"] != sent


def test_a_crash_shows_nothing_of_itself(client: Any) -> None:
    answer = client.get("/crash")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text


def test_pages_get_pages_and_fragments_as_errors(client: Any) -> None:
    whole = client.get("/page/crash")
    assert whole.status_code == 409 and "<html" in whole.text and "&lt;b&gt;" in whole.text
    part = client.get("/page/crash", headers={"hx-request": "true"})
    assert part.status_code == 409 and "<html" not in part.text and "tea left" in part.text
    lost = client.get("/nowhere", headers={"accept": "text/html"})
    assert lost.status_code == 404 and "<html" in lost.text
    assert client.get("/nowhere").json()["code"] == "not_found"
    assert client.put("/tea").json()["code"] == "method_not_allowed"


def test_every_page_has_its_own_nonce_and_no_inline_script_without_it(client: Any) -> None:
    first, second = client.get("/page"), client.get("/page")
    policy = first.headers["content-security-policy"]
    nonce = policy.split("'nonce-")[1].split("'")[0]
    assert nonce in first.text and nonce not in second.text
    assert "unsafe" not in policy and "default-src 'none'" in policy
    assert client.get("/tea").headers["content-security-policy"].startswith("default-src 'none'")
    assert client.get("/tea").headers["x-content-type-options"] == "nosniff"


def test_who_is_not_signed_in_is_asked_to(client: Any) -> None:
    assert client.get("/mine").status_code == 401
    answer = client.get("/mine/page", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (302, "/sign-in?next=/mine/page")
    client.cookies.set("who", "ada")
    assert client.get("/mine").json() == {"account": "ada"}


@pytest.mark.parametrize(
    "referer, onward",
    [
        ("http://testserver.local/mine/page?x=1", "/mine/page"),
        ("http://testserver.local/a%26b", "/a%26b"),
        ("http://evil.example/mine/page", "/"),
        ("http://[", "/"),
        (None, "/"),
    ],
)
def test_after_signing_in_one_comes_back_to_a_page(client: Any, referer: str | None, onward: str) -> None:
    answer = client.post("/mine/page", headers={"referer": referer} if referer else {}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sign-in?next={onward}")


def test_a_part_of_a_page_leads_the_whole_page_to_the_sign_in(client: Any) -> None:
    answer = client.post("/mine/page", headers={"hx-request": "true"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["hx-redirect"], answer.content) == (401, "/sign-in?next=/", b"")


@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "http://testserver.local"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://["}, 403),
    ],
    ids=str,
)
def test_another_sites_requests_do_nothing(client: Any, headers: dict[str, str], status: int) -> None:
    assert client.post("/form", data={"name": "a"}, headers=headers).status_code == status


def test_a_route_that_does_not_say_who_may_use_it_fails_the_build() -> None:
    @get("/open")
    async def undeclared() -> None:
        return None

    with pytest.raises(UndeclaredRoute, match="undeclared"):
        make_app([undeclared], authenticate=authenticate)


def test_every_route_is_listed_with_who_may_use_it() -> None:
    listed = {(route.method, route.path): route.access.who for route in routes_of(app())}
    assert listed["GET", "/mine"] == "family"
    assert listed["GET", "/health/live"] == "anyone"


async def telling() -> dict[str, Any]:
    return {"waiting": 3}


def test_what_is_not_needed_may_be_away_and_what_is_for_people_is_asked_by_them_only() -> None:
    checks = (
        HealthCheck("fine", healthy),
        HealthCheck("follower", ill, lambda: False),
        HealthCheck("queue", telling, for_people=True),
        HealthCheck("reports", ill, for_people=True),
    )
    with TestClient(app(*checks)) as client:
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["parts"]) == (200, {"fine": "ok", "follower": "cannot be reached"})
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert answer.json()["parts"]["queue"] == {"waiting": 3}
        assert answer.json()["parts"]["reports"] == "cannot be reached"
    with TestClient(app(*checks[:1])) as client:
        assert client.get("/health").json() == {"status": "well", "parts": {"fine": "ok"}}
    with TestClient(app(HealthCheck("leader", ill))) as client:
        answer = client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "not ready")


def test_health_names_what_is_wrong() -> None:
    checks = (HealthCheck("fine", healthy), HealthCheck("ill", ill), HealthCheck("stuck", stuck))
    with TestClient(app(*checks)) as client:
        assert client.get("/health/live").json() == {"status": "live"}
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        parts = answer.json()["parts"]
        assert (parts["fine"], parts["ill"]) == ("ok", "cannot be reached")
        assert parts["stuck"].startswith("no answer")


def test_what_hangs_is_asked_once_and_is_well_again_when_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_S_MAX", 0.05)
    asked: list[asyncio.Event] = []

    async def hanging() -> None:
        asked.append(asyncio.Event())
        await asked[-1].wait()

    with TestClient(app(HealthCheck("stuck", hanging))) as client:
        assert [client.get("/health/ready").status_code for _ in range(3)] == [503, 503, 503]
        assert len(asked) == 1
        client.blocking_portal.call(asked[0].set)
        client.get("/health/live")
        assert client.get("/health/ready").status_code == 503 and len(asked) == 2
