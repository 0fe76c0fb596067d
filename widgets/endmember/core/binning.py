"""Sums over pixels and channels, for dense, CSR and dask arrays alike."""

from __future__ import annotations

from math import prod

import numpy as np
import scipy.sparse as sp

from endmember.core.checks import is_dask

EXACT_FLOAT32 = 2**24  # whole numbers up to here are float32's own


def total(spectra, axis):
    """Sum a dense, CSR or dask array; whole counts stay whole and never overflow."""
    n_summed = spectra.shape[axis]
    dtype = _total_dtype(spectra, n_summed)
    if sp.issparse(spectra):  # SciPy's own sum adds up float32 in float32
        ones = np.ones(n_summed, dtype=dtype)
        spectra = spectra.astype(dtype)
        return ones @ spectra if axis == 0 else spectra @ ones
    return np.asarray(spectra.sum(axis=axis, dtype=dtype))


def _total_dtype(spectra, n_summed):
    """int64 for whole counts, unless their sum could overflow it."""
    if spectra.dtype.kind == "f":
        return np.float64
    if spectra.dtype.itemsize < 8 or n_summed == 0:
        return np.int64
    bound = int(spectra.max()) * n_summed
    fitting = (dtype for dtype in (np.int64, np.uint64) if bound <= np.iinfo(dtype).max)
    return next(fitting, np.float64)


def sum_dtype(flat, n_summed):
    """Smallest dtype that holds the sum of `n_summed` of these counts.

    A dask array is not computed: it gets room for the highest count of its own dtype.
    """
    is_float = flat.dtype.kind == "f"
    if is_dask(flat):
        highest = np.inf if is_float else np.iinfo(flat.dtype).max
    else:
        values = flat.data if sp.issparse(flat) else flat
        highest = np.fmax.reduce(values, axis=None, initial=0).item()  # hidden NaN do not count
    bound = highest * n_summed
    if is_float:
        is_exact = flat.dtype == np.float32 and bound <= EXACT_FLOAT32
        return np.dtype(np.float32 if is_exact else np.float64)
    return np.min_scalar_type(bound) if bound <= np.iinfo(np.uint64).max else np.dtype(np.float64)


def merge_rows(shape, factors):
    """Sparse matrix that adds up blocks of a grid; rows are blocks, columns are cells."""
    target = [n // f for n, f in zip(shape, factors, strict=True)]
    index = np.indices(shape).reshape(len(shape), -1)
    block = index // np.array(factors)[:, None]
    inside = (block < np.array(target)[:, None]).all(axis=0)
    rows = np.ravel_multi_index(block[:, inside], target)
    columns = np.flatnonzero(inside)
    ones = np.ones(columns.size, dtype=np.uint8)
    return sp.csr_array((ones, (rows, columns)), shape=(prod(target), prod(shape)))


def merge_blocks(values, factors, merge, **how):
    """Merge blocks of a dense or dask array, one block length for each dimension."""
    for axis, factor in enumerate(factors):
        if factor == 1:
            continue
        size = values.shape[axis] // factor
        kept = values[(slice(None),) * axis + (slice(0, size * factor),)]
        split = kept.reshape(*kept.shape[:axis], size, factor, *kept.shape[axis + 1 :])
        values = merge(split, axis=axis + 1, **how)
    return values
