"""What charts show: lags and runs are planted, and what is painted on a canvas is read from it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Locator, expect

from mystira.operations.migration.model import LagHistory, LagPoint
from mystira.polyglot.differences import DifferenceClass
from mystira.polyglot.reports import Report, RunKind
from mystira.polyglot.work import Work
from mystira.run import platform
from mystira.settings import read_settings
from tests.browser.administering import apart

# What shines through is not counted, nor where two colours meet. The copy may be read often without a word about it.
PAINTED = """([plot, colour, never]) => {
  const drawn = plot.querySelector("canvas");
  if (!drawn?.width) return false;
  const copy = new OffscreenCanvas(drawn.width, drawn.height).getContext("2d", {willReadFrequently: true});
  copy.drawImage(drawn, 0, 0);
  const {data} = copy.getImageData(0, 0, drawn.width, drawn.height), found = {};
  for (let at = 0; at < data.length; at += 4) {
    if (data[at + 3] < 250) continue;
    const seen = "#" + [0, 1, 2].map((part) => data[at + part].toString(16).padStart(2, "0")).join("");
    found[seen] = (found[seen] ?? 0) + 1;
  }
  return (found[colour] ?? 0) > 10 && !found[never];
}"""


def an_hour(values: Sequence[float], *, ends: datetime | None = None) -> list[LagPoint]:
    """Samples of the last hour; a test may take a quarter of it on a busy machine before the first are out of sight."""
    until = (ends or datetime.now(UTC)) - timedelta(minutes=1)
    apart_s = 42 * 60 / max(len(values) - 1, 1)
    return [
        LagPoint(
            at=until - timedelta(seconds=apart_s * back),
            changes=round(seconds * 3),
            seconds=seconds,
            retrying=0,
            dead=0,
        )
        for back, seconds in zip(range(len(values) - 1, -1, -1), values, strict=True)
    ]


def plant_lags(data: Path, collection: str, points: Sequence[LagPoint]) -> None:
    async def plant(work: Work) -> None:
        history = await work.get(LagHistory, collection) or LagHistory(id=collection)
        work.save(history.evolve(points=tuple(points)))

    async def run() -> None:
        async with platform(read_settings({"MYSTIRA_DATA": str(data)}), print) as opened:
            await opened.works.run(plant)

    apart(run)


def plant_runs(data: Path, collection: str, differences: Sequence[int], every: timedelta) -> None:
    """Runs that found so many differences, the last one now."""
    now = datetime.now(UTC)

    async def run() -> None:
        async with platform(read_settings({"MYSTIRA_DATA": str(data)}), print) as opened:
            for back, count in zip(range(len(differences) - 1, -1, -1), differences, strict=True):
                report = Report(
                    id=f"{collection}-{back}",
                    collection=collection,
                    kind=RunKind.SCRUB,
                    leader="documents",
                    actor="a test",
                    why="to draw them",
                    started_at=now - back * every,
                    finished_at=now - back * every + timedelta(seconds=20),
                    counts={DifferenceClass.DIVERGENT: count},
                )
                await opened.replication.relational.reports.put(report)

    apart(run)


def expect_painted(plot: Locator, colour: str, never: str) -> None:
    """Wait until a chart is drawn in this colour, and not in the other one."""
    expect(plot.locator("canvas")).to_be_visible()
    plot.page.wait_for_function(PAINTED, arg=[plot.element_handle(), colour, never])
