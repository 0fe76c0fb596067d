"""``make lab``, as a person types it, in the environment that make built."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def make_lab(tmp_path, stop_server):
    """Start ``make lab`` as a server; yield its address and the seconds it took to answer."""
    if Path(sys.prefix).resolve() != (ROOT / ".venv").resolve():
        pytest.skip("make lab uses the environment in .venv, and this is another one")
    home = {name: str(tmp_path / name) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR")}
    log = tmp_path / "lab.log"
    start = time.monotonic()
    with log.open("wb") as out:
        server = subprocess.Popen(
            ["make", "lab", "ARGS=--no-browser --port=0"],
            cwd=ROOT,
            env={**os.environ, **home},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = None
        while address is None and time.monotonic() - start < 60:
            assert server.poll() is None, log.read_text()
            address = re.search(r"http://127\.0\.0\.1:\S+", log.read_text())
            time.sleep(0.05)
        yield address[0], time.monotonic() - start
    finally:
        stop_server(server)


@pytest.mark.alone
def test_make_lab_prints_where_the_course_is_open(make_lab, page):
    address, seconds = make_lab
    print(f"\nmake lab, second start: address printed after {seconds:.1f} s")
    assert "/lab/tree/course/quickstart.md?token=" in address
    assert seconds < 5
    page.goto(address)
    page.locator(".jp-Notebook").wait_for(timeout=60_000)  # a notebook, not a text editor
    page.get_by_role("heading", name="Unmix a measured map in 45 minutes").wait_for()
