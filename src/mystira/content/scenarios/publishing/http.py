"""The door for our own services: publish a story that was handed in."""

from typing import Any, cast

from litestar import Request, post

from mystira.content.scenarios.actions import Asked
from mystira.content.scenarios.problems import ScenarioMustWait, ScenarioNotFound, ScenarioUnfinished, VersionNotFound
from mystira.content.scenarios.publishing.actions import publish_once
from mystira.polyglot.entity import Value
from mystira.polyglot.work import Works
from mystira.web.access import allow, service
from mystira.web.bodies import Body, read_body
from mystira.web.keys import IDEMPOTENCY_KEY, KeyMissing, KeyReused, key_id, needed_key
from mystira.web.openapi import describe
from mystira.web.versions import IF_MATCH, Stale, VersionNeeded, VersionUnreadable, named_version

PATH = "/internal/scenarios/publish"
WHY_LENGTH_MAX = 500


class PublishAsked(Body, frozen=True, kw_only=True):
    """A story that waits for its review, and why it is published, for the audit."""

    scenario_id: str
    why: str = ""


class Published(Value, frozen=True, kw_only=True):
    """Which version of a story this request let players see."""

    scenario_id: str
    version: int


PUBLISH = describe(
    Published,
    example=PublishAsked(scenario_id="the-moss-bridge", why="all contributors have agreed"),
    headers={**IF_MATCH, **IDEMPOTENCY_KEY},
    refusals=(
        *(KeyMissing, KeyReused, Stale, VersionNeeded, VersionUnreadable),
        *(ScenarioMustWait, ScenarioNotFound, ScenarioUnfinished, VersionNotFound),
    ),
)


@post(PATH, opt=allow("service") | PUBLISH, status_code=200)
async def publish(request: Request[Any, Any, Any]) -> Published:
    """Publish what an author handed in, as its next version: the version that you saw (If-Match), once for each key."""
    who, key, seen = service(request), needed_key(request), named_version(request)
    sent = await read_body(request, PublishAsked)
    done = await publish_once(
        cast(Works, request.app.state.works),
        request_id=key_id(who, PATH, key),
        scenario_id=sent.scenario_id,
        asked=Asked(by=who, why=" ".join(sent.why.split())[:WHY_LENGTH_MAX], seen=seen),
    )
    return Published(scenario_id=done.scenario_id, version=done.version)


HANDLERS = (publish,)
