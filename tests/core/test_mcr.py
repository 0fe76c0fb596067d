"""MCR-ALS: every step optimal under its constraints, what is known is held, the band is exact."""

from __future__ import annotations

import json
from itertools import chain, combinations

import dask.array as da
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import approx_fprime, lsq_linear, nnls
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import endmember as em
from endmember._kernels.unimodal import pool_rising
from endmember.core.ambiguity import Rotations, extreme_rows
from endmember.core.constraints import (
    Constraints,
    Rules,
    project_unimodal,
    solve_closed,
)
from endmember.core.mcr import Problem, Run
from endmember.core.nonnegative import solve_sum_to_one
from endmember.core.progress import CancelledError

SEEDS = st.integers(0, 2**32 - 1)
BOTH = ("nonnegative", "closure")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::endmember.core.checks.ScaledCountsWarning")
@parametrize_with_checks(
    [
        em.MCRALS(2),
        em.MCRALS(2, constraints=BOTH, weighting="none"),
        em.MCRALS(2, constraints=("nonnegative", "unimodal_spectra"), max_iter=20),
        em.MCRALS(2, constraints=("nonnegative_spectra",)),
    ]
)
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("mixture", shape=(24, 24), dose=300.0)


def peak(place, width, n_values=40):
    return np.exp(-(((np.arange(n_values) - place) / width) ** 2) / 2)


def pulse(start, stop, n_values=60):
    times = np.arange(n_values)
    shape = np.sin(np.pi * (times - start) / (stop - start)) ** 2
    return np.where((start < times) & (times < stop), shape, 0.0)


SHAPES = np.stack([pulse(4, 26), pulse(17, 41), pulse(32, 56)], axis=1)
SPECTRA = np.array([0.5 + peak(place, 4) for place in (10, 18, 26)])
WRONG = np.array([[1.4, -0.4, 0.0], [-0.2, 1.4, -0.2], [0.0, -0.4, 1.4]])


def elution(noise=0.0):
    """Three compounds that leave a column one after the other, on one background; in counts."""
    counts = 1000 * SHAPES @ SPECTRA
    return np.clip(counts + noise * np.random.default_rng(0).normal(size=counts.shape), 0, None)


def poisson_elution():
    return np.random.default_rng(1).poisson(elution() / 50).astype(float)


# each step


def unimodal_by_force(values, weights):
    """Return the least that is left: for each peak, sums of intervals that hold it are tried."""
    n_values, root, left = len(values), np.sqrt(weights), []
    for top in range(n_values):
        pairs = [(a, b) for a in range(top + 1) for b in range(top, n_values)]
        design = np.array([[a <= i <= b for a, b in pairs] for i in range(n_values)], dtype=float)
        left.append(nnls(root[:, None] * design, root * values)[1] ** 2)
    return min(left)


@example(values=[1, 3, 2, -6, -1, 4, -2], seed=0, is_even=True)  # depths below zero cost nothing
@example(values=[5, -6, -1, -9, 4, 0, 2], seed=0, is_even=True)
@given(
    values=st.lists(st.integers(-9, 9), min_size=1, max_size=8),
    seed=SEEDS,
    is_even=st.booleans(),
)
def test_no_unimodal_profile_comes_nearer(values, seed, is_even):
    values = np.array(values, dtype=float)
    weights = np.ones(len(values))
    if not is_even:
        weights = np.random.default_rng(seed).uniform(0.1, 3.0, len(values))
    found = project_unimodal(values, weights)
    top = found.argmax()
    assert (found >= 0).all()
    assert (np.diff(found[: top + 1]) >= 0).all()
    assert (np.diff(found[top:]) <= 0).all()
    left = (weights * (found - values) ** 2).sum()
    assert left == pytest.approx(unimodal_by_force(values, weights), rel=1e-9, abs=1e-9)


def test_what_is_unimodal_stays():
    values = np.array([0.0, 1, 1, 4, 3, 3, 0])
    np.testing.assert_array_equal(project_unimodal(values), values)


@pytest.mark.parametrize("way", ["compiled", "plain"])
def test_pooling_leaves_what_its_levels_leave(way):
    kernel = pool_rising if way == "compiled" else pool_rising.py_func
    values, weights = np.array([3.0, -1, 2, 1, 5]), np.array([1.0, 2, 1, 3, 1])
    for n_values in range(1, 6):
        costs, levels = np.zeros(n_values + 1), np.zeros(n_values)
        stops = np.zeros(n_values, dtype=np.int64)
        first = values[:n_values].copy(), weights[:n_values].copy()
        n_levels = kernel(*first, costs, levels, stops)
        fitted = np.repeat(levels[:n_levels], np.diff(stops[:n_levels], prepend=0))
        assert (np.diff(fitted) >= 0).all()
        assert costs[-1] == pytest.approx((first[1] * (fitted - first[0]) ** 2).sum(), rel=1e-12)


def simplex_by_force(gram, corr):
    """Every choice of components that may be used, each by the conditions of Lagrange."""
    n, best = len(gram), np.inf
    for used in chain.from_iterable(combinations(range(n), size) for size in range(1, n + 1)):
        used = list(used)
        edge = np.ones((1, len(used)))
        matrix = np.block([[gram[np.ix_(used, used)], edge.T], [edge, np.zeros((1, 1))]])
        share = np.linalg.lstsq(matrix, np.append(corr[used], 1.0), rcond=1e-12)[0][:-1]
        if (share > -1e-9).all() and abs(share.sum() - 1) < 1e-9:
            value = share @ gram[np.ix_(used, used)] @ share / 2 - corr[used] @ share
            best = min(best, value)
    return best


@given(
    seed=SEEDS,
    n_components=st.integers(1, 5),
    kind=st.sampled_from(["any", "empty", "twice", "collinear"]),
    height=st.sampled_from([1e-100, 1e-3, 1.0, 1e6, 1e30]),
)
def test_shares_that_sum_to_one_are_optimal(seed, n_components, kind, height):
    rng = np.random.default_rng(seed)
    endmembers, spectra = height * rng.random((n_components, 9)), 2 * height * rng.random((6, 9))
    spectra[0] = 0
    if kind != "any":
        endmembers[-1] = {"empty": 0, "twice": 1, "collinear": 0.5}[kind] * endmembers[0]
    gram, corr = endmembers @ endmembers.T, spectra @ endmembers.T
    found = solve_sum_to_one(gram, corr)
    assert (found >= 0).all()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-14)
    values = np.einsum("pi,ij,pj->p", found, gram, found) / 2 - (corr * found).sum(axis=1)
    unit = height**2
    expected = [simplex_by_force(gram / unit, row / unit) for row in corr]
    np.testing.assert_allclose(values / unit, expected, rtol=1e-9, atol=1e-9)


def test_shares_of_any_sign_that_sum_to_one_are_optimal():
    rng = np.random.default_rng(0)
    endmembers, spectra = rng.random((4, 9)), rng.random((6, 9))
    found = solve_closed(endmembers @ endmembers.T, spectra @ endmembers.T)
    edges = endmembers[1:] - endmembers[0]  # the last shares are free, the first is what is left
    others = np.linalg.lstsq(edges.T, (spectra - endmembers[0]).T, rcond=None)[0].T
    np.testing.assert_allclose(found[:, 1:], others, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-12)


@given(seed=SEEDS, is_nonnegative=st.booleans())
def test_what_is_held_is_left_out_of_the_problem(seed, is_nonnegative):
    rng = np.random.default_rng(seed)
    endmembers, spectra = rng.random((4, 9)), rng.random((8, 9))
    held = np.where(rng.random((8, 4)) < 0.4, rng.integers(0, 2, (8, 4)), np.nan)
    found = Rules(is_nonnegative, held=held).solve(
        endmembers @ endmembers.T, spectra @ endmembers.T
    )
    bounds = (0 if is_nonnegative else -np.inf, np.inf)
    for row, fixed, spectrum in zip(found, held, spectra, strict=True):
        free = np.isnan(fixed)
        np.testing.assert_array_equal(row[~free], fixed[~free])
        if free.any():
            rest = spectrum - fixed[~free] @ endmembers[~free]
            expected = lsq_linear(endmembers[free].T, rest, bounds, tol=1e-14)
            left = ((rest - row[free] @ endmembers[free]) ** 2).sum() / 2
            assert left <= expected.cost * (1 + 1e-9) + 1e-12


def masks(n_pixels, n_channels):
    """Hold the end of one spectrum and of one map."""
    spectra, abundances = np.zeros((3, n_channels), bool), np.zeros((n_pixels, 3), bool)
    spectra[0, -4:] = abundances[:5, 1] = True
    return {"absent_spectra": spectra, "absent_abundances": abundances}


@pytest.mark.parametrize(
    "names",
    [
        (),
        ("nonnegative_spectra",),
        ("nonnegative",),
        ("closure",),
        BOTH,
        ("nonnegative", "unimodal_abundances"),
        ("nonnegative", "unimodal_spectra", "closure"),
        ("nonnegative", "unimodal_spectra", "unimodal_abundances"),
    ],
)
@pytest.mark.parametrize("has_masks", [False, True])
def test_no_round_raises_the_sum_of_squares(names, has_masks):
    counts = poisson_elution()
    weights = 1 / np.maximum(counts.mean(axis=0), 0.5)
    constraints = Constraints(names, **(masks(*counts.shape) if has_masks else {}))
    problem = Problem(counts, weights, constraints)
    run = Run(problem, None, np.random.default_rng(2).random((3, counts.shape[1])))
    run.go_round()  # what it began from need not obey
    for _ in range(15):
        plain = run._improved(run.abundances)[-1]
        assert plain <= run.history[-1] * (1 + 1e-10)
        run.go_round()
    left = (weights * (counts - run.abundances @ run.components) ** 2).sum()
    assert run.history[-1] == pytest.approx(left, rel=1e-8)
    assert (np.diff(run.history) <= 0).all()


@pytest.mark.parametrize("weighting", ["none", "poisson"])
def test_one_round_is_that_of_plain_loops(weighting):
    counts = poisson_elution()
    start = np.random.default_rng(2).random((3, counts.shape[1]))
    root = np.ones(counts.shape[1])
    if weighting == "poisson":
        root = 1 / np.sqrt(counts.mean(axis=0))
    abundances = np.array([nnls((start * root).T, pixel * root)[0] for pixel in counts])
    spectra = np.array([nnls(abundances, channel)[0] for channel in counts.T]).T
    abundances = np.array([nnls((spectra * root).T, pixel * root)[0] for pixel in counts])
    with pytest.warns(ConvergenceWarning, match="max_iter=1 rounds.* raise max_iter, or tol"):
        model = em.MCRALS(3, init=start, weighting=weighting, max_iter=1).fit(counts)
    np.testing.assert_allclose(
        model.abundances_ @ model.components_, abundances @ spectra, rtol=1e-7, atol=1e-7
    )
    left = np.linalg.norm(root * (counts - abundances @ spectra)) / np.linalg.norm(root * counts)
    assert model.residuals_[-1] == pytest.approx(left, rel=1e-9)


@pytest.mark.parametrize("weighting", ["none", "poisson"])
def test_the_end_is_optimal(scene, weighting):
    """Karush, Kuhn and Tucker: no slope where a factor is positive, none down where it is 0."""
    counts = scene.image.spectra.astype(float)
    model = em.MCRALS(3, weighting=weighting, tol=1e-10, max_iter=2000).fit(counts)
    weights = 1 / counts.mean(axis=0) if weighting == "poisson" else np.ones(counts.shape[1])
    by_model = weights * (model.abundances_ @ model.components_ - counts)
    scale = (weights * counts**2).sum()
    slopes = by_model @ model.components_.T, model.abundances_.T @ by_model
    factors = model.abundances_, model.components_
    for factor, slope in zip(factors, slopes, strict=True):
        assert np.abs(factor * slope).sum() / scale < 1e-4
        assert (
            np.where(factor == 0, np.maximum(-slope, 0), 0) * factor.mean()
        ).sum() < 1e-4 * scale


# what is known


def angles(model, spectra):
    return em.metrics.match_components(model.components_, spectra).cost


def test_a_chromatogram_is_resolved_by_its_single_peaks():
    """From a start that is nowhere negative and fits as well, which only a second peak betrays."""
    start = 1000 * WRONG @ SPECTRA
    assert (start > 0).all()
    assert (SHAPES @ np.linalg.inv(WRONG) > -1e-12).all()
    fit = {"init": start, "weighting": "none", "max_iter": 2000}
    alone = em.MCRALS(3, **fit).fit(elution(noise=5.0))
    assert angles(alone, SPECTRA).min() > 8
    model = em.MCRALS(3, constraints=("nonnegative", "unimodal_abundances"), **fit)
    model.fit(elution(noise=5.0))
    assert angles(model, SPECTRA).max() < 1.5
    assert (em.metrics.correlation(model.abundances_.T, SHAPES.T) > 0.999).all()
    for profile in model.abundances_.T:
        np.testing.assert_array_equal(project_unimodal(profile), profile)


def test_unimodal_spectra_have_one_peak_and_others_need_not():
    counts = np.random.default_rng(0).poisson(30 * SHAPES @ SPECTRA)
    single = em.MCRALS(3, constraints=("nonnegative", "unimodal_spectra")).fit(counts)
    for spectrum in single.components_:
        np.testing.assert_allclose(project_unimodal(spectrum), spectrum, rtol=1e-12)
    assert not all(
        np.allclose(project_unimodal(s), s) for s in em.MCRALS(3).fit(counts).components_
    )


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_known_spectrum_is_held_to_the_last_bit_wherever_it_stands(scene, place):
    counts = scene.image.spectra
    known = np.full((3, counts.shape[1]), np.nan)
    known[place] = scene.endmembers[1]
    model = em.MCRALS(3, known_spectra=known).fit(counts)
    np.testing.assert_array_equal(model.components_[place], scene.endmembers[1])
    assert em.metrics.match_components(model.components_, scene.endmembers).found[1] == place


def test_the_known_part_of_a_spectrum_is_held_and_the_rest_is_found():
    known = np.full(SPECTRA.shape, np.nan)
    known[1, :25] = 1000 * SPECTRA[1, :25]
    model = em.MCRALS(3, known_spectra=known, max_iter=3000, tol=1e-10).fit(elution())
    np.testing.assert_array_equal(model.components_[1, :25], known[1, :25])
    np.testing.assert_allclose(model.components_[1, 25:], 1000 * SPECTRA[1, 25:], rtol=1e-3)


def test_windows_where_components_are_absent_give_the_truth():
    """Each compound is alone somewhere: resolution theorems of Manne, with no noise."""
    absent = SHAPES == 0
    fit = {"init": 1000 * WRONG @ SPECTRA, "max_iter": 3000}
    model = em.MCRALS(3, absent_abundances=absent, **fit).fit(elution())
    assert not model.abundances_[absent].any()
    assert angles(model, SPECTRA).max() < 1e-3
    assert angles(em.MCRALS(3, **fit).fit(elution()), SPECTRA).max() > 8


def test_channels_where_a_component_is_absent_stay_empty(scene):
    absent = np.zeros((3, scene.image.n_channels), dtype=bool)
    absent[0, :20] = absent[2, 40:] = True
    model = em.MCRALS(3, absent_spectra=absent).fit(scene.image.spectra)
    assert not model.components_[absent].any()
    assert model.components_[~absent].any()


@pytest.mark.parametrize("names", [BOTH, ("closure",), ("nonnegative_spectra", "closure")])
def test_closed_abundances_sum_to_one(scene, names):
    model = em.MCRALS(3, constraints=names).fit(scene.image.spectra)
    found = model.transform(scene.image.spectra)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=0, atol=1e-9)
    assert (found >= 0).all() == ("nonnegative" in names)
    assert model.components_.sum(axis=1).mean() == pytest.approx(300, rel=0.1)  # the dose


def test_abundances_are_those_of_the_pixels_that_were_fitted(scene):
    for names in (("nonnegative",), BOTH):
        model = em.MCRALS(3, constraints=names).fit(scene.image.spectra)
        np.testing.assert_allclose(
            model.transform(scene.image.spectra), model.abundances_, rtol=1e-7, atol=1e-9
        )


def test_spectra_without_a_height_of_their_own_have_that_of_a_mean_pixel(scene):
    model = em.MCRALS(3).fit(scene.image.spectra)
    np.testing.assert_allclose(
        model.components_.sum(axis=1), scene.image.spectra.sum(axis=1).mean(), rtol=1e-12
    )


# where it begins


def test_it_begins_from_spectra_or_from_abundances_and_keeps_their_order(scene):
    counts = scene.image.spectra
    for order in ([0, 1, 2], [2, 0, 1]):
        for init in (scene.endmembers[order], scene.abundances[:, order]):
            model = em.MCRALS(3, init=init).fit(counts)
            found = em.metrics.match_components(model.components_, scene.endmembers[order]).found
            np.testing.assert_array_equal(found, range(3))


def test_what_is_held_goes_to_the_spectrum_or_the_map_that_comes_nearest(scene):
    counts, weights = scene.image.spectra.astype(float), np.ones(scene.image.n_channels)
    known = np.full(scene.endmembers.shape, np.nan)
    known[2, 10:50] = 7 * scene.endmembers[0, 10:50]
    problem = Problem(counts, weights, Constraints("nonnegative", known_spectra=known))
    expected = scene.endmembers.copy()
    begun = problem.arranged(expected)  # seven times as high as the start: so is all of it then
    np.testing.assert_array_equal(begun[2, 10:50], known[2, 10:50])
    np.testing.assert_allclose(begun[2], 7 * expected[0], rtol=1e-12)

    absent = np.zeros((576, 3), dtype=bool)
    absent[scene.abundances[:, 1] < 0.2, 0] = True
    problem = Problem(counts, weights, Constraints("nonnegative", absent_abundances=absent))
    np.testing.assert_array_equal(problem.arranged(expected)[0], expected[1])


def test_a_spectrum_that_no_pixel_holds_stays_to_be_taken_up_later():
    problem = Problem(elution(), np.ones(40), Constraints("nonnegative"))
    abundances = SHAPES * [1, 0, 1]
    np.testing.assert_array_equal(problem.components(abundances, SPECTRA)[1], SPECTRA[1])


def test_where_pixels_have_no_corners_it_begins_by_chance():
    """Two spectra that mix, three components asked for: no triangle is there to be found."""
    share = np.linspace(0.1, 0.8, 60)[:, None]
    counts = 1000 * (share * SPECTRA[0] + (1 - share) * SPECTRA[1])
    with pytest.raises(ValueError, match="need pixels that spread in 2 directions"):
        em.NFINDR(3).fit(counts)
    model = em.MCRALS(3, max_iter=3000).fit(counts)
    assert model.residuals_[-1] < 1e-3
    again = em.MCRALS(3, max_iter=3000).fit(counts)
    np.testing.assert_array_equal(model.components_, again.components_)


@pytest.mark.parametrize(
    ("init", "message"),
    [
        (np.ones((2, 40)), r"init has shape \(2, 40\).* spectra of shape \(3, 40\) or abundances"),
        (-SPECTRA, "init holds negative spectra, down to .*np.clip"),
        (np.full((3, 40), np.nan), "init holds NaN or inf"),
        (np.zeros((60, 3)), "init holds abundances that are zero throughout"),
        (np.full((3, 40), "a"), "init has shape .* and dtype"),
        ("vca", "init is 'vca'; choose 'nfindr', or pass an array"),
    ],
)
def test_a_start_that_cannot_be_one_is_refused(init, message):
    with pytest.raises(ValueError, match=message):
        em.MCRALS(3, init=init).fit(elution())


def test_a_start_that_may_be_either_is_refused():
    with pytest.raises(ValueError, match=r"init of shape \(3, 3\) fits .* alike"):
        em.MCRALS(3, init=np.ones((3, 3))).fit(np.ones((3, 3)))


# counts of every form


def forms(counts):
    wide = np.zeros((2 * counts.shape[0], counts.shape[1]), dtype=np.uint16)
    wide[::2] = counts
    locked = counts.astype(np.float64)
    locked.flags.writeable = False
    return {
        "int64": counts.astype(np.int64),
        "big-endian": counts.astype(">i4"),
        "Fortran": np.asfortranarray(counts.astype(np.float32)),
        "strided": wide[::2],
        "read-only": locked,
        "CSR": sp.csr_array(counts),
        "dask": da.from_array(counts, chunks=(100, 30)),
        "dask of CSR": da.from_array(counts, chunks=(100, -1)).map_blocks(sp.csr_array),
    }


@pytest.mark.parametrize("names", [("nonnegative",), BOTH, ("nonnegative", "unimodal_spectra")])
def test_form_and_kind_of_the_counts_do_not_matter(scene, names):
    counts = scene.image.spectra.astype(np.uint16)
    first = em.MCRALS(3, constraints=names).fit(scene.image)
    for form, given_counts in forms(counts).items():
        other = em.MCRALS(3, constraints=names).fit(given_counts)
        for name in ("components_", "abundances_", "residuals_"):
            expected = getattr(first, name)
            np.testing.assert_allclose(
                getattr(other, name), expected, rtol=1e-6, atol=1e-6 * expected.max(), err_msg=form
            )


def test_csr_counts_are_never_unpacked(scene, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("CSR counts were unpacked")

    counts = sp.csr_array(scene.image.spectra)
    for name in ("toarray", "todense"):
        monkeypatch.setattr(sp.csr_array, name, refuse)
    model = em.MCRALS(3, init=scene.endmembers).fit(counts)
    assert model.transform(counts).shape == (576, 3)


def test_what_the_caller_passed_stays_as_it_was(scene):
    known = np.full(scene.endmembers.shape, np.nan)
    known[0] = scene.endmembers[0]
    passed = {
        "known_spectra": known,
        "absent_abundances": np.zeros((576, 3), dtype=bool),
        "init": np.array(scene.endmembers),
    }
    before = {name: values.copy() for name, values in passed.items()}
    em.MCRALS(3, **passed).fit(scene.image.spectra)
    for name, values in passed.items():
        np.testing.assert_array_equal(values, before[name])


def test_the_unit_of_the_counts_does_not_matter(scene):
    counts = scene.image.spectra.astype(float)
    for weighting in ("none", "poisson"):
        few, many = (em.MCRALS(3, weighting=weighting).fit(f * counts) for f in (1, 2**20))
        np.testing.assert_allclose(many.components_ / 2**20, few.components_, rtol=1e-9)
        np.testing.assert_allclose(many.residuals_, few.residuals_, rtol=1e-9)


def test_the_record_holds_every_constraint_as_json_has_it(scene):
    absent = np.zeros((3, scene.image.n_channels), dtype=bool)
    model = clone(em.MCRALS(3, constraints=BOTH, absent_spectra=absent)).fit(scene.image.spectra)
    recorded = json.loads(model.record_.to_json())["parameters"]
    assert recorded["constraints"] == list(BOTH)
    assert recorded["absent_spectra"] == {"dtype": "|b1", "values": absent.tolist()}


def test_a_callback_hears_of_every_round_and_may_end_the_fit(scene):
    heard = []

    def listen(progress):
        heard.append(progress)
        return len(heard) == 4

    model = em.MCRALS(3, callback=listen).fit(scene.image.spectra)
    assert model.n_iter_ == len(heard) == 4
    assert [p.objective for p in heard] == model.objective_history_.tolist()
    assert heard[0].fraction == pytest.approx(1 / 500)


# bad input


def flagged(shape, *places):
    mask = np.zeros(shape, dtype=bool)
    for place in places:
        mask[place] = True
    return mask


KNOWN = np.where(np.arange(3)[:, None] == 0, SPECTRA, np.nan)


@pytest.mark.parametrize(
    ("fit", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components"),
        ({"n_components": 99}, ValueError, "n_components=99 is more than 40"),
        ({"constraints": "positive"}, ValueError, "constraints are 'positive'; choose from"),
        ({"constraints": None}, ValueError, "constraints are None; choose from"),
        ({"constraints": "unimodal_spectra"}, ValueError, "add 'nonnegative_spectra'"),
        (
            {"constraints": (*BOTH, "unimodal_abundances")},
            ValueError,
            "'closure' and 'unimodal_abundances', which are not fitted together",
        ),
        ({"weighting": "even"}, ValueError, "weighting is 'even'"),
        ({"max_iter": 0}, ValueError, "max_iter"),
        ({"tol": -1.0}, ValueError, "tol"),
        ({"tol": np.nan}, ValueError, "tol is nan; pass a finite number"),
        ({"callback": 3}, TypeError, "callback is 3"),
        ({"known_spectra": SPECTRA[:2]}, ValueError, r"known_spectra have shape \(2, 40\)"),
        ({"known_spectra": -KNOWN}, ValueError, "known_spectra go down to .* 'nonnegative_sp"),
        (
            {"known_spectra": np.where(KNOWN > 1, np.inf, KNOWN)},
            ValueError,
            "known_spectra hold inf",
        ),
        ({"known_spectra": 0 * KNOWN}, ValueError, "known_spectra are zero .* components 0"),
        (
            {"known_spectra": KNOWN, "absent_spectra": flagged((3, 40), (0, 7))},
            ValueError,
            "known_spectra hold counts where absent_spectra are True, in components 0",
        ),
        (
            {"absent_spectra": np.zeros((3, 40))},
            ValueError,
            "absent_spectra have shape .* dtype float64; expected booleans",
        ),
        (
            {"absent_spectra": flagged((3, 40), 2)},
            ValueError,
            "absent_spectra leave nothing of components 2",
        ),
        (
            {"absent_abundances": flagged((40, 3))},
            ValueError,
            r"absent_abundances have shape \(40, 3\)",
        ),
        (
            {"constraints": BOTH, "absent_abundances": flagged((60, 3), 7, 9)},
            ValueError,
            "absent_abundances leave nothing in pixels 7, 9, where 'closure'",
        ),
        (
            {
                "constraints": ("nonnegative", "unimodal_spectra"),
                "absent_spectra": flagged((3, 40), (1, slice(10, 20))),
            },
            ValueError,
            "'unimodal_spectra' needs the unknown part .* in components 1 it is not",
        ),
    ],
)
def test_bad_settings_are_refused(fit, error, message):
    model = em.MCRALS(**{"n_components": 3, "weighting": "none", **fit})
    with pytest.raises(error, match=message):
        model.fit(elution())


# the band


def two_compounds():
    """Two compounds that overlap in time and in every channel: nothing is pure."""
    abundances = np.stack([0.2 + pulse(-10, 45), 0.1 + pulse(10, 70)], axis=1)
    spectra = np.array([peak(12, 5) + 0.4 * peak(25, 5) + 0.1, peak(27, 6) + 0.15])
    return abundances @ (1000 * spectra)


def lawton_sylvestre(counts):
    """Return in closed form what two components can be, from the counts alone.

    Spectra of sum 1 lie on a line. Those that are nowhere negative end at two outer points; pixels
    fill a piece between two inner ones. One component lies between the outer and the inner point at
    one end, the other at the other end: places on the line of shape (2, 2), lowest first.
    """
    sums = counts.sum(axis=1)
    rows = counts / sums[:, None]
    first, step = rows[0], rows[-1] - rows[0]
    pixels = (rows - first) @ step / (step @ step)
    low = (-first[step > 0] / step[step > 0]).max()
    high = (-first[step < 0] / step[step < 0]).min()
    edges = np.array([[low, pixels.min()], [pixels.max(), high]])

    def resolve(one, other):
        spectra = sums.mean() * (first + np.array([[one], [other]]) * step)
        share = (other - pixels) / (other - one)
        return spectra, np.stack([share, 1 - share], axis=1) * sums[:, None] / sums.mean()

    return edges, resolve


@pytest.mark.parametrize("weighting", ["none", "poisson"])
def test_the_band_of_two_components_is_that_of_lawton_and_sylvestre(weighting):
    counts = two_compounds()
    edges, resolve = lawton_sylvestre(counts)
    assert np.diff(edges, axis=1).min() > 0.1  # there is a band
    model = em.MCRALS(2, constraints="nonnegative", weighting=weighting).fit(counts)
    band = model.ambiguity_band()
    solutions = [resolve(one, other) for one in edges[0] for other in edges[1]]
    spectra, abundances = (np.array(values) for values in zip(*solutions, strict=True))
    order = [0, 1] if model.components_[0, 12] > model.components_[0, 27] else [1, 0]
    if spectra[0, 0, 12] < spectra[0, 0, 27]:
        order = order[::-1]
    spectra, abundances = spectra[:, order], abundances[:, :, order]
    contributions = np.linalg.norm(spectra, axis=2) * np.linalg.norm(abundances, axis=1)
    contributions /= np.linalg.norm(counts)
    expected = {
        "smallest": contributions.min(axis=0),
        "largest": contributions.max(axis=0),
        "lower_spectra": spectra.min(axis=0),
        "upper_spectra": spectra.max(axis=0),
        "lower_abundances": abundances.min(axis=0),
        "upper_abundances": abundances.max(axis=0),
    }
    for name, values in expected.items():
        np.testing.assert_allclose(
            getattr(band, name), values, rtol=1e-5, atol=1e-5 * values.max(), err_msg=name
        )


def feasible_model(n_components, seed=3, names=("nonnegative",), **known):
    """A fit of overlapping mixtures without noise, where much is open."""
    rng = np.random.default_rng(seed)
    spectra = 0.15 + np.array([peak(10 + 9 * k, 5) for k in range(n_components)])
    abundances = rng.dirichlet(np.full(n_components, 2.0), 80)
    fit = {"init": 100 * spectra, "max_iter": 2000, "weighting": "none"}
    return em.MCRALS(n_components, constraints=names, **{**fit, **known}).fit(
        100 * abundances @ spectra
    )


@pytest.mark.parametrize("n_components", [2, 3, 4])
def test_every_solution_of_the_band_obeys_and_fits_as_well(n_components):
    model = feasible_model(n_components)
    band = model.ambiguity_band()
    product = model.abundances_ @ model.components_
    assert (band.largest > band.smallest * 1.01).all()
    for k, pair in enumerate(band.rotations):
        for turn, contribution in zip(pair, (band.smallest[k], band.largest[k]), strict=True):
            spectra = turn @ model.components_
            abundances = model.abundances_ @ np.linalg.inv(turn)
            assert spectra.min() > -1e-6 * spectra.max()
            assert abundances.min() > -1e-6
            np.testing.assert_allclose(abundances @ spectra, product, rtol=1e-9)
            part = np.linalg.norm(abundances[:, k]) * np.linalg.norm(spectra[k])
            assert contribution == pytest.approx(part / np.linalg.norm(product), rel=1e-9)
            assert (spectra >= band.lower_spectra - 1e-6 * spectra.max()).all()
            assert (spectra <= band.upper_spectra + 1e-6 * spectra.max()).all()


def test_no_turn_by_chance_leaves_the_band_of_three_components():
    model = feasible_model(3)
    band = model.ambiguity_band()
    rng = np.random.default_rng(0)
    norm, n_obeyed = np.linalg.norm(model.abundances_ @ model.components_), 0
    turns = np.eye(3) + rng.uniform(0, 0.3, (4000, 1, 1)) * rng.normal(size=(4000, 3, 3))
    for turn in turns:
        spectra = turn @ model.components_
        abundances = model.abundances_ @ np.linalg.inv(turn)
        if spectra.min() < 0 or abundances.min() < 0:
            continue
        n_obeyed += 1
        parts = np.linalg.norm(spectra, axis=1) * np.linalg.norm(abundances, axis=0) / norm
        assert (parts >= band.smallest * (1 - 1e-6)).all()
        assert (parts <= band.largest * (1 + 1e-6)).all()
    assert n_obeyed > 20


def test_pure_pixels_and_pure_channels_leave_no_band():
    abundances = np.vstack([np.eye(3), np.random.default_rng(0).dirichlet(np.ones(3), 50)])
    spectra = 100 * np.hstack([np.eye(3), np.random.default_rng(1).random((3, 20))])
    band = em.MCRALS(3, tol=1e-12).fit(abundances @ spectra).ambiguity_band()
    np.testing.assert_allclose(band.largest, band.smallest, rtol=1e-5)
    np.testing.assert_allclose(band.upper_spectra, band.lower_spectra, atol=1e-3)
    np.testing.assert_allclose(band.upper_abundances, band.lower_abundances, atol=1e-4)


def test_one_component_has_no_band():
    model = em.MCRALS(1).fit(np.outer(np.arange(1, 9), SPECTRA[0]))
    band = model.ambiguity_band()
    np.testing.assert_allclose([band.smallest, band.largest], 1, rtol=1e-12)


def test_what_is_held_narrows_the_band():
    free = feasible_model(3)
    known = np.full(free.components_.shape, np.nan)
    known[0] = free.components_[0]
    absent = np.argsort(free.abundances_[:, 1])[:2]
    wide = free.ambiguity_band()

    held = feasible_model(3, known_spectra=known).ambiguity_band()
    np.testing.assert_allclose(held.lower_spectra[0], known[0], rtol=1e-9)
    np.testing.assert_allclose(held.upper_spectra[0], known[0], rtol=1e-9)
    assert (held.largest - held.smallest < wide.largest - wide.smallest + 1e-9).all()

    closed = feasible_model(3, names=BOTH)
    band = closed.ambiguity_band()
    for turn in band.rotations.reshape(-1, 3, 3):
        sums = (closed.abundances_ @ np.linalg.inv(turn)).sum(axis=1)
        np.testing.assert_allclose(sums, 1, rtol=1e-9)

    counts = free.abundances_.copy()
    counts[absent, 1] = 0
    mask = np.zeros(counts.shape, dtype=bool)
    mask[absent, 1] = True
    model = em.MCRALS(3, absent_abundances=mask, init=free.components_, weighting="none")
    band = model.fit(counts @ free.components_).ambiguity_band()
    assert band.upper_abundances[mask].max() < 1e-6


def test_a_partly_known_spectrum_keeps_that_part_in_the_band():
    free = feasible_model(2)
    known = np.full(free.components_.shape, np.nan)
    known[0, 15:18] = free.components_[0, 15:18]
    absent = np.zeros(known.shape, dtype=bool)
    band = feasible_model(2, known_spectra=known, absent_spectra=absent).ambiguity_band()
    for edge in (band.lower_spectra, band.upper_spectra):
        ratio = edge[0, 15:18] / known[0, 15:18]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)


def test_one_known_channel_says_how_high_a_spectrum_is_but_not_of_what_shape():
    free = feasible_model(3)
    known = np.full(free.components_.shape, np.nan)
    known[0, 12] = 5.0
    held, wide = feasible_model(3, known_spectra=known), free.ambiguity_band()
    band = held.ambiguity_band()
    assert held.components_[0, 12] == 5.0
    np.testing.assert_allclose(band.largest, wide.largest, rtol=1e-3)
    np.testing.assert_allclose(band.smallest, wide.smallest, rtol=1e-3)


@settings(max_examples=15)
@given(seed=SEEDS, n_components=st.integers(2, 4))
def test_slopes_of_the_band_are_those_of_differences(seed, n_components):
    rng = np.random.default_rng(seed)
    abundances, spectra = rng.random((20, n_components)), rng.random((n_components, 9))
    spectra /= spectra.sum(axis=1, keepdims=True)
    absent = rng.random(abundances.shape) < 0.2
    space = Rotations(abundances, spectra, Constraints("nonnegative", absent_abundances=absent))
    free, turn = 0.05 * rng.normal(size=space.ends[-1]), np.eye(n_components)
    for k in range(n_components):
        expected = approx_fprime(free, lambda f, k=k: space.contribution(space._turn(f, turn), k))
        found = space.contribution_slope(space._turn(free, turn), k)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    expected = approx_fprime(free, lambda f: space.margins(space._turn(f, turn)))
    found = space.margin_slopes(space._turn(free, turn))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@given(seed=SEEDS, n_components=st.integers(2, 4), is_flat=st.booleans())
def test_extreme_rows_bound_all_others(seed, n_components, is_flat):
    rng = np.random.default_rng(seed)
    rows = rng.random((30, n_components))
    rows[:3] = 0
    if is_flat:
        rows[:, -1] = 0
    corners = extreme_rows(rows)
    assert len(corners) < 30
    for row in rows:
        assert nnls(corners.T, row)[1] < 1e-8


def test_a_band_is_refused_where_it_has_no_end():
    model = em.MCRALS(2, constraints="nonnegative_spectra").fit(elution())
    with pytest.raises(ValueError, match=r"the band has no end\. Fit with 'nonnegative'"):
        model.ambiguity_band()
    model = em.MCRALS(2, init=SPECTRA[[0, 0]], constraints="nonnegative")
    with pytest.raises(ValueError, match="of 2 components depend on each other"):
        model.fit(np.outer(np.ones(9), 100 * SPECTRA[0])).ambiguity_band()


def test_a_callback_may_end_the_search_for_the_band():
    heard = []
    model = feasible_model(2)
    model.ambiguity_band(callback=lambda progress: heard.append(progress.fraction))
    assert heard[-1] == 1
    with pytest.raises(CancelledError, match="no band was found"):
        model.ambiguity_band(callback=lambda progress: True)
