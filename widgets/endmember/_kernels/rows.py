"""Sums and products of the rows of sparse spectra."""

import numpy as np

from endmember._kernels.jit import compiled


@compiled()
def spread_rows(indptr, indices, counts, weights, vectors, start, stop, out):
    """Add ``counts.T @ diag(weights) @ counts @ vectors`` of some pixels to `out`.

    Four vectors at a time, written out one by one: their sums stay in registers.

    Parameters
    ----------
    indptr, indices, counts : ndarray
        CSR arrays of the spectra.
    weights : ndarray of float64, shape (n_pixels,)
        Weight of every pixel.
    vectors, out : ndarray of float64, shape (n_channels, 4)
        What is multiplied, and what it is added to.
    start, stop : int
        First pixel, and the one after the last.
    """
    for p in range(start, stop):
        s0 = s1 = s2 = s3 = 0.0
        for q in range(indptr[p], indptr[p + 1]):
            x, c = np.float64(counts[q]), np.uint32(indices[q])
            s0 += x * vectors[c, 0]
            s1 += x * vectors[c, 1]
            s2 += x * vectors[c, 2]
            s3 += x * vectors[c, 3]
        weight = weights[p]
        s0, s1, s2, s3 = s0 * weight, s1 * weight, s2 * weight, s3 * weight
        for q in range(indptr[p], indptr[p + 1]):
            x, c = np.float64(counts[q]), np.uint32(indices[q])
            out[c, 0] += x * s0
            out[c, 1] += x * s1
            out[c, 2] += x * s2
            out[c, 3] += x * s3


@compiled()
def times_rows(indptr, indices, counts, matrix, start, stop, out):
    """Fill some rows of ``out = counts @ matrix``.

    Parameters
    ----------
    indptr, indices, counts : ndarray
        CSR arrays of the spectra.
    matrix : ndarray of float64, shape (n_channels, n_columns)
        What is multiplied.
    start, stop : int
        First pixel, and the one after the last.
    out : ndarray of float64, shape (n_pixels, n_columns)
        Zeros; become the product.
    """
    for p in range(start, stop):
        for q in range(indptr[p], indptr[p + 1]):
            x, row = np.float64(counts[q]), matrix[np.uint32(indices[q])]
            for k in range(row.size):
                out[p, k] += x * row[k]


@compiled()
def sum_rows(indptr, indices, counts, start, stop, pixel_sums, channel_sums):
    """Add the counts of some pixels to the sums of pixels and of channels.

    Parameters
    ----------
    indptr, indices, counts : ndarray
        CSR arrays of the spectra.
    start, stop : int
        First pixel, and the one after the last.
    pixel_sums : ndarray of float64, shape (n_pixels,)
        Those of these pixels are set.
    channel_sums : ndarray of float64, shape (n_channels,)
        Added to.
    """
    for p in range(start, stop):
        total = 0.0
        for q in range(indptr[p], indptr[p + 1]):
            x = np.float64(counts[q])
            total += x
            channel_sums[np.uint32(indices[q])] += x
        pixel_sums[p] = total


@compiled()
def square_rows(indptr, indices, counts, weights, start, stop, norms):
    """Sum ``counts**2 * weights[channel]`` over the channels of some pixels.

    Parameters
    ----------
    indptr, indices, counts : ndarray
        CSR arrays of the spectra.
    weights : ndarray of float64, shape (n_channels,)
        Weight of every channel.
    start, stop : int
        First pixel, and the one after the last.
    norms : ndarray of float64, shape (n_pixels,)
        Those of these pixels are set.
    """
    for p in range(start, stop):
        total = 0.0
        for q in range(indptr[p], indptr[p + 1]):
            x = np.float64(counts[q])
            total += x * x * weights[np.uint32(indices[q])]
        norms[p] = total


@compiled()
def moment_rows(indptr, indices, counts, weights, start, stop, squares, neighbours):
    """Add the weighted squares of some pixels, and the products of neighbouring channels.

    Parameters
    ----------
    indptr, indices, counts : ndarray
        CSR arrays of the spectra, channels rising within a pixel.
    weights : ndarray of float64, shape (n_pixels,)
        Weight of every pixel.
    start, stop : int
        First pixel, and the one after the last.
    squares, neighbours : ndarray of float64, shape (n_channels,)
        Added to: the diagonal of the weighted Gram matrix, and what stands beside it.
    """
    for p in range(start, stop):
        weight = weights[p]
        before, last = 0.0, -2
        for q in range(indptr[p], indptr[p + 1]):
            x, c = np.float64(counts[q]), indices[q]
            squares[c] += weight * x * x
            if c == last + 1:
                neighbours[last] += weight * x * before
            before, last = x, c
