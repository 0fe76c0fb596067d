"""The simplex player on a page without a kernel: mouse and keyboard move the search."""

from __future__ import annotations

import numpy as np
import pytest
from map_page import curves_of, show_saved

import endmember as em

SETTINGS = {"purities": (1.0, 0.8), "shape": (14, 14)}
ORANGE, BLUE = "#d55e00", "#0072b2"
ENDS = ("min", "max")
READ_RING = r"""figure => {
  const plot = figure.querySelector(".plotarea_background") ?? figure.querySelector("rect");
  const ring = [...figure.querySelectorAll(".object_grp")].find((dot) =>
    [...dot.querySelectorAll("*")].some((e) => getComputedStyle(e).stroke === "rgb(154, 92, 240)"));
  return [plot.width.baseVal.value, plot.height.baseVal.value,
          ring.getAttribute("transform").match(/-?[\d.]+/g).map(Number)];
}"""


@pytest.fixture(scope="module")
def player():
    return em.teaching.SimplexPlayer(**SETTINGS)


@pytest.fixture
def shown(open_page, tmp_path, player):
    return show_saved(open_page, tmp_path, player)


def swaps(page):
    return page.locator(".widget-readout").nth(1)


def press(page, nth, key, times):
    """Press a key on one of the sliders."""
    page.locator(".noUi-handle").nth(nth).focus()
    for _ in range(times):
        page.keyboard.press(key)
    page.wait_for_timeout(300)


def corners_on(shown):
    """Row and column of the orange pixels of the map."""
    grid = shown.pixels()[..., :3]
    orange = [int(ORANGE[i : i + 2], 16) for i in (1, 3, 5)]
    return sorted(map(tuple, np.argwhere((grid == orange).all(axis=-1)).tolist()))


def test_keys_on_the_slider_move_triangle_map_and_words(shown, player):
    page, state = shown.page, player.state
    assert corners_on(shown) == sorted(state.corners(1.0, False, 0))
    press(page, 1, "ArrowRight", 3)
    assert corners_on(shown) == sorted(state.corners(1.0, False, 3))
    assert page.get_by_text(state.words(1.0, False, 3)).is_visible()


def test_the_mouse_chooses_a_purity_spikes_and_another_triangle(shown, player):
    page, state = shown.page, player.state
    press(page, 0, "ArrowRight", 1)
    page.get_by_label("pixels with a spike").click()
    page.get_by_role("button", name="MinimumVolume", exact=True).click()
    page.wait_for_timeout(400)
    assert page.get_by_text(state.words(0.8, True, 0)).is_visible()
    assert page.get_by_text(state.words_of("MinimumVolume", 0.8, True)).is_visible()
    ends = [(scale.min, scale.max) for scale in player.cloud.scales.values()]
    drawn = next(c for c in curves_of(page, *ends) if c["color"] == BLUE)
    places = state.place(state.found("MinimumVolume", 0.8, True))
    np.testing.assert_allclose(np.transpose(drawn["xy"])[:3], places, atol=8)


def test_play_goes_on_by_itself(shown):
    page = shown.page
    press(page, 1, "ArrowRight", 2)
    page.get_by_role("button", name="Play").click()
    page.wait_for_timeout(2500)
    page.get_by_role("button", name="Pause").click()
    reached = int(swaps(page).inner_text())
    assert reached >= 4
    page.wait_for_timeout(1000)
    assert int(swaps(page).inner_text()) == reached
    press(page, 1, "End", 1)
    page.get_by_role("button", name="Play").click()  # from the end it begins anew
    page.wait_for_timeout(300)
    assert int(swaps(page).inner_text()) <= 1


def test_the_pointer_on_the_map_rings_a_pixel_in_the_cloud(shown, player):
    points = player.state.search(1.0, False).points
    low, high = (np.array([getattr(s, end) for s in player.cloud.scales.values()]) for end in ENDS)
    for pixel in [(1, 12), (12, 2)]:
        shown.point_at(*pixel, SETTINGS["shape"])
        width, height, (x, y) = shown.page.locator(".bqplot.figure").first.evaluate(READ_RING)
        place = low + np.array([x / width, 1 - y / height]) * (high - low)
        np.testing.assert_allclose(place, points[pixel[0] * 14 + pixel[1]], atol=3)
