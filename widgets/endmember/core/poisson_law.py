"""Counts of several phases with Poisson noise, in theory: what stands out of it, and how far."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.special import ndtr

from endmember.core.noise import EDGE_MARGIN, noise_edge

HALF_EMPTY = np.log(2)  # expected counts of a channel that is empty in half of all recordings
MOST_SWEEPS = 1000  # close to the end of the noise they settle slowly
SETTLED = 1e-9  # of the largest resolvent
CLOSE = 1e-4  # of a number that is searched for: far below what the law is good for
SMALL_STEP = 1e-3  # of the way to the noise edge, for slopes


class Whitened:
    """An expected map as PCA whitens it, and what random matrices say of its eigenvalues.

    Parameters
    ----------
    kinds : ndarray of shape (n_kinds, n_components)
        Amounts of every spectrum in each kind of pixel.
    weights : ndarray of shape (n_kinds,)
        Pixels of each kind.
    spectra : ndarray of shape (n_components, n_channels)
        In counts; the last one is the phase.
    is_flat : bool
        Take the noise of all others for flat.
    n_background : int
        Components that come before the phase.
    excess : float
        Where the noise of the background ends, over where flat noise would.
    """

    def __init__(self, kinds, weights, spectra, is_flat, n_background=1, excess=1.0):
        kinds, which = np.unique(kinds, axis=0, return_inverse=True)
        weights = np.bincount(which.ravel(), weights)
        counts = kinds @ spectra.sum(axis=1)
        is_there = (counts > 0) & (weights > 0)
        kinds, counts, weights = kinds[is_there], counts[is_there], weights[is_there]
        totals = (weights @ kinds) @ spectra
        seen = totals > HALF_EMPTY
        totals, spectra = totals[seen], spectra[:, seen]
        mean = totals / totals.sum()
        self.weights, self.n_background = weights, n_background
        self.n_pixels, self.n_channels = float(weights.sum()), int(seen.sum())
        self.aspect = self.n_channels / self.n_pixels
        # How a fixed number of counts falls on channels scatters less than Poisson counts do, by as
        # much, to first order, as if the signal were that of one count less; so it is with pixels
        self.scores = kinds / np.sqrt(counts + 1)[:, None]
        self.spectra = spectra / np.sqrt(mean * (1 + 1 / totals))
        # Poisson variances of the scaled counts: of low rank, as their means are
        self.row_noise, self.channel_noise = kinds / counts[:, None], spectra / mean
        if is_flat:
            share = kinds[:, -1:] * spectra[-1].sum() / counts[:, None]
            self.row_noise = np.hstack([1 - share, share])
            self.channel_noise = np.stack([np.ones_like(mean), self.channel_noise[-1]])
        # Scaled by their own counts, pixels and channels cannot be long by chance. To first order
        # in the kurtosis of the entries, 1 over their counts, the noise ends that much lower.
        self.deficit = np.sqrt(self.aspect) * (weights / counts).sum() / self.n_pixels
        self.edge = noise_edge(self.n_pixels, self.n_channels) * excess
        self.bar = self.edge * (1 + EDGE_MARGIN) * (1 + self.deficit)

    @cached_property
    def gain(self):
        """What the outlier equation of the phase says at the bar: it is detected from 1 on."""
        return self._gain(self.bar)

    @property
    def is_detected(self):
        """Whether the phase stands out of the noise."""
        return bool(self.gain >= 1)

    @property
    def probability(self):
        """Of an eigenvalue above the bar."""
        if self.gain <= 0:
            return 0.0
        if self.gain < np.inf:
            return float(ndtr(np.log(self.gain) / self._scatter(self.bar)[0]))
        # The noise of the phase alone reaches further: its eigenvalue is as good as another
        z = self.outlier()[0] * (1 + self.deficit)
        scatter, slope = self._scatter(z)
        return float(ndtr((z - self.bar) * slope / scatter))

    @property
    def strength(self):
        """How far it would stand out of flat noise, as an eigenvalue."""
        return self._direction[0]

    def outlier(self):
        """Return the expected eigenvalue, and the cosines of its spectrum and of its map."""
        low = self.edge * (1 + self.deficit)
        if self._gain(low * (1 + CLOSE)) < 1:
            return float(self.edge), 0.0, 0.0
        high = 2 * low
        while self._gain(high) >= 1:
            low, high = high, 2 * high
        z = bisect(lambda z: self._gain(z) < 1, low, high)
        rows, columns = self.resolvents(z)
        slope = z * np.log(self._gain(z) / self._gain(z * (1 + CLOSE))) / (z * CLOSE)
        _, of_pixels, of_channels = self._direction
        squares = np.array([of_channels @ columns, of_pixels @ rows]) / slope
        return z / (1 + self.deficit), *np.sqrt(np.clip(squares, 0, 1)).tolist()

    def noise_end(self):
        """Return where the noise ends, or where flat noise would, if that is higher."""
        high = self.edge
        while self.resolvents(high * (1 + EDGE_MARGIN)) is None:
            high *= 2
        if high == self.edge:
            return high
        return bisect(lambda z: self.resolvents(z) is not None, high / 2, high)

    def gains(self, z):
        """Return what the outlier equation says at an eigenvalue, strongest component first."""
        found = self.resolvents(z)
        if found is None:  # noise itself reaches further
            return np.full(len(self.spectra), np.inf)
        rows, columns = found
        of_rows = (self.scores.T * (self.weights * rows)) @ self.scores
        of_columns = (self.spectra * columns) @ self.spectra.T
        values = np.linalg.eigvals(of_rows @ of_columns).real / (self.n_pixels * z)
        return np.sort(values)[::-1]

    def resolvents(self, z):
        """Return the diagonals of both resolvents times -z; None where noise itself reaches z."""
        unit, rows = self.n_pixels * z, np.ones(len(self.weights))
        for _ in range(MOST_SWEEPS):
            columns = 1 - ((self.weights * rows) @ self.row_noise) @ self.channel_noise / unit
            if not (columns > 0).all():
                return None
            columns, before = 1 / columns, rows
            rows = 1 - self.row_noise @ (self.channel_noise @ columns) / unit
            if not (rows > 0).all():
                return None
            rows = 1 / rows
            if np.abs(rows - before).max() < SETTLED * rows.max():
                break
        return rows, columns

    def _gain(self, z):
        gains = self.gains(z)
        return gains[self.n_background] if self.n_background < len(gains) else 0.0

    @cached_property
    def _direction(self):
        """Squared singular value of the phase, and the squares of its map and of its spectrum."""
        of_rows = (self.scores.T * self.weights) @ self.scores / self.n_pixels
        of_columns = self.spectra @ self.spectra.T
        values, vectors = np.linalg.eig(of_rows @ of_columns)
        last = np.argsort(-values.real)[min(self.n_background, len(values) - 1)]
        mixture = vectors[:, last].real
        on_map = self.weights * (self.scores @ (of_columns @ mixture)) ** 2
        spectrum = (mixture @ self.spectra) ** 2
        return float(values[last].real), on_map / on_map.sum(), spectrum / spectrum.sum()

    def _scatter(self, z):
        """Return the standard deviation of the logarithm of the gain, and minus its slope.

        Those of a spike in flat Gaussian noise, whose directions are anywhere, but with the Poisson
        variance along its own direction.
        """
        step = SMALL_STEP * (z - noise_edge(self.n_pixels, self.n_channels))
        before, at, after = (flat_resolvents(z + d, self.aspect) for d in (-step, 0.0, step))
        (rows, columns), slopes = at, (np.array(after) - before) / (2 * step)
        _, on_map, spectrum = self._direction
        along = (on_map @ self.row_noise) @ self.channel_noise @ spectrum
        variance = (
            2 / self.n_pixels * (slopes[0] / rows**2 - 1)
            + 2 / self.n_channels * (slopes[1] / columns**2 - 1)
            + 4 / self.n_pixels * along * (z * slopes[1] + columns) / (z * rows * columns)
        )
        return np.sqrt(variance), -(1 / z + slopes[0] / rows + slopes[1] / columns)


def flat_resolvents(z, aspect):
    """Return the mean diagonals of the resolvents of flat noise, of pixels and of channels.

    Parameters
    ----------
    z : float
        Above the noise edge.
    aspect : float
        Channels over pixels.
    """
    linear = z - 1 + aspect
    columns = (np.sqrt(linear**2 - 4 * aspect * z) - linear) / (2 * aspect * z)
    return -1 / (z * (1 + aspect * columns)), columns


def bisect(claim, low, high):
    """Return where a claim begins to hold, between two positive numbers."""
    while high > low * (1 + CLOSE):
        middle = np.sqrt(low * high)
        low, high = (low, middle) if claim(middle) else (middle, high)
    return high
