"""HyperSpy and eXSpy run our estimators as they run scikit-learn's, eager and lazy."""

from __future__ import annotations

import logging
import warnings

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.base import clone

import endmember as em

mpl.use("Agg")
hs = pytest.importorskip("hyperspy.api")
pytest.importorskip("exspy")
logging.getLogger("hyperspy").setLevel(logging.ERROR)
pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::endmember.core.noise.NoiseWarning"),
]

MODELS = {
    "NMF": em.NMF(3),
    "PCA": em.PCA(5),
    "PCA, all": em.PCA(),
    "ICA": em.ICA(3, n_restarts=0),
    "Varimax": em.Varimax(3),
    "NFINDR": em.NFINDR(3),
}
every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("mixture", shape=(12, 10), dose=2000.0)


@pytest.fixture
def quiet():
    hs.preferences.General.show_progressbar = False


def as_floats(scene, kind=""):
    """The counts as HyperSpy decomposes them: it takes floats only."""
    signal = scene.image.to_hyperspy()
    signal.change_dtype("float32")
    if kind:
        signal.set_signal_type(kind)
    return signal


def decompose(signal, model, **settings):
    """Decompose a copy of the signal without HyperSpy's own scaling."""
    settings = {"normalize_poissonian_noise": False, "navigation_mask": None, **settings}
    signal = signal.deepcopy()
    signal.decomposition(algorithm=model, print_info=False, **settings)
    return signal


# eager


def test_hyperspy_refuses_integers_which_we_take(scene):
    signal = scene.image.to_hyperspy()
    with pytest.raises(TypeError, match="float"):
        decompose(signal, em.NMF(3))
    assert em.decompose(signal, em.NMF(3)).components.shape == (3, 64)


@pytest.mark.parametrize("kind", ["", "EDS_TEM", "EDS_SEM"])
@every_model
def test_factors_and_loadings_are_components_and_scores(scene, name, kind):
    signal = decompose(as_floats(scene, kind), MODELS[name])
    result = em.decompose(scene.image, clone(MODELS[name]))
    learned = signal.learning_results
    largest = np.abs(result.components).max()
    np.testing.assert_allclose(learned.factors.T, result.components, rtol=1e-5, atol=1e-5 * largest)
    np.testing.assert_allclose(
        learned.loadings, result.scores, rtol=1e-4, atol=1e-4 * np.abs(result.scores).max()
    )
    modelled = signal.get_decomposition_model()
    np.testing.assert_allclose(
        modelled.data.reshape(len(result.scores), -1),
        result.denoised(),
        rtol=1e-3,
        atol=1e-3 * result.denoised().max(),
    )
    np.testing.assert_array_equal(signal.data, as_floats(scene).data)


@every_model
def test_results_are_plotted(scene, name, quiet):
    import matplotlib.pyplot as plt

    n = len(em.decompose(scene.image, MODELS[name]).components)
    signal = decompose(as_floats(scene), MODELS[name])
    signal.plot_decomposition_factors(min(n, 3))
    signal.plot_decomposition_loadings(min(n, 3))
    drawn = sum(len(plt.figure(i).axes) for i in plt.get_fignums())
    assert drawn >= 2 * min(n, 3) - 1
    plt.close("all")
    signal.plot_decomposition_results()
    assert len(plt.get_fignums()) >= 2
    plt.close("all")


def test_the_scree_of_pca_is_hyperspys(scene):
    signal = decompose(as_floats(scene), em.PCA())
    result = em.decompose(scene.image, em.PCA())
    ratio = signal.get_scree_plot_data().data
    expected = result.estimator.explained_variance_
    np.testing.assert_allclose(ratio, expected / expected.sum(), rtol=1e-4, atol=1e-9)
    assert signal.learning_results.mean is None  # nothing was subtracted


@every_model
def test_hidden_pixels_and_channels_take_no_part(scene, name):
    mask = np.zeros(scene.image.navigation_shape, dtype=bool)
    mask[2:4, 5:] = True
    lost = np.arange(64) < 3
    signal = decompose(as_floats(scene), MODELS[name], navigation_mask=mask.T, signal_mask=lost)
    image = em.SpectrumImage(scene.image.counts, mask=mask, channel_mask=lost)
    expected = em.decompose(image, clone(MODELS[name]))
    loadings = signal.get_decomposition_loadings().data
    np.testing.assert_allclose(
        np.moveaxis(loadings, 0, -1),
        expected.maps,
        rtol=1e-4,
        atol=1e-4 * np.nanmax(np.abs(expected.maps)),
    )
    assert np.isnan(signal.learning_results.factors[lost]).all()
    everywhere = decompose(
        as_floats(scene), MODELS[name], navigation_mask=mask.T, reproject="navigation"
    )
    assert np.isfinite(everywhere.learning_results.loadings).all()


def test_the_fitted_estimator_comes_back_with_its_record(scene):
    model = em.NMF(3)
    signal = as_floats(scene)
    found = signal.decomposition(
        normalize_poissonian_noise=False, algorithm=model, print_info=False, return_info=True
    )
    assert found is model
    assert model.record_.data["shape"] == [120, 64]


# lazy


@pytest.mark.parametrize("name", [name for name in MODELS if name != "PCA, all"])
def test_a_lazy_signal_gives_what_an_eager_one_gives(scene, name, quiet):
    """Chunks of the map come back in their places; who fits them one by one stays in the noise."""
    model = MODELS[name]
    eager = decompose(as_floats(scene), model)
    lazy = as_floats(scene).as_lazy()
    lazy.data = lazy.data.rechunk((5, 4, 64))
    lazy.decomposition(
        normalize_poissonian_noise=False,
        algorithm=clone(model),
        print_info=False,
    )
    learned = lazy.learning_results
    found = np.asarray(learned.loadings) @ np.asarray(learned.factors).T
    expected = eager.learning_results.loadings @ eager.learning_results.factors.T
    counts = as_floats(scene).data.reshape(120, 64)
    noise = np.sqrt(counts.mean())
    away = np.sqrt(((found - expected) ** 2).mean())
    assert away < (1.0 if hasattr(model, "partial_fit") else 1e-3) * noise


# eXSpy's own settings


@pytest.fixture(scope="module")
def bright():
    """Every pixel is brighter than what eXSpy takes for vacuum."""
    return em.datasets.load("six_compounds", shape=(12, 12), dose=1500.0)


@pytest.mark.parametrize("model", [em.NMF(3), em.PCA(3), em.Varimax(3), em.NFINDR(3)], ids=repr)
def test_counts_that_exspy_scaled_by_default_are_warned_of(bright, model):
    signal = as_floats(bright, "EDS_TEM")
    with pytest.warns(
        em.ScaledCountsWarning, match="normalize_poissonian_noise=False, nav"
    ) as seen:
        signal.decomposition(algorithm=model, print_info=False)
    assert len([w for w in seen if w.category is em.ScaledCountsWarning]) == 1


def test_the_way_out_of_the_warning_is_one(bright):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decompose(as_floats(bright, "EDS_TEM"), em.NMF(3))
        signal = as_floats(bright, "EDS_TEM")
        signal.decomposition(algorithm=em.NMF(3, loss="gaussian"), print_info=False)
