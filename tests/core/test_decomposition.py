"""A decomposition keeps its image: maps that fold, signals that eXSpy quantifies, a record."""

from __future__ import annotations

import numpy as np
import pytest

import endmember as em
from endmember.core.blocks import fingerprint
from endmember.datasets.compound import SENSITIVITY
from endmember.datasets.simulators.compounds import FORMULAE
from strategies import ESTIMATOR_FORMS, spectra_in

MODELS = [em.NMF(3), em.PCA(3), em.NFINDR(3), em.ICA(3, n_restarts=0), em.Varimax(3)]
NON_NEGATIVE = [em.NMF(3), em.NFINDR(3)]


@pytest.fixture(scope="module")
def image():
    """A map with hidden pixels and channels, and axes of its own."""
    scene = em.datasets.load("six_compounds", shape=(20, 16), dose=400.0)
    mask = np.zeros((20, 16), dtype=bool)
    mask[4:6, 3:9] = True
    lost = scene.image.axis < 0.1
    return em.SpectrumImage(
        scene.image.counts,
        scene.image.signal_axis,
        navigation_axes=scene.image.navigation_axes,
        mask=mask,
        channel_mask=lost,
        title="six compounds",
        metadata=scene.image.metadata,
    )


# what it holds


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_components_scores_and_maps_are_those_of_the_estimator(image, model):
    result = em.decompose(image, model)
    alone = model.__class__(**model.get_params()).fit(image.spectra)
    np.testing.assert_allclose(result.components, alone.components_, rtol=1e-9, atol=1e-9)
    scores = alone.transform(image.spectra)
    np.testing.assert_allclose(result.scores, scores, rtol=1e-9, atol=1e-9)
    assert result.maps.shape == (20, 16, 3)
    assert np.isnan(result.maps[image.mask]).all()
    np.testing.assert_array_equal(result.maps[~image.mask], result.scores)
    assert result.image is image
    assert result.record.data["sha256"] == fingerprint(image.spectra)


def test_an_estimator_that_is_not_fitted_stays_so(image):
    model = em.NMF(3)
    result = em.decompose(image, model)
    assert not hasattr(model, "components_")
    assert result.estimator.get_params() == model.get_params()


def test_an_estimator_that_is_fitted_is_used_as_it_is(image):
    kept, left = em.thin(image, 0.5, seed=1)
    model = em.NMF(3).fit(kept)
    before = model.components_.copy()
    result = em.decompose(left, model)
    assert result.estimator is model
    np.testing.assert_array_equal(model.components_, before)
    np.testing.assert_array_equal(result.scores, model.transform(left))
    assert result.record.data["sha256"] == fingerprint(kept.spectra)


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
def test_images_of_every_form_and_signals_are_taken(form):
    scene = em.datasets.load("mixture", shape=(8, 9), dose=500.0)
    expected = em.decompose(scene.image, em.PCA(3))
    spectra = spectra_in(form, scene.image.spectra)
    sparse = not hasattr(spectra, "reshape") or form in ("csr", "messy csr", "csc")
    counts = spectra if sparse else spectra.reshape(8, 9, 64)
    image = em.SpectrumImage(counts, navigation_shape=(8, 9))
    found = em.decompose(image, em.PCA(3))
    np.testing.assert_allclose(found.maps, expected.maps, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_denoised_counts_are_the_model_of_the_chosen_pixels(image, model):
    result = em.decompose(image, model)
    every = result.denoised()
    np.testing.assert_allclose(
        every, result.estimator.inverse_transform(result.scores), rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(result.denoised([5, 2]), every[[5, 2]], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(result.denoised(slice(9)), every[:9], rtol=1e-12, atol=1e-12)
    row = image.pixel_row(7, 7)
    np.testing.assert_allclose(result.denoised(row), every[row], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("model", NON_NEGATIVE, ids=repr)
def test_components_explain_the_counts_of_the_model(image, model):
    result = em.decompose(image, model)
    assert result.counts.sum() == pytest.approx(result.denoised().sum(), rel=1e-9)
    for k in range(3):
        alone = np.outer(result.scores[:, k], result.components[k])
        assert result.counts[k] == pytest.approx(alone.sum(), rel=1e-9)


def test_missing_channels_and_pixels_take_no_part_in_what_is_explained(image):
    missing = np.zeros(image.spectra.shape, dtype=bool)
    missing[:, :5] = missing[7] = True
    result = em.decompose(image, em.NMF(3, missing=missing))
    held = np.nan_to_num(result.scores) @ np.nan_to_num(result.components)
    assert result.counts.sum() == pytest.approx(held.sum(), rel=1e-9)
    components, maps = result.to_hyperspy()
    np.testing.assert_allclose(np.nansum(maps.data), held.sum())
    np.testing.assert_allclose(np.nansum(components.data), held.sum())
    assert "nan" not in result._repr_html_()


def test_poisson_nmf_explains_as_many_counts_as_there_are(image):
    """Where the likelihood is largest, so is the sum of the model that of the counts."""
    result = em.decompose(image, em.NMF(3, tol=1e-7, max_iter=3000))
    assert result.counts.sum() == pytest.approx(image.spectra.sum(), rel=1e-4)


def test_it_says_what_it_is(image):
    result = em.decompose(image, em.NMF(3))
    said = "<Decomposition 'six compounds', 3 components of NMF, 20 × 16 pixels, 395 channels>"
    assert repr(result) == said
    html = result._repr_html_()
    assert html.count("<tr>") == 4
    assert f"{result.counts[0] / result.counts.sum():.1%}" in html
    bare = em.SpectrumImage(image.counts, title="a < b & c")
    assert "a &lt; b &amp; c" in em.decompose(bare, em.PCA(2))._repr_html_()


@pytest.mark.parametrize(
    "model",
    [em.NMF(3, max_iter=1), em.MCRALS(3, max_iter=1), em.ICA(3, max_iter=1), em.PCA(3, gain=9)],
    ids=repr,
)
def test_warnings_name_the_line_of_the_caller(image, model):
    """Python shows a warning once for each line: one of this package would be silent ever after."""
    with pytest.warns(UserWarning, match=f"{type(model).__name__} stopped|noise has") as heard:
        em.decompose(image, model)
    assert [warning.filename for warning in heard] == [__file__]


def test_what_is_no_estimator_is_refused(image):
    from sklearn.decomposition import PCA

    for wrong in (PCA(3), em.NMF, "NMF", None):
        with pytest.raises(TypeError, match=r"estimator is .*; pass one of this package .*em\.NMF"):
            em.decompose(image, wrong)
    fitted = em.NMF(3).fit(image.spectra[:, :50])
    with pytest.raises(ValueError, match="X has 395 features, but NMF is expecting 50"):
        em.decompose(image, fitted)


# to HyperSpy


hs = pytest.importorskip("hyperspy.api")
pytest.importorskip("exspy")


def as_eds(image, kind="EDS_TEM"):
    """The image with the microscope that eXSpy asks for."""
    signal = image.to_hyperspy()
    del signal.metadata.Acquisition_instrument
    signal.set_signal_type(kind)
    signal.metadata.set_item(f"Acquisition_instrument.{kind[-3:]}.beam_energy", 200.0)
    return em.as_spectrum_image(signal)


@pytest.mark.parametrize("model", MODELS, ids=repr)
@pytest.mark.parametrize("kind", ["EDS_TEM", "EDS_SEM"])
def test_components_are_signals_of_the_class_of_the_image(image, model, kind):
    image = as_eds(image, kind)
    result = em.decompose(image, model)
    before = repr(image.metadata), result.components.copy(), result.scores.copy()
    components, maps = result.to_hyperspy()
    assert type(components) is type(image.to_hyperspy())
    assert components.axes_manager.navigation_axes[0].name == "component"
    assert components.axes_manager.navigation_shape == (3,)
    assert components.metadata.Sample.elements == image.metadata["Sample"]["elements"]
    assert (
        components.metadata.Acquisition_instrument.as_dictionary()
        == (image.metadata["Acquisition_instrument"])
    )
    np.testing.assert_array_equal(components.axes_manager[-1].axis, image.signal_axis.values)
    assert components.axes_manager[-1].is_binned
    assert np.isnan(components.data[:, image.channel_mask]).all()
    assert maps.axes_manager.signal_shape == (16, 20)
    assert [axis.units for axis in maps.axes_manager.signal_axes] == ["µm", "µm"]
    assert np.isnan(maps.data[:, image.mask]).all()
    assert repr(image.metadata) == before[0]
    components.data[:] = 0
    maps.data[:] = 0
    np.testing.assert_array_equal(result.components, before[1])
    np.testing.assert_array_equal(result.scores, before[2])


@pytest.mark.parametrize("model", NON_NEGATIVE, ids=repr)
def test_signals_hold_the_counts_that_components_explain(image, model):
    result = em.decompose(image, model)
    components, maps = result.to_hyperspy()
    np.testing.assert_allclose(np.nansum(components.data, axis=1), result.counts, rtol=1e-9)
    np.testing.assert_allclose(np.nansum(maps.data, axis=(1, 2)), result.counts, rtol=1e-9)
    np.testing.assert_allclose(
        components.data.sum(axis=0)[~image.channel_mask], result.denoised().sum(axis=0), rtol=1e-9
    )


@pytest.mark.parametrize("model", [em.PCA(3), em.ICA(3, n_restarts=0)], ids=repr)
def test_negative_channels_stay_negative(image, model):
    result = em.decompose(image, model)
    components = result.to_hyperspy().components.data[:, ~image.channel_mask]
    assert (components < 0).any()
    np.testing.assert_array_equal(np.sign(components), np.sign(result.components))
    np.testing.assert_allclose(np.abs(components).sum(axis=1), result.counts, rtol=1e-9)


@pytest.mark.parametrize("shape", [(60,), (3, 5, 4)], ids=["line", "tilt series"])
def test_lines_and_series_have_maps_of_their_own_shape(shape):
    scene = em.datasets.load("mixture", shape=(6, 10), dose=500.0)
    image = em.SpectrumImage(scene.image.spectra, navigation_shape=shape)
    components, maps = em.decompose(image, em.PCA(2)).to_hyperspy()
    assert components.data.shape == (2, 64)
    assert maps.data.shape == (2, *shape)
    assert maps.axes_manager.navigation_shape == (2,)


# quantification

PURE = ["Cr2O3", "Fe2O3", "MgO", "MnO"]  # chromite lies between the first two


def quantify(spectra, formula):
    """Atomic per cent of the elements of a formula in every spectrum, by eXSpy."""
    elements = sorted(formula)
    lines = [f"{element}_Ka" for element in elements]
    intensities = spectra.get_lines_intensity(lines)
    factors = [1 / SENSITIVITY[element] for element in elements]
    found = spectra.quantification(intensities, method="CL", factors=factors)
    return np.array([signal.data for signal in found]).T


@pytest.fixture(scope="module")
def section():
    """A low dose, at which a component of a mean pixel counts as vacuum."""
    return em.datasets.load("six_compounds", shape=(64, 64), dose=150.0)


@pytest.fixture(scope="module")
def quantified(section):
    image = as_eds(section.image)
    result = em.decompose(image, em.NMF(6))
    order = em.metrics.match_components(result.components, section.endmembers).found
    names = list(FORMULAE)  # in the order of the endmembers
    components = result.to_hyperspy().components
    truth = components.deepcopy()
    truth.data = section.endmembers * section.abundances.sum(axis=0)[:, None]
    return {
        name: (
            quantify(components.inav[[order[j]]], FORMULAE[name])[0],
            quantify(truth.inav[[j]], FORMULAE[name])[0],
        )
        for j, name in enumerate(names)
        if name in PURE
    }


def test_exspy_quantifies_a_pure_phase_as_what_it_is(quantified):
    """Magnesia: its two lines are no one else's, and the continuum below them is weak."""
    np.testing.assert_allclose(quantified["MgO"][0], [50, 50], atol=2.0)


@pytest.mark.parametrize("name", PURE)
def test_exspy_quantifies_components_as_it_quantifies_the_truth(quantified, name):
    """To a few per cent: what Cr L adds to O K, it adds to both."""
    found, truth = quantified[name]
    assert found.sum() == pytest.approx(100)
    np.testing.assert_allclose(found, truth, atol=4.0)


@pytest.mark.filterwarnings("ignore:invalid value encountered in divide")  # inside eXSpy
def test_no_component_is_taken_for_vacuum(section):
    result = em.decompose(as_eds(section.image), em.NMF(6))
    components = result.to_hyperspy().components
    assert not components.vacuum_mask().data.any()
    unscaled = components.deepcopy()
    unscaled.data = result.components / result.components.sum(axis=1, keepdims=True)
    assert unscaled.vacuum_mask().data.all()
    assert not quantify(unscaled, FORMULAE["MgO"]).any()
