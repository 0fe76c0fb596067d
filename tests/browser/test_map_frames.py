"""Frames of a map and the image beneath it, without a kernel."""

from __future__ import annotations

from functools import partial

import ipywidgets as ipw
import matplotlib.image
import numpy as np
import pytest
from map_page import MapPage, show_saved
from stopwatch import WATCH, meets_in_a_round, press_in_turn

from endmember.widgets import MapView

TILTS = ["-30°", "0°", "30°"]


@pytest.fixture
def show_box(open_page, tmp_path):
    """How a test shows a widget on a page of its own."""
    return partial(show_saved, open_page, tmp_path)


def make_frames():
    """Three frames of whole numbers up to 254, a pixel of the second one hidden."""
    frames = np.random.default_rng(0).integers(0, 255, size=(3, 9, 14)).astype(float)
    frames[0, 0, :2] = 0, 254
    frames[1, 2, 3] = np.nan
    return frames


def check_frame(shown, values):
    """Compare what is painted with a frame; the bar goes from 0 to 254."""
    bar = shown.pixels(".bar canvas")[::-1, 0].tolist()
    pixels = shown.pixels()
    seen = np.isfinite(values)
    assert (pixels[~seen][:, 3] < 255).all()
    found = np.array([bar.index(color) for color in pixels[seen].tolist()])
    expected = np.clip(values[seen] * 255 / 254, 0, 255).astype(int)
    assert np.abs(found - expected).max() <= 1  # of 255, by float32


def test_frames_are_chosen_by_slider_and_keys(show_box, shots):
    frames = make_frames()
    view = MapView(
        frames=frames,
        frame_names=TILTS,
        frame_label="tilt",
        caption="Fe",
        unit="counts",
        percentiles=(0, 100),
    )
    shown = show_box(view)
    slider = shown.root.get_by_role("slider", name="tilt")
    check_frame(shown, frames[0])
    slider.focus()
    for frame in (1, 2, 2):
        shown.press("ArrowRight")
        check_frame(shown, frames[frame])
        assert shown.text("caption") == f"Fe, {TILTS[frame]}"
        assert slider.get_attribute("aria-valuetext") == TILTS[frame]
    shown.stage.focus()
    shown.press(",")
    check_frame(shown, frames[1])
    assert "Fe, 0°" in shown.text("spoken")
    shown.point_at(5, 6, (9, 14))
    value = frames[1, 5, 6]
    assert shown.text("readout") == f"row 5, column 6: {value:g} counts"
    shown.press(".", ".")
    assert shown.text("readout") == f"row 5, column 6: {frames[2, 5, 6]:g} counts"
    box = slider.bounding_box()
    shown.page.mouse.click(box["x"] + 3, box["y"] + box["height"] / 2)
    shown.page.wait_for_timeout(100)
    check_frame(shown, frames[0])
    shown.page.screenshot(path=shots / "frames.png")


def test_the_ends_of_colours_are_those_of_all_frames(show_box):
    frames = np.array([np.full((4, 5), 1.0), np.full((4, 5), 3.0), np.full((4, 5), 9.0)])
    shown = show_box(MapView(frames=frames, percentiles=(0, 100)))
    for _ in range(3):
        assert [shown.text(f"bar .{end}") for end in ("bottom", "top")] == ["1", "9"]
        shown.stage.focus()
        shown.press(".")


@pytest.mark.alone
def test_linked_frames_move_together_and_are_painted_at_once(show_box):
    frames = np.random.default_rng(0).random((9, 512, 384))
    one, other = MapView(frames=frames), MapView(frames=1 - frames)
    ipw.jslink((one, "frame"), (other, "frame"))
    shown = show_box(ipw.VBox([one, other]))
    page = shown.page
    page.evaluate(WATCH, ["keydown", ".endmember-map .caption", 1, None])
    shown.stage.focus()
    scrub = partial(press_in_turn, page, [".", ","])
    assert meets_in_a_round("two linked frames", page, scrub, lambda _, event: event < 50)


def make_pair(finer=3):
    """A map with hidden pixels, and an image of the same field of view beneath it."""
    values = np.arange(126.0).reshape(9, 14)
    values[2:5, 3:9] = np.nan
    image = np.add.outer(np.arange(9.0 * finer), 2 * np.arange(14.0 * finer))
    view = MapView(values, unit="counts", percentiles=(0, 100))
    view.set_beneath(image, name="HAADF", unit="V")
    return view, values, image


@pytest.mark.parametrize("finer", [1, 3])
def test_the_image_shows_through_and_is_read_out(show_box, shots, finer):
    view, values, image = make_pair(finer)
    shown = show_box(view)
    beneath, data = shown.pixels(".beneath"), shown.pixels()
    assert beneath.shape[:2] == image.shape
    low, high = np.sort(image, axis=None)[[int(0.005 * image.size), int(0.995 * image.size)]]
    grey = np.clip((image - low) / (high - low), 0, 1) * 255
    spread = 255 * np.ptp(image) / 254 / (high - low)  # of a step
    assert np.abs(beneath[..., 0] - grey).max() <= 2 * spread + 2
    assert (data[np.isnan(values), 3] == 0).all()
    assert (data[np.isfinite(values), 3] == 255).all()
    for row, column, words in [(3, 4, "left out"), (8, 1, "113 counts")]:
        shown.point_at(row, column, (9, 14))
        here = np.s_[row * finer : (row + 1) * finer, column * finer : (column + 1) * finer]
        place, _, found = shown.text("readout").rpartition(" · HAADF ")
        assert place == f"row {row}, column {column}: {words}"
        step = np.ptp(image) / 254
        assert float(found.removesuffix(" V")) == pytest.approx(
            image[here].mean(), rel=5e-3, abs=step
        )
    shown.page.screenshot(path=shots / f"beneath-{finer}.png")


def test_opacity_is_set_by_keys_and_kept_in_copies(show_box, tmp_path):
    shown = show_box(make_pair()[0])
    slider = shown.root.get_by_role("slider", name="map over HAADF")
    opacity = "canvas => Number(canvas.style.opacity)"
    assert shown.root.locator(".data").evaluate(opacity) == 0.6
    slider.focus()
    shown.press("Home")
    assert shown.root.locator(".data").evaluate(opacity) == 0
    assert slider.get_attribute("aria-valuetext") == "0 %"
    assert np.ptp(picture_of(shown, tmp_path)[8, 1]) == 0  # grey, of the image alone
    slider.focus()
    shown.press("End")
    assert shown.root.locator(".data").evaluate(opacity) == 1
    assert slider.get_attribute("aria-valuetext") == "100 %"
    copied = picture_of(shown, tmp_path)
    assert copied[8, 1].tolist() == shown.pixels()[8, 1, :3].tolist()
    assert np.ptp(copied[3, 4]) == 0  # a hidden pixel


def picture_of(shown, folder):
    """Colour in the middle of every pixel of the map, in the copy as a picture."""
    shown.page.evaluate("() => { navigator.clipboard.write = () => Promise.reject(); }")
    with shown.page.expect_download() as download:
        shown.button("Copy as PNG").click()
    download.value.save_as(folder / "copy.png")
    picture = (255 * matplotlib.image.imread(folder / "copy.png")[..., :3]).round()
    box = shown.stage.bounding_box()
    rows, columns = (np.arange(n) + 0.5 for n in (9, 14))
    down = np.round(30 + rows * box["height"] / 9).astype(int)
    across = np.round(10 + columns * box["width"] / 14).astype(int)
    return picture[np.ix_(down, across)].astype(int)


def test_an_image_lies_beneath_labels_and_composites_too(show_box):
    labels = np.array([[0, -1], [1, 1]])
    maps = np.array([[[1.0, np.nan], [0.5, 0.0]]])
    image = np.arange(16.0).reshape(4, 4)
    views = MapView(labels=labels, beneath=image), MapView(layers={"maps": maps}, beneath=image)
    first = show_box(ipw.VBox(views))
    for which in (0, 1):
        shown = MapPage(first.page, which)
        assert (shown.pixels()[..., 3] == 0).tolist() == [[False, True], [False, False]]
        assert shown.pixels(".beneath").shape[:2] == (4, 4)


SERIES = """
import numpy as np
from endmember.widgets import MapView
view = MapView(shape=(512, 384), unit="counts")
view
"""
SEND = """
rng = np.random.default_rng(0)
view.set_frames(rng.poisson(40.0, size=(40, 512, 384)))
view.set_beneath(rng.random((1024, 768)), name="HAADF")
view.frame = 39
"""


def test_a_series_that_a_kernel_sends_is_shown_whole(lab, page):
    """Servers of notebooks drop messages that are too much at once."""
    lab.run(page, SERIES, SEND)
    rng = np.random.default_rng(0)
    last = rng.poisson(40.0, size=(40, 512, 384))[39]
    page.wait_for_timeout(1000)
    shown = MapPage(page)
    assert shown.text("caption") == "39"
    shown.stage.focus()
    shown.press("ArrowDown", "ArrowRight")
    assert shown.text("readout").startswith(f"row 1, column 1: {last[1, 1]} counts · HAADF 0.")
    shown.press(",")
    assert shown.text("caption") == "38"
