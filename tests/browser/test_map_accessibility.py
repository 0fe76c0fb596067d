"""Maps of every kind for those who see, point or type differently, in both themes."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import axe_playwright_python
import ipywidgets as ipw
import numpy as np
import pytest
from map_page import MapPage, show_saved

from endmember.widgets import MapView
from endmember.widgets.factors import pack_factors
from widgets.test_factors import SHAPE, simulate

AXE = Path(axe_playwright_python.__file__).parent / "axe.min.js"
RUN = """async () => {
  const rules = Object.fromEntries(["region"].map((id) => [id, { enabled: false }])); // of pages
  const found = await axe.run(".endmember-map", { rules });
  const faults = found.violations.flatMap(({ id, nodes }) => nodes.map((node) => (
    { id, html: node.html.slice(0, 200), why: node.failureSummary })));
  return [faults, found.passes.reduce((sum, { nodes }) => sum + nodes.length, 0)];
}"""
LINE = {"kind": "line", "points": [[1, 1], [7, 11]], "width": 3}
RAMP = np.arange(126.0).reshape(9, 14)


@pytest.fixture
def show_box(open_page, tmp_path):
    """How a test shows a widget on a page of its own."""
    return partial(show_saved, open_page, tmp_path)


def every_kind():
    """A map of each kind: values with a line, labels, layers, frames over an image, factors."""
    maps = np.random.default_rng(0).random((3, 9, 14))
    image = np.add.outer(np.arange(18.0), np.arange(28.0))
    sets = MapView(shape=(9, 14), caption="{rank} label{s}", rank=2)
    sets.set_label_sets([np.zeros((9, 14), dtype=int), (RAMP > 60).astype(int)])
    factors = pack_factors(simulate())
    return [
        MapView(RAMP, unit="counts", caption="values", region=LINE, limits=(3, 90)),
        sets,
        MapView(layers={"maps": maps, "names": ["Fe", "Mg", "Si"]}, caption="layers"),
        MapView(frames=maps, caption="frames", beneath={"image": image, "name": "HAADF"}),
        MapView(shape=SHAPE, factors=factors, max_rank=6, residual="next"),
        MapView([[1.0]], caption="one pixel"),
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_fault_in_any_kind_of_map(show_box, shots, theme):
    shown = show_box(ipw.VBox(every_kind()), color_scheme=theme)
    for which in (0, 2):
        MapPage(shown.page, which).button("Contrast").click()
    shown.page.add_script_tag(path=AXE)
    faults, n_passed = shown.page.evaluate(RUN)
    shown.page.screenshot(path=shots / f"every-map-{theme}.png", full_page=True)
    print(f"\n{theme}: {n_passed} places passed")
    assert n_passed > 100
    assert faults == [], json.dumps(faults, indent=1)


NAME = """() => {
  const element = document.activeElement;
  const labels = [...(element.labels ?? [])].map((label) => label.innerText);
  const name = element.ariaLabel ?? (labels.join(" ") || element.innerText);
  return [element.tagName, name.split("\\n")[0].trim(), getComputedStyle(element).outlineStyle];
}"""


def test_the_map_says_which_keys_it_knows(show_box):
    first = show_box(ipw.VBox(every_kind()))
    keys = [
        MapPage(first.page, which).stage.get_attribute("aria-description") for which in (0, 1, 3, 4)
    ]
    tools = "Tools: P point, R rectangle, L lasso, I line; Enter sets a corner"
    assert [tools in text for text in keys] == [True, True, True, False]
    assert ["Page Up and Page Down change the rank" in text for text in keys] == [
        *[False, True, False, True]
    ]
    assert ["Comma and full stop" in text for text in keys] == [False, False, True, False]


def test_every_control_is_reached_by_tab_with_a_name_and_a_ring(show_box):
    values, _, _, frames, *_ = every_kind()
    shown = show_box(ipw.VBox([values, frames]))
    shown.button("Contrast").focus()
    shown.press("Enter")
    shown.stage.focus()
    names = []
    for _ in range(60):
        tag, name, ring = shown.page.evaluate(NAME)
        if tag == "BODY":
            break
        assert ring == "solid", name
        names.append(name.split(".")[0])
        shown.page.keyboard.press("Tab")
    tools = ["Point", "Rectangle", "Lasso", "Line"]
    limits = ["upper limit", "lower limit"]
    panel = ["from", "to", "Hold", "percentiles", "scale", "colours", "Reset"]
    assert names == [
        "values", *limits, *tools, "width", "Contrast", "Copy as PNG", "Clear region", *panel,
        "frames, 0", *limits, "frame", "map over HAADF", *tools, "Contrast", "Copy as PNG",
    ]  # fmt: skip


def test_keys_typed_into_controls_are_not_those_of_the_map(show_box):
    shown = show_box(MapView(RAMP, region=LINE))
    shown.root.get_by_role("spinbutton", name="width").focus()
    shown.press("Control+a", "5", "Enter", "r", "l")
    assert shown.button("Point").get_attribute("aria-pressed") == "true"
    assert shown.text("status").startswith("line: ")
    shown.root.get_by_role("slider", name="upper limit").focus()
    shown.press("r", "ArrowDown")
    assert shown.button("Point").get_attribute("aria-pressed") == "true"
    assert shown.text("readout").startswith("row 0, column 0")


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1)])
def test_maps_of_a_pixel_or_of_one_line_answer_like_any_other(show_box, shape):
    values = np.arange(float(np.prod(shape))).reshape(shape)
    sets = MapView(shape=shape)
    sets.set_label_sets([np.zeros(shape, dtype=int), (values > 3).astype(int)])
    frames = MapView(frames=[values, values + 1], beneath=np.ones(shape))
    first = show_box(ipw.VBox([MapView(values, colors="diverging"), sets, frames]))
    last = tuple(n - 1 for n in shape)
    for which, key, words in [
        (0, "PageUp", f"{values[last]:g}"),
        (1, "PageUp", f"{int(values[last] > 3)}"),
        (2, ".", f"{values[last] + 1:g} · image 1"),
    ]:
        shown = MapPage(first.page, which)
        shown.stage.focus()
        shown.press(key, *["Shift+ArrowDown"] * 4, *["Shift+ArrowRight"] * 4)
        assert shown.text("readout") == f"row {last[0]}, column {last[1]}: {words}"
        shown.press("r", "Enter", *["Shift+ArrowUp"] * 4, *["Shift+ArrowLeft"] * 4, "Enter")
        n = values.size
        assert shown.text("status") == f"rectangle: {n} pixel" + "s" * (n > 1)


def test_a_map_of_nothing_but_hidden_pixels_is_shown(show_box):
    nothing = np.full((3, 4), np.nan)
    views = [MapView(nothing), MapView(frames=[nothing]), MapView(RAMP, beneath=RAMP * np.nan)]
    first = show_box(ipw.VBox(views))
    for which, words in [(0, "left out"), (1, "left out"), (2, "0 · image left out")]:
        shown = MapPage(first.page, which)
        shown.stage.focus()
        assert shown.text("readout") == f"row 0, column 0: {words}"
        shown.root.get_by_role("slider", name="upper limit").focus()
        shown.press("PageUp", "End", "Delete")
    assert (MapPage(first.page, 0).pixels()[..., 3] < 255).all()
