"""ICA and Varimax: the model stays, the sources come apart, sign and order are no chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import endmember as em
from endmember.core.rotation import rotate_simple

MODELS = [em.ICA(2, n_restarts=1), em.ICA(2, on="maps", n_restarts=0), em.Varimax(2)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::endmember.ScaledCountsWarning")
@parametrize_with_checks([*MODELS, em.Varimax(2, on="spectra")])
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def spectra():
    return em.datasets.load("mixture", dose=2000.0).image.spectra


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("on", ["spectra", "maps"])
@pytest.mark.parametrize("kind", [em.ICA, em.Varimax])
def test_the_model_is_that_of_the_principal_components(spectra, kind, on):
    model = kind(3, on=on).fit(spectra)
    pca = em.PCA(3).fit(spectra)
    expected = pca.inverse_transform(pca.transform(spectra))
    found = model.inverse_transform(model.transform(spectra))
    np.testing.assert_allclose(found, expected, atol=1e-8 * expected.max())


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", [em.ICA(3), em.ICA(3, on="maps"), em.Varimax(3)])
def test_sums_are_positive_and_the_strongest_comes_first(spectra, model):
    model.fit(spectra)
    assert (model.components_.sum(axis=1) > 0).all()
    assert (np.diff(model.strengths_) <= 0).all()
    scores = model.transform(spectra)
    for k in range(3):
        added = scores[:, [k]] @ model.components_[[k]]
        size = np.linalg.norm(added) / np.sqrt(len(spectra))
        assert model.strengths_[k] == pytest.approx(size, rel=1e-9)


def test_four_portraits_without_noise_come_apart():
    """The maps are the rows of mixing weights here; the portraits are what is independent."""
    scene = em.datasets.load("portraits", n_mixtures=50)
    clean = scene.expected
    model = em.ICA(4, weighting="none", n_restarts=2).fit(clean)
    alike = np.abs(np.corrcoef(np.vstack([model.components_, scene.endmembers]))[:4, 4:])
    assert (alike.max(axis=0) > 0.99).all()
    assert sorted(alike.argmax(axis=0)) == [0, 1, 2, 3]


def test_no_axis_is_lost_whose_first_entry_is_zero():
    """Spectra that are nowhere both above zero, of mean zero, are their own principal axes."""
    half = np.random.default_rng(5).laplace(size=(4, 100))
    sources = linalg.block_diag(*np.hstack([half, -half])) * [[4.0], [3.0], [2.0], [1.0]]
    unmixing, _ = em.ICA(4)._one_start(sources.T, np.random.RandomState(0))
    np.testing.assert_allclose(np.cov(unmixing @ sources, bias=True), np.eye(4), atol=1e-9)


def test_derivatives_part_edges_that_their_tails_join():
    scene = em.datasets.load("portrait_edges")
    worst = {}
    for derivative in (0, 1):
        model = em.ICA(4, derivative=derivative).fit(scene.image.spectra)
        alike = np.abs(np.corrcoef(np.vstack([model.components_, scene.endmembers]))[:4, 4:])
        worst[derivative] = alike.max(axis=0).min()
    assert worst[1] > worst[0]


def test_the_seed_repeats_and_stability_is_small_where_sources_are_clear():
    scene = em.datasets.load("portraits", n_mixtures=50)
    first, again = (em.ICA(4, weighting="none").fit(scene.expected) for _ in range(2))
    np.testing.assert_array_equal(first.components_, again.components_)
    assert first.stability_.shape == (4,)
    noise = np.random.default_rng(4).poisson(20.0, size=(60, 80))
    with pytest.warns(ConvergenceWarning, match="whether the sources can be told apart"):
        unclear = em.ICA(4).fit(noise)
    assert unclear.stability_.max() > 5
    assert first.stability_.max() < 0.5


def test_ica_that_ends_too_soon_says_so_once(spectra):
    with pytest.warns(ConvergenceWarning, match="max_iter=1 rounds; raise it") as heard:
        em.ICA(3, max_iter=1).fit(spectra)
    assert len(heard) == 1


def criterion(loadings):
    return (loadings**2).var(axis=0).sum()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(2, 4))
def test_no_small_turn_makes_the_loadings_simpler(seed, n):
    loadings = np.random.default_rng(seed).normal(size=(40, n)) ** 3
    rotation, _, is_settled = rotate_simple(loadings)
    assert is_settled
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(n), atol=1e-10)
    turned = loadings @ rotation
    best = criterion(turned)
    for i in range(n):
        for j in range(i):
            for angle in (-0.02, 0.02):
                turn = np.eye(n)
                turn[[i, j], [i, j]] = np.cos(angle)
                turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
                assert criterion(turned @ turn) <= best * (1 + 1e-9)


def test_simple_structure_is_found_again():
    rng = np.random.default_rng(0)
    simple = np.zeros((90, 3))
    for k in range(3):
        simple[30 * k : 30 * (k + 1), k] = rng.gamma(3.0, size=30)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    found = simple @ turn @ rotate_simple(simple @ turn)[0]
    alike = np.abs(em.metrics.correlation(found.T[:, None], simple.T[None]))
    assert (alike.max(axis=0) > 0.999).all()


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (em.ICA(0), ValueError, "n_components"),
        (em.ICA(2, on="pixels"), ValueError, "on is 'pixels'; choose one of"),
        (em.ICA(2, derivative=3), ValueError, "derivative is 3; choose 0, 1 or 2"),
        (em.ICA(2, derivative=1.0), ValueError, "derivative is 1.0; choose 0, 1 or 2"),
        (em.Varimax(2, on="both"), ValueError, "on is 'both'"),
        (em.Varimax(2, weighting="other"), ValueError, "weighting is 'other'"),
        (em.ICA(2, n_restarts=-1), ValueError, "n_restarts"),
    ],
)
def test_bad_settings_are_refused(spectra, model, error, message):
    with pytest.raises(error, match=message):
        model.fit(spectra)


@pytest.mark.parametrize("model", [em.ICA(3, n_restarts=9), em.Varimax(3)], ids=repr)
def test_a_callback_sees_the_rounds_and_ends_them(model):
    spectra = em.datasets.load("portraits", n_mixtures=50).image.spectra
    seen = []
    model.set_params(callback=lambda progress: seen.append(progress.fraction)).fit(spectra)
    assert len(seen) > 2
    assert seen == sorted(set(seen))
    stopped = []

    def stop(progress):
        stopped.append(progress)
        return len(stopped) == 2

    model.set_params(callback=stop).fit(spectra)
    assert len(stopped) == 2
    assert model.components_.shape == (3, spectra.shape[1])


def test_varimax_that_ends_too_soon_says_so_once(spectra):
    with pytest.warns(ConvergenceWarning, match="max_iter=1 rounds while") as heard:
        em.Varimax(3, max_iter=1).fit(spectra)
    assert len(heard) == 1
    assert heard[0].filename == __file__
