"""A mixture at several doses on a saved page: pointer, dose and channels, without a kernel."""

from __future__ import annotations

import numpy as np
import pytest
from map_page import curves_of, show_saved

import endmember as em
from endmember.widgets.palette import GREY, ORANGE

SHAPE = (12, 14)


@pytest.fixture(scope="module")
def explorer():
    scene = em.datasets.load("mixture", shape=SHAPE)
    return em.teaching.MixingExplorer(scene, doses=(10, 100, 1000))


def press(shown, which, *keys):
    """Press keys on one of the sliders: of the dose, of the channels."""
    shown.page.locator(".noUi-handle").nth(which).focus()
    shown.press(*keys)
    shown.page.wait_for_timeout(300)


def check(shown, state, step, window, at):
    """Compare what is painted with the numbers."""
    top = 1.08 * state.counts[step].max()
    curves = curves_of(shown.page, (0, 63), (0, top))
    model = next(curve for curve in curves if curve["color"] == ORANGE)
    expected = state.doses[step] * state.model[at]
    np.testing.assert_allclose(model["xy"][1], expected, atol=0.01 * top)
    counts = next(curve for curve in curves if curve["color"] == GREY)
    assert counts["xy"][1].max() == pytest.approx(state.counts[step, at].max(), abs=0.01 * top)
    parts = [c for c in curves if c["color"] not in (ORANGE, GREY)]
    assert len(parts) == 3
    for curve, part in zip(parts, state.parts[at], strict=True):
        np.testing.assert_allclose(curve["xy"][1], state.doses[step] * part, atol=0.01 * top)
    total = state.counts[step, at].sum()
    assert shown.page.get_by_text(f"counts: {total:,} in this pixel").is_visible()
    value = state.map(step, window).ravel()[at]
    assert shown.text("readout").endswith(f": {value:g} counts")
    caption = f"counts in {state.window_name(window)}, at {state.doses[step]:,.0f} counts a pixel"
    assert shown.text("caption") == caption


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pointer_dose_and_channels_need_no_kernel(explorer, open_page, tmp_path, shots, theme):
    shown = show_saved(open_page, tmp_path, explorer, color_scheme=theme)
    state = explorer.state
    shown.point_at(2, 11, SHAPE)
    shown.page.wait_for_timeout(300)
    check(shown, state, 1, 0, 2 * 14 + 11)
    press(shown, 0, "ArrowLeft")
    check(shown, state, 0, 0, 2 * 14 + 11)
    press(shown, 1, *["ArrowRight"] * 11)
    check(shown, state, 0, 11, 2 * 14 + 11)
    press(shown, 0, "ArrowRight", "ArrowRight")
    shown.point_at(9, 0, SHAPE)
    shown.page.wait_for_timeout(300)
    check(shown, state, 2, 11, 9 * 14)
    shown.page.screenshot(path=shots / f"mixing-{theme}.png", full_page=True)
