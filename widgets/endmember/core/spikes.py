"""Spikes: single numbers that no Poisson process gives, such as cosmic rays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from numbers import Real

import numpy as np
from scipy import stats
from scipy.sparse import issparse
from sklearn.utils.validation import check_scalar

from endmember.core.blocks import row_blocks
from endmember.core.image import SpectrumImage
from endmember.core.products import marginals

FALSE_ALARMS = 0.01  # expected in a whole image that holds no spike
UNLIKE = 1e-6  # probability of neighbours in energy, and of those in the map, each
BESIDE = (-2, -1, 1, 2)  # neighbouring channels
# Four neighbours of a line that is three channels wide hold twice what its peak does.
SHARE = 2.0
FARTHER = ((-6, -5, -4), (4, 5, 6))  # channels that hold next to nothing of such a line
FLAT = 100.0  # counts, from which on the normal law is good enough
PIXELS_BESIDE = 2.0  # of the eight around a pixel that at least belong to the same phase
SCREEN = 5.0  # standard deviations: less than any excess that is rare enough
SHOWN = 3  # places that the sentence names


@dataclass(frozen=True)
class Spikes:
    """Single numbers that stand far above their neighbours in energy and in the map.

    Attributes
    ----------
    pixels : ndarray of int, shape (n_spikes, n_navigation_axes)
        Where they are in the map, rows first; the highest comes first.
    channels : ndarray of int, shape (n_spikes,)
        Channels, counted along the axis of all channels, hidden ones included.
    counts : ndarray of shape (n_spikes,)
        What stands there, in counts.
    heights : ndarray of shape (n_spikes,)
        How far above what neighbouring channels let expect, in counts.
    p_values : ndarray of shape (n_spikes,)
        Probability that counts get as high in any of the numbers of the image.
    sentence : str
        What was found and the way out; "" where all is well.
    """

    pixels: np.ndarray
    channels: np.ndarray
    counts: np.ndarray
    heights: np.ndarray
    p_values: np.ndarray
    sentence: str = ""

    def __len__(self):
        return len(self.channels)


def find_spikes(image, *, gain=1.0):
    """Find single numbers that are too high for chance, for a line, and for a phase.

    A spike has to be improbable for what its pixel and its channel hold elsewhere, and for what
    its neighbours hold: channels beside it in the same pixel, were there a line three channels
    wide, and pixels around it in the same channel, were two of them of the same phase. Both
    probabilities are for one false alarm in a hundred images.

    Parameters
    ----------
    image : SpectrumImage
        Counts of any navigation shape; hidden pixels and channels take no part.
    gain : float, default=1
        Detector signal for one quantum; turning it up takes higher numbers for chance.

    Returns
    -------
    Spikes
        Without entries where there is none.

    Notes
    -----
    Given the counts of its neighbours, a number is binomial where both are Poisson; how much the
    neighbours hold at least follows from the mean spectrum where that has sharper lines. Channels
    and pixels have to be improbable in a million each, and together by Fisher's rule [1]_ and
    Bonferroni's bound for the numbers of the image. So 13 counts are the least that is told. On a
    level ground of a hundred counts and more, only what stands above it is compared. The time goes
    with the counts that are not zero. A hot channel, high in many pixels, is part of the mean
    spectrum and no spike. A particle that fills one pixel is none either, unless its lines are
    narrower than three channels.

    References
    ----------
    .. [1] R. A. Fisher, Statistical Methods for Research Workers, in Breakthroughs in Statistics
       (1992) 66, doi:10.1007/978-1-4612-4380-9_6.

    Examples
    --------
    >>> import numpy as np, endmember as em
    >>> counts = np.random.default_rng(0).poisson(5.0, size=(16, 16, 64))
    >>> counts[3, 4, 50] = 200
    >>> spikes = em.find_spikes(em.SpectrumImage(counts))
    >>> spikes.pixels.tolist(), spikes.channels.tolist()
    ([[3, 4]], [50])
    """
    _check(image, gain)
    found = _Search(image, gain).run()
    order = np.argsort(-found.heights, kind="stable")
    pixels = np.argwhere(_visible(image))[found.rows[order]]
    channels = _channel_numbers(image)[found.columns[order]]
    values, heights, p_values = (
        each[order] for each in (found.values * gain, found.heights * gain, found.p_values)
    )
    sentence = _sentence(pixels, channels, values)
    return Spikes(pixels, channels, values, heights, p_values, sentence)


def _check(image, gain):
    if not isinstance(image, SpectrumImage):
        raise TypeError(
            f"image must be a SpectrumImage, got {type(image).__name__}; spikes are told by the "
            "pixels around: pass em.SpectrumImage(counts)."
        )
    check_scalar(gain, "gain", Real, min_val=0, include_boundaries="neither")
    if not np.isfinite(gain):
        raise ValueError(f"gain is {gain}; pass a finite number.")


def _visible(image):
    return np.ones(image.navigation_shape, dtype=bool) if image.mask is None else ~image.mask


def _channel_numbers(image):
    if image.channel_mask is None:
        return np.arange(image.n_channels)
    return np.flatnonzero(~image.channel_mask)


@dataclass(frozen=True)
class _Candidates:
    """Numbers that may be spikes: where they are in the spectra, and how high."""

    rows: np.ndarray
    columns: np.ndarray
    values: np.ndarray  # in quanta
    heights: np.ndarray  # above what the channels beside hold, in quanta
    p_values: np.ndarray  # for what pixel and channel hold, then for what neighbours hold, too

    def kept(self, keep, **changed):
        """Return those to be kept, some of what is known of them changed first."""
        return _Candidates(*(part[keep] for part in vars(replace(self, **changed)).values()))


class _Search:
    """Look through all numbers, each test at the fewer ones that the last one left."""

    def __init__(self, image, gain):
        self.spectra, self.gain = image.spectra, gain
        self.visible, self.numbers = _visible(image), _channel_numbers(image)
        self.n_entries = max(1, self.spectra.shape[0] * self.spectra.shape[1])
        self.pixel_sums, self.channel_sums = (sums / gain for sums in marginals(self.spectra))
        self.lowest = -np.log(UNLIKE) / np.log(1 + SHARE)  # without anything beside

    def run(self):
        found = self._high()
        for test in (self._against_means, self._against_channels, self._against_pixels):
            found = test(found) if len(found.rows) else found
        return found

    def _high(self):
        """Return numbers far above what the sums of their pixel and channel let expect."""
        parts, start = [], 0
        total = max(self.pixel_sums.sum(), 1e-300)
        for block in row_blocks(self.spectra):
            rows, columns, values = _at_least(block, self.lowest * self.gain)
            rows, values = rows + start, values / self.gain
            expected = (self.pixel_sums[rows] - values) * (self.channel_sums[columns] - values)
            expected = expected / total
            is_high = values > expected + SCREEN * np.sqrt(expected)
            parts.append([each[is_high] for each in (rows, columns, values)])
            start += block.shape[0]
        rows, columns, values = (np.concatenate(each) for each in zip(*parts, strict=True))
        return _Candidates(rows, columns, values, values, np.zeros(rows.size))

    def _against_means(self, found):
        others = self.channel_sums[found.columns] - found.values
        of_pixel = self.pixel_sums[found.rows] - found.values
        expected = of_pixel * (others + 1) / max(self.channel_sums.sum(), 1e-300)
        p_values = self.n_entries * stats.poisson.sf(np.ceil(found.values) - 1, expected)
        return found.kept(p_values < FALSE_ALARMS, p_values=p_values)

    def _against_channels(self, found):
        held, is_there = self._beside(found.rows, found.columns, BESIDE)
        beside = held.sum(axis=1)
        share = self._share(found, held, is_there)
        chance = _chance(found.values, beside, share)
        sides = [self._beside(found.rows, found.columns, steps)[0] for steps in FARTHER]
        ground = np.min([side.mean(axis=1) for side in sides], axis=0)
        is_level = (share == SHARE) & (ground > FLAT)
        # On a ground that many counts know, only what stands above it has to be a line
        most = np.maximum(beside / SHARE - ground * (len(BESIDE) / SHARE - 1), ground)
        width = np.sqrt(most + beside / SHARE**2 + ground / len(FARTHER[0]))
        of_line = stats.norm.sf((found.values - most) / np.maximum(width, 1.0))
        self.beside = np.where(is_level, np.minimum(chance, of_line), chance)
        keep = self.beside < UNLIKE
        self.beside = self.beside[keep]
        return found.kept(keep, heights=found.values - _mean(held, is_there))

    def _share(self, found, held, is_there):
        """Return how much of a line stands beside its peak at least, by the mean spectrum."""
        columns = found.columns[:, None] + np.array(BESIDE)
        sums = self.channel_sums[columns.clip(0, self.numbers.size - 1)] * is_there
        others = sums.sum(axis=1) - held.sum(axis=1)
        peak = self.channel_sums[found.columns] - found.values
        return np.minimum(SHARE * is_there.mean(axis=1), (others + 1) / (peak + 1))

    def _against_pixels(self, found):
        rows, is_there = self._around(found.rows)
        columns = np.broadcast_to(found.columns[:, None], rows.shape)
        held = self._at(rows, columns) * is_there
        share = np.minimum(PIXELS_BESIDE, is_there.sum(axis=1) / 2)
        chance = _chance(found.values, held.sum(axis=1), share)
        # On such a ground, only what stands above the channels beside has to be there, too
        levels = _mean(*self._beside(rows, columns, BESIDE)) * is_there
        above, lower = (held - levels).sum(axis=1), found.values - found.heights
        width = (1 + 1 / len(BESIDE)) * (held.sum(axis=1) + share**2 * lower)
        shared = stats.norm.sf((share * found.heights - above) / np.sqrt(np.maximum(width, 1.0)))
        is_level = (lower > FLAT) & (share == PIXELS_BESIDE)
        around = np.where(is_level, np.minimum(chance, shared), chance)
        both = stats.chi2.sf(-2 * np.log(np.maximum(self.beside * around, 1e-300)), 4)  # Fisher's
        p_values = np.maximum(found.p_values, self.n_entries * both)
        return found.kept((around < UNLIKE) & (p_values < FALSE_ALARMS), p_values=p_values)

    def _around(self, rows):
        """Return the rows of the pixels around, and which of them are there."""
        steps = [step for step in product((-1, 0, 1), repeat=self.visible.ndim) if any(step)]
        places = np.argwhere(self.visible)[rows][:, None] + np.array(steps)
        inside = places.clip(0, np.array(self.visible.shape) - 1)
        at = tuple(np.moveaxis(inside, -1, 0))
        is_there = (places == inside).all(axis=-1) & self.visible[at]
        numbers = np.cumsum(self.visible).reshape(self.visible.shape) - 1
        return numbers[at].clip(0), is_there

    def _beside(self, rows, columns, steps):
        """Return what channels some steps away hold, zero where there is none, and which are."""
        columns = columns[..., None]
        inside = (columns + np.array(steps)).clip(0, self.numbers.size - 1)
        is_there = self.numbers[inside] - self.numbers[columns] == steps
        return self._at(rows[..., None], inside) * is_there, is_there

    def _at(self, rows, columns):
        """Return single numbers of the spectra, in quanta."""
        rows, columns = np.broadcast_arrays(rows, columns)
        values, start = np.zeros(rows.shape), 0
        for block in row_blocks(self.spectra):
            here = (rows >= start) & (rows < start + block.shape[0])
            if here.any():
                values[here] = np.asarray(block[rows[here] - start, columns[here]]).ravel()
            start += block.shape[0]
        return values / self.gain


def _at_least(block, lowest):
    """Return rows, columns and values of the numbers that are high enough."""
    if issparse(block):
        places = np.flatnonzero(block.data >= lowest)
        rows = np.searchsorted(block.indptr, places, side="right") - 1
        return rows, block.indices[places].astype(np.int64), block.data[places].astype(np.float64)
    rows, columns = np.nonzero(np.asarray(block) >= lowest)
    return rows, columns, block[rows, columns].astype(np.float64)


def _mean(held, is_there):
    return held.sum(axis=-1) / np.maximum(is_there.sum(axis=-1), 1)


def _chance(values, beside, share):
    """Return how probable it is that of so many counts so few are beside, by the binomial law.

    Beside a spike stand `share` times its counts or more if it belongs to something real.
    """
    return stats.binom.sf(np.ceil(values) - 1, np.ceil(values) + np.ceil(beside), 1 / (1 + share))


def _sentence(pixels, channels, values):
    if not len(channels):
        return ""
    places = [
        f"{value:g} counts in pixel {tuple(map(int, pixel))} and channel {channel}"
        for pixel, channel, value in zip(pixels[:SHOWN], channels, values, strict=False)
    ]
    rest = f", and {len(channels) - SHOWN} more" if len(channels) > SHOWN else ""
    number = "1 spike that is" if len(channels) == 1 else f"{len(channels)} spikes that are"
    return (
        f"{number} no Poisson counts, such as cosmic rays: {'; '.join(places)}{rest}. Rank rules "
        "count each as a component. Replace them by what the channels beside hold, or hide the "
        "pixels with mask=."
    )
