"""Hypothesis strategies for whole spectrum images, with the plain array each was made from."""

from dataclasses import dataclass
from math import prod

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st

import endmember as em

WHOLE = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "?", ">u2", ">i4", ">u8"]
REAL = ["f2", "f4", "f8", ">f4", ">f8"]
SPARSE = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f4", "f8"]  # what scipy can hold
FORMS = ["dense", "fortran", "csr", "messy csr", "dask"]


@dataclass
class Drawn:
    """A spectrum image, the array that it was made from, and what the maker handed over.

    Parameters
    ----------
    image : SpectrumImage
        What is tested.
    counts : ndarray of shape (*navigation_shape, n_channels)
        Every count, hidden ones included, before any conversion.
    mask, channel_mask : ndarray of bool
        What is hidden, all False where nothing is.
    given : list of ndarray
        The caller's own arrays, as they were handed over.
    before : list of bytes
        Their content at that time.
    """

    image: em.SpectrumImage
    counts: np.ndarray
    mask: np.ndarray
    channel_mask: np.ndarray
    given: list
    before: list

    @property
    def exact(self):
        """All counts as Python numbers, which never overflow."""
        return self.counts.astype(object)

    @property
    def visible(self):
        """Visible counts as Python numbers, shape (n_pixels, n_channels)."""
        return self.exact[~self.mask][:, ~self.channel_mask]

    def assert_untouched(self):
        """The caller's arrays hold the bytes that they held before."""
        assert [array.tobytes() for array in self.given] == self.before


def shapes(n_dimensions):
    """Navigation shapes with two pixels at least."""
    sizes = st.lists(st.integers(1, 4), min_size=n_dimensions, max_size=n_dimensions)
    return sizes.map(tuple).filter(lambda shape: prod(shape) >= 2)


@st.composite
def plain_counts(draw, shape, dtype):
    """Counts of one shape and dtype, mostly small, some as high as the dtype goes."""
    dtype = np.dtype(dtype)
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    density = draw(st.sampled_from([0.05, 0.5, 1.0]))
    counts = rng.integers(1, 2 if dtype.kind == "b" else 100, size=shape)
    counts = (counts * (rng.random(shape) < density)).astype(dtype)
    if draw(st.booleans()):
        counts[rng.random(shape) < 0.2] = highest(dtype)
    return counts


def highest(dtype):
    """The largest count tried; sums of the largest float64 have no dtype to go to."""
    if dtype.kind == "b":
        return True
    if dtype.kind == "f":
        return min(float(np.finfo(dtype).max), 1e300)
    return np.iinfo(dtype).max


@st.composite
def masks(draw, shape):
    """Masks that leave two entries at least, or None."""
    if not draw(st.booleans()):
        return None
    size = prod(shape)
    mask = np.zeros(size, dtype=bool)
    mask[draw(st.lists(st.integers(0, size - 1), max_size=size - 2, unique=True))] = True
    return mask.reshape(shape)


@st.composite
def axes(draw, n_channels):
    """Signal axes: rising, falling, not uniform, or none."""
    start = draw(st.floats(-5, 5, allow_subnormal=False))
    step = draw(st.sampled_from([0.01, 1.0, -0.25]))
    values = start + step * np.arange(n_channels)
    kind = draw(st.sampled_from(["none", "uniform", "bent"]))
    if kind == "none":
        return None
    return values if kind == "uniform" else values + step * np.arange(n_channels) ** 2


@st.composite
def drawn_images(draw, forms=FORMS, n_dimensions=(1, 2, 3), masked=True):
    """Whole spectrum images of every form, with the arrays that they came from."""
    form = draw(st.sampled_from(forms))
    dtype = draw(st.sampled_from(SPARSE if "csr" in form else WHOLE + REAL))
    shape = draw(st.sampled_from(n_dimensions).flatmap(shapes))
    n_channels = draw(st.integers(2, 6))
    counts = draw(plain_counts((*shape, n_channels), dtype))
    mask = draw(masks(shape)) if masked else None
    channel_mask = draw(masks((n_channels,))) if masked else None
    hidden = np.zeros(shape, dtype=bool) if mask is None else mask
    lost = np.zeros(n_channels, dtype=bool) if channel_mask is None else channel_mask
    _fill(counts, hidden, lost)
    counts_given, arrays = draw(given_as(form, counts))
    before = [array.tobytes() for array in arrays]
    image = em.SpectrumImage(
        counts_given,
        draw(axes(n_channels)),
        mask=mask,
        channel_mask=channel_mask,
        navigation_shape=shape if "csr" in form else None,
    )
    return Drawn(image, counts, hidden, lost, arrays, before)


def _fill(counts, hidden, lost):
    """Put one count where it is seen, and what no count can be where it is not."""
    seen = np.argwhere(~hidden)[0]
    counts[(*seen, np.flatnonzero(~lost)[0])] = 1
    worst = {"f": np.nan, "i": -1}.get(counts.dtype.kind)
    if worst is not None:
        counts[hidden] = worst
        counts[..., lost] = worst


@st.composite
def given_as(draw, form, counts):
    """Counts in one form, with the arrays that hold them."""
    if form == "dask":
        import dask.array as da

        source = counts.copy()
        chunks = tuple(draw(st.integers(1, n)) for n in counts.shape)
        return da.from_array(source, chunks=chunks), [source]
    if "csr" in form:
        flat = sp.csr_array(counts.reshape(-1, counts.shape[-1]))
        flat = messy(flat) if form == "messy csr" else flat
        return flat, [flat.data, flat.indices, flat.indptr]
    source = np.asfortranarray(counts) if form == "fortran" else counts.copy()
    return source, [source]


def messy(flat):
    """The same CSR array with every entry in two parts, its channels in falling order."""
    order = np.concatenate(
        [np.arange(a, b)[::-1] for a, b in zip(flat.indptr, flat.indptr[1:], strict=False)]
    ).astype(int)
    rest = flat.data[order] // 2
    data = np.stack([rest, flat.data[order] - rest], axis=1).ravel()
    return sp.csr_array(
        (data.astype(flat.dtype), np.repeat(flat.indices[order], 2), 2 * flat.indptr),
        shape=flat.shape,
    )


def spectra_in(form, counts):
    """Flat counts in one of the forms that estimators take."""
    if form in ("dask", "dask csr"):
        import dask.array as da

        n_channels = -1 if form == "dask csr" else counts.shape[1] // 2 + 1
        lazy = da.from_array(counts, chunks=(max(1, len(counts) // 3), n_channels))
        return lazy.map_blocks(sp.csr_array) if form == "dask csr" else lazy
    if form in ("dense", "fortran"):
        return np.array(counts, order="F" if form == "fortran" else "C")
    flat = sp.csr_array(counts)
    return {"csr": flat, "messy csr": messy(flat), "csc": sp.csc_array(flat)}[form]


ESTIMATOR_FORMS = ["dense", "fortran", "csr", "messy csr", "csc", "dask", "dask csr"]


WAYS = ["compiled", "python"]


def call(kernel, way):
    """The compiled kernel, or the Python function behind it."""
    return kernel if way == "compiled" else kernel.py_func


@st.composite
def csr_counts(draw):
    """Small CSR counts, empty rows and columns among them, and a weight for every row."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = draw(st.tuples(st.integers(1, 9), st.integers(1, 7)))
    dtype = draw(st.sampled_from([np.uint8, np.uint16, np.float64]))
    density = draw(st.sampled_from([0.0, 0.2, 1.0]))
    counts = rng.integers(0, 200, shape) * (rng.random(shape) < density)
    index = draw(st.sampled_from([np.int32, np.int64]))
    flat = sp.csr_array(counts.astype(dtype))
    flat.indptr, flat.indices = flat.indptr.astype(index), flat.indices.astype(index)
    return flat, rng.random(shape[0]) * (rng.random(shape[0]) < 0.8)
