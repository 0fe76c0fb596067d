"""Sums over pixels, gathered block by block in one pass: all that a weighted PCA needs."""

from __future__ import annotations

import numpy as np

from endmember.core.fingerprint import Fingerprint
from endmember.core.products import add_gram, block_marginals, mirrored


class Moments:
    """Sums of the pixels and channels, and the Gram matrix of scaled pixels.

    A pixel's factor follows from its own sum; the scaling of the channels can wait until all
    pixels were seen.

    Parameters
    ----------
    n_channels : int
        Channels of every block.
    pixel_factors : callable
        Returns the factors of pixels, given their sums.
    """

    def __init__(self, n_channels, pixel_factors):
        self._pixel_factors = pixel_factors
        self.channel_sums = np.zeros(n_channels)
        self._gram = np.zeros((n_channels, n_channels))
        self._pixel_sums = []
        self._hash = Fingerprint((0, n_channels))

    @property
    def pixel_sums(self):
        """Counts of every pixel so far, shape (n_pixels,)."""
        return np.concatenate(self._pixel_sums)

    @property
    def gram(self):
        """``Y.T @ Y`` of the pixels so far, where ``Y = diag(factors) @ X``."""
        return mirrored(self._gram)

    @property
    def shape(self):
        """Numbers of pixels and channels so far."""
        return sum(map(len, self._pixel_sums)), self.channel_sums.size

    @property
    def fingerprint(self):
        """The hash of the counts so far."""
        self._hash.shape = self.shape
        return self._hash.hexdigest()

    def add(self, block, *, is_hashed=False):
        """Take in the next pixels."""
        pixels, channels = block_marginals(block)
        self._pixel_sums.append(pixels)
        self.channel_sums += channels
        add_gram(block, self._pixel_factors(pixels) ** 2, self._gram)
        if is_hashed:
            self._hash.update(block)
