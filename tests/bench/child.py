"""What happens in a fresh process: load, warm up, do the job once under the clock, leave it.

``python -m bench.child prepare module:row size folder``, or ``run ... folder way result``.
The last line printed is JSON.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
import warnings
from pathlib import Path

from bench.harness import find_row
from bench.memory import Anonymous, HighWater


def prepare(row, folder):
    """Write the data of a row; return what there is to say about it."""
    return row.prepare(Path(folder))


def run(row, folder, name, result):
    """Do the job once and leave the result; return what it took."""
    import numpy as np

    way = next(way for way in row.ways if way.name == name)
    data = way.load(Path(folder))
    warm_up(way, data, row.warm_every)
    meter = Anonymous() if row.is_mapped else HighWater()
    took, found = timed(way, data, meter)
    np.savez(result, **way.result(found))
    return took


def warm_up(way, data, every):
    """Load libraries and compiled code: by the shorter job, or on part of the pixels."""
    if way.less:
        way.less(data)
    elif not way.is_cold:
        way.solve(data[::every])


def timed(way, data, meter):
    """Return what the job took, and what it found."""
    short = clock(way.less, data)[:2] if way.less else (0.0, 0.0)
    with meter:
        *long, found = clock(way.solve, data)
    wall, cpu = ((b - a) / way.per for a, b in zip(short, long, strict=True))
    return {"wall": wall, "cpu": cpu, "peak": meter.peak}, found


def clock(job, data):
    """Return wall seconds, CPU seconds and what the job returns."""
    cpu, wall = time.process_time(), time.perf_counter()
    found = job(data)
    return time.perf_counter() - wall, time.process_time() - cpu, found


def main(task, spec, size, *arguments):
    """Do a task, and print what came of it."""
    warnings.simplefilter("ignore")
    with quiet():
        row = find_row(spec, size == "quick")
        answer = {"prepare": prepare, "run": run}[task](row, *arguments)
    print(json.dumps(answer))


@contextlib.contextmanager
def quiet():
    """Keep what libraries print."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stdout(nowhere):
        yield


if __name__ == "__main__":
    main(*sys.argv[1:])
