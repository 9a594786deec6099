"""Calibration over the Admin API: what stories come to on each axis, so that badge thresholds can be set sensibly."""

from typing import Any, cast

from litestar import Request, get

from mystira.play.calibration import views
from mystira.play.calibration.views import PERCENTS, STORIES_MAX, Calibrated
from mystira.play.model.calibration import Measure
from mystira.play.problems import NeverEnds, StoriesMissing, StoryNotFound, StoryUnfinished
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow
from mystira.web.bodies import Body, BodyInvalid, convert
from mystira.web.openapi import describe


class Asked(Body, frozen=True, kw_only=True):
    """Which stories, in which measure, beside whose badges."""

    story: list[str] = []
    measure: Measure = "chance"
    age_group: str = ""
    percent: list[float] = []


@get(
    f"{ADMIN}/api/calibration",
    opt=allow("viewer")
    | describe(
        Calibrated,
        asked=Asked,
        query={
            "story": f"A story's id; given several times (at most {STORIES_MAX}), all of them one after another.",
            "measure": "chance (a player who chooses evenly, with the real odds) or paths (each path once).",
            "age_group": "Show the badges of this age group.",
            "percent": "A percentile from 0 to 100; may be given several times.",
        },
        refusals=(StoriesMissing, StoryNotFound, StoryUnfinished, NeverEnds, BodyInvalid),
    ),
)
async def calibration(request: Request[Any, Any, Any]) -> Calibrated:
    """Show how far stories move the compass."""
    asked = asked_in(request)
    if not asked.story:
        raise StoriesMissing
    work = cast(Works, request.app.state.works).open()
    return await views.calibrated(work, asked.story, asked.measure, asked.age_group, asked.percent or PERCENTS)


def asked_in(request: Request[Any, Any, Any]) -> Asked:
    """Return what the address asks for; BodyInvalid says what does not fit."""
    given: dict[str, Any] = {name: request.query_params.getall(name, []) for name in ("story", "percent")}
    given = {name: [one for one in values if one] for name, values in given.items()}
    given |= {n: request.query_params[n] for n in ("measure", "age_group") if request.query_params.get(n)}
    asked = convert(given, Asked, strict=False)
    if not all(0 <= percent <= 100 for percent in asked.percent) or len(asked.percent) > STORIES_MAX:
        message = "write numbers from 0 to 100"
        raise BodyInvalid(summary=f"percent: {message}", errors=[{"path": "$.percent", "message": message}])
    return asked


HANDLERS = (calibration,)
