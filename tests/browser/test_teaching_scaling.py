"""A switch between scalings on a saved page without a kernel, in real hands."""

from __future__ import annotations

import numpy as np
import pytest
from map_page import curves_of, show_saved

import endmember as em

READ_COLORS = r"""figure => [...figure.querySelectorAll('.dot')].map(
  dot => getComputedStyle(dot).fill.match(/\d+/g).slice(0, 3).map(Number))"""
READ_BUTTON = r"""button => {
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  const style = getComputedStyle(button);
  return [style.color, style.backgroundColor].map(color => {
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  });
}"""
ORANGE = [213, 94, 0]


def contrast(one, other):
    """How much brighter one colour is than another, by WCAG 2.2."""
    parts = np.array([one, other]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    low, high = np.sort(linear @ [0.2126, 0.7152, 0.0722])
    return (high + 0.05) / (low + 0.05)


@pytest.fixture(scope="module")
def explorer():
    scene = em.datasets.load("mixture", n_components=3)
    return em.teaching.ScalingExplorer(scene, shares=[1.0, 0.3], max_rank=4)


class ScalingPage:
    """What an open page shows, and what it has to be: that of the same controls in Python."""

    def __init__(self, map_page, explorer):
        self.map, self.page, self.explorer = map_page, map_page.page, explorer
        self.page.locator(".bqplot.figure").nth(2).wait_for()

    def drag(self, which, share):
        """Drag the handle of a slider with a real mouse: 0 is the dose, 1 the rank."""
        box = self.page.locator(".noUi-base").nth(which).bounding_box()
        handle = self.page.locator(".noUi-handle").nth(which).bounding_box()
        middle = handle["y"] + handle["height"] / 2
        self.page.mouse.move(handle["x"] + handle["width"] / 2, middle)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + share * box["width"], middle, steps=5)
        self.page.mouse.up()

    def choose(self, scaling):
        """Click on a scaling."""
        self.page.get_by_role("button", name=scaling, exact=True).click()

    def shown(self, widget, trait):
        return self.explorer.steps.shown(widget, trait)

    def check(self, weighting, share, rank, residual="leading"):
        """Compare words, scree, histogram, spectrum and map with the state."""
        self.page.wait_for_timeout(600)
        explorer = self.explorer
        explorer.scaling.value, explorer.dose.value = weighting, share
        explorer.rank.value, explorer.residual.value = rank, residual
        assert self.page.get_by_text(explorer.fit.words(), exact=True).is_visible()
        assert self.page.get_by_text(f"component {rank + 1}: counts (rms)").is_visible()
        self.check_curves()
        self.check_map(explorer.fit.residuals[residual][rank - 1])

    def check_curves(self):
        explorer, fit = self.explorer, self.explorer.fit
        scree = self.page.locator(".bqplot.figure").nth(0)
        assert scree.evaluate(READ_COLORS).count(ORANGE) == min(20, fit.n_above)
        density, end = explorer.bulk.density, explorer.bulk.density.x[-1]
        top = float(explorer.bulk.edge.y[1])
        curves = curves_of(self.page, (0, end), (0, top), which=1)
        x, y = next(c["xy"] for c in curves if c["color"] == "#d55e00")
        expected = np.interp(x, density.x, self.shown(density, "y"))
        np.testing.assert_allclose(y, expected, atol=0.02 * top)
        edge = [c["xy"][0] for c in curves if np.ptp(c["xy"][0]) == 0]
        np.testing.assert_allclose(edge, fit.edge, atol=0.01 * end)
        spectrum = curves_of(self.page, (0, 1), (0, 1), which=2)[0]["xy"][1]
        assert np.corrcoef(spectrum, self.shown(explorer.next.line, "y"))[0, 1] > 0.9999

    def check_map(self, left):
        """Every pixel has the colour that the bar beside the map gives its value."""
        low, high = self.shown(self.explorer.map, "limits")
        bar = self.map.pixels(".bar canvas")[::-1, 0].astype(int)
        shades = (left.ravel().clip(low, high) - low) / (high - low) * (len(bar) - 1)
        away = self.map.pixels().reshape(-1, 4).astype(int) - bar[shades.round().astype(int)]
        assert np.abs(away).max() <= 6  # of 255: a shade, and what three digits leave open


def test_a_saved_page_follows_switch_dose_rank_and_menu(open_page, tmp_path, explorer, shots):
    page = ScalingPage(show_saved(open_page, tmp_path, explorer), explorer)
    page.check("none", 1.0, 1)
    page.choose("biwhitened")
    page.check("biwhiten", 1.0, 1)
    page.drag(1, 2 / 3)
    page.check("biwhiten", 1.0, 3)
    page.drag(0, 1)
    page.check("biwhiten", 0.3, 3)
    page.page.locator("select").first.select_option(label="all channels")
    page.check("biwhiten", 0.3, 3, "all")
    page.choose("Keenan-Kotula")
    page.check("poisson", 0.3, 3, "all")
    page.choose("unscaled")
    page.check("none", 0.3, 3, "all")
    page.page.screenshot(path=shots / "scaling.png", full_page=True)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pressed_button_can_be_read(open_page, tmp_path, explorer, theme, shots):
    page = ScalingPage(show_saved(open_page, tmp_path, explorer, color_scheme=theme), explorer)
    page.choose("biwhitened")
    page.page.mouse.move(5, 5)
    page.page.wait_for_timeout(400)
    text, paper = page.page.locator("button.mod-active").evaluate(READ_BUTTON)
    assert contrast(text, paper) > 4.5  # WCAG 2.2, 1.4.3
    page.page.screenshot(path=shots / f"scaling-{theme}.png", full_page=True)
