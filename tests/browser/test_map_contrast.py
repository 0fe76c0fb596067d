"""The scale of a map, taken by its ends with mouse and keys, held, reset, and shared by maps."""

from __future__ import annotations

from functools import partial

import ipywidgets as ipw
import numpy as np
import pytest
from map_page import MapPage, show_saved

from endmember.widgets import MapView
from endmember.widgets.factors import pack_factors
from endmember.widgets.map_view import link_scales
from widgets.test_factors import SHAPE, simulate

RAMP = np.linspace(0.0, 100.0, 126).reshape(9, 14)
ALL = {"percentiles": (0, 100)}


@pytest.fixture
def show_box(open_page, tmp_path):
    """How a test shows a widget on a page of its own."""
    return partial(show_saved, open_page, tmp_path)


def ends(shown):
    """What the ends of the colour bar say, the lower one first."""
    sliders = [shown.root.get_by_role("slider", name=f"{end} limit") for end in ("lower", "upper")]
    return [float(slider.get_attribute("aria-valuenow")) for slider in sliders]


def drag_bar(shown, start, to):
    """Drag from one height of the colour bar to another, both as shares from its lower end."""
    box = shown.root.locator(".bar canvas").bounding_box()
    mouse, x = shown.page.mouse, box["x"] + box["width"] / 2
    mouse.move(x, box["y"] + (1 - start) * box["height"])
    mouse.down()
    mouse.move(x, box["y"] + (1 - to) * box["height"], steps=5)
    mouse.up()
    shown.page.wait_for_timeout(100)


def check_painted(shown, values, low, high, colors=None):
    """Compare what is painted with values between the ends, by the colours of the bar."""
    bar = shown.pixels(".bar canvas")[::-1, 0].tolist()
    found = np.array([bar.index(color) for color in shown.pixels().reshape(-1, 4).tolist()])
    expected = np.clip((values.ravel() - low) * 255 / (high - low), 0, 255).astype(int)
    assert np.abs(found - expected).max() <= 1  # of 255, by float32


def test_the_ends_of_the_bar_are_dragged_and_let_go(show_box, shots):
    shown = show_box(MapView(RAMP, unit="counts", **ALL))
    assert ends(shown) == [0, 100]
    drag_bar(shown, 0.9, 0.5)
    low, high = ends(shown)
    assert low == 0
    assert high == pytest.approx(60, abs=1)  # a pixel of the screen is half a count
    assert shown.text("unit") == "counts (held)"
    check_painted(shown, RAMP, low, high)
    drag_bar(shown, 0.1, 0.6)
    assert ends(shown) == [pytest.approx(high / 2, abs=1), high]
    check_painted(shown, RAMP, *ends(shown))
    shown.page.screenshot(path=shots / "contrast.png")
    drag_bar(shown, 0.2, 1.9)  # the lower end stays below the upper one
    low, high = ends(shown)
    assert high / 2 < low < high
    shown.root.locator(".bar canvas").dblclick()
    assert ends(shown) == [0, 100]
    assert shown.text("unit") == "counts"
    check_painted(shown, RAMP, 0, 100)


def test_the_ends_of_the_bar_answer_to_keys(show_box):
    shown = show_box(MapView(RAMP, unit="counts", **ALL))
    upper = shown.root.get_by_role("slider", name="upper limit")
    upper.focus()
    shown.press("ArrowDown", "PageDown")
    assert ends(shown) == [0, pytest.approx(99 - 9.9)]
    assert upper.get_attribute("aria-valuetext") == "89.1 counts (held)"
    assert upper.get_attribute("aria-valuemax") == "100"
    shown.press("End")
    assert ends(shown) == [0, 100]
    lower = shown.root.get_by_role("slider", name="lower limit")
    lower.focus()
    shown.press("PageUp", "PageUp", "ArrowLeft")
    assert ends(shown) == [pytest.approx(18.19), 100]
    check_painted(shown, RAMP, *ends(shown))
    shown.press("Home")
    assert ends(shown) == [0, 100]
    shown.press("PageUp", "Delete")
    assert ends(shown) == [0, 100]
    assert shown.text("unit") == "counts"


def test_the_ends_of_a_logarithmic_bar_move_by_factors(show_box):
    values = np.geomspace(1.0, 100.0, 126).reshape(9, 14)
    shown = show_box(MapView(values, scale="log", **ALL))
    shown.root.get_by_role("slider", name="upper limit").focus()
    shown.press("PageDown")
    assert ends(shown) == [1, pytest.approx(100**0.9, rel=1e-4)]
    check_painted(shown, np.log(values), *np.log(ends(shown)))


def test_the_ends_of_a_signed_bar_move_together(show_box):
    values = RAMP - 50
    shown = show_box(MapView(values, colors="diverging", **ALL))
    assert ends(shown) == [-50, 50]
    drag_bar(shown, 0.05, 0.3)
    low, high = ends(shown)
    assert low == -high == pytest.approx(-25, abs=1)
    check_painted(shown, values, low, high)


def test_percentiles_are_chosen_and_all_is_reset(show_box):
    values = np.random.default_rng(0).normal(size=(60, 80))
    shown = show_box(MapView(values, percentiles=(1, 99), limits=(0, 1)))
    shown.button("Contrast").click()
    choice = shown.root.get_by_label("percentiles")
    assert choice.evaluate("select => select.selectedOptions[0].text") == "1 to 99 %"
    choice.select_option("5 to 95 %")
    shown.page.wait_for_timeout(100)
    np.testing.assert_allclose(ends(shown), np.quantile(values, [0.05, 0.95]), atol=0.01)
    check_painted(shown, values, *ends(shown))
    shown.root.get_by_label("scale").select_option("log")
    shown.button("Hold").click()
    shown.button("Reset").click()
    shown.page.wait_for_timeout(100)
    np.testing.assert_allclose(ends(shown), np.quantile(values, [0.005, 0.995]), atol=0.03)
    assert shown.button("Hold").get_attribute("aria-pressed") == "false"
    assert shown.text("unit") == ""


def test_held_ends_stay_when_another_rank_or_layer_is_shown(show_box):
    factors = simulate()
    plain = MapView(shape=SHAPE, factors=pack_factors(factors), max_rank=6)
    layers = MapView(layers={"maps": [RAMP, 3 * RAMP]}, shown=0)
    shown = show_box(ipw.VBox([plain, layers]))
    before = ends(shown)
    shown.button("Contrast").click()
    shown.button("Hold").click()
    shown.stage.focus()
    shown.press("PageUp", "PageUp")
    assert ends(shown) == before
    shown.button("Hold").click()
    assert ends(shown) != before
    other = MapPage(shown.page, 1)
    other.root.get_by_role("slider", name="upper limit").focus()
    other.press("PageDown")
    before = ends(other)
    other.root.get_by_label("show").select_option("1")
    other.page.wait_for_timeout(100)
    assert ends(other) == before


def test_percentiles_of_a_composite_are_chosen_too(show_box):
    rng = np.random.default_rng(0)
    maps = rng.uniform(size=(2, 30, 40))
    shown = show_box(MapView(layers={"maps": maps, "colors": ["#ff0000", "#00ff00"]}))
    shown.button("Contrast").click()
    assert not shown.root.get_by_label("from").is_visible()
    shown.root.get_by_label("percentiles").select_option("5 to 95 %")
    shown.page.wait_for_timeout(100)
    low, high = np.quantile(maps, [0.05, 0.95], axis=(1, 2))
    light = np.clip((maps.T - low) / (high - low), 0, 1).T
    expected = np.stack([255 * light[0], 255 * light[1]], axis=-1)
    assert np.abs(shown.pixels()[..., :2] - expected).max() < 4  # of 255: steps of the layers


def test_linked_maps_share_one_scale_without_a_kernel(show_box, shots):
    one = MapView(RAMP, percentiles=(0, 100), caption="one")
    other = MapView(2 * RAMP - 50, caption="other")
    alone = MapView(RAMP, **ALL)
    link_scales(one, other)
    first = show_box(ipw.VBox([one, other, alone]))
    second, third = (MapPage(first.page, i) for i in (1, 2))
    assert ends(first) == ends(second) == [-50, 150]
    assert ends(third) == [0, 100]
    check_painted(first, RAMP, -50, 150)
    check_painted(second, 2 * RAMP - 50, -50, 150)
    drag_bar(second, 0.9, 0.4)
    assert ends(first) == ends(second) == [-50, pytest.approx(50, abs=2)]
    check_painted(first, RAMP, *ends(first))
    first.button("Contrast").click()
    first.root.get_by_label("colours").select_option("gray")
    first.button("Reset").click()
    first.page.wait_for_timeout(100)
    assert second.pixels(".bar canvas")[0, 0].tolist() == [255, 255, 255, 255]
    assert ends(first) == ends(second)
    assert ends(first)[0] == pytest.approx(-50, abs=3)
    first.page.screenshot(path=shots / "linked.png")


SHARE = """
import numpy as np
from endmember.widgets.map_view import MapView, link_scales
one, other = MapView(np.zeros((9, 14)), percentiles=(0, 100)), MapView(np.full((9, 14), 7.0))
shared = link_scales(one, other)
"""


def test_a_scale_is_shared_until_it_is_undone(lab, page):
    lab.run(
        page, SHARE, "one", "other", "shared.unlink()\nother.limits = (0, 3)\nlen(shared.views)"
    )
    first, second = MapPage(page, 0), MapPage(page, 1)
    assert ends(second) == [0, 3]
    assert ends(first) == [0, 1]
    drag_bar(first, 0.9, 0.5)
    assert ends(second) == [0, 3]


HEAR = """
import ipywidgets as ipw
import numpy as np
from endmember.widgets import MapView
view, heard = MapView(np.arange(126.0).reshape(9, 14), percentiles=(0, 100)), ipw.Label("nothing")
told = []
def hear(change):
    told.append(change["new"])
    heard.value = f"told {len(told)}: {view.limits[0]:g} {view.limits[1]:g}"
view.observe(hear, "limits")
ipw.VBox([view, heard])
"""


def test_python_hears_where_an_end_was_left_not_where_it_has_been(lab, page):
    lab.run(page, HEAR)
    shown = MapPage(page)
    drag_bar(shown, 0.9, 0.5)
    label = page.locator(".widget-label", has_text="told")
    label.wait_for()
    page.wait_for_timeout(500)
    count, low, high = label.inner_text().removeprefix("told ").replace(":", "").split()
    assert count == "1"
    assert [float(low), float(high)] == [pytest.approx(end, rel=1e-4) for end in ends(shown)]
    assert float(high) == pytest.approx(75, abs=1)
