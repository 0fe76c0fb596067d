"""Traits that follow controls: what Python says they are, and what travels to the page."""

import json
import zlib

import bqplot as bq
import ipywidgets as ipw
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from endmember.widgets import MapView
from endmember.widgets.pages import page_text
from endmember.widgets.teaching.steps import Steps

SHAPE = (3, 4)


def make_line(n=5):
    scales = {"x": bq.LinearScale(), "y": bq.LinearScale()}
    return bq.Lines(x=np.arange(n), y=np.zeros(n), scales=scales)


def read(driven):
    """Numbers as the page reads them, an independent way."""
    packing = driven.packing
    kind = packing["type"].removesuffix("Array").lower()
    width = np.dtype(kind).itemsize
    planes = np.frombuffer(zlib.decompress(driven.data), np.uint8).reshape(width, -1)
    return np.ascontiguousarray(planes.T).view(kind).reshape(-1, *packing["shape"])


@pytest.mark.parametrize(
    ("make", "trait", "choices"),
    [
        (lambda: ipw.IntSlider(4, min=2, max=9, step=2), "value", [2, 4, 6, 8]),
        (lambda: ipw.SelectionSlider(options=["a", "b", "c"]), "index", [0, 1, 2]),
        (lambda: ipw.Dropdown(options={"few": 10, "many": 100}), "index", [0, 1]),
        (lambda: ipw.ToggleButtons(options=["left", "right"]), "index", [0, 1]),
        (lambda: ipw.Checkbox(False), "value", [False, True]),
        (lambda: MapView(frames=np.zeros((3, 2, 2))), "frame", [0, 1, 2]),
        (lambda: MapView(shape=(2, 2), max_rank=3), "rank", [1, 2, 3]),
    ],
)
def test_every_control_has_its_choices(make, trait, choices):
    control, words = make(), ipw.Label()
    steps = Steps({"it": control})
    steps.drive(words, "value", [f"choice {k}" for k in range(len(choices))], by=["it"])
    for place, choice in enumerate(choices):
        setattr(control, trait, choice)
        assert steps.places == {"it": place}
        assert steps.shown(words, "value") == f"choice {place}"


@pytest.mark.parametrize(
    "control", [ipw.FloatSlider(), ipw.SelectMultiple(options=["a"]), ipw.Text(), "dose"]
)
def test_a_control_without_choices_is_refused(control):
    with pytest.raises(TypeError, match=r"'it' is .* fixed list of choices"):
        Steps({"it": control})


def test_the_pointer_is_a_control_and_falls_back_on_the_chosen_pixel():
    view, line = MapView(np.zeros(SHAPE), pixel=(1, 2)), make_line()
    slider = ipw.IntSlider(0, max=1)
    values = np.random.default_rng(0).random((2, 12, 5))
    steps = Steps({"dose": slider}, pointer=view)
    steps.drive(line, "y", values, by=["dose", "pixel"])
    np.testing.assert_allclose(line.y, values[0, 6], rtol=1e-6)
    view.hovered = (2, 3)
    slider.value = 1
    np.testing.assert_allclose(steps.shown(line, "y"), values[1, 11], rtol=1e-6)
    view.hovered = None
    np.testing.assert_allclose(steps.shown(line, "y"), values[1, 6], rtol=1e-6)


@given(
    values=hnp.arrays(
        st.sampled_from([np.uint8, np.int64, np.float32]).map(np.dtype),
        (2, 3, 4),
    )
)
def test_numbers_arrive_as_they_were(values):
    values = np.clip(np.nan_to_num(values), -(2**31), 2**31 - 1).astype(values.dtype)
    steps, line = Steps({"it": ipw.IntSlider(0, max=1), "on": ipw.IntSlider(0, max=2)}), make_line()
    steps.drive(line, "y", values, by=["it", "on"])
    np.testing.assert_array_equal(read(steps.driven[0]).reshape(values.shape), values)


def test_counts_travel_in_as_few_bytes_as_hold_them():
    steps, line = Steps({"it": ipw.IntSlider(0, max=1)}), make_line()
    kinds = []
    for high in (255, 256, 70_000, 0.5):
        steps.drive(line, "y", [[0, high], [0, 1]], by=["it"])
        kinds.append(steps.driven[-1].packing["type"])
    assert kinds == ["Uint8Array", "Uint16Array", "Uint32Array", "Float32Array"]


@pytest.mark.parametrize("digits", [1, 2, 3, 4, 5, 6])
def test_as_many_digits_are_kept_as_asked_for(digits):
    values = np.random.default_rng(0).lognormal(sigma=9, size=(2, 999))
    values[:, 7] = np.nan
    steps, line = Steps({"it": ipw.IntSlider(0, max=1)}), make_line()
    sizes = []
    for kept in (digits, None):
        steps.drive(line, "y", values, by=["it"], digits=kept)
        sizes.append(len(steps.driven[-1].data))
    np.testing.assert_allclose(read(steps.driven[0]), values, rtol=0.5 * 10.0**-digits + 2.0**-24)
    assert sizes[0] < sizes[1]


def test_a_map_takes_values_and_labels():
    view = MapView(np.zeros(SHAPE))
    slider = ipw.IntSlider(0, max=1)
    steps = Steps({"dose": slider})
    values = np.random.default_rng(0).random((2, *SHAPE))
    steps.drive(view, "values", values.reshape(2, 12), by=["dose"])
    assert view.values == values[0].astype("f4").tobytes()
    slider.value = 1
    assert steps.shown(view, "values") == values[1].astype("f4").tobytes()
    labelled = MapView(labels=[[0, 1]])
    steps.drive(labelled, "labels", [[[0, 1]], [[-1, 0]]], by=["dose"])
    assert steps.shown(labelled, "labels") == bytes([255, 0])


def test_everything_else_travels_as_json():
    steps, box = Steps({"on": ipw.Checkbox(), "it": ipw.IntSlider(0, max=2)}), ipw.Checkbox()
    steps.drive(
        box, "value", np.array([[False, True, False], [True, False, True]]), by=["on", "it"]
    )
    view = MapView(np.zeros(SHAPE))
    steps.drive(view, "limits", [(0.0, 1.0), (0.0, 2.5)], by=["on"])
    assert view.limits == (0, 1)
    found = [json.loads(zlib.decompress(driven.data)) for driven in steps.driven]
    assert found == [[False, True, False, True, False, True], [[0, 1], [0, 2.5]]]


def test_what_is_driven_is_part_of_a_page():
    view, words = MapView(np.zeros(SHAPE)), ipw.HTML()
    steps = Steps({}, pointer=view)
    steps.drive(words, "value", [f"<b>{k}</b>" for k in range(12)], by=["pixel"])
    assert page_text(ipw.VBox([view, words, steps]), title="steps")


@pytest.mark.parametrize(
    ("values", "by", "message"),
    [
        (["a"], ["dose"], "values have 1 for 'dose', which has 2 choices"),
        (["a", "b"], ["does"], "by holds 'does'; the controls are dose, pixel"),
        ([["a"], ["b"]], ["dose", "pixel"], "values have 1 for 'pixel', which has 12 choices"),
        ([float("nan"), 1.0], ["dose"], "NaN or infinity"),
    ],
)
def test_words_that_do_not_fit_are_refused(values, by, message):
    steps = Steps({"dose": ipw.IntSlider(0, max=1)}, pointer=MapView(np.zeros(SHAPE)))
    with pytest.raises(ValueError, match=message):
        steps.drive(ipw.Label(), "value", values, by=by)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((3, 5)), r"shape \(3, 5\), but the controls have \(2,\) choices"),
        (np.zeros(2), "0 axes behind those"),
        ([["a"], ["b"]], "takes an array of numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(values, message):
    steps = Steps({"dose": ipw.IntSlider(0, max=1)})
    with pytest.raises(ValueError, match=message):
        steps.drive(make_line(), "y", values, by=["dose"])


def test_what_cannot_be_driven_is_refused():
    slider = ipw.IntSlider(0, max=1)
    steps, view = Steps({"dose": slider}), MapView(np.zeros(SHAPE))
    with pytest.raises(ValueError, match="Label has no trait 'words' that a page knows"):
        steps.drive(ipw.Label(), "words", ["a", "b"], by=["dose"])
    with pytest.raises(ValueError, match=r"maps of shape \(2, 2\), but the map has \(3, 4\)"):
        steps.drive(view, "values", np.zeros((2, 2, 2)), by=["dose"])
    with pytest.raises(ValueError, match="digits is 9"):
        steps.drive(make_line(), "y", np.full((2, 3), 0.5), by=["dose"], digits=9)
    with pytest.raises(TypeError, match="what no page can read"):
        steps.drive(ipw.Label(), "value", [slider, slider], by=["dose"])
    with pytest.raises(ValueError, match="no 'value' of this Label is driven"):
        steps.shown(ipw.Label(), "value")
    with pytest.raises(TypeError, match="pointer is IntSlider; pass a MapView"):
        Steps({}, pointer=slider)
    with pytest.raises(ValueError, match="the name of the pointer's"):
        Steps({"pixel": slider}, pointer=view)
