"""Rulers: a few marks on a line, each with its number beside it. Nothing changes in them, so no script draws them."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

WIDTH = 320


class Mark(NamedTuple):
    """One value on a scale, and what it is called; `look` is the name of its colour."""

    value: float
    name: str
    look: str = ""


def ruler(name: str, rows: Sequence[tuple[str, Sequence[Mark]]]) -> Markup:
    """Return a line for each row with its marks, all on one scale from nothing to the highest of all."""
    top = max((mark.value for _, marks in rows for mark in marks), default=0.0)
    if not top:
        return Markup('<p class="soft">{}</p>').format(f"{name}: there is nothing yet.")
    lines = Markup("").join(_line(row, marks, top) for row, marks in rows)
    caption = f"{name}: from 0 to {top:g}."
    return Markup('<figure class="scales"><figcaption>{}</figcaption><dl>{}</dl></figure>').format(caption, lines)


def _line(name: str, marks: Sequence[Mark], top: float) -> Markup:
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
