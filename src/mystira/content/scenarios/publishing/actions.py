"""Publishes what was handed in, for a service that may ask again; each function with a `work` is one unit of work."""

from mystira.content.scenarios.actions import Asked, publish, scenario_of
from mystira.content.scenarios.model.life import refuse_unpublishable, waits_for_review
from mystira.content.scenarios.publishing.model import PublishRequest
from mystira.polyglot.work import Work, Works
from mystira.web.keys import KeyReused
from mystira.web.versions import refuse_stale


async def publish_once(works: Works, *, request_id: str, scenario_id: str, asked: Asked) -> PublishRequest:
    """Publish a story that waits for its review; the same request again brings the version that the first one made.

    The request is kept before anything is published, so whoever asks again after a crash completes it.
    """
    kept = await works.run(keep_request, request_id=request_id, scenario_id=scenario_id, asked=asked)
    if kept.version:
        return kept
    version = await _published(works, scenario_id, asked)
    return await works.run(answer_request, request_id=request_id, version=version)


async def keep_request(work: Work, *, request_id: str, scenario_id: str, asked: Asked) -> PublishRequest:
    """Keep a request that can be carried out; KeyReused where its key stands for another one."""
    known = await work.get(PublishRequest, request_id)
    if known is not None:
        if (known.scenario_id, known.why) != (scenario_id, asked.why):
            raise KeyReused
        return known
    scenario = await scenario_of(work, scenario_id)
    refuse_stale(work, scenario, asked.seen)
    refuse_unpublishable(scenario)
    request = PublishRequest(id=request_id, by=asked.by, scenario_id=scenario_id, why=asked.why, asked_at=work.now)
    work.save(request)
    return request


async def answer_request(work: Work, *, request_id: str, version: int) -> PublishRequest:
    """Keep which version a request made; the first answer stands."""
    known = await work.get(PublishRequest, request_id)
    assert known is not None, "a request is kept before it is carried out"
    if known.version:
        return known
    answered = known.evolve(version=version)
    work.save(answered)
    return answered


async def _published(works: Works, scenario_id: str, asked: Asked) -> int:
    scenario = await scenario_of(works.open(), scenario_id)
    if scenario.state == "published" and not waits_for_review(scenario):
        # The same request came this far before.
        return scenario.latest_version
    return (await publish(works, scenario_id=scenario_id, asked=asked)).latest_version
