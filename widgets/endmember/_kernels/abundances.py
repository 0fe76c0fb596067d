"""Abundances of given endmembers: small quadratic problems, and Poisson counts pixel by pixel."""

import numpy as np

from endmember._kernels.jit import compiled

TINY = 1e-12  # of what a sum is made of: what counts as zero
RIDGE = 1e-11  # of a curvature, added to it: directions in which nothing bends have an end too
CLOSE = 1e-14  # of the counts, what a last step may gain: the next would change no digit
MOST_STEPS = 200  # of Newton's method
LENIENT = 20  # steps that may pass the lowest point by a little; later ones may not


@compiled()
def decompose(h, order, n, root):
    """Decompose a submatrix by Cholesky's method.

    Parameters
    ----------
    h : ndarray of float64, shape (n_components, n_components)
        Positive definite.
    order : ndarray of int64
        The first `n` are the rows that make the submatrix.
    n : int
        How many.
    root : ndarray of float64, shape (n_components, n_components)
        Becomes the lower triangle in its first `n` rows.
    """
    for i in range(n):
        for j in range(i + 1):
            total = h[order[i], order[j]]
            for k in range(j):
                total -= root[i, k] * root[j, k]
            if i == j:
                root[i, i] = np.sqrt(max(total, 1e-15 * h[order[i], order[i]]))
            else:
                root[i, j] = total / root[j, j]


@compiled()
def solve_with(root, n, x):
    """Solve ``root @ root.T @ x = b`` in place of `b`, for the first `n` numbers."""
    for i in range(n):
        for k in range(i):
            x[i] -= root[i, k] * x[k]
        x[i] /= root[i, i]
    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= root[k, i] * x[k]
        x[i] /= root[i, i]


@compiled()
def solve_face(h, b, u, is_bound, order, n, root, along, z):
    """Solve ``min z @ h @ z / 2 - b @ z`` over some components, the others being zero.

    Parameters
    ----------
    h, b, u, is_bound : ndarray, ndarray, ndarray and bool
        As in :func:`solve_small`.
    order, n, root : ndarray, int and ndarray
        As in :func:`decompose`.
    along, z : ndarray of float64, shape (n_components,)
        Work space, and what becomes the solution, its numbers in the order of `order`.

    Returns
    -------
    float
        The multiplier of ``u @ z = 1``; zero without that.
    """
    decompose(h, order, n, root)
    for i in range(n):
        z[i] = b[order[i]]
        along[i] = u[order[i]]
    solve_with(root, n, z)
    if not is_bound:
        return 0.0
    solve_with(root, n, along)
    over, length = -1.0, 0.0
    for i in range(n):
        over += u[order[i]] * z[i]
        length += u[order[i]] * along[i]
    multiplier = over / length
    for i in range(n):
        z[i] -= multiplier * along[i]
    return multiplier


@compiled()
def find_wanted(h, b, u, multiplier, x):
    """Return which component at zero most wants to be positive, or -1 where none does."""
    wanted, most = -1, TINY
    for k in range(b.size):
        if x[k] > 0.0:
            continue
        pull = b[k] - multiplier * u[k]
        size = abs(b[k]) + abs(multiplier * u[k])
        for j in range(b.size):
            pull -= h[k, j] * x[j]
            size += abs(h[k, j] * x[j])
        if pull > most * size:
            wanted, most = k, pull / size
    return wanted


@compiled()
def go_towards(order, n, z, x):
    """Go from `x` towards `z` until a component is zero; return it, or -1 where none is."""
    share, first = 1.0, -1
    for i in range(n):
        k = order[i]
        if z[i] <= 0.0 and x[k] <= share * (x[k] - z[i]):
            share, first = x[k] / max(x[k] - z[i], 1e-300), k
    for i in range(n):
        k = order[i]
        x[k] = max(x[k] + share * (z[i] - x[k]), 0.0)
    if first >= 0:
        x[first] = 0.0
    return first


@compiled()
def list_free(x, entered, order):
    """List the components that are positive, and the one that enters; return how many they are."""
    n = 0
    for k in range(x.size):
        if x[k] > 0.0 or k == entered:
            order[n] = k
            n += 1
    return n


@compiled()
def solve_small(h, b, u, is_bound, x, order, space, root):
    """Solve ``min x @ h @ x / 2 - b @ x`` with ``x >= 0``, and ``u @ x = 1`` if that is asked for.

    An active set that begins with the components that are positive in `x`, and lowers the objective
    whenever it changes, so that it ends.

    Parameters
    ----------
    h : ndarray of float64, shape (n_components, n_components)
        Positive definite.
    b, u : ndarray of float64, shape (n_components,)
        The linear term, and the constraint, all positive.
    is_bound : bool
        Whether ``u @ x = 1`` is asked for.
    x : ndarray of float64, shape (n_components,)
        Where to begin, within the constraints; becomes the solution.
    order, space, root : ndarray of int64 (n,), float64 (2, n) and float64 (n, n)
        Work space.
    """
    entered = -1
    for _ in range(50 + 10 * b.size):
        n = list_free(x, entered, order)
        multiplier = solve_face(h, b, u, is_bound, order, n, root, space[0], space[1])
        left = go_towards(order, n, space[1], x)
        if left >= 0 and left == entered:
            return  # it wanted to be positive by rounding alone
        entered = -1
        if left < 0:
            entered = find_wanted(h, b, u, multiplier, x)
            if entered < 0:
                return


@compiled()
def free_solution(gram, u, project, start):
    """Find what solves ``min x @ gram @ x / 2 - b @ x`` with ``u @ x = 1`` where none is held.

    Parameters
    ----------
    gram, u : ndarray
        As in :func:`sum_to_one_rows`.
    project, start : ndarray of float64, shape (n_components, n_components) and (n_components,)
        Become what makes the solution: ``project @ b + start``.
    """
    n = u.size
    order, root = np.arange(n), np.zeros((n, n))
    b, along, x = np.zeros(n), np.zeros(n), np.zeros(n)
    solve_face(gram, b, u, True, order, n, root, along, start)
    for j in range(n):
        b[:] = 0.0
        b[j] = 1.0
        solve_face(gram, b, u, True, order, n, root, along, x)
        project[:, j] = x - start


@compiled()
def nonnegative_rows(gram, corr, abundances, start, stop):
    """Solve ``min a @ gram @ a / 2 - corr[p] @ a`` with ``a >= 0`` for some pixels, in place.

    For components too many to have every inverse in a table; see :func:`solve_rows` of ``nnls``.

    Parameters
    ----------
    gram : ndarray of float64, shape (n_components, n_components)
        Products of the endmembers of length 1, positive definite.
    corr : ndarray of float64, shape (n_pixels, n_components)
        Products of the spectra with the endmembers.
    abundances : ndarray of float64, shape (n_pixels, n_components)
        Becomes the solution.
    start, stop : int
        First pixel, and the one after the last.
    """
    n = gram.shape[0]
    order, space, root = np.zeros(n, np.int64), np.zeros((2, n)), np.zeros((n, n))
    u = np.ones(n)
    for p in range(start, stop):
        x = abundances[p]
        for k in range(n):
            x[k] = max(corr[p, k], 0.0)
        solve_small(gram, corr[p], u, False, x, order, space, root)


@compiled()
def sum_to_one_rows(gram, corr, u, abundances, start, stop):
    """Solve ``min a @ gram @ a / 2 - corr[p] @ a`` with ``a >= 0`` and ``u @ a = 1``, in place.

    Parameters
    ----------
    gram : ndarray of float64, shape (n_components, n_components)
        Products of the endmembers, positive definite.
    corr : ndarray of float64, shape (n_pixels, n_components)
        Products of the spectra with the endmembers.
    u : ndarray of float64, shape (n_components,)
        The constraint, all positive.
    abundances : ndarray of float64, shape (n_pixels, n_components)
        Becomes the solution.
    start, stop : int
        First pixel, and the one after the last.
    """
    n = u.size
    order, space, root = np.zeros(n, np.int64), np.zeros((2, n)), np.zeros((n, n))
    project, middle = np.zeros((n, n)), np.zeros(n)
    free_solution(gram, u, project, middle)
    for p in range(start, stop):
        x = abundances[p]
        lowest = 1.0
        for k in range(n):
            x[k] = middle[k]
            for j in range(n):
                x[k] += project[k, j] * corr[p, j]
            lowest = min(lowest, x[k])
        if lowest < 0.0:
            total = 0.0
            for k in range(n):
                x[k] = max(x[k], 0.0)
                total += u[k] * x[k]
            for k in range(n):
                x[k] /= total
            solve_small(gram, corr[p], u, True, x, order, space, root)


@compiled()
def weigh(theirs, indices, counts, n_held, a, slopes, bends):
    """Find first and second derivative of ``sum(model) - sum(counts * log(model))`` at `a`.

    Parameters
    ----------
    theirs : ndarray of float64, shape (n_channels, n_components)
        Endmembers, each of sum 1.
    indices, counts : ndarray of int64 and float64
        The first `n_held` are the channels that hold counts, and how many.
    n_held : int
        Number of them.
    a : ndarray of float64, shape (n_components,)
        Counts of each endmember.
    slopes, bends : ndarray of float64, shape (n_components,) and (n_components, n_components)
        Become the derivatives.

    Returns
    -------
    bool
        Whether there are counts only where the model has some.
    """
    n = a.size
    for k in range(n):
        slopes[k] = 1.0
        for j in range(n):
            bends[k, j] = 0.0
    for q in range(n_held):
        spectrum = theirs[indices[q]]
        model = 0.0
        for k in range(n):
            model += a[k] * spectrum[k]
        if model <= 0.0:
            return False
        for k in range(n):
            ratio = spectrum[k] / model
            scaled = counts[q] * ratio
            slopes[k] -= scaled
            scaled /= model
            for j in range(k + 1):
                bends[k, j] += scaled * spectrum[j]
    for k in range(n):
        for j in range(k):
            bends[j, k] = bends[k, j]
    return True


@compiled()
def search(theirs, indices, counts, n_held, slope, allowed, a, target, slopes, bends):
    """Go from `a` towards `target`, no farther than the lowest point between them.

    Parameters
    ----------
    theirs, indices, counts, n_held : ndarray, ndarray, ndarray and int
        As in :func:`weigh`.
    slope : float
        Along the whole way, at `a`: negative.
    allowed : float
        Share of `slope` that may lead up again at the end.
    a, target : ndarray of float64, shape (n_components,)
        Both become where the way ended.
    slopes, bends : ndarray
        Become the derivatives there.
    """
    share = 1.0
    for _ in range(60):
        is_possible = weigh(theirs, indices, counts, n_held, target, slopes, bends)
        end = 0.0
        for k in range(a.size):
            end += slopes[k] * (target[k] - a[k]) / share
        if is_possible and end <= -allowed * slope:
            break
        shorter = -slope / (end - slope) if is_possible else 0.5
        shorter = min(max(shorter, 0.1), 0.9)
        share *= shorter
        for k in range(a.size):
            target[k] = a[k] + shorter * (target[k] - a[k])
    for k in range(a.size):
        a[k] = target[k]


@compiled()
def bend_across(u, bends):
    """Add a curvature across ``u @ x = 1``, which changes nothing along it, and keeps digits."""
    trace = square = 0.0
    for k in range(u.size):
        trace += bends[k, k]
        square += u[k] * u[k]
    scale = trace / square
    for k in range(u.size):
        for j in range(u.size):
            bends[k, j] += scale * u[k] * u[j]


@compiled()
def fit_held(theirs, indices, counts, n_held, u, is_bound, a, vectors, matrices, order):
    """Raise the Poisson likelihood of one spectrum to its maximum over abundances ``a >= 0``.

    Newton's method: every step goes to the lowest point of the parabola, within the constraints.

    Parameters
    ----------
    theirs, indices, counts, n_held : ndarray, ndarray, ndarray and int
        As in :func:`weigh`.
    u, is_bound : ndarray and bool
        As in :func:`solve_small`.
    a : ndarray of float64, shape (n_components,)
        Where to begin, all positive, within the constraints; becomes the maximum.
    vectors, matrices, order : ndarray of float64 (5, n), float64 (2, n, n) and int64 (n,)
        Work space.

    Returns
    -------
    bool
        Whether the maximum was reached.
    """
    n = a.size
    total = 0.0
    for q in range(n_held):
        total += counts[q]
    slopes, b, target, space = vectors[0], vectors[1], vectors[2], vectors[3:]
    bends, root = matrices[0], matrices[1]
    weigh(theirs, indices, counts, n_held, a, slopes, bends)
    for step in range(MOST_STEPS):
        for k in range(n):
            bends[k, k] += RIDGE * (bends[k, k] + 1.0 / max(total, 1.0))
        if is_bound:
            bend_across(u, bends)
        for k in range(n):
            target[k] = a[k]
            b[k] = -slopes[k]
            for j in range(n):
                b[k] += bends[k, j] * a[j]
        solve_small(bends, b, u, is_bound, target, order, space, root)
        slope = 0.0
        for k in range(n):
            slope += slopes[k] * (target[k] - a[k])
        if -slope <= CLOSE * total:
            for k in range(n):
                a[k] = target[k]
            return True
        allowed = 0.5 if step < LENIENT else 0.0
        search(theirs, indices, counts, n_held, slope, allowed, a, target, slopes, bends)
    return False


@compiled()
def begin(theirs, indices, counts, n_held, project, even, u, is_bound, a):
    """Begin a spectrum: by least squares with even weights, and a little of everything.

    Parameters
    ----------
    theirs, indices, counts, n_held, u, is_bound, a : ndarray, int and bool
        As in :func:`fit_held`.
    project : ndarray of float64, shape (n_channels, n_components)
        What least squares make of one count in every channel.
    even : float
        Share of all counts that every component has at least.
    """
    if is_bound:
        for k in range(a.size):
            a[k] = 1.0 / (a.size * u[k])
        return
    total = 0.0
    for k in range(a.size):
        a[k] = 0.0
    for q in range(n_held):
        total += counts[q]
        for k in range(a.size):
            a[k] += counts[q] * project[indices[q], k]
    for k in range(a.size):
        a[k] = max(a[k], even * total)


@compiled()
def fill_empty(u, is_bound, a):
    """Give a spectrum without counts no abundances, or those that expect the fewest counts."""
    dearest = 0
    for k in range(a.size):
        a[k] = 0.0
        if u[k] > u[dearest]:
            dearest = k
    if is_bound:
        a[dearest] = 1.0 / u[dearest]


@compiled()
def gather(first, last, channels, values, is_seen, indices, counts):
    """List the counts of one row that endmembers can explain; return how many there are."""
    n_held = 0
    for q in range(first, last):
        if values[q] > 0 and is_seen[channels[q]]:
            indices[n_held], counts[n_held] = channels[q], values[q]
            n_held += 1
    return n_held


@compiled()
def poisson_csr_rows(
    indptr, channels, values, theirs, is_seen, project, even, u, is_bound, mine, start, stop
):
    """Do :func:`fit_held` for some rows of CSR counts.

    Parameters
    ----------
    indptr, channels, values : ndarray
        CSR arrays.
    theirs, project, even, u, is_bound : ndarray, ndarray, float, ndarray and bool
        As in :func:`begin`.
    is_seen : ndarray of bool, shape (n_channels,)
        Whether any endmember has the channel; counts of others are passed over.
    mine : ndarray of float64, shape (n_rows, n_components)
        Becomes the abundances.
    start, stop : int
        First row, and the one after the last.

    Returns
    -------
    int
        Rows whose maximum was not reached.
    """
    n_channels, n = theirs.shape
    indices, counts = np.zeros(n_channels, np.int64), np.zeros(n_channels)
    vectors, matrices, order = np.zeros((5, n)), np.zeros((2, n, n)), np.zeros(n, np.int64)
    n_open = 0
    for r in range(start, stop):
        a = mine[r]
        n_held = gather(indptr[r], indptr[r + 1], channels, values, is_seen, indices, counts)
        if n_held == 0:
            fill_empty(u, is_bound, a)
            continue
        begin(theirs, indices, counts, n_held, project, even, u, is_bound, a)
        if not fit_held(theirs, indices, counts, n_held, u, is_bound, a, vectors, matrices, order):
            n_open += 1
    return n_open


@compiled()
def unpack(pairs, matrix):
    """Fill a symmetric matrix from its lower triangle, row after row."""
    pair = 0
    for k in range(matrix.shape[0]):
        for j in range(k + 1):
            matrix[k, j] = matrix[j, k] = pairs[pair]
            pair += 1


@compiled()
def invert_free(h, u, is_bound, order, n, root, along, inverse):
    """Invert a matrix over the free components, and within the constraint.

    Parameters
    ----------
    h : ndarray of float64, shape (n_components, n_components)
        Positive definite over the free components, within the constraint; changed across it.
    u, is_bound : ndarray and bool
        As in :func:`solve_small`.
    order, n : ndarray of int64 and int
        The first `n` are the free components.
    root, along : ndarray of float64, shape (n_components, n_components) and (n_components,)
        Work space.
    inverse : ndarray of float64, shape (n_components, n_components)
        Becomes the inverse, in its first `n` rows and columns.
    """
    if is_bound:
        bend_across(u, h)
    decompose(h, order, n, root)
    for i in range(n):
        inverse[i, :n] = 0.0
        inverse[i, i] = 1.0
        solve_with(root, n, inverse[i])
        along[i] = u[order[i]]
    if not is_bound:
        return
    solve_with(root, n, along)
    length = 0.0
    for i in range(n):
        length += u[order[i]] * along[i]
    for i in range(n):
        for j in range(n):
            inverse[i, j] -= along[i] * along[j] / length


@compiled()
def variances_rows(information, meat, free, u, is_bound, variances, start, stop):
    """Fill in the variances of abundances that are free, for some pixels.

    The diagonal of ``inverse @ meat @ inverse``, where `inverse` is that of the information over
    the free components, and within the constraint.

    Parameters
    ----------
    information, meat : ndarray of float64, shape (n_pixels, n_pairs)
        Lower triangles, row after row.
    free : ndarray of float64, shape (n_pixels, n_components)
        Above zero for components that are free.
    u, is_bound : ndarray and bool
        As in :func:`solve_small`.
    variances : ndarray of float64, shape (n_pixels, n_components)
        NaN; what is free becomes its variance, unless the constraint leaves it no freedom.
    start, stop : int
        First pixel, and the one after the last.
    """
    most = u.size
    order, along = np.zeros(most, np.int64), np.zeros(most)
    matrices = np.zeros((4, most, most))
    h, m, root, inverse = matrices[0], matrices[1], matrices[2], matrices[3]
    for p in range(start, stop):
        n = list_free(free[p], -1, order)
        if n <= is_bound:
            continue
        unpack(information[p], h)
        unpack(meat[p], m)
        invert_free(h, u, is_bound, order, n, root, along, inverse)
        for i in range(n):
            total = 0.0
            for k in range(n):
                for j in range(n):
                    total += inverse[i, k] * m[order[k], order[j]] * inverse[i, j]
            variances[p, order[i]] = max(total, 0.0)
