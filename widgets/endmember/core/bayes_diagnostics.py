"""What draws of chains tell: intervals, how many they are worth, and whether chains agree."""

from __future__ import annotations

import numpy as np


def highest_density_interval(draws, probability=0.95):
    """Return the shortest interval that holds a share of the draws.

    Parameters
    ----------
    draws : ndarray of shape (n_draws, ...)
        Draws, in any unit.
    probability : float, default=0.95
        Share of the draws; turning it up makes intervals longer.

    Returns
    -------
    ndarray of shape (2, ...)
        Lower and upper ends, in the unit of the draws.

    References
    ----------
    M.-H. Chen and Q.-M. Shao, J. Computational and Graphical Statistics 8 (1999) 69,
    https://doi.org/10.1080/10618600.1999.10474802.
    """
    ordered = np.sort(draws, axis=0)
    n_inside = min(len(ordered) - 1, int(np.ceil(probability * len(ordered))))
    widths = ordered[n_inside:] - ordered[: len(ordered) - n_inside]
    first = widths.argmin(axis=0)[None]
    ends = [np.take_along_axis(ordered, first + i, axis=0)[0] for i in (0, n_inside)]
    return np.array(ends)


def effective_sample_size(chains):
    """Return how many independent draws the draws of chains are worth, for their mean.

    The autocorrelation of halved chains is summed in pairs until one is negative, none larger than
    the one before (Geyer); it counts against the chains where they do not agree.

    Parameters
    ----------
    chains : ndarray of shape (n_chains, n_draws, ...)
        Draws in order, 4 or more of each chain.

    Returns
    -------
    ndarray of shape (...)
        At most ``n * log10(n)`` of `n` draws, which may be worth more than independent ones; `n`
        where nothing varies.

    References
    ----------
    A. Vehtari et al., Bayesian Analysis 16 (2021) 667, https://doi.org/10.1214/20-BA1221.
    """
    halves = _halved(chains)
    n_draws = halves.shape[1]
    total = halves.shape[0] * n_draws
    within, between = _variances(halves)
    pooled = within * (n_draws - 1) / n_draws + between
    inner = within - _autocovariance(halves).mean(axis=0)
    correlation = 1 - np.divide(inner, pooled, out=np.zeros_like(inner), where=pooled > 0)
    correlation[0] = 1.0
    pairs = correlation[: n_draws // 2 * 2].reshape(n_draws // 2, 2, *within.shape).sum(axis=1)
    taken = np.logical_and.accumulate(pairs > 0, axis=0)
    pairs = np.minimum.accumulate(np.where(taken, pairs, 0.0), axis=0)
    time = np.maximum(2 * pairs.sum(axis=0) - 1, 1 / np.log10(total))
    return np.where(pooled > 0, total / time, total)


def split_r_hat(chains):
    """Return how much wider all draws spread than those of one half of a chain: 1 if no wider.

    Parameters
    ----------
    chains : ndarray of shape (n_chains, n_draws, ...)
        Draws in order, 4 or more of each chain.

    Returns
    -------
    ndarray of shape (...)
        Not below about 1; inf where every half stands still, but not in the same place.

    References
    ----------
    A. Vehtari et al., Bayesian Analysis 16 (2021) 667, https://doi.org/10.1214/20-BA1221.
    """
    halves = _halved(chains)
    n_draws = halves.shape[1]
    within, between = _variances(halves)
    excess = np.divide(between, within, out=np.full_like(between, np.inf), where=within > 0)
    excess[(within <= 0) & (between <= 0)] = 1 / n_draws
    return np.sqrt((n_draws - 1) / n_draws + excess)


def _halved(chains):
    """Return every chain as two, shape (2 * n_chains, n_draws // 2, ...); an odd draw is left."""
    chains = np.asarray(chains, dtype=np.float64)
    half = chains.shape[1] // 2
    return np.concatenate([chains[:, :half], chains[:, -half:]])


def _variances(chains):
    """Return the mean variance within chains, and the variance of their means."""
    return chains.var(axis=1, ddof=1).mean(axis=0), chains.mean(axis=1).var(axis=0, ddof=1)


def _autocovariance(chains):
    """Return the autocovariance at every lag, shape as that of `chains`; biased, over n."""
    n_draws = chains.shape[1]
    centred = chains - chains.mean(axis=1, keepdims=True)
    waves = np.fft.rfft(centred, n=2 * n_draws, axis=1)
    return np.fft.irfft(np.abs(waves) ** 2, n=2 * n_draws, axis=1)[:, :n_draws] / n_draws
