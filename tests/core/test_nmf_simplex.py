"""Abundances that sum to one: exactly, optimal on their simplex, and true where the map is."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.utils.estimator_checks import parametrize_with_checks

import endmember as em
from endmember.core.gaussian import GaussianProblem, Spectra
from endmember.core.nmf_rounds import Run
from endmember.core.nmf_starts import from_chance, summed_to_one
from endmember.core.poisson import PoissonProblem

LOSSES = ["poisson", "gaussian"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::endmember.core.checks.ScaledCountsWarning")
@parametrize_with_checks([em.NMF(2, loss=loss, sum_to_one=True) for loss in LOSSES])
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


def problem_of(loss, counts):
    if loss == "poisson":
        return PoissonProblem(counts, sum_to_one=True)
    return GaussianProblem(Spectra(counts), sum_to_one=True)


def simulate(seed=0, n_pixels=300, n_channels=30, dose=2000.0):
    """A map of even thickness; pure pixels of the three spectra hold unlike counts."""
    rng = np.random.default_rng(seed)
    spectra = rng.gamma(0.5, size=(3, n_channels)) + 0.01
    spectra *= np.array([0.6, 1.0, 1.4])[:, None] * dose / spectra.sum(axis=1, keepdims=True)
    abundances = rng.dirichlet(np.full(3, 0.3), n_pixels)
    return rng.poisson(abundances @ spectra), abundances, spectra


@pytest.mark.parametrize("loss", LOSSES)
def test_abundances_sum_to_one_and_spectra_are_those_of_pure_pixels(loss):
    counts, abundances, spectra = simulate()
    model = em.NMF(3, loss=loss, sum_to_one=True).fit(counts)
    found = model.transform(counts)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-9)
    assert (found >= 0).all()
    match = em.metrics.match_components(model.components_, spectra)
    assert match.cost.max() < 5
    ordered = model.components_[match.found]
    np.testing.assert_allclose(ordered.sum(axis=1), spectra.sum(axis=1), rtol=0.05)
    assert np.abs(found[:, match.found] - abundances).mean() < 0.03
    assert (np.diff(model.objective_history_) <= 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_end_is_optimal_on_the_simplex(loss):
    """Karush, Kuhn and Tucker: one slope for all that take part, none lower for the others."""
    counts = simulate(1)[0].astype(float)
    model = em.NMF(3, loss=loss, sum_to_one=True, tol=1e-6, max_iter=5000).fit(counts)
    abundances = model.transform(counts)
    fit = abundances @ model.components_
    by_model = 1 - counts / np.maximum(fit, 1e-300) if loss == "poisson" else fit - counts
    scale = counts.sum() if loss == "poisson" else (counts**2).sum()
    slopes = by_model @ model.components_.T
    level = (abundances * slopes).sum(axis=1, keepdims=True)
    assert np.abs(abundances * (slopes - level)).sum() <= 1e-4 * scale
    assert np.maximum(level - slopes, 0).mean(axis=1).sum() <= 1e-3 * scale
    by_components = abundances.T @ by_model
    assert np.abs(model.components_ * by_components).sum() <= 1e-4 * scale


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), dose=st.sampled_from([3.0, 200.0]))
@pytest.mark.parametrize("loss", LOSSES)
def test_no_round_raises_the_objective(loss, seed, dose):
    counts = simulate(seed % 1000, n_pixels=30, n_channels=12, dose=dose)[0]
    counts[:2, :2] += 1
    problem = problem_of(loss, counts)
    start = from_chance(counts, 3, np.random.RandomState(seed % 97))
    run = Run(problem, *summed_to_one(problem.abundances(start), start))
    for _ in range(20):
        present = run.abundances, run.components
        assert run._improved(*present)[-1] <= run.history[-1] * (1 + 1e-10) + 1e-9
        run.go_round()
        np.testing.assert_allclose(run.abundances.sum(axis=1), 1, rtol=1e-9)


@pytest.mark.parametrize("loss", LOSSES)
def test_abundances_are_where_a_general_minimiser_ends(loss):
    counts, _, spectra = simulate(2, n_pixels=8, dose=100.0)
    problem, found = problem_of(loss, counts), np.full((8, 3), 1 / 3)
    for _ in range(200):
        found = problem.improve_abundances(found, spectra)[0]

    def objective(a, row):
        model = np.maximum(a @ spectra, 1e-9)
        if loss == "gaussian":
            return ((row - model) ** 2).sum() / 2
        return (model - row * np.log(model)).sum()

    for row, mine in zip(counts.astype(float), found, strict=True):
        best = minimize(
            objective,
            np.full(3, 1 / 3),
            args=(row,),
            method="SLSQP",
            bounds=[(0, 1)] * 3,
            constraints={"type": "eq", "fun": lambda a: a.sum() - 1},
            options={"ftol": 1e-12, "maxiter": 500},
        ).fun
        assert objective(mine, row) <= best + 1e-6 * abs(best)


@pytest.mark.parametrize("loss", LOSSES)
def test_missing_numbers_and_sparse_counts_keep_the_sum(loss):
    counts = simulate(3)[0]
    missing = np.random.default_rng(0).random(counts.shape) < 0.1
    settings = {"loss": loss, "sum_to_one": True, "missing": missing}
    model = em.NMF(3, **settings).fit(sp.csr_array(counts))
    np.testing.assert_allclose(model.transform(counts).sum(axis=1), 1, rtol=1e-9)
    dense = em.NMF(3, **settings).fit(counts).components_
    np.testing.assert_allclose(model.components_, dense, rtol=1e-5, atol=1e-6 * dense.max())


@pytest.mark.parametrize("loss", LOSSES)
def test_pixels_without_counts_and_spectra_of_zeros_do_no_harm(loss):
    counts = simulate(4)[0]
    counts[[3, 9]] = 0
    model = em.NMF(3, loss=loss, sum_to_one=True).fit(counts)
    assert np.isfinite(model.components_).all()
    np.testing.assert_allclose(model.transform(counts).sum(axis=1), 1, rtol=1e-9)
    model.components_[2] = 0
    abundances = model.transform(counts[:20])
    np.testing.assert_allclose(abundances.sum(axis=1), 1, rtol=1e-9)


def test_sum_to_one_is_a_boolean():
    with pytest.raises(TypeError, match="sum_to_one"):
        em.NMF(2, sum_to_one="yes").fit(np.ones((9, 4)))


@pytest.mark.parametrize("n_spectra", [1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_more_components_than_spectra_leave_nothing(seed, n_spectra):
    """Although spectra then depend on each other, or hold nothing."""
    spectra = np.random.default_rng(seed).poisson(20.0, size=(n_spectra, 30))
    counts = np.repeat(spectra, 20, axis=0)
    model = em.NMF(3, loss="gaussian", sum_to_one=True).fit(counts)
    left = np.abs(model.transform(counts) @ model.components_ - counts).max()
    assert left < 0.01 * counts.max()
