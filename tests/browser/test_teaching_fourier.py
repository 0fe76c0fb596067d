"""Spots of a Fourier transform on a saved page, measured with the mouse alone."""

from __future__ import annotations

import re

import numpy as np
import pytest
from map_page import MapPage, show_saved

import endmember as em


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_mouse_measures_the_net(open_page, tmp_path, shots, theme):
    scene = em.datasets.load("hrtem_110")
    explorer = em.teaching.FourierExplorer(scene.image, pixel_size=0.02)
    page = show_saved(open_page, tmp_path, explorer, color_scheme=theme).page
    shown, state = MapPage(page, which=1), explorer.state
    side = len(state.power)
    lengths, turns = {}, {}
    for name, spot in zip(scene.spot_names, scene.spots, strict=True):
        row, column = np.rint(spot / state.step).astype(int) + side // 2
        shown.point_at(row, column, (side, side))
        page.wait_for_timeout(200)
        words = page.get_by_text("clockwise from the right").inner_text()
        length, turn = re.match(r"\|g\| = ([\d.]+) /nm.* ([\d.]+)°", words).groups()
        lengths[name], turns[name] = float(length), float(turn)
    assert lengths["002"] / lengths["111"] == pytest.approx(2 / np.sqrt(3), abs=0.02)
    assert abs(turns["002"] - turns["111"]) == pytest.approx(54.74, abs=1.5)
    assert abs(turns["111"] - turns["220"]) == pytest.approx(35.26, abs=1.5)
    page.screenshot(path=shots / f"fourier-{theme}.png", full_page=True)
