"""What noise alone would give: the edge that a component has to rise above, and the bulk below."""

from __future__ import annotations

import numpy as np

# The largest eigenvalue of pure noise scatters about the edge by its Tracy-Widom width, a few
# tenths of a percent for a map of some thousand pixels: one percent keeps it below.
EDGE_MARGIN = 0.01
N_ANGLES = 2000  # at which the law of the bulk is summed up: exact to 1e-6 there
TRACY_WIDOM = 1.268  # standard deviation of the law of order one, in its widths
FEWEST = 50  # eigenvalues that a bulk needs: the median of fewer scatters by percents
RIGHT = (0.9, 1.1)  # measured noise over expected noise
CORRELATED = 0.05  # between neighbours: a blur of the detector gives some tenths


class NoiseWarning(UserWarning):
    """Say that the noise of the counts is not what it was taken for."""

    def __init__(self, message):
        super().__init__(message)


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


def noise_width(n_pixels, n_channels):
    """Return the scale of Tracy and Widom's law for the largest eigenvalue, over the noise edge.

    References
    ----------
    Johnstone, Ann. Stat. 29 (2001) 295, doi:10.1214/aos/1009210544.
    """
    rows, columns = np.sqrt(n_pixels), np.sqrt(n_channels)
    return float((1 / rows + 1 / columns) ** (1 / 3) / (rows + columns))


def noise_median(n_pixels, n_channels):
    """Return the median of the eigenvalues of ``Y.T @ Y / n_pixels`` that unit noise gives.

    Where channels outnumber pixels, of those that are not zero for want of pixels.

    Parameters
    ----------
    n_pixels, n_channels : int
        Shape of Y, whose entries are independent with variance 1.

    Examples
    --------
    >>> round(noise_median(40401, 2009), 3)
    0.983

    References
    ----------
    Marchenko and Pastur, Math. USSR Sb. 1 (1967) 457, doi:10.1070/SM1967v001n04ABEH001994.
    """
    aspect = n_channels / n_pixels
    # Eigenvalues 1 + aspect + 2 * sqrt(aspect) * cos(angle) have density sin(angle)**2 / eigenvalue
    ends = np.arange(N_ANGLES + 1) * np.pi / N_ANGLES
    middles = (ends[1:] + ends[:-1]) / 2
    eigenvalues = 1 + aspect + 2 * np.sqrt(aspect) * np.cos(middles)
    share = np.cumsum(np.sin(middles) ** 2 / eigenvalues)
    angle = np.interp(0.5, share / share[-1], ends[1:])
    return float(1 + aspect + 2 * np.sqrt(aspect) * np.cos(angle))


def count_above(scree, edge):
    """Count the eigenvalues that stand above the edge and its margin."""
    return int(np.count_nonzero(np.asarray(scree) > edge * (1.0 + EDGE_MARGIN)))


def describe_noise(variance, correlation, weighting):
    """Say what is wrong with the noise, in one sentence and a way out; nothing where all is well.

    Parameters
    ----------
    variance : float
        Of the noise, over what is expected; NaN where it could not be measured.
    correlation : float
        Between neighbouring channels of what the components leave.
    weighting : str
        The scaling that took the counts for Poisson's.
    """
    if correlation > CORRELATED:
        return (
            f"noise of neighbouring channels is correlated ({correlation:.2f} on average): a "
            "detector's blur, resampled or smoothed spectra, or many weak components. The noise "
            "edge does not hold; pass the counts as they were recorded, or judge by held-out "
            "counts (em.thin)."
        )
    if np.isnan(variance) or RIGHT[0] <= variance <= RIGHT[1]:
        return ""
    flatter = ", or weighting='biwhiten' where phases differ much" * (weighting == "poisson")
    return (
        f"noise has {variance:.2f} times the variance that Poisson counts of gain 1 would have; "
        f"the noise edge does not hold. Pass gain= (signal for one quantum){flatter}."
    )
