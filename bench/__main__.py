"""`make bench`: measures, prints the table, and keeps it in bench/."""

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path

import uvloop

from bench import store, web
from bench.measuring import Row

HERE = Path(__file__).parent


def main() -> None:
    """Run every measurement; MYSTIRA_TEST_BENCH_S sets the seconds for each (default 10)."""
    seconds = float(os.environ.get("MYSTIRA_TEST_BENCH_S", "10"))
    rows: list[Row] = []
    for measure in (store.measure, web.measure):
        print(f"Measuring {measure.__module__} ...", flush=True)
        rows += uvloop.run(measure(seconds))
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "seconds_each": seconds,
    }
    (HERE / "results.json").write_text(json.dumps({**about, "rows": [row._asdict() for row in rows]}, indent=2) + "\n")
    text = table(rows, about)
    (HERE / "RESULTS.md").write_text(text)
    print(text)


def table(rows: list[Row], about: dict[str, object]) -> str:
    """Return the measurements as people read them."""
    lines = [
        "# Measurements",
        "",
        f"Made by `make bench` on {about['date']} ({about['machine']}; {about['seconds_each']:g} s each, alternating",
        "rounds, medians). Rates are noisy on a shared machine; the ratios, taken in one run, are what counts.",
        "",
        "| What | Ours, per second | Peer | Peer, per second | Ratio | Goal |",
        "|---|---:|---|---:|---:|---:|",
    ]
    for row in rows:
        goal = "" if row.goal is None else f"{row.goal:g}{' (met)' if row.ratio >= row.goal else ' (missed)'}"
        rate = f"{row.ours_per_s:,.0f} | {row.peer} | {row.peer_per_s:,.0f}"
        lines.append(f"| {row.name} | {rate} | {row.ratio:.2f} | {goal} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
