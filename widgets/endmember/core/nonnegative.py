"""Non-negative abundances of given endmembers, by least squares."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from endmember._kernels.nnls import invert_subsets, solve_chunks, solve_rows

MOST_IN_TABLE = 10  # components: beyond, a table of 2**n inverses costs more than it saves
SERIAL_BELOW = 50_000  # pixels: two threads take longer to begin than one to finish
CHUNK = 4096
NEARLY_SINGULAR = 1e-12  # of the largest eigenvalue


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
    gram, corr = (np.ascontiguousarray(values, dtype=np.float64) for values in (gram, corr))
    used = np.diag(gram) > 0
    abundances = np.zeros(corr.shape)
    if used.any():
        # Of unit length: what is small in an endmember's own unit is no reason to drop it.
        lengths = np.sqrt(np.diag(gram)[used])
        scaled = gram[np.ix_(used, used)] / np.outer(lengths, lengths)
        abundances[:, used] = _solve(scaled, corr[:, used] / lengths) / lengths
    return abundances


def _solve(gram, corr):
    n = len(gram)
    is_singular = np.linalg.eigvalsh(gram)[0] < NEARLY_SINGULAR
    if n > MOST_IN_TABLE or is_singular:
        return solve_nonnegative_scipy(gram, corr)
    table, abundances = np.zeros((2**n, n, n)), np.zeros(corr.shape)
    invert_subsets(gram, table)
    corr = np.ascontiguousarray(corr)
    if len(corr) < SERIAL_BELOW:
        n_open = solve_rows(gram, table, corr, abundances, 0, len(corr))
    else:
        n_open = np.zeros(-(-len(corr) // CHUNK), dtype=np.int64)
        solve_chunks(gram, table, corr, abundances, CHUNK, n_open)
    return solve_nonnegative_scipy(gram, corr) if np.any(n_open) else abundances


def solve_nonnegative_scipy(gram, corr):
    """Twin of :func:`solve_nonnegative`, a pixel at a time.

    With ``gram = L @ L.T`` the same problem reads ``min |L.T @ a - y|`` with ``L @ y = corr``; a
    singular Gram matrix leaves out the directions that it does not see.
    """
    values, vectors = np.linalg.eigh(np.asarray(gram, dtype=np.float64))
    seen = values > NEARLY_SINGULAR * values[-1]
    root = np.sqrt(values[seen])
    design = root[:, None] * vectors[:, seen].T
    targets = (np.asarray(corr) @ vectors[:, seen]) / root
    return np.array([nnls(design, target)[0] for target in targets]).reshape(corr.shape)


def kkt_residual(gram, corr, abundances):
    """Return how far abundances are from optimal: zero where they are, whatever the unit.

    The largest breach of ``a >= 0``, ``slack >= 0`` and ``a * slack = 0``, where ``slack = gram @ a
    - corr``, relative to the largest product of spectra and endmembers.
    """
    slack = abundances @ gram - corr
    scale = max(np.abs(corr).max(initial=0.0), 1e-300)
    lengths = np.sqrt(np.maximum(np.diag(gram), 1e-300))
    held = np.where(abundances > 0, np.abs(slack), np.maximum(-slack, 0))
    return float(max((held / scale).max(initial=0.0), (-abundances * lengths).max(initial=0.0)))
