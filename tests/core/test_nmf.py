"""Non-negative factorisation: optimal by its conditions, as good as scikit-learn's or better."""

from __future__ import annotations

import warnings

import numba
import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.decomposition
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import endmember as em
from endmember.core import blocks, gaussian, nonnegative, poisson
from endmember.core.gaussian import GaussianProblem, Spectra
from endmember.core.nmf_compression import compress
from endmember.core.nmf_rounds import Run
from endmember.core.nmf_starts import from_chance, from_corners
from endmember.core.poisson import PoissonProblem

LOSSES = ["poisson", "gaussian"]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::endmember.ScaledCountsWarning")
@parametrize_with_checks([em.NMF(2, loss=loss) for loss in LOSSES])
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("mixture", shape=(24, 24), dose=300.0)


def half_deviance(counts, model):
    held = counts > 0
    logs = (counts[held] * np.log(counts[held] / model[held])).sum()
    return logs - counts.sum() + model.sum()


def gradients(counts, abundances, components, loss):
    model = abundances @ components
    by_model = 1 - np.divide(counts, model, out=np.zeros_like(model), where=counts > 0)
    if loss == "gaussian":
        by_model = model - counts
    return by_model @ components.T, abundances.T @ by_model


@pytest.mark.parametrize("loss", LOSSES)
def test_the_end_is_optimal(scene, loss):
    """Karush, Kuhn and Tucker: no gradient where a factor is positive, none down where it is 0."""
    counts = scene.image.spectra.astype(float)
    model = em.NMF(3, loss=loss, tol=1e-6, max_iter=5000).fit(counts)
    abundances = model.transform(counts)
    scale = counts.sum() if loss == "poisson" else (counts**2).sum()
    factors = abundances, model.components_
    for factor, gradient in zip(factors, gradients(counts, *factors, loss), strict=True):
        assert np.abs(factor * gradient).sum() / scale <= 1e-4
        down = np.where(factor == 0, np.maximum(-gradient, 0), 0)
        assert (down * factor.mean()).sum() / scale <= 1e-4


@pytest.mark.parametrize("loss", LOSSES)
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), dose=st.sampled_from([2.0, 50.0]))
def test_no_round_raises_the_objective(loss, seed, dose):
    rng = np.random.default_rng(seed)
    counts = rng.poisson(dose * rng.dirichlet(np.ones(3), 40) @ rng.gamma(0.5, size=(3, 15)))
    counts[:2, :2] += 1
    problem = PoissonProblem(counts) if loss == "poisson" else GaussianProblem(Spectra(counts))
    start = from_chance(counts, 3, np.random.RandomState(0))
    run = Run(problem, problem.abundances(start), start)
    for _ in range(30):
        present = run.abundances, run.components
        plain = run._improved(*present)[-1]
        assert plain <= run.history[-1] * (1 + 1e-10) + 1e-9
        run.go_round()
    assert (np.diff(run.history) <= 0).all()


def test_the_objective_is_half_the_deviance(scene):
    counts = scene.image.spectra.astype(float)
    model = em.NMF(3).fit(counts)
    found = half_deviance(counts, model.transform(counts) @ model.components_)
    assert model.objective_history_[-1] == pytest.approx(found, rel=1e-5)


def test_poisson_ends_no_higher_than_multiplicative_updates_run_to_their_end(scene):
    counts = scene.image.spectra.astype(float)
    peer = sklearn.decomposition.NMF(
        3, solver="mu", beta_loss="kullback-leibler", init="nndsvda", max_iter=20_000, tol=1e-9
    )
    theirs = half_deviance(counts, peer.fit_transform(counts) @ peer.components_)
    ours = em.NMF(3, tol=1e-6, max_iter=5000, n_restarts=1).fit(counts).objective_history_[-1]
    assert ours <= theirs * (1 + 1e-6)


def test_gaussian_ends_no_higher_than_the_best_of_ten_starts(scene):
    counts = scene.image.spectra.astype(float)
    best = np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for seed in range(10):
            peer = sklearn.decomposition.NMF(
                3, init="random", random_state=seed, max_iter=3000, tol=1e-8
            )
            model = peer.fit_transform(counts) @ peer.components_
            best = min(best, ((counts - model) ** 2).sum() / 2)
    found = em.NMF(3, loss="gaussian", tol=1e-7, max_iter=5000).fit(counts).objective_history_[-1]
    assert found <= best * (1 + 1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_rounds_in_principal_components_leave_few_to_be_done_with_all_counts():
    counts = em.datasets.load("portrait_edges", shape=(40, 40)).image.spectra.astype(float)
    model = em.NMF(4, loss="gaussian").fit(counts)
    plain = GaussianProblem(Spectra(counts))
    start = from_corners(counts, 4, np.random.RandomState(0))
    run = Run(plain, plain.abundances(start), start)
    while run.kkt > model.tol:
        run.go_round()
    assert model.n_iter_ <= run.n_rounds / 3
    assert model.objective_history_[-1] <= run.history[-1] * (1 + 1e-3)
    assert model.kkt_ <= model.tol


def test_compressed_spectra_hold_what_the_leading_components_hold():
    """Within 1e-6 of the best that as many singular vectors explain (Eckart and Young)."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(50 * rng.dirichlet(np.ones(3), 300) @ rng.gamma(0.5, size=(3, 200)))
    short = compress(Spectra(counts), 3)
    values = np.linalg.svd(counts.astype(float), compute_uv=False)
    assert short.squares() >= (values[:3] ** 2).sum()
    np.testing.assert_allclose(
        np.linalg.svd(short.scores, compute_uv=False)[:3], values[:3], rtol=1e-6
    )


def test_blocks_of_counts_too_large_to_convert_give_the_same_products(monkeypatch):
    counts = np.random.default_rng(0).poisson(2.0, (50, 12)).astype(np.uint8)
    whole = Spectra(counts)
    monkeypatch.setattr(gaussian, "MOST_BYTES", 0)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 8 * 12 * 7)
    parts = Spectra(counts)
    assert parts.values is counts
    for which, rows in [("times", 12), ("turned_times", 50)]:
        matrix = np.random.default_rng(1).random((rows, 3))
        np.testing.assert_allclose(getattr(parts, which)(matrix), getattr(whole, which)(matrix))
    assert parts.squares() == whole.squares() == (counts.astype(float) ** 2).sum()


@pytest.mark.parametrize("loss", LOSSES)
def test_form_and_kind_of_the_counts_do_not_matter(scene, loss):
    counts = scene.image.spectra
    forms = [
        counts.astype(np.float64),
        counts.astype(np.uint16),
        counts.astype(np.int64),
        np.asfortranarray(counts.astype(np.float32)),
        sp.csr_array(counts),
        scene.image,
    ]
    first, *others = [em.NMF(3, loss=loss).fit(form).components_ for form in forms]
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-6, atol=1e-6 * first.max())


def test_any_number_of_threads_gives_the_same_bits(scene, monkeypatch):
    monkeypatch.setattr(poisson, "SERIAL_BELOW", 0)
    monkeypatch.setattr(nonnegative, "SERIAL_BELOW", 0)
    found = []
    before = numba.get_num_threads()
    try:
        for n_threads in (1, 2):
            numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))
            found.append(em.NMF(3).fit(scene.image.spectra))
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(found[0].components_, found[1].components_)


def test_empty_pixels_and_channels_stay_empty():
    scene = em.datasets.load("mixture", shape=(16, 16))
    counts = scene.image.spectra.copy()
    counts[[3, 77]] = 0
    counts[:, [5, 60]] = 0
    for loss in LOSSES:
        model = em.NMF(3, loss=loss).fit(counts)
        assert not model.components_[:, [5, 60]].any()
        assert not model.transform(counts)[[3, 77]].any()
        assert np.isfinite(model.components_).all()


def test_abundances_of_a_map_of_even_thickness_sum_to_about_one(scene):
    model = em.NMF(3).fit(scene.image.spectra)
    sums = model.transform(scene.image.spectra).sum(axis=1)
    assert sums.mean() == pytest.approx(1.0, rel=1e-4)
    assert sums.std() == pytest.approx(1 / np.sqrt(300), rel=0.2)  # Poisson, of 300 counts


def test_omphacite_at_two_hundred_counts_gives_jadeite_and_carbon():
    """Within 6 degrees, where the sum of squares is far off by 22 to 38 (trial simulations)."""
    scene = em.datasets.load("omphacite", dose=200.0)
    score = scene.score(em.NMF(3).fit(scene.image.spectra))
    angles = dict(zip(score.names, score.angles, strict=True))
    assert angles["jadeite"] < 6
    assert angles["carbon"] < 6


def test_restarts_are_kept_and_the_best_of_them_wins():
    scene = em.datasets.load("omphacite", shape=(24, 32), dose=500.0)
    model = em.NMF(4, n_restarts=3).fit(scene.image.spectra)
    ends = [restart.objective for restart in model.restarts_]
    assert len(ends) == 4
    assert model.objective_history_[-1] == min(ends)
    assert model.restarts_[int(np.argmin(ends))].angles.max() < 1e-5
    alone = em.NMF(4).fit(scene.image.spectra)
    assert alone.objective_history_[-1] == ends[0]


def test_omphacite_at_two_thousand_counts_ends_no_higher_than_from_singular_vectors():
    """The best of restarts against rounds from the start that scikit-learn calls nndsvda."""
    counts = em.datasets.load("omphacite", shape=(24, 32), dose=2000.0).image.spectra
    peer = sklearn.decomposition.NMF(4, init="nndsvda", solver="mu", max_iter=1, tol=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        abundances = peer.fit_transform(counts.astype(float))
    run = Run(PoissonProblem(counts), abundances + 1e-9, peer.components_ + 1e-9)
    while run.kkt > 1e-4:
        run.go_round()
    model = em.NMF(4, n_restarts=1).fit(counts)
    assert model.objective_history_[-1] <= run.history[-1] * (1 + 1e-5)


def test_a_callback_hears_of_every_round_and_may_end_the_fit(scene):
    heard = []

    def listen(progress):
        heard.append(progress)
        return len(heard) == 4

    model = em.NMF(3, tol=1e-12, callback=listen).fit(scene.image.spectra)
    assert model.n_iter_ == len(heard) == 4
    assert [p.objective for p in heard] == model.objective_history_[1:].tolist()
    assert heard[0].fraction == pytest.approx(1 / 300)


@pytest.mark.parametrize("loss", LOSSES)
def test_progress_over_all_starts_never_goes_back_and_may_end_them(scene, loss):
    heard = []
    em.NMF(3, loss=loss, n_restarts=3, callback=heard.append).fit(scene.image.spectra)
    fractions = [progress.fraction for progress in heard]
    assert fractions == sorted(fractions)
    assert 3 / 4 < fractions[-1] <= 1
    stopped = em.NMF(3, loss=loss, n_restarts=3, callback=lambda progress: True)
    assert len(stopped.fit(scene.image.spectra).restarts_) == 1


def test_a_fit_that_ends_too_soon_says_what_to_raise(scene):
    with pytest.warns(ConvergenceWarning, match="max_iter=2 rounds .*raise max_iter, or tol"):
        em.NMF(3, max_iter=2).fit(scene.image.spectra)


def test_hyperspy_takes_it_as_an_algorithm():
    import hyperspy.api as hs

    scene = em.datasets.load("mixture")
    signal = hs.signals.Signal1D(scene.image.counts.astype(np.float32))
    signal.decomposition(
        normalize_poissonian_noise=False,
        navigation_mask=None,
        algorithm=em.NMF(3),
        print_info=False,
    )
    expected = em.NMF(3).fit(scene.image.spectra.astype(np.float32))
    np.testing.assert_allclose(signal.learning_results.factors.T, expected.components_)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_components": 0}, ValueError, "n_components"),
        ({"n_components": 1.5}, TypeError, "n_components"),
        ({"n_components": 999}, ValueError, "n_components=999 is more than 64"),
        ({"loss": "huber"}, ValueError, "loss is 'huber'; choose one of"),
        ({"n_restarts": -1}, ValueError, "n_restarts"),
        ({"tol": -1.0}, ValueError, "tol"),
        ({"tol": np.nan}, ValueError, "tol is nan; pass a finite number"),
        ({"volume": np.nan}, ValueError, "volume is nan"),
        ({"smoothness": np.inf}, ValueError, "smoothness is inf"),
        ({"callback": 3}, TypeError, "callback is 3"),
    ],
)
def test_bad_settings_are_refused(scene, settings, error, message):
    with pytest.raises(error, match=message):
        em.NMF(**settings).fit(scene.image.spectra)


def test_bad_counts_are_refused(scene):
    counts = scene.image.spectra.astype(float)
    for value, message in [(-1e-9, "Negative values in data"), (np.nan, "NaN or inf")]:
        counts[0, 0] = value
        with pytest.raises(ValueError, match=message):
            em.NMF(3).fit(counts)


@pytest.mark.parametrize("n_components", [2, 4, 6])
def test_sweeps_before_the_first_round_lower_the_objective(n_components, scene):
    counts = scene.image.spectra
    problem = PoissonProblem(counts)
    components = from_chance(counts, n_components, np.random.RandomState(0))
    factors = problem.abundances(components), components
    history = [problem.objective(*factors)]
    for _ in range(5):
        factors = problem.settled(*factors, n_sweeps=1)
        history.append(problem.objective(*factors))
    assert (np.diff(history) < 0).all()
    assert factors[0].sum() == pytest.approx(counts.sum())  # every count was given to someone
