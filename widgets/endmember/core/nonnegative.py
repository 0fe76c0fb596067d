"""Non-negative abundances of given endmembers, by least squares, free or summing to one."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from endmember._kernels.abundances import nonnegative_rows, sum_to_one_rows
from endmember._kernels.nnls import invert_subsets, solve_rows
from endmember.core.threads import even_parts, in_parts

MOST_IN_TABLE = 10  # components: beyond, a table of 2**n inverses costs more than it saves
SERIAL_BELOW = 50_000  # pixels: two threads take longer to begin than one to finish
CHUNK = 4096
NEARLY_SINGULAR = 1e-12  # of the largest eigenvalue
UNSEEN = 1e-14  # likewise: rounding
NEARLY_ALIKE = 1e-5  # likewise: below, the inverse of a Gram matrix may lose more than OPTIMAL
OPTIMAL = 1e-9  # breach of the conditions that is let be, of the largest product of a pixel
SHORT = 1e-12  # of the largest squared length: what is shorter, or nothing, is not lengthened more
ROUNDING = 1e-14  # of a sum
RIDGE = 1e-8  # of a squared length: less would leave more to rounding than it takes from the sum


def solve_nonnegative(gram, corr):
    """Return ``argmin a @ gram @ a / 2 - corr[p] @ a`` with ``a >= 0`` for every pixel.

    Parameters
    ----------
    gram : ndarray of shape (n_components, n_components)
        Products of the endmembers with each other.
    corr : ndarray of shape (n_pixels, n_components)
        Products of the spectra with the endmembers.

    Returns
    -------
    ndarray of float64, shape (n_pixels, n_components)
        An endmember of zeros gets none.

    References
    ----------
    J. Kim and H. Park, SIAM Journal on Scientific Computing 33 (2011) 3261,
    https://doi.org/10.1137/110821172.
    """
    gram, corr = (np.asarray(values, dtype=np.float64) for values in (gram, corr))
    used = np.diag(gram) > 0
    if not used.size or not used.all():
        abundances = np.zeros(corr.shape)
        if used.any():
            abundances[:, used] = solve_nonnegative(gram[np.ix_(used, used)], corr[:, used])
        return abundances
    # Of unit length: what is small in an endmember's own unit is no reason to drop it.
    lengths = np.sqrt(np.diag(gram))
    abundances = _solve(gram / np.outer(lengths, lengths), corr / lengths)
    abundances /= lengths
    return abundances


def _solve(gram, corr):
    least = np.linalg.eigvalsh(gram)[0]
    if least < NEARLY_SINGULAR:
        return solve_nonnegative_scipy(gram, corr)
    abundances, is_open = _solve_by_inverses(gram, corr)
    if is_open or least < NEARLY_ALIKE:  # few rows, as a rule, of which rounding opens most
        highest = np.maximum(np.abs(corr).max(axis=1, keepdims=True), 1e-300)
        is_off = (_breaches(gram, corr, abundances) > OPTIMAL * highest).any(axis=1)
        abundances[is_off] = solve_nonnegative_scipy(gram, corr[is_off])
    return abundances


def _solve_by_inverses(gram, corr):
    """Return abundances, and whether some may be off."""
    n = len(gram)
    abundances, corr = np.zeros(corr.shape), np.ascontiguousarray(corr)
    if n > MOST_IN_TABLE:
        in_parts(
            lambda start, stop: nonnegative_rows(gram, corr, abundances, start, stop),
            _parts(len(corr)),
        )
        return abundances, False
    table = np.zeros((2**n, n, n))
    invert_subsets(gram, table)
    n_open = in_parts(
        lambda start, stop: solve_rows(gram, table, corr, abundances, start, stop),
        _parts(len(corr)),
    )
    return abundances, any(n_open)


def _parts(n_pixels):
    return even_parts(n_pixels, max(1, n_pixels if n_pixels < SERIAL_BELOW else CHUNK))


def solve_sum_to_one(gram, corr, sums=None):
    """Return ``argmin a @ gram @ a / 2 - corr[p] @ a`` with ``a >= 0`` and ``sums @ a = 1``.

    Parameters
    ----------
    gram : ndarray of shape (n_components, n_components)
        Products of the endmembers with each other.
    corr : ndarray of shape (n_pixels, n_components)
        Products of the spectra with the endmembers.
    sums : ndarray of shape (n_components,), optional
        What one unit of each abundance adds to the sum, above zero; by default 1.

    Returns
    -------
    ndarray of float64, shape (n_pixels, n_components)
        The solution to rounding, by an active set. Where endmembers depend on each other, it is
        one of many; one of zeros is a corner like the others.

    References
    ----------
    D. C. Heinz and C.-I. Chang, IEEE Transactions on Geoscience and Remote Sensing 39 (2001) 529,
    https://doi.org/10.1109/36.911111.
    """
    gram, corr = (np.asarray(values, dtype=np.float64) for values in (gram, corr))
    sums = np.ones(len(gram)) if sums is None else np.asarray(sums, dtype=np.float64)
    size = np.diag(gram).max() or 1.0  # in its unit a length is about as large as a sum
    gram, corr = gram / size, corr / size
    lengths = np.sqrt(np.maximum(np.diag(gram), SHORT))
    sums = sums / lengths
    scaled, corr = gram / np.outer(lengths, lengths), np.ascontiguousarray(corr / lengths)
    across = len(sums) * sums / (sums @ sums)  # the sum is known: this changes nothing along it
    scaled, corr = scaled + np.outer(across, sums), corr + across
    if np.linalg.eigvalsh(scaled)[0] < RIDGE:
        scaled += RIDGE * np.eye(len(gram))
    abundances = np.zeros(corr.shape)
    in_parts(
        lambda start, stop: sum_to_one_rows(scaled, corr, sums, abundances, start, stop),
        _parts(len(corr)),
    )
    faint = (abundances > 0) & (abundances * sums < ROUNDING)
    if faint.any():  # rounding, which spectra that are fitted to it would blow up
        abundances[faint & (abundances < ROUNDING * abundances.max(axis=1, keepdims=True))] = 0.0
    return abundances / (lengths * (abundances @ sums)[:, None])


def solve_nonnegative_scipy(gram, corr):
    """Twin of :func:`solve_nonnegative`, a pixel at a time.

    With ``gram = L @ L.T`` the same problem reads ``min |L.T @ a - y|`` with ``L @ y = corr``; a
    singular Gram matrix leaves out the directions that it does not see.
    """
    values, vectors = np.linalg.eigh(np.asarray(gram, dtype=np.float64))
    seen = values > UNSEEN * values[-1]
    root = np.sqrt(values[seen])
    design = root[:, None] * vectors[:, seen].T
    targets = (np.asarray(corr) @ vectors[:, seen]) / root
    return np.array([nnls(design, target)[0] for target in targets]).reshape(corr.shape)


def kkt_residual(gram, corr, abundances):
    """Return how far abundances are from optimal: zero where they are, whatever the unit.

    The largest breach of ``a >= 0``, ``slack >= 0`` and ``a * slack = 0``, where ``slack = gram @ a
    - corr``, relative to the largest product of spectra and endmembers.
    """
    scale = max(np.abs(corr).max(initial=0.0), 1e-300)
    lengths = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    held = _breaches(gram, corr, abundances) / scale
    return float(max(held.max(initial=0.0), (-abundances * lengths).max(initial=0.0)))


def _breaches(gram, corr, abundances):
    slack = abundances @ gram - corr
    return np.where(abundances > 0, np.abs(slack), np.maximum(-slack, 0))
