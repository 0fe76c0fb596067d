"""Abundances of given endmembers: optimal by theorem, unbiased, and as sure as they claim."""

from __future__ import annotations

import numba
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize

import endmember as em
from abundance_cases import best_face, problems
from endmember.core import nonnegative
from endmember.core.nonnegative import kkt_residual, solve_nonnegative, solve_sum_to_one
from strategies import ESTIMATOR_FORMS, spectra_in

CONSTRAINTS = ["none", "nonnegative", "sum-to-one"]
WEIGHTS = ["poisson", "none"]


def deviance(counts, endmembers, abundances):
    """Half the deviance of every pixel, up to a constant."""
    model = abundances @ endmembers
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(counts > 0, counts * np.log(model), 0)
    return (model - logs).sum(axis=-1)


# least squares


@given(case=problems())
def test_least_squares_meet_the_conditions_of_karush_kuhn_and_tucker(case):
    counts, endmembers = case
    found = em.fit_abundances(counts, endmembers, weights="none").abundances
    lengths = np.linalg.norm(endmembers, axis=1)
    scaled = endmembers / lengths[:, None]
    assert (found >= 0).all()
    assert kkt_residual(scaled @ scaled.T, counts @ scaled.T, found * lengths) < 1e-8


@settings(max_examples=700)
@given(case=problems())
def test_sums_to_one_of_ten_thousand_spectra_meet_their_conditions(case):
    """Those of Karush, Kuhn and Tucker, the slack being what is left by the multiplier."""
    counts, endmembers = case
    found = em.fit_abundances(counts, endmembers, weights="none", constraint="sum-to-one")
    gram, corr = endmembers @ endmembers.T, counts @ endmembers.T
    slack = found.abundances @ gram - corr
    slack -= (found.abundances * slack).sum(axis=1, keepdims=True)
    breach = np.where(found.abundances > 0, np.abs(slack), -slack)
    assert (found.abundances >= 0).all()
    np.testing.assert_allclose(found.abundances.sum(axis=1), 1, rtol=1e-12)
    assert breach.max() < 1e-8 * max(np.abs(gram).max(), np.abs(corr).max())


@settings(max_examples=25)
@given(case=problems(most=4))
def test_sums_to_one_are_the_best_of_all_faces(case):
    counts, endmembers = case
    found = em.fit_abundances(counts, endmembers, weights="none", constraint="sum-to-one")
    gram, corr = endmembers @ endmembers.T, counts @ endmembers.T
    ones = np.ones(len(endmembers))
    expected = np.array([best_face(gram, b, ones) for b in corr])
    np.testing.assert_allclose(found.abundances, expected, atol=1e-8)
    np.testing.assert_allclose(found.abundances.sum(axis=1), 1, atol=1e-12)
    assert (found.abundances >= 0).all()


def test_sums_to_one_of_many_components_agree_with_sequential_quadratic_programming():
    rng = np.random.default_rng(4)
    endmembers = rng.random((12, 40))
    spectra = rng.dirichlet(np.full(12, 0.3), 5) @ endmembers + 0.05 * rng.normal(size=(5, 40))
    found = em.fit_abundances(spectra, endmembers, weights="none", constraint="sum-to-one")
    for spectrum, abundances in zip(spectra, found.abundances, strict=True):
        expected = minimize(
            lambda a, x=spectrum: ((x - a @ endmembers) ** 2).sum(),
            np.full(12, 1 / 12),
            jac=lambda a, x=spectrum: 2 * (a @ endmembers - x) @ endmembers.T,
            bounds=[(0, None)] * 12,
            constraints=LinearConstraint(np.ones(12), 1, 1),
            method="SLSQP",
            options={"ftol": 1e-13, "maxiter": 500},
        )
        np.testing.assert_allclose(abundances, expected.x, atol=1e-5)


@settings(max_examples=40)
@given(case=problems(), seed=st.integers(0, 2**32 - 1))
def test_without_a_constraint_it_is_what_numpy_finds(case, seed):
    counts, endmembers = case
    expected = np.linalg.lstsq(endmembers.T, counts.T)[0].T
    found = em.fit_abundances(counts, endmembers, weights="none", constraint="none")
    np.testing.assert_allclose(found.abundances, expected, rtol=1e-6, atol=1e-8)
    weights = np.random.default_rng(seed).random(counts.shape[1]) + 0.1
    root = np.sqrt(weights)
    expected = np.linalg.lstsq((endmembers * root).T, (counts * root).T)[0].T
    found = em.fit_abundances(counts, endmembers, weights=weights, constraint="none")
    np.testing.assert_allclose(found.abundances, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_weights_are_those_of_scaled_channels(constraint):
    rng = np.random.default_rng(1)
    endmembers, weights = rng.random((3, 20)), rng.random(20)
    spectra = rng.dirichlet(np.ones(3), 30) @ endmembers + 0.2 * rng.normal(size=(30, 20))
    root = np.sqrt(weights)
    kept = {"constraint": constraint}
    found = em.fit_abundances(spectra, endmembers, weights=weights, **kept)
    scaled = em.fit_abundances(spectra * root, endmembers * root, weights="none", **kept)
    for name in ("abundances", "stderr"):
        expected = getattr(scaled, name)
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-7, atol=1e-10)
    assert (found.abundances == 0).any() == (constraint != "none")


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("constraint", ["none", "nonnegative"])
def test_every_endmember_may_have_a_unit_of_its_own(constraint, weights):
    units, kept = np.array([[1e-30], [1e30]]), {"constraint": constraint, "weights": weights}
    expected = em.fit_abundances(COUNTS, PURE, **kept)
    found = em.fit_abundances(COUNTS, units * PURE, **kept)
    np.testing.assert_allclose(found.abundances * units.T, expected.abundances, rtol=1e-9)
    np.testing.assert_allclose(found.stderr * units.T, expected.stderr, rtol=1e-9)


@pytest.mark.parametrize("unit", [1e-250, 1e250])
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_the_unit_of_the_weights_does_not_matter(constraint, unit):
    weights = np.random.default_rng(1).random(8)
    expected = em.fit_abundances(COUNTS, PURE, constraint=constraint, weights=weights)
    found = em.fit_abundances(COUNTS, PURE, constraint=constraint, weights=unit * weights)
    np.testing.assert_allclose(found.abundances, expected.abundances, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.stderr, expected.stderr, rtol=1e-9)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_corners_of_a_triangle_need_two_channels_where_sums_are_one(weights):
    corners = np.array([[10.0, 10], [90, 20], [30, 80]])
    true = np.random.default_rng(14).dirichlet(np.ones(3), 50)
    found = em.fit_abundances(true @ corners, corners, weights=weights, constraint="sum-to-one")
    np.testing.assert_allclose(found.abundances, true, atol=1e-7)
    assert np.isfinite(found.stderr).all() == (weights == "poisson")  # none left for residuals


def test_parts_that_sum_to_one_are_rows_one_after_another(monkeypatch):
    rng = np.random.default_rng(12)
    endmembers = rng.random((4, 30))
    gram, corr = endmembers @ endmembers.T, rng.normal(size=(10_001, 30)) @ endmembers.T
    serial = solve_sum_to_one(gram, corr)
    monkeypatch.setattr(nonnegative, "SERIAL_BELOW", 10)
    monkeypatch.setattr(nonnegative, "CHUNK", 512)
    np.testing.assert_array_equal(solve_sum_to_one(gram, corr), serial)


# Poisson counts


@settings(max_examples=40)
@given(case=problems(most=4))
def test_the_likelihood_is_as_large_as_a_general_minimiser_finds(case):
    counts, endmembers = case
    found = em.fit_abundances(counts, endmembers).abundances
    ours = deviance(counts, endmembers, found)
    assert (found >= 0).all()
    for p in range(2):
        start = np.full(len(endmembers), counts[p].sum() / endmembers.sum() + 1e-3)
        theirs = minimize(
            lambda a, x=counts[p]: deviance(x, endmembers, a),
            start,
            jac=lambda a, x=counts[p]: endmembers @ (1 - x / (a @ endmembers)),
            bounds=[(1e-12, None)] * len(start),
            method="L-BFGS-B",
        )
        assert ours[p] <= theirs.fun + 1e-7 * max(1, abs(theirs.fun))


@settings(max_examples=60)
@given(case=problems(), constraint=st.sampled_from(CONSTRAINTS[1:]))
def test_poisson_fits_meet_the_conditions_of_karush_kuhn_and_tucker(case, constraint):
    counts, endmembers = case
    found = em.fit_abundances(counts, endmembers, constraint=constraint).abundances
    model = found @ endmembers
    ratio = np.divide(counts, model, out=np.zeros_like(model), where=counts > 0)
    slopes = (1 - ratio) @ endmembers.T
    if constraint == "sum-to-one":
        np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-10)
        slopes = slopes - (found * slopes).sum(axis=1, keepdims=True)  # less the multiplier
    scale = endmembers.sum(axis=1)
    assert np.abs(np.where(found > 0, slopes, 0) / scale).max() < 1e-6
    assert (np.where(found > 0, 0, slopes) / scale).min() > -1e-6


@settings(max_examples=25)
@given(case=problems(most=3))
def test_weights_from_the_model_end_at_the_largest_likelihood(case):
    """Least squares weighted by 1 over the model, made again until nothing changes."""
    counts, endmembers = case
    expected = em.fit_abundances(counts, endmembers).abundances
    for p in np.flatnonzero(counts.sum(axis=1) > 20)[:3]:
        a = np.full(len(endmembers), counts[p].sum() / endmembers.sum())
        for _ in range(3000):
            weighted = endmembers / (a @ endmembers)
            step = solve_nonnegative(weighted @ endmembers.T, counts[p : p + 1] @ weighted.T)[0]
            a = (a + step) / 2  # half steps: whole ones may go to and fro
        np.testing.assert_allclose(a, expected[p], atol=1e-5 * expected[p].max())


@pytest.mark.parametrize("dose", [0.1, 1.0])
def test_few_counts_do_not_make_it_less(dose):
    """Weights from the counts lose a quarter at one count a channel: 1 - 0.632 / 0.853 = 26 %."""
    rng = np.random.default_rng(0)
    shape = dose * (1 + 0.2 * np.sin(np.arange(60.0)))
    counts = rng.poisson(np.broadcast_to(shape, (20_000, 60)))
    found = em.fit_abundances(counts, shape[None]).abundances[:, 0]
    assert abs(found.mean() - 1) < 3 * found.std() / np.sqrt(found.size)
    if dose == 1.0:
        weights = 1 / np.maximum(counts, 1)
        naive = (counts * weights * shape).sum(axis=1) / (weights * shape**2).sum(axis=1)
        assert naive.mean() - 1 == pytest.approx(-0.26, abs=0.02)


@pytest.mark.parametrize("dose", [0.5, 1.0])
@pytest.mark.parametrize("constraint", ["nonnegative", "none"])
def test_mixtures_of_few_counts_are_unbiased(dose, constraint):
    channels = np.arange(80.0)
    endmembers = dose * (0.2 + 2.3 * np.exp(-(((channels - np.array([[25.0], [50.0]])) / 14) ** 2)))
    counts = np.random.default_rng(1).poisson(endmembers.sum(axis=0), (20_000, 80))
    found = em.fit_abundances(counts, endmembers, constraint=constraint).abundances
    error = found.std(axis=0) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - 1) < 3 * error).all()


def test_a_single_endmember_holds_as_much_as_there_are_counts():
    """The sum of the counts is sufficient: N counts say N, give or take its root."""
    counts = np.random.default_rng(2).poisson(3.0, (50, 7))
    found = em.fit_abundances(counts, [[1.0, 2, 3, 4, 5, 6, 0]])
    n = counts[:, :6].sum(axis=1)
    np.testing.assert_allclose(found.abundances[:, 0], n / 21)
    np.testing.assert_allclose(found.stderr[:, 0], np.sqrt(n) / 21)


@pytest.mark.parametrize("constraint", ["none", "sum-to-one"])
def test_without_a_constraint_at_work_all_constraints_agree(constraint):
    rng = np.random.default_rng(3)
    endmembers = 100 * rng.random((3, 40))
    counts = rng.poisson([[0.3, 0.3, 0.4]] @ endmembers, (200, 40))
    found = em.fit_abundances(counts, endmembers)
    other = em.fit_abundances(counts, endmembers, constraint=constraint)
    assert (found.abundances > 0).all()
    if constraint == "none":
        np.testing.assert_allclose(other.abundances, found.abundances, rtol=1e-7)
        np.testing.assert_allclose(other.stderr, found.stderr, rtol=1e-7)
    else:  # knowing the sum can only help
        assert (other.stderr.mean(axis=0) < found.stderr.mean(axis=0)).all()


def test_without_a_constraint_what_is_missing_is_zero_on_average():
    rng = np.random.default_rng(5)
    endmembers = 20 * (rng.random((2, 50)) + 0.1)
    counts = rng.poisson(endmembers[0], (20_000, 50))
    free = em.fit_abundances(counts, endmembers, constraint="none")
    held = em.fit_abundances(counts, endmembers)
    error = free.abundances[:, 1].std() / np.sqrt(len(counts))
    assert abs(free.abundances[:, 1].mean()) < 3 * error
    assert held.abundances[:, 1].mean() > 20 * error
    assert np.isnan(held.stderr[held.abundances == 0]).all()


# how sure


@pytest.mark.parametrize("weights", ["poisson", "none", "array"])
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_standard_errors_are_the_scatter_of_repeated_recordings(constraint, weights):
    rng = np.random.default_rng(6)
    endmembers = 120 * (rng.random((3, 150)) ** 2 + 0.25)
    true = np.array([0.2, 0.3, 0.5])
    counts = rng.poisson(true @ endmembers, (4000, 150))
    weights = 1 / endmembers.sum(axis=0) if weights == "array" else weights
    found = em.fit_abundances(counts, endmembers, constraint=constraint, weights=weights)
    scatter = found.abundances.std(axis=0)
    np.testing.assert_allclose(np.sqrt((found.stderr**2).mean(axis=0)), scatter, rtol=0.05)
    away = np.abs(found.abundances - true) / found.stderr
    assert (away < 2).mean() == pytest.approx(0.954, abs=0.012)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_standard_errors_of_many_mixtures_are_their_scatter(constraint, weights):
    """Pooled over 360 cells, in none of which a constraint is at work."""
    rng = np.random.default_rng(12)
    endmembers = 60 * (rng.random((3, 200)) ** 2 + 0.1)
    true = 0.15 + 0.55 * rng.dirichlet(np.ones(3), 120)
    counts = rng.poisson(np.repeat(true @ endmembers, 60, axis=0))
    found = em.fit_abundances(counts, endmembers, constraint=constraint, weights=weights)
    assert (found.abundances > 0).all()
    scatter = found.abundances.reshape(120, 60, 3).var(axis=1, ddof=1).mean(axis=0)
    np.testing.assert_allclose(np.sqrt((found.stderr**2).mean(axis=0) / scatter), 1, atol=0.05)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("dose", [2.0, 100.0])
def test_chi_square_is_one_where_the_endmembers_explain_the_counts(constraint, dose):
    rng = np.random.default_rng(7)
    endmembers = dose * (rng.random((3, 100)) + 0.3)
    true = 0.1 + 0.7 * rng.dirichlet(np.ones(3), 4000)
    counts = rng.poisson(true @ endmembers)
    found = em.fit_abundances(counts, endmembers, constraint=constraint)
    assert found.chi2.mean() == pytest.approx(1, abs=4 * found.chi2.std() / np.sqrt(4000) + 0.003)


def test_chi_square_is_one_where_constraints_are_at_work():
    rng = np.random.default_rng(8)
    endmembers = 200 * (rng.random((4, 60)) + 0.1)
    true = rng.dirichlet(np.full(4, 0.5), 4000) * (rng.random((4000, 4)) < 0.6) + [0.1, 0, 0, 0]
    found = em.fit_abundances(rng.poisson(true @ endmembers), endmembers)
    assert (found.abundances == 0).mean() > 0.1
    assert found.chi2.mean() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_chi_square_shows_the_layer_that_no_reference_explains(weights):
    scene = em.datasets.load("oxide_interface")
    found = em.fit_abundances(scene.image, scene.references, weights=weights)
    chi2 = scene.image.fold(found.chi2)
    away = scene.abundances[:, 3].reshape(chi2.shape) < 1e-6
    assert chi2[away].mean() == pytest.approx(1, abs=0.02)
    assert chi2[scene.layer].min() > chi2[away].max()
    middle = found.abundances[scene.layer.ravel()]
    assert (middle >= 0).all()  # nothing odd in the coefficients: both neighbours, about one in all
    assert middle.sum(axis=1).mean() == pytest.approx(1, abs=0.1)
    columns = np.flatnonzero(chi2.mean(axis=0) > 2)
    layer = np.flatnonzero(scene.layer.any(axis=0))
    assert abs(columns.mean() - layer.mean()) <= 1  # pixel
    whole = em.fit_abundances(scene.image, scene.endmembers, weights=weights)
    assert scene.image.fold(whole.chi2)[scene.layer].mean() == pytest.approx(1, abs=0.03)


def test_chi_square_is_that_of_pearson():
    rng = np.random.default_rng(9)
    endmembers = 5 * rng.random((2, 12))
    endmembers[:, 3] = 0
    counts = rng.poisson(rng.random((30, 2)) @ endmembers)
    found = em.fit_abundances(counts, endmembers)
    for p in range(30):
        model = found.abundances[p] @ endmembers
        seen, n_free = model > 0, (found.abundances[p] > 0).sum()
        if seen.sum() <= n_free:
            assert np.isnan(found.chi2[p])
            continue
        squares = ((counts[p] - model)[seen] ** 2 / model[seen]).sum()
        assert found.chi2[p] == pytest.approx(squares / (seen.sum() - n_free))


# form


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("mixture", shape=(16, 20))


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_form_and_kind_of_the_counts_do_not_matter(scene, constraint, weights):
    counts = np.asarray(scene.image.spectra)
    kept = {"constraint": constraint, "weights": weights}
    expected = em.fit_abundances(counts.astype(float), scene.endmembers, **kept)
    wide = np.repeat(counts, 2, axis=1)[:, ::2]
    others = [spectra_in(form, counts) for form in ESTIMATOR_FORMS]
    others += [counts.astype(kind) for kind in ("u2", "i8", ">i4", ">f8", "f4")]
    others += [wide, scene.image, scene.image.to_sparse()]
    for other in others:
        found = em.fit_abundances(other, scene.endmembers, **kept)
        for name in ("abundances", "stderr", "chi2", "mean_residual"):
            np.testing.assert_allclose(
                getattr(found, name), getattr(expected, name), rtol=1e-6, atol=1e-9
            )
        np.testing.assert_allclose(found.residuals([3, 5]), expected.residuals([3, 5]), atol=1e-9)
        assert found.record.data == expected.record.data


def test_any_number_of_threads_gives_the_same_bits(scene, monkeypatch):
    monkeypatch.setattr(nonnegative, "SERIAL_BELOW", 0)
    before, found = numba.get_num_threads(), []
    try:
        for n_threads in (1, 2):
            numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))
            for weights in WEIGHTS:
                for constraint in CONSTRAINTS:
                    kept = {"constraint": constraint, "weights": weights}
                    result = em.fit_abundances(scene.image, scene.endmembers, **kept)
                    found.append((result.abundances, result.stderr))
    finally:
        numba.set_num_threads(before)
    for one, two in zip(found[:6], found[6:], strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("form", ["dense", "csr", "messy csr"])
def test_arrays_of_the_caller_stay_as_they_are(scene, form):
    counts = spectra_in(form, np.asarray(scene.image.spectra))
    arrays = [counts] if form == "dense" else [counts.data, counts.indices, counts.indptr]
    endmembers, weights = np.array(scene.endmembers), np.ones(scene.image.n_channels)
    arrays += [endmembers, weights]
    before = [array.copy() for array in arrays]
    for array in arrays:
        array.flags.writeable = False
    for kind in ("poisson", weights):
        for constraint in CONSTRAINTS:
            em.fit_abundances(counts, endmembers, weights=kind, constraint=constraint)
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_a_fitted_estimator_brings_its_components(scene):
    model = em.NMF(3, random_state=0).fit(scene.image)
    found = em.fit_abundances(scene.image, model)
    expected = em.fit_abundances(scene.image, model.components_)
    np.testing.assert_array_equal(found.abundances, expected.abundances)
    np.testing.assert_allclose(found.abundances, model.transform(scene.image), atol=2e-3)


def test_hidden_pixels_and_channels_take_no_part(scene):
    counts = np.array(scene.image.counts, dtype=float)
    mask, lost = np.zeros((16, 20), bool), np.zeros(scene.image.n_channels, bool)
    mask[2, 3], lost[[0, 9]] = True, True
    counts[mask] = np.nan
    image = em.SpectrumImage(counts, mask=mask, channel_mask=lost)
    found = em.fit_abundances(image, scene.endmembers[:, ~lost])
    assert image.fold(found.abundances).shape == (16, 20, 3)
    whole = em.fit_abundances(scene.image, scene.endmembers, window=~lost)
    np.testing.assert_allclose(found.abundances, whole.abundances[~mask.ravel()], atol=1e-12)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_a_window_is_the_same_as_cropping(scene, constraint, weights):
    counts, axis = np.asarray(scene.image.spectra), scene.image.axis
    kept = {"constraint": constraint, "weights": weights}
    inside = np.zeros(counts.shape[1], bool)
    inside[5:20] = inside[30:50] = True
    expected = em.fit_abundances(counts[:, inside], scene.endmembers[:, inside], **kept)
    ends = [(axis[5], axis[19]), (axis[30], axis[49])]
    for spectra, window in [
        (counts, [(5, 20), (30, 50)]),
        (counts, inside),
        (sp.csr_array(counts), inside.tolist()),
        (scene.image, ends),
    ]:
        found = em.fit_abundances(spectra, scene.endmembers, window=window, **kept)
        np.testing.assert_allclose(found.abundances, expected.abundances, atol=1e-10)
        np.testing.assert_allclose(found.stderr, expected.stderr, rtol=1e-6)
        np.testing.assert_allclose(found.chi2, expected.chi2, rtol=1e-6)
    single = em.fit_abundances(counts, scene.endmembers, window=(5, 20), **kept)
    listed = em.fit_abundances(counts, scene.endmembers, window=[(5, 20)], **kept)
    np.testing.assert_array_equal(single.abundances, listed.abundances)


@pytest.mark.parametrize("constraint", CONSTRAINTS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_channels_without_endmembers_are_the_same_as_cropped(constraint, weights):
    kept = {"constraint": constraint, "weights": weights}
    expected = em.fit_abundances(COUNTS[:, :4], PURE[:, :4], **kept)
    found = em.fit_abundances(COUNTS, PURE * (np.arange(8) < 4), **kept)
    for name in ("abundances", "stderr", "chi2"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9)


def test_residuals_are_counts_less_model(scene):
    counts = np.asarray(scene.image.spectra, dtype=float)
    window = tuple(scene.image.axis[[10, 40]])
    found = em.fit_abundances(scene.image.to_sparse(), scene.endmembers, window=window)
    expected = counts - found.abundances @ scene.endmembers
    np.testing.assert_allclose(found.residuals(), expected, atol=1e-9)
    np.testing.assert_allclose(found.mean_residual, expected.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(found.residuals(slice(3, 9)), expected[3:9], atol=1e-9)
    np.testing.assert_allclose(found.residuals(-1), expected[-1], atol=1e-9)
    assert found.residuals(np.arange(320) < 4).shape == (4, counts.shape[1])


def test_what_was_left_of_a_background_is_fitted_by_least_squares():
    rng = np.random.default_rng(10)
    endmembers = rng.random((2, 30)) - 0.3
    spectra = rng.random((40, 2)) @ endmembers
    found = em.fit_abundances(spectra, endmembers, weights="none")
    np.testing.assert_allclose(found.residuals(), 0, atol=1e-12)


def test_pixels_without_counts_hold_nothing(scene):
    counts = np.array(scene.image.spectra)
    counts[[4, 60]] = 0
    found = em.fit_abundances(counts, scene.endmembers)
    assert not found.abundances[[4, 60]].any()
    assert np.isnan(found.chi2[[4, 60]]).all()
    assert np.isfinite(found.chi2).sum() == len(counts) - 2
    for constraint in ("none", "sum-to-one"):
        other = em.fit_abundances(counts, scene.endmembers, constraint=constraint)
        assert np.isfinite(other.abundances).all()


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e9])
@pytest.mark.parametrize("constraint", ["nonnegative", "sum-to-one"])
def test_the_unit_of_the_counts_does_not_matter(scene, scale, constraint):
    counts = np.asarray(scene.image.spectra, dtype=float)
    expected = em.fit_abundances(counts, scene.endmembers, constraint=constraint).abundances
    found = em.fit_abundances(scale * counts, scale * scene.endmembers, constraint=constraint)
    np.testing.assert_allclose(found.abundances, expected, atol=1e-9)


def test_a_record_says_what_was_done(scene):
    window = tuple(scene.image.axis[[10, 40]].tolist())
    found = em.fit_abundances(scene.image, scene.endmembers, window=[window])
    record = found.record
    assert record.estimator == "fit_abundances"
    assert record.parameters["window"] == [list(window)]
    assert record.parameters["constraint"] == "nonnegative"
    assert record.parameters["endmembers"]["values"] == scene.endmembers.tolist()
    assert type(record).from_json(record.to_json()) == record
    assert "3 endmembers in 320 pixels" in repr(found)


def test_a_callback_hears_of_every_part_and_may_cancel():
    rng = np.random.default_rng(0)
    heard = []
    em.fit_abundances(rng.poisson(1.0, (9000, 64)), np.ones((1, 64)), callback=heard.append)
    fractions = [progress.fraction for progress in heard]
    assert len(fractions) > 1
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    with pytest.raises(RuntimeError, match="the callback stopped the fit at 100%"):
        em.fit_abundances(np.ones((3, 4)), np.ones((1, 4)), callback=lambda progress: True)


# what cannot be


def with_value(array, value):
    """A copy of an array with one bad number in it."""
    array = np.array(array, dtype=float)
    array[1, 1] = value
    return array


COUNTS = np.random.default_rng(0).poisson(5.0, (6, 8)).astype(float)
PURE = np.random.default_rng(1).random((2, 8))
BAD = {
    "channels": (COUNTS[:, 1:], PURE, {}, "spectra have 7 channels but endmembers have 8; crop or"),
    "empty": (COUNTS[:0], PURE, {}, r"spectra have shape \(0, 8\): there is nothing to fit"),
    "single": (COUNTS[0], PURE, {}, r"spectra have shape \(8,\).* spectrum\[None\]"),
    "map": (COUNTS.reshape(2, 3, 8), PURE, {}, r"spectra have shape \(2, 3, 8\).*reshape"),
    "NaN": (with_value(COUNTS, np.nan), PURE, {}, "spectra contain NaN or inf in 1 places; hide"),
    "inf": (with_value(COUNTS, np.inf), PURE, {"weights": "none"}, "NaN or inf in 1 places"),
    "negative": (with_value(COUNTS, -2), PURE, {}, "spectra go down to -2.*choose weights='none'"),
    "complex": (COUNTS + 0j, PURE, {}, "spectra are complex"),
    "pure NaN": (COUNTS, with_value(PURE, np.nan), {}, "endmembers contain NaN or inf"),
    "pure negative": (COUNTS, PURE - 1, {}, "endmembers go down to -0.*choose weights='none'"),
    "pure single": (COUNTS, PURE[0], {}, r"endmembers have shape \(8,\).*spectrum\[None\]"),
    "pure zero": (COUNTS, PURE * [[1], [0]], {}, r"endmembers \[1\] are zero in all 8 channels"),
    "zero there": (
        COUNTS,
        PURE * (np.arange(8) < 4),
        {"window": (5, 8)},
        r"endmembers \[0, 1\] are zero in all 3 channels that take part.*widen",
    ),
    "pure faint": (
        COUNTS,
        PURE * [[1], [1e-200]],
        {"weights": "none"},
        r"endmembers \[1\] go up to .* no float64 holds.*power of ten",
    ),
    "faint there": (
        COUNTS,
        PURE * np.where(np.arange(8) < 4, 1, 1e-170),
        {"window": (4, 8)},
        r"endmembers \[0, 1\] go up to .*e-171 where channels take part.*widen",
    ),
    "pure huge": (COUNTS, 1e160 * PURE, {}, "endmembers go up to .*whose squares no float64 holds"),
    "huge": (-1e160 * COUNTS, PURE, {"weights": "none"}, "spectra go up to .* no float64 holds"),
    "tiny": (1e-160 * COUNTS, PURE, {}, "spectra go up to .* no float64 holds"),
    "unfitted": (COUNTS, em.NMF(2), {}, "endmembers are a NMF without components_; fit it first"),
    "too few": (COUNTS[:, :1], PURE[:, :1], {}, "1 channels take part, fewer than the 2 endmember"),
    "constraint": (COUNTS, PURE, {"constraint": "sum"}, "constraint is 'sum'; choose one of"),
    "weights": (COUNTS, PURE, {"weights": "data"}, "weights are 'data'; choose one of"),
    "weights None": (COUNTS, PURE, {"weights": None}, "weights are None; choose one of"),
    "weights shape": (COUNTS, PURE, {"weights": np.ones(7)}, r"shape \(7,\); expected \(8,\)"),
    "weights negative": (COUNTS, PURE, {"weights": -np.ones(8)}, "weights contain NaN, inf or neg"),
    "weights zero": (COUNTS, PURE, {"weights": np.zeros(8)}, "zero in all 0 channels"),
    "window order": (COUNTS, PURE, {"window": (3, 3)}, "window must be .* with low < high"),
    "window outside": (
        COUNTS,
        PURE,
        {"window": [(2, 9)]},
        r"\(2, 9\) does not lie within channels",
    ),
    "window half": (COUNTS, PURE, {"window": (0.5, 4)}, "pass whole numbers, or a SpectrumImage"),
    "window empty": (COUNTS, PURE, {"window": np.zeros(8, bool)}, "window holds no channel"),
    "window none": (COUNTS, PURE, {"window": []}, "window holds no channel"),
    "window shape": (COUNTS, PURE, {"window": np.ones(7, bool)}, "bool of length 7; expected 8"),
    "window word": (COUNTS, PURE, {"window": "all"}, r"window is 'all'; pass \(low, high\)"),
    "window number": (COUNTS, PURE, {"window": 3}, r"window is 3; pass \(low, high\)"),
    "window ragged": (COUNTS, PURE, {"window": [(1, 4), 6]}, "window must be .*got 6"),
    "image window": (em.SpectrumImage(COUNTS), PURE, {"window": (20, 30)}, "axis runs from 0 to 7"),
}


@pytest.mark.parametrize(("spectra", "endmembers", "kept", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_refused(spectra, endmembers, kept, message):
    with pytest.raises(ValueError, match=message):
        em.fit_abundances(spectra, endmembers, **kept)


def test_what_is_not_a_number_or_a_function_is_refused():
    with pytest.raises(TypeError, match="callback is 3"):
        em.fit_abundances(COUNTS, PURE, callback=3)
    with pytest.raises(TypeError, match="endmembers must be real numbers"):
        em.fit_abundances(COUNTS, [["a", "b"]])
    with pytest.raises(TypeError, match="mask"):
        em.fit_abundances(np.ma.masked_less(COUNTS, 1), PURE)


def test_counts_that_were_scaled_are_no_counts():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.5, (40, 20)) * rng.random(20)
    with pytest.warns(em.ScaledCountsWarning, match="stderr and chi2 cannot be right"):
        em.fit_abundances(counts, np.ones((1, 20)))
    em.fit_abundances(counts, np.ones((1, 20)), weights="none")


@pytest.mark.parametrize("name", ["NaN", "negative"])
def test_lazy_spectra_are_refused_once_computed(name):
    import dask.array as da

    spectra, endmembers, kept, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        em.fit_abundances(da.from_array(spectra, chunks=3), endmembers, **kept)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("constraint", CONSTRAINTS)
def test_endmembers_that_depend_on_each_other_are_named(constraint, weights):
    rng = np.random.default_rng(11)
    endmembers = 50 * rng.random((3, 20))
    endmembers = np.insert(endmembers, 2, endmembers[:2].mean(axis=0), axis=0)
    counts = rng.poisson([[0.3, 0.2, 0.1, 0.4]] @ endmembers, (10, 20))
    kept = {"constraint": constraint, "weights": weights}
    with pytest.warns(UserWarning, match=r"endmembers \[0, 1, 2\] depend on each other"):
        found = em.fit_abundances(counts, endmembers, **kept)
    assert np.isnan(found.stderr[:, :3]).all()
    alone = em.fit_abundances(counts, endmembers[[0, 1, 3]], **kept)  # which span as much
    weighted_by_all = constraint == "none" and weights == "poisson"
    atol = 0.5 if weighted_by_all else 1e-5 * counts.max()
    np.testing.assert_allclose(found.residuals(), alone.residuals(), atol=atol)
    if constraint == "none" and weights == "none":
        expected = np.linalg.lstsq(endmembers.T, counts.T)[0].T
        np.testing.assert_allclose(found.abundances, expected, atol=1e-9)
    if constraint == "none" and weights == "poisson":
        least = np.array([0.5, 0.5, -1.0, 0.0])  # adds nothing to the model
        np.testing.assert_allclose(found.abundances @ least, 0, atol=1e-6)
