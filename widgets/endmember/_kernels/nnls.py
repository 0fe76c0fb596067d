"""Non-negative least squares, pixel by pixel, by block principal pivoting."""

import numpy as np

from endmember._kernels.jit import compiled

PATIENCE = 3  # exchanges of all at once that may fail to help before single ones are made
TINY = 1e-13  # of the largest product: what counts as zero


@compiled()
def invert_subsets(gram, table):
    """Fill a table with the inverse of every principal submatrix of a Gram matrix.

    Parameters
    ----------
    gram : ndarray of float64, shape (n_components, n_components)
        Positive definite.
    table : ndarray of float64, shape (2**n_components, n_components, n_components)
        Zeros; entry `m` becomes the inverse over the components whose bits are set in `m`, with
        zeros elsewhere.
    """
    n = gram.shape[0]
    for m in range(1, table.shape[0]):
        last = 0  # the highest bit of m: its rows are added to the inverse without it
        while (m >> (last + 1)) != 0:
            last += 1
        rest = m ^ (1 << last)
        inverse = table[m]
        without = table[rest]
        column = np.zeros(n)
        pivot = gram[last, last]
        for i in range(last):
            if rest >> i & 1:
                for j in range(last):
                    column[i] += without[i, j] * gram[j, last]
                pivot -= gram[i, last] * column[i]
        for i in range(last):
            for j in range(last):
                inverse[i, j] = without[i, j] + column[i] * column[j] / pivot
            inverse[i, last] = -column[i] / pivot
            inverse[last, i] = inverse[i, last]
        inverse[last, last] = 1.0 / pivot


@compiled()
def find_wrong(gram, table, passive, corr, p, tiny, x):
    """Solve over the passive components, and find which of all do not belong where they are.

    Arrays are indexed, never cut: a view for every pixel would cost more than its solution.

    Parameters
    ----------
    gram, table : ndarray
        As in :func:`invert_subsets`, which filled the table.
    passive : int
        Bits of the components that may differ from zero.
    corr : ndarray of float64, shape (n_pixels, n_components)
        Products of the spectra with the endmembers.
    p : int
        Which pixel.
    tiny : float
        What counts as zero.
    x : ndarray of float64, shape (n_components,)
        Becomes the solution.

    Returns
    -------
    int
        Bits of passive components that came out negative, and of others that want to be positive.
    """
    n = x.size
    wrong = 0
    for k in range(n):
        total = 0.0
        if passive >> k & 1:
            for j in range(n):
                total += table[passive, k, j] * corr[p, j]
            if total * gram[k, k] < -tiny:
                wrong |= 1 << k
        x[k] = total
    for k in range(n):
        if not passive >> k & 1:
            slack = -corr[p, k]
            for j in range(n):
                slack += gram[k, j] * x[j]
            if slack < -tiny:
                wrong |= 1 << k
    return wrong


@compiled()
def count_bits(bits):
    """Count the bits that are set."""
    n = 0
    while bits:
        bits &= bits - 1
        n += 1
    return n


@compiled()
def pivot(gram, table, passive, corr, p, x):
    """Solve for one spectrum, exchanging all wrong components at once while that helps.

    Where it does not, the highest alone is exchanged, which ends for certain.

    Parameters
    ----------
    gram, table, corr, p, x : ndarray and int
        As in :func:`find_wrong`.
    passive : int
        Bits of the components to begin with.

    Returns
    -------
    bool
        Whether the solution was reached.
    """
    n = x.size
    tiny = 0.0
    for k in range(n):
        tiny = max(tiny, TINY * abs(corr[p, k]))
    fewest, patience = n + 1, PATIENCE
    for _ in range(20 + 4 * (1 << n)):
        wrong = find_wrong(gram, table, passive, corr, p, tiny, x)
        if wrong == 0:
            return True
        n_wrong = count_bits(wrong)
        if n_wrong < fewest:
            fewest, patience = n_wrong, PATIENCE
        else:
            patience -= 1
        if patience < 0:
            while wrong & (wrong - 1):
                wrong &= wrong - 1  # leaves the highest bit
        passive ^= wrong
    return False


@compiled()
def solve_rows(gram, table, corr, abundances, start, stop):
    """Solve ``min a @ gram @ a / 2 - corr[p] @ a`` with ``a >= 0`` for some pixels, in place.

    What least squares without a constraint leave positive is solved; what they leave negative is
    exchanged first where they do not.

    Parameters
    ----------
    gram, table : ndarray
        As in :func:`invert_subsets`, which filled the table.
    corr : ndarray of float64, shape (n_pixels, n_components)
        Products of the spectra with the endmembers.
    abundances : ndarray of float64, shape (n_pixels, n_components)
        Becomes the solution.
    start, stop : int
        First pixel, and the one after the last.

    Returns
    -------
    int
        Pixels whose solution was not reached; none unless `gram` is nearly singular.
    """
    n = gram.shape[0]
    x, inverse = np.zeros(n), table[-1]
    n_open = 0
    for p in range(start, stop):
        passive = 0
        for k in range(n):
            total = 0.0
            for j in range(n):
                total += inverse[k, j] * corr[p, j]
            abundances[p, k] = total
            if total >= 0.0:
                passive |= 1 << k
        if passive == table.shape[0] - 1:
            continue
        if not pivot(gram, table, passive, corr, p, x):
            n_open += 1
        for k in range(n):
            abundances[p, k] = max(x[k], 0.0)
    return n_open
