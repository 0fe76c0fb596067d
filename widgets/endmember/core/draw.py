"""Draw Poisson counts about what is expected, dense or born sparse."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from endmember._kernels.draw import drop_counts

BLOCK = 2**22  # counts that are drawn at once: 100 MB of work space
SMALLEST = np.uint8
N_GUIDES = 4096  # parts of 1: a channel is found in one step or two


def draw_counts(expected, rng):
    """Draw ``counts ~ Poisson(expected)``, as the smallest whole numbers that hold them.

    Parameters
    ----------
    expected : ndarray
        Expected counts, of any shape.
    rng : numpy.random.Generator
        Where chance comes from.

    Returns
    -------
    ndarray of unsigned int
    """
    # In single precision: what differs between machines lies below, and draws the same counts.
    counts = rng.poisson(np.asarray(expected, dtype=np.float32).astype(np.float64))
    return counts.astype(np.result_type(SMALLEST, np.min_scalar_type(counts.max(initial=0))))


def draw_sparse(abundances, endmembers, rng):
    """Draw ``counts ~ Poisson(abundances @ endmembers)`` count by count, as a CSR array.

    A sum of Poisson counts is Poisson: each endmember gives every pixel its own number of counts,
    and each of these falls into a channel by the endmember's shape. Nothing dense is ever held, and
    the time goes with the counts.

    Parameters
    ----------
    abundances : ndarray of shape (n_pixels, n_components)
        How much of each is in every pixel.
    endmembers : ndarray of shape (n_components, n_channels)
        Expected counts of the pure spectra.
    rng : numpy.random.Generator
        Where chance comes from.

    Returns
    -------
    scipy.sparse.csr_array of unsigned int, shape (n_pixels, n_channels)
    """
    heights = endmembers.sum(axis=1)
    expected = (abundances @ heights).sum()
    n_blocks = max(1, int(np.ceil(expected / BLOCK)))
    blocks = [
        _draw_block(part, endmembers, heights, rng)
        for part in np.array_split(abundances, min(n_blocks, len(abundances)))
    ]
    return sp.csr_array(sp.vstack(blocks, format="csr")) if len(blocks) > 1 else blocks[0]


def _draw_block(abundances, endmembers, heights, rng):
    shape = (len(abundances), endmembers.shape[1])
    keys = []
    for amounts, spectrum, height in zip(abundances.T, endmembers, heights, strict=True):
        n_counts = rng.poisson((amounts * height).astype(np.float32).astype(np.float64))
        edges = np.cumsum(spectrum) / height if height > 0 else np.ones(shape[1])
        channels = np.searchsorted(edges, rng.random(n_counts.sum()), side="right")
        pixels = np.repeat(np.arange(shape[0]), n_counts)
        keys.append(pixels * shape[1] + np.minimum(channels, shape[1] - 1))
    places, counts = np.unique(np.concatenate(keys), return_counts=True)
    pixels, channels = np.divmod(places, shape[1])
    starts = np.concatenate([[0], np.cumsum(np.bincount(pixels, minlength=shape[0]))])
    smallest = np.result_type(SMALLEST, np.min_scalar_type(counts.max(initial=0)))
    parts = (counts.astype(smallest), channels.astype(np.int32), starts.astype(np.int32))
    return sp.csr_array(parts, shape=shape)


class SparseDraws:
    """Counts drawn from the same spectra again and again, as fast as they can be listed.

    They follow the same law as those of :func:`draw_sparse`, from other random numbers.

    Parameters
    ----------
    endmembers : ndarray of shape (n_components, n_channels)
        Expected counts of the pure spectra, none below zero.
    """

    def __init__(self, endmembers):
        self.heights = endmembers.sum(axis=1)
        sums = np.cumsum(endmembers, axis=1)
        last = np.maximum(sums[:, -1:], 1e-300)
        self._edges = np.where(sums < last, sums / last, 1.0)
        parts = np.arange(N_GUIDES) / N_GUIDES
        found = [np.searchsorted(edges, parts, side="right") for edges in self._edges]
        self._guide = np.array(found, dtype=np.int32)

    def __call__(self, abundances, rng):
        """Return ``counts ~ Poisson(abundances @ endmembers)`` as a CSR array of unsigned int.

        Parameters
        ----------
        abundances : ndarray of shape (n_pixels, n_components)
            How much of each is in every pixel.
        rng : numpy.random.Generator
            Where chance comes from.
        """
        return self._dropped(rng.poisson(abundances * self.heights), rng)

    def of_totals(self, totals, abundances, rng):
        """Return counts with the same law, of pixels whose sums are known.

        Parameters
        ----------
        totals : ndarray of int, shape (n_pixels,)
            Counts of every pixel, which abundances share out among the endmembers.
        abundances, rng
            As for a call; where no counts are expected, the mean pixel is.
        """
        shares = abundances * self.heights
        sums = shares.sum(axis=1, keepdims=True)
        shares = np.where(sums > 0, shares, shares.mean(axis=0)) / np.where(sums > 0, sums, 1.0)
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1e-300)
        return self._dropped(rng.multinomial(totals, shares), rng)

    def _dropped(self, numbers, rng):
        """Return so many counts of each component in every pixel, each in a channel by chance."""
        most, n_rows = int(numbers.sum(axis=1).max(initial=0)), len(numbers)
        kind = np.uint16 if most < 2**16 else np.uint32
        indptr = np.empty(n_rows + 1, dtype=np.int32)
        indices, values = np.empty(numbers.sum(), dtype=np.int32), np.empty(numbers.sum(), kind)
        drop_counts(rng, numbers, self._edges, self._guide, indptr, indices, values)
        held = slice(int(indptr[-1]))
        shape = n_rows, self._edges.shape[1]
        return sp.csr_array((values[held].copy(), indices[held].copy(), indptr), shape=shape)
