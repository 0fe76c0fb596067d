"""Two features against each other: every pixel of a map in one of a square of bins."""

from __future__ import annotations

import numpy as np

from endmember.widgets.regions import mask_of

N_BINS = 96  # along either side
TAIL = 0.002  # of the pixels, beyond either end: they are drawn at the end


class Plane:
    """Pixels by two of their features, the first to the right and the second upwards.

    Parameters
    ----------
    across, up : ndarray of shape (n_pixels,)
        Two features of every visible pixel.
    labels : ndarray of int, shape (n_pixels,)
        Cluster of every visible pixel.
    visible : ndarray of bool, shape (rows, columns)
        Where these pixels are on the map.
    """

    def __init__(self, across, up, labels, visible):
        self.labels, self.visible = labels, visible
        self.across, self.up = Steps(across), Steps(up)
        self.shape = (N_BINS, N_BINS)

    def density(self):
        """Return how many pixels fall into each bin, row 0 on top; NaN where none do."""
        density = self._sums(np.ones(self.labels.size))
        density[density == 0] = np.nan
        return self._drawn(density)

    def clusters(self, n_clusters):
        """Return the cluster of most pixels in each bin, -1 where there are none."""
        sizes = np.stack([self._sums(self.labels == k) for k in range(n_clusters)])
        return self._drawn(np.where(sizes.any(axis=0), sizes.argmax(axis=0), -1))

    def pixels_in(self, region):
        """Return which pixels of the map fall into a region of the plane."""
        rows, columns = (steps.centres() for steps in (self.up, self.across))
        inside = mask_of(region, self.shape)[N_BINS - 1 - rows[:, None], columns]
        chosen = np.zeros(self.visible.shape, dtype=bool)
        chosen[self.visible] = inside[self.up.of_pixels, self.across.of_pixels]
        return chosen

    def bins_of(self, chosen):
        """Return which bins hold chosen pixels of the map."""
        return self._drawn(self._sums(chosen[self.visible])) > 0

    def _sums(self, weights):
        sums = np.zeros((self.up.n, self.across.n))
        np.add.at(sums, (self.up.of_pixels, self.across.of_pixels), weights)
        return sums

    def _drawn(self, values):
        """Draw every bin as large as fits, the first at the lower left."""
        empty = -1 if values.dtype.kind == "i" else 0 if values.dtype.kind == "b" else np.nan
        drawn = np.full(self.shape, empty, dtype=values.dtype)
        rows, columns = self.up.drawn_as(), self.across.drawn_as()
        drawn[: rows.size, : columns.size] = values[rows[:, None], columns]
        return drawn[::-1]


class Steps:
    """One feature in at most so many steps of even width; counts in whole ones.

    Attributes
    ----------
    of_pixels : ndarray of int, shape (n_pixels,)
        The step of every pixel; what lies beyond an end is in the last one.
    ends : tuple of float
        Values at the left and right end of the plane.
    n : int
        Number of steps.
    """

    def __init__(self, values):
        low, high = np.quantile(values, [TAIL, 1 - TAIL])
        if not high > low:
            low, high = float(values.min()), float(values.max())
        if not high > low:
            low, high = low - 0.5, low + 0.5
        width = (high - low) / N_BINS
        if np.array_equal(values, np.rint(values)):
            low, high = np.floor(low) - 0.5, np.ceil(high) + 0.5
            width = np.ceil((high - low) / N_BINS)
        self.n = min(N_BINS, max(1, int(np.ceil((high - low) / width - 1e-9))))
        self.of_pixels = np.clip(np.floor((values - low) / width).astype(int), 0, self.n - 1)
        self.size = N_BINS // self.n  # of a step, as it is drawn
        self.ends = float(low), float(low + width * N_BINS / self.size)

    def drawn_as(self):
        """Return which step each row or column of the plane belongs to."""
        return np.repeat(np.arange(self.n), self.size)

    def centres(self):
        """Return the row or column that stands for each step."""
        return np.arange(self.n) * self.size + self.size // 2
