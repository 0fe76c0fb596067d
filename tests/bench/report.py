"""Ratios, verdicts and tables, as Markdown and as JSON."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import math
import os
import platform
import statistics
from datetime import UTC, datetime
from pathlib import Path

from bench.harness import N_THREADS

LIBRARIES = ("endmember", "hyperspy", "scikit-learn", "numpy", "scipy", "numba", "dask")
COLUMNS = (
    ("way", "---"),
    ("rounds", "---:"),
    ("wall (s)", "---:"),
    ("CPU (s)", "---:"),
    ("peak (MB)", "---:"),
    ("error", "---:"),
    ("slower", "---:"),
    ("target", "---:"),
    ("memory", "---:"),
    ("target", "---:"),
    ("verdict", "---"),
)


def heading(quick):
    """Return what comes before the tables: where, with what, and how far to trust it."""
    lines = ["# Side by side with the peers", ""]
    if quick:
        lines += [
            "Quick: small data. The ratios show that the rows work; targets do not apply.",
            "",
        ]
    versions = ", ".join(f"{name} {version}" for name, version in library_versions().items())
    lines += [
        f"{processor()}, {N_THREADS} threads each of {os.cpu_count()}, {platform.system()}, "
        f"Python {platform.python_version()}; {versions}.",
        "",
        "Slower and memory: peer over endmember, min - median - max over rounds; each way in a "
        "fresh process. How to read it all: tests/bench/run.py.",
    ]
    return "\n".join(lines)


def table(outcome):
    """Return a row of the benchmark as Markdown: one line for every way."""
    row = outcome.row
    kind = "anonymous memory, sampled" if row.is_mapped else "resident memory"
    lines = [
        f"\n## {row.name}\n",
        f"{row.job} Data: {outcome.facts}. Error: {row.error}{allowed(row)}. Peak: {kind}.\n",
        cells(title for title, _ in COLUMNS),
        cells(rule for _, rule in COLUMNS),
    ]
    return "\n".join([*lines, *(cells(line(outcome, way)) for way in row.ways)])


def allowed(row):
    """Return how large an error may be without counting."""
    return f"; {row.tolerance:g} is as good as none" if row.tolerance else ""


def cells(texts):
    """Return a line of a table."""
    return f"| {' | '.join(texts)} |"


def line(outcome, way):
    """Return the cells of one way."""
    if not outcome.measured[way.name]:
        return [way.name, "0", *[""] * 8, f"did not run: {outcome.broken.get(way.name, '')}"]
    is_ours = way.name == outcome.ours
    return [
        way.name,
        str(len(outcome.measured[way.name])),
        figure(outcome.typical(way.name, "wall")),
        figure(outcome.typical(way.name, "cpu")),
        figure(outcome.typical(way.name, "peak"), 1e6),
        f"{outcome.worst_error(way.name):.2g}",
        "" if is_ours else spread(outcome.ratios(way.name, "wall")),
        at_least(way.target),
        "" if is_ours else spread(outcome.ratios(way.name, "peak")),
        at_least(way.memory_target),
        "; ".join(own_verdict(outcome) if is_ours else verdict(outcome, way)),
    ]


def figure(value, unit=1.0):
    """Return three digits of a value, or a dash."""
    return "-" if value is None else f"{value / unit:.3g}"


def spread(ratios):
    """Return min, median and max of ratios."""
    if not ratios:
        return "-"
    return " - ".join(f"{v:.3g}" for v in (min(ratios), statistics.median(ratios), max(ratios)))


def at_least(target):
    """Return a target as a lower bound."""
    return "" if target is None else f">= {target:g}"


def verdict(outcome, way):
    """Return what may be said of ours against a peer."""
    if not outcome.measured[outcome.ours] or not outcome.is_as_good(outcome.ours, way.name):
        return ["FAILED: ours is worse"]
    said = [] if outcome.is_as_good(way.name, outcome.ours) else ["peer less exact"]
    for what, ratios, target in (
        ("speed", outcome.ratios(way.name, "wall"), way.target),
        ("memory", outcome.ratios(way.name, "peak"), way.memory_target),
    ):
        if target is not None and ratios:
            said.append(f"{what} {against(statistics.median(ratios) >= target)}")
    return said


def own_verdict(outcome):
    """Return whether ours keeps within what the row allows, peers or not."""
    row, name = outcome.row, outcome.ours
    said = ["FAILED: inexact"] if outcome.is_inexact else []
    for what, most, unit in (("wall", row.most_seconds, "s"), ("peak", row.most_bytes, "MB")):
        taken = outcome.typical(name, what)
        if most is not None and taken is not None:
            limit = most / 1e6 if unit == "MB" else most
            said.append(f"{what} <= {limit:g} {unit} {against(taken <= most)}")
    return said


def against(is_kept):
    """Return how a figure stands against its target."""
    return "reached" if is_kept else "MISSED"


# files


def save(outcomes, quick, folder):
    """Write tables and measurements so far."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = "bench-quick" if quick else "bench"
    text = "\n".join([heading(quick), *map(table, outcomes), ""])
    (folder / f"{stem}.md").write_text(text, encoding="utf-8")
    whole = {
        "quick": quick,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": processor(),
        "threads": N_THREADS,
        "python": platform.python_version(),
        "versions": library_versions(),
        "rows": {outcome.row.name: as_json(outcome) for outcome in outcomes},
    }
    (folder / f"{stem}.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")


def as_json(outcome):
    """Return all measurements of a row, with its verdicts; wall and CPU in s, peak in bytes."""
    row = outcome.row
    return {
        "job": row.job,
        "data": outcome.facts,
        "error": row.error,
        "tolerance": row.tolerance,
        "has_failed": outcome.has_failed,
        "limits": own_verdict(outcome),
        "ways": {way.name: way_as_json(outcome, way) for way in row.ways},
    }


def way_as_json(outcome, way):
    """Return what one way took in every round, and what may be said of it."""
    is_peer = way.name != outcome.ours
    return {
        "measured": [as_numbers(m) for m in outcome.measured[way.name]],
        "did_not_run": outcome.broken.get(way.name),
        "slower": outcome.ratios(way.name, "wall") if is_peer else None,
        "target": way.target,
        "memory": outcome.ratios(way.name, "peak") if is_peer else None,
        "memory_target": way.memory_target,
        "verdict": verdict(outcome, way) if is_peer else own_verdict(outcome),
    }


def as_numbers(measured):
    """Return a measurement as JSON has numbers: none without end."""
    found = dataclasses.asdict(measured)
    return found if math.isfinite(measured.error) else {**found, "error": None}


def library_versions():
    """Return the versions of everything that takes part."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def processor():
    """Return what the machine computes with."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
