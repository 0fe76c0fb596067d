"""The rank explorer on a page without a kernel: slider, both maps, words and both norms."""

from __future__ import annotations

import numpy as np
import pytest
from map_page import MapPage, curves_of, show_saved

import endmember as em

READ_MARKS = r"""figure => {
  const plot = figure.querySelector(".plotarea_background") ?? figure.querySelector("rect");
  const places = [...figure.querySelectorAll(".object_grp")].map(
    (mark) => mark.getAttribute("transform").match(/-?[\d.]+/g).map(Number));
  return [plot.width.baseVal.value, plot.height.baseVal.value, places];
}"""


@pytest.fixture(scope="module")
def explorer():
    return em.teaching.RankExplorer(em.datasets.load("portraits", n_mixtures=4).portraits[1])


class RankPage:
    """A rank explorer on an open page, and what it has to show."""

    def __init__(self, kept, explorer):
        self.page, self.explorer = kept.page, explorer
        self.maps = [kept, MapPage(kept.page, 1)]

    def drag_to(self, rank):
        """Drag the handle of the slider with a real mouse."""
        box = self.page.locator(".noUi-base").first.bounding_box()
        handle = self.page.locator(".noUi-handle").first.bounding_box()
        middle = handle["y"] + handle["height"] / 2
        self.page.mouse.move(handle["x"] + handle["width"] / 2, middle)
        self.page.mouse.down()
        share = rank / self.explorer.state.max_rank
        self.page.mouse.move(box["x"] + share * box["width"], middle, steps=5)
        self.page.mouse.up()
        self.page.wait_for_timeout(300)

    def check(self, rank):
        """Compare words, maps and marks with Python's numbers."""
        state, explorer = self.explorer.state, self.explorer
        assert self.page.get_by_text(state.words(rank), exact=True).is_visible()
        self.check_map(0, f"what rank {rank} keeps", state.kept[rank], explorer.kept.limits)
        self.check_map(1, f"what rank {rank} leaves", state.left[rank], explorer.left.limits)
        self.check_marks(rank)

    def check_map(self, which, caption, values, limits):
        """Every pixel has the colour that the bar beside the map gives its value."""
        view, (low, high) = self.maps[which], limits
        assert view.root.get_by_text(caption).first.is_visible()
        bar = view.pixels(".bar canvas")[::-1, 0].astype(int)
        shades = (values.ravel().clip(low, high) - low) / (high - low) * (len(bar) - 1)
        meant = bar[shades.round().astype(int)]
        away = np.abs(view.pixels().reshape(-1, 4).astype(int) - meant).max(axis=1)
        assert away.max() <= 6  # of 255: a shade, and what three digits leave open

    def check_marks(self, rank):
        """Both marks stand on their curves, at the rank."""
        state, scale = self.explorer.state, self.explorer.norms.axes[1].scale
        ends, norms = np.log([scale.min, scale.max]), np.log([state.frobenius, state.spectral])
        figure = self.page.locator(".bqplot.figure").first
        curves = curves_of(self.page, (-0.3, state.max_rank + 0.3), ends)[:2]  # before the legend
        for curve, expected in zip(curves, norms, strict=True):
            np.testing.assert_allclose(curve["xy"][1], expected, atol=0.02)
        width, height, places = figure.evaluate(READ_MARKS)
        x, y = np.array(places).T
        across = -0.3 + x / width * (state.max_rank + 0.6)
        np.testing.assert_allclose(across, rank, atol=0.05)
        up = ends[1] - y / height * (ends[1] - ends[0])
        np.testing.assert_allclose(up, norms[:, rank], atol=0.02)


def test_the_rank_moves_maps_words_and_marks_without_a_kernel(open_page, tmp_path, explorer, shots):
    page = RankPage(show_saved(open_page, tmp_path, explorer), explorer)
    page.check(1)
    for rank in (6, 16, 0):
        page.drag_to(rank)
        page.check(rank)
    page.page.locator(".noUi-handle").first.focus()
    for _ in range(3):
        page.page.keyboard.press("ArrowRight")
    page.page.wait_for_timeout(300)
    page.check(3)
    page.page.screenshot(path=shots / "rank-explorer.png", full_page=True)
