"""Small charts, drawn here as SVG: no script, readable in print and in the dark, with their numbers in words."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from markupsafe import Markup, escape

WIDTH, HEIGHT, ROOM = 320, 88, 14


class Point(NamedTuple):
    """One value at one moment."""

    at: datetime
    value: float


def line_chart(name: str, points: Sequence[Point], *, since: datetime, until: datetime, unit: str = "") -> Markup:
    """Return a line over time. `name` says what it shows; without points it says so."""
    shown = [point for point in points if since <= point.at <= until]
    if not shown:
        return Markup('<p class="soft">{}</p>').format(f"{name}: nothing was measured yet.")
    top = max(point.value for point in shown)
    span = max((until - since).total_seconds(), 1.0)
    places = [
        (
            round((point.at - since).total_seconds() / span * WIDTH, 1),
            # A line along the very edge would be cut in half, and one of noughts alone not be seen.
            round(HEIGHT - 1 - (point.value / top if top else 0) * (HEIGHT - ROOM), 1),
        )
        for point in shown
    ]
    line = " ".join(f"{x},{y}" for x, y in places)
    area = f"{places[0][0]},{HEIGHT} {line} {places[-1][0]},{HEIGHT}"
    highest = max(shown, key=lambda point: point.value)
    words = f"{name}: now {number(shown[-1].value)}{unit}, at most {number(top)}{unit} at {highest.at:%H:%M} UTC"
    return Markup(
        '<figure class="chart"><svg viewBox="0 0 {w} {h}" role="img" aria-label="{words}" preserveAspectRatio="none">'
        '<polygon class="area" points="{area}"/><polyline class="line" points="{line}"/></svg>'
        "<figcaption>{words}</figcaption></figure>"
    ).format(w=WIDTH, h=HEIGHT, words=escape(words), area=area, line=line)


def number(value: float) -> str:
    """Return a number as people read it: few digits, thousands apart."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"
