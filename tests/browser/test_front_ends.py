"""The three widgets where there is no JupyterLab: in Notebook 7 and in Voila."""

import subprocess
import sys

import nbformat
import numpy as np
import pytest
from component_page import ComponentPage
from selector_page import SelectorPage
from tuner_page import TunerPage

import endmember as em
from conftest import free_port, stop, wait_for
from endmember.widgets.map_traits import LABEL_COLORS

pytestmark = pytest.mark.alone  # beside other tests Notebook 7 showed no widget

PREPARE = """
import endmember as em
image = em.datasets.load("iron_oxides", shape=(24, 36), dose=20_000).image
"""
SHAPE = (24, 36)
SHOWN = {
    "selector": "em.RankSelector(image)",
    "tuner": "em.ClusterTuner(image, max_k=4)",
    "browser": "em.ComponentBrowser(em.decompose(image, em.NMF(4, random_state=0)))",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A notebook for each widget."""
    folder = tmp_path_factory.mktemp("front-ends")
    for name, code in SHOWN.items():
        cells = [nbformat.v4.new_code_cell(text) for text in (PREPARE, code)]
        notebook = nbformat.v4.new_notebook(cells=cells)
        notebook.metadata.kernelspec = {
            "name": "python3",
            "display_name": "Python 3",
            "language": "python",
        }
        nbformat.write(notebook, folder / f"{name}.ipynb")
    return folder


@pytest.fixture(scope="module")
def notebook_7(folder, tmp_path_factory, start_lab):
    """How a page opens a notebook in Notebook 7 and runs it."""
    home = tmp_path_factory.mktemp("notebook")
    with start_lab([sys.executable, "-m", "notebook"], home, folder) as server:

        def open_(page, name):
            page.goto(f"{server.address}/notebooks/{name}.ipynb?token=endmember")
            page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").wait_for(
                timeout=60_000
            )
            page.locator(".jp-CodeCell").nth(1).wait_for()  # of an empty notebook all would run
            page.faults.clear()  # Notebook 7.6 throws one of its own at every start
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()

        yield open_


@pytest.fixture(scope="module")
def voila(folder):
    """How a page opens a notebook in Voila, which runs it by itself."""
    port = free_port()
    command = [sys.executable, "-m", "voila", "--no-browser", f"--port={port}", str(folder)]
    log = folder / "voila.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(address, server, log)
        yield lambda page, name: page.goto(f"{address}/voila/render/{name}.ipynb")
    finally:
        stop(server)


@pytest.fixture
def page(chromium):
    """A page whose script errors fail the test, once the front end itself has started."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1250})
    page = context.new_page()
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    yield page
    context.close()
    assert page.faults == []


@pytest.fixture(params=["notebook_7", "voila"])
def open_widget(request, page, shots):
    """How a test opens one of the widgets in each of the front ends."""
    start = request.getfixturevalue(request.param)

    def open_(name, as_page):
        start(page, name)
        shown = as_page(page)
        page.screenshot(path=shots / f"{request.param}-{name}.png")
        return shown

    return open_


def test_the_rank_is_typed_and_a_pixel_is_read(open_widget):
    selector = open_widget("selector", SelectorPage)
    image = em.datasets.load("iron_oxides", shape=SHAPE, dose=20_000).image
    selector.type_rank(2)
    assert "residual at rank 2" in selector.caption()
    assert "PCA(2" in selector.code()
    selector.point_at(3, 30, SHAPE)
    selector.settle(1000)
    assert "row 3, column 30" in selector.readout()
    # Thinned curves keep to a thousandth of their height.
    counts = image.spectrum(3, 30)
    assert np.abs(selector.curve("counts", image.axis) - counts).max() <= 0.02 * counts.max()


def test_clusters_are_painted_for_another_k(open_widget):
    tuner = open_widget("tuner", TunerPage)
    tuner.wait_until_idle()
    state = em.ClusterTuner(
        em.datasets.load("iron_oxides", shape=SHAPE, dose=20_000).image, max_k=4
    ).state
    state.wait()
    for k in (3, 2):
        tuner.type_k(k)
        state.k = k
        np.testing.assert_array_equal(tuner.labels(LABEL_COLORS[:k]), state.label_map())


def test_components_are_browsed_by_mouse_and_keys(open_widget):
    browser = open_widget("browser", ComponentPage)
    browser.list.select_option(index=2)
    browser.settle()
    assert browser.chosen().endswith("component 2")
    browser.point_at(20, 5, SHAPE)
    assert browser.probed() == (20, 5)
    browser.stage.focus()
    browser.page.keyboard.press("PageDown")
    browser.settle()
    assert browser.chosen().endswith("component 3")
