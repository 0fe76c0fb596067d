"""Products and sums of spectra of any form: dense, CSR or dask, block by block.

What calls compiled code has a twin in NumPy, named ``..._numpy``: its reference in the tests.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from endmember._kernels.gram import gram_rows, index_columns, mirror
from endmember._kernels.rows import moment_rows, spread_rows, square_rows, sum_rows, times_rows
from endmember._kernels.sinkhorn import sweep_csr, sweep_dense
from endmember.core.binning import total
from endmember.core.blocks import row_blocks
from endmember.core.checks import read_only
from endmember.core.threads import in_parts, row_parts

GRAM_COUNTS = 100_000  # at a time: they stay in the processor's cache
GRAM_STRIPS = 8
VECTORS = 4  # that a kernel multiplies at a time


def marginals(spectra):
    """Return the sums of the pixels and of the channels, as float64."""
    rows, columns = [], np.zeros(spectra.shape[1])
    for block in row_blocks(spectra):
        of_rows, of_columns = block_marginals(block)
        rows.append(of_rows)
        columns += of_columns
    return np.concatenate(rows), columns


def block_marginals(block):
    """Return the sums of the pixels and of the channels of one block."""
    if not sp.issparse(block):
        return total(block, axis=1).astype(np.float64), total(block, axis=0).astype(np.float64)
    arrays = _csr_arrays(block)
    parts = row_parts(block.indptr)
    rows, columns = np.zeros(block.shape[0]), np.zeros((len(parts), block.shape[1]))
    in_parts(
        lambda i, start, stop: sum_rows(*arrays, start, stop, rows, columns[i]),
        [(i, *part) for i, part in enumerate(parts)],
    )
    return rows, columns.sum(axis=0)


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
        add_gram(block, weights[start:stop], gram)
        start = stop
    return mirrored(gram)


def add_gram(block, weights, gram):
    """Add the weighted Gram matrix of one block to `gram`, at least from its diagonal on."""
    if sp.issparse(block):
        _add_gram_of_csr(block, np.ascontiguousarray(weights), gram)
    else:
        scaled = block * np.sqrt(weights)[:, None]
        gram += scaled.T @ scaled


def mirrored(gram):
    """Fill what lies below the diagonal of a Gram matrix, in place, and return it."""
    mirror(gram)
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
    return _joined([_times(block, matrix) for block in row_blocks(spectra)])


def _times(block, matrix):
    if not sp.issparse(block):
        return _float(block) @ matrix
    columns = np.ascontiguousarray(matrix, dtype=np.float64)
    out = np.zeros((block.shape[0], *columns.shape[1:]))
    arrays, pairs = _csr_arrays(block), (columns.reshape(len(columns), -1), _as_columns(out))
    in_parts(
        lambda start, stop: times_rows(*arrays, pairs[0], start, stop, pairs[1]),
        row_parts(block.indptr),
    )
    return out


def times_squared(spectra, vector):
    """Return ``spectra**2 @ vector`` as float64: a weighted norm of every pixel."""
    return _joined([_times_squared(block, vector) for block in row_blocks(spectra)])


def _times_squared(block, vector):
    if not sp.issparse(block):
        return _float(block) ** 2 @ vector
    norms, arrays = np.zeros(block.shape[0]), _csr_arrays(block)
    weights = np.ascontiguousarray(vector, dtype=np.float64)
    in_parts(
        lambda start, stop: square_rows(*arrays, weights, start, stop, norms),
        row_parts(block.indptr),
    )
    return norms


def spread(spectra, weights, vectors):
    """Return ``spectra.T @ diag(weights) @ spectra @ vectors``, the Gram matrix never made.

    Parameters
    ----------
    spectra : ndarray, CSR array or LoadedBlocks of shape (n_pixels, n_channels)
        Counts.
    weights : ndarray of float64, shape (n_pixels,)
        Weight of every pixel.
    vectors : ndarray of float64, shape (n_channels, n_vectors)
        What is multiplied.
    """
    found, start = np.zeros(vectors.shape), 0
    for block in row_blocks(spectra):
        stop = start + block.shape[0]
        found += _spread(block, weights[start:stop], vectors)
        start = stop
    return found


def _spread(block, weights, vectors):
    if not sp.issparse(block):
        block = _float(block)
        return block.T @ ((block @ vectors) * weights[:, None])
    arrays, weights = _csr_arrays(block), np.ascontiguousarray(weights)
    n_channels, n_vectors = vectors.shape
    parts, n_slabs = row_parts(block.indptr), -(-n_vectors // VECTORS)
    slabs = np.zeros((n_slabs, n_channels, VECTORS))  # the last one filled up with zeros
    for k in range(n_vectors):
        slabs[k // VECTORS, :, k % VECTORS] = vectors[:, k]
    outs = np.zeros((len(parts), *slabs.shape))
    in_parts(
        lambda i, j, start, stop: spread_rows(*arrays, weights, slabs[j], start, stop, outs[i, j]),
        [(i, j, *part) for i, part in enumerate(parts) for j in range(n_slabs)],
    )
    return np.hstack(list(outs.sum(axis=0)))[:, :n_vectors]


def near_diagonals(spectra, weights):
    """Return the diagonal of the weighted Gram matrix and the one above it, which ends in zero."""
    found, start = np.zeros((2, spectra.shape[1])), 0
    for block in row_blocks(spectra):
        stop = start + block.shape[0]
        found += _near_diagonals(block, np.ascontiguousarray(weights[start:stop]))
        start = stop
    return found


def _near_diagonals(block, weights):
    if not sp.issparse(block):
        block = _float(block)
        neighbours = np.zeros(block.shape[1])
        neighbours[:-1] = np.einsum("p,pc,pc->c", weights, block[:, :-1], block[:, 1:])
        return np.stack([weights @ block**2, neighbours])
    arrays, parts = _csr_arrays(block), row_parts(block.indptr)
    sums = np.zeros((len(parts), 2, block.shape[1]))
    in_parts(
        lambda i, start, stop: moment_rows(*arrays, weights, start, stop, *sums[i]),
        [(i, *part) for i, part in enumerate(parts)],
    )
    return sums.sum(axis=0)


def _add_gram_of_csr(block, weights, gram):
    n_channels = block.shape[1]
    arrays = _csr_arrays(block)
    edges = _edges(block.indptr, GRAM_COUNTS)
    most = int(np.diff(block.indptr[edges]).max(initial=0))
    starts = np.zeros(n_channels + 1, dtype=np.int64)
    lists = starts, np.empty(most, dtype=np.int64), np.empty(most, dtype=np.int64)
    n_strips = GRAM_STRIPS if block.indptr[-1] > GRAM_COUNTS else 1
    strips = [(first, n_strips) for first in range(n_strips)]
    for start, stop in pairwise(edges):
        index_columns(*arrays[:2], start, stop, *lists)
        in_parts(lambda first, step: gram_rows(*arrays, weights, *lists, first, step, gram), strips)


def _edges(indptr, n_counts):
    """First row of every run of rows that hold about so many counts, and the number of rows."""
    cuts = np.searchsorted(indptr, np.arange(n_counts, indptr[-1], n_counts))
    return np.unique(np.concatenate([[0], cuts, [indptr.size - 1]])).tolist()


def _as_columns(values):
    return values.reshape(len(values), -1)


def _joined(parts):
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _csr_arrays(block):
    """Return the arrays of CSR counts, read-only: a kernel is compiled once for each type."""
    return read_only(block.indptr), read_only(block.indices), read_only(block.data)


def _float(block):
    return block.astype(np.float64)


def _unpacked(spectra):
    return (spectra.toarray() if sp.issparse(spectra) else np.asarray(spectra)).astype(np.float64)
