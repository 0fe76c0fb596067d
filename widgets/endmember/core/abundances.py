"""How much of given endmembers every spectrum holds, and how sure that is."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from endmember._kernels.abundances import poisson_csr_rows, variances_rows
from endmember.core.binning import total
from endmember.core.blocks import LazyRows, row_blocks
from endmember.core.checks import (
    LARGEST,
    ScaledCountsWarning,
    canonical_csr,
    check_array_kind,
    check_dtype,
    check_flat,
    check_height,
    is_dask,
    level_of_caller,
    native,
    read_only,
    scaled_values,
)
from endmember.core.image import SpectrumImage
from endmember.core.image_parts import check_window
from endmember.core.nonnegative import solve_nonnegative, solve_sum_to_one
from endmember.core.progress import check_callback, report
from endmember.core.record import Record, record_of
from endmember.core.threads import even_parts, in_parts, one_blas_thread

CONSTRAINTS = ("none", "nonnegative", "sum-to-one")
WEIGHTS = ("poisson", "none")
CHUNK_BYTES = 2e6  # of rows at a time as float64: their models stay in the processor's cache
ROWS_AT_ONCE = 256  # that one thread fits before it takes the next ones
TOO_ALIKE = 1e-6  # singular value of endmembers of length 1 that nothing tells apart
TAKES_PART = 1e-3  # of a direction without effect: its endmembers are those that are named
NOTHING = 1e-150  # expected counts that cannot be divided by
EVEN = 1e-2  # of an even mixture, where a Poisson fit begins: what begins at zero would stay there


@dataclass(frozen=True, eq=False, repr=False)
class Abundances:
    """What a fit of given endmembers found.

    Attributes
    ----------
    abundances : ndarray of shape (n_pixels, n_components)
        How much of each endmember every pixel holds, in units of that endmember.
    stderr : ndarray of shape (n_pixels, n_components)
        Standard errors, in the same units. NaN where a constraint holds an abundance, or where
        nothing tells endmembers apart.
    chi2 : ndarray of shape (n_pixels,)
        Pearson's chi-square, reduced: 1 on average where the endmembers explain the counts, more
        where something else is there. NaN where no freedom is left.
    mean_residual : ndarray of shape (n_channels,)
        Counts less what the model expects, on average over the pixels.
    record : Record
        What made the result.
    spectra, endmembers : array of shape (n_pixels, n_channels) and (n_components, n_channels)
        What was fitted, in counts.
    """

    abundances: np.ndarray
    stderr: np.ndarray
    chi2: np.ndarray
    mean_residual: np.ndarray
    record: Record
    spectra: Any
    endmembers: np.ndarray

    def residuals(self, pixels=None):
        """Return counts less what the model expects, channel by channel.

        They are made when they are asked for: of all pixels they are as large as a dense map.

        Parameters
        ----------
        pixels : int, slice or array_like, optional
            Rows of the spectra, as NumPy selects them; by default all.

        Returns
        -------
        ndarray of float64, shape (n_chosen, n_channels)
            In counts, inside the window and outside; one spectrum for a single pixel.
        """
        rows = np.arange(len(self.abundances))[slice(None) if pixels is None else pixels]
        model = self.abundances[rows] @ self.endmembers
        chosen = self.spectra[np.atleast_1d(rows)]
        return _dense(chosen.compute() if is_dask(chosen) else chosen).reshape(model.shape) - model

    def __repr__(self):
        n_pixels, n_components = self.abundances.shape
        known = self.chi2[np.isfinite(self.chi2)]
        middle = f"{np.median(known):.3g}" if known.size else "unknown"
        return (
            f"<Abundances of {n_components} endmembers in {n_pixels} pixels, "
            f"median reduced chi-square {middle}>"
        )


def fit_abundances(
    spectra,
    endmembers,
    *,
    constraint="nonnegative",
    weights="poisson",
    window=None,
    callback=None,
):
    """Fit every spectrum as a sum of given endmembers, and say how sure the result is.

    ``spectra ≈ abundances @ endmembers``. By default the abundances maximise the likelihood of
    Poisson counts; this is also where least squares end when every channel is weighted by 1 over
    the model, and the model made again, until nothing changes. Weights from the counts themselves
    would make few counts fewer: at one a channel by a quarter.

    Parameters
    ----------
    spectra : SpectrumImage or array_like, CSR or dask array of shape (n_pixels, n_channels)
        Counts; a dask array is read once, block by block. Negative values, which are left by a
        subtracted background, are taken unless `weights` are "poisson".
    endmembers : array_like of shape (n_components, n_channels), or fitted estimator
        Spectra in counts of a pixel that holds an abundance of 1; of an estimator, its
        ``components_``.
    constraint : {"nonnegative", "none", "sum-to-one"}, default="nonnegative"
        What abundances must be: not negative; anything; not negative and of sum 1, exactly.
    weights : {"poisson", "none"} or array_like of shape (n_channels,), default="poisson"
        What a channel counts for. "poisson": 1 over the expected counts, which is the likelihood;
        without a constraint, over those that non-negative abundances expect, with one count of
        every endmember at least. "none": the same for all, which is least squares. An array: its
        number for the channel, zero or above, in 1 over counts squared if they are inverse
        variances; turning one up binds the model closer to that channel.
    window : tuple, list of tuples or array_like of bool, shape (n_channels,), optional
        The channels that take part, all by default: one ``(low, high)`` or several, of an image in
        the unit of its axis, both included, else channel numbers, the upper one left out; or True
        for every channel that does. Channels where all endmembers are zero take no part either.
    callback : callable, optional
        Called with a :class:`Progress` after every part of the pixels; the fit is cancelled where
        it returns True.

    Returns
    -------
    Abundances
        With ``abundances``, ``stderr``, ``chi2``, ``mean_residual``, ``record`` and
        ``residuals()``.

    Raises
    ------
    ValueError
        Where something is not what it should be, or cannot be determined: NaN, other channels,
        endmembers of zeros, fewer channels than endmembers.

    Warns
    -----
    ScaledCountsWarning
        Where Poisson weights are asked for, and the spectra are no counts.
    UserWarning
        Where endmembers depend on each other; without a constraint the abundances are then those
        of least norm, otherwise one choice of many.

    Notes
    -----
    Poisson standard errors are the bounds of Cramér and Rao at the solution: from the inverse
    Fisher information of the abundances that no constraint holds. Those of other weights are taken
    from the residuals, whatever the noise [1]_. Variances in chi-square are the expected counts,
    and channels that expect none take no part. Both need single counts: of counts times 10, errors
    come out too small by the root of 10, and chi-square 10 times too large.

    Poisson fits take Newton's steps within the constraints, at the price of the counts that are
    not zero; least squares exchange components until the conditions of Karush, Kuhn and Tucker
    hold [2]_.

    References
    ----------
    .. [1] J. G. MacKinnon and H. White, J. Econometrics 29 (1985) 305,
       doi:10.1016/0304-4076(85)90158-7.
    .. [2] J. Kim and H. Park, SIAM J. Sci. Comput. 33 (2011) 3261, doi:10.1137/110821172.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture")
    >>> found = em.fit_abundances(scene.image, scene.endmembers)
    >>> found.abundances.shape, bool(abs(found.chi2.mean() - 1) < 0.05)
    ((1024, 3), True)
    >>> scene.image.fold(found.abundances).shape
    (32, 32, 3)
    """
    _check_choices(constraint, weights)
    check_callback(callback)
    made_from = getattr(endmembers, "record_", None)
    endmembers = _as_endmembers(endmembers)
    source = spectra
    axis = spectra.axis if isinstance(spectra, SpectrumImage) else None
    spectra = _as_spectra(spectra, is_poisson=isinstance(weights, str) and weights == "poisson")
    _check_channels(spectra, endmembers)
    channel_weights = _as_window(window, endmembers.shape[1], axis)
    if not isinstance(weights, str):
        channel_weights = channel_weights * _as_weights(weights, endmembers.shape[1])
    _check_determined(endmembers, channel_weights, constraint)
    channel_weights = channel_weights * endmembers.any(axis=0)
    kind = PoissonFit if isinstance(weights, str) and weights == "poisson" else LeastSquaresFit
    fit = kind(endmembers, channel_weights, constraint)
    with one_blas_thread():  # more have nothing to do with so few rows
        parts = list(_fit_parts(fit, spectra, callback))
    found, stderr, chi2 = (np.concatenate(values) for values in zip(*parts, strict=True))
    _warn_of(fit, spectra)
    settings = {"constraint": constraint, "weights": weights, "window": window}
    return Abundances(
        found,
        stderr,
        chi2,
        fit.mean_residual(found),
        record_of(
            "fit_abundances",
            {"endmembers": endmembers, **settings},
            spectra,
            source=source,
            result={"abundances": found},
            made_from=None if made_from is None else {"endmembers": made_from},
        ),
        spectra.array if isinstance(spectra, LazyRows) else spectra,
        read_only(endmembers),
    )


class Fit(ABC):
    """What the ways of fitting share: endmembers in a unit of their own, errors and chi-square.

    Parameters
    ----------
    endmembers : ndarray of shape (n_components, n_channels)
        In counts.
    channel_weights : ndarray of shape (n_channels,)
        Zero where a channel takes no part.
    constraint : str
        One of `CONSTRAINTS`.
    """

    def __init__(self, endmembers, channel_weights, constraint):
        self.given = endmembers
        self.weights = channel_weights
        self.constraint = constraint
        self.is_bound = constraint == "sum-to-one"
        self.units = self._units()
        self.endmembers = np.where(channel_weights > 0, endmembers, 0) / self.units[:, None]
        self.bound = 1 / self.units  # what one unit of each adds to a sum of abundances
        rows, columns = np.tril_indices(len(endmembers))
        self.pairs = np.ascontiguousarray((self.endmembers[rows] * self.endmembers[columns]).T)
        self.alike = _alike(endmembers, channel_weights, self.is_bound)
        self.counts = np.zeros(endmembers.shape[1])
        self.n_open = 0

    def fit(self, chunk):
        """Return abundances, standard errors and chi-square of some rows."""
        self.counts += total(chunk, axis=0)
        dense = _dense(chunk)
        found, variance = self._solve(chunk, dense)
        is_free = np.ones_like(found, dtype=bool) if self.constraint == "none" else found > 0
        model = found @ self.endmembers
        variance = np.where(self.weights > 0, model if variance is None else variance, 0)
        squares = (dense - model) ** 2
        information, meat = self._information(squares, variance, is_free)
        stderr = np.sqrt(self._variances(information, meat, is_free))
        stderr[:, self.alike] = np.nan
        n_bound = is_free.sum(axis=1) - self.is_bound
        return found / self.units, stderr / self.units, _chi2(squares, variance, n_bound)

    def mean_residual(self, abundances):
        """Return mean counts less mean model, in all channels."""
        return self.counts / len(abundances) - abundances.mean(axis=0) @ self.given

    @abstractmethod
    def _units(self):
        """Return how much of each endmember is one unit while they are fitted."""

    @abstractmethod
    def _solve(self, chunk, dense):
        """Return abundances, and the variances of the counts where these are not the model."""

    @abstractmethod
    def _information(self, squares, variance, is_free):
        """Return what :func:`variances_rows` makes variances of, given squares of residuals."""

    def _variances(self, information, meat, is_free):
        variances = np.full(is_free.shape, np.nan)
        settings = is_free.astype(np.float64), self.bound, self.is_bound
        variances_rows(information, meat, *settings, variances, 0, len(variances))
        return variances


class LeastSquaresFit(Fit):
    """Least squares with one weight a channel; errors from the residuals themselves."""

    def __init__(self, endmembers, channel_weights, constraint):
        super().__init__(endmembers, channel_weights, constraint)
        weighted = self.endmembers * channel_weights
        self.gram = weighted @ self.endmembers.T
        self.project = weighted.T
        if constraint == "none":
            root = np.sqrt(channel_weights)
            # What they depend on each other by is divided so that the caller's unit has least norm;
            # else in units of length 1: in others pinv would drop what is small in its own.
            units = np.ones_like(self.units) if self.alike.any() else self.units
            scaled = endmembers * root / units[:, None]
            self.project = root[:, None] * np.linalg.pinv(scaled) * (self.units / units)

    def _units(self):
        return np.sqrt((self.weights * self.given**2).sum(axis=1))

    def _solve(self, chunk, dense):
        corr = (dense if isinstance(chunk, np.ndarray) else chunk) @ self.project
        if self.constraint == "none":
            return corr, None
        if self.is_bound:
            return solve_sum_to_one(self.gram, corr, self.bound), None
        return solve_nonnegative(self.gram, corr), None

    def _information(self, squares, variance, is_free):
        n_used = np.count_nonzero(self.weights)
        left = np.maximum(n_used - is_free.sum(axis=1) + self.is_bound, 0)
        with np.errstate(divide="ignore"):
            scale = np.where(left > 0, n_used / left, np.nan)
        meat = (squares * self.weights**2) @ self.pairs * scale[:, None]
        gram = self.gram[np.tril_indices(len(self.gram))]
        return np.tile(gram, (len(squares), 1)), meat


class PoissonFit(Fit):
    """The largest likelihood of Poisson counts; errors from the Fisher information."""

    def __init__(self, endmembers, channel_weights, constraint):
        if endmembers.min() < 0:
            raise ValueError(
                f"endmembers go down to {endmembers.min():g}, but Poisson counts expect no "
                "negative ones; choose weights='none', or clip with np.clip(endmembers, 0, None)."
            )
        super().__init__(endmembers, channel_weights, constraint)
        self.endmembers[self.endmembers < 1e-100] = 0  # squares of its inverse would overflow
        self.theirs = np.ascontiguousarray(self.endmembers.T)
        even = self.theirs.sum(axis=1, keepdims=True)
        self.is_seen = even.ravel() > 0
        weighted = np.divide(self.theirs, even, out=np.zeros_like(self.theirs), where=even > 0)
        self.project = weighted @ np.linalg.pinv(weighted.T @ self.theirs)

    def _units(self):
        return np.where(self.weights > 0, self.given, 0).sum(axis=1)

    def _solve(self, chunk, dense):
        found = self._maximum(chunk, dense)
        if self.constraint != "none":
            return found, None
        variance = np.maximum(found, 1) @ self.endmembers
        weights = _inverse(variance)
        information = _unpacked(weights @ self.pairs, len(self.units))
        slopes = (weights * dense) @ self.theirs
        return self._unconstrained(information, slopes), variance

    def _maximum(self, chunk, dense):
        indptr, indices, counts = _rows_of(chunk, dense)
        found = np.zeros((len(dense), len(self.units)))
        settings = (
            self.theirs,
            self.is_seen,
            self.project,
            EVEN / len(self.units),
            self.bound,
            self.is_bound,
        )
        n_open = in_parts(
            lambda start, stop: poisson_csr_rows(
                indptr, indices, counts, *settings, found, start, stop
            ),
            even_parts(len(dense), ROWS_AT_ONCE),
        )
        self.n_open += sum(n_open)
        return found

    def _unconstrained(self, information, slopes):
        if not self.alike.any():
            return np.linalg.solve(information, slopes[..., None])[..., 0]
        units = self.units  # the least norm is that of abundances in the caller's unit
        inverse = np.linalg.pinv(
            information * np.outer(units, units), rcond=TOO_ALIKE**2, hermitian=True
        )
        return (inverse @ (slopes * units)[..., None])[..., 0] * units

    def _information(self, squares, variance, is_free):
        information = _inverse(variance) @ self.pairs
        return information, information


def _fit_parts(fit, spectra, callback):
    """Yield what is found, some rows at a time."""
    n_rows = max(ROWS_AT_ONCE, int(CHUNK_BYTES / 8 / spectra.shape[1]))
    n_done = 0
    for block in row_blocks(spectra, check=False):
        if isinstance(spectra, LazyRows):
            _check_numbers(block, isinstance(fit, PoissonFit))
        for start in range(0, block.shape[0], n_rows):
            chunk = block[start : start + n_rows]
            yield fit.fit(chunk)
            n_done += chunk.shape[0]
            report(callback, n_done / spectra.shape[0])


def _warn_of(fit, spectra):
    is_poisson = isinstance(fit, PoissonFit)
    seen = scaled_values(getattr(spectra, "array", spectra)) if is_poisson else None
    if seen is not None:
        warnings.warn(
            f"spectra are zero in places and hold {' and '.join(f'{v:.3g}' for v in seen)} in "
            "others, no multiples of one quantum: they were scaled after they were counted, so "
            "that stderr and chi2 cannot be right. Pass the counts, or choose weights='none'.",
            ScaledCountsWarning,
            stacklevel=level_of_caller(),
        )
    if fit.alike.any():
        warnings.warn(
            f"endmembers {np.flatnonzero(fit.alike).tolist()} depend on each other in the channels "
            "that take part: how their sum is shared out means nothing; leave some out, or widen "
            "the window.",
            UserWarning,
            stacklevel=level_of_caller(),
        )
    if fit.n_open:
        warnings.warn(
            f"{fit.n_open} pixels did not reach the largest likelihood; leave out endmembers that "
            "are nearly alike.",
            ConvergenceWarning,
            stacklevel=level_of_caller(),
        )


def _chi2(squares, variance, n_bound):
    is_seen = variance > NOTHING
    terms = np.divide(squares, variance, out=np.zeros_like(squares), where=is_seen)
    left = (is_seen.sum(axis=1) - n_bound).astype(np.float64)
    return terms.sum(axis=1) / np.where(left > 0, left, np.nan)


def _inverse(variance):
    return np.divide(1.0, variance, out=np.zeros_like(variance), where=variance > NOTHING)


def _unpacked(pairs, n):
    """Return symmetric matrices, given their lower triangles row after row."""
    full = np.zeros((len(pairs), n, n))
    rows, columns = np.tril_indices(n)
    full[:, rows, columns] = full[:, columns, rows] = pairs
    return full


def _dense(chunk):
    return (chunk.toarray() if sp.issparse(chunk) else np.asarray(chunk)).astype(
        np.float64, order="C", copy=False
    )


def _rows_of(chunk, dense):
    """Return rows as CSR arrays; those of dense rows name every channel."""
    if sp.issparse(chunk):
        arrays = chunk.indptr.astype(np.int32), chunk.indices.astype(np.int32)
        return *arrays, chunk.data.astype(np.float64)
    n_rows, n_channels = dense.shape
    indices = np.tile(np.arange(n_channels, dtype=np.int32), n_rows)
    return np.arange(n_rows + 1, dtype=np.int32) * n_channels, indices, dense.ravel()


def _alike(endmembers, channel_weights, is_bound):
    """Return which endmembers nothing tells apart, their sum counting as one more channel."""
    scaled = endmembers * np.sqrt(channel_weights)
    if is_bound:
        lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
        scaled = np.hstack([scaled, np.full_like(lengths, lengths.mean())])
    scaled = scaled / np.linalg.norm(scaled, axis=1, keepdims=True)
    directions, values, _ = np.linalg.svd(scaled, full_matrices=False)
    return (np.abs(directions[:, values < TOO_ALIKE]) > TAKES_PART).any(axis=1)


def _check_choices(constraint, weights):
    if constraint not in CONSTRAINTS:
        raise ValueError(f"constraint is {constraint!r}; choose one of {CONSTRAINTS}.")
    if weights is None or (isinstance(weights, str) and weights not in WEIGHTS):
        raise ValueError(
            f"weights are {weights!r}; choose one of {WEIGHTS}, or pass one number a channel."
        )


def _as_endmembers(endmembers):
    if hasattr(endmembers, "fit") and not hasattr(endmembers, "components_"):
        raise ValueError(
            f"endmembers are a {type(endmembers).__name__} without components_; fit it first."
        )
    endmembers = np.asarray(getattr(endmembers, "components_", endmembers))
    check_dtype(endmembers.dtype, "endmembers")
    if endmembers.ndim != 2 or 0 in endmembers.shape:
        raise ValueError(
            f"endmembers have shape {endmembers.shape}; expected (n_components, n_channels); a "
            "single spectrum is spectrum[None]."
        )
    if not np.isfinite(endmembers).all():
        raise ValueError("endmembers contain NaN or inf; replace the values, or crop them.")
    check_height(np.abs(endmembers), "endmembers")
    return np.array(endmembers, dtype=np.float64, order="C")


def _as_spectra(spectra, *, is_poisson):
    if isinstance(spectra, SpectrumImage):
        spectra = spectra.spectra
    check_array_kind(spectra, "spectra")
    if not (sp.issparse(spectra) or is_dask(spectra)):
        spectra = np.asarray(spectra)
    if spectra.ndim == 1:
        raise ValueError(
            f"spectra have shape {spectra.shape}; expected (n_pixels, n_channels); a single "
            "spectrum is spectrum[None]."
        )
    check_flat(spectra, "spectra")
    check_dtype(spectra.dtype, "spectra")
    if 0 in spectra.shape:
        raise ValueError(f"spectra have shape {spectra.shape}: there is nothing to fit.")
    if is_dask(spectra):
        return LazyRows(spectra)
    spectra = canonical_csr(spectra) if sp.issparse(spectra) else native(spectra)
    _check_numbers(spectra, is_poisson)
    return spectra


def _check_numbers(spectra, is_poisson):
    values = spectra.data if sp.issparse(spectra) else spectra
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        n_bad = int(np.count_nonzero(~np.isfinite(values)))
        raise ValueError(
            f"spectra contain NaN or inf in {n_bad} places; hide those pixels with the mask= of a "
            "SpectrumImage, or replace the values."
        )
    if is_poisson and values.size and values.dtype.kind in "if" and values.min() < 0:
        raise ValueError(
            f"spectra go down to {values.min():g}, but Poisson counts cannot be negative; undo a "
            "background subtraction, or choose weights='none'."
        )
    check_height(values if is_poisson else np.abs(values), "spectra")


def _check_channels(spectra, endmembers):
    if spectra.shape[1] != endmembers.shape[1]:
        raise ValueError(
            f"spectra have {spectra.shape[1]} channels but endmembers have {endmembers.shape[1]}; "
            "crop or rebin one of them."
        )


def _as_weights(weights, n_channels):
    weights = np.asarray(weights)
    check_dtype(weights.dtype, "weights")
    if weights.shape != (n_channels,):
        raise ValueError(
            f"weights have shape {weights.shape}; expected ({n_channels},), one for each channel."
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(
            "weights contain NaN, inf or negative numbers; pass zero for a channel that is to take "
            "no part, and a positive number for every other."
        )
    weights = weights.astype(np.float64)
    return weights / (weights.max() or 1.0)  # their unit changes nothing, but may be out of reach


def _as_window(window, n_channels, axis):
    """Return 1 for every channel in the window, and 0 for the others."""
    if window is None:
        return np.ones(n_channels)
    if isinstance(window, str) or not np.iterable(window):
        raise ValueError(
            f"window is {window!r}; pass (low, high), a list of such pairs, or True for every "
            "channel that takes part."
        )
    window = list(window)
    if window and all(isinstance(value, bool | np.bool_) for value in window):
        if len(window) != n_channels:
            raise ValueError(
                f"window is bool of length {len(window)}; expected {n_channels}, True for every "
                "channel that takes part."
            )
        inside = np.array(window)
    else:
        inside = np.zeros(n_channels, dtype=bool)
        is_single = len(window) == 2 and all(isinstance(end, Real) for end in window)
        for pair in [window] if is_single else window:
            inside |= _between(pair, n_channels, axis)
    if not inside.any():
        raise ValueError("window holds no channel; choose one that does, or leave it out.")
    return inside.astype(np.float64)


def _between(pair, n_channels, axis):
    low, high = check_window(pair)
    if axis is not None:
        inside = (axis >= low) & (axis <= high)
        if not inside.any():
            raise ValueError(
                f"window ({low:g}, {high:g}) holds no channel; the axis runs from {axis.min():g} "
                f"to {axis.max():g}."
            )
        return inside
    if low < 0 or high > n_channels or low % 1 or high % 1:
        raise ValueError(
            f"window ({low:g}, {high:g}) does not lie within channels 0 to {n_channels}; pass "
            "whole numbers, or a SpectrumImage for the unit of its axis."
        )
    channels = np.arange(n_channels)
    return (channels >= low) & (channels < high)


def _check_determined(endmembers, channel_weights, constraint):
    used = channel_weights > 0
    empty = np.flatnonzero(~endmembers[:, used].any(axis=1))
    if empty.size:
        raise ValueError(
            f"endmembers {empty.tolist()} are zero in all {used.sum()} channels that take part; "
            "leave them out, or widen the window."
        )
    heights = (np.abs(endmembers) * np.sqrt(channel_weights)).max(axis=1)
    faint = np.flatnonzero(heights * LARGEST < 1)
    if faint.size:
        raise ValueError(
            f"endmembers {faint.tolist()} go up to {heights[faint].max():g} where channels take "
            "part, whose squares no float64 holds; multiply them by a power of ten that brings "
            "them near 1, or widen the window."
        )
    if used.sum() + (constraint == "sum-to-one") < len(endmembers):
        raise ValueError(
            f"{used.sum()} channels take part, fewer than the {len(endmembers)} endmembers; widen "
            "the window, or leave endmembers out."
        )
