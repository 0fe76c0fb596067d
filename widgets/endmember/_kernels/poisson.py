"""Poisson factorisation: coordinate descent on rows of counts, given the other factor."""

import numpy as np
from numba import prange

from endmember._kernels.jit import compiled

MOST_STEPS = 8  # of Newton's method for one number; it begins close
CLOSE = 1e-3  # relative step at which one number is found well enough for now
SHRINKING = 0.1  # at most so much of a number is kept in one step down: its logarithm has no zero
NOTHING = 1e-12  # expected counts below which a number that wants to shrink is zero


@compiled()
def step_from(old, slope, bend, total):
    """Return where one step of Newton's method leads for one number.

    Parameters
    ----------
    old : float
        Where it is.
    slope, bend : float
        First and second derivative there.
    total : float
        Counts that the model expects for each unit of it.
    """
    if bend == 0.0:
        return 0.0  # no counts ask for it
    new = max(old - slope / bend, SHRINKING * old)
    if slope > 0.0 and new * total < NOTHING:
        return 0.0
    return new


@compiled()
def descend_number(k, indices, counts, theirs, total, mine, model):
    """Lower the deviance of one row by one of its numbers, until that is found well enough.

    Parameters
    ----------
    k : int
        Which number.
    indices, counts, theirs, mine, model : ndarray
        As in :func:`descend_row`; `mine` and `model` are changed in place.
    total : float
        Sum of the other factor for this number.

    Returns
    -------
    float
        ``abs(mine[k] * gradient)`` before the first step, in counts.
    """
    away = 0.0
    for step in range(MOST_STEPS):
        slope, bend = total, 0.0
        for q in range(indices.size):
            ratio = theirs[indices[q], k] / model[q]
            slope -= counts[q] * ratio
            bend += counts[q] * ratio * ratio
        old = mine[k]
        if step == 0:
            away = abs(old * slope)
        new = step_from(old, slope, bend, total)
        change = new - old
        for q in range(indices.size):
            model[q] += change * theirs[indices[q], k]
        mine[k] = new
        if abs(change) <= CLOSE * new:
            break
    return away


@compiled()
def descend_row(indices, counts, theirs, sums, mine, model):
    """Lower ``sum(model - counts * log(model))`` of one row of counts, number by number.

    ``model = mine @ theirs.T``. The derivative by one number is concave, so that Newton's steps
    from below never pass its root, and one from above passes it at most once.

    Parameters
    ----------
    indices, counts : ndarray
        Where the row holds counts, and how many.
    theirs : ndarray of float64, shape (n_columns, n_components)
        The other factor.
    sums : ndarray of float64, shape (n_components,)
        Its sums over the columns.
    mine : ndarray of float64, shape (n_components,)
        This row's factor, changed in place.
    model : ndarray of float64, shape (indices.size,)
        Work space; becomes the model where the row holds counts.

    Returns
    -------
    float
        How far from optimal the row was: the sum of ``abs(mine * gradient)``, in counts.
    """
    for q in range(indices.size):
        model[q] = 0.0
        for k in range(sums.size):
            model[q] += mine[k] * theirs[indices[q], k]
    away = 0.0
    for k in range(sums.size):
        away += descend_number(k, indices, counts, theirs, sums[k], mine, model)
    return away


@compiled()
def descend_rows(indptr, indices, counts, theirs, sums, mine, start, stop):
    """Do :func:`descend_row` for some rows of CSR counts.

    Parameters
    ----------
    indptr, indices, counts : ndarray
        CSR arrays.
    theirs, sums : ndarray
        The other factor and its sums.
    mine : ndarray of float64, shape (n_rows, n_components)
        Changed in place.
    start, stop : int
        First row, and the one after the last.

    Returns
    -------
    float
        Sum of what the rows return.
    """
    longest = 0
    for r in range(start, stop):
        longest = max(longest, indptr[r + 1] - indptr[r])
    model = np.empty(longest)
    away = 0.0
    for r in range(start, stop):
        first, last = indptr[r], indptr[r + 1]
        away += descend_row(
            indices[first:last], counts[first:last], theirs, sums, mine[r], model[: last - first]
        )
    return away


@compiled(parallel=True)
def descend_chunks(indptr, indices, counts, theirs, sums, mine, edges, away):
    """Do :func:`descend_rows` for all rows, chunk by chunk.

    Rows know nothing of each other, so any number of threads gives the same bits.

    Parameters
    ----------
    indptr, indices, counts, theirs, sums, mine : ndarray
        As in :func:`descend_rows`.
    edges : ndarray of int64, shape (n_chunks + 1,)
        First row of every chunk, and the number of rows.
    away : ndarray of float64, shape (n_chunks,)
        Becomes what the chunks return.
    """
    for c in prange(away.size):
        away[c] = descend_rows(indptr, indices, counts, theirs, sums, mine, edges[c], edges[c + 1])


@compiled()
def log_likelihood_rows(indptr, indices, counts, theirs, mine, start, stop):
    """Sum ``counts * log(model)`` over some rows of CSR counts."""
    total = 0.0
    for r in range(start, stop):
        for q in range(indptr[r], indptr[r + 1]):
            model = 0.0
            for k in range(theirs.shape[1]):
                model += mine[r, k] * theirs[indices[q], k]
            total += counts[q] * np.log(model)
    return total


@compiled(parallel=True)
def log_likelihood_chunks(indptr, indices, counts, theirs, mine, edges, totals):
    """Do :func:`log_likelihood_rows` chunk by chunk."""
    for c in prange(totals.size):
        totals[c] = log_likelihood_rows(
            indptr, indices, counts, theirs, mine, edges[c], edges[c + 1]
        )
