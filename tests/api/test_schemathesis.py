"""Both OpenAPI documents against a running platform: no answer that they do not name, and none of a defect of ours.

MYSTIRA_TEST_API_EXAMPLES asks for more than the few examples of each operation that a usual run takes.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.browser.administering import PASSWORD, add_admin
from tests.prepared import copy_of
from tests.processes import RunningPlatform

EXAMPLES = int(os.environ.get("MYSTIRA_TEST_API_EXAMPLES", "2"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
RULES = settings(
    max_examples=EXAMPLES,
    database=None,
    deadline=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate],
)
NAMES = {
    "scenario_id": "the-moss-bridge",
    "account_id": "sample-family",
    "profile_id": "sample-mira",
    "collection": "Accounts",
    "id": "6-9",
}
"""What is there, for the parameters of paths: a random name only ever leads to 404."""


class World(NamedTuple):
    address: str
    family: requests.Session
    staff: requests.Session


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, whole: Path) -> Iterator[World]:
    data = copy_of(whole, tmp_path_factory.mktemp("api") / "data")
    platform = RunningPlatform(data).wait_until_ready()
    add_admin(data)
    family, staff = requests.Session(), requests.Session()
    assert family.post(f"{platform.address}/sign-in/sample-family").status_code == 200
    answer = staff.post(f"{platform.address}/admin/sign-in", data={"name": "ada", "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    yield World(platform.address, family, staff)
    assert platform.stop() == 0, platform.output


def test_the_players_api_answers_as_its_document_says(world: World) -> None:
    seen = ask_everything(world.address, world.family, "/openapi.json")
    assert {200, 400, 401, 404} <= {status for _, status in seen}, seen


def test_the_admin_api_answers_as_its_document_says(world: World) -> None:
    seen = ask_everything(world.address, world.staff, "/admin/api/openapi.json")
    assert {200, 400, 401, 404, 428} <= {status for _, status in seen}, seen


def ask_everything(address: str, session: requests.Session, path: str) -> Counter[tuple[str, int]]:
    """Ask each operation for what its description allows, and for what it does not; count the answers."""
    described = session.get(address + path).json()
    seen: Counter[tuple[str, int]] = Counter()
    failed: list[str] = []
    for found in schemathesis.openapi.from_dict(described).get_all_operations():
        operation = found.ok()
        if "text/event-stream" in str(operation.definition.raw["responses"]):
            continue
        modes = [GenerationMode.POSITIVE]
        if operation.body or operation.query or operation.headers:
            modes.append(GenerationMode.NEGATIVE)
        for mode in modes:
            try:
                ask(operation, mode, address, session, seen)
            except Unsatisfiable:
                continue
            except (AssertionError, FailureGroup) as error:
                failed.append(f"{operation.label}: {error} {getattr(error, 'exceptions', '')}")
    assert not failed, "\n\n".join(failed)
    return seen


def ask(
    operation: Any, mode: GenerationMode, address: str, session: requests.Session, seen: Counter[tuple[str, int]]
) -> None:
    raw = operation.definition.raw
    bodies = [one["example"] for one in raw.get("requestBody", {}).get("content", {}).values() if "example" in one]

    @RULES
    @given(operation.as_strategy(generation_mode=mode), st.data())
    def asked(case: Any, data: st.DataObject) -> None:
        if data.draw(st.integers(0, 4)):
            # The session's own cookie signs in; now and then the one that was made up shows what a stranger sees.
            case.cookies = {}
        for name in case.path_parameters or {}:
            if name in NAMES and data.draw(st.booleans()):
                case.path_parameters[name] = NAMES[name]
        if bodies and mode is GenerationMode.POSITIVE and data.draw(st.booleans()):
            case.body = bodies[0]
        for name in ("If-Match", "If-None-Match"):
            if name in str(raw.get("parameters")) and data.draw(st.booleans()):
                case.headers = {**(case.headers or {}), name: "*"}
        answer = case.call(base_url=address, session=session, allow_redirects=False)
        seen[operation.label, answer.status_code] += 1
        case.validate_response(answer, checks=CHECKS)

    asked()
