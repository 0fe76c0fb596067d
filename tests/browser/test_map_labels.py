"""Label maps of every rank, which the page holds: no kernel is there to help."""

from __future__ import annotations

import json
import urllib.request
from functools import partial

import bqplot as bq
import ipywidgets as ipw
import numpy as np
import pytest
from map_page import MapPage, curves_of, show_saved
from slow_proxy import slow_way
from stopwatch import WATCH, meets_in_a_round, press_in_turn

from endmember.widgets import MapView
from endmember.widgets.map_traits import label_colors

TOKEN = "endmember"  # of the servers of these tests
SHAPE = (9, 14)
AXIS = np.linspace(0.0, 10.0, 60)
PAPER = {"x": (0.0, 10.0), "y": (0.0, 100.0)}


def make_sets(n_sets=4, shape=SHAPE):
    """Label maps of 1 to n labels, without a set for the second rank, one pixel hidden."""
    rng = np.random.default_rng(0)
    sets = [rng.integers(0, k, size=shape) for k in range(1, n_sets + 1)]
    for k, labels in enumerate(sets):
        labels[0, -1], labels[2, 3] = k, -1
    return sets


def make_means(n_sets=4):
    rng = np.random.default_rng(1)
    return [rng.uniform(5.0, 95.0, size=(k, AXIS.size)) for k in range(1, n_sets + 1)]


class Shown:
    """A map of label sets, the curves that follow it, and a slider that the page links to it."""

    def __init__(self, sets, means):
        scales = {
            "x": bq.LinearScale(min=PAPER["x"][0], max=PAPER["x"][1], allow_padding=False),
            "y": bq.LinearScale(min=PAPER["y"][0], max=PAPER["y"][1], allow_padding=False),
        }
        nothing = {"x": AXIS, "y": np.zeros(AXIS.size), "scales": scales}
        self.means, self.hovered = bq.Lines(**nothing), bq.Lines(**nothing, stroke_width=4)
        self.figure = bq.Figure(marks=[self.means, self.hovered], layout={"height": "250px"})
        self.map = MapView(
            shape=sets[0].shape,
            rank=3,
            caption="{rank} cluster{s}",
            followers={"means": self.means, "hovered": self.hovered},
        )
        names = [[f"{k} of {n}" for k in range(n)] for n in range(1, len(sets) + 1)]
        self.map.set_label_sets(sets, names=names, spectra=(AXIS, means))
        self.k = ipw.IntSlider(3, min=1, max=len(sets), description="k")
        ipw.jslink((self.k, "value"), (self.map, "rank"))
        self.box = ipw.VBox([self.k, self.map, self.figure])


@pytest.fixture
def show_box(open_page, tmp_path):
    """How a test shows a widget on a page of its own."""
    return partial(show_saved, open_page, tmp_path)


@pytest.fixture
def shown(show_box):
    return show_box(Shown(make_sets(), make_means()).box)


def expected_pixels(labels):
    colors = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in label_colors(labels.max() + 1)]
    return np.array(colors)[labels][labels >= 0]


def check_set(shown, rank, labels):
    pixels = shown.pixels()
    np.testing.assert_array_equal(pixels[labels >= 0, :3], expected_pixels(labels))
    assert (pixels[labels < 0, 3] < 255).all()
    assert shown.text("caption") == f"{rank} cluster" + "s" * (rank > 1)
    names = [f"{k} of {rank}" for k in range(rank)]
    assert shown.root.locator(".legend li").all_inner_texts() == names


def test_keys_and_sliders_choose_the_labels_that_are_painted(shown):
    sets = make_sets()
    check_set(shown, 3, sets[2])
    shown.stage.focus()
    for key, rank in [("PageUp", 4), ("PageUp", 4), ("-", 3), ("PageDown", 2), ("PageDown", 1)]:
        shown.press(key)
        check_set(shown, rank, sets[rank - 1])
    slider = shown.page.get_by_role("slider")
    slider.focus()
    for rank in (2, 3, 4):
        shown.press("ArrowRight")
        check_set(shown, rank, sets[rank - 1])


def test_words_and_mean_spectra_follow_the_pixel_and_the_rank(shown, shots):
    sets, means, palette = make_sets(), make_means(), label_colors(4)
    for rank in (3, 4, 2):
        shown.stage.focus()
        while shown.text("caption")[0] != str(rank):
            shown.press("PageUp" if int(shown.text("caption")[0]) < rank else "PageDown")
        drawn = curves_of(shown.page, **PAPER)
        visible = [curve for curve in drawn if curve["width"] < 4]
        assert [curve["color"] for curve in visible] == palette[:rank]
        for curve, mean in zip(visible, means[rank - 1], strict=True):
            np.testing.assert_allclose(np.interp(AXIS, *curve["xy"]), mean, atol=0.15)
        for row, column in [(0, 13), (5, 6), (8, 0)]:
            label = sets[rank - 1][row, column]
            shown.page.mouse.move(*shown.at(row, column, SHAPE))
            shown.page.wait_for_timeout(100)
            assert shown.text("readout") == f"row {row}, column {column}: {label} of {rank}"
            (curve,) = [c for c in curves_of(shown.page, **PAPER) if c["width"] == 4]
            assert curve["color"] == palette[label]
            mean = means[rank - 1][label]
            np.testing.assert_allclose(np.interp(AXIS, *curve["xy"]), mean, atol=0.15)
    shown.page.mouse.move(*shown.at(2, 3, SHAPE))
    shown.page.wait_for_timeout(100)
    assert shown.text("readout") == "row 2, column 3: left out"
    assert all(curve["width"] < 4 for curve in curves_of(shown.page, **PAPER))
    shown.page.screenshot(path=shots / "label-sets.png")


def test_labels_that_are_not_known_yet_are_said_to_be_missing(show_box):
    sets = make_sets()
    view = MapView(shape=SHAPE, rank=2)
    view.set_label_sets([None, *sets[1:3], None])
    shown = show_box(view)
    shown.stage.focus()
    shown.press("PageUp", "PageUp")
    assert (shown.pixels()[..., 3] < 255).all()
    assert shown.text("readout") == "row 0, column 0: no labels yet"
    assert shown.root.locator(".legend li").count() == 0
    shown.press("PageDown")
    np.testing.assert_array_equal(shown.pixels()[sets[2] >= 0, :3], expected_pixels(sets[2]))


def test_labels_of_a_large_map_are_probed_in_full(show_box):
    rng = np.random.default_rng(0)
    sets = [rng.integers(0, 5, size=(1101, 2047)) for _ in range(2)]
    view = MapView(shape=(1101, 2047))
    view.set_label_sets(sets)
    shown = show_box(view)
    shown.stage.focus()
    shown.press("PageUp")
    assert shown.pixels().shape == (551, 1024, 4)
    corners = sets[1][::2, ::2]
    np.testing.assert_array_equal(shown.pixels()[..., :3].reshape(-1, 3), expected_pixels(corners))
    shown.press("ArrowDown", "ArrowRight")
    assert shown.text("readout") == f"row 1, column 1: {sets[1][1, 1]}"


@pytest.mark.alone
def test_another_rank_is_painted_within_fifty_milliseconds(show_box):
    rng = np.random.default_rng(0)
    sets = [rng.integers(0, k, size=(512, 384)) for k in range(1, 9)]
    shown = show_box(Shown(sets, make_means(8)).box)
    page = shown.page
    page.evaluate(WATCH, ["keydown", ".endmember-map .caption", 0, None])
    shown.stage.focus()
    scrub = partial(press_in_turn, page, ["PageDown", "PageUp"])
    assert meets_in_a_round("labels of another rank", page, scrub, lambda _, event: event < 50)


FAR = """
import ipywidgets as ipw
import numpy as np
from endmember.widgets import MapView
rng = np.random.default_rng(0)
view, k = MapView(shape=(512, 384), caption="{rank}"), ipw.IntSlider(1, min=1, max=8)
view.set_label_sets([rng.integers(0, k, size=(512, 384)) for k in range(1, 9)])
ipw.jslink((k, "value"), (view, "rank"))
ipw.VBox([k, view])
"""


@pytest.mark.alone
def test_another_rank_is_painted_as_fast_far_from_its_kernel(lab, page):
    with slow_way(lab.address) as address:
        far = type(lab)(address, lab.folder, lab.pid)
        far.run(page, FAR)
        shown = MapPage(page)
        page.evaluate(WATCH, ["keydown", ".endmember-map .caption", 0, None])
        page.get_by_role("slider").first.focus()
        scrub = partial(press_in_turn, page, ["ArrowRight", "ArrowLeft"])
        name = "labels of another rank, by a linked slider, 120 ms away"
        assert meets_in_a_round(name, page, scrub, lambda _, event: event < 50)
        page.wait_for_timeout(1000)
        slider = page.get_by_role("slider").first.get_attribute("aria-valuenow")
        assert int(shown.text("caption")) == float(slider)  # no late answer has moved it back
        page.goto("about:blank")


REPLACE = """
import numpy as np
from endmember.widgets import MapView
view = MapView(shape=(9, 14), max_rank=4, caption="{rank}")
view
"""
SETS = """
rng = np.random.default_rng(5)
sets = [rng.integers(0, k, size=(9, 14)) for k in (1, 2, 3)]
view.set_label_sets([sets[0], None, None])
view.set_label_sets(sets)
view.rank = 3
"""


def test_sets_that_a_kernel_sends_one_after_the_other_end_with_the_last(lab, page):
    lab.run(page, REPLACE, SETS, "view")
    rng = np.random.default_rng(5)
    labels = [rng.integers(0, k, size=SHAPE) for k in (1, 2, 3)][2]
    for which in (0, 1):
        shown = MapPage(page, which)
        np.testing.assert_array_equal(shown.pixels()[labels >= 0, :3], expected_pixels(labels))


LINKED = """
import ipywidgets as ipw
view.caption = "{rank}"
k = ipw.IntSlider(3, min=1, max=3, description="k")
ipw.jslink((k, "value"), (view, "rank"))
ipw.VBox([k, view])
"""


def test_labels_answer_when_the_kernel_is_gone(lab, page):
    lab.run(page, REPLACE, SETS, LINKED)
    rng = np.random.default_rng(5)
    sets = [rng.integers(0, k, size=SHAPE) for k in (1, 2, 3)]
    shown = MapPage(page, 1)
    end_kernels(lab)
    page.wait_for_timeout(1000)
    shown.stage.focus()
    for key, rank in [("PageDown", 2), ("PageDown", 1), ("PageUp", 2)]:
        shown.press(key)
        colors = shown.pixels()[..., :3].reshape(-1, 3)
        np.testing.assert_array_equal(colors, expected_pixels(sets[rank - 1]))
    page.get_by_role("slider").first.focus()
    shown.press("ArrowRight")
    colors = shown.pixels()[..., :3].reshape(-1, 3)
    np.testing.assert_array_equal(colors, expected_pixels(sets[2]))
    shown.point_at(5, 6, SHAPE)
    assert shown.text("readout") == f"row 5, column 6: {sets[2][5, 6]}"


def end_kernels(lab):
    """End all kernels of a server, as if each had died."""
    address = f"{lab.address}/api/kernels"
    with urllib.request.urlopen(f"{address}?token={TOKEN}") as answer:
        kernels = json.load(answer)
    for kernel in kernels:
        asked = urllib.request.Request(f"{address}/{kernel['id']}?token={TOKEN}", method="DELETE")
        urllib.request.urlopen(asked).close()
