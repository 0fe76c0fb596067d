"""What a row of the benchmark is, and the rounds in which everybody takes a turn."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.memory import in_status

TESTS = Path(__file__).parents[1]
N_THREADS = 2
ROUNDS = {False: 5, True: 2}  # by whether it is to be quick
PATIENCE = {False: 300.0, True: 2.0}  # seconds in all, after which a way is not run again
SMALLEST_PEAK = 1e6  # bytes: less counts as this much in a ratio
STATUS = "\nimport sys; sys.stdout.write(open('/proc/self/status').read())"


@dataclass(frozen=True)
class Way:
    """One way to do the job of a row, in a fresh process.

    `load` takes the folder of the data, and is not timed; `solve` takes what was loaded, and is;
    `result` turns what it returned into named arrays, and is not. Where there is `less`, a shorter
    job that takes the same data, its time is taken off, and what is left is divided by `per`.
    """

    name: str
    load: Callable
    solve: Callable
    result: Callable = dict
    less: Callable | None = None
    per: int = 1
    is_cold: bool = False  # without compiled code, nor a warm-up
    target: float | None = None  # how many times slower than ours, at least
    memory_target: float | None = None  # how many times our peak, at least


@dataclass(frozen=True)
class Program:
    """One way to do the job as a whole program; its arguments are the data and the result."""

    name: str
    source: str
    data: Callable  # from the folder to the file
    target: float | None = None
    memory_target: float | None = None


@dataclass(frozen=True)
class Row:
    """A job, the ways to do it, ours first, and how to tell a good result.

    `prepare` writes what the ways load into a folder, and returns what there is to say about it;
    `judge` takes the folder and returns a function from result to error.
    """

    name: str
    job: str
    prepare: Callable
    ways: tuple
    judge: Callable
    error: str  # what it is, with its unit
    tolerance: float  # the error that is as good as none
    warm_every: int = 1  # the warm-up takes one pixel in so many
    is_mapped: bool = False
    most_seconds: float | None = None  # of ours
    most_bytes: float | None = None
    most_error: float | None = None


@dataclass(frozen=True)
class Measured:
    """What one process took; `error` is that of its result."""

    round: int
    wall: float
    cpu: float
    peak: float | None
    error: float


@dataclass
class Outcome:
    """What came of a row."""

    row: Row
    facts: str
    measured: dict = field(default_factory=dict)  # of every way, a list
    broken: dict = field(default_factory=dict)  # why a way did not run

    @property
    def ours(self):
        """The name of our own way."""
        return self.row.ways[0].name

    def worst_error(self, name):
        """Return the largest error of a way; infinite where it never ran."""
        return max((m.error for m in self.measured[name]), default=float("inf"))

    def typical(self, name, what):
        """Return the median of what a way took; None where that is unknown."""
        values = [getattr(m, what) for m in self.measured[name]]
        return statistics.median(values) if values and None not in values else None

    def ratios(self, name, what):
        """Return what a peer took over what we did, for every round that both ran in."""
        ours = {m.round: getattr(m, what) for m in self.measured[self.ours]}
        pairs = [
            (getattr(m, what), ours[m.round])
            for m in self.measured[name]
            if m.round in ours and None not in (getattr(m, what), ours[m.round])
        ]
        if what == "peak":
            pairs = [[max(peak, SMALLEST_PEAK) for peak in pair] for pair in pairs]
        return [theirs / own for theirs, own in pairs if own > 0]

    @property
    def least_error(self):
        """Zero, or below it where a result is better than what was taken for the best."""
        return min(0.0, *(m.error for several in self.measured.values() for m in several), 0.0)

    def is_as_good(self, name, than):
        """Whether the results of one way are no worse than those of another."""
        allowed = self.row.tolerance + self.least_error
        return self.worst_error(name) <= max(allowed, self.worst_error(than))

    @property
    def has_failed(self):
        """Whether ours did not run, or is worse than a peer."""
        peers = [way.name for way in self.row.ways[1:] if self.measured[way.name]]
        if not self.measured[self.ours]:
            return True
        return not all(self.is_as_good(self.ours, peer) for peer in peers) or self.is_inexact

    @property
    def is_inexact(self):
        """Whether our error is above what the row allows in any case."""
        most = self.row.most_error
        if most is None:
            return False
        return not self.worst_error(self.ours) <= most + self.least_error


def find_row(spec, quick):
    """Return the row that ``module:name`` names, on small data if it is to be quick."""
    module, _, name = spec.partition(":")
    row = getattr(importlib.import_module(module), name)(quick)
    return without_targets(row) if quick else row


def without_targets(row):
    """Return a row that asks nothing of speed or memory, as on small data."""
    ways = tuple(replace(way, target=None, memory_target=None) for way in row.ways)
    return replace(row, ways=ways, most_seconds=None, most_bytes=None)


def run_row(spec, folder, quick, rounds=None):
    """Prepare the data, let everybody take turns, and return the outcome."""
    row = find_row(spec, quick)
    say(f"{row.name}: preparing")
    outcome = prepared(row, spec, quick, folder)
    if outcome.broken:
        return outcome
    error_of = row.judge(folder)
    settle(outcome, (spec, quick, folder))
    for number in range(rounds or ROUNDS[quick]):
        for way in in_turn(row.ways, number):
            if not is_done(outcome, way, quick):
                take_turn(outcome, way, number, (spec, quick, folder), error_of)
    return outcome


def prepared(row, spec, quick, folder):
    """Return the outcome before the first round; every way is broken if there is no data."""
    measured = {way.name: [] for way in row.ways}
    try:
        done = call_child("prepare", spec, quick, folder)
    except ChildError as error:
        return Outcome(row, "none", measured, dict.fromkeys(measured, f"no data: {error}"))
    return Outcome(row, json.loads(done.stdout.splitlines()[-1]), measured)


def settle(outcome, where):
    """Run ours once before the rounds, to compile it, and whole programs, to read their files."""
    for way in outcome.row.ways:
        if isinstance(way, Program) or (way.name == outcome.ours and not way.is_cold):
            with contextlib.suppress(ChildError):  # the rounds will say it
                run_once(way, where)


def in_turn(ways, number):
    """Return the ways in the order of a round; every round begins with another one."""
    start = number % len(ways)
    return [*ways[start:], *ways[:start]]


def is_done(outcome, way, quick):
    """Whether a way broke down, or has taken so long that once more would be too much."""
    if way.name in outcome.broken:
        return True
    return (
        sum(m.wall * getattr(way, "per", 1) for m in outcome.measured[way.name]) > PATIENCE[quick]
    )


def take_turn(outcome, way, number, where, error_of):
    """Run one way in a fresh process, and note what it took and how good the result is."""
    try:
        took, result = run_once(way, where)
        measured = Measured(number, **took, error=float(error_of(result)))
    except ChildError as error:
        outcome.broken[way.name] = str(error)
        say(f"{outcome.row.name}: {way.name} did not run: {error}")
        return
    outcome.measured[way.name].append(measured)
    say(
        f"{outcome.row.name}: round {number + 1}, {way.name}: {measured.wall:.4g} s, "
        f"error {measured.error:.2g}"
    )


def run_once(way, where):
    """Run one way in a fresh process; return what it took, and the arrays that it left."""
    spec, quick, folder = where
    path = folder / "result.npz"
    path.unlink(missing_ok=True)
    if isinstance(way, Program):
        took = run_program(way, folder, path)
    else:
        took = run_way(way, spec, quick, folder, path)
    with np.load(path, allow_pickle=False) as arrays:
        return took, dict(arrays)


# processes


class ChildError(RuntimeError):
    """A process that broke down, with its last words."""


def run_way(way, spec, quick, folder, result):
    """Return what the job took in a process that loads, warms up and measures itself."""
    with tempfile.TemporaryDirectory(prefix="endmember-cache-") as empty:
        extra = {"NUMBA_CACHE_DIR": empty} if way.is_cold else {}
        done = call_child("run", spec, quick, folder, way.name, result, extra=extra)
    return json.loads(done.stdout.splitlines()[-1])


def run_program(program, folder, result):
    """Return what a whole program took, from outside."""
    command = [sys.executable, "-c", program.source + STATUS, program.data(folder), result]
    before, start = children_cpu(), time.perf_counter()
    done = call(command)
    wall, cpu = time.perf_counter() - start, children_cpu() - before
    peak = in_status(done.stdout.splitlines(), "VmHWM")
    return {"wall": wall, "cpu": cpu, "peak": peak}


def children_cpu():
    """Seconds of all processes that ended, user and system."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def call_child(task, spec, quick, *arguments, extra=None):
    """Run a task of `child` in a fresh process."""
    size = "quick" if quick else "full"
    return call([sys.executable, "-m", "bench.child", task, spec, size, *arguments], extra)


def call(command, extra=None):
    """Run a command with the threads that everybody gets; say what went wrong, if it did."""
    done = subprocess.run(
        list(map(str, command)),
        env={**environment(), **(extra or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ChildError(last_words(done))
    return done


def last_words(done):
    """Return the error that a process ended with, or its exit status where it said nothing."""
    words = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
    return next((line for line in reversed(words) if "Error" in line), words[-1])


def environment():
    """Return the environment of every process: so many threads, whatever library runs them."""
    pools = ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM")
    threads = {f"{pool}_NUM_THREADS": str(N_THREADS) for pool in pools}
    path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, **threads, "DASK_NUM_WORKERS": str(N_THREADS), "PYTHONPATH": path}


def say(text):
    """Show how far it is, beside the tables."""
    print(f"  {text}", file=sys.stderr, flush=True)
