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
    across, up : Steps
        Two features of every visible pixel.
    labels : ndarray of int, shape (n_pixels,)
        Cluster of every visible pixel.
    visible : ndarray of bool, shape (rows, columns)
        Where these pixels are on the map.
    """

    def __init__(self, across, up, labels, visible):
        self.labels, self.visible = labels, visible
        self.across, self.up = across, up
        self.shape = (N_BINS, N_BINS)
        self._bins = up.of_pixels * across.n + across.of_pixels

    def density(self, chosen=None):
        """Return how many pixels, or chosen ones, fall into each bin; NaN where none do."""
        held = slice(None) if chosen is None else chosen[self.visible]
        density = self._counted(self._bins[held]).astype(float)
        density[density == 0] = np.nan
        return self._drawn(density)

    def clusters(self, n_clusters, chosen=None):
        """Return the cluster of most pixels in each bin, -1 where there are none.

        Where pixels are chosen, these decide, and bins without any are `n_clusters`.
        """
        held = np.ones(self.labels.size, bool) if chosen is None else chosen[self.visible]
        of_cluster = self.labels * self.up.n * self.across.n + self._bins
        sizes = self._counted(of_cluster[held], n_clusters)
        others = np.where(self._counted(self._bins[~held]) > 0, n_clusters, -1)
        return self._drawn(np.where(sizes.any(axis=0), sizes.argmax(axis=0), others))

    def pixels_in(self, region):
        """Return which pixels of the map fall into a region of the plane."""
        rows, columns = (steps.centres() for steps in (self.up, self.across))
        inside = mask_of(region, self.shape)[N_BINS - 1 - rows[:, None], columns]
        chosen = np.zeros(self.visible.shape, dtype=bool)
        chosen[self.visible] = inside[self.up.of_pixels, self.across.of_pixels]
        return chosen

    def bin_of(self, pixel):
        """Return the row and column of the bin that holds a pixel of the map; None if hidden."""
        if not self.visible[pixel]:
            return None
        at = np.count_nonzero(
            self.visible.ravel()[: np.ravel_multi_index(pixel, self.visible.shape)]
        )
        row, column = (s.centres()[s.of_pixels[at]] for s in (self.up, self.across))
        return int(N_BINS - 1 - row), int(column)

    def pixel_near(self, place, pixel):
        """Return the pixel of the map in the bin at a place, the nearest to `pixel`, or None."""
        up, across = N_BINS - 1 - place[0], place[1]
        inside = (self.up.drawn_as()[up] == self.up.of_pixels) & (
            self.across.drawn_as()[across] == self.across.of_pixels
        )
        pixels = np.argwhere(self.visible)[inside]
        if not len(pixels):
            return None
        nearest = pixels[((pixels - np.array(pixel)) ** 2).sum(axis=1).argmin()]
        return tuple(int(i) for i in nearest)

    def _counted(self, bins, *n_layers):
        """Return how many pixels there are in every bin, of one layer or of several."""
        shape = (*n_layers, self.up.n, self.across.n)
        return np.bincount(bins, minlength=int(np.prod(shape))).reshape(shape)

    def _drawn(self, values):
        """Stretch the bins over the plane, the first at the lower left."""
        return values[self.up.drawn_as()[:, None], self.across.drawn_as()][::-1]


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
        self.ends = float(low), float(low + width * self.n)

    def drawn_as(self):
        """Return which step each row or column of the plane belongs to."""
        return np.arange(N_BINS) * self.n // N_BINS

    def centres(self):
        """Return the row or column that stands for each step."""
        drawn, steps = self.drawn_as(), np.arange(self.n)
        first, beyond = (np.searchsorted(drawn, steps, side) for side in ("left", "right"))
        return (first + beyond - 1) // 2
