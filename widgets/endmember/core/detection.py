"""In how many pixels, or at which dose, a phase is seen by principal components."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from numbers import Integral, Real

import numpy as np

from endmember.core.checks import check_dtype
from endmember.core.decomposition import Decomposition
from endmember.core.image import SpectrumImage
from endmember.core.nmf import NMF
from endmember.core.pca import PCA
from endmember.core.poisson_law import Whitened, bisect

MOST_KINDS = 2048  # of pixels that stand for the others of a large map
MOST_COMPONENTS = 32  # that are looked for in the background of an image
ALIKE = 1e-6  # of a phase: what mixtures of the background leave of it
CLOSE = 1e-4  # of a number that is searched for: far below what the law is good for
LARGEST_DOSE = 1e9  # counts a pixel: what is not seen by then never is
N_STEPS = 9  # from one pixel to half the map, on the way to the fewest that are seen
N_CURVE = 25  # pixel numbers along the probability curve
CURVE_SPAN = 4.0  # from the limit, either way
ROUGH = 1e-2  # tolerance of a factorisation that only says what is expected


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
            return bisect(is_detected, before, n)
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
    return bisect(is_detected, low, high)


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
        return Whitened(kinds, weights, self.spectra, self.is_flat, *self.of_background(dose))

    def _of_background(self, dose):
        """Return the components that the background shows, and how far its noise is from flat."""
        weights = np.full(len(self.before), self.n_pixels / len(self.before))
        alone = Whitened(dose * self.before, weights, self.spectra, self.is_flat)
        excess = max(1.0, alone.noise_end() / alone.edge)
        alone = Whitened(dose * self.before, weights, self.spectra, self.is_flat, excess=excess)
        return max(1, int(np.count_nonzero(alone.gains(alone.bar) >= 1))), excess


def _replaced(abundances, spectra, counts, fraction, replaces):
    """Return what stays of the background where the phase is, and the counts of the phase."""
    if replaces is None:
        return abundances * (1 - fraction), fraction * counts
    kept = abundances.copy()
    kept[:, replaces] *= 1 - fraction
    return kept, fraction * abundances[:, replaces] * spectra[replaces].sum()


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
