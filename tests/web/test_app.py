"""What holds for every answer: protecting headers, ids, methods, static files, and no address that brings it down."""

from typing import Any

import pytest
from litestar import Request, get, post
from litestar.params import FromPath
from litestar.testing import TestClient

from mystira.web.access import allow
from mystira.web.app import make_app
from mystira.web.bodies import BODY_BYTES_MAX
from mystira.web.cookies import cookie
from mystira.web.files import STATIC, read_files
from mystira.web.pages import page

PROTECTING = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@get("/page", opt=allow("anyone", page=True))
async def a_page(request: Request[Any, Any, Any]) -> Any:
    return page(request, "layout.html")


@get("/things/{name:str}", opt=allow("anyone"))
async def thing(name: FromPath[str]) -> dict[str, str]:
    return {"name": name}


@post("/things/{name:str}", opt=allow("anyone"))
async def change(request: Request[Any, Any, Any], name: FromPath[str]) -> Any:
    given = page(request, "layout.html")
    given.cookies.append(cookie(request, "session", "secret", 60))
    return given


@get("/crash", opt=allow("anyone"))
async def crash() -> None:
    raise RuntimeError("secret detail")


async def nobody(connection: Any) -> None:
    return None


@pytest.fixture
def client() -> Any:
    app = make_app([a_page, thing, change, crash], authenticate=nobody)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def stylesheet(client: Any) -> str:
    return client.get("/page").text.split('rel="stylesheet" href="')[1].split('"')[0]


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/page", 200),
        ("GET", "/things/x", 200),
        ("HEAD", "/things/x", 200),
        ("OPTIONS", "/things/x", 204),
        ("PUT", "/things/x", 405),
        ("GET", "/nothing", 404),
        ("GET", "/crash", 500),
        ("GET", "/static/app.css", 200),
        ("GET", "/static/nothing", 404),
        ("GET", "/openapi.json", 200),
        ("GET", "/health/live", 200),
        ("GET", "/things/%00", 400),
    ],
)
def test_every_answer_is_protected_and_has_an_id(client: Any, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status
    assert {name: answer.headers[name] for name in PROTECTING} == PROTECTING
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy
    assert "unsafe" not in policy and "*" not in policy
    assert len(answer.headers["x-request-id"]) >= 8
    assert "strict-transport-security" not in answer.headers


def test_what_came_by_tls_stays_with_it() -> None:
    with TestClient(make_app([change, a_page], authenticate=nobody), base_url="https://testserver.local") as client:
        assert client.get("/page").headers["strict-transport-security"].startswith("max-age=")
        flags = client.post("/things/x").headers["set-cookie"].lower()
        assert "secure" in flags and "httponly" in flags and "samesite=lax" in flags and "path=/" in flags


def test_a_cookie_is_out_of_reach_for_scripts_and_other_sites(client: Any) -> None:
    flags = client.post("/things/x").headers["set-cookie"].lower()
    assert "httponly" in flags and "samesite=lax" in flags and "domain" not in flags


def test_a_method_that_is_not_taken_names_those_that_are(client: Any) -> None:
    answer = client.put("/things/x")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")


def test_what_can_be_read_can_be_asked_about(client: Any) -> None:
    whole, head = client.get("/static/app.css"), client.head("/static/app.css")
    assert head.status_code == 200 and head.content == b""
    assert head.headers["content-length"] == str(len(whole.content))


def test_no_page_of_anybody_else_is_served(client: Any) -> None:
    for path in ("/openapi", "/openapi/", "/openapi/scalar", "/openapi/openapi.json", "/schema", "/schema/swagger"):
        answer = client.get(path)
        assert answer.status_code == 404 and "cdn" not in answer.text, path


@pytest.mark.parametrize(
    "path, status",
    [
        ("/things/%00", 400),
        ("/things/x?q=%00", 400),
        ("/things/%ff%fe", 200),
        ("/things/x?q=%ff", 200),
        ("/static/%00", 400),
        ("/static/" + "x" * 5_000, 404),
        ("/static/../app.py", 404),
        ("/static/%2e%2e/app.py", 404),
        ("/static/..%2fapp.py", 404),
        ("/static/art", 404),
        ("/static/", 404),
        ("/static//etc/passwd", 404),
    ],
)
def test_no_address_is_more_than_refused(client: Any, path: str, status: int) -> None:
    assert client.get(path).status_code == status


def test_only_an_address_that_names_the_content_is_kept_for_ever(client: Any) -> None:
    address = stylesheet(client)
    answer = client.get(address)
    assert answer.status_code == 200 and "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-type"].startswith("text/css")
    for other in ("/static/app.css", "/static/app.css?v=", "/static/app.css?v=000000000000"):
        assert client.get(other).headers["cache-control"] == "no-cache"
    assert "cache-control" not in client.get("/static/nothing?v=1").headers
    again = client.get(address, headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert "immutable" in again.headers["cache-control"]


def test_every_static_file_has_a_kind_of_its_own() -> None:
    without = [name for name, file in read_files(STATIC).items() if file.kind == "application/octet-stream"]
    assert without == []


def test_a_body_may_announce_no_more_than_the_limit(client: Any) -> None:
    @post("/swallow", opt=allow("anyone"))
    async def swallow(request: Request[Any, Any, Any]) -> str:
        return str(len(await request.body()))

    with TestClient(make_app([swallow], authenticate=nobody)) as other:
        assert other.post("/swallow", content=b"x" * BODY_BYTES_MAX).status_code == 201
        assert other.post("/swallow", content=b"x" * (BODY_BYTES_MAX + 1)).status_code == 413
        announced = other.post("/swallow", content=b"x", headers={"content-length": str(BODY_BYTES_MAX + 1)})
        assert announced.status_code == 413
