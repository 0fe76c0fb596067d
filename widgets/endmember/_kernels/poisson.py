"""Poisson factorisation: coordinate descent on rows of counts, given the other factor."""

import numpy as np

from endmember._kernels.jit import compiled

MOST_STEPS = 8  # of Newton's method for one number; it begins close
CLOSE = 1e-3  # relative step at which one number is found well enough for now
SHRINKING = 0.1  # at most so much of a number is kept in one step down: its logarithm has no zero
NOTHING = 1e-12  # expected counts below which a number that wants to shrink is zero
LEAST = 1e-100  # below which it is zero where a penalty may yet make it grow again
MOST_TRIES = 30  # at where the best share between two numbers lies


@compiled()
def step_from(old, slope, bend, total, curve):
    """Return where one step of Newton's method leads for one number.

    Parameters
    ----------
    old : float
        Where it is.
    slope, bend : float
        First and second derivative there.
    total : float
        Counts that the model expects for each unit of it.
    curve : float
        Second derivative of a penalty.
    """
    if bend == 0.0:
        return 0.0  # no counts ask for it
    new = max(old - slope / bend, SHRINKING * old)
    if curve > 0.0:
        return new if new > LEAST else 0.0
    if slope > 0.0 and new * total < NOTHING:
        return 0.0
    return new


@compiled()
def descend_number(k, indices, counts, theirs, total, curve, mine, model):
    """Lower the deviance of one row by one of its numbers, until that is found well enough.

    Added to the deviance is the penalty ``curve * mine[k]**2 / 2``.

    Parameters
    ----------
    k : int
        Which number.
    indices, counts, theirs, mine, model : ndarray
        As in :func:`descend_row`; `mine` and `model` are changed in place.
    total : float
        Sum of the other factor for this number, and what penalties add to it.
    curve : float
        Second derivative of the penalty.

    Returns
    -------
    float
        ``abs(mine[k] * gradient)`` before the first step, in counts.
    """
    away = 0.0
    for step in range(MOST_STEPS):
        slope, bend = total + curve * mine[k], curve
        for q in range(indices.size):
            ratio = theirs[indices[q], k] / model[q]
            slope -= counts[q] * ratio
            bend += counts[q] * ratio * ratio
        old = mine[k]
        if step == 0:
            away = abs(old * slope)
        new = step_from(old, slope, bend, total, curve)
        change = new - old
        for q in range(indices.size):
            model[q] += change * theirs[indices[q], k]
        mine[k] = new
        if abs(change) <= CLOSE * new:
            break
    return away


@compiled()
def predict(indices, theirs, mine, model):
    """Fill the model of one row where it holds counts."""
    for q in range(indices.size):
        model[q] = 0.0
        for k in range(mine.size):
            model[q] += mine[k] * theirs[indices[q], k]


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
    predict(indices, theirs, mine, model)
    away = 0.0
    for k in range(sums.size):
        away += descend_number(k, indices, counts, theirs, sums[k], 0.0, mine, model)
    return away


@compiled()
def longest_row(indptr, start, stop):
    """Return the largest number of counts in a row."""
    longest = 0
    for r in range(start, stop):
        longest = max(longest, indptr[r + 1] - indptr[r])
    return longest


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
    model = np.empty(longest_row(indptr, start, stop))
    away = 0.0
    for r in range(start, stop):
        first, last = indptr[r], indptr[r + 1]
        away += descend_row(
            indices[first:last], counts[first:last], theirs, sums, mine[r], model[: last - first]
        )
    return away


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


@compiled()
def descend_rows_penalised(indptr, indices, counts, theirs, totals, bends, mine, start, stop):
    """Do :func:`descend_rows` where every row has sums of its own, and a quadratic penalty.

    Lowered is ``totals[r] @ mine[r] + mine[r] @ bends @ mine[r] / 2 - sum(counts * log(model))``.

    Parameters
    ----------
    indptr, indices, counts, theirs, mine, start, stop : ndarray and int
        As in :func:`descend_rows`.
    totals : ndarray of float64, shape (n_rows, n_components)
        Sums of the other factor over the columns that the row holds, and linear penalties.
    bends : ndarray of float64, shape (n_components, n_components)
        Positive semidefinite.

    Returns
    -------
    float
        Sum over the rows of ``abs(mine * gradient)``, in counts.
    """
    model = np.empty(longest_row(indptr, start, stop))
    away = 0.0
    for r in range(start, stop):
        first, last = indptr[r], indptr[r + 1]
        held, values, there = indices[first:last], counts[first:last], model[: last - first]
        predict(held, theirs, mine[r], there)
        for k in range(mine.shape[1]):
            total = totals[r, k]
            for j in range(mine.shape[1]):
                if j != k:
                    total += bends[k, j] * mine[r, j]
            away += descend_number(k, held, values, theirs, total, bends[k, k], mine[r], there)
    return away


@compiled()
def slope_between(k, j, moved, gain, indices, counts, theirs, model):
    """Find first and second derivative by what moves from number `j` to number `k`.

    Parameters
    ----------
    k, j : int
        The two numbers.
    moved : float
        How much has moved since the model was made.
    gain : float
        What one unit moved adds to the sum of the model.
    indices, counts, theirs, model : ndarray
        As in :func:`descend_row`.
    """
    slope, bend = gain, 0.0
    for q in range(indices.size):
        change = theirs[indices[q], k] - theirs[indices[q], j]
        there = model[q] + moved * change
        if there <= 0.0:  # counts without a model: back, wherever the way came from
            return (-np.inf if moved < 0.0 else np.inf), 1.0
        ratio = change / there
        slope -= counts[q] * ratio
        bend += counts[q] * ratio * ratio
    return slope, bend


@compiled()
def best_move(k, j, gain, indices, counts, theirs, mine, model):
    """Find how much to move from number `j` to number `k`; never past the lowest point.

    Between a point where the way still leads down and one where it leads up lies the lowest:
    Newton's steps from the former, halves where these go too far.
    """
    slope, bend = slope_between(k, j, 0.0, gain, indices, counts, theirs, model)
    far = mine[j] if slope < 0.0 else -mine[k]
    if slope == 0.0 or far == 0.0:
        return 0.0
    if slope_between(k, j, far, gain, indices, counts, theirs, model)[0] * slope >= 0.0:
        return far
    near, downwards = 0.0, slope
    for _ in range(MOST_TRIES):
        there = near - slope / bend if bend > 0.0 else far
        if abs(there) >= abs(far):
            there = 0.5 * (near + far)
        found, curve = slope_between(k, j, there, gain, indices, counts, theirs, model)
        if found * downwards >= 0.0:
            is_close = abs(there - near) <= CLOSE * abs(there)
            near, slope, bend = there, found, curve
            if is_close:
                break
        else:
            far = there
    return near


@compiled()
def balance_row(indices, counts, theirs, totals, mine, model):
    """Lower the deviance of one row while the sum of its numbers stays, pair by pair.

    Parameters
    ----------
    indices, counts, theirs, mine, model : ndarray
        As in :func:`descend_row`.
    totals : ndarray of float64, shape (n_components,)
        Sums of the other factor over the columns that the row holds.

    Returns
    -------
    float
        How far from optimal the row was: the sum of ``abs(mine * (gradient - level))``, in counts,
        where the level is the mean gradient, weighted by `mine`.
    """
    predict(indices, theirs, mine, model)
    slopes = totals.copy()
    for q in range(indices.size):
        for k in range(mine.size):
            slopes[k] -= counts[q] * theirs[indices[q], k] / model[q]
    level, total, away = 0.0, 0.0, 0.0
    for k in range(mine.size):
        level += mine[k] * slopes[k]
        total += mine[k]
    for k in range(mine.size):
        away += abs(mine[k] * (slopes[k] - level / total))
    for k in range(mine.size):
        for j in range(k):
            gain = totals[k] - totals[j]
            moved = best_move(k, j, gain, indices, counts, theirs, mine, model)
            for q in range(indices.size):
                there = model[q] + moved * (theirs[indices[q], k] - theirs[indices[q], j])
                model[q] = max(there, LEAST)  # by rounding it may be below
            mine[k] = max(mine[k] + moved, 0.0)
            mine[j] = max(mine[j] - moved, 0.0)
    return away


@compiled()
def balance_rows(indptr, indices, counts, theirs, totals, mine, start, stop):
    """Do :func:`balance_row` for some rows of CSR counts.

    Parameters
    ----------
    indptr, indices, counts, theirs, totals, mine, start, stop : ndarray and int
        As in :func:`descend_rows_penalised`; rows of `mine` have a sum above zero.

    Returns
    -------
    float
        Sum of what the rows return.
    """
    model = np.empty(longest_row(indptr, start, stop))
    away = 0.0
    for r in range(start, stop):
        first, last = indptr[r], indptr[r + 1]
        away += balance_row(
            indices[first:last],
            counts[first:last],
            theirs,
            totals[r],
            mine[r],
            model[: last - first],
        )
    return away


@compiled()
def share_rows(indptr, indices, counts, theirs, mine, start, stop, gathered):
    """Share out the counts of some rows among four components, as the model would.

    One sweep of expectation and maximisation: every count is divided in proportion to what each
    component expects there. What a row's counts add up to is its new factor, and what a column's
    add up to the other one, but for its scale; both from the same model.

    Parameters
    ----------
    indptr, indices, counts : ndarray
        CSR arrays.
    theirs : ndarray of float64, shape (n_columns, 4)
        The other factor, each component of sum 1 over the columns.
    mine : ndarray of float64, shape (n_rows, 4)
        This factor; becomes the new one.
    start, stop : int
        First row, and the one after the last.
    gathered : ndarray of float64, shape (n_columns, 4)
        Counts of every column that each component was given; added to.
    """
    for r in range(start, stop):
        m0, m1, m2, m3 = mine[r, 0], mine[r, 1], mine[r, 2], mine[r, 3]
        s0 = s1 = s2 = s3 = 0.0
        for q in range(indptr[r], indptr[r + 1]):
            c = np.uint32(indices[q])
            z0, z1 = m0 * theirs[c, 0], m1 * theirs[c, 1]
            z2, z3 = m2 * theirs[c, 2], m3 * theirs[c, 3]
            model = (z0 + z1) + (z2 + z3)
            if model <= 0.0:
                continue
            ratio = counts[q] / model
            z0, z1, z2, z3 = z0 * ratio, z1 * ratio, z2 * ratio, z3 * ratio
            s0, s1, s2, s3 = s0 + z0, s1 + z1, s2 + z2, s3 + z3
            gathered[c, 0] += z0
            gathered[c, 1] += z1
            gathered[c, 2] += z2
            gathered[c, 3] += z3
        mine[r, 0], mine[r, 1], mine[r, 2], mine[r, 3] = s0, s1, s2, s3


@compiled()
def share_rows_among_many(indptr, indices, counts, theirs, mine, start, stop, gathered):
    """Do :func:`share_rows` for any number of components."""
    n = theirs.shape[1]
    shares, sums = np.empty(n), np.empty(n)
    for r in range(start, stop):
        for k in range(n):
            sums[k] = 0.0
        for q in range(indptr[r], indptr[r + 1]):
            c, model = np.uint32(indices[q]), 0.0
            for k in range(n):
                shares[k] = mine[r, k] * theirs[c, k]
                model += shares[k]
            if model <= 0.0:
                continue
            ratio = counts[q] / model
            for k in range(n):
                sums[k] += shares[k] * ratio
                gathered[c, k] += shares[k] * ratio
        for k in range(n):
            mine[r, k] = sums[k]
