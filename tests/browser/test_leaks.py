"""What a thousand updates leave behind, in the page and in the kernel."""

import itertools

import pytest
from component_page import ComponentPage
from selector_page import SelectorPage
from tuner_page import TunerPage

SHAPE = (24, 36)
PREPARE = """
import gc
import endmember as em
from ipywidgets.widgets.widget import _instances

image = em.datasets.load("iron_oxides", shape=(24, 36), dose=20_000).image

def count():
    gc.collect()
    print(len(_instances), "widgets,", len(gc.get_objects()), "objects")
"""
SHOWN = {
    "selector": ("em.RankSelector(image)", SelectorPage, ["PageDown", "PageUp"]),
    "tuner": ("em.ClusterTuner(image, max_k=4)", TunerPage, ["PageDown", "PageUp"]),
    "browser": (
        "em.ComponentBrowser(em.decompose(image, em.NMF(4, random_state=0)))",
        ComponentPage,
        ["PageDown", "PageUp"],
    ),
}
N_UPDATES = 1_000


def in_page(page):
    """Nodes, listeners and bytes that the page holds, after what is not held is gone."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    metrics = session.send("Performance.getMetrics")["metrics"]
    session.detach()
    found = {metric["name"]: metric["value"] for metric in metrics}
    return {name: found[name] for name in ("Nodes", "JSEventListeners", "JSHeapUsedSize")}


def in_kernel(page, cell):
    """Widgets and objects that the kernel holds, as a cell of the notebook prints them."""
    code = page.locator(".jp-CodeCell").nth(cell)
    code.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
    text = code.locator(".jp-OutputArea-output").inner_text(timeout=30_000)
    return [int(word) for word in text.split() if word.isdigit()]


def update(shown, keys, n_updates):
    """Point at one pixel after the other, and press a key after every fourth."""
    page, box = shown.page, shown.page.locator(".endmember-map .stage").first.bounding_box()
    stage = page.locator(".endmember-map .stage").first
    stage.focus()
    key = itertools.cycle(keys)
    for i in range(n_updates):
        row, column = (7 * i) % SHAPE[0], (5 * i) % SHAPE[1]
        page.mouse.move(
            box["x"] + (column + 0.5) * box["width"] / SHAPE[1],
            box["y"] + (row + 0.5) * box["height"] / SHAPE[0],
        )
        if i % 4 == 3:
            page.keyboard.press(next(key))
        if i % 50 == 49:
            shown.settle(150)  # as a person who stops to read: counts are asked for
    page.mouse.move(5, 5)
    shown.settle(1_500)


@pytest.mark.parametrize("name", SHOWN)
def test_a_thousand_updates_leave_nothing_behind(lab, page, name):
    code, as_page, keys = SHOWN[name]
    lab.open(page, PREPARE, code, "count()", "count()")
    lab.run_cells(page, 2)
    shown = as_page(page)
    shown.settle(2_000)
    kernel = in_kernel(page, 2)
    page.locator(".endmember-map .stage").first.scroll_into_view_if_needed()
    update(shown, keys, 104)  # what is made once is made now
    before = in_page(page)
    update(shown, keys, N_UPDATES)
    after, kernel_after = in_page(page), in_kernel(page, 3)
    print(f"\n{name}: page {before} then {after}; kernel {kernel} then {kernel_after}")
    assert kernel_after[0] == kernel[0]
    assert kernel_after[1] <= kernel[1] + 0.2 * N_UPDATES
    assert after["Nodes"] <= before["Nodes"] + 0.05 * N_UPDATES
    assert after["JSEventListeners"] <= before["JSEventListeners"] + 0.05 * N_UPDATES
    assert after["JSHeapUsedSize"] <= before["JSHeapUsedSize"] + 1e3 * N_UPDATES
