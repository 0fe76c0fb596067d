"""The workshop's machine, as repo2docker would build it, without Docker.

A fresh environment gets the pinned requirements and ``postBuild``; its own JupyterLab, begun by
``start``, runs the first lesson in a browser.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path

import psutil
import pytest
from packaging.requirements import Requirement
from selector_page import SelectorPage

pytestmark = pytest.mark.binder

ROOT = Path(__file__).parents[2]
BINDER = ROOT / "binder"
MEMORY = 1.5e9  # bytes, of the 2 GB that a workshop's machine has


def pins():
    """Name and version of every pinned package."""
    lines = (BINDER / "requirements.txt").read_text().splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"==[^*]+", str(pin.specifier)) for pin in found)
    return {pin.name.lower().replace("_", "-"): str(pin.specifier)[2:] for pin in found}


def test_every_dependency_of_the_course_is_pinned_within_its_bounds():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *project["optional-dependencies"]["lab"]]
    pinned = pins()
    for requirement in map(Requirement, wanted):
        assert requirement.specifier.contains(pinned[requirement.name.lower()])
    assert not {"torch", "tensorflow"} & set(pinned)


def test_repo2docker_takes_every_file_of_ours():
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(ROOT)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    plan = said.stdout + said.stderr
    assert "python=3.12" in plan
    assert '-r "binder/requirements.txt"' in plan
    assert "RUN ./binder/postBuild" in plan
    assert 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in plan


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """Folder of the repository on the workshop's machine, and the programs of its environment."""
    home = tmp_path_factory.mktemp("workshop")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    )  # fmt: skip
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (home / "repo" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, home / "repo" / name)
    subprocess.run([sys.executable, "-m", "venv", home / "env"], check=True)
    programs = home / "env" / "bin"
    env = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
    install = ["python", "-m", "pip", "install", "--quiet", "-r", "binder/requirements.txt"]
    for command in (install, ["./binder/postBuild"]):
        start = time.monotonic()
        subprocess.run(command, cwd=home / "repo", env=env, check=True)
        print(f"\n{command[0]}: {time.monotonic() - start:.0f} s", end="")
    size = sum(f.stat().st_size for f in (home / "env").rglob("*") if f.is_file())
    print(f"\nenvironment: {size / 1e9:.2f} GB")
    return home / "repo", env


class Memory(threading.Thread):
    """Watch the memory of a process and all its children, until told to stop."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.process, self.peak, self.stopped = psutil.Process(pid), 0, threading.Event()

    def run(self):
        while not self.stopped.wait(0.1):
            self.peak = max(self.peak, self._now())

    def _now(self):
        total = 0
        for process in [self.process, *self.process.children(recursive=True)]:
            try:
                total += process.memory_full_info().uss  # what it does not share with others
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return total


def compiled(repo_env):
    """Every file of compiled code in the environment."""
    folder = Path(repo_env["PATH"].split(":")[0]).parent
    return {path for path in folder.rglob("*.nb?") if "endmember" in path.parts}


def test_a_lesson_runs_on_the_workshops_machine(workshop, start_lab, page):
    repo, env = workshop
    before = compiled(env)
    assert before
    began = time.monotonic()
    with start_lab(["./binder/start", "python", "-m", "jupyterlab"], repo, repo, env) as lab:
        memory = Memory(lab.pid)
        memory.start()
        page.goto(lab.url("course/04-how-many-components.md"))
        lab.run_first_code_cell(page)
        first = time.monotonic() - began
        lab.run_all(page)
        whole = time.monotonic() - began
        selector = SelectorPage(page)
        selector.drag_handle(2)
        assert selector.shown_rank() == 2
        memory.stopped.set()
        memory.join()
    print(f"\nfirst finished cell {first:.1f} s after the start, whole lesson {whole:.1f} s")
    print(f"peak memory of server and kernel {memory.peak / 1e6:.0f} MB")
    assert memory.peak < MEMORY
    assert compiled(env) == before  # nothing was compiled again
