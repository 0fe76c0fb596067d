"""Checks that turn bad input into one clear error before any work is done."""

from __future__ import annotations

import sys
from itertools import takewhile
from traceback import walk_stack

import numpy as np
import scipy.sparse as sp

ROUNDING = 1e-6  # of the largest count: what is less far below zero is no measurement
LOOKED_AT = 64  # pixels that are asked for their quantum
SMALLEST = 20  # steps between their values: the quantum itself where there is one, or few of it
DIVISORS = range(1, 9)  # few counts may all lie some quanta apart
ZEROS = 0.01  # of the numbers, from which on some are taken for channels that counted nothing
LARGEST = 1e100  # of counts, and the inverse of it: sums of their squares must be numbers


class ScaledCountsWarning(UserWarning):
    """Say that numbers were scaled after they were counted, so that their noise is not Poisson."""

    def __init__(self, message):
        super().__init__(message)


def is_dask(counts):
    """Whether `counts` is a dask array, without importing dask."""
    module = sys.modules.get("dask.array")
    return module is not None and isinstance(counts, module.Array)


def check_array_kind(counts, name="counts"):
    """Refuse arrays that hide values of their own, or do not know their own size."""
    if np.ma.isMaskedArray(counts):
        raise TypeError(
            f"{name} are a numpy.ma array; pass its .data and hide pixels in a SpectrumImage with "
            "mask=counts.mask.all(axis=-1)."
        )
    if is_dask(counts) and np.isnan(counts.shape).any():
        raise ValueError(
            f"{name} are a dask array of unknown shape {counts.shape}; call "
            "counts.compute_chunk_sizes() first."
        )


def check_flat(counts, name="counts"):
    """Refuse arrays of any kind that are complex, or are no rows of channels."""
    counts = np.asarray(counts) if isinstance(counts, list | tuple) else counts
    dtype, shape = getattr(counts, "dtype", None), getattr(counts, "shape", None)
    if isinstance(dtype, np.dtype) and dtype.kind == "c":
        check_dtype(dtype, name)
    if shape is not None and len(shape) != 2:
        raise ValueError(
            f"{name} have shape {tuple(shape)}. Expected 2D array (n_pixels, n_channels). Reshape "
            "your data: fold pixels into rows with counts.reshape(-1, n_channels), or pass "
            "image.spectra of image = em.SpectrumImage(counts)."
        )


def check_dtype(dtype, name="counts"):
    """Refuse numbers that cannot be counts."""
    if dtype.kind == "c":
        raise ValueError(
            f"{name} are complex ({dtype}); pass real numbers, for example np.abs(counts) of a "
            "Fourier transform. Complex data not supported"
        )
    if dtype.kind not in "biuf":
        raise TypeError(f"{name} must be real numbers, got dtype {dtype}; convert them first.")


def check_height(values, name="counts"):
    """Refuse numbers that no sum of squares can hold."""
    highest = float(values.max()) if values.dtype.kind == "f" and values.size else 0.0
    if highest > LARGEST or 0 < highest < 1 / LARGEST:
        raise ValueError(
            f"{name} go up to {highest:g}, whose squares no float64 holds; multiply them by a "
            "power of ten that brings them near 1."
        )


def check_values(values, name="counts"):
    """Refuse NaN, inf and negative numbers in a dense array or in the data of a sparse one."""
    if values.size == 0:
        return
    if values.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):  # the sum only says where to look
            is_finite = np.isfinite(values.sum(dtype=np.float64))
        n_bad = 0 if is_finite else int(values.size - np.count_nonzero(np.isfinite(values)))
        if n_bad:
            raise ValueError(
                f"{name} contain NaN or inf in {n_bad} places; hide those pixels with mask= or "
                "replace the values."
            )
    if values.dtype.kind in "if" and (low := values.min()) < 0:
        is_rounding = low > -ROUNDING * values.max()
        cure = "That is rounding:" if is_rounding else "Undo a background subtraction, or"
        raise ValueError(
            f"Negative values in data: {np.count_nonzero(values < 0)} in {name} go down to "
            f"{low:g}; counts cannot be negative. {cure} clip with np.clip(counts, 0, None)."
        )


def scaled_values(spectra):
    """Return one or two numbers that were scaled after they were counted, None where none are seen.

    Counts are whole multiples of one quantum. What is expected of a pixel is not, but then it is
    nowhere zero: fractions among zeros were counts once. A few pixels are looked at, of a dask
    array the first ones.
    """
    if spectra.dtype.kind != "f":
        return None
    sample = _sampled(spectra)
    sample = sample[sample.any(axis=1)][:, sample.any(axis=0)]
    if np.count_nonzero(sample == 0) <= ZEROS * sample.size:
        return None
    values = np.unique(sample[(sample > 0) & np.isfinite(sample)])
    fractions = values[np.rint(values) != values]
    return None if fractions.size == 0 or _have_quantum(values) else fractions[:2]


def _sampled(spectra):
    n_rows = min(LOOKED_AT, spectra.shape[0])
    rows = np.linspace(0, spectra.shape[0] - 1, n_rows).astype(int)
    sample = spectra[:n_rows].compute() if is_dask(spectra) else spectra[rows]
    return (sample.toarray() if sp.issparse(sample) else np.asarray(sample)).astype(np.float64)


def _have_quantum(values):
    """Whether rising numbers are whole multiples of one of them, or of a part of it."""
    steps = np.diff(values, prepend=0)
    steps = np.sort(steps[steps > ROUNDING * values])[:SMALLEST]
    multiples = np.outer(DIVISORS, steps) / steps[0]
    return bool((np.abs(multiples - np.rint(multiples)) < 0.1).all(axis=1).any())


def level_of_caller():
    """Return the `stacklevel` at which a warning points at who called into this package."""
    names = (frame.f_globals.get("__name__", "") for frame, _ in walk_stack(sys._getframe(1)))
    return 1 + sum(1 for _ in takewhile(lambda name: name.startswith("endmember."), names))


def native(values):
    """Return an array in a dtype that compiled code reads; a copy only where one is needed."""
    dtype = values.dtype.newbyteorder("=")
    if dtype.kind == "b":
        dtype = np.dtype(np.uint8)
    elif dtype.kind == "f" and dtype.itemsize not in (4, 8):
        dtype = np.dtype(np.float32 if dtype.itemsize < 4 else np.float64)
    return values if values.dtype == dtype else values.astype(dtype)


def read_only(values):
    """Return a view that cannot be written; the caller's own array stays as it is."""
    values = values.view()
    values.flags.writeable = False
    return values


def read_only_csr(counts):
    """Return canonical CSR counts with views of their arrays that cannot be written."""
    arrays = (counts.data, counts.indices, counts.indptr)
    views = sp.csr_array(tuple(map(read_only, arrays)), shape=counts.shape)
    views.has_canonical_format = True  # else SciPy looks again, or sorts in place
    return views


def canonical_csr(counts):
    """Return a CSR array with sorted, unique indices; the caller's arrays stay as they are."""
    with_values = sp.csr_array(counts)
    with_values.check_format(full_check=True)  # compiled code trusts every index
    if not with_values.has_canonical_format:
        with_values = with_values.copy()
        with_values.sum_duplicates()
    converted = native(with_values.data)
    if converted is not with_values.data:
        with_values = sp.csr_array(
            (converted, with_values.indices, with_values.indptr), shape=with_values.shape
        )
    return with_values
