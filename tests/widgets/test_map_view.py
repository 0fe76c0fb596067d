"""The canvas's Python half: what it takes, what it refuses, what it sends."""

import numpy as np
import pytest
import traitlets as tl

from endmember.widgets import MapView


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


def test_no_nan_reaches_the_saved_state_as_a_number():
    """JSON has no NaN: a saved notebook with one cannot be read again."""
    view = MapView(np.array([[np.nan, 1.0], [2.0, 3.0]]))
    state = view.get_state()
    numbers = [v for v in state.values() if isinstance(v, float)]
    assert not np.isnan(numbers).any()
