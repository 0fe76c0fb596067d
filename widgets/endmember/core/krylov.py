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
    """Find leading eigenvectors by block Krylov iteration, until they stay where they are.

    Every round multiplies one more block and looks at the whole space so far (Rayleigh and Ritz).
    The angle is bounded by the residual over the gap to the next eigenvalue [1]_.

    Parameters
    ----------
    apply : callable
        Returns the product of the matrix with an array of shape (size, n_vectors).
    start : ndarray of shape (size, n_vectors)
        First block, of more vectors than are wanted.
    n_wanted : int
        How many eigenvectors.
    tol : float
        Angle in radians that is small enough.
    max_rounds : int
        Products at most.
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
    basis = linalg.qr(start)[0]
    block, products = basis, np.empty((len(basis), 0))
    for i in range(max_rounds):
        products = np.hstack([products, apply(block)])
        found = _ritz(basis, products, n_wanted)
        report((i + 1) / max_rounds)
        if found.angle <= tol:
            break
        block = _new_directions(products[:, -block.shape[1] :], basis)
        if i + 1 < max_rounds:
            basis = np.hstack([basis, block])
    return found


def _ritz(basis, products, n_wanted):
    """Return the best eigenvectors within a space, and how far they are from true ones."""
    values, turns = linalg.eigh(basis.T @ products)
    values, turns = values[::-1], turns[:, ::-1]
    axes = basis @ turns
    nearby = slice(n_wanted + 1)
    residuals = products @ turns[:, nearby] - axes[:, nearby] * values[nearby]
    lengths = linalg.norm(residuals, axis=0)
    gap = values[n_wanted - 1]
    if len(values) > n_wanted:
        gap -= values[n_wanted] + lengths[n_wanted]
    angle = linalg.norm(lengths[:n_wanted]) / gap if gap > 0 else np.inf
    return Leading(values.clip(min=0.0), axes.T, float(angle))


def _new_directions(block, basis):
    """Return an orthonormal block of what is not in the basis yet."""
    for _ in range(2):  # the second time takes away what rounding left
        block = linalg.qr(block - basis @ (basis.T @ block))[0]
    return block
