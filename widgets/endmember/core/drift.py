"""Drift of the energy axis while a map is scanned: it looks like components, but is none."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Real

import numpy as np
from scipy import linalg, stats
from scipy.sparse import csr_array, issparse
from sklearn.utils.validation import check_scalar

from endmember.core.blocks import row_blocks
from endmember.core.image import SpectrumImage
from endmember.core.seeds import as_seed

MOST_STRIPS, MOST_SEGMENTS = 32, 8  # of the scan, and of every strip of lines
FEWEST_LINES, FEWEST_PIXELS, FEWEST_CHANNELS = 8, 4, 16
N_WAVES = 6  # cosines that a slow drift is made of
FEWEST_GROUPS = 3  # that can agree or not
N_BANDS = 8  # of the spectrum that must move alike, with as much to tell each
MOST_COMPONENTS = 10
FEWEST_COUNTS = 10  # in a channel, below which its noise is not that of a weighted sum of squares
MARGIN = 2  # channels on either side that a derivative takes
RARE = 2e-3  # probability of a shift this large where there is none
ALIKE = 10.0  # F of what groups share over what sets them apart: 2 % by chance, for eight
ALL_ALIKE = 50.0  # where noise does not explain what sets them apart: nine tenths move alike
EXPLAINED = 0.5  # of what one more component would explain
PARTLY, UNLIKE = 0.3, 30.0  # so much of it, with a lower F: something moves, but not everything
VISIBLE = 1.1  # times the largest noise, from which on a component is seen
MOST_ROUNDS, SETTLED = 10, 0.005  # of alignment; channels


@dataclass(frozen=True)
class Drift:
    """How far the energy axis moved while the map was scanned.

    Attributes
    ----------
    shifts : ndarray of shape (n_lines,)
        Slow shift of every scan line against the mean, in channels; positive where features
        stand at higher channels. Empty where it was not measured.
    errors : ndarray of shape (n_lines,)
        Standard errors of the shifts from counting statistics, in channels.
    size : float
        From the lowest shift to the highest, in channels.
    size_error : float
        Standard error of the size, in channels.
    p_value : float
        Probability of a shift this significant where there is none.
    band_agreement, segment_agreement : float
        What bands of the spectrum, and segments of the lines, have in common, over what sets them
        apart: an F ratio. Drift needs 10 in both, and 50 where noise does not explain the rest.
    n_components : int
        How many components mix beside the drift.
    is_drift : bool
        Whether the shift is significant, the same everywhere, and explains what would otherwise
        take more components.
    reason : str
        Why nothing was measured; "" where it was.
    sentence : str
        What was found and the way out; "" where all is well.
    """

    shifts: np.ndarray
    errors: np.ndarray
    size: float = float("nan")
    size_error: float = float("nan")
    p_value: float = 1.0
    band_agreement: float = 0.0
    segment_agreement: float = 0.0
    n_components: int = 0
    is_drift: bool = False
    reason: str = ""
    sentence: str = ""


def measure_drift(image, *, gain=1.0, seed=0, scan_axis=0):
    """Measure how far the energy axis moves from scan line to scan line.

    A drift is told from composition by what it does: it moves every feature of every phase in a
    line by the same number of channels, so that one shift a line explains what would otherwise
    take a component or more. A chemical shift moves some features, or some pixels of a line.

    Parameters
    ----------
    image : SpectrumImage
        Counts of a map with two navigation axes. Hidden pixels and channels take no part.
    gain : float, default=1
        Detector signal for one quantum; turning it up makes the errors larger.
    seed : int, default=0
        Of the random signs that show how large noise alone gets; the same seed gives the same
        result.
    scan_axis : {0, 1}, default=0
        The slow axis of the scan, along which lines follow each other. By default the rows are
        the scan lines, one after the other.

    Returns
    -------
    Drift
        With a reason, and nothing measured, for a map that does not have two navigation axes, at
        least 8 lines of 4 pixels, and 16 channels.

    Notes
    -----
    Neighbouring lines are added up into at most 32 strips of 8 segments each. Their counts,
    scaled so that Poisson noise is flat [1]_, are taken for few components whose channels are
    shifted by a sum of six slow cosines of time, or in proportion to time. To first order that
    adds the derivative of what the components give; spectra and abundances are fitted along with
    it. Standard errors are those of Poisson counts. For every number of components that stands out
    of the noise, which random signs show [2]_, a drift has to be significant, to agree between
    eight bands of the spectrum and between the segments of the lines, and to explain at least half
    of what the next component would. What moves in part only, to such an extent, is chemistry,
    and ends the search. Strips are then aligned until the shift settles; of a shift by several
    channels, a tenth may be missed. Where a line is all there is in a spectrum, what moves it in
    the specimen, scan line by scan line, cannot be told from a drift.

    References
    ----------
    .. [1] Keenan and Kotula, Surf. Interface Anal. 36 (2004) 203, doi:10.1002/sia.1657.
    .. [2] Hong, Sheng and Dobriban, arXiv (2020), doi:10.48550/arXiv.2012.02985.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("reduced_titania")  # a chemical shift, but no drift
    >>> em.measure_drift(scene.image).is_drift
    False
    """
    _check(image, gain, scan_axis)
    rng = np.random.default_rng(as_seed(seed))
    reason = _why_not(image, scan_axis)
    if reason:
        return _unmeasured(reason)
    strips = _strips(image, scan_axis)
    channels = _channel_numbers(image)
    problem = _Problem(strips, channels, gain)
    if problem.n_free < 2:
        return _unmeasured("hardly any channel or strip of lines holds counts enough.")
    found = _search(problem, rng)
    return _described(found, image, image.navigation_shape[scan_axis])


def _check(image, gain, scan_axis):
    if not isinstance(image, SpectrumImage):
        raise TypeError(
            f"image must be a SpectrumImage, got {type(image).__name__}; drift needs to know the "
            "order of the pixels: pass em.SpectrumImage(counts)."
        )
    check_scalar(gain, "gain", Real, min_val=0, include_boundaries="neither")
    if not np.isfinite(gain):
        raise ValueError(f"gain is {gain}; pass a finite number.")
    if scan_axis not in (0, 1):
        raise ValueError(f"scan_axis is {scan_axis!r}; choose 0 (rows are lines) or 1 (columns).")


def _why_not(image, scan_axis):
    shape = image.navigation_shape
    if len(shape) != 2:
        return f"a drift needs the scan lines of a map, and this image has shape {shape}."
    n_lines, n_pixels = shape[scan_axis], shape[1 - scan_axis]
    if n_lines < FEWEST_LINES or n_pixels < FEWEST_PIXELS:
        return (
            f"{n_lines} scan lines of {n_pixels} pixels are too few; it takes {FEWEST_LINES} of "
            f"{FEWEST_PIXELS}."
        )
    if image.n_channels < FEWEST_CHANNELS:
        return f"{image.n_channels} channels are too few; it takes {FEWEST_CHANNELS}."
    return ""


def _unmeasured(reason):
    return Drift(np.empty(0), np.empty(0), reason=f"not measured: {reason}")


def _strips(image, scan_axis):
    """Add up the visible counts of blocks of pixels: (n_strips, n_segments, n_channels)."""
    lines, pixels = (image.navigation_shape[i] for i in (scan_axis, 1 - scan_axis))
    n_strips, n_segments = min(MOST_STRIPS, lines), min(MOST_SEGMENTS, pixels)
    block = np.arange(lines)[:, None] * n_strips // lines * n_segments
    block = block + np.arange(pixels) * n_segments // pixels
    block = block if scan_axis == 0 else block.T
    of_pixels = block.ravel() if image.mask is None else block[~image.mask]
    sums, start = np.zeros((n_strips * n_segments, image.n_channels)), 0
    for rows in row_blocks(image.spectra):
        part = of_pixels[start : start + rows.shape[0]]
        start += rows.shape[0]
        places = (np.ones(part.size), (part, np.arange(part.size)))
        added = csr_array(places, shape=(len(sums), part.size)) @ rows
        sums += added.toarray() if issparse(added) else added
    return sums.reshape(n_strips, n_segments, -1)


def _channel_numbers(image):
    if image.channel_mask is None:
        return np.arange(image.n_channels)
    return np.flatnonzero(~image.channel_mask)


class _Problem:
    """Strips of counts, scaled so that noise is flat, and how far they are shifted back."""

    def __init__(self, strips, channels, gain, shifts=None):
        self.strips, self.channels, self.gain = strips, channels, gain
        n_strips, n_segments, n_channels = strips.shape
        self.segments = np.tile(np.arange(n_segments), n_strips)
        self.shifts = np.zeros(n_strips) if shifts is None else shifts
        margin = MARGIN + int(np.ceil(np.abs(self.shifts).max()))
        counts = _shifted_back(strips, self.shifts).reshape(-1, n_channels)
        self.rows, self.columns = _weights(strips.reshape(-1, n_channels), gain)
        self.columns = self.columns * _is_inside(channels, margin)
        self.by_rows = counts * self.rows[:, None]
        self.scaled = self.by_rows * self.columns
        self.n_free = min(np.count_nonzero(self.rows), np.count_nonzero(self.columns)) - 1
        self.waves = _waves((np.arange(n_strips) + 0.5) / n_strips)

    def aligned(self, shifts):
        return _Problem(self.strips, self.channels, self.gain, shifts)

    def along(self, shift):
        """Repeat one number a strip for all of its segments."""
        return np.repeat(shift, self.strips.shape[1])


def _weights(counts, gain):
    """Return factors of rows and of channels that make Poisson noise flat; zero leaves out."""
    sums, columns = counts.sum(axis=1), counts.sum(axis=0)
    rows = np.divide(1.0, np.sqrt(gain * sums), out=np.zeros_like(sums), where=sums > 0)
    is_filled = columns > FEWEST_COUNTS * gain
    share = np.sqrt(columns / max(sums.sum(), 1e-300))
    return rows, np.divide(1.0, share, out=np.zeros_like(columns), where=is_filled)


def _is_inside(channels, margin):
    """Tell channels that have as many neighbours on either side, with no gap between."""
    inside = np.zeros(channels.size, dtype=bool)
    if channels.size > 2 * margin:
        inside[margin:-margin] = channels[2 * margin :] - channels[: -2 * margin] == 2 * margin
    return inside


def _waves(times):
    """Return time itself, then slow cosines, all of mean zero, at times between 0 and 1."""
    waves = [np.cos(np.pi * k * times) * np.sqrt(2) for k in range(1, N_WAVES + 1)]
    return np.array([times - 0.5, *waves])


def _shifted_back(strips, shifts):
    """Return what the strips would hold without their shifts, by cubic interpolation."""
    if not shifts.any():
        return strips
    moved, channels = np.empty_like(strips), np.arange(strips.shape[-1])
    for strip, shift, out in zip(strips, shifts, moved, strict=True):
        whole = int(np.floor(shift))
        x = shift - whole
        cubic = (
            x * (1 - x) * (x - 2) / 6,
            (x + 1) * (x - 1) * (x - 2) / 2,
            (x + 1) * x * (2 - x) / 2,
            (x + 1) * x * (x - 1) / 6,
        )
        places = [(channels + whole + i).clip(0, channels[-1]) for i in range(-1, 3)]
        out[:] = sum(w * strip[:, at] for w, at in zip(cubic, places, strict=True))
    return moved


def _derivative(spectra):
    """Return the slope of spectra a channel, exact for polynomials of degree four."""
    slope = np.zeros_like(spectra)
    near, far = spectra[:, 3:-1] - spectra[:, 1:-3], spectra[:, 4:] - spectra[:, :-4]
    slope[:, 2:-2] = (8 * near - far) / 12
    return slope


class _Factors:
    """Singular vectors of the scaled counts, from the smaller Gram matrix."""

    def __init__(self, scaled):
        self.scaled = scaled
        self.is_wide = scaled.shape[0] <= scaled.shape[1]
        gram = scaled @ scaled.T if self.is_wide else scaled.T @ scaled
        values, vectors = linalg.eigh(gram)
        self.squares, self._vectors = values[::-1].clip(min=0.0), vectors[:, ::-1]

    def first(self, n):
        """Return scores, (n_rows, n), and axes, (n, n_channels), both of them orthogonal."""
        vectors = self._vectors[:, :n]
        if not self.is_wide:
            return self.scaled @ vectors, vectors.T
        lengths = np.sqrt(self.squares[:n])
        return vectors * lengths, (vectors / lengths).T @ self.scaled


@dataclass(frozen=True)
class _Agreement:
    """Whether groups of channels, or of rows, tell of the same shift."""

    ratio: float  # an F: what they share over what sets them apart
    is_noise: bool  # whether noise explains what sets them apart

    @property
    def is_enough(self):
        return self.ratio > (ALIKE if self.is_noise else ALL_ALIKE)


@dataclass(frozen=True)
class _Fit:
    """What a shift of some components explains."""

    shift: np.ndarray  # of every strip, in channels
    weights: np.ndarray  # of the waves
    covariance: np.ndarray  # of these
    explained: float  # sum of squares of the scaled counts
    p_value: float
    bands: _Agreement
    segments: _Agreement

    @property
    def agreement(self):
        return min(self.bands.ratio, self.segments.ratio)

    @property
    def looks_like_drift(self):
        return self.p_value < RARE and self.bands.is_enough and self.segments.is_enough

    @property
    def looks_like_chemistry(self):
        is_apart = [a.ratio < UNLIKE and not a.is_noise for a in (self.bands, self.segments)]
        return self.p_value < RARE and any(is_apart)


class _Tangent:
    """How scaled counts change where their components are shifted, spectra and maps refitted.

    A shift adds ``outer(left) @ right``, with `left` what time makes of the scores and `right`
    the derivative of the spectra; what other scores and axes can do as well is taken out of both.
    """

    def __init__(self, problem, factors, n_components):
        scores, self.axes = factors.first(n_components)
        self.scores, self.problem = scores, problem
        self.directions = scores / linalg.norm(scores, axis=0)
        self.rest = factors.scaled - scores @ self.axes
        columns = problem.columns
        spectra = (scores / (scores**2).sum(axis=0)).T @ problem.by_rows  # of all channels
        self.slopes = -_derivative(spectra) * columns
        # Variance of the scaled counts, as a sum of products of one factor a row and one a channel
        self.row_variance = (scores * problem.rows[:, None]).T
        self.column_variance = self.axes * columns * problem.gain

    def left(self, factors):
        """Return scores times some factors of the rows, less what scores alone could do."""
        changed = factors[:, :, None] * self.scores
        return changed - self.directions @ (self.directions.T @ changed)

    def right(self, groups):
        """Return slopes in some groups of channels, less what axes alone could do."""
        changed = groups[:, None, :] * self.slopes
        return changed - (changed @ self.axes.T) @ self.axes

    def bands(self):
        """Cut the channels into bands that tell as much of a shift each."""
        told = ((self.scores @ self.slopes) ** 2).sum(axis=0)
        told = np.cumsum(told) / max(told.sum(), 1e-300)
        band = (told * N_BANDS - 1e-9).astype(int).clip(0, N_BANDS - 1)
        return band == np.unique(band)[:, None]

    def moments(self, left, right):
        """Return score, Gram matrix and Poisson covariance of the score for pairs of factors."""
        pulls = np.einsum("gmp,mc->gpc", left, self.rest, optimize=True)
        score = (pulls * right).sum(axis=(1, 2))
        gram = (_products(left) * _products(right.swapaxes(1, 2))).sum(axis=(2, 3))
        noise = sum(
            _products(left, of_rows) * _products(right.swapaxes(1, 2), of_columns)
            for of_rows, of_columns in zip(self.row_variance, self.column_variance, strict=True)
        ).sum(axis=(2, 3))
        return score, gram, noise


def _products(factors, weights=None):
    """Return products of all columns of all groups: (n_groups, n_groups, n, n)."""
    n_groups, size, n = factors.shape
    flat = factors.transpose(1, 0, 2).reshape(size, n_groups * n)
    weighted = flat if weights is None else flat * weights[:, None]
    return (flat.T @ weighted).reshape(n_groups, n, n_groups, n).transpose(0, 2, 1, 3)


def _fits(problem, factors, n_components):
    """Fit a shift in proportion to time, and a slow one, beside so many components."""
    tangent = _Tangent(problem, factors, n_components)
    left = tangent.left(np.array([problem.along(wave) for wave in problem.waves]))
    right = tangent.right(np.ones((1, problem.columns.size)))
    moments = tangent.moments(left, right)
    chosen = (slice(0, 1), slice(1, None))
    return [_fit(tangent, left, right, [m[(s,) * m.ndim] for m in moments], s) for s in chosen]


def _fit(tangent, left, right, moments, chosen):
    score, gram, noise = moments
    inverse = linalg.pinvh(gram)
    weights = inverse @ score
    chi_square = float(score @ linalg.pinvh(noise) @ score)
    problem = tangent.problem
    shift = weights @ problem.waves[chosen]
    moved = np.tensordot(weights, left[chosen], 1)[None]
    parts = problem.segments == np.unique(problem.segments)[:, None]
    of_segments = tangent.left(parts * problem.along(shift))
    return _Fit(
        shift=shift,
        weights=weights,
        covariance=inverse @ noise @ inverse,
        explained=float(score @ weights),
        p_value=float(stats.chi2.sf(chi_square, len(weights))),
        bands=_agreement(*tangent.moments(moved, tangent.right(tangent.bands()))),
        segments=_agreement(*tangent.moments(of_segments, right)),
    )


def _agreement(score, gram, noise):
    """Compare groups that estimate the same shift each, in units of the fitted one."""
    precision = gram @ linalg.pinvh(noise) @ gram
    each = linalg.pinvh(gram) @ score
    total, n_others = precision.sum(), len(score) - 1
    if n_others < FEWEST_GROUPS - 1 or not total > 0:
        return _Agreement(0.0, is_noise=False)
    mean = (precision @ each).sum() / total
    apart = (each - mean) @ precision @ (each - mean)
    ratio = mean * abs(mean) * total / max(apart / n_others, 1.0)
    return _Agreement(float(ratio), bool(stats.chi2.sf(apart, n_others) > RARE))


def _largest_noise(rest, rng):
    """Return the largest squared singular value once random signs leave noise alone."""
    return _Factors(rest * rng.choice([-1.0, 1.0], size=rest.shape)).squares[0]


@dataclass(frozen=True)
class _Found:
    """A number of components, and what a shift explains beside them."""

    problem: _Problem
    fit: _Fit
    which: int  # 0 in proportion to time, 1 any slow shift
    n_components: int
    is_drift: bool

    def left_beyond(self, n_components):
        """Return what so many components leave of the aligned strips."""
        return float(_Factors(self.problem.scaled).squares[n_components:].sum())


def _search(problem, rng):
    """Try more and more components, until no other stands out of the noise."""
    factors, tried = _Factors(problem.scaled), []
    for n in range(1, min(MOST_COMPONENTS, problem.n_free) + 1):
        scores, axes = factors.first(n)
        noise = _largest_noise(factors.scaled - scores @ axes, rng)
        is_last = factors.squares[n] < VISIBLE * noise
        beyond = 0.0 if is_last else factors.squares[n] - noise
        fits = _fits(problem, factors, n)
        for which, fit in enumerate(fits):
            is_drift = fit.looks_like_drift and fit.explained > EXPLAINED * beyond
            tried.append(_Found(problem, fit, which, n, bool(is_drift)))
        # Once components do part of a shift, only the rest of it is seen
        is_chemical = any(f.looks_like_chemistry and f.explained > PARTLY * beyond for f in fits)
        if is_last or is_chemical:
            break
    drifts = [found for found in tried if found.is_drift]
    return _best(drifts) if drifts else tried[-1]


def _best(drifts):
    """Align by the shift beside few components, and by the one that agrees best; keep the better.

    Many components take part of the shift for their own, few of them part of their own for a shift.
    """
    which = max(found.which for found in drifts)  # in proportion to time only if nothing else
    drifts = [found for found in drifts if found.which == which]
    agreeing = max(drifts, key=lambda found: found.fit.agreement)
    chosen = drifts[:1] if agreeing is drifts[0] else [drifts[0], agreeing]
    fewest = drifts[0].n_components
    return min(map(_settled, chosen), key=lambda found: found.left_beyond(fewest))


def _settled(found):
    """Align the strips and fit again, until what is left of the shift is small."""
    problem, fit, step = found.problem, found.fit, np.inf
    for _ in range(MOST_ROUNDS):
        if not np.abs(fit.shift).max() < step:
            break  # no closer than before
        step = np.abs(fit.shift).max()
        problem = problem.aligned(problem.shifts + fit.shift)
        if problem.n_free <= found.n_components:
            return found
        found = replace(found, problem=problem, fit=replace(found.fit, covariance=fit.covariance))
        if step < SETTLED:
            break
        fit = _fits(problem, _Factors(problem.scaled), found.n_components)[found.which]
    return found


def _described(found, image, n_lines):
    """Say what was found, line by line."""
    chosen = (slice(0, 1), slice(1, None))[found.which]
    waves = _waves((np.arange(n_lines) + 0.5) / n_lines)[chosen]
    strips = found.problem.shifts if found.problem.shifts.any() else found.fit.shift
    weights = linalg.lstsq(found.problem.waves[chosen].T, strips)[0]
    shifts, covariance = weights @ waves, found.fit.covariance
    ends = waves[:, shifts.argmax()] - waves[:, shifts.argmin()]
    size, error = float(np.ptp(shifts)), float(np.sqrt(max(ends @ covariance @ ends, 0.0)))
    return Drift(
        shifts=shifts,
        errors=np.sqrt(np.einsum("kt,kl,lt->t", waves, covariance, waves).clip(min=0.0)),
        size=size,
        size_error=error,
        p_value=found.fit.p_value,
        band_agreement=found.fit.bands.ratio,
        segment_agreement=found.fit.segments.ratio,
        n_components=found.n_components,
        is_drift=found.is_drift,
        sentence=_sentence(size, error, image) if found.is_drift else "",
    )


def _sentence(size, error, image):
    step = float(np.median(np.abs(np.diff(image.signal_axis.values))))
    in_unit = f", {size * step:.2g} {image.unit}," if image.unit else ""
    return (
        f"the energy axis drifts by {size:.2f} ± {error:.2f} channels{in_unit} while the map is "
        "scanned: all features move alike, and rank rules count that as components. Align the "
        "energy axis of the scan lines before fitting: em.align_signal_axis(image)."
    )
