"""The spectrum image against plain NumPy indexing, in every form that counts come in."""

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import endmember as em
from strategies import drawn_images

ROUNDING = 1e-12  # of sums of up to 400 float64 numbers, none negative
TOO_LITTLE = r"at least two|fewer than two|zero in all"


def steps_again(result, image):
    """Take the steps that the code of a result writes down, from the image it came from."""
    return eval("image" + result.code.removeprefix(image.code), {"image": image})


def plain(spectra):
    """Spectra of any form as Python numbers."""
    return (spectra.toarray() if sp.issparse(spectra) else np.asarray(spectra)).astype(object)


def assert_equal_counts(found, expected):
    """Whole counts are equal to the last unit; others, and whole ones past 2⁶⁴, to rounding."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    if found.dtype.kind in "iu":
        assert found.tolist() == expected.tolist()
    else:
        np.testing.assert_allclose(found.astype(float), expected.astype(float), rtol=ROUNDING)


def assert_same_image(found, expected):
    """Two images agree in everything that a caller can see."""
    np.testing.assert_array_equal(plain(found.spectra), plain(expected.spectra))
    assert found.signal_axis == expected.signal_axis
    assert found.navigation_axes == expected.navigation_axes
    for name in ("mask", "channel_mask"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    for name in ("companions", "regions"):
        np.testing.assert_equal(getattr(found, name), getattr(expected, name))
    assert (found.title, found.metadata) == (expected.title, expected.metadata)


# from pixels to rows and back


@given(drawn_images())
def test_spectra_are_the_visible_counts_row_after_row(drawn):
    image = drawn.image
    np.testing.assert_array_equal(plain(image.spectra), drawn.visible)
    assert (image.n_pixels, image.n_channels) == drawn.visible.shape == image.spectra.shape
    assert image.shape == drawn.counts.shape
    assert image.axis.shape == (image.n_channels,)
    drawn.assert_untouched()


@given(drawn_images())
def test_spectrum_is_the_pixel_whether_hidden_or_not(drawn):
    for pixel in np.ndindex(drawn.mask.shape):
        expected = drawn.counts[pixel][~drawn.channel_mask]
        np.testing.assert_array_equal(drawn.image.spectrum(*pixel), expected)


@given(drawn_images())
def test_pixel_row_points_at_the_pixel_or_says_that_it_is_hidden(drawn):
    spectra = plain(drawn.image.spectra)
    for pixel in np.ndindex(drawn.mask.shape):
        row = drawn.image.pixel_row(*pixel)
        if drawn.mask[pixel]:
            assert row is None
        else:
            np.testing.assert_array_equal(spectra[row], drawn.exact[pixel][~drawn.channel_mask])


@given(drawn_images(), st.data())
def test_fold_puts_every_row_back_into_its_pixel(drawn, data):
    n_rows = drawn.image.n_pixels
    kind = data.draw(st.sampled_from(["f4", "f8", "c8", "i4", "?"]))
    extra = data.draw(st.sampled_from([(), (3,), (2, 2)]))
    values = data.draw(
        hnp.arrays(
            kind, (n_rows, *extra), elements={"allow_nan": False} if kind[0] in "fc" else None
        )
    )
    folded = drawn.image.fold(values)
    assert folded.shape == (*drawn.mask.shape, *extra)
    np.testing.assert_array_equal(folded[~drawn.mask], values)
    assert np.isnan(folded[drawn.mask].astype(complex)).all()
    if kind[0] in "fc" or not drawn.mask.any():
        assert folded.dtype == values.dtype


def test_fold_refuses_rows_that_are_not_the_visible_pixels():
    image = em.SpectrumImage(np.ones((2, 3, 4)), mask=np.eye(2, 3, dtype=bool))
    with pytest.raises(ValueError, match=r"shape \(6,\) but the image has 4 visible pixels"):
        image.fold(np.zeros(6))
    with pytest.raises(ValueError, match=r"shape \(\) but the image has 4"):
        image.fold(1.0)


# sums


@given(drawn_images())
def test_sum_spectrum_never_overflows(drawn):
    assert_equal_counts(drawn.image.sum_spectrum(), drawn.visible.sum(axis=0))
    drawn.assert_untouched()


@given(drawn_images(), st.data())
def test_sum_spectrum_of_a_region_adds_up_its_visible_pixels(drawn, data):
    region = data.draw(hnp.arrays(bool, drawn.mask.shape))
    expected = drawn.exact[region & ~drawn.mask][:, ~drawn.channel_mask]
    expected = expected.sum(axis=0) if len(expected) else np.zeros(drawn.image.n_channels, int)
    assert_equal_counts(drawn.image.sum_spectrum(region), expected)


@given(drawn_images(), st.data())
def test_map_adds_up_the_channels_between_the_ends_of_the_window(drawn, data):
    axis = drawn.image.signal_axis.values
    ends = data.draw(st.lists(st.sampled_from(list(axis)), min_size=2, max_size=2, unique=True))
    low, high = sorted(ends)
    inside = (axis >= low) & (axis <= high) & ~drawn.channel_mask
    if not inside.any():
        with pytest.raises(ValueError, match="holds hidden channels only; choose another"):
            drawn.image.map((low, high))
        return
    expected = drawn.exact[..., inside][~drawn.mask].sum(axis=-1)
    found = drawn.image.map((low, high))
    assert found.shape == drawn.mask.shape
    assert_equal_counts(found[~drawn.mask], expected)
    assert np.isnan(found[drawn.mask].astype(float)).all()


def test_map_of_hidden_channels_is_refused():
    image = em.SpectrumImage(
        np.ones((2, 2, 5)), np.arange(5.0), channel_mask=np.isin(np.arange(5), [2, 3])
    )
    with pytest.raises(ValueError, match=r"window \(2\.0, 3\.0\) keV holds hidden channels only"):
        image.map((2, 3))
    assert image.map((2, 4)).tolist() == [[1, 1], [1, 1]]


def test_map_keeps_whole_counts_whole():
    image = em.SpectrumImage(np.full((2, 2, 3), 2**53 + 1, dtype=np.int64))
    assert image.map((0, 1)).tolist() == [[2 * (2**53 + 1)] * 2] * 2


# smaller images


@given(drawn_images(), st.data())
def test_crop_is_numpy_slicing(drawn, data):
    image, axis = drawn.image, drawn.image.signal_axis.values
    first, last = sorted(data.draw(st.permutations(range(len(axis))))[:2])
    window = tuple(sorted((axis[first], axis[last])))
    region = data.draw(st.none() | blocks(drawn.mask.shape))
    cut = tuple(slice(*pair) for pair in region) if region else (slice(None),) * drawn.mask.ndim
    mask, channel_mask = drawn.mask[cut], drawn.channel_mask[first : last + 1]
    expected = drawn.exact[(*cut, slice(first, last + 1))]
    visible = expected[~mask][:, ~channel_mask]
    if cannot_be_unmixed(visible, image):
        with pytest.raises(ValueError, match=TOO_LITTLE):
            image.crop(window, region=region)
        return
    cropped = image.crop(window, region=region)
    np.testing.assert_array_equal(plain(cropped.spectra), visible)
    assert cropped.shape == expected.shape
    np.testing.assert_array_equal(cropped.signal_axis.values, axis[first : last + 1])
    for new, old, part in zip(cropped.navigation_axes, image.navigation_axes, cut, strict=True):
        np.testing.assert_array_equal(new.values, old.values[part])
    assert (cropped.is_sparse, cropped.is_lazy) == (image.is_sparse, image.is_lazy)
    assert_same_image(steps_again(cropped, image), cropped)
    drawn.assert_untouched()


def cannot_be_unmixed(visible, image):
    """Whether too little is left; a lazy image is not computed to find out that it is empty."""
    return min(visible.shape) < 2 or not (image.is_lazy or visible.any())


@st.composite
def blocks(draw, shape):
    """One (start, stop) for each navigation axis."""
    return [
        tuple(sorted(draw(st.lists(st.integers(0, n), min_size=2, max_size=2, unique=True))))
        for n in shape
    ]


@given(drawn_images(), st.data())
def test_rebin_adds_up_blocks_and_hides_those_with_a_hidden_part(drawn, data):
    image, shape = drawn.image, drawn.counts.shape
    factors = [data.draw(st.integers(1, max(1, n - 1))) for n in shape]
    target = tuple(n // f for n, f in zip(shape, factors, strict=True))
    counts, mask, channel_mask = block_sums(drawn, factors, target)
    visible = counts[~mask][:, ~channel_mask]
    if cannot_be_unmixed(visible, image):
        with pytest.raises(ValueError, match=TOO_LITTLE):
            image.rebin(channels=factors[-1], pixels=factors[:-1])
        return
    rebinned = image.rebin(channels=factors[-1], pixels=factors[:-1])
    assert rebinned.shape == target
    assert_equal_counts(as_dense(rebinned.spectra), visible)
    for new, old, factor in zip(
        (*rebinned.navigation_axes, rebinned.signal_axis),
        (*image.navigation_axes, image.signal_axis),
        factors,
        strict=True,
    ):
        centres = [old.values[i : i + factor].mean() for i in range(0, len(new) * factor, factor)]
        np.testing.assert_allclose(new.values, centres, rtol=1e-12, atol=1e-12)
    assert (rebinned.is_sparse, rebinned.is_lazy) == (image.is_sparse, image.is_lazy)
    assert_same_image(steps_again(rebinned, image), rebinned)
    drawn.assert_untouched()


def as_dense(spectra):
    """Spectra of any form as one array of their own dtype."""
    return spectra.toarray() if sp.issparse(spectra) else np.asarray(spectra)


def block_sums(drawn, factors, target):
    """Sums of blocks, one block at a time, and whether any part of each is hidden."""
    counts = np.empty(target, dtype=object)
    mask, channel_mask = np.empty(target[:-1], dtype=bool), np.empty(target[-1], dtype=bool)
    for index in np.ndindex(target):
        cut = tuple(slice(i * f, (i + 1) * f) for i, f in zip(index, factors, strict=True))
        counts[index] = sum(drawn.exact[cut].ravel().tolist())
        mask[index[:-1]] = drawn.mask[cut[:-1]].any()
        channel_mask[index[-1]] = drawn.channel_mask[cut[-1]].any()
    return counts, mask, channel_mask


def test_rebin_by_one_number_bins_every_navigation_axis():
    counts = np.arange(4 * 6 * 2, dtype=np.uint8).reshape(4, 6, 2)
    rebinned = em.SpectrumImage(counts).rebin(pixels=2)
    expected = counts.reshape(2, 2, 3, 2, 2).sum(axis=(1, 3))
    np.testing.assert_array_equal(rebinned.counts, expected)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"axis": np.arange(3.0)},
        {"axis": np.arange(3.0), "name": "loss", "unit": "eV"},
        {"mask": np.eye(4, 6) > 0},
    ],
)
def test_code_of_an_array_names_what_was_given(given):
    counts = np.ones((4, 6, 3), dtype=np.uint8)
    image = em.SpectrumImage(counts, **given)
    assert_same_image(eval(image.code, {"em": em, "counts": counts, **given}), image)


def test_crop_and_rebin_take_numpy_numbers_and_print_plain_ones():
    image = em.SpectrumImage(np.ones((4, 4, 6), dtype=np.uint8), np.linspace(1, 2, 6))
    smaller = image.crop(np.array([1.0, 1.6]), region=np.array([[0, 2], [0, 4]]))
    smaller = smaller.rebin(np.int64(2), np.array([1, 2]))
    assert smaller.code == (
        "em.SpectrumImage(counts, axis=axis).crop((1.0, 1.6), region=((0, 2), (0, 4)))"
        ".rebin(channels=2, pixels=(1, 2))"
    )
    assert_same_image(steps_again(smaller, image), smaller)


def test_companions_and_regions_follow_the_pixels():
    counts = np.ones((4, 6, 3), dtype=np.uint8)
    haadf = np.arange(24.0).reshape(4, 6)
    wall = haadf > 11
    image = em.SpectrumImage(counts, companions={"HAADF": haadf}, regions={"wall": wall})
    cropped = image.crop(region=((1, 3), (0, 6)))
    np.testing.assert_array_equal(cropped.companions["HAADF"], haadf[1:3])
    np.testing.assert_array_equal(cropped.regions["wall"], wall[1:3])
    rebinned = image.rebin(pixels=(2, 3))
    averages = haadf.reshape(2, 2, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(rebinned.companions["HAADF"], averages)
    np.testing.assert_array_equal(rebinned.regions["wall"], [[False, False], [True, True]])
    assert image.sum_spectrum("wall").tolist() == [12, 12, 12]


# other forms


@given(drawn_images())
def test_sparse_and_dense_hold_the_same_counts(drawn):
    for image in (drawn.image.to_sparse(), drawn.image.to_dense()):
        np.testing.assert_array_equal(plain(image.spectra), drawn.visible)
        assert image.signal_axis == drawn.image.signal_axis
        assert image.nbytes > 0
    assert drawn.image.to_sparse().is_sparse
    assert type(drawn.image.to_dense().counts) is np.ndarray
    drawn.assert_untouched()


@given(drawn_images(), st.booleans())
def test_blocks_put_together_are_all_rows(drawn, hidden):
    blocks = [plain(b) for b in drawn.image.spectra_blocks(hidden=hidden)]
    whole = drawn.exact.reshape(-1, drawn.counts.shape[-1]) if hidden else drawn.visible
    np.testing.assert_array_equal(np.concatenate(blocks).astype(float), whole.astype(float))


def test_dask_blocks_may_be_sparse():
    import dask.array as da

    dense = np.random.default_rng(0).poisson(0.3, (7, 5)).astype(np.uint8)
    lazy = da.from_array(dense, chunks=(3, 5)).map_blocks(sp.csr_array)
    image = em.SpectrumImage(lazy, navigation_shape=(7, 1))
    np.testing.assert_array_equal(image.to_sparse().spectra.toarray(), dense)


@pytest.mark.parametrize(
    ("given", "kept"), [("?", "u1"), ("f2", "f4"), (">u2", "u2"), (">f8", "f8"), ("g", "f8")]
)
@pytest.mark.parametrize("is_lazy", [False, True])
def test_counts_get_a_dtype_that_compiled_code_reads(given, kept, is_lazy):
    import dask.array as da

    counts = np.ones((4, 4, 4), dtype=given)
    image = em.SpectrumImage(da.from_array(counts) if is_lazy else counts)
    assert image.counts.dtype == np.dtype(kept)
    assert image.counts.dtype.isnative
    assert image.is_lazy == is_lazy
    np.testing.assert_array_equal(np.asarray(image.rebin(2, 2).counts), 8)


def test_dense_counts_are_seen_not_copied():
    counts = np.ones((2, 3, 4), dtype=np.uint8)
    image = em.SpectrumImage(counts)
    assert np.shares_memory(image.spectra, counts)
    with pytest.raises(ValueError, match="read-only"):
        image.spectra[0, 0] = 5
    counts[0, 0, 0] = 2  # the caller's own array stays writeable


def test_csr_counts_are_seen_not_copied():
    counts = sp.csr_array(np.eye(6, 4, dtype=np.uint8))
    image = em.SpectrumImage(counts, navigation_shape=(2, 3))
    for part in ("data", "indices", "indptr"):
        assert np.shares_memory(getattr(image.spectra, part), getattr(counts, part))
        with pytest.raises(ValueError, match="read-only"):
            getattr(image.spectra, part)[:] = 7
    counts.data[0] = 2  # the caller's own array stays writeable
    assert image.spectra[0, 0] == 2


def test_settings_are_copies():
    mask, metadata = np.eye(3, dtype=bool), {"General": {"title": "a"}}
    image = em.SpectrumImage(np.ones((3, 3, 4)), mask=mask, metadata=metadata)
    mask[:] = True
    metadata["General"]["title"] = "b"
    assert image.n_pixels == 6
    assert image.metadata["General"]["title"] == "a"


def test_repr_says_title_shape_and_form():
    counts = np.ones((3, 4, 5), dtype=np.uint16)
    image = em.SpectrumImage(counts, title="flat")
    assert repr(image) == "<SpectrumImage 'flat', 3 × 4 pixels, 5 channels, dense uint16>"
    assert "CSR uint16" in repr(image.to_sparse())
