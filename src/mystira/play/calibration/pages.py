"""Calibration as a page: each axis as a picture, with the thresholds of the badges in it."""

from typing import Any, cast

from litestar import Request, Response, get

from mystira.content import views as content
from mystira.play.calibration import views
from mystira.play.calibration.http import asked_in
from mystira.play.calibration.views import AxisShown
from mystira.polyglot.problem import Problem
from mystira.polyglot.work import Works
from mystira.web.access import ADMIN, allow
from mystira.web.charts import Bar, bar_chart
from mystira.web.pages import page


@get(f"{ADMIN}/content/calibration", opt=allow("viewer", page=True), include_in_schema=False)
async def calibration_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show how far stories move the compass."""
    asked, work = asked_in(request), cast(Works, request.app.state.works).open()
    groups = await content.age_groups(work)
    names = await content.story_names(work)
    shown, refused = None, None
    if asked.story:
        age_group = asked.age_group or await _age_group_of(work, asked.story[0]) or ""
        try:
            shown = await views.calibrated(work, asked.story, asked.measure, age_group)
        except Problem as refusal:
            refused = refusal.message
    return page(
        request,
        "play/calibration.html",
        asked=asked,
        stories={**{id: id for id in asked.story}, **names},
        groups=groups,
        shown=shown,
        refused=refused,
        charts={} if shown is None else {axis.axis: _chart(axis) for axis in shown.axes},
    )


async def _age_group_of(work: Any, story: str) -> str | None:
    card = await content.story(work, story)
    return None if card is None else card.age_group


def _chart(axis: AxisShown) -> Any:
    bars = [Bar(one.least / 1000, one.below / 1000, one.share) for one in axis.bars]
    marks = [(one.threshold / 1000, one.tier) for one in axis.badges]
    return bar_chart(axis.name, bars, marks)


HANDLERS = (calibration_page,)
