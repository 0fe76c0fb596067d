"""What a principal component can still see: limits of detection, and what a rank loses."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.special import ndtr
from sklearn.base import clone

from endmember.core.checks import check_dtype, check_values
from endmember.core.decomposition import Decomposition
from endmember.core.estimators import CountsEstimator
from endmember.core.image import SpectrumImage
from endmember.core.image_parts import check_window
from endmember.core.metrics import dense_rows
from endmember.core.nmf import NMF
from endmember.core.noise import EDGE_MARGIN, noise_edge
from endmember.core.pca import PCA
from endmember.core.products import marginals, times
from endmember.core.progress import check_callback, report
from endmember.core.record import Record, record_of
from endmember.core.seeds import as_seed
from endmember.core.sources import as_spectrum_image
from endmember.core.thinning import thin

HALF_EMPTY = np.log(2)  # expected counts of a channel that is empty in half of all recordings
MOST_KINDS = 2048  # of pixels that stand for the others of a large map
MOST_COMPONENTS = 32  # that are looked for in the background of an image
MOST_SWEEPS = 1000  # close to the end of the noise they settle slowly
SETTLED = 1e-9  # of the largest resolvent
ALIKE = 1e-6  # of a phase: what mixtures of the background leave of it
CLOSE = 1e-4  # of a number that is searched for: far below what the law is good for
SMALL_STEP = 1e-3  # of the way to the noise edge, for slopes
LARGEST_DOSE = 1e9  # counts a pixel: what is not seen by then never is
N_STEPS = 9  # from one pixel to half the map, on the way to the fewest that are seen
N_CURVE = 25  # pixel numbers along the probability curve
CURVE_SPAN = 4.0  # from the limit, either way
ROUGH = 1e-2  # tolerance of a factorisation that only says what is expected
LARGEST_COUNT = 1e5  # in one entry, up to which a gain can be told from rounding
FEWEST_VALUES = 3  # that have a common divisor before it is taken for a gain


# limits of detection


@dataclass(frozen=True, eq=False, repr=False)
class DetectionLimit:
    """Whether principal components will see a phase; :func:`detection_limit` makes it.

    Attributes
    ----------
    pixels_needed : float
        Pixels in which the phase is detected in half of all recordings, at `dose`; infinite where
        no number of them suffices.
    dose_needed : float
        Expected counts per pixel at which it is detected in half of all recordings, in
        `phase_pixels`.
    probability : float
        Of detecting it at `dose` in `phase_pixels`.
    rank : int
        Components that have to be kept: the phase is the last of them.
    eigenvalue : float
        Where its eigenvalue is expected, in units of the noise variance as in ``PCA.scree_``; the
        end of the noise where it hides there.
    edge : float
        Where the eigenvalues of noise end: where Marchenko and Pastur's do, or above, where phases
        of the background differ so much that no scaling makes its noise flat. Detected is what
        exceeds it by 1 %.
    strength, threshold : float
        Squared singular value of the phase in the whitened map, over the pixels of the map, and
        what it has to exceed where noise is flat, by Baik, Ben Arous and Péché: dimensionless.
    spectrum_cosine, map_cosine : float
        Between the direction that is found and the true one, among spectra and among maps: 1 where
        all of it survives, 0 where it drowns. The square of the first is the share of the phase's
        own signal that a rank of `rank` keeps.
    phase_pixels, n_pixels : float and int
        Pixels of the phase, and of the map.
    dose : float
        Expected counts per pixel.
    curve_pixels, curve_probability : ndarray of shape (n_points,)
        Probability of detection, dimensionless, for numbers of pixels about the limit.
    """

    pixels_needed: float
    dose_needed: float
    probability: float
    rank: int
    eigenvalue: float
    edge: float
    strength: float
    threshold: float
    spectrum_cosine: float
    map_cosine: float
    phase_pixels: float
    n_pixels: int
    dose: float
    curve_pixels: np.ndarray
    curve_probability: np.ndarray

    @property
    def sentence(self) -> str:
        """The result in words."""
        return (
            f"A phase in {self.phase_pixels:,.4g} of {self.n_pixels:,} pixels, at {self.dose:,.4g} "
            f"counts a pixel, is detected in {self.probability:.0%} of all recordings: component "
            f"{self.rank} has an eigenvalue of {self.eigenvalue:.3g} where noise ends at "
            f"{self.edge:.3g}, and keeps {self.spectrum_cosine**2:.0%} of it. Half of all "
            f"recordings show it {self._way_out}."
        )

    @property
    def _way_out(self):
        pixels = f"in {self.pixels_needed:,.3g} pixels at this dose"
        dose = f"at {self.dose_needed:,.3g} counts a pixel in as many pixels"
        if not np.isfinite(self.pixels_needed):
            pixels = "in no number of pixels at this dose"
        return f"{pixels}, or {dose if np.isfinite(self.dose_needed) else 'at no dose'}"

    def __repr__(self):
        return (
            f"<DetectionLimit {self.pixels_needed:,.3g} of {self.n_pixels:,} pixels at "
            f"{self.dose:,.4g} counts a pixel; {self.probability:.0%} in {self.phase_pixels:,.4g}>"
        )


def detection_limit(
    background,
    phase,
    *,
    abundances=None,
    dose=None,
    phase_pixels=None,
    n_pixels=None,
    fraction=1.0,
    replaces=None,
):
    """Return in how many pixels, or at which dose, principal components will see a phase.

    Detected is a phase whose eigenvalue, in the uncentred PCA of ``em.PCA`` with its weighting
    ``"poisson"``, rises more than 1 % above the noise edge, besides those of the background. A
    weaker phase leaves no component of its own, whatever rank is kept: it drowns in the noise.

    Parameters
    ----------
    background : array_like of shape (n_components, n_channels), or what holds it
        Mean spectra of the other phases in counts. A scene, a :class:`Decomposition` or what
        :func:`fit_abundances` returns bring their abundances; of a fitted estimator, its
        ``components_`` are taken. A SpectrumImage is factorised by :class:`NMF`, into as many
        components as rise above its noise.
    phase : array_like of shape (n_channels,)
        Spectrum of the sought phase, in any unit: its pixels hold as many counts as what they
        replace.
    abundances : array_like of shape (n_map_pixels, n_components), optional
        How much of each spectrum every pixel holds, dimensionless; a sample of the map is enough.
        Needed where `background` brings none, unless it is one spectrum.
    dose : float, optional
        Expected counts per pixel, on average; by default those of the background as it is. Turning
        it up shows a phase in fewer pixels.
    phase_pixels : float, optional
        Pixels that hold the phase; turning it up makes detection likelier. By default the number
        that is needed.
    n_pixels : int, optional
        Pixels of the map, by default the number of rows of the abundances. Turning it up adds
        noise about the same phase.
    fraction : float, default=1
        Share of a pixel's counts that come from the phase, above 0; turning it down dilutes it.
    replaces : int, optional
        Row of the background that gives way to the phase, in pixels that hold it; by default all
        of them do, in proportion, anywhere.

    Returns
    -------
    DetectionLimit
        With ``pixels_needed``, ``dose_needed``, ``probability``, the eigenvalue that is expected
        and the edge, the cosines between what is found and what is true, and a ``sentence``.

    Raises
    ------
    ValueError
        Where something is not what it should be: NaN, negative spectra, other channels, no
        abundances of several spectra, a phase that is a mixture of the background, more pixels of
        it than half the map.

    Notes
    -----
    The expected map, the phase included, is whitened as ``em.PCA`` does, and its singular value
    after those of the background is the strength of the phase: what mixtures of the other spectra
    and maps cannot explain of it. Were the noise flat, it would be seen above
    ``sqrt(n_channels / n_pixels)`` [1]_ at an eigenvalue of
    ``(1 + strength) * (1 + n_channels / n_pixels / strength)`` [2]_. The noise of a rare phase is
    not flat: where it has lines of its own, it is stronger. So the same outlier equation is solved
    with the variance of every pixel and channel in it [3]_; only where the components of a
    decomposition are negative in places, as those of PCA, the noise of the background is taken for
    flat. Whitening by the counts themselves lowers the edge by a share of
    ``sqrt(n_channels / n_pixels) / dose`` and the strength by about one of ``1 / dose``, which
    tells below a hundred counts a pixel. The probability takes the logarithm of the outlier
    equation for normally distributed.

    Against draws the number of pixels holds within a factor of 1.3 from 0.1 to 20 counts a channel.
    Of drift and spikes it knows nothing, and of pixels of less than about ten counts too little.

    References
    ----------
    .. [1] J. Baik, G. Ben Arous and S. Péché, Ann. Probab. 33 (2005) 1643,
       doi:10.1214/009117905000000233.
    .. [2] F. Benaych-Georges and R. R. Nadakuditi, J. Multivar. Anal. 111 (2012) 120,
       doi:10.1016/j.jmva.2012.04.019.
    .. [3] W. Hachem, P. Loubaton and J. Najim, Ann. Appl. Probab. 17 (2007) 875,
       doi:10.1214/105051606000000925.

    Examples
    --------
    >>> import numpy as np, endmember as em
    >>> axis = np.linspace(0, 1, 200)
    >>> matrix = np.exp(-2 * axis)
    >>> phase = matrix + np.exp(-((axis - 0.6) ** 2) / 1e-3)
    >>> limit = em.detection_limit([matrix], phase, dose=500, phase_pixels=20, n_pixels=4096)
    >>> limit.rank, round(limit.pixels_needed, 1), round(limit.probability, 2)
    (2, 10.5, 1.0)
    """
    spectra, abundances, is_signed = _as_background(background, abundances)
    phase = _as_phase(phase, spectra)
    n_pixels = _as_n_pixels(n_pixels, abundances, spectra)
    fraction, replaces = (
        _as_number(fraction, "fraction", 1.0),
        _as_row(replaces, spectra, is_signed),
    )
    dose = None if dose is None else _as_number(dose, "dose")
    phase_pixels = None if phase_pixels is None else _as_number(phase_pixels, "phase_pixels")
    abundances = np.ones((1, 1)) if abundances is None else abundances
    _check_counts(spectra, abundances, replaces)
    plan = _Plan(spectra, abundances, phase, n_pixels, fraction, replaces, is_flat=is_signed)
    dose = plan.dose if dose is None else dose
    _check_room(phase_pixels, plan.most)
    _check_dose(plan, dose)
    return _limit(plan, dose, phase_pixels)


def _limit(plan, dose, phase_pixels):
    needed = _pixels_needed(plan, dose)
    centre = needed if np.isfinite(needed) else plan.most
    if phase_pixels is None:
        phase_pixels = min(np.ceil(needed), plan.most)
    curve = np.clip(centre * np.geomspace(1 / CURVE_SPAN, CURVE_SPAN, N_CURVE), 1, plan.most)
    curve = np.unique(curve)
    at = plan.whitened(phase_pixels, dose)
    eigenvalue, spectrum_cosine, map_cosine = at.outlier()
    return DetectionLimit(
        pixels_needed=float(needed),
        dose_needed=float(_dose_needed(plan, phase_pixels, dose)),
        probability=at.probability,
        rank=at.n_background + 1,
        eigenvalue=eigenvalue,
        edge=at.edge,
        strength=at.strength,
        threshold=float(np.sqrt(at.aspect)),
        spectrum_cosine=spectrum_cosine,
        map_cosine=map_cosine,
        phase_pixels=float(phase_pixels),
        n_pixels=plan.n_pixels,
        dose=float(dose),
        curve_pixels=curve,
        curve_probability=np.array([plan.whitened(n, dose).probability for n in curve]),
    )


def _pixels_needed(plan, dose):
    """Return the fewest pixels that are detected, one at least; infinite where none are."""

    def is_detected(n):
        return plan.whitened(n, dose).is_detected

    before = 1.0
    for n in np.geomspace(1.0, plan.most, N_STEPS):
        if is_detected(n):
            return _bisect(is_detected, before, n)
        before = n
    return np.inf


def _dose_needed(plan, phase_pixels, dose):
    """Return the dose from which on the phase is detected; infinite where there is none."""

    def is_detected(dose):
        return plan.whitened(phase_pixels, dose).is_detected

    low = dose
    while is_detected(low):
        low /= 2
    high = low
    while not is_detected(high):
        if high > LARGEST_DOSE:
            return np.inf
        low, high = high, 2 * high
    return _bisect(is_detected, low, high)


def _bisect(claim, low, high):
    """Return where a claim begins to hold, between two positive numbers."""
    while high > low * (1 + CLOSE):
        middle = np.sqrt(low * high)
        low, high = (low, middle) if claim(middle) else (middle, high)
    return high


class _Plan:
    """A map that is to be recorded: what its pixels expect, with the phase in some of them.

    Parameters
    ----------
    spectra : ndarray of shape (n_components, n_channels)
        In counts.
    abundances : ndarray of shape (n_map_pixels, n_components)
        A sample of the map.
    phase : ndarray of shape (n_channels,)
        Spectrum of sum 1.
    n_pixels : int
        Pixels of the map.
    fraction : float
        Of the counts that come from the phase.
    replaces : int or None
        Row of the spectra that gives way.
    is_flat : bool
        Take the whitened noise of the background for flat: what signed components expect in a pixel
        may be negative, which is no variance.
    """

    def __init__(self, spectra, abundances, phase, n_pixels, fraction, replaces, *, is_flat):
        abundances = abundances[:: -(-len(abundances) // MOST_KINDS)]
        counts = abundances @ spectra.sum(axis=1)
        self.dose, self.n_pixels, self.is_flat = float(counts.mean()), n_pixels, is_flat
        self.spectra = np.vstack([spectra, phase])
        kept, given = _replaced(abundances, spectra, counts, fraction, replaces)
        self.before = np.column_stack([abundances, np.zeros(len(abundances))]) / self.dose
        self.after = np.column_stack([kept, given]) / self.dose
        share = np.divide(given, counts, out=np.zeros_like(counts), where=counts > 0)
        self.places = share / share.mean()  # how likely a pixel holds the phase, 1 on average
        self.most = n_pixels / self.places.max() / 2
        self.of_background = cache(self._of_background)

    def whitened(self, phase_pixels, dose):
        """Return the map with so many pixels of the phase, whitened."""
        likely = phase_pixels / self.n_pixels * self.places
        weights = np.concatenate([1 - likely, likely]) * (self.n_pixels / len(likely))
        kinds = dose * np.vstack([self.before, self.after])
        return _Whitened(kinds, weights, self.spectra, self.is_flat, *self.of_background(dose))

    def _of_background(self, dose):
        """Return the components that the background shows, and how far its noise is from flat."""
        weights = np.full(len(self.before), self.n_pixels / len(self.before))
        alone = _Whitened(dose * self.before, weights, self.spectra, self.is_flat)
        excess = max(1.0, alone.noise_end() / alone.edge)
        alone = _Whitened(dose * self.before, weights, self.spectra, self.is_flat, excess=excess)
        return max(1, int(np.count_nonzero(alone.gains(alone.bar) >= 1))), excess


def _replaced(abundances, spectra, counts, fraction, replaces):
    """Return what stays of the background where the phase is, and the counts of the phase."""
    if replaces is None:
        return abundances * (1 - fraction), fraction * counts
    kept = abundances.copy()
    kept[:, replaces] *= 1 - fraction
    return kept, fraction * abundances[:, replaces] * spectra[replaces].sum()


class _Whitened:
    """An expected map as PCA whitens it, and what random matrices say of its eigenvalues.

    Parameters
    ----------
    kinds : ndarray of shape (n_kinds, n_components)
        Amounts of every spectrum in each kind of pixel.
    weights : ndarray of shape (n_kinds,)
        Pixels of each kind.
    spectra : ndarray of shape (n_components, n_channels)
        In counts; the last one is the phase.
    is_flat : bool
        Take the noise of all others for flat.
    n_background : int
        Components that come before the phase.
    excess : float
        Where the noise of the background ends, over where flat noise would.
    """

    def __init__(self, kinds, weights, spectra, is_flat, n_background=1, excess=1.0):
        kinds, which = np.unique(kinds, axis=0, return_inverse=True)
        weights = np.bincount(which.ravel(), weights)
        counts = kinds @ spectra.sum(axis=1)
        is_there = (counts > 0) & (weights > 0)
        kinds, counts, weights = kinds[is_there], counts[is_there], weights[is_there]
        totals = (weights @ kinds) @ spectra
        seen = totals > HALF_EMPTY
        totals, spectra = totals[seen], spectra[:, seen]
        mean = totals / totals.sum()
        self.weights, self.n_background = weights, n_background
        self.n_pixels, self.n_channels = float(weights.sum()), int(seen.sum())
        self.aspect = self.n_channels / self.n_pixels
        # How a fixed number of counts falls on channels scatters less than Poisson counts do, by as
        # much, to first order, as if the signal were that of one count less; so it is with pixels
        self.scores = kinds / np.sqrt(counts + 1)[:, None]
        self.spectra = spectra / np.sqrt(mean * (1 + 1 / totals))
        # Poisson variances of the scaled counts: of low rank, as their means are
        self.row_noise, self.channel_noise = kinds / counts[:, None], spectra / mean
        if is_flat:
            share = kinds[:, -1:] * spectra[-1].sum() / counts[:, None]
            self.row_noise = np.hstack([1 - share, share])
            self.channel_noise = np.stack([np.ones_like(mean), self.channel_noise[-1]])
        # Scaled by their own counts, pixels and channels cannot be long by chance. To first order
        # in the kurtosis of the entries, 1 over their counts, the noise ends that much lower.
        self.deficit = np.sqrt(self.aspect) * (weights / counts).sum() / self.n_pixels
        self.edge = noise_edge(self.n_pixels, self.n_channels) * excess
        self.bar = self.edge * (1 + EDGE_MARGIN) * (1 + self.deficit)

    @cached_property
    def gain(self):
        """What the outlier equation of the phase says at the bar: it is detected from 1 on."""
        return self._gain(self.bar)

    @property
    def is_detected(self):
        return bool(self.gain >= 1)

    @property
    def probability(self):
        """Of an eigenvalue above the bar."""
        if self.gain <= 0:
            return 0.0
        if self.gain < np.inf:
            return float(ndtr(np.log(self.gain) / self._scatter(self.bar)[0]))
        # The noise of the phase alone reaches further: its eigenvalue is as good as another
        z = self.outlier()[0] * (1 + self.deficit)
        scatter, slope = self._scatter(z)
        return float(ndtr((z - self.bar) * slope / scatter))

    @property
    def strength(self):
        return self._direction[0]

    def outlier(self):
        """Return the expected eigenvalue, and the cosines of its spectrum and of its map."""
        low = self.edge * (1 + self.deficit)
        if self._gain(low * (1 + CLOSE)) < 1:
            return float(self.edge), 0.0, 0.0
        high = 2 * low
        while self._gain(high) >= 1:
            low, high = high, 2 * high
        z = _bisect(lambda z: self._gain(z) < 1, low, high)
        rows, columns = self.resolvents(z)
        slope = z * np.log(self._gain(z) / self._gain(z * (1 + CLOSE))) / (z * CLOSE)
        _, of_pixels, of_channels = self._direction
        squares = np.array([of_channels @ columns, of_pixels @ rows]) / slope
        return z / (1 + self.deficit), *np.sqrt(np.clip(squares, 0, 1)).tolist()

    def noise_end(self):
        """Return where the noise ends, or where flat noise would, if that is higher."""
        high = self.edge
        while self.resolvents(high * (1 + EDGE_MARGIN)) is None:
            high *= 2
        if high == self.edge:
            return high
        return _bisect(lambda z: self.resolvents(z) is not None, high / 2, high)

    def gains(self, z):
        """Return what the outlier equation says at an eigenvalue, strongest component first."""
        found = self.resolvents(z)
        if found is None:  # noise itself reaches further
            return np.full(len(self.spectra), np.inf)
        rows, columns = found
        of_rows = (self.scores.T * (self.weights * rows)) @ self.scores
        of_columns = (self.spectra * columns) @ self.spectra.T
        values = np.linalg.eigvals(of_rows @ of_columns).real / (self.n_pixels * z)
        return np.sort(values)[::-1]

    def resolvents(self, z):
        """Return the diagonals of both resolvents times -z; None where noise itself reaches z."""
        unit, rows = self.n_pixels * z, np.ones(len(self.weights))
        for _ in range(MOST_SWEEPS):
            columns = 1 - ((self.weights * rows) @ self.row_noise) @ self.channel_noise / unit
            if not (columns > 0).all():
                return None
            columns, before = 1 / columns, rows
            rows = 1 - self.row_noise @ (self.channel_noise @ columns) / unit
            if not (rows > 0).all():
                return None
            rows = 1 / rows
            if np.abs(rows - before).max() < SETTLED * rows.max():
                break
        return rows, columns

    def _gain(self, z):
        gains = self.gains(z)
        return gains[self.n_background] if self.n_background < len(gains) else 0.0

    @cached_property
    def _direction(self):
        """Squared singular value of the phase, and the squares of its map and of its spectrum."""
        of_rows = (self.scores.T * self.weights) @ self.scores / self.n_pixels
        of_columns = self.spectra @ self.spectra.T
        values, vectors = np.linalg.eig(of_rows @ of_columns)
        last = np.argsort(-values.real)[min(self.n_background, len(values) - 1)]
        mixture = vectors[:, last].real
        on_map = self.weights * (self.scores @ (of_columns @ mixture)) ** 2
        spectrum = (mixture @ self.spectra) ** 2
        return float(values[last].real), on_map / on_map.sum(), spectrum / spectrum.sum()

    def _scatter(self, z):
        """Return the standard deviation of the logarithm of the gain, and minus its slope.

        Those of a spike in flat Gaussian noise, whose directions are anywhere, but with the Poisson
        variance along its own direction.
        """
        step = SMALL_STEP * (z - noise_edge(self.n_pixels, self.n_channels))
        before, at, after = (flat_resolvents(z + d, self.aspect) for d in (-step, 0.0, step))
        (rows, columns), slopes = at, (np.array(after) - before) / (2 * step)
        _, on_map, spectrum = self._direction
        along = (on_map @ self.row_noise) @ self.channel_noise @ spectrum
        variance = (
            2 / self.n_pixels * (slopes[0] / rows**2 - 1)
            + 2 / self.n_channels * (slopes[1] / columns**2 - 1)
            + 4 / self.n_pixels * along * (z * slopes[1] + columns) / (z * rows * columns)
        )
        return np.sqrt(variance), -(1 / z + slopes[0] / rows + slopes[1] / columns)


def flat_resolvents(z, aspect):
    """Return the mean diagonals of the resolvents of flat noise, of pixels and of channels.

    Parameters
    ----------
    z : float
        Above the noise edge.
    aspect : float
        Channels over pixels.
    """
    linear = z - 1 + aspect
    columns = (np.sqrt(linear**2 - 4 * aspect * z) - linear) / (2 * aspect * z)
    return -1 / (z * (1 + aspect * columns)), columns


# what arrives


def _as_background(background, abundances):
    """Return spectra, abundances or None, and whether any of them are negative."""
    spectra, own = _parts_of(background)
    may_be = isinstance(background, Decomposition)
    spectra = _as_finite(spectra, "background", 2, may_be)
    abundances = own if abundances is None else abundances
    if abundances is None and len(spectra) > 1:
        raise ValueError(
            f"background holds {len(spectra)} spectra, but nothing says how much of each the "
            "pixels hold; pass abundances of shape (n_map_pixels, n_components)."
        )
    if abundances is None:
        return spectra, None, False
    abundances = _as_finite(abundances, "abundances", 2, may_be)
    if abundances.shape[1] != len(spectra):
        raise ValueError(
            f"abundances have shape {abundances.shape} but background holds {len(spectra)} "
            "spectra; pass one column for each."
        )
    return spectra, abundances, min(spectra.min(), abundances.min()) < 0


def _parts_of(background):
    """Return spectra, and abundances where there are any."""
    if isinstance(background, SpectrumImage):
        nmf = NMF(_rank_of(background), tol=ROUGH).fit(background)
        return nmf.components_, nmf.transform(background)
    if isinstance(background, Decomposition):
        return background.components, background.scores
    if getattr(background, "endmembers", None) is not None:
        return background.endmembers, getattr(background, "abundances", None)
    if hasattr(background, "fit") and not hasattr(background, "components_"):
        raise ValueError(
            f"background is a {type(background).__name__} without components_; fit it first."
        )
    return getattr(background, "components_", background), None


def _rank_of(image):
    """Return how many components of an image rise above its noise, one at least."""
    n_components = min(MOST_COMPONENTS, image.n_pixels, image.n_channels)
    try:
        pca = PCA(n_components, weighting="biwhiten").fit(image)
    except ValueError:  # few counts, or parts without common channels, cannot be balanced
        pca = PCA(n_components).fit(image)
    return max(1, pca.n_above_edge_)


def _as_finite(values, name, ndim, is_signed=False):
    values = np.asarray(values)
    check_dtype(values.dtype, name)
    if values.ndim != ndim or 0 in values.shape:
        wanted = {
            "background": "(n_components, n_channels); a single spectrum is [spectrum]",
            "abundances": "(n_map_pixels, n_components)",
            "phase": "(n_channels,), one spectrum",
        }[name]
        raise ValueError(f"{name} has shape {values.shape}; expected {wanted}.")
    if not np.isfinite(values).all():
        raise ValueError(f"{name} contains NaN or inf; replace the values, or crop them.")
    if not is_signed and values.min() < 0:
        raise ValueError(
            f"{name} goes down to {values.min():g}, but no counts are expected below zero; clip "
            "with np.clip(values, 0, None), or pass a Decomposition where components are signed."
        )
    return values.astype(np.float64)


def _as_phase(phase, spectra):
    """Return the spectrum of the phase as shares of its counts."""
    phase = _as_finite(phase, "phase", 1)
    if phase.size != spectra.shape[1]:
        raise ValueError(
            f"phase has {phase.size} channels but the background has {spectra.shape[1]}; crop or "
            "rebin one of them."
        )
    if not phase.any():
        raise ValueError("phase is zero in every channel; pass the spectrum that is sought.")
    phase = phase / phase.sum()
    rest = phase - spectra.T @ np.linalg.lstsq(spectra.T, phase, rcond=None)[0]
    if np.linalg.norm(rest) < ALIKE * np.linalg.norm(phase):
        raise ValueError(
            "phase is a mixture of the background's spectra, which adds no component at any dose; "
            "leave out of the background what the phase is made of."
        )
    return phase


def _check_counts(spectra, abundances, replaces):
    counts = abundances.sum(axis=0) * spectra.sum(axis=1)
    if not counts.sum() > 0:
        raise ValueError("background expects no counts anywhere in the map; check the abundances.")
    if replaces is not None and not counts[replaces] > 0:
        raise ValueError(
            f"replaces is {replaces}, of which no pixel holds any; choose another row."
        )


def _as_n_pixels(n_pixels, abundances, spectra):
    if n_pixels is None:
        if abundances is None:
            raise ValueError(
                "n_pixels is None and there are no abundances to count; pass the pixels of the "
                "map, as n_pixels=64 * 64."
            )
        n_pixels = len(abundances)
    is_number = isinstance(n_pixels, Integral) and not isinstance(n_pixels, bool)
    if not is_number or int(n_pixels) <= len(spectra):
        raise ValueError(
            f"n_pixels is {n_pixels!r}; pass a whole number above the {len(spectra)} spectra of "
            "the background."
        )
    return int(n_pixels)


def _as_number(value, name, most=np.inf):
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not 0 < float(value) <= most or not np.isfinite(float(value)):
        end = f", up to {most:g}" if np.isfinite(most) else ""
        raise ValueError(f"{name} is {value!r}; pass a number above 0{end}.")
    return float(value)


def _as_row(replaces, spectra, is_signed):
    if replaces is None:
        return None
    if is_signed:
        raise ValueError(
            f"replaces is {replaces!r}, but the background has negative components, which are no "
            "phases; take a decomposition without, such as NMF, or leave replaces out."
        )
    is_row = isinstance(replaces, Integral) and not isinstance(replaces, bool)
    if not is_row or not 0 <= replaces < len(spectra):
        raise ValueError(
            f"replaces is {replaces!r}; pass a row of the background, 0 to {len(spectra) - 1}."
        )
    return int(replaces)


def _check_room(phase_pixels, most):
    if most < 1:
        raise ValueError(
            "the map has no room for a single pixel of the phase; pass a larger one (n_pixels), or "
            "a row of the background that more pixels hold (replaces)."
        )
    if phase_pixels is not None and phase_pixels > most:
        raise ValueError(
            f"phase_pixels is {phase_pixels:g}, more than {most:g}, half of the pixels that can "
            "hold the phase; from there on it is the others that are sought. Pass fewer, or a "
            "larger map (n_pixels)."
        )


def _check_dose(plan, dose):
    n_seen = plan.whitened(plan.most, dose).n_channels
    if n_seen < len(plan.spectra):
        raise ValueError(
            f"dose is {dose:g} counts a pixel, at which {n_seen} channels of the whole map hold a "
            f"count, fewer than the {len(plan.spectra)} spectra; raise it."
        )


# what a rank loses


@dataclass(frozen=True, eq=False, repr=False)
class DenoisingBias:
    """What denoising leaves out or makes up; :func:`denoising_bias` makes it.

    Attributes
    ----------
    bias, stderr : ndarray of the navigation shape
        Denoised less true counts per pixel in the window, and its standard error: negative where
        signal is lost. Hidden pixels hold NaN.
    squared_error, squared_stderr : ndarray of the navigation shape
        Squared error of the denoised spectrum, in units of the variance that the counts have, on
        average over the channels of the window, and its standard error: dimensionless. Below 1
        where a denoised spectrum is nearer to the truth than the counts are; what noise adds to
        the estimate is taken away, so that it scatters about 0 where nothing is wrong.
    rank : int
        Components that were kept.
    dose : float
        Counts per pixel that the components were found in, `fraction` of all.
    image : SpectrumImage
        What was looked at.
    record : Record
        What made it: counts, settings, versions.
    """

    bias: np.ndarray
    stderr: np.ndarray
    squared_error: np.ndarray
    squared_stderr: np.ndarray
    rank: int
    dose: float
    image: SpectrumImage
    record: Record

    def total(self, region=None):
        """Return the bias summed over pixels, and its standard error, in counts.

        Parameters
        ----------
        region : str or array_like of bool, optional
            A name from ``image.regions``, or a selection of shape `navigation_shape`; by default
            all. Choose it by something else than this bias: where it happens to be largest, it
            is too large.

        Returns
        -------
        bias, stderr : float
        """
        chosen = np.isfinite(self.bias)
        if region is not None:
            chosen = chosen & _as_region(region, self.image)
        if not chosen.any():
            raise ValueError("region holds no visible pixel; choose another one.")
        return float(self.bias[chosen].sum()), float(np.sqrt((self.stderr[chosen] ** 2).sum()))

    def __repr__(self):
        bias, stderr = self.bias[np.isfinite(self.bias)], self.stderr[np.isfinite(self.stderr)]
        ratio = np.divide(bias, stderr, out=np.zeros_like(bias), where=stderr > 0)
        return (
            f"<DenoisingBias of rank {self.rank} in {bias.size} pixels, from {ratio.min():+.1f} to "
            f"{ratio.max():+.1f} standard errors>"
        )


def denoising_bias(
    image,
    rank,
    *,
    estimator=None,
    window=None,
    fraction=0.5,
    seed=0,
    n_splits=4,
    callback=None,
):
    """Return what denoising with a rank does to the signal, pixel by pixel.

    The counts are thinned into two recordings that are independent where counts are Poisson. One
    is denoised, the other one tells what it should have been: their difference is noise where
    denoising does no harm, whatever that has made of its own half.

    Parameters
    ----------
    image : SpectrumImage, or what :func:`as_spectrum_image` takes
        Whole counts; hidden pixels and channels take no part.
    rank : int
        Components to keep; turning it up loses less signal and leaves more noise.
    estimator : PCA, NMF or another of this package, optional
        One that denoises, fitted or not; it is copied, and its ``n_components`` set to `rank`. By
        default :class:`PCA`.
    window : tuple, list of tuples or array_like of bool, shape (n_channels,), optional
        Channels to judge by: one ``(low, high)`` or several in the unit of the image's axis, both
        included, or True for every channel that counts. By default all. All channels take part in
        the denoising in any case.
    fraction : float, default=0.5
        Share of the counts that are denoised; turning it up comes closer to what the whole
        recording would lose, and leaves less to judge by. What is lost at a fraction of the dose
        is lost less at all of it.
    seed : int, default=0
        The same seed gives the same splits.
    n_splits : int, default=4
        Times that the counts are split anew; turning it up takes away the chance of splitting, not
        that of the counts, and takes longer.
    callback : callable, optional
        Called with a :class:`Progress` after every split; where it returns True, the work stops
        with an error.

    Returns
    -------
    DenoisingBias
        Maps ``bias`` and ``squared_error`` with their standard errors, and ``total(region)``.

    Raises
    ------
    ValueError
        Where something is not what it should be: counts that are no whole numbers, NaN, negative
        counts, a rank of as many components as channels, a window beside the axis.

    Notes
    -----
    Each split estimates the bias without one of its own [1]_. Standard errors are those of Poisson
    counts, the larger of what was counted and what was modelled, through the projection on the
    components that were found: noise that turns components themselves is not in them. Splits share
    counts, so that more of them do not take away the noise of the recording.

    References
    ----------
    .. [1] A. Neufeld et al., Biostatistics 25 (2024) 270, doi:10.1093/biostatistics/kxac047.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("mixture", seed=1).image
    >>> one, three = em.denoising_bias(image, 1), em.denoising_bias(image, 3)
    >>> bool(one.squared_error.mean() > 1 > three.squared_error.mean())
    True
    """
    image = as_spectrum_image(image)
    estimator = _as_denoiser(estimator, rank, image)
    inside = _as_inside(window, image)
    _check_splits(fraction, n_splits)
    seeds = np.random.SeedSequence(as_seed(seed)).generate_state(n_splits).tolist()
    check_callback(callback)
    image = image.to_sparse() if image.is_lazy else image
    spectra = image.spectra
    _check_whole(spectra)
    sums = np.zeros((4, image.n_pixels))
    for i, own_seed in enumerate(seeds):
        kept, left = thin(spectra, fraction, seed=own_seed)
        split = _Split(kept, left, fraction, n_splits)
        sums += split.judge(clone(estimator), inside, spectra)
        report(callback, (i + 1) / n_splits)
    settings = {"rank": rank, "estimator": estimator, "window": window, "fraction": fraction}
    settings |= {"seed": seed, "n_splits": n_splits}
    bias, variance, squares, square_variance = (image.fold(row) for row in sums / n_splits)
    return DenoisingBias(
        bias=bias,
        stderr=np.sqrt(variance),
        squared_error=squares,
        squared_stderr=np.sqrt(square_variance),
        rank=int(rank),
        dose=float(fraction * marginals(spectra)[0].mean()),
        image=image,
        record=record_of("denoising_bias", settings, spectra),
    )


@dataclass(frozen=True)
class _Split:
    """One recording split in two.

    Parameters
    ----------
    kept, left : ndarray or CSR array of shape (n_pixels, n_channels)
        Counts that are denoised, and those that judge.
    fraction : float
        Share of the counts that were kept.
    n_splits : int
        Splits that this one is averaged with.
    """

    kept: Any
    left: Any
    fraction: float
    n_splits: int

    def judge(self, estimator, inside, spectra):
        """Return bias and its variance, squared error and its variance, for every pixel."""
        scores = estimator.fit_transform(self.kept) / self.fraction
        components = estimator.components_
        pixels, channels = marginals(self.kept)
        mean = channels / channels.sum()
        spread = self._spread_of_bias(components, mean, inside)
        expected = np.maximum(times(spectra, spread), scores @ (components @ spread))
        found = []
        for rows, counts in dense_rows(self.left):
            model = scores[rows] @ components[:, inside]
            variance = np.maximum(pixels[rows], 1)[:, None] * mean[inside] / self.fraction
            found.append(self._errors(model, counts[:, inside] / (1 - self.fraction), variance))
        bias, squares, square_variance = np.concatenate(found, axis=1)
        return np.stack([bias, expected, squares, square_variance])

    def _spread_of_bias(self, components, mean, inside):
        """Return what one count of every channel adds to the variance of the bias.

        All splits share the counts, each adds the chance of its own. The model follows the counts
        as a projection on its components does, in channels where noise is flat.
        """
        root, odds = np.sqrt(mean), self.fraction / (1 - self.fraction)
        flat = np.divide(components, root, out=np.zeros_like(components), where=root > 0)
        follows = np.linalg.pinv(flat) @ (components @ inside)
        follows = np.divide(follows, root, out=np.zeros_like(root), where=root > 0)
        return (follows - inside) ** 2 + (follows + odds * inside) ** 2 / (odds * self.n_splits)

    def _errors(self, model, truth, variance):
        """Return bias, squared error over the variance of the counts, and the variance of that.

        Of Poisson counts x with mean m, ``(x - m)**2 - x`` has variance ``2 * m**2`` and is not
        correlated with x. Two splits have a share of 1 / `gain` of what judges in common.
        """
        gain, is_seen = 1 / (1 - self.fraction), variance > 0
        linear, square = (1 + (gain**power - 1) / self.n_splits for power in (1, 2))
        weights = np.divide(1, variance, out=np.zeros_like(variance), where=is_seen)
        n_seen = np.maximum(is_seen.sum(axis=1), 1)
        squares = (((model - truth) ** 2 - gain * truth) * weights).sum(axis=1) / n_seen
        spread = (np.maximum(model * weights, is_seen) ** 2).sum(axis=1) / n_seen**2
        of_squares = spread * (2 * square + 4 * linear * np.maximum(squares, 0))
        return np.stack([(model - truth).sum(axis=1), squares, of_squares])


def _as_denoiser(estimator, rank, image):
    """Return an estimator of so many components that is not fitted."""
    most = min(image.n_pixels, image.n_channels)
    is_whole = isinstance(rank, Integral) and not isinstance(rank, bool)
    if not is_whole or not 1 <= int(rank) < most:
        raise ValueError(
            f"rank is {rank!r}; pass a whole number from 1 up, below {most}, the smaller of "
            f"{image.n_pixels} pixels and {image.n_channels} channels: as many keep all noise."
        )
    if estimator is None:
        return PCA(int(rank))
    if not isinstance(estimator, CountsEstimator):
        raise TypeError(
            f"estimator is {estimator!r}; pass one of this package with its settings, such as "
            "em.NMF()."
        )
    return clone(estimator).set_params(n_components=int(rank))


def _as_inside(window, image):
    """Return which visible channels belong to a window."""
    if window is None:
        return np.ones(image.n_channels, dtype=bool)
    parts = list(window) if np.iterable(window) else [window]
    if parts and all(isinstance(part, bool | np.bool_) for part in parts):
        if len(parts) != image.n_channels:
            raise ValueError(
                f"window is bool of length {len(parts)}; expected {image.n_channels}, True for "
                "every channel that counts."
            )
        inside = np.array(parts)
    else:
        inside = np.zeros(image.n_channels, dtype=bool)
        for pair in [window] if any(isinstance(part, Real | str) for part in parts) else parts:
            low, high = check_window(pair)
            image.signal_axis.window(low, high)  # says where the axis runs if it lies beside it
            inside |= (image.axis >= low) & (image.axis <= high)
    if not inside.any():
        raise ValueError("window holds no visible channel; choose one that does, or leave it out.")
    return inside


def _check_splits(fraction, n_splits):
    is_number = isinstance(fraction, Real) and not isinstance(fraction, bool)
    if not is_number or not 0 < float(fraction) < 1:
        raise ValueError(f"fraction is {fraction!r}; choose a number between 0 and 1.")
    is_whole = isinstance(n_splits, Integral) and not isinstance(n_splits, bool)
    if not is_whole or int(n_splits) < 1:
        raise ValueError(f"n_splits is {n_splits!r}; pass a whole number from 1 up.")


def _check_whole(spectra):
    """Refuse what cannot be thinned, and say by which gain it can be divided."""
    values = spectra.data if sp.issparse(spectra) else spectra
    check_dtype(values.dtype)
    check_values(values)
    gain = _gain_of(values)
    if gain == 1:
        return
    problem = "not whole numbers" if np.any(values % 1) else f"all whole multiples of {gain:g}"
    cure = (
        "Pass what the detector counted, before any scaling or background subtraction."
        if gain is None
        else f"With a gain of {gain:.6g} they are: pass np.rint(counts / {gain:.6g})."
    )
    raise ValueError(f"counts are {problem}; thinning draws single counts. {cure}")


def _gain_of(values):
    """Return the signal of one count: 1 where numbers are whole, None where they have none."""
    if values.dtype.kind in "bui" or not np.any(values % 1):
        whole = values.astype(np.int64).ravel()
        divisor = int(np.gcd.reduce(whole))
        return divisor if np.unique(whole[whole > 0]).size >= FEWEST_VALUES else 1
    values = values[values > 0].astype(np.float64)
    for divisor in range(1, 9):  # few counts may all lie some quanta apart
        multiples = values * divisor / values.min()
        if multiples.max() < LARGEST_COUNT and np.abs(multiples - np.rint(multiples)).max() < 0.01:
            return float(values.min()) / divisor
    return None


def _as_region(region, image):
    """Return a selection of pixels, of the shape of the map."""
    if isinstance(region, str):
        if region not in image.regions:
            raise ValueError(f"region is {region!r}; this image has {sorted(image.regions)}.")
        region = image.regions[region]
    chosen = np.asarray(region)
    if chosen.dtype != bool or chosen.shape != image.navigation_shape:
        raise ValueError(
            f"region must be bool of shape {image.navigation_shape}, got {chosen.dtype} of shape "
            f"{chosen.shape}."
        )
    return chosen
