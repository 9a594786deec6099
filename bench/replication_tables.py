"""What was measured about replication, as people read it."""

from typing import Any

SHARE_MIN, MEMORY_MB_MAX = 0.4, 300
HELD_P99_S_MAX = 1.0
COMPARED_MS_MAX = 1_000.0
P50_MORE_MAX, P99_MORE_MS_MAX = 0.05, 5.0


def tables(kept: dict[str, Any]) -> str:
    """Return everything about replication."""
    lines = [
        f"Replication, on {kept['date']} ({kept['machine']}). Filling a copy: documents a second of CPU time (of this",
        "process and of all of PostgreSQL's), page by page beside the bare limit: COPY of ready rows, and upsert.",
        "",
        "| Filling a copy of | Ours, per CPU second | Bare | Ratio | Ours, per second | Bare | Memory, MB | Goal |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *map(_filled, kept["filled"]),
        "",
        "| What | Ours, per second | Peer | Peer, per second | Ratio |",
        "|---|---:|---|---:|---:|",
        *map(_save, kept["saves"]),
        "",
        "Reads by another process through a socket while writes go on, with the loops of replication and without, in",
        "turns. The ratio is the median of those of neighbouring turns' medians.",
        "",
        "| What | Reads | p50 on, ms | p50 off | Ratio | p99 on | p99 off | Goal |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *map(_read, kept["reads"]),
        "",
        "From the commit of a document until a merge has brought it over, with the second write of a save and without.",
        "",
        "| What | Due, per s | Written, per s | p50, ms | p95, ms | p99, ms | Kept up |",
        "|---|---:|---:|---:|---:|---:|---:|",
        *map(_lag, kept["lags"]),
    ]
    return "\n".join(lines) + "\n"


def _filled(one: dict[str, Any]) -> str:
    ratio = one["ours_per_cpu_s"] / one["bare_per_cpu_s"]
    met = _met(ratio >= SHARE_MIN and one["memory_mb"] < MEMORY_MB_MAX)
    rates = f"{one['ours_per_cpu_s']:,.0f} | {one['bare_per_cpu_s']:,.0f} | {ratio:.2f} | {one['ours_per_s']:,.0f}"
    more = f"{one['bare_per_s']:,.0f} | {one['memory_mb']:.0f} | {SHARE_MIN:g}, {MEMORY_MB_MAX} MB ({met})"
    return f"| {one['documents']:,} | {rates} | {more} |"


def _save(one: dict[str, Any]) -> str:
    rate = f"{one['ours_per_s']:,.0f} | {one['peer']} | {one['peer_per_s']:,.0f}"
    return f"| {one['name']} | {rate} | {one['ratio']:.2f} |"


def _read(one: dict[str, Any]) -> str:
    on, off = one["on"], one["off"]
    # Kept results of before this was measured have the medians alone.
    ratio = one.get("ratio", on["p50_ms"] / off["p50_ms"])
    met = _met(ratio < 1 + P50_MORE_MAX and on["p99_ms"] - off["p99_ms"] < P99_MORE_MS_MAX)
    times = f"{on['p50_ms']:.3f} | {off['p50_ms']:.3f} | {ratio:.2f} | {on['p99_ms']:.1f} | {off['p99_ms']:.1f}"
    return f"| {one['name']} | {on['requests'] + off['requests']:,} | {times} | 5 %, 5 ms ({met}) |"


def _lag(one: dict[str, Any]) -> str:
    times = f"{one['p50_ms']:.1f} | {one['p95_ms']:.1f} | {one['p99_ms']:.1f}"
    kept_up = "yes" if one["kept_up"] else "no"
    return f"| {one['name']} | {one['due_per_s']:,.0f} | {one['made_per_s']:,.0f} | {times} | {kept_up} |"


def _met(is_met: bool) -> str:
    return "met" if is_met else "missed"


def moves_table(kept: dict[str, Any]) -> str:
    """Return how long changes of leader held the writers."""
    lines = [
        f"Changes of leader under load, on {kept['date']} ({kept['machine']}): one collection there and back while two",
        f"processes' worth of writers made {kept['writes']:,} writes. {kept['lost']} acknowledged ones were lost. The",
        f"slowest write took {kept['slowest_s']:.2f} s from the moment it was due, repeats included.",
        "",
        "| What | Moves | Held p50, s | p99 | Most | Refused writes | Goal, p99 |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for one in kept["moves"]:
        met = "met" if one["p99_s"] < HELD_P99_S_MAX else "missed"
        held = " | ".join(f"{one[name]:.2f}" for name in ("p50_s", "p99_s", "max_s"))
        lines.append(f"| {one['name']} | {one['moves']} | {held} | {one['refused']} | {HELD_P99_S_MAX:g} s ({met}) |")
    return "\n".join(lines) + "\n"


def digests_table(kept: dict[str, Any]) -> str:
    """Return what digests cost and how fast they compare."""
    records = kept["records"]
    lines = [
        f"Digests of {records:,} records, on {kept['date']} ({kept['machine']}; the load before was",
        f"{kept['load_before']:g}). One worker counts {records / kept['rows_built_s']:,.0f} rows and",
        f"{records / kept['documents_built_s']:,.0f} documents a second where there were no digests before. Read are",
        "nodes of the tree and keys, of both sides.",
        "",
        "| Keys that differ | Compared in, ms | Read | Goal |",
        "|---:|---:|---:|---:|",
    ]
    for one in kept["compared"]:
        goal = f"{COMPARED_MS_MAX:g} ms ({_met(one['took_ms'] < COMPARED_MS_MAX)})" if not one["differences"] else ""
        lines.append(f"| {one['differences']:,} | {one['took_ms']:.1f} | {one['rows_read']:,} | {goal} |")
    lines += ["", "| What | With digests, per CPU second | Without | Ratio | Goal |", "|---|---:|---:|---:|---:|"]
    for one in kept["saves"]:
        rates = f"{one['ours_per_s']:,.0f} | {one['peer_per_s']:,.0f} | {one['ratio']:.2f}"
        lines.append(f"| {one['name']} | {rates} | {one['goal']:g} ({_met(one['ratio'] >= one['goal'])}) |")
    return "\n".join(lines) + "\n"
