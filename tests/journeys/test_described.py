"""The API's document against the API: every route, every body, every answer."""

import re
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from litestar.routes import HTTPRoute
from openapi_spec_validator import validate

from mystira.play.model.moves import KEY_MAX
from mystira.services.admin import make_admin_app
from mystira.web.bodies import convert
from mystira.web.openapi import Described, described_by
from mystira.web.openapi import document as documented
from tests.journeys.conftest import Running

pytestmark = pytest.mark.anyio
WRITING = {"POST", "PUT", "PATCH"}


def doors(running: Running) -> list[tuple[str, str, Any]]:
    """Every way into the API: method, path as the document writes it, handler."""
    return [
        (str(method), route.path_format, handler)
        for route in running.app.routes
        if isinstance(route, HTTPRoute) and route.path.startswith("/api/")
        for handler in route.route_handlers
        for method in handler.http_methods
        if handler.http_methods != {"OPTIONS"}
    ]


async def document(running: Running) -> dict[str, Any]:
    answer = await running.client.get("/openapi.json")
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    return answer.json()


def fits(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    Draft202012Validator({**schema, "components": document["components"]}).validate(value)


async def test_the_document_is_well_formed_and_names_every_route(running: Running) -> None:
    described = await document(running)
    assert described["openapi"].startswith("3.1")
    validate(described)
    named = {(method.upper(), path) for path, item in described["paths"].items() for method in item}
    assert named == {(method, path) for method, path, _ in doors(running)}
    operations = [operation for item in described["paths"].values() for operation in item.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations) >= 8


async def test_every_route_describes_its_answer_and_its_refusals(running: Running) -> None:
    described = await document(running)
    for method, path, handler in doors(running):
        operation = described["paths"][path][method.lower()]
        answers = operation["responses"]
        good = [status for status in answers if status.startswith(("2", "3"))]
        kind = "text/event-stream" if described_by(handler).streams else "application/json"  # type: ignore[union-attr]
        assert good and all(
            answers[status]["content"][kind]["schema"] for status in good if status not in ("204", "304")
        ), path
        for status in set(answers) - set(good):
            problem = answers[status]["content"]["application/problem+json"]["schema"]
            assert problem == {"$ref": "#/components/schemas/ProblemShown"}, (path, status)
        expected = {"400", "503"} | ({"403", "409", "429"} if method in WRITING else set())
        expected |= {"401"} if handler.opt["access"].who == "family" else set()
        assert expected <= set(answers), (path, expected - set(answers))
        assert re.findall(r"{(\w+)}", path) == [p["name"] for p in operation["parameters"] if p["in"] == "path"]


async def test_every_body_has_a_strict_schema_and_an_example_that_round_trips(running: Running) -> None:
    described = await document(running)
    seen = 0
    for method, path, handler in doors(running):
        about = described_by(handler)
        assert isinstance(about, Described), path
        takes_a_body = re.search(r"\bread_body\(", source_of(handler)) is not None
        assert takes_a_body == (about.body is not None), path
        if about.body is None:
            continue
        content = described["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]
        fits(described, content["schema"], content["example"])
        assert convert(content["example"], about.body, strict=True) == about.example
        schema = described["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
        assert schema["additionalProperties"] is False
        assert set(schema["properties"]) == {field.encode_name for field in msgspec.structs.fields(about.body)}
        seen += 1
    assert seen >= 2


@pytest.mark.parametrize("of", ["players", "staff"])
async def test_every_answer_and_every_refusal_has_an_example_that_fits(running: Running, of: str) -> None:
    described = await document(running)
    if of == "staff":
        described = documented(make_admin_app(running.platform).routes, cookie="staff", for_staff=True)
    seen = 0
    for path, item in described["paths"].items():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                for kind, content in answer.get("content", {}).items():
                    examples = [content["example"]] if "example" in content else []
                    examples += [one["value"] for one in content.get("examples", {}).values()]
                    assert examples or kind == "text/event-stream", (path, status)
                    for example in examples:
                        fits(described, content["schema"], example)
                        seen += 1
    assert seen > 100


def source_of(handler: Any) -> str:
    import inspect

    return inspect.getsource(handler.fn)


async def test_what_is_answered_is_what_the_document_says(family: Running) -> None:
    described = await document(family)

    async def ask(method: str, path: str, body: Any = None, **names: str) -> Any:
        operation = described["paths"][path][method.lower()]
        example = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        sent = example if body is None else body
        answer = await family.client.request(method, path.format(**names), json=sent)
        status = str(answer.status_code)
        assert status in operation["responses"], (method, path, answer.text)
        kind = answer.headers["content-type"]
        fits(described, operation["responses"][status]["content"][kind]["schema"], answer.json())
        return answer

    game = (await ask("POST", "/api/v1/sessions")).json()
    one = "/api/v1/sessions/{session_id}"
    id = {"session_id": game["session_id"]}
    assert (await ask("GET", one, **id)).status_code == 200
    assert (await ask("POST", f"{one}/moves", **id)).status_code == 200
    assert (await ask("POST", f"{one}/moves", {}, **id)).status_code == 400
    for key in ("", "k" * (KEY_MAX + 1)):
        refused = await ask("POST", f"{one}/moves", {"scene_id": "gate", "choice": "continue", "key": key}, **id)
        assert refused.status_code == 400 and refused.json()["errors"][0]["path"] == "$.key"
    assert (await ask("POST", f"{one}/pause", **id)).status_code == 200
    late = {"scene_id": "gate", "choice": "continue", "key": "another"}
    assert (await ask("POST", f"{one}/moves", late, **id)).status_code == 409
    assert (await ask("POST", f"{one}/resume", **id)).status_code == 200
    assert (await ask("POST", f"{one}/abandon", **id)).status_code == 200
    assert (await ask("GET", one, session_id="nobody")).status_code == 404
    for path in ("/api/v1/stories", "/api/v1/sessions", "/api/v1/library", "/api/v1/bundles"):
        assert (await ask("GET", path)).json()["items"], path
    for path in ("/api/v1/profiles/{profile_id}/badges", "/api/v1/profiles/{profile_id}/scores"):
        assert (await ask("GET", path, profile_id="sample-mira")).json() == {"items": [], "after": None}, path
    assert (await ask("GET", "/api/v1/stories/{scenario_id}", scenario_id="the-moss-bridge")).json()["access"] == "free"
    assert (await ask("GET", "/api/v1/stories/{scenario_id}", scenario_id="nothing")).status_code == 404
    assert (await ask("GET", "/api/v1/entitlements")).json() == {"bundle_ids": [], "scenario_ids": []}
    assert (await ask("GET", "/api/v1/stories/{scenario_id}/count", scenario_id="the-moss-bridge")).status_code == 200
    family.client.cookies.clear()
    assert (await ask("GET", one, **id)).status_code == 401
