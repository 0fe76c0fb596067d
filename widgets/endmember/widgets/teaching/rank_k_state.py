"""A matrix from its first directions, and how much they leave in two norms."""

from __future__ import annotations

import math
from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_scalar

MOST_PIXELS = 128 * 128  # of a picture: a page holds it at every rank
ROUNDING = 1e-12  # of the largest singular value: smaller ones are not known
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


class RankKState:
    """A matrix at every rank, and how much of it is left.

    Parameters
    ----------
    matrix : array_like of shape (rows, columns)
        The matrix A: a picture, or a table with a picture in each row.
    shape : tuple of int, optional
        Rows and columns of the pictures in the rows of a table; by default the matrix is one.
    row : int, default=0
        Which row of a table is shown.
    max_rank : int, default=16
        The highest rank k to go to; turning it up shows finer detail.

    Attributes
    ----------
    picture : ndarray of shape (picture rows, picture columns)
        The matrix, or its row.
    singular_values : ndarray of shape (min(rows, columns),)
        Of the matrix, largest first, in its unit.
    kept, left : ndarray of shape (max_rank + 1, picture rows, picture columns)
        A_k, the sum of the first k directions, from rank 0, and A - A_k; or their row.
    frobenius, spectral : ndarray of shape (max_rank + 1,)
        Norms of what is left, from the singular values: the root of the sum of their squares
        beyond the k-th, and the next one.

    Examples
    --------
    >>> from endmember.widgets.teaching.rank_k_state import RankKState
    >>> state = RankKState([[3.0, 0.0], [0.0, 4.0]])
    >>> state.frobenius.tolist(), state.spectral.tolist()
    ([5.0, 3.0, 0.0], [4.0, 3.0, 0.0])
    """

    def __init__(self, matrix, *, shape=None, row=0, max_rank=16):
        matrix = np.array(matrix, dtype=np.float64)
        check_scalar(max_rank, "max_rank", Integral, min_val=1)
        shown = _shown_rows(matrix, shape, row)
        left, values, right = np.linalg.svd(matrix, full_matrices=False)
        values = np.where(values > ROUNDING * values[0], values, 0.0)
        self.singular_values, self._shape = values, matrix.shape
        ranks = np.arange(min(max_rank, len(values)) + 1)
        self.max_rank = int(ranks[-1])
        kept = [(left[shown, :k] * values[:k]) @ right[:k] for k in ranks]
        self.picture = matrix[shown].reshape(shape or matrix.shape)
        self.kept = np.reshape(kept, (len(ranks), *self.picture.shape))
        self.left = self.picture - self.kept
        self.frobenius = np.sqrt([(values[k:] ** 2).sum() for k in ranks])
        self.spectral = np.append(values, 0.0)[ranks]

    def words(self, rank):
        """Say how many numbers a rank takes, and how much of the matrix it leaves."""
        rows, columns = self._shape
        n_numbers = rank * (rows + columns + 1)
        following = f"σ{rank + 1}".translate(SUBSCRIPTS)
        return (
            f"Rank {rank}: {n_numbers:,} numbers for {rows * columns:,}. What is left has "
            f"Frobenius norm {self.frobenius[rank]:.4g} and spectral norm "
            f"{self.spectral[rank]:.4g} ({following})."
        )


def _shown_rows(matrix, shape, row):
    """Return which rows of a matrix are shown; refuse what is no picture."""
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"matrix has shape {matrix.shape}; give one of rows and columns.")
    if not np.isfinite(matrix).all():
        raise ValueError("matrix holds NaN or infinity; fill these pixels or crop them off.")
    rows, columns = matrix.shape
    if shape is not None:
        if len(shape) != 2 or math.prod(shape) != columns:
            raise ValueError(f"shape is {tuple(shape)}, but a row holds {columns} numbers.")
        check_scalar(row, "row", Integral, min_val=0, max_val=rows - 1)
    n_pixels = matrix.size if shape is None else columns
    if n_pixels > MOST_PIXELS:
        raise ValueError(
            f"the picture has {n_pixels} numbers, more than the {MOST_PIXELS} that a page holds "
            "at every rank; crop or rebin it."
        )
    return slice(None) if shape is None else slice(row, row + 1)
