"""What no unbiased estimate can be better than, and whether spectra can turn into each other."""

from __future__ import annotations

import warnings

import numpy as np

from endmember._kernels.abundances import variances_rows
from endmember.core.abundances import fit_abundances
from endmember.core.thinning import thin

CHUNK = 2**18  # numbers at a time
TOO_ALIKE = 1e-6  # singular value of components of length 1 that nothing tells apart
LEAST = 1e-6  # of the mean counts: what is expected at least, where a variance is divided by it
ENOUGH = 1000.0  # counts in which a share is known to a few hundredths
PURE = 0.9  # of the counts of pixels or channels that are taken to be of one component


def abundance_bounds(abundances, components, *, is_closed):
    """Return the standard errors that no unbiased abundances of known components go below.

    Parameters
    ----------
    abundances : ndarray of shape (n_pixels, n_components)
        Where the bounds of Cramér and Rao are wanted.
    components : ndarray of shape (n_components, n_channels)
        Spectra in counts.
    is_closed : bool
        Whether abundances sum to one.
    """
    bounds = np.full(abundances.shape, np.nan)
    units = np.abs(components).sum(axis=1)
    used = np.flatnonzero(units > 0)
    shapes = components[used] / units[used, None]
    lengths = np.linalg.norm(shapes, axis=1, keepdims=True)
    if used.size == 0 or np.linalg.svd(shapes / lengths, compute_uv=False)[-1] < TOO_ALIKE:
        return bounds
    rows, columns = np.tril_indices(used.size)
    pairs = (shapes[rows] * shapes[columns]).T
    least = LEAST * max(float(np.abs(abundances.mean(axis=0) @ components).mean()), 1e-300)
    variances = np.full((len(abundances), used.size), np.nan)
    n_rows = max(1, CHUNK // components.shape[1])
    for start in range(0, len(abundances), n_rows):
        some = slice(start, start + n_rows)
        information = (1 / np.maximum(abundances[some] @ components, least)) @ pairs
        free = np.ones((len(information), used.size))
        bound = 1 / units[used], is_closed
        variances_rows(information, information, free, *bound, variances[some], 0, len(free))
    bounds[:, used] = np.sqrt(variances) / units[used]
    return bounds


def window_bounds(abundances, components, weights):
    """Return the standard errors of weighted sums of channels that know of no model.

    Parameters
    ----------
    abundances, components : ndarray
        The model; below zero it counts as zero.
    weights : ndarray of shape (n_windows, n_channels)
        Of the channels.
    """
    found = np.empty((len(abundances), len(weights)))
    squares, n_rows = (weights**2).T, max(1, CHUNK // components.shape[1])
    for start in range(0, len(abundances), n_rows):
        some = slice(start, start + n_rows)
        found[some] = np.sqrt(np.maximum(abundances[some] @ components, 0) @ squares)
    return found


def purities(spectra, abundances, components, seed):
    """Return the largest share of each component in pixels, and in channels.

    Pixels and channels are chosen by one half of the counts, and their shares are those of the
    other half: what noise makes look pure does not look so twice.
    """
    chooser, judge = _halves(spectra, seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # components that are alike have no share of their own
        in_pixels = _purest(chooser, judge, components)
        in_channels = _purest(_turned(chooser), _turned(judge), np.ascontiguousarray(abundances.T))
    return in_pixels, in_channels


def _halves(spectra, seed):
    values = spectra.data if hasattr(spectra, "indptr") else spectra
    if values.dtype.kind == "f" and not np.array_equal(values, np.rint(values)):
        return spectra, spectra  # no counts, but what is expected: there is no noise in it
    return thin(spectra, 0.5, seed=seed)


def _turned(spectra):
    return spectra.T.tocsr() if hasattr(spectra, "indptr") else np.ascontiguousarray(spectra.T)


def _purest(chooser, judge, spectra):
    """Return the share of each of the spectra in the rows that hold most of it."""
    heights = spectra.sum(axis=1)
    found = np.zeros(len(spectra))
    used = heights > 0
    spectra, heights = spectra[used], heights[used]
    amounts = fit_abundances(chooser, spectra).abundances * heights
    totals = amounts.sum(axis=1)
    shares = np.divide(
        amounts, totals[:, None], out=np.zeros_like(amounts), where=totals[:, None] > 0
    )
    counts = np.asarray(judge.sum(axis=1, dtype=np.float64)).ravel()
    pooled = []
    for share, amount in zip(shares.T, amounts.T, strict=True):
        order = np.lexsort((-amount, -share))
        n_rows = 1 + int(np.searchsorted(np.cumsum(counts[order]), ENOUGH))
        pooled.append(np.asarray(judge[order[:n_rows]].sum(axis=0, dtype=np.float64)).ravel())
    held = fit_abundances(np.array(pooled), spectra).abundances * heights
    found[used] = np.diag(held) / np.maximum(held.sum(axis=1), 1e-300)
    return found
