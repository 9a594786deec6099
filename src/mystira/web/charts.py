"""Charts: what was measured in words, as numbers that `static/charts.js` draws, and as a table.

Words and table need no script, so they are there on paper and for whoever sees no drawing, too. The head of a page
with charts includes `_charts.html`.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from math import ceil, floor
from typing import Any, NamedTuple

import msgspec
from markupsafe import Markup

ROWS_MAX = 24

FIGURE = Markup(
    '<figure class="chart"><figcaption>{words}</figcaption><div class="plot" id="{id}" data-chart="{numbers}"></div>'
    '<details id="{id}-numbers"><summary>Numbers<span class="hidden"> of {name}</span></summary>'
    "<table>{note}<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></details></figure>"
)


class Point(NamedTuple):
    """One value at one moment."""

    at: datetime
    value: float


class Bar(NamedTuple):
    """What lies from `least` up to, without it, `below`, as a share of the whole."""

    least: float
    below: float
    share: float


def line_chart(name: str, points: Iterable[Point], *, since: datetime, until: datetime, unit: str = "") -> Markup:
    """Return a line over time. `name` says what it shows, once on a page; without points it says so."""
    shown = sorted(point for point in points if since <= point.at <= until)
    if not shown:
        return _nothing(f"{name}: nothing was measured yet.")
    written = "%H:%M:%S" if since.date() == until.date() else "%Y-%m-%d %H:%M:%S"
    last, highest = shown[-1], max(shown, key=lambda point: point.value)
    words = (
        f"{name}: last {number(last.value)}{unit} at {last.at:{written}}, "
        f"at most {number(highest.value)}{unit} at {highest.at:{written}} UTC"
    )
    numbers = {
        "kind": "line",
        "from": floor(since.timestamp()),
        "to": ceil(until.timestamp()),
        "x": [floor(point.at.timestamp()) for point in shown],
        "y": [_rounded(point.value) for point in shown],
    }
    few, note = thinned(shown)
    rows = [(f"{point.at:{written}}", number(point.value) + unit) for point in few]
    return _figure(name, unit, words, numbers, ("When (UTC)", name), rows, note)


def bar_chart(name: str, bars: Sequence[Bar], marks: Sequence[tuple[float, str]] = ()) -> Markup:
    """Return a distribution in bars of one width, with marks at values that matter."""
    if not bars:
        return _nothing(f"{name}: there is nothing to show.")
    most = max(bars, key=lambda bar: bar.share)
    words = [
        f"{name}: from {bars[0].least:g} to {bars[-1].below:g}",
        f"most often from {most.least:g} to {most.below:g} ({number(most.share * 100)} %)",
        *(f"{mark} at {at:g}" for at, mark in marks),
    ]
    numbers = {
        "kind": "bars",
        "from": min([bars[0].least, *(at for at, _ in marks)]),
        "to": max([bars[-1].below, *(at for at, _ in marks)]),
        "width": bars[0].below - bars[0].least,
        "x": [bar.least for bar in bars],
        "y": [_rounded(bar.share * 100) for bar in bars],
        "marks": marks,
    }
    rows = [(f"{bar.least:g} to {bar.below:g}", f"{number(bar.share * 100)} %") for bar in bars if bar.share]
    note = "Where there is nothing is left out." if len(rows) < len(bars) else ""
    return _figure(name, " %", ", ".join(words), numbers, ("From, up to", "Share"), rows, note)


def thinned(points: Sequence[Point]) -> tuple[Sequence[Point], str]:
    """Return few enough points to be read, and how they were chosen where some are left out."""
    each = -(-len(points) // ROWS_MAX)
    if each == 1:
        return points, ""
    stretches = (points[at : at + each] for at in range(0, len(points), each))
    highest = [max(stretch, key=lambda point: point.value) for stretch in stretches]
    last = points[-1:] if highest[-1] != points[-1] else ()
    return [*highest, *last], f"The highest of every {each} values, and the last of all {len(points):,}."


def number(value: float) -> str:
    """Return a number as people read it, thousands apart; `static/charts.js` writes the same ones alike."""
    return f"{_rounded(value):,}"


def _rounded(value: float) -> float:
    digits = sum(abs(value) < most for most in (1, 10, 100))
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded


def _figure(
    name: str,
    unit: str,
    words: str,
    numbers: dict[str, Any],
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    note: str,
) -> Markup:
    cell = Markup("<td>{}</td>").format
    return FIGURE.format(
        id="chart-" + re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"),
        name=name,
        words=words,
        numbers=msgspec.json.encode({"name": name, "unit": unit, **numbers}).decode(),
        note=Markup("<caption>{}</caption>").format(note) if note else "",
        head=Markup("").join(Markup('<th scope="col">{}</th>').format(one) for one in head),
        rows=Markup("").join(Markup("<tr>{}</tr>").format(Markup("").join(map(cell, row))) for row in rows),
    )


def _nothing(words: str) -> Markup:
    return Markup('<p class="soft">{}</p>').format(words)
