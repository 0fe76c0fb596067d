"""Sums over pixels and channels, for dense, CSR and dask arrays alike."""

from __future__ import annotations

from math import prod

import numpy as np
import scipy.sparse as sp

from endmember.core.checks import is_dask


def total(spectra, axis):
    """Sum a dense, CSR or dask array; whole counts stay whole and never overflow."""
    dtype = np.float64 if spectra.dtype.kind == "f" else np.int64
    return np.asarray(spectra.sum(axis=axis, dtype=dtype))


def sum_dtype(flat, n_summed):
    """Smallest dtype that holds the sum of `n_summed` of these counts."""
    if flat.dtype.kind == "f":
        return np.result_type(flat.dtype, np.float32)
    highest = np.iinfo(flat.dtype).max
    if not is_dask(flat):
        values = flat.data if sp.issparse(flat) else flat
        highest = int(values.max(initial=0))
    return np.min_scalar_type(min(highest * n_summed, np.iinfo(np.uint64).max))


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
