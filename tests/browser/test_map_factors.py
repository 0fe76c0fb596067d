"""What a page works out from factors: the next component, and the mean of a region."""

from __future__ import annotations

from functools import partial

import bqplot as bq
import ipywidgets as ipw
import numpy as np
import pytest
from map_page import curves_of, show_saved
from stopwatch import WATCH, meets_in_a_round, within_a_frame

from endmember.widgets import MapView
from endmember.widgets.factors import STEP, pack_factors
from endmember.widgets.regions import mask_of
from widgets.test_factors import SHAPE, simulate

PAPER = {"x": (0.0, 39.0), "y": (-150.0, 150.0)}
LASSO = {"kind": "lasso", "points": [[2, 3], [15, 6], [9, 25]]}
MISSING = " (counts need a kernel)"
WIDTHS = {"counts": 1.0, "model": 2.0, "next": 3.0}


def make_view(factors, **traits):
    """A map of factors, and a figure of the curves that follow it, each of its own width."""
    x, y = (bq.LinearScale(min=low, max=high, allow_padding=False) for low, high in PAPER.values())
    nothing = {"x": factors["axis"], "y": np.zeros(40), "scales": {"x": x, "y": y}}
    lines = {name: bq.Lines(**nothing, stroke_width=width) for name, width in WIDTHS.items()}
    tools = ["point", "rectangle", "lasso", "line"]
    view = MapView(
        shape=SHAPE,
        factors=pack_factors(factors),
        max_rank=6,
        tools=tools,
        followers=lines,
        **traits,
    )
    return ipw.VBox([view, bq.Figure(marks=list(lines.values()), layout={"height": "300px"})])


@pytest.fixture
def show_box(open_page, tmp_path):
    """How a test shows a widget on a page of its own."""
    return partial(show_saved, open_page, tmp_path)


def drawn(shown, name, axis):
    """Values of a curve at an axis, read off the page; None where it is not drawn."""
    for curve in curves_of(shown.page, **PAPER):
        if curve["width"] == WIDTHS[name]:
            return np.interp(axis, *curve["xy"])
    return None


def spectrum(factors, pixels, start, stop):
    """Mean over pixels of components from one to before another, in counts."""
    amounts = (factors["scores"] * factors["heights"])[:, pixels].mean(axis=1)
    return amounts[start:stop] @ factors["spectra"][start:stop]


TOLERANCE = 300 / 400 + 4 * 6 * STEP / 2 * 0.5  # a pixel of the screen, and the steps of six scores


def test_the_next_component_is_painted_with_its_sign(show_box, shots):
    factors = simulate()
    shown = show_box(make_view(factors, rank=1, residual="next"))
    assert shown.text("caption").startswith("component 2, which rank 2 would add: signed")
    low, high = (float(shown.text(f"bar .{end}")) for end in ("bottom", "top"))
    assert low == -high
    scores = factors["scores"][1].reshape(SHAPE)
    taken = factors["heights"].reshape(SHAPE) > 0
    pixels, bar = shown.pixels(), shown.pixels(".bar canvas")[::-1, 0].astype(int)
    expected = np.clip((scores - low) * 255 / (high - low), 0, 255).astype(int)
    found = np.abs(pixels[..., None, :].astype(int) - bar).sum(axis=-1).argmin(axis=-1)
    slack = 1 + STEP * 255 / (high - low)
    assert np.abs(found - expected)[taken].max() <= slack
    assert (pixels[~taken][:, 3] < 255).all()
    sure = taken & (np.abs(scores) > 0.2 * high)
    blue_over_red = pixels[..., 2].astype(int) - pixels[..., 0]
    assert ((blue_over_red > 0) == (scores < 0))[sure].all()
    value = float(shown.text("readout").rpartition(": ")[2].removesuffix(MISSING))
    assert value == pytest.approx(scores[0, 0], abs=STEP)
    shown.stage.focus()
    shown.press("PageUp")
    assert shown.text("caption").startswith("component 3, which rank 3 would add")
    shown.press(*["PageUp"] * 4)
    assert shown.text("caption") == "rank 6: no component is kept beyond"
    assert (shown.pixels()[..., 3] < 255).all()
    assert drawn(shown, "next", factors["axis"]) is None
    shown.press(*["PageDown"] * 5)
    shown.page.screenshot(path=shots / "next-component.png")


def test_the_curve_of_the_next_component_is_what_the_next_rank_adds(show_box):
    factors = simulate()
    shown = show_box(make_view(factors, rank=1))
    shown.point_at(7, 11, SHAPE)
    here = [7 * SHAPE[1] + 11]
    for name, start, stop in [("model", 0, 1), ("next", 1, 2)]:
        found = drawn(shown, name, factors["axis"])
        np.testing.assert_allclose(found, spectrum(factors, here, start, stop), atol=TOLERANCE)


def test_a_region_shows_its_mean_until_a_pixel_is_pointed_at(show_box):
    factors = simulate()
    shown = show_box(make_view(factors, rank=2))
    shown.button("Rectangle").click()
    shown.drag([(0.2, 2.1), (8.8, 13.9)], SHAPE)
    rectangle = {"kind": "rectangle", "points": [[0, 2], [9, 14]]}
    inside = np.flatnonzero(mask_of(rectangle, SHAPE).ravel() & (factors["heights"] > 0))
    assert 5 not in inside  # the one that is left out
    pixel, region = [9 * SHAPE[1] + 14], inside
    for where, pixels in [((9, 14), pixel), (None, region), ((9, 14), pixel)]:
        if where:
            shown.point_at(*where, SHAPE)
        else:
            shown.page.mouse.move(5, 5)
            shown.page.wait_for_timeout(100)
            assert shown.text("readout") == f"mean of the rectangle: 130 pixels{MISSING}"
        for name, start, stop in [("model", 0, 2), ("next", 2, 3)]:
            found = drawn(shown, name, factors["axis"])
            expected = spectrum(factors, pixels, start, stop)
            np.testing.assert_allclose(found, expected, atol=TOLERANCE)
    shown.press("Escape")
    shown.page.mouse.move(5, 5)
    shown.page.wait_for_timeout(100)
    assert shown.text("readout").startswith("row 0, column 0")


@pytest.mark.parametrize("is_known", [True, False])
def test_counts_of_a_region_are_drawn_where_they_are_those_of_this_one(show_box, is_known):
    factors = simulate()
    values = np.random.default_rng(0).uniform(0, 100, 40)
    other = {"kind": "rectangle", "points": [[0, 0], [3, 3]]}
    counts = {"region": LASSO if is_known else other, "values": values.astype("f4").tobytes()}
    shown = show_box(make_view(factors, rank=2, region=LASSO, counts=counts))
    shown.page.wait_for_timeout(300)
    inside = np.flatnonzero(mask_of(LASSO, SHAPE).ravel() & (factors["heights"] > 0))
    found = drawn(shown, "model", factors["axis"])
    np.testing.assert_allclose(found, spectrum(factors, inside, 0, 2), atol=TOLERANCE)
    found = drawn(shown, "counts", factors["axis"])
    if is_known:
        np.testing.assert_allclose(found, values, atol=TOLERANCE)
    else:
        assert found is None
    words = f"mean of the lasso: {mask_of(LASSO, SHAPE).sum()} pixels"
    assert shown.text("readout") == words + ("" if is_known else MISSING)


def test_a_region_without_a_pixel_that_counts_has_no_curve(show_box):
    factors = simulate()
    region = {"kind": "rectangle", "points": [[0, 5], [0, 5]]}
    shown = show_box(make_view(factors, rank=2, region=region))
    assert drawn(shown, "model", factors["axis"]) is None


def test_values_around_zero_part_there(show_box):
    values = np.linspace(-1.0, 4.0, 12).reshape(3, 4)
    shown = show_box(MapView(values, colors="diverging", scale="log", percentiles=(0, 100)))
    bar = shown.pixels(".bar canvas")[::-1, 0].tolist()
    shades = np.array([bar.index(c) for c in shown.pixels().reshape(-1, 4).tolist()])
    expected = np.clip((values + 4) * 255 / 8, 0, 255).astype(int)
    np.testing.assert_array_equal(shades, expected.ravel())
    shown.button("Contrast").click()
    assert shown.root.get_by_label("scale").is_disabled()
    shown.root.get_by_label("colours").select_option("viridis")
    shown.page.wait_for_timeout(100)
    assert shown.root.get_by_label("scale").is_enabled()


@pytest.mark.alone
def test_spectra_of_a_large_map_follow_the_pointer_within_a_frame(show_box):
    shape = (512, 384)
    factors = simulate(shape, n_components=12, n_channels=1564)
    x = bq.LinearScale(min=0.0, max=1563.0)
    y = bq.LinearScale(min=-150.0, max=150.0)
    model = bq.Lines(x=factors["axis"], y=np.zeros(1564), scales={"x": x, "y": y})
    figure = bq.Figure(marks=[model], layout={"height": "250px"})
    view = MapView(
        shape=shape, factors=pack_factors(factors), rank=8, max_rank=12, followers={"model": model}
    )
    shown = show_box(ipw.HBox([view, figure]))
    page, box = shown.page, shown.stage.bounding_box()
    page.evaluate(WATCH, ["pointermove", ".bqplot.figure path.line", 0, "d"])
    places = np.random.default_rng(0).uniform(0.02, 0.98, size=(150, 2))

    def hover():
        for right, down in places:
            page.mouse.move(box["x"] + right * box["width"], box["y"] + down * box["height"])
            page.wait_for_timeout(20)

    assert meets_in_a_round("spectrum of a 512 x 384 map", page, hover, within_a_frame, fewest=100)
