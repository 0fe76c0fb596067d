"""Poisson counts of a mixture, drawn count by count into sparse rows."""

import numpy as np

from endmember._kernels.jit import compiled


@compiled()
def drop_counts(rng, numbers, edges, guide, indptr, indices, values):
    """Let every count fall into a channel by the shape of its component; list the rows.

    Parameters
    ----------
    rng : numpy.random.Generator
        Where chance comes from.
    numbers : ndarray of int64, shape (n_rows, n_components)
        Counts of every component in every row.
    edges : ndarray of float64, shape (n_components, n_channels)
        Sum of each component up to a channel, that channel included; the last one is 1.
    guide : ndarray of int32, shape (n_components, n_guides)
        For every of so many equal parts of 1, the first channel whose edge is above its beginning.
    indptr : ndarray of int32, shape (n_rows + 1,)
        Becomes where every row begins in the lists.
    indices, values : ndarray of int32 and unsigned int, as long as there are counts at least
        Become the channels that hold counts, rising within a row, and the counts.
    """
    n_channels, n_guides = edges.shape[1], guide.shape[1]
    row, found = np.zeros(n_channels, dtype=values.dtype), np.empty(n_channels, dtype=np.int32)
    n = 0
    indptr[0] = 0
    for p in range(numbers.shape[0]):
        n_found = 0
        for k in range(numbers.shape[1]):
            for _ in range(numbers[p, k]):
                level = rng.random()
                c = guide[k, int(level * n_guides)]
                while edges[k, c] <= level:
                    c += 1
                if row[c] == 0:
                    found[n_found] = c
                    n_found += 1
                row[c] += 1
        here = found[:n_found]
        here.sort()
        for c in here:
            indices[n], values[n] = c, row[c]
            row[c] = 0
            n += 1
        indptr[p + 1] = n
