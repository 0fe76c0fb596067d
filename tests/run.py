"""Run every check in turn, time each, and say at the end what passed.

``make test`` calls this in the project's own environment. Names of parts may be given to run
those alone: ``make test ARGS="style fast"``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
PYTEST = [sys.executable, "-m", "pytest"]

BOTH = ["-n", "2", "--dist", "loadfile"]  # two at a time, each file by one of them
HERE = "not browser and not binder and not network"

PARTS = {
    "style": [BIN / "ruff", "check", "."],
    "format": [BIN / "ruff", "format", "--check", "."],
    "types": [BIN / "mypy"],
    "imports": [BIN / "lint-imports"],
    "fast": [*PYTEST, *BOTH, "-m", f"not slow and {HERE} and not alone"],
    "slow": [*PYTEST, *BOTH, "-m", f"slow and {HERE} and not alone"],
    "alone": [*PYTEST, "-m", f"alone and {HERE}", "-s"],
    "book": [sys.executable, ROOT / "book" / "build.py"],
    "browser": [*PYTEST, *BOTH, "-m", "browser and not binder and not alone"],
    "browser-alone": [*PYTEST, "-m", "browser and alone", "-s"],
    "binder": [*PYTEST, "-m", "binder", "-s"],
}


def find_browser():
    """Return the path of a Chromium, installed first where that is allowed."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    if shutil.which("apt-get") and os.geteuid() == 0:
        print("installing chromium with apt-get", flush=True)
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], check=False)
        if path := shutil.which("chromium"):
            return path
    print("fetching Playwright's own Chromium", flush=True)
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=True)
    return ""  # Playwright finds its own


def main(wanted):
    """Run the wanted parts, or all; return the exit status."""
    unknown = set(wanted) - set(PARTS)
    if unknown:
        raise SystemExit(f"no part is called {sorted(unknown)}; choose from {list(PARTS)}.")
    results = {}
    for name in wanted or PARTS:
        env = dict(os.environ)
        start = time.monotonic()
        if name in ("browser", "browser-alone", "binder"):
            env["ENDMEMBER_CHROMIUM"] = find_browser()
        print(f"\n=== {name} ===", flush=True)
        status = subprocess.run([str(p) for p in PARTS[name]], cwd=ROOT, env=env).returncode
        results[name] = (status, time.monotonic() - start)
    print("\npart         time    result")
    for name, (status, seconds) in results.items():
        print(f"{name:<10} {seconds:6.1f} s  {'ok' if status == 0 else f'FAILED ({status})'}")
    failed = [name for name, (status, _) in results.items() if status]
    total = sum(seconds for _, seconds in results.values())
    print(f"{'total':<10} {total:6.1f} s")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
