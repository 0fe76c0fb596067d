"""Leading eigenvectors of a symmetric matrix that is only known by its products with vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy import linalg


@dataclass(frozen=True)
class Leading:
    """What was found of a symmetric positive matrix.

    Attributes
    ----------
    values : ndarray of shape (n_found,)
        Eigenvalues, falling; those past the wanted ones are approached from below.
    axes : ndarray of shape (n_found, size)
        Unit eigenvectors.
    angle : float
        Bound of the largest angle, in radians, between the space of the wanted axes and the true
        one.
    """

    values: np.ndarray
    axes: np.ndarray
    angle: float


def find_leading(apply, start, n_wanted, *, tol, max_rounds, report):
    """Find leading eigenvectors by block Lanczos iteration, until they stay where they are.

    Every round multiplies one more block and looks at the whole space so far. What the matrix
    leads out of that space is the residual of every eigenvector found in it; over the gap to the
    next eigenvalue it bounds the angle that is left [1]_.

    Parameters
    ----------
    apply : callable
        Returns the product of the matrix with an array of shape (size, n_vectors).
    start : ndarray of shape (size, n_vectors)
        First block. Fewer vectors than are wanted take more rounds, but less work.
    n_wanted : int
        How many eigenvectors.
    tol : float
        Angle in radians that is small enough.
    max_rounds : int
        Products at most; all of them must have room in the matrix.
    report : callable
        Called with the share of the rounds that were made.

    Returns
    -------
    Leading
        Its angle is infinite where the gap could not be told from zero.

    References
    ----------
    .. [1] C. Davis and W. M. Kahan, SIAM J. Numer. Anal. 7 (1970) 1, doi:10.1137/0707001.
    """
    (size, width), n_made = start.shape, 0
    basis, projected = np.empty((size, max_rounds * width)), np.zeros((max_rounds * width,) * 2)
    block, angle = linalg.qr(start)[0], np.inf
    while n_made < max_rounds and angle > tol:
        made = slice(n_made * width, (n_made + 1) * width)
        n_made += 1
        basis[:, made] = block
        known = basis[:, : made.stop]
        product = apply(block)
        projected[: made.stop, made] = known.T @ product
        block, outwards = _outwards(product, known, projected[: made.stop, made])
        values, turns = linalg.eigh(projected[: made.stop, : made.stop], UPLO="U")
        angle = _angle(values[::-1], outwards @ turns[made, ::-1], n_wanted)
        report(n_made / max_rounds)
    axes = (known @ turns)[:, ::-1].T
    return Leading(values[::-1].clip(min=0.0), axes, angle)


def _outwards(product, known, projection):
    """Return an orthonormal block of what is not known yet, and how the product follows from it."""
    rest = product - known @ projection
    rest -= known @ (known.T @ rest)  # what rounding left
    return linalg.qr(rest)


def _angle(values, residuals, n_wanted):
    """Return a bound of the angle of the wanted space to the true one."""
    if len(values) < n_wanted:
        return np.inf
    lengths = linalg.norm(residuals, axis=0)
    gap = values[n_wanted - 1]
    if len(values) > n_wanted:
        gap -= values[n_wanted] + lengths[n_wanted]
    return float(linalg.norm(lengths[:n_wanted]) / gap) if gap > 0 else np.inf
