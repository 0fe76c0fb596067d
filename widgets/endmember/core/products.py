"""Products and sums of spectra of any form: dense, CSR or dask, block by block.

What calls compiled code has a twin in NumPy, named ``..._numpy``: its reference in the tests.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from endmember._kernels.gram import gram_csr, index_columns
from endmember._kernels.sinkhorn import sweep_csr, sweep_dense
from endmember.core.binning import total
from endmember.core.blocks import row_blocks
from endmember.core.checks import read_only


def marginals(spectra):
    """Return the sums of the pixels and of the channels, as float64."""
    rows, columns = [], np.zeros(spectra.shape[1])
    for block in row_blocks(spectra):
        rows.append(total(block, axis=1).astype(np.float64))
        columns += total(block, axis=0)
    return np.concatenate(rows), columns


def filling(spectra, pixels, channels):
    """Return what chosen pixels and channels hold of each other.

    Parameters
    ----------
    spectra : array of shape (n_pixels, n_channels)
        Counts.
    pixels, channels : ndarray of bool, shape (n_pixels,) and (n_channels,)
        The choice.

    Returns
    -------
    channel_counts : ndarray of shape (n_channels,)
        Counts of every channel in the chosen pixels.
    pixel_filling : ndarray of shape (n_pixels,)
        Number of chosen channels that hold counts in each pixel.
    channel_filling : ndarray of shape (n_channels,)
        Number of chosen pixels that hold counts in each channel.
    """
    counts, filled = np.zeros(spectra.shape[1]), np.zeros(spectra.shape[1])
    pixel_filling, start = [], 0
    for block in row_blocks(spectra):
        chosen = pixels[start : start + block.shape[0]].astype(np.float64)
        held = block != 0
        counts += chosen @ block
        filled += chosen @ held
        pixel_filling.append(held @ channels.astype(np.float64))
        start += block.shape[0]
    return counts, np.concatenate(pixel_filling), filled


def weighted_gram(spectra, weights):
    """Return ``spectra.T @ diag(weights) @ spectra`` as float64.

    Parameters
    ----------
    spectra : ndarray, CSR array or dask array of shape (n_pixels, n_channels)
        Counts.
    weights : ndarray of float64, shape (n_pixels,)
        Weight of every pixel.
    """
    gram = np.zeros((spectra.shape[1],) * 2)
    start = 0
    for block in row_blocks(spectra):
        stop = start + block.shape[0]
        if sp.issparse(block):
            gram += _gram_of_csr(block, weights[start:stop])
        else:
            scaled = block * np.sqrt(weights[start:stop])[:, None]
            gram += scaled.T @ scaled
        start = stop
    return gram


def weighted_gram_numpy(spectra, weights):
    """Twin of :func:`weighted_gram` for dense or CSR spectra."""
    full = _unpacked(spectra)
    return full.T @ (full * weights[:, None])


def sinkhorn_sweep(spectra, column_weights, row_weights):
    """Return new row weights and the column sums that they give; see ``_kernels.sinkhorn``."""
    rows, columns = row_weights.copy(), np.zeros_like(column_weights)
    start = 0
    for block in row_blocks(spectra):
        stop = start + block.shape[0]
        if sp.issparse(block):
            sweep_csr(*_csr_arrays(block), column_weights, rows[start:stop], columns)
        else:
            block = read_only(np.ascontiguousarray(block))
            sweep_dense(block, column_weights, rows[start:stop], columns)
        start = stop
    return rows, columns


def sinkhorn_sweep_numpy(spectra, column_weights, row_weights):
    """Twin of :func:`sinkhorn_sweep` for dense or CSR spectra."""
    full = _unpacked(spectra)
    rows = np.zeros_like(row_weights)
    np.divide(1.0, full @ column_weights, out=rows, where=row_weights != 0)
    return rows, rows @ full


def times(spectra, matrix):
    """Return ``spectra @ matrix`` as float64, dense."""
    return np.concatenate([_float(block) @ matrix for block in row_blocks(spectra)])


def times_squared(spectra, vector):
    """Return ``spectra**2 @ vector`` as float64: a weighted norm of every pixel."""
    return np.concatenate([_float(block) ** 2 @ vector for block in row_blocks(spectra)])


def _gram_of_csr(block, weights):
    n_channels = block.shape[1]
    starts = np.zeros(n_channels + 1, dtype=np.int64)
    positions = np.empty(block.nnz, dtype=np.int64)
    pixels = np.empty(block.nnz, dtype=np.int32)
    indptr, indices, counts = _csr_arrays(block)
    index_columns(indptr, indices, starts, positions, pixels)
    gram = np.zeros((n_channels, n_channels))
    gram_csr(
        indptr, indices, counts, np.ascontiguousarray(weights), starts, positions, pixels, gram
    )
    return gram


def _csr_arrays(block):
    """Return the arrays of CSR counts, read-only: a kernel is compiled once for each type."""
    return read_only(block.indptr), read_only(block.indices), read_only(block.data)


def _float(block):
    return block.astype(np.float64)


def _unpacked(spectra):
    return (spectra.toarray() if sp.issparse(spectra) else np.asarray(spectra)).astype(np.float64)
