"""Clusters at many doses on a page without a kernel: slider, check boxes, map, words and curves."""

from __future__ import annotations

import numpy as np
import pytest
from map_page import curves_of, show_saved

import endmember as em

DOSES = [4.0, 64.0, 1024.0, 8192.0]
HELD, ORDERED = "show the held-out half", "number clusters by their ratio"
READ_DOTS = r"""figure => [...figure.querySelectorAll(".dot_grp, .object_grp")].map((dot) => {
  const fill = getComputedStyle(dot.querySelector("path")).fill.match(/\d+/g).slice(0, 3);
  return [...dot.getAttribute("transform").match(/-?[\d.]+/g).slice(0, 2).map(Number),
          "#" + fill.map((n) => (+n).toString(16).padStart(2, "0")).join("")];
})"""


@pytest.fixture(scope="module")
def tuner():
    scene = em.datasets.load("iron_oxides", shape=(64, 64), dose=23_000)
    return em.teaching.DoseTuner(scene, doses=DOSES)


class DosePage:
    """A dose tuner on an open page, and what it has to show."""

    def __init__(self, kept, tuner):
        self.map, self.page, self.tuner = kept, kept.page, tuner

    def drag_to(self, i):
        """Drag the handle of the slider with a real mouse."""
        box = self.page.locator(".noUi-base").first.bounding_box()
        handle = self.page.locator(".noUi-handle").first.bounding_box()
        middle = handle["y"] + handle["height"] / 2
        self.page.mouse.move(handle["x"] + handle["width"] / 2, middle)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + i / (len(DOSES) - 1) * box["width"], middle, steps=5)
        self.page.mouse.up()
        self.page.wait_for_timeout(400)

    def tick(self, name):
        self.page.get_by_label(name).click()
        self.page.wait_for_timeout(300)

    def check(self, i, *, is_ordered=True, is_held_out=False):
        """Compare map, words, dots and curves with Python's numbers."""
        state, colors = self.tuner.state, self.tuner.colors
        named = {"#" + "".join(f"{c:02x}" for c in p[:3]) for p in self.map.pixels().reshape(-1, 4)}
        assert named == set(colors)
        meant = np.array([[int(c[n : n + 2], 16) for n in (1, 3, 5)] for c in colors])
        found = self.map.pixels()[..., :3]
        assert (found == meant[state.label_map(i, is_ordered)]).all()
        words = self.page.get_by_text("in the counts that were clustered").first.inner_text()
        assert all(f"{ratio:.3f}" in words for ratio in state.found(i, is_ordered))
        held = [f"{ratio:.3f}" in words for ratio in state.held_out(i, is_ordered)]
        assert all(held) if is_held_out else "not shown" in words
        self.check_curves(is_ordered, is_held_out)
        self.check_dots(i, is_ordered)

    def check_curves(self, is_ordered, is_held_out):
        state, scale = self.tuner.state, self.tuner.curves.y_axis.scale
        curves = curves_of(self.page, (0, 1), (scale.min, scale.max), which=1)
        curves = [c for c in curves if c["color"] in self.tuner.colors]
        kinds = [state.found, *([state.held_out] if is_held_out else [])]
        assert len(curves) == len(kinds) * state.n_clusters
        expected = [
            np.transpose([kind(i, is_ordered) for i in range(len(DOSES))]) for kind in kinds
        ]
        for curve, values in zip(curves, np.concatenate(expected), strict=True):
            np.testing.assert_allclose(curve["xy"][1], values, atol=0.01)

    def check_dots(self, i, is_ordered):
        """As many dots of each colour as pixels of each cluster are drawn."""
        dots = self.page.locator(".bqplot.figure").first.evaluate(READ_DOTS)
        drawn = [color for *_, color in dots]
        shown = self.tuner.steps.driven
        labels = next(
            d for d in shown if d.target is self.tuner.scatter.dots and d.trait == "color"
        )
        row = labels.values[2 * i + int(is_ordered)].astype(int)
        assert [drawn.count(color) for color in self.tuner.colors] == np.bincount(row).tolist()


def test_the_slider_and_both_boxes_work_without_a_kernel(open_page, tmp_path, tuner, shots):
    page = DosePage(show_saved(open_page, tmp_path, tuner), tuner)
    page.check(0)
    page.tick(HELD)
    page.check(0, is_held_out=True)
    for i in (2, 3, 1):
        page.drag_to(i)
        page.check(i, is_held_out=True)
    page.tick(ORDERED)
    page.check(1, is_ordered=False, is_held_out=True)
    page.tick(HELD)
    page.page.locator(".noUi-handle").first.focus()
    page.page.keyboard.press("ArrowRight")
    page.page.wait_for_timeout(400)
    page.check(2, is_ordered=False)
    page.page.screenshot(path=shots / "dose.png", full_page=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_narrow_screen_in_both_themes(open_page, tmp_path, tuner, theme, shots):
    viewport = {"width": 400, "height": 900}
    settings = {"viewport": viewport, "color_scheme": theme}
    page = DosePage(show_saved(open_page, tmp_path, tuner, **settings), tuner)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= 400
    page.drag_to(3)
    page.check(3)
    page.page.screenshot(path=shots / f"dose-{theme}.png", full_page=True)
