"""Draws of a chain: all of them as a sum, some of them kept, and what several chains tell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endmember.core.bayes_diagnostics import (
    effective_sample_size,
    highest_density_interval,
    split_r_hat,
)

CHUNK = 500_000  # numbers that are summarised at a time


class Draws:
    """Draws of one array: their sum, and every so many of them.

    Parameters
    ----------
    shape : tuple of int
        Of the array.
    n_planned : int
        Draws that will come.
    most : int
        Draws to keep, as float32: of more, evenly spaced ones.
    """

    def __init__(self, shape, n_planned, most):
        self.step = -(-n_planned // most)
        self.sums = np.zeros(shape)
        self.n_added = 0
        self._kept = np.empty((n_planned // self.step, *shape), dtype=np.float32)

    def add(self, values):
        """Take one draw."""
        self.sums += values
        self.n_added += 1
        if self.n_added % self.step == 0:
            self._kept[self.n_added // self.step - 1] = values

    @property
    def mean(self):
        """Of all draws, kept or not."""
        return self.sums / self.n_added

    @property
    def kept(self):
        """Draws that were kept so far, shape (n_kept, *shape)."""
        return self._kept[: self.n_added // self.step]


@dataclass(frozen=True, eq=False)
class Summary:
    """What the draws of all chains tell of one array of shape (n_rows, n_components).

    Attributes
    ----------
    mean, interval, ess, r_hat : ndarray
        Posterior mean, ends of the 95 % highest-density interval (two of each), effective sample
        size and split R-hat.
    """

    mean: np.ndarray
    interval: np.ndarray
    ess: np.ndarray
    r_hat: np.ndarray


def summarise(chains, orders):
    """Summarise the draws of chains whose components come in different orders.

    Parameters
    ----------
    chains : list of Draws
        Of arrays of shape (n_rows, n_components).
    orders : list of ndarray of int
        Components of each chain in the common order.
    """
    mean = np.mean([draws.mean[:, order] for draws, order in zip(chains, orders, strict=True)], 0)
    interval, ess, r_hat = np.empty((2, *mean.shape)), np.empty(mean.shape), np.empty(mean.shape)
    n_rows = max(1, CHUNK // (sum(len(draws.kept) for draws in chains) * mean.shape[1]))
    for start in range(0, len(mean), n_rows):
        rows = slice(start, start + n_rows)
        pairs = zip(chains, orders, strict=True)
        drawn = np.stack([draws.kept[:, rows][..., order] for draws, order in pairs])
        interval[:, rows] = highest_density_interval(drawn.reshape(-1, *drawn.shape[2:]))
        ess[rows], r_hat[rows] = effective_sample_size(drawn), split_r_hat(drawn)
    return Summary(mean, interval, ess, r_hat)
