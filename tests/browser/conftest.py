"""A real JupyterLab and a real Chromium, driven with mouse and keyboard."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
import zipfile
from contextlib import closing, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import nbformat
import pytest
from filelock import FileLock
from ipywidgets import IntSlider
from ipywidgets.embed import dependency_state, embed_snippet

from endmember.widgets.pages import script_files

ROOT = Path(__file__).parents[2]
TOKEN = "endmember"
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


sys.path.insert(0, str(Path(__file__).parent))


def pytest_collection_modifyitems(items):
    """Everything in this room needs the browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def shots(tmp_path_factory):
    """Folder for screenshots, ENDMEMBER_SHOTS where a person wants to look at them."""
    folder = Path(os.environ.get("ENDMEMBER_SHOTS") or tmp_path_factory.mktemp("shots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def free_port():
    """A port that nothing listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def running_lab(program, home, root, env=None):
    """A JupyterLab server begun by a program, its settings in `home`, its files in `root`."""
    port = free_port()
    settings = {
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "IPYTHONDIR": str(home / "ipython"),
    }
    command = [
        *program,
        *["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"],
        *[f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}"],
    ]
    with (home / "lab.log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=root,
            env={**(env or os.environ), **settings},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for(f"{address}/api?token={TOKEN}", server, home / "lab.log")
            yield Lab(address, root, server.pid)
        finally:
            stop(server)


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """A JupyterLab server on a copy of the course."""
    home = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "course", home / "course")
    with running_lab([sys.executable, "-m", "jupyterlab"], home, home / "course") as lab:
        yield lab


@pytest.fixture(scope="session")
def start_lab():
    """How a test starts a JupyterLab of its own."""
    return running_lab


def stop(server):
    """End a server and all it started; one that is busy with a kernel may not listen."""
    os.killpg(server.pid, signal.SIGTERM)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(10)


@pytest.fixture(scope="session")
def stop_server():
    """How a test ends a server that it started."""
    return stop


def wait_for(address, server, log):
    """Wait until a server answers."""
    for _ in range(300):
        try:
            urllib.request.urlopen(address).close()
            return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
    raise AssertionError("the server did not start:\n" + log.read_text())


@pytest.fixture(scope="session")
def chromium():
    """One Chromium; every page gets a profile of its own."""
    from playwright.sync_api import sync_playwright

    path = os.environ.get("ENDMEMBER_CHROMIUM") or shutil.which("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


@contextmanager
def fresh_page(chromium):
    """A page with a profile of its own; a script error on it fails the test."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1250})
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda m: errors.append(m.text) if _is_ours(m) else None)
    yield page
    context.close()
    assert errors == []


@pytest.fixture(scope="session")
def built_book(tmp_path_factory, worker_id):
    """Where the book lies, by the way it is read; built first, where anything has changed."""
    build_book_once(tmp_path_factory.getbasetemp(), worker_id)
    folder = tmp_path_factory.mktemp("book")
    with zipfile.ZipFile(ROOT / "build" / "endmember-book.zip") as packed:
        packed.extractall(folder)
    html = ROOT / "build" / "jupyter-book" / "_build" / "html"
    with serving(html) as address, serving(ROOT / "build" / "sphinx" / "html") as by_sphinx:
        yield {
            "served": address,
            "from a file": (folder / "endmember-book").as_uri(),
            "by Sphinx alone": by_sphinx,
        }


def build_book_once(base, worker_id):
    """Build the book; of workers that run side by side, the first one does, the others wait."""
    command = [sys.executable, ROOT / "book" / "build.py"]
    if worker_id == "master":
        subprocess.run(command, check=True)
        return
    is_built = base.parent / "book-is-built"  # the folder that the workers share
    with FileLock(f"{is_built}.lock"):
        if not is_built.exists():
            subprocess.run(command, check=True)
            is_built.touch()


@contextmanager
def serving(folder):
    """A server of files, on a port of its own."""
    handler = partial(QuietHandler, directory=str(folder))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files and keeps no log."""

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def open_page(chromium):
    """How a test opens a page that may ask for nothing elsewhere and log no error."""
    contexts, faults = [], []

    def open_(address, inside=None, **settings):
        context = chromium.new_context(
            **{"viewport": {"width": 1300, "height": 1100}, **settings}, accept_downloads=True
        )
        contexts.append(context)
        page = context.new_page()
        inside = inside or address.rpartition("/")[0]
        page.on("request", lambda r: faults.append(r.url) if _leaves(r.url, inside) else None)
        page.on("requestfailed", lambda r: faults.append(f"failed: {r.url}"))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def open_slider(open_page, tmp_path):
    """How a test opens the page that ipywidgets makes of a slider alone, by the same scripts."""
    slider, scripts = IntSlider(), script_files()
    require, embed = scripts["require"].as_uri(), scripts["embed-amd"].as_uri()
    state = dependency_state([slider], drop_defaults=False)
    snippet = embed_snippet([slider], state=state, embed_url=embed, requirejs=False, cors=False)
    page = tmp_path / "slider.html"
    page.write_text(
        f'<!doctype html><body><script src="{require}"></script>{snippet}', encoding="utf-8"
    )
    return partial(open_page, page.as_uri(), inside="file:///")


def _leaves(url, inside):
    return not url.startswith((inside, "blob:", "data:"))


@pytest.fixture
def page(chromium):
    """A page for one test."""
    with fresh_page(chromium) as page:
        yield page


@pytest.fixture(scope="module")
def shared_page(chromium):
    """A page that the tests of a file share."""
    with fresh_page(chromium) as page:
        yield page


def _is_ours(message):
    text = message.text
    return message.type == "error" and any(w in text for w in ("endmember", "anywidget", "state"))


class Lab:
    """A running JupyterLab: opens notebooks and runs their cells."""

    def __init__(self, address, folder, pid):
        self.address = address
        self.folder = folder
        self.pid = pid

    def url(self, path):
        """Address of a file, in a workspace without old tabs."""
        return f"{self.address}/lab/tree/{path}?token={TOKEN}&reset"

    def run(self, page, *cells):
        """Open a new notebook of these cells and run them all."""
        self.open(page, *cells)
        self.run_all(page)

    def open(self, page, *cells):
        """Open a new notebook of these cells."""
        name = f"test-{time.monotonic_ns()}.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
        notebook.metadata.kernelspec = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nbformat.write(notebook, self.folder / name)
        page.goto(self.url(name))

    def wait_for_kernel(self, page):
        """Wait until the notebook is open and its kernel is ready."""
        page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        page.locator("text=Python 3 (ipykernel) | Idle").wait_for(timeout=60_000)

    def run_all(self, page):
        """Run every cell of the open notebook and wait until the last one is done."""
        self.wait_for_kernel(page)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.wait_for_function(ALL_RUN, timeout=180_000)

    def run_cells(self, page, n_cells):
        """Run as many cells of code as this, from the first, by keyboard."""
        self.wait_for_kernel(page)
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        for _ in range(n_cells):
            page.keyboard.press("Shift+Enter")

    def run_first_code_cell(self, page):
        """Run the cells down to the first one of code, as a reader would."""
        self.wait_for_kernel(page)
        page.locator(".jp-Notebook .jp-CodeCell .cm-content").first.click()
        page.keyboard.press("Shift+Enter")
        page.locator(".jp-CodeCell .jp-InputPrompt", has_text="[1]:").wait_for(timeout=60_000)


# Cells out of view have no prompt, but the kernel is busy until the last of them is done.
ALL_RUN = """() => {
  const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')];
  const shown = prompts.map(p => p.innerText.trim());
  const isDone = document.body.innerText.includes('(ipykernel) | Idle')
    && shown.some(p => /\\[\\d+\\]/.test(p)) && !shown.some(p => p.includes('*'));
  if (!isDone) window.doneSince = null;
  else window.doneSince ??= performance.now();
  return isDone && performance.now() - window.doneSince > 700;
}"""
