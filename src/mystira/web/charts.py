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


class Mark(NamedTuple):
    """One value on a scale, and what it is called; `look` is the name of its colour."""

    value: float
    name: str
    look: str = ""


def scale_chart(name: str, rows: Sequence[tuple[str, Sequence[Mark]]]) -> Markup:
    """Return a line for each row with its marks, all on one scale from nothing to the highest of all."""
    top = max((mark.value for _, marks in rows for mark in marks), default=0.0)
    if not top:
        return Markup('<p class="soft">{}</p>').format(f"{name}: there is nothing yet.")
    lines = Markup("").join(_scale(row, marks, top) for row, marks in rows)
    caption = f"{name}: from 0 to {number(top)}."
    return Markup('<figure class="scales"><figcaption>{}</figcaption><dl>{}</dl></figure>').format(caption, lines)


def _scale(name: str, marks: Sequence[Mark], top: float) -> Markup:
    words = ", ".join(f"{mark.name} {mark.value:g}" for mark in marks)
    ticks = Markup("").join(
        Markup('<line class="mark {}" x1="{x}" y1="2" x2="{x}" y2="18"/>').format(
            mark.look, x=round(WIDTH * (0.01 + 0.98 * mark.value / top), 1)
        )
        for mark in marks
    )
    drawn = Markup(
        '<svg viewBox="0 0 {w} 20" role="img" aria-label="{words}" preserveAspectRatio="none">'
        '<line class="axis" x1="0" y1="10" x2="{w}" y2="10"/>{ticks}</svg>'
    ).format(w=WIDTH, words=f"{name}: {words}", ticks=ticks)
    said = Markup(" ").join(
        Markup('<span class="tier {}">{} {}</span>').format(mark.look, mark.name, f"{mark.value:g}") for mark in marks
    )
    return Markup("<dt>{}</dt><dd>{}<p>{}</p></dd>").format(name, drawn, said)


def bar_chart(name: str, bars: Sequence[tuple[float, float, float]], marks: Sequence[Mark] = ()) -> Markup:
    """Return a distribution: bars (from, to, share of the whole), and marks at values that matter."""
    if not bars:
        return Markup('<p class="soft">{}</p>').format(f"{name}: there is nothing to show.")
    low = min([bars[0][0], *(mark.value for mark in marks)])
    high = max([bars[-1][1], *(mark.value for mark in marks)])
    span, top = (high - low) or 1.0, max(share for _, _, share in bars) or 1.0
    drawn = [
        Markup('<rect class="bar" x="{}" y="{}" width="{}" height="{}"/>').format(
            round((left - low) / span * WIDTH, 1),
            round(HEIGHT - share / top * (HEIGHT - ROOM), 1),
            max(0.5, round((right - left) / span * WIDTH - 0.5, 1)),
            round(share / top * (HEIGHT - ROOM), 1),
        )
        for left, right, share in bars
    ]
    lines = [
        Markup('<line class="mark" x1="{0}" x2="{0}" y1="0" y2="{1}"><title>{2}</title></line>').format(
            round((mark.value - low) / span * WIDTH, 1), HEIGHT, mark.name
        )
        for mark in marks
    ]
    marked = "; ".join(mark.name for mark in marks)
    words = f"{name}: from {low:g} to {high:g}{'; ' + marked if marked else ''}"
    return Markup(
        '<figure class="chart"><svg viewBox="0 0 {w} {h}" role="img" aria-label="{words}" preserveAspectRatio="none">'
        "{bars}</svg><figcaption>{words}</figcaption></figure>"
    ).format(w=WIDTH, h=HEIGHT, words=words, bars=Markup("").join([*drawn, *lines]))


def number(value: float) -> str:
    """Return a number as people read it: few digits, thousands apart."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"
