"""Missing numbers: they say nothing, and without them the truth is still found."""

from __future__ import annotations

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp

import endmember as em
from endmember.core.gaussian import GaussianProblem, Spectra
from endmember.core.nmf_rounds import Run
from endmember.core.poisson import PoissonProblem

LOSSES = ["poisson", "gaussian"]
N_PIXELS, N_CHANNELS = 300, 40


def lines(n_channels=N_CHANNELS):
    """Three spectra with a line each, and their sum 1."""
    axis = np.arange(n_channels)
    spectra = np.array([np.exp(-(((axis - a) / 3) ** 2)) for a in (8, 20, 32)]) + 0.02
    return spectra / spectra.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def mixture():
    rng = np.random.default_rng(0)
    abundances = rng.dirichlet(np.full(3, 0.4), N_PIXELS)
    return rng.poisson(1000 * abundances @ lines()), abundances


def angles(model):
    known = ~np.isnan(model.components_[0])
    return em.metrics.match_components(model.components_[:, known], lines()[:, known]).cost


def scattered(share, seed=1):
    return np.random.default_rng(seed).random((N_PIXELS, N_CHANNELS)) < share


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("share", [0.01, 0.2])
def test_the_truth_is_found_without_what_is_missing(mixture, loss, share):
    counts, abundances = mixture
    missing = scattered(share)
    broken = np.where(missing, np.nan, counts)
    model = em.NMF(3, loss=loss, missing=missing).fit(broken)
    assert angles(model).max() < 6
    found = model.transform(broken)
    match = em.metrics.match_components(model.components_, lines())
    assert np.abs(found[:, match.found] - abundances).mean() < 0.05
    assert (np.diff(model.objective_history_) <= 0).all()


MASKS = {
    "single numbers": scattered(0.1),
    "channels": np.arange(N_CHANNELS) % 7 == 0,
    "pixels": np.arange(N_PIXELS) % 9 == 0,
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("kind", MASKS)
def test_what_stands_in_missing_places_changes_no_bit(mixture, loss, kind):
    counts, missing = mixture[0], MASKS[kind]
    where = np.broadcast_to(missing[:, None] if kind == "pixels" else missing, counts.shape)
    found = []
    for garbage in (0.0, 1e9, -7.0, np.nan):
        model = em.NMF(3, loss=loss, missing=missing).fit(np.where(where, garbage, counts))
        found.append((model.components_, model.record_.data["sha256"]))
        if kind != "pixels":
            abundances = model.transform(np.where(where, garbage, counts))
            np.testing.assert_array_equal(abundances, model.transform(np.where(where, 5.0, counts)))
    for components, digest in found[1:]:
        np.testing.assert_array_equal(components, found[0][0])
        assert digest == found[0][1]


@pytest.mark.parametrize("loss", LOSSES)
def test_missing_channels_and_pixels_are_as_if_they_had_been_cut_off(mixture, loss):
    counts = mixture[0]
    for kind, cut in [("channels", counts[:, ~MASKS["channels"]]), ("pixels", None)]:
        cut = counts[~MASKS["pixels"]] if cut is None else cut
        model = em.NMF(3, loss=loss, missing=MASKS[kind]).fit(counts)
        other = em.NMF(3, loss=loss).fit(cut)
        known = ~np.isnan(model.components_)
        np.testing.assert_array_equal(model.components_[known], other.components_.ravel())
        if kind == "channels":
            assert (np.isnan(model.components_) == MASKS["channels"]).all()
            np.testing.assert_array_equal(model.transform(counts), other.transform(cut))
        else:
            np.testing.assert_array_equal(model.transform(counts), other.transform(counts))


@pytest.mark.parametrize("loss", LOSSES)
def test_single_numbers_that_miss_a_whole_channel_are_that_channel(mixture, loss):
    missing = np.zeros((N_PIXELS, N_CHANNELS), dtype=bool)
    missing[:, 5], missing[9] = True, True
    model = em.NMF(3, loss=loss, missing=missing).fit(mixture[0])
    kept = np.delete(np.delete(mixture[0], 9, axis=0), 5, axis=1)
    expected = em.NMF(3, loss=loss).fit(kept).components_
    np.testing.assert_array_equal(np.delete(model.components_, 5, axis=1), expected)
    assert np.isnan(model.components_[:, 5]).all()
    abundances = model.transform(mixture[0])
    assert np.isnan(abundances[9]).all()
    assert np.isfinite(np.delete(abundances, 9, axis=0)).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_the_objective_counts_what_is_held_and_no_round_raises_it(mixture, loss):
    missing = scattered(0.3)
    counts = np.where(missing, 0, mixture[0]).astype(float)
    gaps = sp.csr_array(missing.astype(float))
    problem = (
        PoissonProblem(counts, missing=gaps)
        if loss == "poisson"
        else GaussianProblem(Spectra(counts), missing=gaps)
    )
    start = np.random.default_rng(2).random((3, N_CHANNELS)) + 0.1
    run = Run(problem, problem.abundances(start), start)
    for _ in range(40):
        before = run.history[-1]
        plain = run._improved(run.abundances, run.components)[-1]
        assert plain <= before * (1 + 1e-10) + 1e-9
        run.go_round()
    model, held = run.abundances @ run.components, ~missing
    if loss == "gaussian":
        expected = ((counts - model)[held] ** 2).sum() / 2
    else:
        some = held & (counts > 0)
        logs = (counts[some] * np.log(counts[some] / model[some])).sum()
        expected = logs - counts[held].sum() + model[held].sum()
    assert run.history[-1] == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_every_form_of_the_counts_gives_the_same(mixture, loss):
    counts, missing = mixture[0].astype(float), scattered(0.1)
    first = em.NMF(3, loss=loss, missing=missing).fit(counts).components_
    forms = [
        sp.csr_array(counts),
        da.from_array(counts, chunks=(77, 13)),
        np.asfortranarray(counts),
    ]
    for form in forms:
        found = em.NMF(3, loss=loss, missing=missing).fit(form).components_
        np.testing.assert_allclose(found, first, rtol=1e-6, atol=1e-6 * first.max())
    assert counts[missing].any()  # the caller's counts are as they were


def test_a_square_map_says_whether_pixels_or_channels_are_meant():
    counts = np.random.default_rng(0).poisson(9.0, (8, 8))
    missing = np.arange(8) == 3
    with pytest.raises(ValueError, match=r"may mean pixels or channels; .*\(8, 1\) or \(1, 8\)"):
        em.NMF(2, missing=missing).fit(counts)
    assert np.isnan(em.NMF(2, missing=missing[None]).fit(counts).components_[:, 3]).all()
    assert np.isfinite(em.NMF(2, missing=missing[:, None]).fit(counts).components_).all()


@pytest.mark.parametrize(
    ("missing", "error", "message"),
    [
        (np.zeros(N_CHANNELS), TypeError, "missing has dtype float64; pass booleans"),
        (np.zeros(7, dtype=bool), ValueError, r"shape \(7,\), but X \(300, 40\); expected"),
        (np.ones(N_CHANNELS, dtype=bool), ValueError, "missing is True everywhere; "),
    ],
)
def test_what_cannot_be_a_mask_is_refused(mixture, missing, error, message):
    with pytest.raises(error, match=message):
        em.NMF(3, missing=missing).fit(mixture[0])


def test_other_counts_need_another_mask(mixture):
    model = em.NMF(3, missing=scattered(0.1)).fit(mixture[0])
    with pytest.raises(ValueError, match="Set missing=None to transform other counts"):
        model.transform(mixture[0][:10])
    assert model.set_params(missing=None).transform(mixture[0][:10]).shape == (10, 3)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", [14, 27, 31, 100])
def test_pixels_that_hold_only_traces_of_a_component_stay_finite(seed):
    """Few channels, each of them nearly a component, and some pixels miss one of them."""
    rng = np.random.default_rng(seed)
    counts = rng.poisson(3.0, size=(50, 4))
    missing = rng.random(counts.shape) < 0.15
    model = em.NMF(3, missing=missing).fit(counts)
    modelled = np.nan_to_num(model.transform(counts) @ model.components_)
    assert modelled[~missing].sum() == pytest.approx(counts[~missing].sum(), rel=0.01)
