"""Spectra in few principal components, where a round of a factorisation costs little."""

from __future__ import annotations

import numpy as np

SPARE = 6  # directions beside those of the components, in each step of the Krylov space
WORTHWHILE = 4  # times shorter, at least


class ShortSpectra:
    """Spectra projected on few directions: ``scores @ axes`` stands for them in every product.

    Parameters
    ----------
    scores : ndarray of shape (n_pixels, n_axes)
        The spectra along each axis, counts.
    axes : ndarray of shape (n_axes, n_channels)
        Orthonormal, dimensionless.
    """

    def __init__(self, scores, axes):
        self.scores, self.axes = scores, axes
        self.shape = scores.shape[0], axes.shape[1]

    def times(self, matrix):
        """Return ``spectra @ matrix``."""
        return self.scores @ (self.axes @ matrix)

    def turned_times(self, matrix):
        """Return ``spectra.T @ matrix``."""
        return self.axes.T @ (self.scores.T @ matrix)

    def squares(self):
        """Return the sum of squares."""
        return float(np.vdot(self.scores, self.scores))

    def turned_by(self, weights):
        """Return the scores of spectra with weighted channels, turned to orthonormal axes."""
        return self.scores @ np.linalg.qr((self.axes * weights).T)[1].T

    def rows(self, pixels):
        """Return the spectra of some pixels."""
        return self.scores[pixels] @ self.axes


def n_axes(n_components):
    """Return how many directions the compression keeps."""
    return 2 * (n_components + SPARE)


def is_worthwhile(shape, n_components):
    """Whether compressed spectra are much smaller than the spectra."""
    return min(shape) >= WORTHWHILE * n_axes(n_components)


def compress(spectra, n_components):
    """Return spectra projected on two steps of a block Krylov space, which holds the leading axes.

    Five passes over the spectra, from a fixed random start [1]_.

    Parameters
    ----------
    spectra : Spectra
        Counts of shape (n_pixels, n_channels).
    n_components : int
        Components that will be asked for; turning it up keeps more axes.

    References
    ----------
    .. [1] C. Musco and C. Musco, Advances in Neural Information Processing Systems 28 (2015) 1396,
       arXiv:1504.05477.
    """
    width = n_axes(n_components) // 2
    block = np.random.default_rng(0).normal(size=(spectra.shape[1], width))
    steps = []
    for _ in range(2):
        block = np.linalg.qr(spectra.turned_times(spectra.times(block)))[0]
        steps.append(block)
    axes = np.linalg.qr(np.hstack(steps))[0]
    return ShortSpectra(spectra.times(axes), np.ascontiguousarray(axes.T))
