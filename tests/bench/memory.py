"""Measure how much memory a piece of work takes at its worst, beyond what was held before."""

from __future__ import annotations

import ctypes
import gc
import os
import select
import subprocess
import sys
from pathlib import Path

INTERVAL = 0.005  # seconds between samples of anonymous memory


def held(field, pid="self"):
    """Return a field of a process's status in bytes, or None where there is no such thing."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return in_status(lines, field)


def in_status(lines, field):
    """Return a field of the lines of a process's status in bytes, or None."""
    found = [line.split()[1] for line in lines if line.startswith(f"{field}:")]
    return int(found[0]) * 1024 if found else None


def release():
    """Give back what is free, so that work cannot take it without being seen to."""
    gc.collect()
    if hasattr(trim := ctypes.CDLL(None), "malloc_trim"):
        trim.malloc_trim(0)


class HighWater:
    """Peak of resident memory beyond the beginning, by the kernel's own mark; None if unknown."""

    peak = None

    def __enter__(self):
        release()
        self._before = None
        try:
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # sets the mark back
        except OSError:
            return self
        self._before = held("VmRSS")
        return self

    def __exit__(self, *error):
        if self._before is not None:
            self.peak = max(0, held("VmHWM") - self._before)


class Anonymous:
    """Peak of anonymous memory beyond the beginning, sampled from beside; None if unknown."""

    peak = None

    def __enter__(self):
        release()
        self._before = held("RssAnon")
        self._sampler = subprocess.Popen(
            [sys.executable, __file__, str(os.getpid())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._sampler.stdout.readline()  # it is at work
        return self

    def __exit__(self, *error):
        most = int(self._sampler.communicate()[0])
        if self._before is not None:
            self.peak = max(0, most - self._before)


def sample(pid):
    """Print the most anonymous memory that a process holds until the input ends."""
    print("sampling", flush=True)
    most = 0
    while not select.select([sys.stdin], [], [], INTERVAL)[0]:
        most = max(most, held("RssAnon", pid) or 0)
    print(max(most, held("RssAnon", pid) or 0))


if __name__ == "__main__":
    sample(int(sys.argv[1]))
