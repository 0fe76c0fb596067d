"""Two components against each other: the pixels of a map in a square of bins, highest on top."""

from __future__ import annotations

import numpy as np

from endmember.widgets.regions import mask_of

N_BINS = 96  # along either side


def scatter_ends(values):
    """Return the lowest and the highest finite value, or zero where it is no farther off."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if 0 < low <= high - low:
        low = 0.0
    return (low, high) if high > low else (low, low + 1.0)


def scatter_bins(across, up):
    """Return the row and the column of the bin that every pixel falls into.

    Parameters
    ----------
    across, up : ndarray of shape (rows, columns)
        Scores of two components; the first grows to the right, the second upwards.

    Returns
    -------
    rows, columns : ndarray of int, shape (rows, columns)
        From 0 to 95, row 0 on top; -1 where either is NaN.
    """
    columns, rows = (_steps(values) for values in (across, up))
    missing = ~(np.isfinite(across) & np.isfinite(up))
    rows = N_BINS - 1 - rows
    rows[missing] = columns[missing] = -1
    return rows, columns


def scatter_density(across, up):
    """Return how many pixels fall into each bin, shape (96, 96); NaN where none do."""
    rows, columns = scatter_bins(across, up)
    seen = rows >= 0
    density = np.zeros((N_BINS, N_BINS))
    np.add.at(density, (rows[seen], columns[seen]), 1)
    density[density == 0] = np.nan
    return density


def scatter_mask(region, across, up):
    """Return which pixels of the map fall into a region that was drawn on the scatter."""
    rows, columns = scatter_bins(across, up)
    inside = mask_of(region, (N_BINS, N_BINS))
    return (rows >= 0) & inside[rows, columns]


def _steps(values):
    low, high = scatter_ends(values)
    steps = np.floor((np.nan_to_num(values, nan=low) - low) / (high - low) * N_BINS)
    return np.clip(steps, 0, N_BINS - 1).astype(int)
