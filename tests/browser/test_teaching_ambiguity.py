"""Turning spectra into each other on a saved page, with a real mouse and no kernel."""

from __future__ import annotations

import numpy as np
import pytest
from map_page import MapPage, curves_of, show_saved

import endmember as em
from endmember.widgets.teaching.ambiguity_state import POSITIONS

SHAPE, MIDDLE, LOWER, UPPER = (10, 12), 12, 4, 20
BLUE = "#0072b2"


@pytest.fixture(scope="module")
def explorer():
    scene = em.datasets.load("omphacite", shape=SHAPE, n_channels=64, dose=2000)
    return em.teaching.AmbiguityExplorer(
        scene.image,
        scene.abundances,
        scene.endmembers,
        names=scene.names,
        turns=[("aegirine", "jadeite"), ("augite", "jadeite")],
    )


class ExplorerPage:
    """The explorer on an open page."""

    def __init__(self, page, explorer):
        self.page, self.explorer, self.state = page, explorer, explorer.state

    def drag_to(self, step):
        """Drag the handle of the slider with the mouse."""
        handle = self.page.locator(".noUi-handle").first.bounding_box()
        track = self.page.locator(".noUi-connects").first.bounding_box()
        mouse, y = self.page.mouse, handle["y"] + handle["height"] / 2
        mouse.move(handle["x"] + handle["width"] / 2, y)
        mouse.down()
        mouse.move(track["x"] + step / (POSITIONS.size - 1) * track["width"], y, steps=8)
        mouse.up()
        self.page.wait_for_timeout(300)

    def check(self, turn, step):
        """Compare what is shown with the state's own numbers."""
        found = self.state.turned(turn, step)
        name, other = (self.state.names[k] for k in self.state.turns[turn])
        axis, plot = self.state.image.axis, self.explorer.spectrum
        ends = (axis.min(), axis.max()), (plot._y.min, plot._y.max)
        curves = [c for c in curves_of(self.page, *ends) if c["width"] == plot.turned.stroke_width]
        shown = {c["color"]: c["xy"][1] for c in curves if c["xy"][1].size > 3}  # not the legend
        within = 5e-3 * found.spectrum.max()
        np.testing.assert_allclose(shown[BLUE], found.spectrum, atol=within)
        grid = MapPage(self.page, 1).pixels()[..., :3].astype(int).reshape(-1, 3)
        is_blue = grid[:, 2] > grid[:, 0] + 25
        is_below = found.abundances[:, 1] < -0.15
        assert is_blue[is_below].all()
        assert not is_blue[found.abundances[:, 1] >= 0].any()
        text = self.page.locator("body").inner_text()
        assert f"misfit {found.misfit:.6f}" in text
        assert f"abundance of {name}" in text
        assert ("both factors are non-negative" in text) == found.is_allowed
        if step != MIDDLE:
            assert f"{abs(found.amount):.1%} {other}" in text


def test_a_saved_page_turns_spectra_under_the_mouse(open_page, tmp_path, explorer, shots):
    page = show_saved(open_page, tmp_path, explorer).page
    shown = ExplorerPage(page, explorer)
    shown.check(0, MIDDLE)
    for step in (UPPER, UPPER + 4, LOWER, 0):
        shown.drag_to(step)
        shown.check(0, step)
    page.screenshot(path=shots / "ambiguity.png", full_page=True)
    page.locator("select").first.select_option(label="jadeite into augite")
    page.wait_for_timeout(300)
    shown.check(1, 0)
    page.locator(".noUi-handle").first.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_timeout(300)
    shown.check(1, 1)
