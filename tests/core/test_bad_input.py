"""Every refusal names the argument, what arrived, and the way out."""

import re

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone

import endmember as em
from endmember.core.checks import scaled_values
from strategies import messy

COUNTS = np.random.default_rng(0).poisson(3.0, (4, 5, 6)).astype(np.float64)
FLAT = COUNTS.reshape(20, 6)


def with_value(value):
    """The counts with one bad number in them."""
    counts = COUNTS.copy()
    counts[1, 2, 3] = value
    return counts


def every_infinity():
    """Counts whose sum is NaN, not inf."""
    counts = with_value(np.inf)
    counts[1, 2, 2] = -np.inf
    return counts


def in_form(form, counts):
    """The counts as a flat array, a CSR array or a dask array."""
    import dask.array as da

    flat = counts.reshape(-1, counts.shape[-1]) if counts.ndim == 3 else counts
    if form == "csr":
        return sp.csr_array(flat)
    return da.from_array(flat, chunks=3) if form == "dask" else flat


# numbers that are no counts

NOT_COUNTS = {
    "negative": (with_value(-2.0), ValueError, r"values in data: 1 in .* -2; .* np\.clip"),
    "negative int": (with_value(-2.0).astype(int), ValueError, r"Negative values .* go down to -2"),
    "NaN": (with_value(np.nan), ValueError, r"contain NaN or inf in 1 places; hide .* mask="),
    "inf": (with_value(np.inf), ValueError, r"contain NaN or inf in 1 places"),
    "both infinities": (every_infinity(), ValueError, r"contain NaN or inf in 2 places"),
    "complex": (COUNTS + 0j, ValueError, r"are complex \(c.*np\.abs.*Complex data not supported"),
    "all zero": (COUNTS * 0, ValueError, "counts are zero in (all 20|every) .*right signal"),
    "one pixel": (COUNTS[:1, :1], ValueError, "n_samples=1 pixel.*at least two"),
    "one channel": (COUNTS[..., :1], ValueError, "n_features=1 channel.*at least two"),
}


@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize(("counts", "error", "message"), NOT_COUNTS.values(), ids=NOT_COUNTS)
def test_image_refuses_what_cannot_be_counts(counts, error, message, form):
    with pytest.raises(error, match=message):
        em.SpectrumImage(in_form(form, counts))


@pytest.mark.parametrize("form", ["dense", "csr", "dask"])
@pytest.mark.parametrize(("counts", "error", "message"), NOT_COUNTS.values(), ids=NOT_COUNTS)
@pytest.mark.parametrize("weighting", ["poisson", "biwhiten", "none"])
def test_pca_refuses_what_cannot_be_counts(counts, error, message, form, weighting):
    with pytest.raises(error, match=message):
        em.PCA(weighting=weighting).fit(in_form(form, counts))


@pytest.mark.parametrize(
    "name", ["negative", "negative int", "NaN", "inf", "both infinities", "all zero"]
)
def test_lazy_image_refuses_what_cannot_be_counts_once_computed(name):
    import dask.array as da

    counts, error, message = NOT_COUNTS[name]
    image = em.SpectrumImage(da.from_array(counts, chunks=2))
    with pytest.raises(error, match=message):
        em.PCA().fit(image)
    with pytest.raises(error, match=message):
        image.to_dense()


@pytest.mark.parametrize(
    ("counts", "shape"),
    [(3.0, r"\(\)"), (FLAT[0], r"\(6,\)"), ([1, 2, 3], r"\(3,\)")],
    ids=["scalar", "spectrum", "list"],
)
def test_image_refuses_counts_without_navigation_axes(counts, shape):
    with pytest.raises(ValueError, match=f"counts have shape {shape}; .* \\(rows, columns, chan"):
        em.SpectrumImage(counts)


@pytest.mark.parametrize(
    ("shape", "message"),
    [((0, 5, 6), "n_samples=0 pixel.* at least two"), ((3, 4, 0), "n_features=0 .* the last one")],
)
def test_image_refuses_empty_axes(shape, message):
    with pytest.raises(ValueError, match=message):
        em.SpectrumImage(np.zeros(shape))


@pytest.mark.parametrize(
    "counts",
    [COUNTS.astype(object), COUNTS.astype(str), COUNTS.astype("M8[s]"), None, {1, 2}],
    ids=["object", "text", "dates", "None", "set"],
)
def test_image_refuses_what_is_not_a_number(counts):
    with pytest.raises(TypeError, match=r"counts must be real numbers, got dtype .*; convert"):
        em.SpectrumImage(counts)


def test_masked_arrays_are_refused_not_unmasked():
    masked = np.ma.array(COUNTS, mask=COUNTS == 3)
    with pytest.raises(TypeError, match=r"counts are a numpy\.ma array; pass its \.data"):
        em.SpectrumImage(masked)
    with pytest.raises(TypeError, match=r"counts X are a numpy\.ma array"):
        em.PCA().fit(masked.reshape(20, 6))


def test_dask_array_of_unknown_size_is_refused():
    import dask.array as da

    lazy = da.from_array(FLAT, chunks=(5, 6))
    unknown = lazy[lazy[:, 0] > 2]
    for refuse in (em.SpectrumImage, em.PCA().fit):
        with pytest.raises(ValueError, match=r"unknown shape \(nan, 6\); call .*compute_chunk"):
            refuse(unknown)


@pytest.mark.parametrize("counts", [COUNTS, FLAT[0]], ids=["3-D", "1-D"])
@pytest.mark.parametrize("form", ["dense", "list", "dask", "coo"])
def test_pca_takes_two_dimensions_only(counts, form):
    import dask.array as da

    made = {
        "dense": np.array,
        "list": np.ndarray.tolist,
        "dask": da.from_array,
        "coo": sp.coo_array,
    }
    given = made[form](counts)
    shape = re.escape(str(counts.shape))
    message = (
        rf"counts X have shape {shape}\. Expected 2D .*reshape\(-1, n_channels\), or .*spectra"
    )
    pca = em.PCA(2).fit(FLAT)
    for ask in (em.PCA().fit, pca.transform, pca.noise_units):
        with pytest.raises(ValueError, match=message):
            ask(given)


def test_dask_array_of_objects_is_refused():
    import dask.array as da

    with pytest.raises(TypeError, match="counts X must be real numbers, got dtype object"):
        em.PCA().fit(da.from_array(FLAT.astype(object), chunks=3))


@pytest.mark.parametrize("refuse", [em.SpectrumImage, em.PCA().fit])
def test_broken_csr_is_refused_before_compiled_code_reads_it(refuse):
    broken = sp.csr_array(FLAT)
    broken.indices[7] = 100  # a channel that does not exist
    with pytest.raises(ValueError, match="indices must be < 6"):
        refuse(broken)


def test_signals_and_images_are_sent_to_their_own_door():
    image = em.SpectrumImage(COUNTS)
    with pytest.raises(TypeError, match=r"a SpectrumImage, not an array; use em\.as_spectrum_im"):
        em.SpectrumImage(image)
    for settings in ({"axis": np.arange(6)}, {"mask": np.zeros((4, 5), bool)}):
        with pytest.raises(TypeError, match="a SpectrumImage already and take no further"):
            em.as_spectrum_image(image, **settings)


# settings of an image

BAD_SETTINGS = {
    "short axis": ({"axis": [1, 2, 3]}, "axis has 3 values but counts have 6 channels; pass one"),
    "2-D axis": ({"axis": np.ones((2, 3))}, r"axis must be a 1-D array .* shape \(2, 3\)"),
    "scalar axis": ({"axis": 5}, r"axis must be a 1-D array .* got shape \(\)"),
    "text axis": ({"axis": list("abcdef")}, "axis must be a 1-D array of real numbers.*<U1"),
    "complex axis": ({"axis": [1j] * 6}, "real numbers.*complex128"),
    "repeated axis": ({"axis": [1, 2, 3, 3, 4, 5]}, "axis must rise or fall strictly.*sort it"),
    "unsorted axis": ({"axis": [1, 2, 3, 2, 4, 5]}, "axis must rise or fall strictly"),
    "NaN axis": ({"axis": [1, 2, 3, np.nan, 4, 5]}, "finite values only"),
    "all hidden": ({"mask": np.ones((4, 5), bool)}, "mask hides 20 of 20 pixels.*pass ~mask"),
    "no channel left": (
        {"channel_mask": np.ones(6, bool)},
        "channel_mask hides 6 of 6 channels.*pass ~channel_mask",
    ),
    "turned mask": ({"mask": np.zeros((5, 4), bool)}, r"bool of shape \(4, 5\).*\(5, 4\)"),
    "mask of numbers": ({"mask": np.zeros((4, 5))}, "True where a pixel is hidden; got float64"),
    "mask of text": ({"mask": "x"}, "mask must be bool"),
    "channel mask of pixels": (
        {"channel_mask": np.zeros((4, 5), bool)},
        r"channel_mask must be bool of shape \(6,\), True where a channel is hidden",
    ),
    "other shape": ({"navigation_shape": (4, 4)}, r"\(4, 4\) has 16 pixels but counts have 20"),
    "negative shape": ({"navigation_shape": (-4, -5)}, r"whole numbers above zero.* \(-4, -5\)"),
    "broken shape": ({"navigation_shape": (4.0, 5.0)}, "whole numbers above zero"),
    "too few axes": ({"navigation_axes": []}, r"lengths \[\] but the map has shape \(4, 5\)"),
    "companion": ({"companions": {"HAADF": np.ones(3)}}, r"companions\['HAADF'\] has shape \(3,\)"),
    "region": ({"regions": {"wall": [True]}}, r"regions\['wall'\] has shape \(1,\) but the map"),
}


@pytest.mark.parametrize(("settings", "message"), BAD_SETTINGS.values(), ids=BAD_SETTINGS)
def test_image_refuses_bad_settings(settings, message):
    with pytest.raises(ValueError, match=message):
        em.SpectrumImage(COUNTS, **settings)


def test_navigation_axes_must_be_axes():
    with pytest.raises(TypeError, match=r"must be em\.Axis objects.* em\.Axis\.uniform\(size"):
        em.SpectrumImage(COUNTS, navigation_axes=[1, 2])


@pytest.mark.parametrize("make", [em.SpectrumImage, em.as_spectrum_image])
def test_name_and_unit_need_values_to_describe(make):
    with pytest.raises(TypeError, match=r"name='loss' .* there is no axis to describe; pass axis="):
        make(COUNTS, name="loss", unit="eV")
    with pytest.raises(TypeError, match=r"unit='eV' but axis brings its own; .*em\.Axis\.uniform"):
        make(COUNTS, em.Axis.uniform(6), unit="eV")
    image = make(COUNTS, np.arange(6), unit="eV")
    assert (image.name, image.unit) == ("energy", "eV")


@pytest.mark.parametrize("make", [em.SpectrumImage, em.as_spectrum_image])
def test_unknown_keywords_are_refused(make):
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        make(COUNTS, colour="red")
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        em.PCA(colour="red")
    with pytest.raises(TypeError, match=r"measured and takes no settings, got \['colour'\]"):
        em.datasets.load("diamond_anvil_71gpa", colour="red")
    with pytest.raises(TypeError, match="positional"):
        em.PCA(3, "none")


# parts of an image

IMAGE = em.SpectrumImage(COUNTS, np.linspace(1, 2, 6))


@pytest.mark.parametrize(
    "window", [3, (1,), (2, 1), (1, 1), ("a", "b"), (np.nan, 1), (1, 2, 3)], ids=repr
)
@pytest.mark.parametrize("ask", [IMAGE.map, IMAGE.crop])
def test_windows_need_a_low_and_a_high_end(window, ask):
    with pytest.raises(ValueError, match=r"window must be \(low, high\) with low < high.*got "):
        ask(window)


def test_window_beside_the_axis_says_where_the_axis_runs():
    with pytest.raises(ValueError, match=r"window \(5, 6\) keV holds no channel.* 1 to 2 keV"):
        IMAGE.map((5, 6))


@pytest.mark.parametrize(
    ("region", "message"),
    [
        (3, "one \\(start, stop\\) .* 2 navigation axes, got 3"),
        ((0, 1), "one \\(start, stop\\)"),
        (((0, 1),), "for each of the 2 navigation axes"),
        (((0, 1, 2), (0, 1)), "one \\(start, stop\\)"),
        (((0.5, 2), (0, 2)), "of whole numbers"),
        (((0, 9), (0, 2)), r"leaves the map of shape \(4, 5\).*start < stop <= size"),
        (((1, 1), (0, 2)), "start < stop"),
        (((-2, 1), (0, 2)), "0 <= start"),
    ],
)
def test_crop_refuses_regions_that_are_no_block_of_the_map(region, message):
    with pytest.raises(ValueError, match=message):
        IMAGE.crop(region=region)


@pytest.mark.parametrize("form", ["to_sparse", "to_dense"])
@pytest.mark.parametrize(
    ("shrink", "message"),
    [
        (lambda i: i.crop((1.0, 1.1)), "crop((1.0, 1.1)) leaves 1 visible channel(s) of 1"),
        (lambda i: i.crop((1.4, 2.0)), "crop((1.4, 2.0)) leaves 1 visible channel(s) of 4"),
        (lambda i: i.crop(region=((0, 1), (3, 4))), "region=((0, 1), (3, 4))) leaves 1 visible pi"),
        (lambda i: i.crop(region=((0, 2), (0, 1))), "leaves 1 visible pixel(s) of 2"),
        (lambda i: i.rebin(6), "rebin(channels=6, pixels=(1, 1)) leaves 0 visible channel(s) of 1"),
        (lambda i: i.rebin(1, (4, 5)), "pixels=(4, 5)) leaves 0 visible pixel(s) of 1"),
    ],
)
def test_a_part_too_small_to_unmix_is_named(shrink, message, form):
    mask, lost = np.eye(4, 5, dtype=bool), np.isin(np.arange(6), [2, 3, 4])
    image = em.SpectrumImage(COUNTS, np.linspace(1, 2, 6), mask=mask, channel_mask=lost)
    with pytest.raises(ValueError, match=re.escape(message) + ".*at least two"):
        shrink(getattr(image, form)())


@pytest.mark.parametrize("factor", [0, -1, 7, 1.5, "a", None])
def test_rebin_takes_whole_factors_that_fit(factor):
    with pytest.raises(ValueError, match=f"cannot rebin by {factor!r} along an axis of 6; pass"):
        IMAGE.rebin(channels=factor)
    with pytest.raises(ValueError, match=f"cannot rebin by {factor!r} along an axis of 4; pass"):
        IMAGE.rebin(pixels=factor)


def test_rebin_takes_one_factor_for_each_navigation_axis():
    with pytest.raises(ValueError, match=r"one for each of the 2 navigation axes, got \(1, 2, 3\)"):
        IMAGE.rebin(pixels=(1, 2, 3))


@pytest.mark.parametrize("pixel", [(9, 9), (1,), (-1, 0), (1.5, 0)], ids=repr)
@pytest.mark.parametrize("ask", [IMAGE.spectrum, IMAGE.pixel_row])
def test_pixels_beside_the_map_are_refused(pixel, ask):
    with pytest.raises(IndexError, match=r"is not in the map of shape \(4, 5\); give one index"):
        ask(*pixel)


def test_regions_are_names_or_selections_of_the_map():
    with pytest.raises(KeyError, match=r"no region 'wall'; this image has \[\]"):
        IMAGE.sum_spectrum("wall")
    for region in (np.zeros((4, 5)), np.zeros(3, bool), 3):
        with pytest.raises(ValueError, match=r"region must be bool of shape \(4, 5\), got"):
            IMAGE.sum_spectrum(region)


# every estimator

ESTIMATORS = {
    "PCA": em.PCA,
    "NMF": em.NMF,
    "NFINDR": em.NFINDR,
    "ICA": em.ICA,
    "Varimax": em.Varimax,
}
every_estimator = pytest.mark.parametrize("kind", ESTIMATORS.values(), ids=ESTIMATORS)


@pytest.mark.parametrize("form", ["dense", "csr"])
@pytest.mark.parametrize(
    "name", ["negative", "negative int", "NaN", "inf", "both infinities", "complex", "all zero"]
)
@every_estimator
def test_estimators_refuse_what_cannot_be_counts(kind, name, form):
    counts, error, message = NOT_COUNTS[name]
    with pytest.raises(error, match=message):
        kind(2).fit(in_form(form, counts))
    if name != "all zero":
        fitted = kind(2).fit(FLAT)
        with pytest.raises(error, match=message):
            fitted.transform(in_form(form, counts))


@pytest.mark.parametrize("form", ["dense", "csr", "dask"])
@every_estimator
def test_negative_values_are_counted_and_rounding_is_called_so(kind, form):
    below = FLAT.copy()
    below[:2, :3] -= 30
    n, low = (below < 0).sum(), below.min()
    with pytest.raises(ValueError, match=f"{n} in .* down to {low:g}; .* subtraction, or clip"):
        kind(2).fit(in_form(form, below))
    rounded = FLAT.copy()
    rounded[0, 0] = -1e-9
    with pytest.raises(ValueError, match=r"1 in .* to -1e-09; .* That is rounding: clip with np"):
        kind(2).fit(in_form(form, rounded))
    assert kind(2).fit(np.clip(rounded, 0, None)).components_.shape == (2, 6)


@pytest.mark.parametrize(
    ("n_components", "error", "message"),
    [
        (7, ValueError, "n_components=7 is more than 6, the smaller of .* ask for fewer"),
        (0, ValueError, "n_components == 0, must be >= 1"),
        (-1, ValueError, "n_components == -1, must be >= 1"),
        (1.5, TypeError, "n_components must be an instance of int"),
        ("three", TypeError, "n_components must be an instance of int"),
    ],
)
@every_estimator
def test_estimators_refuse_ranks_that_are_none(kind, n_components, error, message):
    with pytest.raises(error, match=message):
        kind(n_components).fit(FLAT)


@pytest.mark.parametrize("shape", [(1, 6), (20, 1), (1, 1)])
@every_estimator
def test_one_pixel_or_one_channel_is_refused_or_given_back(kind, shape):
    """Such counts have rank 1: who takes them finds them again."""
    counts = FLAT[: shape[0], : shape[1]]
    try:
        model = kind(1).fit(counts)
    except ValueError as error:
        assert re.search("n_(samples|features)=1 .* need at least two of each", str(error))
        return
    back = model.inverse_transform(model.transform(counts))
    np.testing.assert_allclose(back, counts, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("shape", [(0, 6), (20, 0)])
@every_estimator
def test_estimators_refuse_nothing_at_all(kind, shape):
    with pytest.raises(ValueError, match=r"Found array with 0 (sample|feature)\(s\)"):
        kind(1).fit(np.zeros(shape))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("form", ["dense", "csr", "dask"])
@every_estimator
def test_pixels_and_channels_without_counts_stay_zero(kind, form):
    counts = FLAT.copy()
    counts[[0, 7, 8, 19]] = 0
    counts[:, [0, 4]] = 0
    model = kind(2).fit(in_form(form, counts))
    scores = model.transform(in_form(form, counts))
    assert np.isfinite(model.components_).all()
    np.testing.assert_array_equal(scores[[0, 7, 8, 19]], 0)
    np.testing.assert_array_equal(model.components_[:, [0, 4]], 0)
    assert np.isfinite(scores).all()


@every_estimator
def test_sums_of_small_integers_do_not_overflow(kind):
    """600 channels of 255 are 153 000: more than uint16, far more than uint8, has room for."""
    counts = np.full((40, 600), 255, dtype=np.uint8)
    counts[::2, :300] = 1
    wide = kind(2).fit(counts.astype(np.float64))
    for dtype in ("u1", "i2", "u2"):
        model = kind(2).fit(counts.astype(dtype))
        np.testing.assert_allclose(model.components_, wide.components_, rtol=1e-6, atol=1e-6)
        back = model.inverse_transform(model.transform(counts.astype(dtype)))
        np.testing.assert_allclose(back, counts, rtol=1e-3, atol=1e-3)


def with_wide_indices(counts):
    """CSR counts whose indices are int64."""
    flat = sp.csr_array(counts)
    flat.indices, flat.indptr = flat.indices.astype(np.int64), flat.indptr.astype(np.int64)
    return flat


def with_stored_zeros(counts):
    """CSR counts that store every zero."""
    n_pixels, n_channels = counts.shape
    indices = np.tile(np.arange(n_channels), n_pixels)
    indptr = np.arange(0, counts.size + 1, n_channels)
    return sp.csr_array((counts.ravel(), indices, indptr), shape=counts.shape)


def locked(counts):
    """The counts in an array that must not be written to."""
    counts = counts.copy()
    counts.flags.writeable = False
    return counts


CLOTHES = {
    "Fortran order": np.asfortranarray,
    "every second of twice as many": lambda counts: np.repeat(counts, 2, axis=1)[:, ::2],
    "backwards": lambda counts: counts[::-1, ::-1].copy()[::-1, ::-1],
    "big-endian integers": lambda counts: counts.astype(">u2"),
    "big-endian floats": lambda counts: counts.astype(">f8"),
    "single precision": lambda counts: counts.astype(np.float32),
    "read-only": locked,
    "CSR": sp.csr_array,
    "CSR, unsorted with duplicates": lambda counts: messy(sp.csr_array(counts.astype(np.int32))),
    "CSR, zeros stored": with_stored_zeros,
    "CSR, int64 indices": with_wide_indices,
}


def arrays_of(spectra):
    return [spectra.data, spectra.indices, spectra.indptr] if sp.issparse(spectra) else [spectra]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("clothes", CLOTHES.values(), ids=CLOTHES)
@every_estimator
def test_clothes_of_the_counts_change_nothing_and_are_not_changed(kind, clothes):
    spectra = clothes(FLAT)
    before = [array.tobytes() for array in arrays_of(spectra)]
    expected, found = kind(2).fit(FLAT), kind(2).fit(spectra)
    np.testing.assert_allclose(found.components_, expected.components_, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        found.transform(spectra), expected.transform(FLAT), rtol=1e-6, atol=1e-6
    )
    assert [array.tobytes() for array in arrays_of(spectra)] == before


# numbers that were scaled after they were counted


def scaled_as_by_hyperspy(counts):
    """Counts divided by the roots of the mean image and of the mean spectrum."""
    roots = np.sqrt(np.outer(counts.sum(axis=1), counts.sum(axis=0)))
    return np.divide(counts, roots, out=np.zeros_like(roots), where=roots > 0)


SCALINGS = {
    "by HyperSpy": scaled_as_by_hyperspy,
    "each to its sum": lambda counts: counts / counts.sum(axis=1, keepdims=True),
    "roots": np.sqrt,
    "logarithms": np.log1p,
}
TAKING_COUNTS = [
    em.PCA(2),
    em.PCA(2, weighting="biwhiten", min_counts=0),
    em.NMF(2),
    em.NFINDR(2),
    em.ICA(2),
    em.Varimax(2),
]
OF_EVEN_NOISE = [
    em.PCA(2, weighting="none"),
    em.NMF(2, loss="gaussian"),
    em.NFINDR(2, weighting="none"),
    em.ICA(2, weighting="none"),
    em.Varimax(2, weighting="none"),
]


@pytest.fixture(scope="module")
def sparse_counts():
    """Counts of a map of low dose, three quarters of them zero."""
    return em.datasets.load("six_compounds", shape=(12, 12)).image.spectra[:, :200].astype(float)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::endmember.core.noise.NoiseWarning")
@pytest.mark.parametrize("form", ["dense", "csr", "dask"])
@pytest.mark.parametrize("model", TAKING_COUNTS, ids=repr)
def test_scaled_counts_are_warned_of_once(model, form, sparse_counts):
    scaled = in_form(form, scaled_as_by_hyperspy(sparse_counts))
    with pytest.warns(em.ScaledCountsWarning, match="normalize_poissonian_noise=False") as heard:
        model.fit(scaled)
    of_scaling = [w.filename for w in heard if w.category is em.ScaledCountsWarning]
    assert of_scaling == [__file__]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("model", OF_EVEN_NOISE, ids=repr)
def test_who_takes_the_noise_for_even_is_silent_about_scaling(model, sparse_counts):
    model.fit(scaled_as_by_hyperspy(sparse_counts))


@pytest.mark.parametrize("scale", SCALINGS.values(), ids=SCALINGS)
def test_every_scaling_is_seen_in_the_numbers(scale, sparse_counts):
    seen = scaled_values(scale(sparse_counts))
    assert (seen != np.rint(seen)).all()
    assert np.isin(seen, scale(sparse_counts)).all()


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("gain", [1, 0.0123, 7.77, 1e6])
@pytest.mark.parametrize("name", ["six_compounds", "mixture", "nicr_needle", "diamond_anvil_71gpa"])
def test_multiples_of_a_gain_are_counts(name, gain, dtype):
    loaded = em.datasets.load(name)
    spectra = getattr(loaded, "image", loaded).spectra[:2000]
    assert scaled_values(spectra.astype(dtype) * np.dtype(dtype).type(gain)) is None


@pytest.mark.parametrize("name", ["mixture", "six_compounds", "omphacite"])
def test_expected_counts_without_noise_are_left_alone(name):
    scene = em.datasets.load(name)
    assert scaled_values(np.asarray(scene.expected, dtype=float)) is None


# settings of PCA

BAD_PCA = {
    "too many": ({"n_components": 7}, ValueError, "n_components=7 is more than 6.*ask for fewer"),
    "none": ({"n_components": 0}, ValueError, "n_components == 0, must be >= 1"),
    "half": ({"n_components": 1.5}, TypeError, "n_components must be an instance of int"),
    "weighting": ({"weighting": "x"}, ValueError, r"weighting is 'x'; choose one of .*biwhiten"),
    "no gain": ({"gain": 0}, ValueError, "gain == 0, must be > 0"),
    "negative gain": ({"gain": -1}, ValueError, "gain == -1, must be > 0"),
    "text gain": ({"gain": "a"}, TypeError, "gain must be an instance of float"),
    "NaN gain": ({"gain": np.nan}, ValueError, "gain=nan.* must be finite"),
    "endless gain": ({"gain": np.inf}, ValueError, "gain=inf.* must be finite"),
    "min_counts": ({"min_counts": -1}, ValueError, "min_counts == -1, must be >= 0"),
    "nothing filled": (
        {"weighting": "biwhiten", "min_counts": 1e6},
        ValueError,
        r"too few counts to balance.* 1e\+06 counts \(min_counts\).*rebin the map or use weight",
    ),
}


@pytest.mark.parametrize(("settings", "error", "message"), BAD_PCA.values(), ids=BAD_PCA)
def test_pca_refuses_bad_settings(settings, error, message):
    with pytest.raises(error, match=message):
        em.PCA(**settings).fit(FLAT)


@pytest.mark.parametrize("form", ["dense", "csr", "dask"])
def test_fitted_pca_refuses_other_channels_pixels_and_ranks(form):
    pca = em.PCA(3).fit(FLAT)
    with pytest.raises(ValueError, match="X has 5 features, but PCA is expecting 6"):
        pca.transform(in_form(form, FLAT[:, :5]))
    with pytest.raises(ValueError, match="X has 5 pixels but 20 were fitted; pass the same"):
        pca.noise_units(in_form(form, FLAT[:5]))
    with pytest.raises(ValueError, match=r"scores have shape \(20, 4\); expected \(n_pixels, 3\)"):
        pca.inverse_transform(np.zeros((20, 4)))
    with pytest.raises(ValueError, match=r"scores have shape \(3,\)"):
        pca.inverse_transform(np.zeros(3))


def test_unfitted_pca_says_so():
    from sklearn.exceptions import NotFittedError

    for ask in (em.PCA().transform, em.PCA().inverse_transform, em.PCA().noise_units):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            ask(FLAT)


def test_unknown_datasets_are_refused_with_a_hint():
    with pytest.raises(ValueError, match=r"called 'diamnd_71'.*mean 'diamond_anvil_71gpa'"):
        em.datasets.load("diamnd_71")
    for ask in (em.datasets.load, em.datasets.card):
        with pytest.raises(ValueError, match=r"no dataset is called 'zz'; choose one of \['blur"):
            ask("zz")


EVERY = [em.PCA(2), em.NMF(2), em.NFINDR(2), em.ICA(2), em.Varimax(2), em.MCRALS(2)]


@pytest.mark.parametrize("form", ["dense", "csr", "dask"])
@pytest.mark.parametrize("model", EVERY, ids=lambda e: type(e).__name__)
def test_counts_that_are_all_zero_are_refused(model, form):
    with pytest.raises(ValueError, match="counts are zero in every pixel"):
        model.fit(in_form(form, np.zeros((6, 5))))


@pytest.mark.parametrize("highest", [1e150, 1e-150])
@pytest.mark.parametrize("model", EVERY, ids=lambda e: type(e).__name__)
def test_counts_whose_squares_are_no_numbers_are_refused(model, highest):
    with pytest.raises(ValueError, match="multiply them by a power of ten"):
        model.fit(np.random.default_rng(0).random((30, 6)) * highest)


@pytest.mark.parametrize("model", EVERY, ids=lambda e: type(e).__name__)
def test_true_is_no_number_of_components(model):
    with pytest.raises(TypeError, match="n_components is True; pass a whole number"):
        clone(model).set_params(n_components=True).fit(np.ones((6, 5)))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::endmember.NoiseWarning")  # a map of 64 pixels
@pytest.mark.parametrize("model", EVERY, ids=lambda e: type(e).__name__)
def test_maps_have_names_in_a_pipeline(model):
    counts = em.datasets.load("mixture", shape=(8, 8)).image.spectra
    model.fit(counts)
    name = type(model).__name__.lower()
    assert list(model.get_feature_names_out()) == [f"{name}0", f"{name}1"]
