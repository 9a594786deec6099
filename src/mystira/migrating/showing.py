"""Draws what commands answer for people: tables and short lists on standard output."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from mystira.migrating.answers import CollectionStatus, Run, Status
from mystira.polyglot.backfill import DONE
from mystira.polyglot.certificate import Gate
from mystira.polyglot.control import State
from mystira.polyglot.phases import Leader, Phase
from mystira.terminal import console

NARROW = 120
NUMBERS = ("Pending", "Retrying", "Dead", "Certificates")
STORES = {Leader.DOCUMENTS: "documents", Leader.RELATIONAL: "PostgreSQL"}
UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"))


def show(drawn: RenderableType) -> None:
    """Print a drawing."""
    console().print(drawn)


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """Return an empty table with these columns; those named in `right` hold numbers."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        drawn.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return drawn


def facts(pairs: Iterable[tuple[str, RenderableType]]) -> Table:
    """Return a list of names with what belongs to them."""
    drawn = Table.grid(padding=(0, 2))
    drawn.add_column(style="bold", no_wrap=True)
    drawn.add_column(overflow="fold")
    for name, value in pairs:
        drawn.add_row(name, value)
    return drawn


def drawn_status(found: Status, width: int) -> RenderableType:
    """Return one screen about all collections; a narrow one leaves out what the others tell as well."""
    narrow = width < NARROW
    hidden = ("Leads", "Behind", "Retrying", "Certificates") if narrow else ()
    lines = [_line(one, found.at, narrow=narrow) for one in found.collections]
    drawn = table(*[name for name in lines[0] if name not in hidden], right=NUMBERS)
    drawn.columns[0].no_wrap = True
    for line in lines:
        drawn.add_row(*[cell for name, cell in line.items() if name not in hidden])
    return drawn


def _line(one: CollectionStatus, at: datetime, *, narrow: bool) -> dict[str, RenderableType]:
    is_open = one.state is State.OPEN
    return {
        "Collection": one.collection,
        "Phase": track(one.phase, short=narrow) if is_open else Text(f"moving to {one.target}", "yellow"),
        "Leads": STORES[one.leader],
        "Copy": copy_of(one),
        "Behind": behind(one),
        "Pending": f"{one.pending}{'+' if one.pending_at_least else ''}",
        "Retrying": Text(str(one.retrying), "yellow" if one.retrying else ""),
        "Dead": Text(str(one.dead), "red" if one.dead else ""),
        "Verified": verified(one.verification, at, short=narrow),
        "Certificates": str(one.certificates),
    }


def drawn_one(one: CollectionStatus, at: datetime) -> RenderableType:
    """Return everything about one collection, what to do next last."""
    pairs: list[tuple[str, RenderableType]] = [
        ("Collection", one.collection),
        ("Phase", track(one.phase)),
        ("Leads", f"{STORES[one.leader]} (epoch {one.epoch}, control version {one.n})"),
        ("Copy", copy_of(one)),
    ]
    if one.state is not State.OPEN:
        until = f", until {one.deadline:%H:%M:%S} UTC at the latest" if one.deadline else ""
        pairs.append(("Moving", Text(f"to {one.target}, by {one.coordinator}{until}", "yellow")))
    if one.backfill is not None and one.backfill.state != DONE:
        pairs.append(("Filling", filling(one)))
    pairs += [
        ("Behind", behind(one)),
        ("Pending", f"{one.pending}{' or more' if one.pending_at_least else ''} changes"),
        ("Retrying", str(one.retrying)),
        ("Dead letters", Text(str(one.dead), "red" if one.dead else "")),
        ("Verified", verified(one.verification, at)),
        ("Shadow reads", _shadow(one)),
        ("Certificates", _certificates(one, at)),
        ("Next", one.next),
    ]
    return facts(pairs)


def track(phase: Phase, *, short: bool = False) -> Text:
    """Return the four phases as a track of four steps, and the name of the phase."""
    at = list(Phase).index(phase)
    steps = "".join("●" if i == at else "─" for i in range(len(Phase)))
    return Text.assemble((steps, "cyan"), " ", f"{at + 1}/4" if short else phase.value)


def copy_of(one: CollectionStatus) -> Text:
    """Return how far the follower's copy is."""
    if one.copy == "filling" and one.backfill is not None:
        return Text(f"{one.backfill.share_low:.0%} {one.backfill.state}", "yellow")
    return Text("not kept") if one.copy == "none" else Text(one.copy, "green")


def filling(one: CollectionStatus) -> str:
    """Return how far the filling is, and for how long it will go on."""
    job = one.backfill
    assert job is not None
    left = ""
    if job.left_s_low is not None and job.left_s_high is not None:
        left = f", {span(job.left_s_low)} to {span(job.left_s_high)} left"
    return f"{job.state}: {job.seen} documents, {job.share_low:.0%} to {job.share_high:.0%}{left}"


def behind(one: CollectionStatus) -> str:
    """Return for how long the oldest change has waited."""
    return f"{span(one.behind_s)}" if one.pending else "0 s"


def verified(run: Run | None, at: datetime, *, short: bool = False) -> Text:
    """Return when it was verified last, and what that found."""
    if run is None or run.finished_at is None:
        return Text("never")
    age = span((at - run.finished_at).total_seconds())
    how = "" if short else f", {run.kind} {age} ago"
    return Text(f"{run.differences} differ{how}", "red" if run.differences else "green")


def gates(looked: Sequence[Gate]) -> RenderableType:
    """Return every gate with its reason, and below the closed ones what to do."""
    drawn = table("", "Gate", "Why")
    for gate in looked:
        mark = (
            Text("open", "green")
            if gate.passed
            else Text("waived" if gate.waived else "closed", "yellow" if gate.waived else "red")
        )
        advice = [] if gate.passed or not gate.advice else [Text(gate.advice, "bold")]
        drawn.add_row(mark, gate.name, Group(Text(gate.reason), *advice))
    return drawn


def span(seconds: float) -> str:
    """Return a length of time as people say it."""
    for size, unit in UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def moment(at: datetime | None) -> str:
    """Return a moment, to the second."""
    return "-" if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def rows(drawn: Table, found: Iterable[Sequence[Any]]) -> Table:
    """Return the table with these rows."""
    for cells in found:
        drawn.add_row(*[cell if isinstance(cell, Text) else str(cell) for cell in cells])
    return drawn


def _shadow(one: CollectionStatus) -> str:
    counts = one.shadow
    if not counts.rate and not counts.compared:
        return "none"
    return f"{counts.rate:.0%} of reads; {counts.mismatches} of {counts.compared} answered otherwise in the last 24 h"


def _certificates(one: CollectionStatus, at: datetime) -> str:
    if one.certified_at is None:
        return "none"
    age: timedelta = at - one.certified_at
    return f"{one.certificates}, the newest {span(age.total_seconds())} ago"
