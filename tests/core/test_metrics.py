"""Measures of likeness and of residuals: what geometry, chance and other code say of them."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import subspace_angles
from sklearn.metrics import adjusted_rand_score

import endmember as em
from endmember import metrics

SEEDS = st.integers(0, 2**32 - 1)


@given(angle=st.floats(1e-7, 180 - 1e-7), height=st.floats(1e-3, 1e3), seed=SEEDS)
def test_the_angle_is_the_one_that_was_turned_by(angle, height, seed):
    first, second = np.linalg.qr(np.random.default_rng(seed).normal(size=(7, 2)))[0].T
    turned = np.cos(np.radians(angle)) * first + np.sin(np.radians(angle)) * second
    found = metrics.spectral_angle(first, height * turned)
    assert found == pytest.approx(angle, rel=1e-6, abs=1e-9)


def test_angles_broadcast_and_a_spectrum_of_zeros_has_none():
    spectra = np.array([[1.0, 0, 0], [1, 1, 0], [0, 0, 0]])
    found = metrics.spectral_angle(spectra[:, None], spectra[None])
    np.testing.assert_allclose(found[:2, :2], [[0, 45], [45, 0]], atol=1e-12)
    assert np.isnan(found[2]).all()


@given(n_found=st.integers(1, 5), n_true=st.integers(1, 4), seed=SEEDS)
def test_no_other_matching_costs_less(n_found, n_true, seed):
    rng = np.random.default_rng(seed)
    found, true = rng.random((n_found, 6)), rng.random((n_true, 6))
    match = metrics.match_components(found, true)
    costs = metrics.spectral_angle(found[:, None], true[None])
    n_pairs = min(n_found, n_true)
    if n_found >= n_true:
        best = min(
            sum(costs[f, t] for t, f in enumerate(order))
            for order in permutations(range(n_found), n_pairs)
        )
    else:
        best = min(
            sum(costs[f, t] for f, t in enumerate(order))
            for order in permutations(range(n_true), n_pairs)
        )
    assert match.cost.sum() == pytest.approx(best)
    assert len(set(match.found)) == len(match.true) == n_pairs
    np.testing.assert_allclose(match.cost, costs[match.found, match.true])
    assert (np.diff(match.true) > 0).all()


def test_a_component_of_zeros_is_matched_last():
    true = np.eye(2, 4)
    match = metrics.match_components([[0, 0, 0, 0], [0, 1, 0, 0], [2, 0, 0, 0]], true)
    assert match.found.tolist() == [2, 1]


@given(seed=SEEDS)
def test_correlation_is_that_of_numpy(seed):
    maps = np.random.default_rng(seed).normal(size=(3, 20)) + 5
    expected = np.corrcoef(maps)
    np.testing.assert_allclose(metrics.correlation(maps[:, None], maps[None]), expected, atol=1e-12)
    assert np.isnan(metrics.correlation(np.ones(20), maps[0]))


@given(seed=SEEDS, n=st.integers(2, 6))
def test_amari_forgives_order_and_height_and_nothing_else(seed, n):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(n, n)) + 2 * np.eye(n)
    undone = rng.permutation(n)
    unmixing = (rng.uniform(0.5, 2, n)[:, None] * np.linalg.inv(mixing))[undone]
    assert metrics.amari_index(unmixing, mixing) == pytest.approx(0, abs=1e-9)
    assert metrics.amari_index(np.ones((n, n)), np.eye(n)) == pytest.approx(1)
    assert 0 <= metrics.amari_index(rng.normal(size=(n, n)), mixing) <= 1


@given(seed=SEEDS)
def test_principal_angles_are_those_of_scipy_and_do_not_see_a_change_of_basis(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, 3, 9))
    found = metrics.principal_angles(a, b)
    np.testing.assert_allclose(found, np.degrees(subspace_angles(a.T, b.T)))
    np.testing.assert_allclose(
        metrics.principal_angles(rng.normal(size=(3, 3)) @ a, a), 0, atol=1e-5
    )


@given(seed=SEEDS)
def test_agreement_does_not_see_what_groups_are_called(seed):
    rng = np.random.default_rng(seed)
    labels, others = rng.integers(0, 4, (2, 6, 7))
    found = metrics.adjusted_rand_index(labels, others)
    assert found == pytest.approx(adjusted_rand_score(labels.ravel(), others.ravel()))
    assert metrics.adjusted_rand_index(labels, (labels + 1) % 4) == pytest.approx(1)


@pytest.mark.parametrize("lag", [1, 2])
def test_over_all_orders_of_the_values_autocorrelation_is_zero_and_scatters_as_it_says(lag):
    """Six values on a map with a hole, in all 720 orders: nothing is left to chance."""
    visible = np.array([[True, True, True], [True, True, False], [True, False, False]])
    values = np.array([0.3, -1.2, 4.0, 0.1, 2.2, -0.7])
    maps = np.zeros((3, 3, 720))
    maps[visible] = np.array(list(permutations(values))).T
    found = metrics.residual_autocorrelation(maps, mask=~visible, lag=lag)
    assert found.value.mean() == pytest.approx(0, abs=1e-12)
    assert found.value.std() == pytest.approx(found.stderr[0])
    np.testing.assert_allclose(found.stderr, found.stderr[0])


def moran(values, visible):
    """Moran's I from its definition, over all pairs of pixels."""
    places = np.argwhere(visible)
    apart = np.abs(places[:, None] - places[None]).sum(axis=2)
    weights = apart == 1
    deviations = values[visible] - values[visible].mean()
    products = deviations @ weights @ deviations
    return len(places) / weights.sum() * products / (deviations @ deviations)


@given(seed=SEEDS)
def test_autocorrelation_is_morans_less_its_expectation(seed):
    rng = np.random.default_rng(seed)
    values, visible = rng.normal(size=(5, 7)) ** 3, rng.random((5, 7)) < 0.8
    found = metrics.residual_autocorrelation(values, mask=~visible)
    expected = moran(values, visible) + 1 / (visible.sum() - 1)
    assert found.value == pytest.approx(expected, abs=1e-12)
    folded = metrics.residual_autocorrelation(np.where(visible, values, np.nan))
    assert folded.value == pytest.approx(found.value)


def test_structure_is_near_one_noise_near_zero_and_a_chessboard_near_minus_one():
    rows, columns = np.mgrid[:40, :50]
    smooth = np.sin(rows / 9) + np.cos(columns / 11)
    assert metrics.residual_autocorrelation(smooth).value > 0.95
    assert metrics.residual_autocorrelation((rows + columns) % 2).value < -0.95
    assert metrics.residual_autocorrelation(smooth, lag=20).value < 0.5
    noise = np.random.default_rng(0).normal(size=(40, 50, 300))
    found = metrics.residual_autocorrelation(noise)
    assert found.value.mean() == pytest.approx(0, abs=4 * found.stderr.mean() / np.sqrt(300))
    assert found.value.std() == pytest.approx(found.stderr.mean(), rel=0.15)


def test_a_phase_that_the_rank_leaves_out_shows_in_the_residual():
    scene = em.datasets.load("mixture", seed=3)
    ratios = []
    for rank in (2, 3):
        result = em.decompose(scene.image, em.PCA(rank))
        left = scene.image.fold(scene.image.spectra - result.denoised())
        found = metrics.residual_autocorrelation(left)
        ratios.append(found.value.mean() / np.sqrt((found.stderr**2).sum()) * found.value.size)
    assert ratios[0] > 20
    assert ratios[1] < 4


def test_a_map_of_one_value_has_no_autocorrelation_and_does_not_harm_others():
    maps = np.random.default_rng(0).normal(size=(4, 5, 2))
    maps[..., 0] = 3.1
    found = metrics.residual_autocorrelation(maps)
    np.testing.assert_array_equal(np.isnan(found.value), [True, False])
    np.testing.assert_array_equal(np.isnan(found.stderr), [True, False])
    alone = metrics.residual_autocorrelation(maps[..., 1].astype(">f4"))
    assert alone.value == pytest.approx(found.value[1], rel=1e-5)
    line = metrics.residual_autocorrelation(maps[:1, :, 1])
    assert isinstance(line.value, float)


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("mixture", dose=60.0)


def test_chi_square_is_that_of_its_definition(scene):
    counts, expected = np.asarray(scene.image.spectra, dtype=float), scene.expected
    squares = ((counts - expected) ** 2 / expected).sum(axis=1)
    found = metrics.reduced_chi_square(counts, expected, n_parameters=3)
    np.testing.assert_allclose(found, squares / (64 - 3))
    whole = metrics.reduced_chi_square(counts, expected, n_parameters=40, per_pixel=False)
    assert whole == pytest.approx(squares.sum() / (counts.size - 40))


def test_chi_square_is_one_where_the_model_is_right_even_at_a_count_a_channel(scene):
    found = metrics.reduced_chi_square(scene.image, scene.expected, per_pixel=False)
    assert found == pytest.approx(1, abs=5 * np.sqrt(3 / scene.expected.size))
    wrong = scene.abundances.mean(axis=0) @ scene.endmembers
    wrong = np.broadcast_to(wrong, scene.expected.shape)
    assert metrics.reduced_chi_square(scene.image, wrong, per_pixel=False) > 1.2


def test_chi_square_of_a_fit_is_the_one_that_the_fit_reports(scene):
    fit = em.fit_abundances(scene.image, scene.endmembers)
    kept = (fit.abundances > 0).all(axis=1)  # where no bound holds a parameter
    assert kept.sum() > 100
    spectra = scene.image.spectra[kept]
    model = fit.abundances[kept], fit.endmembers
    found = metrics.reduced_chi_square(spectra, model, n_parameters=3)
    np.testing.assert_allclose(found, fit.chi2[kept], rtol=1e-9)
    maps = metrics.reduced_chi_square(scene.image, fit)
    assert maps.shape == scene.image.navigation_shape


def test_the_form_of_counts_and_model_does_not_matter(scene):
    counts, expected = np.array(scene.image.spectra), scene.expected
    first = metrics.reduced_chi_square(counts, expected)
    factors = scene.abundances, scene.endmembers
    dask = pytest.importorskip("dask.array")
    for form in (
        sp.csr_array(counts),
        np.asfortranarray(counts),
        counts.astype(">u2"),
        counts.astype(np.float32),
        dask.from_array(counts, chunks=(100, 64)),
    ):
        np.testing.assert_allclose(metrics.reduced_chi_square(form, factors), first, rtol=1e-9)
    result = em.decompose(scene.image, em.NMF(3))
    np.testing.assert_allclose(
        metrics.reduced_chi_square(scene.image, result),
        metrics.reduced_chi_square(scene.image, result.denoised()),
    )


def test_where_nothing_is_expected_counts_are_infinitely_unlikely_and_their_lack_is_not():
    counts = np.array([[0, 2, 4], [1, 2, 4], [0, 0, 0]])
    expected = np.array([[0.0, 2, 2], [0, 2, 2], [0, 0, 0]])
    found = metrics.reduced_chi_square(counts, expected)
    np.testing.assert_array_equal(found, [1, np.inf, np.nan])
    assert np.isnan(metrics.reduced_chi_square(counts, expected, n_parameters=9, per_pixel=False))


def test_hidden_pixels_have_no_chi_square():
    counts = np.random.default_rng(0).poisson(5.0, size=(3, 4, 6)).astype(float)
    hidden = np.zeros((3, 4), dtype=bool)
    hidden[1, 2] = True
    counts[hidden] = np.nan
    image = em.SpectrumImage(counts, mask=hidden)
    found = metrics.reduced_chi_square(image, np.full((11, 6), 5.0))
    np.testing.assert_array_equal(np.isnan(found), hidden)


ONES = np.ones((4, 5))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.spectral_angle([1, 2], [1, 2, 3]), "2 channels but others have 3"),
        (lambda: metrics.spectral_angle(1, 2), r"spectra have shape \(\)"),
        (lambda: metrics.match_components([1, 2], [[1, 2]]), r"found have shape \(2,\)"),
        (lambda: metrics.amari_index(np.ones((2, 3)), np.ones((3, 3))), r"shape \(2, 3\)"),
        (lambda: metrics.adjusted_rand_index([1, 2], [1]), "2 pixels but others of 1"),
        (lambda: metrics.residual_autocorrelation([1, 2]), r"residuals have shape \(2,\)"),
        (lambda: metrics.residual_autocorrelation(ONES * 1j), "residuals are complex"),
        (lambda: metrics.residual_autocorrelation(ONES, mask=ONES), "mask must be bool of shape"),
        (lambda: metrics.residual_autocorrelation(ONES, mask=ONES > 0), "0 pixels are visible"),
        (lambda: metrics.residual_autocorrelation(ONES, lag=0), "lag is 0"),
        (lambda: metrics.residual_autocorrelation(ONES, lag=5), "no two visible pixels lie 5"),
        (lambda: metrics.residual_autocorrelation(ONES * np.inf), "NaN or inf in 20 places"),
        (lambda: metrics.reduced_chi_square([1, 2], [1, 2]), r"counts have shape \(2,\)"),
        (lambda: metrics.reduced_chi_square(-ONES, ONES), "Negative values in data"),
        (lambda: metrics.reduced_chi_square(ONES, -ONES), r"goes down to -1 \(pixel 0, channel 0"),
        (lambda: metrics.reduced_chi_square(ONES, ONES * np.nan), "model contains NaN"),
        (lambda: metrics.reduced_chi_square(ONES, ONES[:3]), "model is of 3 pixels and 5 channels"),
        (lambda: metrics.reduced_chi_square(ONES, (ONES, ONES)), r"model has shape \(4, 5\) and"),
        (lambda: metrics.reduced_chi_square(ONES, ONES, n_parameters=-1), "n_parameters is -1"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
