"""Scalings that make Poisson noise flat: one factor a pixel, one a channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endmember.core.products import filling, marginals, sinkhorn_sweep

WEIGHTINGS = ("poisson", "biwhiten", "none")
TOLERANCE = 1e-8  # of the balanced column sums; far below the noise of any count
MAX_SWEEPS = 2000
SETTLING_SWEEPS = 100  # in which the error at least halves where there is a balance to be found
SPARE_FILLING = (1.05, 1.5, 2.5, 5.0)  # times the least filling; more of it settles sooner


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
    if weighting == "biwhiten":
        check_any(marginals(spectra)[0])
        return biwhitening(spectra, gain=gain, min_counts=min_counts)
    pixel_sums, channel_sums = marginals(spectra)
    return scaling_of_sums(pixel_sums, channel_sums, weighting, gain=gain)


def scaling_of_sums(pixel_sums, channel_sums, weighting, *, gain):
    """Return the scaling that `weighting` names, where sums of the counts are all it needs."""
    check_any(pixel_sums)
    if weighting == "poisson":
        return keenan_kotula(pixel_sums, channel_sums, gain=gain)
    n_pixels, n_channels = pixel_sums.size, channel_sums.size
    mean_count = pixel_sums.sum() / (n_pixels * n_channels)
    return Scaling(np.ones(n_pixels), np.ones(n_channels), noise=gain * mean_count)


def pixel_factors(pixel_sums, weighting, *, gain):
    """Return the factors of pixels that :func:`scaling_of_sums` gives, which need no others."""
    return _inverse_root(gain * pixel_sums) if weighting == "poisson" else np.ones(pixel_sums.size)


def check_any(pixel_sums):
    """Refuse counts that are zero everywhere."""
    if not pixel_sums.any():
        raise ValueError(
            "counts are zero in every pixel; nothing can be unmixed. Check that the right signal "
            "was loaded."
        )


def keenan_kotula(pixel_sums, channel_sums, *, gain=1.0):
    """Scale by the square roots of the pixel sums and of the mean spectrum.

    The noise becomes flat where the map is nearly one mean spectrum: an entry is divided by the
    square root of ``pixel_sums[p] * channel_sums[c] / total``, its expected count.

    References
    ----------
    Keenan and Kotula, Surf. Interface Anal. 36 (2004) 203, doi:10.1002/sia.1657.
    """
    mean_spectrum = channel_sums / channel_sums.sum()
    return Scaling(pixel_factors(pixel_sums, "poisson", gain=gain), _inverse_root(mean_spectrum))


def biwhitening(spectra, *, gain=1.0, min_counts=20):
    """Scale so that the noise variance of every pixel, and of every channel, is 1 on average.

    Sinkhorn's algorithm balances the counts, which estimate their own variance. That is possible
    only where no channel lives in too few pixels, nor a pixel in too few channels: all channels
    weigh the same in the end, so that one which fills less than ``n_pixels / n_channels``
    pixels cannot carry its share. Such channels are left out first, with those that hold less than
    `min_counts`, and with the pixels that then hold nothing.

    References
    ----------
    Landa, Zhang and Kluger, SIAM J. Math. Data Sci. 4 (2022) 1420, doi:10.1137/21M1456807.
    """
    for spare in SPARE_FILLING:
        pixels, channels = _well_filled(spectra, gain * min_counts, spare)
        n_pixels, n_channels = np.count_nonzero(pixels), np.count_nonzero(channels)
        if min(n_pixels, n_channels) < 2:
            raise ValueError(
                "biwhitening finds too few counts to balance: after leaving out channels below "
                f"{min_counts:g} counts (min_counts) and those that fill too few pixels, "
                f"{n_pixels} pixels and {n_channels} channels stay; rebin the map or use "
                "weighting='poisson'."
            )
        balanced = _balance(spectra, pixels, channels)
        if balanced is not None:
            rows, columns = balanced
            return _as_scaling(rows, columns, n_channels, gain)
    raise ValueError(
        "biwhitening cannot balance these counts: the map falls into parts that share hardly any "
        "channels, such as phases without a common background. Crop it to one of them, or use "
        "weighting='poisson'."
    )


def _balance(spectra, pixels, channels):
    """Sinkhorn's row and column weights, or None where they do not settle."""
    shape = np.count_nonzero(pixels) / np.count_nonzero(channels)
    rows, columns = pixels.astype(np.float64), channels.astype(np.float64)
    checked = np.inf
    for sweep in range(MAX_SWEEPS):
        rows, sums = sinkhorn_sweep(spectra, columns, rows)
        balance = columns[channels] * sums[channels] / shape  # 1 in every channel once balanced
        error = np.abs(balance - 1).max()
        if error < TOLERANCE:
            return rows, columns
        if sweep % SETTLING_SWEEPS == 0:
            if not error < checked / 2:
                return None
            checked = error
        columns[channels] /= balance
    return None


def _as_scaling(rows, columns, n_channels, gain):
    """Share the constant between rows and columns so that 1/channels² adds up to one."""
    inverse = np.zeros_like(columns)
    np.divide(1.0, columns, out=inverse, where=columns > 0)
    constant = inverse.sum()
    return Scaling(np.sqrt(rows * n_channels / (gain * constant)), np.sqrt(columns * constant))


def _well_filled(spectra, min_counts, spare):
    """Leave out pixels and channels until all that stay can be balanced, `spare` times over."""
    _, pixel_filling, channel_filling = filling(spectra, *(np.ones(n) for n in spectra.shape))
    pixels, channels = pixel_filling > 0, channel_filling > 0  # vacuum must not raise the measure
    while pixels.any() and channels.any():
        aspect = np.count_nonzero(pixels) / np.count_nonzero(channels)
        channel_counts, pixel_filling, channel_filling = filling(spectra, pixels, channels)
        keep_pixels = pixels & (pixel_filling >= max(1.0, spare / aspect))
        keep_channels = channels & (channel_counts >= min_counts)
        keep_channels &= channel_filling >= max(1.0, spare * aspect)
        if (keep_pixels == pixels).all() and (keep_channels == channels).all():
            break
        pixels, channels = keep_pixels, keep_channels
    return pixels, channels


def _inverse_root(values):
    root = np.zeros_like(values)
    np.divide(1.0, np.sqrt(values), out=root, where=values > 0)
    return root
