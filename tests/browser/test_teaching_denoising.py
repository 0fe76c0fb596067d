"""The denoising explorer on a saved page, without a kernel."""

from __future__ import annotations

import numpy as np
from map_page import MapPage, curves_of, show_saved

import endmember as em

SHAPE = (64, 64)
LINES = {"counts": "#8a8a8a", "truth": "#009e73", "model": "#d55e00"}


def readout(page, which):
    """What a map says of the pixel that is looked at: its value."""
    words = page.locator(".endmember-map .readout").nth(which).inner_text()
    return float(words.split(": ")[1].split()[0].replace("\N{MINUS SIGN}", "-"))


def check_maps(page, state, pixel, step):
    """Compare what the three maps say of a pixel with the numbers of a step."""
    page.wait_for_timeout(300)
    at = state.steps.index(step)
    for which, values in enumerate([state.truth, state.denoised[at], state.residual[at]]):
        value = values[pixel]
        assert abs(readout(page, which) - value) <= 0.01 * abs(value) + 1e-3  # three digits
    assert page.get_by_text(state.words(step), exact=True).is_visible()


def check_curves(page, explorer, pixel, step):
    """Compare the curves with the spectra of a pixel."""
    state, y = explorer.state, explorer.spectrum._y
    row, at = pixel[0] * SHAPE[1] + pixel[1], state.steps.index(step)
    ends = (state.axis.min(), state.axis.max())
    curves = curves_of(page, ends, (y.min, y.max), which=0)
    found = {c["color"]: c["xy"][1] for c in curves if len(c["xy"][1]) == len(state.axis)}
    expected = {"counts": state.counts[row], "truth": state.expected[row]}
    expected["model"] = state.models[at, row]
    for name, values in expected.items():
        # of two digits, on a screen of whole pixels
        np.testing.assert_allclose(found[LINES[name]], values, rtol=0.02, atol=0.02 * y.max)


def test_slider_menu_and_pointer_work_without_a_kernel(open_page, tmp_path, shots):
    scene = em.teaching.doped_portraits(40)
    explorer = em.teaching.DenoisingExplorer(scene, (398, 412), "N", max_rank=6)
    state, start = explorer.state, explorer.left.pixel
    shown = show_saved(open_page, tmp_path, explorer)
    page = shown.page
    check_maps(page, state, start, 1)
    check_curves(page, explorer, start, 1)

    page.locator(".noUi-handle").first.focus()
    shown.press(*["ArrowRight"] * 4)
    check_maps(page, state, start, 5)
    check_curves(page, explorer, start, 5)
    shown.press("ArrowRight")
    check_maps(page, state, start, 6)
    check_curves(page, explorer, start, 6)
    page.screenshot(path=shots / "denoising.png", full_page=True)

    other = tuple(int(i) for i in np.argwhere(state.where)[-1])
    for which in (0, 1, 2):  # a pixel that is pointed at in one map is so in all
        view = MapPage(page, which)
        view.point_at(20 + which, 33, SHAPE)
        check_maps(page, state, (20 + which, 33), 6)
        view.point_at(*other, SHAPE)
        check_maps(page, state, other, 6)
        check_curves(page, explorer, other, 6)

    page.mouse.move(2, 2)
    page.locator("select").first.select_option("raw counts")
    page.wait_for_timeout(300)
    assert readout(page, 0) == state.raw[start]
    assert "raw counts" in MapPage(page, 0).text("caption")

    page.locator(".noUi-handle").first.focus()
    shown.press("End")
    check_curves(page, explorer, start, "shrunk")
