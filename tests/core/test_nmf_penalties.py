"""Penalties on volume and roughness: what they add, that they help, that nothing rises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import endmember as em
from endmember.core.gaussian import GaussianProblem, Spectra
from endmember.core.nmf_missing import Held
from endmember.core.nmf_rounds import Run
from endmember.core.nmf_starts import from_chance, summed_to_one
from endmember.core.penalties import SPREAD, Penalty
from endmember.core.poisson import PoissonProblem

LOSSES = ["poisson", "gaussian"]


def bands(n_channels=60):
    """Three broad bands on a background, each of sum 1."""
    axis = np.arange(n_channels) / n_channels
    places = ((0.25, 0.08), (0.48, 0.1), (0.75, 0.09))
    spectra = np.array([np.exp(-((axis - a) ** 2) / (2 * b**2)) for a, b in places]) + 0.15
    return spectra / spectra.sum(axis=1, keepdims=True)


def simulate(purest, dose, n_pixels=500, seed=0):
    """Counts of mixtures, of which none has more than `purest` of one spectrum."""
    rng = np.random.default_rng(seed)
    abundances = rng.dirichlet(np.ones(3), 20 * n_pixels)
    abundances = abundances[abundances.max(axis=1) < purest][:n_pixels]
    return rng.poisson(dose * abundances @ bands())


def worst_angle(model):
    return em.metrics.match_components(model.components_, bands()).cost.max()


@pytest.mark.parametrize("dose", [1000.0, 30_000.0])
@pytest.mark.parametrize("settings", [{}, {"loss": "gaussian"}, {"sum_to_one": True}])
def test_volume_finds_endmembers_of_which_no_pixel_is_pure(dose, settings):
    counts = simulate(0.75, dose)
    plain = em.NMF(3, max_iter=2000, **settings).fit(counts)
    model = em.NMF(3, volume=0.001, max_iter=2000, **settings).fit(counts)
    assert worst_angle(model) < min(3.5, worst_angle(plain))
    assert (np.diff(model.objective_history_) <= 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_smoothness_makes_spectra_smoother_and_truer_at_low_dose(loss):
    counts = simulate(1.0, 60.0, n_pixels=300)
    plain = em.NMF(3, loss=loss).fit(counts)
    model = em.NMF(3, loss=loss, smoothness=0.1, max_iter=1000).fit(counts)

    def rough(found):
        return (np.diff(found.components_, n=2, axis=1) ** 2).sum()

    assert rough(model) < 0.1 * rough(plain)
    truth = bands()
    costs = [em.metrics.match_components(m.components_, truth).cost for m in (model, plain)]
    assert costs[0].mean() < 0.9 * costs[1].mean()
    assert (np.diff(model.objective_history_) <= 0).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_no_weight_gives_the_bits_of_no_penalty(loss):
    counts = simulate(1.0, 100.0, n_pixels=100)
    plain = em.NMF(3, loss=loss).fit(counts)
    same = em.NMF(3, loss=loss, volume=0, smoothness=0.0).fit(counts)
    np.testing.assert_array_equal(plain.components_, same.components_)
    np.testing.assert_array_equal(plain.objective_history_, same.objective_history_)


@settings(max_examples=10)
@given(
    seed=st.integers(0, 999),
    volume=st.sampled_from([0.0, 0.01, 1.0]),
    smoothness=st.sampled_from([0.0, 0.1, 10.0]),
    is_closed=st.booleans(),
)
@pytest.mark.parametrize("loss", LOSSES)
def test_no_round_raises_the_penalised_objective(loss, seed, volume, smoothness, is_closed):
    counts = simulate(1.0, 50.0, n_pixels=40, seed=seed)
    plain = (
        PoissonProblem
        if loss == "poisson"
        else lambda x, **more: GaussianProblem(Spectra(x), **more)
    )
    problem = plain(counts, sum_to_one=is_closed)
    start = from_chance(counts, 3, np.random.RandomState(seed))
    abundances = problem.abundances(start)
    if is_closed:
        abundances, start = summed_to_one(abundances, start)
    scale = problem.objective(abundances, start)
    height = start.sum(axis=1).mean() if is_closed else None
    problem.penalty = Penalty(volume * scale, smoothness * scale, height)
    run = Run(problem, abundances, start)
    for _ in range(15):
        present = run.abundances, run.components
        assert run._improved(*present)[-1] <= run.history[-1] * (1 + 1e-10) + 1e-9
        run.go_round()


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), height=st.sampled_from([None, 70.0]))
def test_the_parabola_touches_the_penalty_with_its_slope(seed, height):
    rng = np.random.default_rng(seed)
    components, step = rng.random((3, 12)) + 0.1, rng.normal(size=(3, 12))
    penalty = Penalty(2.0, 3.0, height)
    bends, slopes = penalty.bound(components)
    eps = 1e-6
    rise = penalty.value(components + eps * step) - penalty.value(components - eps * step)
    assert np.vdot(bends @ components + slopes, step) == pytest.approx(
        rise / (2 * eps), rel=1e-4, abs=1e-4
    )


@settings(max_examples=30)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_parabola_is_never_below_the_penalty_of_spectra_of_fixed_height(seed):
    rng = np.random.default_rng(seed)
    here, there = rng.gamma(0.5, size=(2, 3, 12))
    penalty = Penalty(2.0, 3.0, height=5.0)
    bends, slopes = penalty.bound(here)

    def parabola(s):
        return np.vdot(bends @ s, s) / 2 + np.vdot(slopes, s)

    rise = parabola(there) - parabola(here)
    assert penalty.value(there) - penalty.value(here) <= rise + 1e-9 * abs(rise) + 1e-9


def test_the_penalty_is_what_its_formula_says_and_forgets_heights():
    components = np.random.default_rng(0).random((2, 9)) + 0.2
    shapes = components / components.mean(axis=1, keepdims=True)
    volume = np.log(np.linalg.det(np.eye(2) + shapes @ shapes.T / 9 / SPREAD))
    rough = sum((s[i] - 2 * s[i + 1] + s[i + 2]) ** 2 for s in shapes for i in range(7)) / 9
    penalty = Penalty(2.0, 3.0)
    assert penalty.value(components) == pytest.approx(2 * volume + 3 * rough)
    scaled = components * np.array([[4.0], [0.1]])
    assert penalty.value(scaled) == pytest.approx(penalty.value(components))


@pytest.mark.parametrize("loss", LOSSES)
def test_the_end_is_optimal_with_penalties(loss):
    """The penalised objective, differentiated by hand, has no slope where factors are positive."""
    counts = simulate(1.0, 300.0, n_pixels=120).astype(float)
    chosen = {"loss": loss, "volume": 0.01, "smoothness": 0.01, "sum_to_one": True}
    nmf = em.NMF(3, tol=1e-6, max_iter=3000, **chosen)
    (run,) = nmf._runs(counts, Held(None, counts.shape))
    problem = run.problem
    held = run.components > 1e-6 * run.components.max()
    eps = 1e-6 * run.components.max()
    rng, total = np.random.default_rng(0), problem.scale
    for _ in range(10):
        step = rng.normal(size=run.components.shape) * run.components * held / run.components.max()
        up, down = (
            problem.objective(run.abundances, run.components + sign * eps * step)
            for sign in (1, -1)
        )
        slope = (up - down) / (2 * eps) * run.components.max()
        assert abs(slope) / total < 1e-4


@pytest.mark.parametrize("name", ["volume", "smoothness"])
def test_weights_are_not_negative(name):
    with pytest.raises(ValueError, match=name):
        em.NMF(2, **{name: -0.1}).fit(np.ones((9, 4)))
