"""Regression of known references: against the truth of a specimen, and as a view with no page."""

from __future__ import annotations

import numpy as np
import pytest
import traitlets as tl
from scipy.optimize import nnls

import endmember as em
from endmember.widgets.teaching.regression import SUM, RegressionExplorer
from endmember.widgets.teaching.regression_parts import four_ticks
from endmember.widgets.teaching.regression_state import RegressionState


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("oxide_interface", shape=(6, 96))


@pytest.fixture
def state(scene):
    return RegressionState(scene.image, scene.references, names=scene.names[:3])


@pytest.fixture
def explorer(scene):
    return RegressionExplorer(scene.image, scene.references, names=scene.names[:3])


# the state


def test_where_references_explain_the_counts_chi_square_is_one_and_coefficients_are_true(
    scene, state
):
    inside = ~scene.layer & (scene.abundances[:, 3].reshape(6, 96) < 1e-6)
    for window in state.windows:
        state.window = window
        free = len(range(*state.channels().indices(240))) - 3
        error = np.sqrt(2 / free / inside.sum())
        assert abs(state.chi2()[inside].mean() - 1) < 4 * error
        truth = scene.coefficients.reshape(6, 96, 3)
        pull = (state.coefficients() - truth) / state.stderr()
        assert 0.85 < np.nanstd(pull[inside]) < 1.1  # those held at zero cut it short


def test_the_layer_shows_in_plasmons_and_hardly_in_chemistry(scene, state):
    plasmons, chemistry = (state.chi2(window)[scene.layer].mean() for window in state.windows)
    assert plasmons > 4 > 1.3 > chemistry > 1.02
    assert np.abs(state.coefficients("Plasmons")[scene.layer].sum(axis=-1) - 1).max() < 0.15


def test_a_fit_is_that_of_nonnegative_least_squares_once_weights_are_known(state):
    """Poisson likelihood and weights from its own model have the same solution."""
    state.window, state.pixel = "Chemistry", (2, 64)
    channels, model = state.channels(), state.model()
    root = 1 / np.sqrt(model[channels])
    found, _ = nnls((state.references[:, channels] * root).T, state.counts()[channels] * root)
    np.testing.assert_allclose(state.coefficients()[2, 64], found, atol=1e-6)


def test_maps_follow_from_counts_and_model(state):
    state.window, state.pixel = "Plasmons", (3, 65)
    channels = state.channels()
    assert list(state.image.axis[channels][[0, -1]]) == [5.0, 35.0]
    residual = (state.counts() - state.model())[channels]
    assert state.misfit()[3, 65] == pytest.approx(np.sqrt((residual**2).mean()))
    free = len(residual) - (state.coefficients()[3, 65] > 0).sum()
    chi2 = (residual**2 / state.model()[channels]).sum() / free
    assert state.chi2()[3, 65] == pytest.approx(chi2)


def test_the_histogram_of_chi_square_is_that_of_noise_but_for_the_layer(scene, state):
    state.window = "Plasmons"
    edges, counted, expected = state.chi2_histogram()
    assert counted.sum() == expected.sum().round() == scene.image.n_pixels
    beyond = counted[edges[:-1] >= 2].sum()
    assert beyond == (state.chi2() >= edges[edges >= 2][0]).sum()
    assert scene.layer.sum() <= beyond < scene.layer.sum() + 24  # its rims as well
    without_layer = em.datasets.load("oxide_interface", layer_width=0, shape=(6, 96))
    plain = RegressionState(without_layer.image, without_layer.references)
    _, counted, expected = plain.chi2_histogram()
    usual = expected > 5
    assert (((counted - expected) ** 2 / expected)[usual].sum() / usual.sum()) < 2


def test_a_reference_that_is_left_out_is_missed_where_it_was(scene, state):
    state.without = "BiFeO3"
    is_left_out = np.isnan(state.coefficients()).all(axis=(0, 1))
    assert is_left_out.tolist() == [False, False, True]
    phases = [np.median(state.chi2()[scene.labels == k]) for k in range(3)]
    assert phases[2] > 50
    assert max(phases[:2]) < 1.5
    assert state.to_code() == (
        "found = em.fit_abundances(image, references[[0, 1]], window=(5.0, 35.0))"
    )


def test_its_code_makes_its_fit(scene, state):
    state.window, state.without = "Chemistry", "SrTiO3"
    names = {"em": em, "image": scene.image, "references": scene.references}
    exec(state.to_code(), names)
    np.testing.assert_array_equal(names["found"].abundances, state.fit().abundances)


def test_it_changes_nothing_of_the_caller_and_fits_once(scene, state):
    before = scene.image.counts.copy(), scene.references.copy()
    assert state.fit() is state.fit()
    np.testing.assert_array_equal(scene.image.counts, before[0])
    np.testing.assert_array_equal(scene.references, before[1])


def test_hidden_pixels_stay_hidden(scene):
    mask = np.zeros((6, 96), dtype=bool)
    mask[0, :4] = True
    image = em.SpectrumImage(scene.image.counts, scene.image.axis, mask=mask)
    explorer = RegressionExplorer(image, scene.references, windows={"all": (5, 125)})
    assert np.isnan(explorer.state.chi2()[mask]).all()
    assert np.isfinite(explorer.state.chi2()[~mask]).all()
    explorer.state.pixel = (0, 1)
    assert explorer.steps.shown(explorer.reading, "reading") == [None] * 7


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"references": np.ones((3, 5))}, "shape .3, 5., but the image has 240 channels"),
        ({"names": ["a", "b"]}, "for 3 references; give each one of its own"),
        ({"names": ["a", "b", "nothing"]}, "other than 'nothing'"),
        ({"windows": {}}, "windows are empty"),
        ({"windows": {"none": (200, 300)}}, "200"),
    ],
)
def test_bad_input_is_refused(scene, settings, words):
    given = {"references": scene.references, **settings}
    with pytest.raises(ValueError, match=words):
        RegressionExplorer(scene.image, **given)


def test_a_line_scan_is_refused(scene):
    with pytest.raises(ValueError, match="a map of rows and columns"):
        RegressionState(scene.image.counts[0], scene.references)


def test_what_is_no_choice_is_refused(state):
    with pytest.raises(tl.TraitError, match="choose one of"):
        state.window = "X-rays"
    with pytest.raises(tl.TraitError, match="choose one of"):
        state.without = "iron"
    with pytest.raises(tl.TraitError, match="outside the map"):
        state.pixel = (6, 0)


# the view


def test_controls_and_state_follow_each_other(explorer):
    explorer.window.value = "Chemistry"
    assert explorer.state.window == "Chemistry"
    explorer.state.without = "SrTiO3"
    assert explorer.without.value == "SrTiO3"
    explorer.state.pixel = (1, 2)
    maps = (explorer.coefficients, explorer.misfit, explorer.chi2)
    assert [view.pixel for view in maps] == [(1, 2)] * 3
    explorer.chi2.pixel = (2, 1)
    assert explorer.state.pixel == (2, 1)


def test_the_page_holds_the_maps_of_the_state(explorer):
    state = explorer.state
    state.window, state.without, explorer.coefficient.value = "Chemistry", "BiFeO3", SUM

    def shown(view):
        return np.frombuffer(explorer.steps.shown(view, "values"), np.float32).reshape(6, 96)

    digits = {"rtol": 1e-3}
    np.testing.assert_allclose(shown(explorer.chi2), state.chi2(), **digits)
    np.testing.assert_allclose(shown(explorer.misfit), state.misfit(), **digits)
    total = np.nansum(state.coefficients(), axis=-1)
    np.testing.assert_allclose(shown(explorer.coefficients), total, **digits)
    explorer.coefficient.value = "BiFeO3"
    assert np.isnan(shown(explorer.coefficients)).all()
    caption = explorer.steps.shown(explorer.coefficients, "caption")
    assert caption == "coefficient of BiFeO3: Chemistry without BiFeO3"


def test_the_page_holds_what_it_needs_of_every_pixel(explorer):
    state = explorer.state
    state.window, state.pixel = "Chemistry", (4, 40)
    shown = explorer.steps.shown
    np.testing.assert_array_equal(shown(explorer.place.counts, "y"), state.counts())
    reading = shown(explorer.reading, "reading")
    np.testing.assert_allclose(reading[:3], state.coefficients()[4, 40], rtol=1e-3)
    errors = [np.nan if error is None else error for error in reading[3:6]]
    np.testing.assert_allclose(errors, state.stderr()[4, 40], rtol=1e-2)
    assert reading[6] == pytest.approx(state.chi2()[4, 40], rel=1e-2)
    assert shown(explorer.reading, "place") == 4 * 96 + 40
    start, stop = shown(explorer.reading, "channels")
    assert slice(start, stop) == state.channels()
    assert shown(explorer.code, "value") == explorer.to_code()
    _, counted, expected = state.chi2_histogram()
    np.testing.assert_array_equal(shown(explorer.histogram.counted, "y")[::2], counted)
    np.testing.assert_allclose(shown(explorer.histogram.expected, "y"), expected, rtol=1e-5)


def test_a_sum_above_one_is_not_lost_in_the_last_colour(explorer):
    state, ends = explorer.state, explorer.coefficients.limits
    assert tuple(explorer.steps.shown(explorer.coefficients, "limits")) == ends
    explorer.coefficient.value = SUM
    low, high = explorer.steps.shown(explorer.coefficients, "limits")
    assert low == 0.0
    thicker = np.median(np.nansum(state.coefficients("Plasmons", "BiFeO3"), axis=-1)[:, -8:])
    assert ends[1] < thicker < high  # the ferrite, for which a thicker manganite stands in


@pytest.mark.parametrize("high", [0.7, 1.0, 2.9, 31.0, 99.0, 1379.0, 9999.0])
def test_ticks_are_round_and_end_near_the_top(high):
    ticks = four_ticks(high)
    assert ticks[0] == 0
    assert 0.7 * high < ticks[-1] <= high
    assert float(f"{ticks[1]:.2g}") == pytest.approx(ticks[1])
