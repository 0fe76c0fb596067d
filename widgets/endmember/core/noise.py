"""What noise alone would give: the edge that a component has to rise above."""

from __future__ import annotations

import numpy as np

# The largest eigenvalue of pure noise scatters about the edge by its Tracy-Widom width, a few
# tenths of a percent for a map of some thousand pixels: one percent keeps it below.
EDGE_MARGIN = 0.01


def noise_edge(n_pixels, n_channels):
    """Return the upper end of the eigenvalues of ``Y.T @ Y / n_pixels`` for unit noise.

    Parameters
    ----------
    n_pixels, n_channels : int
        Shape of Y, whose entries are independent with variance 1.

    Examples
    --------
    >>> round(noise_edge(40401, 2009), 3)
    1.496

    References
    ----------
    Marchenko and Pastur, Math. USSR Sb. 1 (1967) 457, doi:10.1070/SM1967v001n04ABEH001994.
    """
    return float((1.0 + np.sqrt(n_channels / n_pixels)) ** 2)


def count_above(scree, edge):
    """Count the eigenvalues that stand above the edge and its margin."""
    return int(np.count_nonzero(np.asarray(scree) > edge * (1.0 + EDGE_MARGIN)))
