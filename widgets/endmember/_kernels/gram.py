"""The weighted Gram matrix of sparse spectra, without unpacking them."""

import numpy as np
from numba import prange

from endmember._kernels.jit import compiled


@compiled()
def index_columns(indptr, indices, column_starts, positions, pixels):
    """List, for every channel, where it stands in the CSR arrays and in which pixel.

    Parameters
    ----------
    indptr : ndarray of int, shape (n_pixels + 1,)
        Start of every pixel's counts.
    indices : ndarray of int, shape (n_nonzero,)
        Channel of every count, rising within a pixel.
    column_starts : ndarray of int64, shape (n_channels + 1,)
        Zeros; becomes the start of every channel's list.
    positions, pixels : ndarray of int64 and int32, shape (n_nonzero,)
        Become the lists: a position in `indices`, and the pixel it belongs to.
    """
    n_channels = column_starts.size - 1
    for q in range(indices.size):
        column_starts[indices[q] + 1] += 1
    for c in range(n_channels):
        column_starts[c + 1] += column_starts[c]
    filled = column_starts[:-1].copy()
    for p in range(indptr.size - 1):
        for q in range(indptr[p], indptr[p + 1]):
            c = indices[q]
            positions[filled[c]] = q
            pixels[filled[c]] = p
            filled[c] += 1


@compiled(parallel=True)
def gram_csr(indptr, indices, counts, weights, column_starts, positions, pixels, gram):
    """Fill ``gram = counts.T @ diag(weights) @ counts``.

    Every channel is one independent row of the result, so the sums run in the same order, and
    give the same bits, on any number of threads.

    Parameters
    ----------
    indptr, indices, counts : ndarray
        CSR arrays of the spectra, channels rising within a pixel.
    weights : ndarray of float64, shape (n_pixels,)
        Weight of every pixel.
    column_starts, positions, pixels : ndarray
        What :func:`index_columns` made.
    gram : ndarray of float64, shape (n_channels, n_channels)
        Zeros; the upper triangle is filled, then mirrored.
    """
    n_channels = gram.shape[0]
    for c in prange(n_channels):
        row = gram[c]
        for s in range(column_starts[c], column_starts[c + 1]):
            start, pixel = positions[s], pixels[s]
            stop = indptr[pixel + 1]
            scaled = weights[pixel] * np.float64(counts[start])
            for q in range(start, stop):
                row[indices[q]] += scaled * counts[q]
    for c in range(n_channels):
        for j in range(c):
            gram[c, j] = gram[j, c]
