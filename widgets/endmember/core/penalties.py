"""Penalties on spectra: on the volume that they span, and on their roughness."""

from __future__ import annotations

import numpy as np

SPREAD = 1e-2  # of a spectrum's mean square: volumes thinner than this are not told apart
STIFFEST = 16.0  # the largest eigenvalue of squared second differences is below
MOST_HALVES = 30


class Penalty:
    """What volume and roughness of spectra add to the objective.

    Spectra count by their shape, ``h = components * n_channels / heights``, of mean height 1:

    ``volume * logdet(1 + h @ h.T / n_channels / SPREAD)
    + smoothness * sum(mean squared second differences of h)``

    Parameters
    ----------
    volume, smoothness : float
        Weights, in the unit of the objective.
    height : float, optional
        Counts of a spectrum, where abundances sum to one. By default each has its own sum: then
        it does not matter how spectra and abundances share a factor.
    """

    def __init__(self, volume, smoothness, height=None):
        self.volume, self.smoothness, self.height = volume, smoothness, height

    def value(self, components):
        """Return the penalty."""
        shapes, n = self._shapes(components)[0], components.shape[1]
        gram = np.eye(len(shapes)) + shapes @ shapes.T / (n * SPREAD)
        rough = (np.diff(shapes, n=2, axis=1) ** 2).sum() / n
        return self.volume * np.linalg.slogdet(gram)[1] + self.smoothness * rough

    def bound(self, components):
        """Return a parabola that is never below the penalty, and touches it at `components`.

        The logarithm of a determinant is concave in the matrix [1]_; squared differences bend
        less than `STIFFEST` times squares. What changes by the heights is taken for linear.

        Parameters
        ----------
        components : ndarray of shape (n_components, n_channels)
            Spectra in counts.

        Returns
        -------
        bends : ndarray of shape (n_components, n_components)
            Second derivatives, the same in every channel.
        slopes : ndarray of shape (n_components, n_channels)
            First derivatives at zero.

        References
        ----------
        .. [1] V. Leplat, N. Gillis and A. M. S. Ang, IEEE Transactions on Signal Processing 68
           (2020) 3400, doi:10.1109/TSP.2020.2991801.
        """
        (shapes, units), n = self._shapes(components), components.shape[1]
        tangent = np.linalg.inv(SPREAD * np.eye(len(shapes)) + shapes @ shapes.T / n)
        bends = 2 * self.volume / n * tangent
        bends += 2 * self.smoothness / n * STIFFEST * np.eye(len(shapes))
        rough = _bending(shapes) - STIFFEST * shapes
        slopes = 2 * self.smoothness / n * rough
        if self.height is None:
            gradient = bends @ shapes + slopes
            slopes = slopes - (gradient * shapes).sum(axis=1, keepdims=True) / n
        return bends * units * units.T, slopes * units

    def towards(self, before, after, objective):
        """Return spectra on the way from `before` to `after` that do not raise an objective."""
        at = objective(before)
        for _ in range(MOST_HALVES):
            if objective(after) <= at:
                return after
            after = (before + after) / 2
        return before

    def _shapes(self, components):
        """Return the shapes, and what one count is of each."""
        sums = components.sum(axis=1, keepdims=True)
        heights = (
            np.maximum(sums, 1e-300) if self.height is None else np.full_like(sums, self.height)
        )
        units = components.shape[1] / heights
        return components * units, units


def _bending(shapes):
    """Return half the gradient of the summed squares of second differences."""
    bent = np.zeros(shapes.shape)
    second = np.diff(shapes, n=2, axis=1)
    bent[:, :-2] += second
    bent[:, 1:-1] -= 2 * second
    bent[:, 2:] += second
    return bent
