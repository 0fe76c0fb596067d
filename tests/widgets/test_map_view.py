"""The canvas's Python half: what it takes, what it refuses, what it sends."""

import numpy as np
import pytest
import traitlets as tl

from endmember.widgets import MapView
from endmember.widgets.map_view import pack_factors


def test_values_travel_as_float32_row_after_row():
    values = np.arange(6.0).reshape(2, 3)
    view = MapView(values)
    assert view.shape == (2, 3)
    np.testing.assert_array_equal(np.frombuffer(view.values, "f4"), values.ravel())


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "message"),
    [
        ([np.ones((2, 3, 4))], {}, ValueError, r"values have shape \(2, 3, 4\)"),
        ([], {}, ValueError, "a map needs values"),
        ([np.ones((2, 3))], {"color": "jet"}, TypeError, "takes no 'color'"),
        ([np.ones((2, 3))], {"pixel": (2, 0)}, tl.TraitError, "lies outside the map"),
    ],
)
def test_bad_input_is_refused(arguments, settings, error, message):
    with pytest.raises(error, match=message):
        MapView(*arguments, **settings)


def test_packed_scores_are_those_of_the_factors_to_rounding():
    rng = np.random.default_rng(0)
    scores = (rng.normal(size=(3, 50)) * [[30], [1], [0]]).astype("f4")
    packed = pack_factors({"scores": scores, "edge": 1.5})
    steps = np.frombuffer(packed["scores"], "<i2").reshape(3, 50)
    scales = np.frombuffer(packed["scales"], "<f4")
    largest = np.abs(scores).max(axis=1, keepdims=True)
    assert (np.abs(steps * scales[:, None] - scores) <= largest / 65534 * 1.01).all()
    assert packed["edge"] == 1.5


def test_no_nan_reaches_the_saved_state_as_a_number():
    """JSON has no NaN: a saved notebook with one cannot be read again."""
    view = MapView(np.array([[np.nan, 1.0], [2.0, 3.0]]))
    state = view.get_state()
    numbers = [v for v in state.values() if isinstance(v, float)]
    assert not np.isnan(numbers).any()
