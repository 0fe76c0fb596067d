"""Where a factorisation begins: corners, singular vectors, or chance."""

from __future__ import annotations

import numpy as np

from endmember.core.gaussian import on_simplex
from endmember.core.nfindr import NFINDR
from endmember.core.nonnegative import solve_nonnegative
from endmember.core.pca import PCA

LEAST_SCALE = 0.1  # of the common one
FLOOR = 1e-3  # of the mean, added to a start: what begins at zero would stay there


def from_corners(spectra, n_components, rng):
    """Begin from the purest pixels, or from chance where the pixels have no so many corners."""
    try:
        nfindr = NFINDR(n_components, random_state=rng, n_restarts=2)
        found = nfindr._fit_within(spectra).components_
    except ValueError:
        return from_chance(spectra, n_components, rng)
    return lifted(found, channel_sums(spectra))


def from_short_corners(short, spectra, n_components, rng):
    """Do the same for spectra in few principal components, where it costs little.

    Parameters
    ----------
    short : ShortSpectra
        The spectra, compressed.
    spectra : ndarray or CSR array of shape (n_pixels, n_channels)
        Counts.
    n_components : int
        How many corners.
    rng : numpy.random.RandomState
        Where random starts begin.
    """
    sums = channel_sums(spectra)
    weights = np.divide(1.0, np.sqrt(sums), out=np.zeros(sums.size), where=sums > 0)
    try:  # channels weighted by their noise, as NFINDR does
        nfindr = NFINDR(n_components, weighting="none", random_state=rng, n_restarts=2)
        pixels = nfindr._fit_within(short.turned_by(weights)).pixels_
    except ValueError:
        return from_chance(spectra, n_components, rng)
    return lifted(np.clip(short.rows(pixels), 0, None), sums)


def from_singular_vectors(spectra, n_components):
    """Begin from the larger halves of the singular vectors, with their means in place of zeros."""
    pca = PCA(n_components, weighting="none")._fit_within(spectra)
    scores = pca._transform(spectra)
    found = np.array(list(map(_larger_half, pca.components_, scores.T)))
    return lifted(np.where(found > 0, found, found.mean()), channel_sums(spectra))


def _larger_half(spectrum, scores):
    """Return the positive or the negative half of a singular vector, whichever explains more."""
    halves = [(np.clip(s * spectrum, 0, None), np.clip(s * scores, 0, None)) for s in (1, -1)]
    return max(halves, key=lambda half: np.linalg.norm(half[0]) * np.linalg.norm(half[1]))[0]


def from_chance(spectra, n_components, rng):
    """Begin from sums of all pixels with random weights."""
    weights = rng.gamma(0.3, size=(n_components, spectra.shape[0]))
    found = np.asarray(spectra.T.astype(np.float64) @ weights.T).T
    return lifted(found, channel_sums(spectra))


def channel_sums(spectra):
    """Return how many counts every channel holds."""
    return np.asarray(spectra.sum(axis=0, dtype=np.float64)).ravel()


def lifted(components, sums):
    """Lift zeros off the ground, where the channel holds counts at all: in any pixel."""
    total = components.sum(axis=1, keepdims=True)
    components = components / np.where(total > 0, total, 1)
    mean = components.mean(axis=0)
    return components + FLOOR * np.where(sums > 0, mean + mean.mean(), 0)


def summed_to_one(abundances, components):
    """Give spectra the heights with which abundances come closest to a sum of one, and that sum.

    Parameters
    ----------
    abundances : ndarray of shape (n_pixels, n_components), in any unit
        Where to begin.
    components : ndarray of shape (n_components, n_channels), in any unit
        Where to begin.
    """
    sums = abundances.sum(axis=0)
    heights = solve_nonnegative(abundances.T @ abundances, sums[None])[0]
    common = len(abundances) / max(sums.sum(), 1e-300)
    heights = np.maximum(heights, LEAST_SCALE * common)
    return on_simplex(abundances * heights), components / heights[:, None]
