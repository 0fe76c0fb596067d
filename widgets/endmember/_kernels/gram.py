"""The weighted Gram matrix of sparse spectra, without unpacking them."""

import numpy as np

from endmember._kernels.jit import compiled


@compiled()
def index_columns(indptr, indices, start, stop, column_starts, positions, pixels):
    """List, for every channel, where it stands in the CSR arrays and in which pixel.

    Parameters
    ----------
    indptr : ndarray of int, shape (n_pixels + 1,)
        Start of every pixel's counts.
    indices : ndarray of int, shape (n_nonzero,)
        Channel of every count, rising within a pixel.
    start, stop : int
        First pixel to be listed, and the one after the last.
    column_starts : ndarray of int64, shape (n_channels + 1,)
        Becomes the start of every channel's list.
    positions, pixels : ndarray of int64, with room for all counts of these pixels
        Become the lists: a position in `indices`, and the pixel it belongs to.
    """
    n_channels = column_starts.size - 1
    column_starts[:] = 0
    for q in range(indptr[start], indptr[stop]):
        column_starts[indices[q] + 1] += 1
    for c in range(n_channels):
        column_starts[c + 1] += column_starts[c]
    filled = column_starts[:-1].copy()
    for p in range(start, stop):
        for q in range(indptr[p], indptr[p + 1]):
            c = indices[q]
            positions[filled[c]] = q
            pixels[filled[c]] = p
            filled[c] += 1


@compiled()
def gram_row(c, indptr, indices, counts, weights, column_starts, positions, pixels, row):
    """Add to one row of the Gram matrix, from its diagonal on, what the listed pixels hold.

    Parameters
    ----------
    c : int
        Which channel.
    indptr, indices, counts : ndarray
        CSR arrays of the spectra, channels rising within a pixel.
    weights : ndarray of float64, shape (n_pixels,)
        Weight of every pixel.
    column_starts, positions, pixels : ndarray
        What :func:`index_columns` made.
    row : ndarray of float64, shape (n_channels,)
        Added to.
    """
    for s in range(column_starts[c], column_starts[c + 1]):
        start, pixel = positions[s], pixels[s]
        scaled = weights[pixel] * np.float64(counts[start])
        for q in range(start, indptr[pixel + 1]):
            row[np.uint32(indices[q])] += scaled * counts[q]


@compiled()
def gram_rows(indptr, indices, counts, weights, starts, positions, pixels, first, step, gram):
    """Add ``counts.T @ diag(weights) @ counts`` of the listed pixels to some rows.

    Every channel is one independent row of the result, so the sums run in the same order, and
    give the same bits, in whatever number of strips the rows are shared out.

    Parameters
    ----------
    indptr, indices, counts, weights, starts, positions, pixels : ndarray
        As in :func:`gram_row`.
    first, step : int
        First row, and from one row to the next: the strip.
    gram : ndarray of float64, shape (n_channels, n_channels)
        Added to, from the diagonal on.
    """
    for c in range(first, gram.shape[0], step):
        gram_row(c, indptr, indices, counts, weights, starts, positions, pixels, gram[c])


@compiled()
def mirror(gram):
    """Fill the lower triangle with the upper one."""
    for c in range(gram.shape[0]):
        for j in range(c):
            gram[c, j] = gram[j, c]
