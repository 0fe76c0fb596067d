"""One sweep of Sinkhorn's balancing: rows first, then what the columns then sum to."""

import numpy as np

from endmember._kernels.jit import compiled


@compiled()
def sweep_csr(indptr, indices, counts, column_weights, row_weights, column_sums):
    """Balance the rows of sparse counts and add up the columns.

    Parameters
    ----------
    indptr, indices, counts : ndarray
        CSR arrays of shape (n_pixels, n_channels).
    column_weights : ndarray of float64, shape (n_channels,)
        Weight of every channel; zero leaves a channel out.
    row_weights : ndarray of float64, shape (n_pixels,)
        Becomes one over the weighted sum of every row; a weight of zero leaves the pixel out
        and stays zero.
    column_sums : ndarray of float64, shape (n_channels,)
        Grows by the sum of every column under the new row weights.
    """
    for p in range(indptr.size - 1):
        if row_weights[p] == 0.0:
            continue
        total = 0.0
        for q in range(indptr[p], indptr[p + 1]):
            total += np.float64(counts[q]) * column_weights[indices[q]]
        row_weights[p] = 1.0 / total
        for q in range(indptr[p], indptr[p + 1]):
            column_sums[indices[q]] += np.float64(counts[q]) * row_weights[p]


@compiled()
def sweep_dense(counts, column_weights, row_weights, column_sums):
    """Balance the rows of dense counts and add up the columns; see :func:`sweep_csr`.

    Parameters
    ----------
    counts : ndarray of shape (n_pixels, n_channels)
        Counts in C order.
    column_weights, row_weights, column_sums : ndarray of float64
        As in :func:`sweep_csr`.
    """
    n_pixels, n_channels = counts.shape
    for p in range(n_pixels):
        if row_weights[p] == 0.0:
            continue
        total = 0.0
        for c in range(n_channels):
            total += np.float64(counts[p, c]) * column_weights[c]
        row_weights[p] = 1.0 / total
        for c in range(n_channels):
            column_sums[c] += np.float64(counts[p, c]) * row_weights[p]
