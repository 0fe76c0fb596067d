"""How far off spectra and maps may be: fits of counts that are drawn again."""

from __future__ import annotations

import warnings
from contextlib import closing
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.stats import chi2
from scipy.stats import t as student
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.validation import check_is_fitted, check_scalar

from endmember.core.blocks import fingerprint, stack_blocks
from endmember.core.bootstrap_bounds import PURE, abundance_bounds, purities, window_bounds
from endmember.core.bootstrap_refits import KNOWN, Refits
from endmember.core.checks import level_of_caller, scaled_values
from endmember.core.mcr import MCRALS
from endmember.core.metrics import spectral_angle
from endmember.core.nmf import NMF
from endmember.core.progress import CancelledError, check_callback, is_stopped_by
from endmember.core.record import Record, record_of
from endmember.core.seeds import as_seed
from endmember.core.sources import as_spectrum_image
from endmember.core.threads import one_blas_thread

KINDS = ("parametric", "thinning")
STARTS = ("fitted", "own")
FEWEST = 2  # draws that have a spread
LOST = 0.5  # of the angle to the nearest other component: draws farther off may be of that one


@dataclass(frozen=True, eq=False)
class Windows:
    """Maps of weighted sums of channels of the denoised counts.

    Attributes
    ----------
    counts : ndarray of shape (n_pixels, n_windows)
        Of the fit.
    stderr, bias : ndarray of shape (n_pixels, n_windows)
        Their standard errors, and by how much draws are off on average, in counts.
    crlb : ndarray of shape (n_pixels, n_windows)
        Standard errors in counts of the same sums of the measured counts, which is the bound of
        Cramér and Rao for estimates that know of no model.
    below_bound : ndarray of bool, shape (n_pixels, n_windows)
        Where the standard error is smaller than that: the map is better only by what the model
        takes for granted, and biased where that does not hold.
    """

    counts: np.ndarray
    stderr: np.ndarray
    bias: np.ndarray
    crlb: np.ndarray
    below_bound: np.ndarray


@dataclass(frozen=True, eq=False, repr=False)
class Bootstrap:
    """Spectra and maps of a fit with what counting noise leaves uncertain of them.

    Attributes
    ----------
    components : ndarray of shape (n_components, n_channels)
        Spectra of the fit in counts.
    abundances : ndarray of shape (n_pixels, n_components)
        Abundances of the fit, dimensionless; scores of signed components.
    components_stderr, abundances_stderr : ndarray of the same shapes
        Standard deviations over the draws, in the same units.
    components_bias, abundances_bias : ndarray of the same shapes
        Mean over the draws less the fit, in the same units.
    components_low, components_high : ndarray of shape (n_components, n_channels)
        Ends of the bands of spectra in counts.
    abundances_low, abundances_high : ndarray of shape (n_pixels, n_components)
        Ends of the bands of abundances.
    level : float
        What share of bands is to hold the truth.
    kind : str
        How counts were drawn.
    n_draws, n_failed : int
        Draws that were taken in, and draws whose refit came to no answer.
    match_angles : ndarray of shape (n_draws, n_components)
        Angles in degrees between the spectra of every draw and those of the fit: large where the
        counts do not tell which spectra mix.
    pure_pixels, pure_channels : ndarray of shape (n_components,)
        Share of each component in the pixels, and in the channels, that hold most of it, by counts
        that did not choose them. Where both are 1, no other non-negative factors have the same
        product. NaN for estimators whose components are defined otherwise.
    crlb : ndarray of shape (n_pixels, n_components)
        Bound of Cramér and Rao: standard errors that no unbiased estimate of the abundances goes
        below, even if the spectra are known. NaN where nothing tells spectra apart.
    below_bound : ndarray of bool, shape (n_pixels, n_components)
        Where the standard error is below the bound by more than the chance of the draws: an
        estimate is better than the bound only because it is biased, as where it cannot be
        negative.
    windows : Windows or None
        Maps of the windows that were asked for.
    record : Record
        What made the result.
    """

    components: np.ndarray
    abundances: np.ndarray
    components_stderr: np.ndarray
    abundances_stderr: np.ndarray
    components_bias: np.ndarray
    abundances_bias: np.ndarray
    components_low: np.ndarray
    components_high: np.ndarray
    abundances_low: np.ndarray
    abundances_high: np.ndarray
    level: float
    kind: str
    n_draws: int
    n_failed: int
    match_angles: np.ndarray
    pure_pixels: np.ndarray
    pure_channels: np.ndarray
    crlb: np.ndarray
    below_bound: np.ndarray
    windows: Windows | None
    record: Record

    def __repr__(self):
        n_components, n_channels = self.components.shape
        angles = ", ".join(f"{angle:.2g}" for angle in np.median(self.match_angles, axis=0))
        failed = f", {self.n_failed} failed" if self.n_failed else ""
        return (
            f"<Bootstrap of {n_components} components, {len(self.abundances)} pixels, {n_channels} "
            f"channels: {self.n_draws} {self.kind} draws{failed}, {self.level:.0%} bands; "
            f"median angles to the fit {angles}°>"
        )


def bootstrap(
    estimator,
    image,
    *,
    n_draws=100,
    kind="parametric",
    level=0.95,
    start="fitted",
    windows=None,
    seed=0,
    callback=None,
):
    """Find standard errors and bands of spectra and maps, by fitting counts that are drawn again.

    Parameters
    ----------
    estimator : NMF, MCRALS, NFINDR, VCA, MinimumVolume, PCA, ICA or Varimax
        Fitted to `image`; it is not changed.
    image : SpectrumImage, or what :func:`as_spectrum_image` takes
        Counts that the estimator was fitted to.
    n_draws : int, default=100
        How often counts are drawn and fitted, two at least. Turning it up takes longer; standard
        errors scatter by ``1 / sqrt(2 * n_draws)``, 7 % for 100.
    kind : {"parametric", "thinning"}, default="parametric"
        ``"parametric"``: Poisson counts about the fitted model [1]_, which takes for granted that
        the model holds and that nothing but counting makes noise. ``"thinning"``: every measured
        count is kept with probability 1/2, and kept ones count twice [2]_. Mean and variance of
        such a draw are the counts: only these have to be Poisson, no model need hold, and no
        variance is to be rescaled. Whole counts are needed.
    level : float, default=0.95
        Share of the bands that are to hold the truth, between 0 and 1; turning it up makes them
        wider.
    start : {"fitted", "own"}, default="fitted"
        Refits of NMF and MCRALS begin from the fit, which keeps components in their places and
        takes few rounds, or from where the estimator begins by itself: then bands hold the chance
        of ending in another local optimum too. All other estimators begin by themselves.
    windows : array_like of shape (n_windows, n_channels), optional
        Weights of channels, such as 1 within a line: of the maps ``model @ weights``, errors are
        found as well, beside those of the measured counts.
    seed : int, default=0
        The same seed gives the same bits, on any number of threads.
    callback : callable, optional
        Called with a :class:`Progress` after every draw. Where it returns True, the draws so far
        are the result, if there are two.

    Returns
    -------
    Bootstrap
        With ``components_stderr``, ``components_low``, ``components_high``, the same of
        ``abundances``, and ``match_angles``, ``crlb``, ``below_bound``.

    Raises
    ------
    ValueError
        Where counts are not those that were fitted, no counts, or settings are not what they
        should be; where fewer than two draws could be fitted.
    CancelledError
        Where the callback stops before two draws.

    Warns
    -----
    UserWarning
        Where pixels and channels do not make the factors of NMF or MCRALS unique, and where draws
        lead to other components than the fit: bands tell of noise, not of this ambiguity.
    ConvergenceWarning
        Where refits ended before they were done.

    Notes
    -----
    Bands are those of a normal estimate less its bias [1]_, ``fit - bias ± t * stderr``, with
    Student's `t` and room for the chance in the bias, and end at zero where nothing may be
    negative. They need the mean and variance of the draws alone, so that memory holds a few maps
    however many draws there are; and where an estimate is biased they hold the truth more often
    than percentiles of as many draws. Components without a sign, drawn from their model, are not
    shifted by the bias: expected counts below zero are drawn as zero, which adds a bias of its own.

    Bands hold the truth as often as they say where it lies some standard errors above zero, and
    where it is zero nearly always. A truth that lies between is missed more often, above all by
    bands that end at zero: no bootstrap mends this [3]_. Nor can draws tell of a bias that the fit
    itself has, such as that of :class:`NFINDR`, which takes for pure what noise has carried
    farthest out, of :class:`MinimumVolume`, or of NMF where pixels hold few counts: of three
    simulated spectra with lines and pixels of their own, 95 % bands hold 96 % of the numbers in
    spectra and 94 % of those in maps that are not zero at 200 counts a pixel, 91 % and 89 % at 30,
    but 56 % and 77 % at 7.

    A spectrum has the height that the estimator gives it in each draw: in NMF the counts of a mean
    pixel. Other estimators than NMF and MCRALS fit each draw from the beginning.

    Factors of NMF and MCRALS are unique where each component has pixels and channels of its own
    [4]_. Whether they do is looked for with half of the counts, and judged by the other half. With
    a volume penalty, spectra are defined without that, and not looked at.

    An estimate that is better than the bound of Cramér and Rao is biased [5]_: denoising lowers
    errors below those of counts by what it takes for granted.

    References
    ----------
    .. [1] A. C. Davison and D. V. Hinkley, Bootstrap Methods and their Application (Cambridge
       University Press, 1997), doi:10.1017/CBO9780511802843.
    .. [2] J. Shao and C. F. J. Wu, Annals of Statistics 17 (1989) 1176,
       doi:10.1214/aos/1176347263.
    .. [3] D. W. K. Andrews, Econometrica 68 (2000) 399, doi:10.1111/1468-0262.00114.
    .. [4] D. Donoho and V. Stodden, Advances in Neural Information Processing Systems 16 (2003)
       1141.
    .. [5] S. Lichtert and J. Verbeeck, Ultramicroscopy 125 (2013) 35,
       doi:10.1016/j.ultramic.2012.10.001.

    Examples
    --------
    >>> import endmember as em
    >>> image = em.datasets.load("six_compounds").image
    >>> pca = em.PCA(3).fit(image)
    >>> found = em.bootstrap(pca, image, n_draws=4)
    >>> found.components_stderr.shape
    (3, 400)
    >>> bool((found.components_low <= found.components_high).all())
    True
    """
    _check_settings(n_draws, kind, level, start, callback)
    seed = as_seed(seed)
    image, spectra = _check_counts(estimator, image, kind)
    weights = _as_windows(windows, spectra.shape[1])
    with one_blas_thread():  # the same bits, and threads of its own for every draw
        refits = Refits(estimator, spectra, kind, start, seed)
        draws, n_open = _take(refits, int(n_draws), weights, callback)
        pure = _purities(estimator, spectra, refits.fit, seed)
        result = _result(draws, refits, pure, float(level), weights)
    settings = {"n_draws": n_draws, "kind": kind, "level": level, "start": start}
    found = {name: result[name] for name in ("components_stderr", "abundances_stderr")}
    record = record_of(
        "bootstrap",
        {"estimator": estimator, **settings, "windows": windows, "seed": seed},
        spectra,
        source=image,
        result=found,
        made_from={"estimator": estimator.record_},
    )
    _warn(result, pure, n_open)
    return Bootstrap(**result, record=record)


class Moments:
    """Mean and variance of arrays that come one by one, each forgotten at once.

    References
    ----------
    B. P. Welford, Technometrics 4 (1962) 419, doi:10.1080/00401706.1962.10490022.
    """

    def __init__(self, shape):
        self.n, self.mean, self._squares = 0, np.zeros(shape), np.zeros(shape)

    def add(self, values):
        """Take in one array."""
        self.n += 1
        off = values - self.mean
        self.mean += off / self.n
        off *= values - self.mean
        self._squares += off

    @property
    def stderr(self):
        """Standard deviation of the arrays."""
        return np.sqrt(self._squares / (self.n - 1))


class Draws:
    """What all draws so far say of spectra, abundances and windows."""

    def __init__(self, fit, weights):
        self.weights = weights
        self.abundances = Moments(fit.abundances.shape)
        self.components = Moments(fit.components.shape)
        self.windows = Moments((len(fit.abundances), len(weights)))
        self.angles: list[np.ndarray] = []
        self.n_failed = 0

    def add(self, refit):
        """Take in one refit, None where it failed."""
        if refit is None:
            self.n_failed += 1
            return
        abundances, components = refit.factors
        self.abundances.add(abundances)
        self.components.add(components)
        if len(self.weights):
            self.windows.add(abundances @ (components @ self.weights.T))
        self.angles.append(refit.angles)


def _take(refits, n_draws, weights, callback):
    """Return the draws, and how many refits ended before they were done."""
    draws, n_open, was_stopped = Draws(refits.fit, weights), 0, False
    with (
        warnings.catch_warnings(record=True) as caught,  # of all threads
        closing(refits.each(n_draws)) as each,
    ):
        warnings.simplefilter("always")
        for i, refit in enumerate(each):
            draws.add(refit)
            n_open += refit is not None and not refit.has_settled
            was_stopped = is_stopped_by(callback, (i + 1) / n_draws)
            if was_stopped:
                break
    if len(draws.angles) < FEWEST:
        _refuse(draws, was_stopped, refits.error)
    # What a stopped fit warns of is the stop.
    n_warned = sum(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    return draws, n_open if was_stopped else n_open + n_warned


def _refuse(draws, was_stopped, error):
    n_found = len(draws.angles)
    if was_stopped:
        raise CancelledError(
            f"the callback stopped the bootstrap after {n_found} draws; {FEWEST} are the least."
        )
    raise ValueError(
        f"only {n_found} of {n_found + draws.n_failed} draws could be fitted; the counts are too "
        "few for so many components. Fit fewer, or choose another kind."
    ) from error


def _result(draws, refits, pure, level, weights):
    """Return the fields of a :class:`Bootstrap`, all but the record."""
    fit = refits.fit
    found: dict[str, Any] = {}
    for name in ("components", "abundances"):
        values, moments = getattr(fit, name), getattr(draws, name)
        low, high = _band(values, moments, level, refits)
        found |= {
            name: values,
            f"{name}_stderr": moments.stderr,
            f"{name}_bias": moments.mean - values,
            f"{name}_low": low,
            f"{name}_high": high,
        }
    crlb = abundance_bounds(fit.abundances, fit.components, is_closed=_is_closed(refits.estimator))
    return found | {
        "level": level,
        "kind": refits.kind,
        "n_draws": len(draws.angles),
        "n_failed": draws.n_failed,
        "match_angles": np.array(draws.angles),
        "pure_pixels": pure[0],
        "pure_channels": pure[1],
        "crlb": crlb,
        "below_bound": _is_below(draws.abundances, crlb, level),
        "windows": _windows(draws, fit, weights, level) if len(weights) else None,
    }


def _band(values, moments, level, refits):
    n, stderr, bias = moments.n, moments.stderr, moments.mean - values
    if refits.is_signed and refits.kind == "parametric":
        bias = np.zeros_like(bias)
    half = student.ppf((1 + level) / 2, n - 1) * np.sqrt(1 + 1 / n) * stderr
    low, high = values - bias - half, values - bias + half
    return (low, high) if refits.is_signed else (np.maximum(low, 0), np.maximum(high, 0))


def _is_below(moments, bounds, level):
    """Whether standard errors are below bounds, even where the draws made them too small."""
    n = moments.n - 1
    largest = moments.stderr * np.sqrt(n / chi2.ppf((1 - level) / 2, n))
    return np.less(largest, bounds, where=np.isfinite(bounds), out=np.zeros(bounds.shape, bool))


def _windows(draws, fit, weights, level):
    counts = fit.abundances @ (fit.components @ weights.T)
    crlb = window_bounds(fit.abundances, fit.components, weights)
    moments = draws.windows
    is_below = _is_below(moments, crlb, level)
    return Windows(counts, moments.stderr, moments.mean - counts, crlb, is_below)


def _is_closed(estimator):
    if isinstance(estimator, MCRALS):
        return bool(estimator._constraints.is_closed)
    return bool(getattr(estimator, "sum_to_one", False))


def _purities(estimator, spectra, fit, seed):
    """Return shares in the purest pixels and channels, NaN where they do not matter."""
    is_free = isinstance(estimator, NMF) and not estimator.volume
    is_free |= isinstance(estimator, MCRALS) and estimator.known_spectra is None
    if not is_free or len(fit.components) < 2 or any((part < 0).any() for part in fit):
        return np.full((2, len(fit.components)), np.nan)
    return purities(spectra, fit.abundances, fit.components, seed)


# warnings


def _warn(result, pure, n_open):
    level = level_of_caller()
    if n_open:
        warnings.warn(
            f"{n_open} refits of {result['n_draws']} draws ended before they were done, so that "
            "errors may be too small; raise max_iter of the estimator.",
            ConvergenceWarning,
            stacklevel=level,
        )
    text = "; ".join(filter(None, [_impure(pure), _lost(result)]))
    if text:
        warnings.warn(
            f"{text}: other spectra fit the counts about as well (ambiguity), and the bands, which "
            "tell of noise alone, do not cover them. See match_angles, pure_pixels, pure_channels "
            "and MCRALS.ambiguity_band; add what is known, such as volume or known spectra.",
            UserWarning,
            stacklevel=level,
        )


def _impure(pure):
    """Say which components have no pixels or no channels of their own."""
    parts = [
        f"component {k} makes {shares[k]:.0%} of its purest {what}"
        for shares, what in zip(pure, ("pixels", "channels"), strict=True)
        for k in np.flatnonzero(shares < PURE)
    ]
    return ", ".join(parts)


def _lost(result):
    """Say which components draws may have taken for others."""
    components = result["components"]
    angles = spectral_angle(components[:, None], components[None])
    angles = np.minimum(angles, 180.0 - angles)
    np.fill_diagonal(angles, np.inf)
    nearest = np.nan_to_num(angles, nan=90.0, posinf=90.0).min(axis=1)
    usual = np.median(result["match_angles"], axis=0)
    parts = [
        f"draws lie {usual[k]:.2g}° from component {k}, and the next one {nearest[k]:.2g}°"
        for k in np.flatnonzero(usual > LOST * nearest)
    ]
    return ", ".join(parts)


# checks


def _check_settings(n_draws, kind, level, start, callback):
    if isinstance(n_draws, bool):
        raise TypeError(f"n_draws is {n_draws}; pass a whole number from {FEWEST} up.")
    check_scalar(n_draws, "n_draws", Integral, min_val=FEWEST)
    if isinstance(level, bool) or not isinstance(level, Real) or not 0 < float(level) < 1:
        raise ValueError(f"level is {level!r}; choose a number between 0 and 1, such as 0.95.")
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; choose one of {KINDS}.")
    if start not in STARTS:
        raise ValueError(f"start is {start!r}; choose one of {STARTS}.")
    check_callback(callback)


def _check_estimator(estimator):
    if not isinstance(estimator, KNOWN):
        raise TypeError(
            f"estimator is {estimator!r}; pass a fitted NMF, MCRALS, NFINDR, VCA, MinimumVolume, "
            "PCA, ICA or Varimax. BayesianUnmixing has intervals of its own."
        )
    try:
        check_is_fitted(estimator)
    except NotFittedError:
        raise NotFittedError(
            f"estimator {type(estimator).__name__} is not fitted; call estimator.fit(image) first."
        ) from None
    if getattr(estimator, "missing", None) is not None:
        raise ValueError(
            "estimator was fitted with missing numbers, which are not drawn again; leave those "
            "channels or pixels out of the image, and fit it with missing=None."
        )


def _check_counts(estimator, image, kind):
    """Return the image, and its counts as the estimator takes them."""
    _check_estimator(estimator)
    image = as_spectrum_image(image)
    spectra = stack_blocks(estimator._check_spectra(image, reset=False))
    estimator._check_shape(spectra.shape)
    values = spectra.data if sp.issparse(spectra) else spectra
    is_whole = values.dtype.kind != "f" or np.array_equal(values, np.rint(values))
    if not is_whole and (kind == "thinning" or scaled_values(spectra) is not None):
        raise ValueError(
            f"counts are not whole numbers, but kind={kind!r} draws single counts. Pass what the "
            "detector counted, before any scaling or background subtraction."
        )
    if estimator.record_.data["sha256"] != fingerprint(spectra):
        raise ValueError(
            "image holds other counts than the estimator was fitted to; call estimator.fit(image) "
            "first."
        )
    return image, spectra


def _as_windows(windows, n_channels):
    if windows is None:
        return np.zeros((0, n_channels))
    weights = np.array(windows, dtype=np.float64)
    if weights.ndim != 2 or weights.shape[1] != n_channels or not np.isfinite(weights).all():
        raise ValueError(
            f"windows have shape {weights.shape}; expected finite weights of shape (n_windows, "
            f"{n_channels}), a row for each map."
        )
    return weights
