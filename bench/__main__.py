"""`make bench`: measures, prints the table, and keeps it in bench/."""

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import uvloop

from bench import (
    content,
    cosmos,
    cosmos_store,
    cutovers,
    digests,
    letters,
    library,
    replication,
    replication_tables,
    sessions,
    store,
    web,
)
from bench.measuring import Latency, Row, Taken

HERE = Path(__file__).parent


SIZES, MILLION = (10_000, 100_000), 1_000_000
DIGESTED = 50_000


def main(only: str = "", *options: str) -> None:
    """Run every measurement, or only one of them (`rates`, `load`, `imports` ...), and keep the others as they were.

    MYSTIRA_TEST_BENCH_S sets the seconds for each (default 10). `replication --million` fills a copy of a million
    documents as well, which takes some minutes; otherwise that line is kept. `digests --million` compares a million.
    """
    seconds = float(os.environ.get("MYSTIRA_TEST_BENCH_S", "10"))
    kept: dict[str, Any] = json.loads((HERE / "results.json").read_text())
    about = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        "seconds_each": seconds,
    }
    if only in ("", "rates"):
        rows: list[Row] = []
        for measure in (store.measure, web.measure):
            print(f"Measuring {measure.__module__} ...", flush=True)
            rows += uvloop.run(measure(seconds))
        kept |= {**about, "rows": [row._asdict() for row in rows]}
    if only in ("", "load"):
        print(f"Measuring {sessions.__name__} ...", flush=True)
        latencies = uvloop.run(sessions.measure(seconds))
        kept["load"] = {**about, "latencies": [one._asdict() for one in latencies]}
    if only in ("", "imports"):
        print(f"Measuring {content.__name__} ...", flush=True)
        # One run of seconds has no peer beside it, so it tells how busy the machine was with other things.
        busy = {"load_before": round(os.getloadavg()[0], 1)}
        kept["imports"] = {**about, **busy, "taken": [one._asdict() for one in uvloop.run(content.measure())]}
    if only in ("", "replication"):
        print(f"Measuring {replication.__name__} ...", flush=True)
        kept["replication"] = {**about, **_replication(seconds, kept.get("replication", {}), "--million" in options)}
    if only in ("", "cutovers"):
        print(f"Measuring {cutovers.__name__} ...", flush=True)
        measured = uvloop.run(cutovers.measure())
        kept["cutovers"] = {**about, **measured._asdict(), "moves": [one._asdict() for one in measured.moves]}
    if only in ("", "digests"):
        print(f"Measuring {digests.__name__} ...", flush=True)
        busy = {"load_before": round(os.getloadavg()[0], 1)}
        records = MILLION if "--million" in options else DIGESTED
        counted = uvloop.run(digests.measure(records, 2 * seconds))
        kept["digests"] = {
            **about,
            **busy,
            **counted._asdict(),
            "compared": [one._asdict() for one in counted.compared],
            "saves": [one._asdict() for one in counted.saves],
        }
    if only in ("", "library"):
        print(f"Measuring {library.__name__} ...", flush=True)
        busy = {"load_before": round(os.getloadavg()[0], 1)}
        shelf = uvloop.run(library.measure(seconds))
        lines = {"lists": [one._asdict() for one in shelf.lists], "parts": [one._asdict() for one in shelf.parts]}
        kept["library"] = {**about, **busy, **lines}
    if only in ("", "letters"):
        print(f"Measuring {letters.__name__} ...", flush=True)
        busy = {"load_before": round(os.getloadavg()[0], 1)}
        kept["letters"] = {**about, **busy, "lines": [one._asdict() for one in uvloop.run(letters.measure())]}
    if only in ("", "cosmos"):
        print(f"Measuring {cosmos.__name__} ...", flush=True)
        beside = uvloop.run(cosmos.measure(seconds))
        kept["cosmos"] = {**about, "rows": [row._asdict() for row in beside.rows], "starts": beside.starts}
    if only in ("", "cosmos_store"):
        print(f"Measuring {cosmos_store.__name__} ...", flush=True)
        before = os.getloadavg()[0]
        costs = uvloop.run(cosmos_store.measure(seconds))
        load = f"load {before:.0f} to {os.getloadavg()[0]:.0f}"
        kept["cosmos_store"] = {**about, "load": load, "costs": [one._asdict() for one in costs]}
    (HERE / "results.json").write_text(json.dumps(kept, indent=2) + "\n")
    text = table([Row(**row) for row in kept["rows"]], kept)
    text += "\n" + latency_table([Latency(**one) for one in kept["load"]["latencies"]], kept["load"])
    text += "\n" + imports_table([Taken(**one) for one in kept["imports"]["taken"]], kept["imports"])
    if "replication" in kept:
        text += "\n" + replication_tables.tables(kept["replication"])
    if "cutovers" in kept:
        text += "\n" + replication_tables.moves_table(kept["cutovers"])
    if "digests" in kept:
        text += "\n" + replication_tables.digests_table(kept["digests"])
    if "library" in kept:
        text += "\n" + library.library_table(kept["library"])
    if "letters" in kept:
        text += "\n" + letters.letters_table(kept["letters"])
    if "cosmos" in kept:
        text += "\n" + cosmos.cosmos_table(kept["cosmos"])
    if "cosmos_store" in kept:
        text += "\n" + cosmos_store.overhead_table(kept["cosmos_store"])
    (HERE / "RESULTS.md").write_text(text)
    print(text)


def _replication(seconds: float, before: dict[str, Any], million: bool) -> dict[str, Any]:
    sizes = [*SIZES, MILLION] if million else list(SIZES)
    filled = [one._asdict() for one in uvloop.run(replication.measure_filling(sizes))]
    if not million:
        filled += [one for one in before.get("filled", []) if one["documents"] == MILLION]
    measured = uvloop.run(replication.measure(seconds))
    return {
        "filled": filled,
        "saves": [one._asdict() for one in measured.saves],
        "reads": [one._asdict() | {"on": one.on._asdict(), "off": one.off._asdict()} for one in measured.reads],
        "lags": [one._asdict() for one in measured.lags],
    }


def table(rows: list[Row], about: dict[str, Any]) -> str:
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


def latency_table(latencies: list[Latency], about: dict[str, Any]) -> str:
    """Return how long single requests took, as people read it."""
    lines = [
        f"Load, on {about['date']} ({about['machine']}), against `mystira run` in a process of its own on the same",
        "machine. Open-loop: a request is due at its time, whether or not the one before was answered, and its latency",
        "counts from then. CPU is what the server's process spent by request, whatever else the machine was doing.",
        "",
        "| What | Requests | p50, ms | p95, ms | p99, ms | Most, ms | CPU, ms | Errors | Goal, p95 |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in latencies:
        met = "met" if one.p95_ms < one.goal_p95_ms and not one.errors else "missed"
        times = " | ".join(f"{value:.1f}" for value in (one.p50_ms, one.p95_ms, one.p99_ms, one.max_ms))
        cpu = "" if one.cpu_ms is None else f"{one.cpu_ms:.1f}"
        lines.append(
            f"| {one.name} | {one.requests:,} | {times} | {cpu} | {one.errors} | {one.goal_p95_ms:g} ({met}) |"
        )
    return "\n".join(lines) + "\n"


def imports_table(taken: list[Taken], about: dict[str, Any]) -> str:
    """Return how long imports took, as people read it."""
    lines = [
        f"Imports of generated stories with publishing, on {about['date']} ({about['machine']}), each file read in a",
        f"process apart, into embedded stores of their own. The load before was {about['load_before']:g}.",
        "",
        "| What | Seconds | Goal |",
        "|---|---:|---:|",
    ]
    for one in taken:
        met = "met" if one.took_s < one.goal_s else "missed"
        lines.append(f"| {one.name} | {one.took_s:.2f} | {one.goal_s:g} ({met}) |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main(*sys.argv[1:])
