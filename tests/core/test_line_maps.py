"""Line maps: the same counts as eXSpy integrates, and a model's without a denoised map."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import endmember as em
from endmember.core.elements import xray_lines
from strategies import ESTIMATOR_FORMS, spectra_in

hs = pytest.importorskip("hyperspy.api")
pytest.importorskip("exspy")

LINES = ["Fe_Ka", "Mg_Ka", "Cr_Ka", "O_Ka", "Cr_La", "Mn_Kb"]


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("six_compounds", shape=(48, 40), dose=300.0)


def as_eds(image, kind="EDS_TEM", *, resolution=None, beam_energy=200.0, unit="keV"):
    """The image as eXSpy has it, with a microscope."""
    signal = image.to_hyperspy()
    del signal.metadata.Acquisition_instrument
    signal.set_signal_type(kind)
    column = f"Acquisition_instrument.{kind[-3:]}"
    signal.metadata.set_item(f"{column}.beam_energy", beam_energy)
    if resolution:
        signal.metadata.set_item(f"{column}.Detector.EDS.energy_resolution_MnKa", resolution)
    if unit == "eV":
        axis = signal.axes_manager[-1]
        axis.units, axis.scale, axis.offset = "eV", 1000 * axis.scale, 1000 * axis.offset
    return signal


def assert_same_maps(found, signals):
    """Maps by name are the signals that eXSpy returns, in its order."""
    assert list(found) == [signal.metadata.Sample.xray_lines[0] for signal in signals]
    for values, signal in zip(found.values(), signals, strict=True):
        np.testing.assert_allclose(values, signal.data, rtol=1e-12, atol=1e-9)


# against eXSpy


@settings(max_examples=25)
@given(
    kind=st.sampled_from(["EDS_TEM", "EDS_SEM"]),
    width=st.floats(0.5, 4.0),
    resolution=st.none() | st.floats(125.0, 180.0),
    unit=st.sampled_from(["keV", "eV"]),
)
def test_named_lines_are_what_exspy_integrates(scene, kind, width, resolution, unit):
    signal = as_eds(scene.image, kind, resolution=resolution, unit=unit)
    expected = signal.get_lines_intensity(LINES, integration_windows=width)
    assert_same_maps(em.line_maps(signal, LINES, width=width), expected)
    assert_same_maps(em.line_maps(em.as_spectrum_image(signal), LINES, width=width), expected)


@pytest.mark.parametrize("beam_energy", [200.0, 12.0, 6.0])
@pytest.mark.parametrize("kind", ["EDS_TEM", "EDS_SEM"])
def test_lines_by_default_are_those_of_exspy(scene, kind, beam_energy):
    signal = as_eds(scene.image, kind, beam_energy=beam_energy)
    assert_same_maps(em.line_maps(signal), signal.get_lines_intensity())
    signal.set_lines(["Fe_La", "Mg_Ka"])
    found = em.line_maps(signal)
    assert {"Fe_La", "Mg_Ka"} <= set(found)
    assert_same_maps(found, signal.get_lines_intensity())


def test_lines_in_the_metadata_that_are_not_on_the_axis_are_left_out(scene):
    signal = as_eds(scene.image)
    signal.metadata.Sample.xray_lines = ["Fe_Ka", "Mo_Ka"]
    assert list(em.line_maps(signal)) == ["Fe_Ka"]


def test_backgrounds_are_those_of_exspy(scene):
    signal = as_eds(scene.image)
    windows = signal.estimate_background_windows(xray_lines=LINES)
    expected = signal.get_lines_intensity(LINES, background_windows=windows)
    found = em.line_maps(signal, LINES, background=dict(zip(LINES, windows, strict=True)))
    assert_same_maps(found, expected)
    plain = em.line_maps(signal, LINES)
    only = em.line_maps(signal, LINES, background={"Fe_Ka": windows[0]})
    np.testing.assert_array_equal(only["Mg_Ka"], plain["Mg_Ka"])
    assert only["Fe_Ka"].sum() < plain["Fe_Ka"].sum()


# forms and masks


def test_windows_are_those_of_the_image(scene):
    image = scene.image
    windows = {"iron": (6.2, 6.6), "left of all": (-1.0, 0.5), "one": (1.0, 1.02)}
    found = em.line_maps(image, windows)
    for name, window in windows.items():
        np.testing.assert_array_equal(found[name], image.map(window))


@pytest.mark.parametrize("form", ESTIMATOR_FORMS)
def test_the_form_of_the_counts_does_not_matter(scene, form, monkeypatch):
    image = scene.image
    spectra = spectra_in(form, np.asarray(image.spectra))
    if "dask" not in form:
        monkeypatch.setattr(sp.csr_array, "toarray", None)  # nothing is unpacked
    if not sp.issparse(spectra):
        spectra = spectra.reshape(image.shape)
    other = em.SpectrumImage(spectra, image.signal_axis, navigation_shape=image.navigation_shape)
    expected = em.line_maps(image, LINES)
    for name, values in em.line_maps(other, LINES).items():
        np.testing.assert_array_equal(values, expected[name])


def test_hidden_pixels_hold_nan_and_hidden_channels_nothing(scene):
    image = scene.image
    mask = np.zeros(image.navigation_shape, dtype=bool)
    mask[3:7, :5] = True
    lost = (image.axis > 6.40) & (image.axis < 6.44)
    hidden = em.SpectrumImage(image.counts, image.signal_axis, mask=mask, channel_mask=lost)
    found, all_of_it = em.line_maps(hidden, ["Fe_Ka"]), em.line_maps(image, ["Fe_Ka"])
    lost_counts = image.map((6.40, 6.44))
    assert np.isnan(found["Fe_Ka"][mask]).all()
    np.testing.assert_array_equal(found["Fe_Ka"][~mask], (all_of_it["Fe_Ka"] - lost_counts)[~mask])
    with pytest.raises(ValueError, match="strip lies on hidden channels only; leave it out"):
        em.line_maps(hidden, {"strip": (6.41, 6.44)})


# models


@pytest.mark.parametrize("model", [em.PCA(6), em.NMF(4), em.NFINDR(3)], ids=repr)
def test_lines_of_a_model_are_those_of_its_dense_counts(scene, model):
    result = em.decompose(scene.image, model)
    dense = result.denoised()
    channels = scene.image.axis
    windows = {"iron": (6.2, 6.6), "oxygen": (0.45, 0.6)}
    found = em.line_maps(result, windows)
    for name, (low, high) in windows.items():
        inside = (channels >= low) & (channels <= high)
        expected = dense[:, inside].sum(axis=1).reshape(scene.image.navigation_shape)
        np.testing.assert_allclose(found[name], expected, rtol=1e-9, atol=1e-9 * expected.max())


def test_lines_that_missing_channels_do_not_touch_are_known(scene):
    missing = (scene.image.axis > 6.2) & (scene.image.axis < 6.3)
    result = em.decompose(scene.image, em.NMF(3, missing=missing))
    found = em.line_maps(result, {"oxygen": (0.45, 0.6), "iron": (6.2, 6.6)})
    inside = (scene.image.axis >= 0.45) & (scene.image.axis <= 0.6)
    expected = result.scores @ result.components[:, inside].sum(axis=1)
    np.testing.assert_allclose(found["oxygen"].ravel(), expected)
    assert np.isnan(found["iron"]).all()


def errors(maps, expected):
    """Root mean square distance of every map from what is expected there."""
    return np.array([np.sqrt(np.mean((maps[name] - expected[name]) ** 2)) for name in expected])


SPARSE_MAPS = {
    "six_compounds": (em.NMF(6), ["Cr_Ka", "Fe_Ka", "Mg_Ka", "O_Ka"]),
    "omphacite": (em.PCA(4), ["Al_Ka", "Ca_Ka", "Na_Ka"]),
}


@pytest.mark.parametrize("name", SPARSE_MAPS)
def test_denoised_line_maps_are_closer_to_the_truth(name):
    """A hundred counts a pixel: the other channels of a component tell of its line too."""
    model, lines = SPARSE_MAPS[name]
    scene = em.datasets.load(name, shape=(64, 64), dose=100.0)
    truth = scene.image.with_counts(np.asarray(scene.expected).reshape(scene.image.shape))
    expected = em.line_maps(truth, lines)
    raw = errors(em.line_maps(scene.image, lines), expected)
    denoised = errors(em.line_maps(em.decompose(scene.image, model), lines), expected)
    gains = ", ".join(
        f"{line} {gain:.2f}" for line, gain in zip(lines, raw / denoised, strict=True)
    )
    print(f"{name}, raw error over denoised: {gains}")
    noise = [np.sqrt(expected[line].mean()) for line in lines]
    np.testing.assert_allclose(raw, noise, rtol=0.05)  # Poisson
    assert (raw > 1.25 * denoised).all()


# bad input


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"lines": "Fe_Ka"}, TypeError, r"lines is 'Fe_Ka'; pass a list of names, as \['Fe_Ka'\]"),
        ({"lines": ["Fe"]}, ValueError, "line 'Fe' is not in the table; of Fe it has .*Fe_Ka"),
        ({"lines": ["Fe_Kz"]}, ValueError, "line 'Fe_Kz' is not in the table"),
        ({"lines": ["Xx_Ka"]}, ValueError, "element is 'Xx'; expected a chemical symbol"),
        ({"lines": ["Mo_Ka"]}, ValueError, "Mo_Ka at 17.*keV is not on the axis, .* 0.01 to 7.99"),
        ({"lines": {"a": (9, 10)}}, ValueError, r"window \(9, 10\) keV holds no channel"),
        ({"lines": {"a": (2, 1)}}, ValueError, r"window must be \(low, high\) with low < high"),
        ({"lines": []}, ValueError, "lines is empty; name one at least"),
        ({"width": 0}, ValueError, "width is 0; pass a number above 0"),
        ({"width": "wide"}, ValueError, "width is 'wide'"),
        ({"background": {"Ni_Ka": [1, 2, 3, 4]}}, ValueError, r"background names \['Ni_Ka'\], but"),
        (
            {"lines": ["Fe_Ka"], "background": {"Fe_Ka": [6, 6.1, 9, 9.1]}},
            ValueError,
            "background windows .* hold no visible channel to one side",
        ),
        (
            {"lines": ["Fe_Ka"], "background": {"Fe_Ka": [6, 6.1]}},
            ValueError,
            r"background of Fe_Ka is \[6, 6.1\]; pass four",
        ),
    ],
)
def test_bad_settings_are_refused(scene, settings, error, message):
    with pytest.raises(error, match=message):
        em.line_maps(scene.image, **settings)


def test_maps_without_lines_or_energies_say_what_to_pass(scene):
    image = scene.image
    bare = em.SpectrumImage(image.counts, image.signal_axis)
    with pytest.raises(ValueError, match=r"metadata name no X-ray line .* as \['Fe_Ka'\], or win"):
        em.line_maps(bare)
    losses = em.SpectrumImage(image.counts)
    with pytest.raises(ValueError, match=r"axis is in no unit, where .* keV or eV; pass windows"):
        em.line_maps(losses, ["Fe_Ka"])
    assert em.line_maps(losses, {"zero loss": (0, 3)})["zero loss"].shape == image.navigation_shape


def test_a_resolution_that_no_line_has_is_named(scene):
    signal = as_eds(scene.image, resolution=40.0)
    with pytest.raises(ValueError, match=r"MnKa is 40 eV .* too little for a line"):
        em.line_maps(signal, ["O_Ka"])


def test_the_image_is_left_as_it_was(scene):
    before = scene.image.counts.tobytes(), repr(scene.image.metadata)
    em.line_maps(scene.image, LINES, background={"Fe_Ka": [5.0, 5.2, 7.5, 7.6]})
    assert (scene.image.counts.tobytes(), repr(scene.image.metadata)) == before
    assert xray_lines("Fe")["Ka"].energy == 6.4039
