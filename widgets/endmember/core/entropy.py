"""Relative entropy: how far an image is from an even one, beyond what noise alone gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.special import gammaln, xlogy

from endmember.core.blocks import row_blocks
from endmember.core.checks import (
    canonical_csr,
    check_array_kind,
    check_dtype,
    check_values,
    is_dask,
)
from endmember.core.decomposition import Decomposition
from endmember.core.image import SpectrumImage
from endmember.core.record import Record, record_of
from endmember.core.sources import as_spectrum_image

LARGE = 1e4  # counts a pixel, from which on the first terms of a series are exact to 1e-4
TAILS = 12  # standard deviations to either side that a sum over counts runs
FEW = 40  # counts that such a sum runs to at least: a mean near zero has a long tail


@dataclass(frozen=True, eq=False)
class RelativeEntropy:
    """Information of images against an even one; :func:`relative_entropy` makes it.

    Numbers for a single image, arrays of shape (n_maps,) for several; NaN for one without counts.

    Attributes
    ----------
    bits : float or ndarray
        Relative entropy of the image as it is, in bits for each count: 0 where it is even,
        ``log2(n_pixels)`` where one pixel holds all.
    expected : float or ndarray
        What an even image of as many counts has on average, by counting noise alone; in bits.
    noise : float or ndarray
        Standard deviation of that, in bits.
    stderr : float or ndarray
        Standard error of `excess`, in bits: `noise`, and where there is structure its own scatter.
    n_counts : float or ndarray
        Counts of the image, or what it was said to be made of.
    n_pixels : int
        Visible pixels.
    excess : float or ndarray
        ``bits - expected``: what the image holds beyond noise.
    z_score : float or ndarray
        ``excess / noise``: of an even image near a standard normal number, where it has pixels
        and counts in plenty.
    record : Record
        What made it: the maps, settings, versions.
    """

    bits: np.ndarray
    expected: np.ndarray
    noise: np.ndarray
    stderr: np.ndarray
    n_counts: np.ndarray
    n_pixels: int
    record: Record

    @property
    def excess(self) -> np.ndarray:
        """Bits beyond what noise alone gives."""
        return self.bits - self.expected

    @property
    def z_score(self) -> np.ndarray:
        """The excess in standard deviations of noise."""
        return self.excess / self.noise


def relative_entropy(maps, *, n_counts=None, mask=None):
    """Return the information of images against a purely random one, in bits.

    With p the share of the counts in each pixel and q the even share, ``1 / n_pixels``, it is
    ``sum(p * log2(p / q))``, the Kullback-Leibler divergence [1]_, [2]_. An even image of counts
    is never quite even, so what noise alone gives is stated beside it, exactly for Poisson counts.

    Parameters
    ----------
    maps : array_like, SpectrumImage, HyperSpy signal or Decomposition
        Counts, nowhere negative. Of an array with two axes or fewer, one image (rows, columns);
        with more, several (rows, columns, n_maps); a sparse array, (n_pixels, n_maps). Of a
        SpectrumImage, the map of every channel; of a decomposition, that of every component, in
        counts.
    n_counts : float or array_like of shape (n_maps,), optional
        Counts that each image is made of, by default its sum. For images in another unit:
        turning it up lowers the noise that is expected.
    mask : array_like of bool, optional
        True hides a pixel, of the shape of one image. For arrays only; the others bring their own.

    Returns
    -------
    RelativeEntropy
        Bits, what noise alone gives, and the excess.

    Raises
    ------
    ValueError
        Where maps are negative, NaN, zero everywhere, or hidden everywhere.

    Notes
    -----
    The excess has no bias where pixels hold several counts each. Far below one it tends to zero
    for any image, because single counts in single pixels say nothing of each other: add pixels up
    first (:meth:`SpectrumImage.rebin`). Maps of fitted components are not Poisson; what is expected
    of them is that of a recording of as many counts.

    References
    ----------
    .. [1] P. Trebbia and N. Bonnet, Ultramicroscopy 34 (1990) 165,
       doi:10.1016/0304-3991(90)90070-3.
    .. [2] S. Kullback and R. A. Leibler, Ann. Math. Stat. 22 (1951) 79,
       doi:10.1214/aoms/1177729694.

    Examples
    --------
    >>> import numpy as np, endmember as em
    >>> halves = np.repeat([[150, 50]], 32, axis=0).repeat(16, axis=1)
    >>> noisy = np.random.default_rng(0).poisson(halves)
    >>> found = em.relative_entropy(noisy)
    >>> of_two_levels = 0.75 * np.log2(1.5) + 0.25 * np.log2(0.5)
    >>> bool(abs(found.excess - of_two_levels) < 3 * found.stderr)
    True
    >>> even = em.relative_entropy(np.random.default_rng(0).poisson(100, (32, 32)))
    >>> bool(abs(even.z_score) < 3)
    True
    """
    rows, is_single = _as_rows(maps, mask)
    sums = _sums(rows)
    if not sums[0].any():
        raise ValueError("maps are zero in every pixel; there is nothing to compare with even.")
    numbers = _as_numbers(n_counts, sums[0])
    values = _information(sums, numbers, rows.shape[0])
    values = [value[0] for value in values] if is_single else values
    bits, expected, noise, stderr, numbers = values
    settings = {"n_counts": n_counts} | ({} if mask is None else {"mask": mask})
    result = {"bits": bits, "expected": expected}
    made_from = {"maps": maps.record} if isinstance(maps, Decomposition) else None
    record = record_of(
        "relative_entropy",
        settings,
        rows,
        source=maps if isinstance(maps, SpectrumImage) else rows,
        result=result,
        made_from=made_from,
    )
    return RelativeEntropy(bits, expected, noise, stderr, numbers, rows.shape[0], record)


def _information(sums, numbers, n_pixels):
    """Return the fields of the result, arrays of shape (n_maps,)."""
    totals, logs, squares = sums
    with np.errstate(invalid="ignore", divide="ignore"):  # an image without counts has no bits
        means = logs / totals
        bits = np.log2(n_pixels / totals) + means
        spread = squares / totals - means**2  # of the log2 of a count's pixel
    held = totals > 0
    noise_of = np.array([_noise(n / n_pixels, n_pixels) for n in numbers[held]])
    expected, noise, even_spread = np.full((3, totals.size), np.nan)
    expected[held], noise[held], even_spread[held] = noise_of.T
    structure = np.clip(spread - even_spread, 0.0, None) / numbers
    stderr = np.sqrt(noise**2 + structure)
    return [bits.clip(min=0.0), expected, noise, stderr, np.where(held, numbers, 0.0)]


def _noise(mean, n_pixels):
    """Return mean and standard deviation of the bits of an even image, and its spread of logs.

    The pixels of a whole number of counts are binomial each. Their common scatter is that of
    Poisson pixels, less what goes with their sum, because the sum is known.
    """
    n_counts = mean * n_pixels
    if mean > LARGE:
        bias = (n_pixels - 1) / (2 * n_counts) + (1 - 1 / n_pixels**2) / (12 * mean) / mean
        scatter = np.sqrt((n_pixels - 1) / 2) / n_counts
        return bias / np.log(2), scatter / np.log(2), 1 / (mean * np.log(2) ** 2)
    counts = _near(mean)
    logs = xlogy(counts, counts) / np.log(2)
    squares = xlogy(logs, counts) / np.log(2)
    chance = _binomial(counts, max(1.0, np.rint(n_counts)), n_pixels)
    bias = np.log2(1 / mean) + chance @ logs / (chance @ counts)
    chance = _poisson(counts, mean)
    deviation = logs - chance @ logs
    slope = chance @ (deviation * counts) / mean
    variance = chance @ (deviation - slope * (counts - mean)) ** 2
    scatter = np.sqrt(variance * (n_pixels - 1)) / n_counts
    return bias, scatter, chance @ squares / mean - (chance @ logs / mean) ** 2


def _near(mean):
    width = TAILS * np.sqrt(mean) + FEW
    return np.arange(max(0.0, np.floor(mean - width)), np.ceil(mean + width))


def _poisson(counts, mean):
    return np.exp(xlogy(counts, mean) - mean - gammaln(counts + 1))


def _binomial(counts, n_counts, n_pixels):
    """Return the chance of counts in one pixel, where a whole number fell on all of them."""
    left = n_counts - counts
    ways = gammaln(n_counts + 1) - gammaln(counts + 1) - gammaln(np.clip(left, 0, None) + 1)
    chance = ways - counts * np.log(n_pixels) + xlogy(left, 1 - 1 / n_pixels)
    return np.where(left >= 0, np.exp(chance), 0.0)


def _sums(rows):
    """Return for every map the sums of x, of x * log2(x) and of x * log2(x)**2 over pixels."""
    sums = np.zeros((3, rows.shape[1]))
    for block in row_blocks(rows):
        if sp.issparse(block):
            values = block.data.astype(np.float64)
            for i, powers in enumerate(_with_logs(values)):
                sums[i] += np.bincount(block.indices, powers, minlength=rows.shape[1])
        else:
            sums += [powers.sum(axis=0) for powers in _with_logs(block.astype(np.float64))]
    return sums


def _with_logs(values):
    logs = xlogy(values, values) / np.log(2)
    return values, logs, xlogy(logs, values) / np.log(2)


def as_maps(maps, mask):
    """Return what is compared with even images, shape (n_pixels, n_maps)."""
    return _as_rows(maps, mask)[0]


def _as_rows(maps, mask):
    """Return maps as (n_pixels, n_maps), and whether there is but one."""
    is_image = isinstance(maps, SpectrumImage) or hasattr(maps, "axes_manager")
    if not is_image and not isinstance(maps, Decomposition):
        return _rows_of_array(maps, mask)
    if mask is not None:
        raise TypeError(
            f"maps are a {type(maps).__name__}, which hides pixels itself; make the image with "
            "mask=, and leave it out here."
        )
    if is_image:
        return as_spectrum_image(maps).spectra, False
    rows = maps.scores * np.abs(maps.components).sum(axis=1)
    _check(rows)
    return rows, False


def _rows_of_array(maps, mask):
    check_array_kind(maps, "maps")
    if sp.issparse(maps):
        rows, shape, is_single = canonical_csr(maps), maps.shape[:1], False
    else:
        maps = maps if is_dask(maps) else np.asarray(maps)
        if 0 in maps.shape:
            raise ValueError(f"maps have shape {maps.shape}; pass images of two pixels at least.")
        is_single = maps.ndim <= 2
        shape = maps.shape if is_single else maps.shape[:-1]
        rows = maps.reshape((-1, 1) if is_single else (-1, maps.shape[-1]))
    check_dtype(rows.dtype, "maps")
    if mask is not None:
        rows = rows[np.flatnonzero(~_as_mask(mask, shape))]
    _check(rows)
    return rows, is_single


def _check(rows):
    """Refuse maps that cannot be parts of a whole; lazy ones are checked as they are read."""
    if rows.shape[0] < 2 or rows.shape[1] == 0:
        raise ValueError(
            f"maps have {rows.shape[0]} visible pixel(s) and {rows.shape[1]} image(s); an even "
            "image needs two pixels at least. True hides a pixel in mask, so perhaps pass ~mask."
        )
    if is_dask(rows):
        return
    values = rows.data if sp.issparse(rows) else rows
    negative = values[values < 0]
    if negative.size:
        raise ValueError(
            f"maps go down to {negative.min():g}, but shares of a whole cannot be negative; "
            "take the maps of a non-negative model such as em.NMF, or clip them with "
            "np.clip(maps, 0, None)."
        )
    check_values(values, "maps")


def _as_mask(mask, shape):
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape != shape:
        raise ValueError(
            f"mask must be bool of shape {shape}, True where a pixel is hidden; got {mask.dtype} "
            f"of shape {mask.shape}."
        )
    return mask.ravel()


def _as_numbers(n_counts, totals):
    """Return the counts of every map."""
    if n_counts is None:
        return totals
    numbers = np.asarray(n_counts)
    is_real = numbers.dtype.kind in "iuf" and numbers.shape in ((), totals.shape)
    if not is_real or not (np.isfinite(numbers) & (numbers > 0)).all():
        raise ValueError(
            f"n_counts is {n_counts!r}; pass a number above zero, or one for each of the "
            f"{totals.size} maps."
        )
    return np.broadcast_to(numbers.astype(np.float64), totals.shape)
