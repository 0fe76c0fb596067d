"""Eigenvalues of counts that are drawn from a model, again and again."""

from __future__ import annotations

import numpy as np
from scipy.sparse.linalg import eigsh

from endmember.core.draw import SparseDraws, draw_counts
from endmember.core.moments import Moments
from endmember.core.threads import in_parts, one_blas_thread

SPARSE_BELOW = 1.0  # counts a channel: fewer are drawn count by count
BLOCK = 2**22  # numbers that are worked out at once
PRECISION = 1e-4  # of an eigenvalue


class Scaled:
    """Scaling of counts by the square roots of their own sums.

    Parameters
    ----------
    faint_pixel, faint_channel : float, default=0.0
        Added to the sums of pixels and of channels: those that are fainter weigh less.
    """

    def __init__(self, faint_pixel=0.0, faint_channel=0.0):
        self.faint_pixel, self.faint_channel = faint_pixel, faint_channel

    def leading(self, blocks, n_channels, n, gain=1.0):
        """Return leading eigenvalues of blocks of counts, each of which stands for `gain`.

        Without anything added they are in units of the noise variance.
        """
        moments = Moments(n_channels, lambda sums: _root(sums, self.faint_pixel / gain))
        for block in blocks:
            moments.add(block)
        channels = _root(moments.channel_sums, self.faint_channel / gain)
        n_pixels = max(1, np.count_nonzero(moments.pixel_sums))
        matrix = moments.gram
        matrix *= channels[:, None] * moments.channel_sums.sum() / n_pixels
        matrix *= channels
        return highest(matrix, n)


def _root(sums, faint):
    """Return one over the square roots of sums, zero where these are; `faint` is added to them."""
    return np.where(sums > 0, 1 / np.sqrt(np.maximum(sums + faint, 1e-300)), 0.0)


def highest(matrix, n):
    """Return the highest eigenvalues of a symmetric matrix, falling."""
    if n > len(matrix) // 4:
        return np.linalg.eigvalsh(matrix)[::-1][:n]
    start = np.random.default_rng(0).standard_normal(len(matrix))
    return eigsh(matrix, n, v0=start, tol=PRECISION, return_eigenvectors=False)[::-1]


class Draws:
    """Poisson counts drawn from a model, again and again, of which no more than a part is held.

    Parameters
    ----------
    model : tuple of ndarray
        Abundances of shape (n_pixels, n_components) and components of (n_components, n_channels).
    sums : ndarray of shape (n_pixels,)
        Of the measured pixels. Few counts are drawn with the same sums: there, sums of a sum that
        was drawn itself would scatter twice.
    scaled : Scaled
        How counts are scaled.
    gain : float
        Signal of a single count.
    seeds : SeedSequence
        Where chance comes from.
    """

    def __init__(self, model, sums, scaled, gain, seeds):
        abundances, self.components = model
        self.abundances, self.scaled, self.gain = abundances / gain, scaled, gain
        self.shape = len(abundances), self.components.shape[1]
        self._totals, self._seeds = np.rint(sums / gain).astype(np.int64), seeds
        mean = self._totals.mean() / self.shape[1]
        self._draw = self._draw_sparse if mean < SPARSE_BELOW else self._draw_dense
        self._sparse = SparseDraws(self.components)
        held = min(1.0, mean / SPARSE_BELOW) * self.shape[1]  # numbers that a pixel takes
        self._n_rows = max(1, int(BLOCK / max(held, 1.0)))

    def eigenvalues(self, n):
        """Return the first eigenvalue that is not of the model, of counts drawn so many times."""
        with one_blas_thread():
            return in_parts(self._eigenvalue, [(seed,) for seed in self._seeds.spawn(n)])

    def _eigenvalue(self, seed):
        rng, parts = np.random.default_rng(seed), range(0, self.shape[0], self._n_rows)
        blocks = (self._draw(slice(i, i + self._n_rows), rng) for i in parts)
        n = len(self.components) + 1
        return float(self.scaled.leading(blocks, self.shape[1], n, self.gain)[-1])

    def _draw_sparse(self, rows, rng):
        return self._sparse.of_totals(self._totals[rows], self.abundances[rows], rng)

    def _draw_dense(self, rows, rng):
        return draw_counts(self.abundances[rows] @ self.components, rng)
