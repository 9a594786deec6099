"""Both OpenAPI documents, operation by operation: what each of them must say, whoever writes the next one."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from jsonschema import Draft202012Validator

from mystira.services.admin import make_admin_app
from tests.journeys.conftest import Running

pytestmark = pytest.mark.anyio

SHORT_BY_NATURE = {
    # Lists of what there is a handful of, whatever the platform holds.
    "/admin/api/verbs": "the verbs of the program",
    "/admin/api/queue": "one row for each collection",
    "/admin/api/reconciliation": "one row for each collection",
    "/admin/api/migration/status": "one row for each collection",
    "/admin/api/overview": "one page",
    "/admin/api/calibration": "as many stories as were asked for",
    "/admin/api/reports/{run_id}/plan": "one batch, and where to go on",
    "/admin/api/records": "one record in both stores",
    "/admin/api/scenarios/{scenario_id}/difference": "two states of one story",
    "/api/v1/profiles/{profile_id}/trophies": "one child's, with the badges that there are",
    "/api/v1/sessions/{session_id}/events": "one game",
    "/api/v1/entitlements": "what one family has paid for",
    "/api/v1/media-metadata": "one record, kept within its bounds",
    "/api/v1/character-media-metadata": "one record, kept within its bounds",
    "/admin/api/media-metadata": "one record, kept within its bounds",
    "/admin/api/character-media-metadata": "one record, kept within its bounds",
}
OTHER_CURSORS = {
    # These go on by names of their own, because each of them is a place that people know as well.
    "/admin/api/audit": {"before"},
    "/admin/api/reports/{run_id}/differences": {"after_partition", "after_id"},
}
NOTHING_MADE = {
    # A second time, these change nothing or say so, without any key.
    "/api/v1/payments/stripe": "a notice counts once",
    "/api/v1/sessions/{session_id}/pause": "a pause of what is paused",
    "/api/v1/sessions/{session_id}/resume": "the clock runs already",
    "/api/v1/sessions/{session_id}/abandon": "it is given up already",
}


class Operation(NamedTuple):
    """One operation of a document."""

    method: str
    path: str
    said: dict[str, Any]
    whole: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method.upper()} {self.path}"

    @property
    def answers(self) -> dict[str, dict[str, Any]]:
        """The good answers that have a body."""
        return {
            status: answer
            for status, answer in self.said["responses"].items()
            if status.startswith("2") and "content" in answer
        }

    def parameters(self, place: str) -> set[str]:
        return {one["name"] for one in self.said["parameters"] if one["in"] == place}

    def schema(self) -> dict[str, Any]:
        """What the usual answer looks like at its top."""
        for answer in self.answers.values():
            schema: dict[str, Any] = next(iter(answer["content"].values()))["schema"]
            return self.resolved(schema)
        return {}

    def resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        reference = schema.get("$ref")
        return self.whole["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema

    def lists(self) -> bool:
        """Whether it answers a list of records, and not one of them with its parts."""
        if self.path.endswith("}"):
            return False
        schema = self.schema()
        return any(
            one.get("type") == "array" and self.resolved(one.get("items") or {}).get("type") == "object"
            for one in (schema, *schema.get("properties", {}).values())
        )


@pytest.fixture
def operations(running: Running) -> list[Operation]:
    staff = make_admin_app(running.platform).state["staff_openapi"]
    return [*_operations(running.app.state["openapi"]), *_operations(staff)]


def _operations(whole: dict[str, Any]) -> Iterator[Operation]:
    for path, item in whole["paths"].items():
        for method, said in item.items():
            yield Operation(method, path, said, whole)


async def test_every_operation_is_named_has_examples_and_tells_its_refusals(operations: list[Operation]) -> None:
    missing: list[str] = []
    for one in operations:
        bodies = one.said.get("requestBody", {}).get("content", {})
        if one.method in ("put", "post") and not bodies and one.path not in NOTHING_MADE:
            assert one.path.endswith("/restore"), f"{one.name} takes no body"
        for place, content in (("body", bodies), *((s, a["content"]) for s, a in one.answers.items())):
            for kind, shown in content.items():
                if "example" not in shown and kind != "text/event-stream":
                    missing.append(f"{one.name}: no example of its {place}")
        refused = [answer for status, answer in one.said["responses"].items() if status[0] in "45"]
        told = [shown for answer in refused for shown in answer["content"]["application/problem+json"]["examples"]]
        if not one.said["summary"] or len(told) < 2:
            missing.append(f"{one.name}: no summary, or refusals without examples")
    assert len(operations) > 100 and not missing, "\n".join(missing)


async def test_every_parameter_has_an_example_that_fits(operations: list[Operation]) -> None:
    wrong: list[str] = []
    for one in operations:
        for parameter in one.said["parameters"]:
            about = f"{one.name}: {parameter['in']} {parameter['name']}"
            if "example" not in parameter:
                wrong.append(f"{about} has no example")
                continue
            wrong += [f"{about}: {error.message}" for error in validator(parameter).iter_errors(parameter["example"])]
            if parameter["in"] == "path":
                assert parameter["required"] and "/" not in str(parameter["example"]), about
    assert not wrong, "\n".join(wrong)
    kinds = {one.path: one for one in operations if one.method == "get" and one.path.endswith("/{id}")}
    example = kinds["/api/v1/age-groups/{id}"].said["parameters"][0]["example"]
    assert example == "0-0", "an example is one of its kind"


def validator(parameter: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(parameter["schema"])


async def test_every_list_goes_on_where_the_page_before_has_ended(operations: list[Operation]) -> None:
    without: list[str] = []
    for one in operations:
        if one.method != "get" or not one.lists() or one.path in SHORT_BY_NATURE:
            continue
        ways = OTHER_CURSORS.get(one.path, {"after"})
        if not ways <= one.parameters("query"):
            without.append(f"{one.name} takes no {ways}")
        if one.path not in OTHER_CURSORS and "after" not in one.schema()["properties"]:
            without.append(f"{one.name} does not tell where to go on")
    assert not without, "\n".join(without)
    paths = {one.path for one in operations}
    assert set(SHORT_BY_NATURE) | set(OTHER_CURSORS) <= paths, "an exception for what is not there"


async def test_every_write_names_the_version_that_it_replaces(operations: list[Operation]) -> None:
    by_name = {one.name: one for one in operations}
    wrong: list[str] = []
    for one in operations:
        if one.method not in ("put", "patch", "delete"):
            continue
        if "If-Match" not in one.parameters("header"):
            wrong.append(f"{one.name} takes no If-Match")
        if not {"412", "428"} <= set(one.said["responses"]):
            wrong.append(f"{one.name} refuses neither a missing nor a stale version")
        shown = by_name.get(f"GET {one.path}")
        if shown is None or "ETag" not in shown.said["responses"]["200"].get("headers", {}):
            wrong.append(f"{one.name}: nobody tells its version")
    for one in operations:
        below = next((path for path in _versioned(operations) if one.path.startswith(f"{path}/")), None)
        if one.method == "post" and below is not None and "If-Match" not in one.parameters("header"):
            wrong.append(f"{one.name} changes {below} and takes no If-Match")
    assert not wrong, "\n".join(wrong)


def _versioned(operations: list[Operation]) -> list[str]:
    return [
        one.path
        for one in operations
        if one.method == "get" and "}" in one.path and "ETag" in one.said["responses"]["200"].get("headers", {})
    ]


async def test_everything_that_is_made_by_a_post_is_made_once_for_a_key(operations: list[Operation]) -> None:
    posts = [one for one in operations if one.method == "post" and "If-Match" not in one.parameters("header")]
    without = [one.name for one in posts if "Idempotency-Key" not in one.parameters("header")]
    assert sorted(without) == sorted(f"POST {path}" for path in NOTHING_MADE)
