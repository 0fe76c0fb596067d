"""Traits that follow controls and the pointer: on a saved page, and beside a kernel."""

from __future__ import annotations

import ipywidgets as ipw
import numpy as np
import pytest
from map_page import MapPage, curves_of, show_saved

MAKE = """
import bqplot as bq
import ipywidgets as ipw
import numpy as np
from endmember.widgets import MapView
from endmember.widgets.teaching.steps import Steps

shape, rng = (4, 6), np.random.default_rng(0)
maps = rng.integers(0, 250, size=(5, *shape)).astype(float)
spectra = rng.random((5, 24, 30))
pair = rng.random((5, 2, 30))
dose = ipw.IntSlider(2, min=1, max=5, description="dose")
side = ipw.ToggleButtons(options=["left", "right"])
view = MapView(maps[0], limits=(0, 255))
scales = {"x": bq.LinearScale(min=0, max=29), "y": bq.LinearScale(min=0, max=1)}
axes = [bq.Axis(scale=scales["x"]), bq.Axis(scale=scales["y"], side="left")]
line = bq.Lines(x=np.arange(30), y=np.zeros(30), scales=scales, colors=["#0072b2"])
lines = bq.Lines(
    x=np.arange(30), y=np.zeros((2, 30)), scales=scales, colors=["#d55e00", "#009e73"]
)
figure = bq.Figure(marks=[line, lines], axes=axes, padding_y=0)
words = ipw.HTML()
steps = Steps({"dose": dose, "side": side}, pointer=view)
steps.drive(view, "values", maps, by=["dose"])
steps.drive(line, "y", spectra, by=["dose", "pixel"])
steps.drive(lines, "y", pair, by=["dose"], digits=4)
said = [[f"dose {d} {s}" for s in side.options] for d in range(1, 6)]
steps.drive(words, "value", said, by=["dose", "side"])
box = ipw.VBox([dose, side, view, figure, words, steps])
"""


@pytest.fixture(scope="module")
def made():
    """The same widgets without a browser."""
    names: dict = {}
    exec(MAKE, names)
    return names


class StepsPage:
    """What follows on an open page, and what it has to be."""

    def __init__(self, map_page, made):
        self.map, self.page, self.made = map_page, map_page.page, made

    def press(self, *keys):
        """Press keys on the slider."""
        self.page.get_by_role("slider", name="dose").or_(
            self.page.locator(".noUi-handle")
        ).first.focus()
        self.map.press(*keys)

    def check(self, dose, pixel, side="left"):
        """Compare all that follows with where the controls are."""
        self.page.wait_for_timeout(300)
        at = pixel[0] * 6 + pixel[1]
        expected = [self.made["spectra"][dose - 1, at], *self.made["pair"][dose - 1]]
        found = curves_of(self.page, (0, 29), (0, 1))
        assert [c["color"] for c in found] == ["#0072b2", "#d55e00", "#009e73"]
        for curve, values in zip(found, expected, strict=True):
            np.testing.assert_allclose(curve["xy"][1], values, atol=5e-3)
        grid = self.map.pixels()
        bar = self.map.pixels(".bar canvas")[::-1, 0].tolist()
        shades = np.array([bar.index(color) for color in grid.reshape(-1, 4).tolist()])
        assert np.abs(shades - self.made["maps"][dose - 1].ravel()).max() <= 1
        assert self.page.get_by_text(f"dose {dose} {side}", exact=True).is_visible()


def test_a_saved_page_follows_slider_button_and_pointer(open_page, tmp_path, made, shots):
    page = StepsPage(show_saved(open_page, tmp_path, made["box"]), made)
    page.check(2, (0, 0))
    page.map.point_at(2, 5, (4, 6))
    page.check(2, (2, 5))
    page.press("ArrowRight", "ArrowRight", "ArrowRight", "ArrowRight")
    page.check(5, (2, 5))
    page.page.get_by_role("button", name="right", exact=True).click()
    page.check(5, (0, 0), "right")  # the pointer has left the map
    x, y = page.map.at(3, 1, (4, 6))
    page.page.mouse.click(x, y)
    page.page.mouse.move(5, 5)
    page.press("ArrowLeft")
    page.check(4, (3, 1), "right")
    page.page.screenshot(path=shots / "steps.png", full_page=True)


def test_a_page_opens_where_python_left_the_controls(open_page, tmp_path):
    made: dict = {}
    exec(MAKE, made)
    made["dose"].value, made["view"].pixel = 4, (1, 3)
    page = StepsPage(show_saved(open_page, tmp_path, made["box"]), made)
    page.check(4, (1, 3))


def test_beside_a_kernel_hands_and_python_move_the_same_steps(lab, page, made):
    lab.run(page, MAKE, "box", "dose.value, view.pixel = 4, (1, 3)")
    beside = StepsPage(MapPage(page), made)
    beside.check(4, (1, 3))
    beside.map.point_at(2, 5, (4, 6))
    beside.check(4, (2, 5))


BUSY = """
import time

busy = ipw.Button(description="be busy")
busy.on_click(lambda _: time.sleep(3))
ipw.VBox([busy, box])
"""


def test_a_late_echo_does_not_undo_what_a_hand_does(lab, page, made):
    lab.run(page, MAKE, BUSY)
    beside = StepsPage(MapPage(page), made)
    page.get_by_role("button", name="be busy").click()
    beside.press("ArrowRight")
    beside.map.point_at(2, 5, (4, 6))  # of which the map tells Python, and of its values with it
    page.wait_for_timeout(300)
    beside.press("ArrowRight")
    beside.check(4, (2, 5))
    page.wait_for_timeout(4000)  # now the echo has come
    beside.check(4, (2, 5))


def test_steps_take_no_room(open_page, tmp_path, made):
    page = StepsPage(show_saved(open_page, tmp_path, made["box"]), made)
    heights = page.page.locator(".widget-vbox > *").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().height)"
    )
    assert heights[-1] == 0
    assert isinstance(made["box"], ipw.VBox)
