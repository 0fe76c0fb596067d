"""Scalings that make Poisson noise flat: one factor a pixel, one a channel."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from endmember.core.products import marginals, sinkhorn_sweep, times, times_transposed

WEIGHTINGS = ("poisson", "biwhiten", "none")
TOLERANCE = 1e-8  # of the balanced column sums; far below the noise of any count
MAX_SWEEPS = 5000


@dataclass(frozen=True)
class Scaling:
    """Factors that turn counts X into ``Y = diag(pixels) @ X @ diag(channels)``.

    Parameters
    ----------
    pixels : ndarray of shape (n_pixels,)
        Factor of every pixel; zero leaves it out.
    channels : ndarray of shape (n_channels,)
        Factor of every channel; zero leaves it out.
    noise : float
        Variance that Poisson noise has in Y, on average over its entries.
    """

    pixels: np.ndarray
    channels: np.ndarray
    noise: float = 1.0

    @property
    def shape(self):
        """Numbers of pixels and of channels that take part."""
        return int(np.count_nonzero(self.pixels)), int(np.count_nonzero(self.channels))


def choose_scaling(spectra, weighting, *, gain, min_counts):
    """Return the scaling that `weighting` names."""
    sums = marginals(spectra)
    if not sums[0].any():
        raise ValueError(
            "counts are zero in every pixel; nothing can be unmixed. Check that the right signal "
            "was loaded."
        )
    if weighting == "poisson":
        return keenan_kotula(*sums, gain=gain)
    if weighting == "biwhiten":
        return biwhitening(spectra, *sums, gain=gain, min_counts=min_counts)
    mean_count = sums[0].sum() / (spectra.shape[0] * spectra.shape[1])
    ones = [np.ones(n) for n in spectra.shape]
    return Scaling(*ones, noise=gain * mean_count)


def keenan_kotula(pixel_sums, channel_sums, *, gain=1.0):
    """Scale by the square roots of the pixel sums and of the mean spectrum.

    The noise becomes flat where the map is nearly one mean spectrum: an entry is divided by the
    square root of ``pixel_sums[p] * channel_sums[c] / total``, its expected count.

    References
    ----------
    Keenan and Kotula, Surf. Interface Anal. 36 (2004) 203, doi:10.1002/sia.1657.
    """
    mean_spectrum = channel_sums / channel_sums.sum()
    return Scaling(_inverse_root(gain * pixel_sums), _inverse_root(mean_spectrum))


def biwhitening(spectra, pixel_sums, channel_sums, *, gain=1.0, min_counts=20):
    """Scale so that the noise variance of every pixel, and of every channel, is 1 on average.

    Sinkhorn's algorithm balances the counts, which estimate their own variance. Pixels and
    channels below `min_counts` are left out first: with too few counts it does not converge.

    References
    ----------
    Landa, Zhang and Kluger, SIAM J. Math. Data Sci. 4 (2022) 1420, doi:10.1137/21M1456807.
    """
    pixels, channels = _well_filled(spectra, pixel_sums, channel_sums, gain * min_counts)
    n_pixels, n_channels = np.count_nonzero(pixels), np.count_nonzero(channels)
    if min(n_pixels, n_channels) < 2:
        raise ValueError(
            f"biwhitening needs pixels and channels that hold {min_counts:g} counts (min_counts) "
            f"and finds {n_pixels} pixels and {n_channels} channels; rebin the map, lower "
            "min_counts, or use weighting='poisson'."
        )
    rows, columns = pixels.astype(np.float64), channels / np.maximum(channel_sums, 1.0)
    for _ in range(MAX_SWEEPS):
        rows, sums = sinkhorn_sweep(spectra, columns, rows)
        balance = columns * sums * n_channels / n_pixels  # 1 in every channel once balanced
        error = np.abs(balance[channels] - 1).max()
        if error < TOLERANCE:
            break
        columns[channels] = n_pixels / (n_channels * sums[channels])
    else:
        warnings.warn(
            f"biwhitening did not converge: after {MAX_SWEEPS} sweeps a channel is off by "
            f"{error:.1e}; raise min_counts or rebin the map.",
            RuntimeWarning,
            stacklevel=5,
        )
    return _as_scaling(rows, columns, n_channels, gain)


def _as_scaling(rows, columns, n_channels, gain):
    """Share the constant between rows and columns so that 1/channels² adds up to one."""
    inverse = np.zeros_like(columns)
    np.divide(1.0, columns, out=inverse, where=columns > 0)
    constant = inverse.sum()
    return Scaling(np.sqrt(rows * n_channels / (gain * constant)), np.sqrt(columns * constant))


def _well_filled(spectra, pixel_sums, channel_sums, min_counts):
    """Leave out pixels and channels until all that stay hold `min_counts`."""
    pixels, channels = pixel_sums >= min_counts, channel_sums >= min_counts
    while pixels.any() and channels.any():
        pixel_sums, channel_sums = _sums_within(spectra, pixels, channels)
        keep_pixels = pixels & (pixel_sums >= min_counts)
        keep_channels = channels & (channel_sums >= min_counts)
        if (keep_pixels == pixels).all() and (keep_channels == channels).all():
            break
        pixels, channels = keep_pixels, keep_channels
    return pixels, channels


def _sums_within(spectra, pixels, channels):
    pixel_sums = times(spectra, channels.astype(np.float64))
    return pixel_sums, times_transposed(spectra, pixels.astype(np.float64))


def _inverse_root(values):
    root = np.zeros_like(values)
    np.divide(1.0, np.sqrt(values), out=root, where=values > 0)
    return root
