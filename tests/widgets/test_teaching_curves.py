"""Curves along one axis."""

import numpy as np
import pytest

import endmember as em
from endmember.widgets.pages import page_text


def test_every_curve_has_its_name_values_and_colour():
    x = np.linspace(1, 2, 7)
    given = {"found": x**2, "true": x}
    figure = em.teaching.Curves(x, given, labels=("x (nm)", "counts"))
    for line, (name, values) in zip(figure.marks, given.items(), strict=True):
        assert line.labels == [name]
        np.testing.assert_array_equal(line.x, x)
        np.testing.assert_array_equal(line.y, values)
    assert figure.marks[0].colors != figure.marks[1].colors
    assert [axis.label for axis in figure.axes] == ["x (nm)", "counts"]
    assert page_text(figure, title="curves")


def test_logarithmic_axes_hold_the_curves_between_round_numbers():
    x = np.array([60.0, 200, 2000])
    figure = em.teaching.Curves(x, {"error": x**-0.5}, labels=("dose", "error"), is_log=True)
    along, up = figure.axes
    assert list(along.tick_values) == [100, 200, 500, 1000, 2000]
    np.testing.assert_allclose(up.tick_values, [0.02, 0.05, 0.1])
    assert up.scale.min < 2000**-0.5 < 60**-0.5 < up.scale.max
    assert page_text(figure, title="curves")
    with pytest.raises(ValueError, match="a logarithmic axis has no 0"):
        em.teaching.Curves(x, {"error": [0, 1, 2]}, labels=("dose", "error"), is_log=True)


@pytest.mark.parametrize(
    ("x", "values", "message"),
    [
        ([0, 1], [1, 2, 3], r"'it' has shape \(3,\), but x has \(2,\)"),
        ([0, 1], [1, np.nan], "give a finite number for each"),
        ([1, 0], [1, 2], "rising"),
        ([[0, 1]], [1, 2], r"x has shape \(1, 2\)"),
    ],
)
def test_what_is_no_curve_is_refused(x, values, message):
    with pytest.raises(ValueError, match=message):
        em.teaching.Curves(x, {"it": values}, labels=("x", "y"))
