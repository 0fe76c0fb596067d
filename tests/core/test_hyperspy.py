"""To HyperSpy and back: nothing is lost, and the caller's signal is never changed."""

import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import endmember as em
from strategies import drawn_images

hs = pytest.importorskip("hyperspy.api")
pytest.importorskip("exspy")
logging.getLogger("hyperspy").setLevel(logging.ERROR)

SHAPE = (3, 4, 6)  # rows, columns, channels; HyperSpy writes it (4, 3|6)


def make_signal(dtype="u2", *, lazy=False, shape=SHAPE):
    """An EDS map with everything set that a signal can carry."""
    counts = np.random.default_rng(0).poisson(5.0, shape).astype(dtype)
    signal = hs.signals.Signal1D(counts)
    signal.set_signal_type("EDS_TEM")
    signal.metadata.General.title = "needle"
    signal.metadata.set_item("Acquisition_instrument.TEM.beam_energy", 200.0)
    signal.metadata.set_item("Sample.elements", ["Fe", "O"])
    signal.original_metadata.set_item("vendor.gain", np.arange(3))
    for axis, name, scale in zip(
        reversed(signal.axes_manager._axes), "Exyz", (0.01, 0.1, 2.0, 3.0), strict=False
    ):
        axis.name, axis.units, axis.scale, axis.offset = name, "nm", scale, -scale / 3
    signal.axes_manager[-1].name, signal.axes_manager[-1].units = "Energy", "keV"
    signal.axes_manager[-1].is_binned = True
    return signal.as_lazy() if lazy else signal


def content(signal):
    """Everything that a signal holds, as plain objects."""
    tree = signal._to_dictionary(add_learning_results=False, add_models=False)
    tree["data"] = (np.asarray(signal.data).tobytes(), str(signal.data.dtype), signal.data.shape)
    tree["axes"] = [
        dict(entry, values=axis.axis.tolist())
        for entry, axis in zip(tree["axes"], signal.axes_manager._axes, strict=True)
    ]
    tree["class"] = type(signal).__name__
    results = vars(signal.learning_results).items()
    tree["learned"] = {key: value for key, value in results if not key.startswith("_")}
    return tree


def assert_same_signal(found, expected, *, but=()):
    """Two signals agree in data, dtype, axes, metadata and class."""
    found, expected = content(found), content(expected)
    for key in expected.keys() - {"tmp_parameters", "learned", *but}:
        np.testing.assert_equal(found[key], expected[key], err_msg=key)


@pytest.fixture
def untouched():
    """Remember signals; at the end of the test they must be as they were."""
    seen = []
    yield lambda signal: seen.append((signal, content(signal.deepcopy()))) or signal
    for signal, before in seen:
        np.testing.assert_equal(content(signal), before)


# round trips


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "i8", "f4", "f8"])
def test_signal_comes_back_as_it_was(dtype, lazy, untouched):
    signal = untouched(make_signal(dtype, lazy=lazy))
    image = em.as_spectrum_image(signal)
    assert image.shape == SHAPE
    assert image.is_lazy == lazy
    back = image.to_hyperspy()
    assert type(back) is type(signal)
    assert_same_signal(back, signal)


def test_image_shows_what_the_signal_says(untouched):
    signal = untouched(make_signal())
    image = em.as_spectrum_image(signal)
    np.testing.assert_array_equal(image.counts, signal.data)
    np.testing.assert_array_equal(image.axis, signal.axes_manager[-1].axis)
    assert (image.title, image.name, image.unit) == ("needle", "Energy", "keV")
    assert [(a.name, a.unit, a.scale) for a in image.navigation_axes] == [
        ("y", "nm", 2),
        ("x", "nm", 0.1),
    ]
    assert image.signal_axis.is_binned
    assert not image.navigation_axes[0].is_binned
    assert image.metadata["Sample"]["elements"] == ["Fe", "O"]


@pytest.mark.parametrize("shape", [(4, 6), (2, 3, 4, 6)], ids=["line", "tilt series"])
def test_lines_and_series_come_back_as_they_were(shape, untouched):
    signal = untouched(make_signal(shape=shape))
    assert_same_signal(em.as_spectrum_image(signal).to_hyperspy(), signal)


def test_axes_without_name_or_unit_stay_without():
    signal = hs.signals.Signal1D(np.ones(SHAPE))
    back = em.as_spectrum_image(signal).to_hyperspy()
    assert_same_signal(back, signal)
    assert em.as_spectrum_image(signal).name == ""


@pytest.mark.parametrize("where", ["navigation", "signal"])
def test_axis_that_is_not_uniform_keeps_its_values(where, untouched):
    signal = make_signal()
    axis = signal.axes_manager[-1 if where == "signal" else 0]
    axis.convert_to_non_uniform_axis()
    axis.axis = axis.axis**2 + axis.axis
    signal = untouched(signal)
    image = em.as_spectrum_image(signal)
    assert_same_signal(image.to_hyperspy(), signal)
    assert image.signal_axis.is_uniform == (where == "navigation")


def test_axis_given_by_a_formula_becomes_its_values(untouched):
    signal = make_signal()
    signal.axes_manager[-1].convert_to_functional_data_axis(expression="a*x**2 + 1", a=2.0)
    signal = untouched(signal)
    expected = 2 * np.asarray(signal.axes_manager[-1].x.axis) ** 2 + 1
    image = em.as_spectrum_image(signal)
    np.testing.assert_allclose(image.axis, expected, rtol=1e-15)
    np.testing.assert_array_equal(image.to_hyperspy().axes_manager[-1].axis, image.axis)


@given(drawn_images())
def test_image_comes_back_with_counts_and_masks(drawn):
    back = em.as_spectrum_image(drawn.image.to_hyperspy())
    assert back.is_lazy == drawn.image.is_lazy
    np.testing.assert_array_equal(np.asarray(back.spectra), drawn.visible.astype(back.counts.dtype))
    assert back.counts.dtype == drawn.image.counts.dtype
    # an axis of equal steps travels as offset and scale, so that its values are rounded again
    np.testing.assert_allclose(back.axis, drawn.image.axis, rtol=1e-14, atol=1e-14)
    for name in ("mask", "channel_mask"):
        np.testing.assert_array_equal(getattr(back, name), getattr(drawn.image, name))
    drawn.assert_untouched()


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", categories=["L", "N", "Z", "P"]), min_size=1),
        unique=True,
        max_size=3,
    )
)
def test_companions_and_regions_come_back_under_any_name(names):
    haadf = np.arange(12.0).reshape(3, 4)
    image = em.SpectrumImage(
        np.ones(SHAPE),
        companions={name: haadf for name in names},
        regions={name: haadf > 3 for name in names},
    )
    back = em.as_spectrum_image(image.to_hyperspy())
    np.testing.assert_equal(back.companions, image.companions)
    np.testing.assert_equal(back.regions, image.regions)


def test_companions_keep_their_own_dtype():
    haadf = np.arange(12, dtype=np.uint8).reshape(3, 4)
    companions = {"HAADF": haadf, "height": haadf / 3, "labels": haadf > 5}
    image = em.SpectrumImage(np.ones(SHAPE), companions=companions)
    back = em.as_spectrum_image(image.to_hyperspy())
    assert [c.dtype.kind for c in back.companions.values()] == ["u", "f", "b"]
    np.testing.assert_equal(back.companions, companions)


def test_changes_to_the_signal_made_do_not_reach_the_image():
    image = em.as_spectrum_image(make_signal())
    before = image.counts.copy()
    signal = image.to_hyperspy()
    signal.data[:] = 0
    signal.metadata.Sample.elements.append("Hf")
    np.testing.assert_array_equal(image.counts, before)
    assert image.metadata["Sample"]["elements"] == ["Fe", "O"]


def test_csr_image_becomes_a_dense_signal():
    image = em.as_spectrum_image(make_signal())
    np.testing.assert_array_equal(image.to_sparse().to_hyperspy().data, image.counts)


# masks

MASK = np.zeros(SHAPE[:2], dtype=bool)
MASK[0, 3] = MASK[2, 1] = True  # not symmetric: a turned mask would not fit
LOST = np.arange(6) == 5


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("kind", ["array", "signal"])
def test_explicit_masks_hide_pixels_and_channels(kind, lazy, untouched):
    signal = untouched(make_signal(lazy=lazy))
    mask, lost = MASK, LOST
    if kind == "signal":
        mask = hs.signals.BaseSignal(MASK).T
        lost = hs.signals.Signal1D(LOST)
        assert mask.axes_manager.navigation_shape == (4, 3)
    image = em.as_spectrum_image(signal, mask=mask, channel_mask=lost)
    np.testing.assert_array_equal(np.asarray(image.spectra), np.asarray(signal.data)[~MASK][:, :5])


def test_lazy_mask_signal_is_computed(untouched):
    signal = make_signal()
    mask = untouched(hs.signals.BaseSignal(MASK).T.as_lazy())
    np.testing.assert_array_equal(em.as_spectrum_image(signal, mask=mask).mask, MASK)


@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("kind", ["array", "signal"])
def test_masks_of_an_earlier_decomposition_are_remembered(kind, lazy, untouched):
    signal = make_signal("f8", lazy=lazy)
    # HyperSpy orders an array mask (x, y), a signal as it is shown
    mask = MASK.T if kind == "array" else hs.signals.BaseSignal(MASK).T
    signal.decomposition(
        navigation_mask=mask, signal_mask=LOST, output_dimension=2, print_info=False
    )
    signal = untouched(signal)
    image = em.as_spectrum_image(signal)
    np.testing.assert_array_equal(image.mask, MASK)
    np.testing.assert_array_equal(image.channel_mask, LOST)
    other = np.zeros(SHAPE[:2], dtype=bool)
    other[1, 1] = True
    np.testing.assert_array_equal(em.as_spectrum_image(signal, mask=other).mask, other)


def test_remembered_mask_of_an_earlier_shape_is_refused():
    signal = make_signal("f8")
    signal.decomposition(navigation_mask=MASK.T, print_info=False)
    signal.crop(0, 0, 2)
    with pytest.raises(ValueError, match=r"a navigation_mask of 12 .* \(3, 2\); pass mask="):
        em.as_spectrum_image(signal)
    assert em.as_spectrum_image(signal, mask=np.zeros((3, 2), bool)).n_pixels == 6


def test_mask_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match=r"mask must be bool of shape \(3, 4\).*\(4, 3\)"):
        em.as_spectrum_image(make_signal(), mask=MASK.T)


# masks, companions and regions of a signal that was changed in HyperSpy

HAADF = np.arange(16.0).reshape(4, 4)


def traveller(**parts):
    """A signal from an image of a square map."""
    counts = np.random.default_rng(0).poisson(5.0, (4, 4, 6)) + 1
    return em.SpectrumImage(counts, np.linspace(1.0, 2.0, 6), **parts).to_hyperspy()


CHANGES = {
    "cropped": lambda s: s.inav[:3],
    "cropped from the left": lambda s: s.inav[1:],
    "rebinned": lambda s: s.rebin(scale=(2, 2, 1)),
    "turned": lambda s: s.transpose(navigation_axes=[1, 0]),
    "reversed": lambda s: s.inav[::-1],
    "summed": lambda s: s.sum("y"),
    "read another way": lambda s: s.as_signal1D("x"),
}
PIXEL_PARTS = {
    "mask": np.eye(4, dtype=bool),
    "companions": {"HAADF": HAADF},
    "regions": {"wall": HAADF > 3},
}


@pytest.mark.parametrize("part", PIXEL_PARTS)
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_parts_that_fit_the_pixels_no_more_are_refused(change, part):
    signal = change(traveller(**{part: PIXEL_PARTS[part]}))
    message = rf"metadata\.endmember holds {part} made for the axes y \(4 from 0 by 1\), .* now has"
    with pytest.raises(
        ValueError, match=rf"{message} .* Pass {part}= .*: del signal\.metadata\.endm"
    ):
        em.as_spectrum_image(signal)
    del signal.metadata.endmember
    image = em.as_spectrum_image(signal)
    assert (image.mask, image.companions, image.regions) == (None, {}, {})


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_mask_passed_leaves_behind_what_fits_no_more(change):
    signal = change(traveller(**PIXEL_PARTS))
    shape = signal.data.shape[:-1]
    mask = np.arange(np.prod(shape)).reshape(shape) == 1
    image = em.as_spectrum_image(signal, mask=mask)
    np.testing.assert_array_equal(image.mask, mask)
    assert (image.companions, image.regions) == ({}, {})
    again = em.as_spectrum_image(signal, mask=mask, companions={"map": mask * 2.0})
    np.testing.assert_equal(again.companions, {"map": mask * 2.0})


def test_one_error_names_all_that_fits_no_more():
    signal = traveller(**PIXEL_PARTS, channel_mask=LOST).inav[:3].isig[:4]
    with pytest.raises(ValueError, match=r"holds mask, channel_mask, companions, regions made for"):
        em.as_spectrum_image(signal)
    mask = np.eye(4, 3, dtype=bool)
    with pytest.raises(ValueError, match=r"holds channel_mask made for .* Pass channel_mask= to"):
        em.as_spectrum_image(signal, mask=mask)
    with pytest.raises(ValueError, match=r"holds mask made for .* Pass mask= to"):
        em.as_spectrum_image(signal, channel_mask=LOST[:4], companions={}, regions={})
    image = em.as_spectrum_image(signal, mask=mask, channel_mask=np.arange(4) == 0)
    assert image.spectra.shape == (9, 3)


def test_parts_that_still_fit_come_back_beside_a_mask_passed():
    other = np.eye(4, dtype=bool)[::-1]
    image = em.as_spectrum_image(traveller(**PIXEL_PARTS, channel_mask=LOST), mask=other)
    np.testing.assert_array_equal(image.mask, other)
    np.testing.assert_array_equal(image.channel_mask, LOST)
    np.testing.assert_equal(image.companions, {"HAADF": HAADF})


@pytest.mark.parametrize("change", [lambda s: s.isig[1:], lambda s: s.rebin(scale=(1, 1, 2))])
def test_masks_of_pixels_outlive_a_change_of_the_channels(change):
    signal = change(traveller(**PIXEL_PARTS))
    image = em.as_spectrum_image(signal)
    np.testing.assert_array_equal(image.mask, PIXEL_PARTS["mask"])
    np.testing.assert_equal(image.companions, PIXEL_PARTS["companions"])


def test_masks_outlive_a_calibration_of_the_energy_axis():
    signal = traveller(**PIXEL_PARTS, channel_mask=LOST)
    signal.axes_manager[-1].offset, signal.axes_manager[-1].scale = 0.9, 0.21
    image = em.as_spectrum_image(signal)
    np.testing.assert_array_equal(image.channel_mask, LOST)
    np.testing.assert_array_equal(image.mask, PIXEL_PARTS["mask"])


@pytest.mark.parametrize(
    "change",
    [lambda s: s.isig[1:], lambda s: s.isig[::-1], lambda s: s.rebin(scale=(1, 1, 2))],
)
def test_masks_of_channels_that_fit_no_more_are_refused(change):
    signal = change(traveller(channel_mask=LOST))
    with pytest.raises(
        ValueError, match=r"holds channel_mask made for .* energy \(6 from 1 by 0\.2\)"
    ):
        em.as_spectrum_image(signal)


def test_uneven_axes_are_compared_by_their_values():
    axes = [em.Axis([0, 1, 3, 7], name="y"), em.Axis.uniform(4, name="x")]
    signal = traveller(mask=np.eye(4, dtype=bool), navigation_axes=axes)
    assert em.as_spectrum_image(signal).n_pixels == 12
    signal.axes_manager["y"].axis = np.array([0.0, 1.0, 3.0, 8.0])
    with pytest.raises(
        ValueError, match=r"holds mask made for the axes y \(4 uneven\), x \(4 from"
    ):
        em.as_spectrum_image(signal)


def test_masks_beside_a_long_uneven_axis_are_saved(tmp_path):
    channels = np.arange(8000) ** 1.1
    mask, lost = np.eye(2, dtype=bool), channels > 9e3
    image = em.SpectrumImage(np.ones((2, 2, 8000), "u1"), channels, mask=mask, channel_mask=lost)
    image.to_hyperspy().save(tmp_path / "long.hspy")
    back = em.open(tmp_path / "long.hspy")
    np.testing.assert_array_equal(back.mask, mask)
    np.testing.assert_array_equal(back.channel_mask, lost)


def test_file_with_masks_that_fit_no_more_is_refused(tmp_path):
    traveller(**PIXEL_PARTS).inav[:3].save(tmp_path / "cut.hspy")
    with pytest.raises(
        ValueError, match=r"metadata\.endmember holds mask, companions, regions made"
    ):
        em.open(tmp_path / "cut.hspy")


# signals that are turned, or are no spectra


def test_turned_signals_keep_their_counts_in_place(untouched):
    signal = make_signal()
    swapped = untouched(signal.swap_axes(0, 1))
    image = em.as_spectrum_image(swapped)
    np.testing.assert_array_equal(image.counts, signal.data.swapaxes(0, 1))
    assert [a.name for a in image.navigation_axes] == ["x", "y"]
    along_x = untouched(signal.as_signal1D("x"))
    image = em.as_spectrum_image(along_x)
    assert image.name == "x"
    np.testing.assert_array_equal(image.counts, along_x.data)
    assert_same_signal(image.to_hyperspy(), along_x, but=["original_metadata"])


def test_images_and_single_spectra_are_refused():
    with pytest.raises(ValueError, match=r"has 2 signal dimensions.*as_signal1D\(axis\)"):
        em.as_spectrum_image(hs.signals.Signal2D(np.ones(SHAPE)))
    with pytest.raises(ValueError, match=r"counts have shape \(6,\); .* navigation axes"):
        em.as_spectrum_image(hs.signals.Signal1D(np.ones(6)))
    with pytest.raises(TypeError, match="a signal brings its own axis"):
        em.as_spectrum_image(make_signal(), np.arange(6))
    with pytest.raises(TypeError, match=r"not an array; use em\.as_spectrum_image"):
        em.SpectrumImage(make_signal())


def test_signal_axis_first_in_a_file_is_moved_last():
    from endmember.core.hyperspy import from_dictionary

    counts = np.arange(1, 25).reshape(2, 3, 4)
    axes = [
        {"name": name, "units": "nm", "navigate": name != "E", "size": n, "scale": 1, "offset": 0}
        for name, n in zip("Eyx", counts.shape, strict=True)
    ]
    image = from_dictionary({"data": counts, "axes": axes})
    np.testing.assert_array_equal(image.counts, np.moveaxis(counts, 0, -1))
    assert (image.name, [a.name for a in image.navigation_axes]) == ("E", ["y", "x"])


# em.PCA inside HyperSpy


@pytest.mark.parametrize("weighting", ["poisson", "none"])
def test_hyperspy_rebuilds_the_same_denoised_map(weighting):
    rng = np.random.default_rng(1)
    counts = rng.poisson(rng.random((12, 2)) @ rng.random((2, 9)) * 50).reshape(3, 4, 9)
    signal = hs.signals.Signal1D(counts.astype(np.float64))
    signal.decomposition(
        normalize_poissonian_noise=False,
        algorithm=em.PCA(4, weighting=weighting),
        print_info=False,
    )
    pca = em.PCA(4, weighting=weighting).fit(counts.reshape(12, 9))
    expected = pca.inverse_transform(pca.transform(counts.reshape(12, 9)))
    model = signal.get_decomposition_model().data.reshape(12, 9)
    np.testing.assert_allclose(model, expected, rtol=1e-9, atol=1e-9)
