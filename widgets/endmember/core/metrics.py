"""How close a result comes to the truth or to the counts: angles, matches, residuals."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
import scipy.sparse as sp
from scipy.linalg import subspace_angles
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

from endmember.core.blocks import row_blocks
from endmember.core.checks import (
    canonical_csr,
    check_array_kind,
    check_dtype,
    check_values,
    is_dask,
    native,
)
from endmember.core.image import SpectrumImage

__all__ = [
    "Autocorrelation",
    "Match",
    "adjusted_rand_index",
    "amari_index",
    "correlation",
    "match_components",
    "principal_angles",
    "reduced_chi_square",
    "residual_autocorrelation",
    "spectral_angle",
]

FEWEST_PIXELS = 4  # of which the standard error of an autocorrelation is known
UNPACKED_BYTES = 4e6  # of rows at a time as float64
FLAT = 1e-12  # of its mean square: a map that varies less has one value


@dataclass(frozen=True)
class Match:
    """Which found component stands for which true one.

    Attributes
    ----------
    found, true : ndarray of int
        Pair by pair, in the order of the true ones.
    cost : ndarray
        What each pair costs, in the unit of the measure.
    """

    found: np.ndarray
    true: np.ndarray
    cost: np.ndarray


@dataclass(frozen=True)
class Autocorrelation:
    """How alike neighbouring pixels of a map are.

    Attributes
    ----------
    value : ndarray of shape (n_maps,), or float for a single map
        Moran's I less what it is on average for values without order: 0 for noise, near 1 for
        structure wider than a pixel, below 0 where neighbours differ more than others. NaN of a map
        of one value.
    stderr : ndarray of shape (n_maps,), or float
        How far it scatters where the values of the map are in random order.
    """

    value: np.ndarray | float
    stderr: np.ndarray | float


def spectral_angle(spectra, others):
    """Return the angle between spectra, whatever their height.

    Parameters
    ----------
    spectra, others : array_like of shape (..., n_channels)
        Spectra in any unit, of the same number of channels; they broadcast.

    Returns
    -------
    ndarray of float64
        Angles in degrees, 0 for the same shape, at most 90 where nothing is negative; NaN beside a
        spectrum of zeros.

    References
    ----------
    F. A. Kruse et al., Remote Sensing of Environment 44 (1993) 145,
    https://doi.org/10.1016/0034-4257(93)90013-N.

    Examples
    --------
    >>> from endmember import metrics
    >>> round(float(metrics.spectral_angle([1, 0], [1, 1])), 6)
    45.0
    """
    a, b = _as_spectra(spectra, "spectra"), _as_spectra(others, "others")
    if a.shape[-1] != b.shape[-1]:
        raise ValueError(
            f"spectra have {a.shape[-1]} channels but others have {b.shape[-1]}; crop or rebin "
            "one of them."
        )
    a, b = _to_unit_length(a), _to_unit_length(b)
    # Of half the angle: the cosine itself loses small angles to rounding.
    apart, together = np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1)
    return np.degrees(2 * np.arctan2(apart, together))


def match_components(found, true, *, measure=None):
    """Match found components to true ones so that the sum of their distances is smallest.

    Parameters
    ----------
    found : array_like of shape (n_found, n_channels)
        Components in any order and height.
    true : array_like of shape (n_true, n_channels)
        What they should be.
    measure : callable, optional
        Distance of two arrays of spectra that broadcast; by default :func:`spectral_angle`. Signs
        are not forgiven: turn those of components that have none by nature first.

    Returns
    -------
    Match
        ``found``, ``true`` and ``cost``; as many pairs as the smaller side has components.

    References
    ----------
    H. W. Kuhn, Naval Research Logistics Quarterly 2 (1955) 83,
    https://doi.org/10.1002/nav.3800020109.

    Examples
    --------
    >>> from endmember import metrics
    >>> metrics.match_components([[0, 2], [3, 0]], [[1, 0], [0, 1]]).found
    array([1, 0])
    """
    found, true = _as_spectra(found, "found", ndim=2), _as_spectra(true, "true", ndim=2)
    costs = (measure or spectral_angle)(found[:, None], true[None])
    costs = np.asarray(costs, dtype=np.float64)
    worst = np.nanmax(costs) if np.isfinite(costs).any() else 0.0
    rows, columns = linear_sum_assignment(np.where(np.isfinite(costs), costs, worst + 90.0))
    order = np.argsort(columns)
    rows, columns = rows[order], columns[order]
    return Match(rows, columns, costs[rows, columns])


def correlation(maps, others):
    """Return the Pearson correlation of maps, pair by pair.

    Parameters
    ----------
    maps, others : array_like of shape (..., n_pixels)
        Values of the same pixels; they broadcast.

    Returns
    -------
    ndarray of float64
        Between -1 and 1; NaN beside a map of one value.
    """
    a, b = _as_spectra(maps, "maps"), _as_spectra(others, "others")
    a, b = (_to_unit_length(m - m.mean(axis=-1, keepdims=True)) for m in (a, b))
    return np.clip((a * b).sum(axis=-1), -1.0, 1.0)


def amari_index(unmixing, mixing):
    """Return how far an unmixing is from undoing a mixing, up to order and height.

    Parameters
    ----------
    unmixing : array_like of shape (n_components, n_mixtures)
        What was found.
    mixing : array_like of shape (n_mixtures, n_components)
        What was done.

    Returns
    -------
    float
        0 for a perfect separation, 1 for none.

    References
    ----------
    S. Amari, A. Cichocki and H. H. Yang, Advances in Neural Information Processing Systems 8
    (1996) 757.
    """
    gain = np.abs(np.asarray(unmixing, dtype=np.float64) @ np.asarray(mixing, dtype=np.float64))
    n = len(gain)
    if gain.shape != (n, n) or n < 2:
        raise ValueError(
            f"unmixing @ mixing has shape {gain.shape}; the index needs as many components as were "
            "mixed, two at least."
        )
    by_row = (gain.sum(axis=1) / gain.max(axis=1) - 1).sum()
    by_column = (gain.sum(axis=0) / gain.max(axis=0) - 1).sum()
    return float((by_row + by_column) / (2 * n * (n - 1)))


def principal_angles(components, others):
    """Return the angles between the subspaces that two sets of components span.

    Parameters
    ----------
    components, others : array_like of shape (n_components, n_channels)
        Rows that span the subspaces.

    Returns
    -------
    ndarray of float64
        Angles in degrees, the largest first.

    References
    ----------
    A. Björck and G. H. Golub, Mathematics of Computation 27 (1973) 579,
    https://doi.org/10.1090/S0025-5718-1973-0348991-3.
    """
    a, b = (
        _as_spectra(values, name, ndim=2)
        for values, name in ((components, "components"), (others, "others"))
    )
    return np.degrees(subspace_angles(a.T, b.T))


def adjusted_rand_index(labels, others):
    """Return how well two labellings agree: 1 for the same groups, about 0 for chance.

    Parameters
    ----------
    labels, others : array_like of int
        Group of every pixel, in the same order; what the groups are called does not matter.

    Returns
    -------
    float

    References
    ----------
    L. Hubert and P. Arabie, Journal of Classification 2 (1985) 193,
    https://doi.org/10.1007/BF01908075.
    """
    a, b = np.asarray(labels).ravel(), np.asarray(others).ravel()
    if a.size != b.size:
        raise ValueError(f"labels are of {a.size} pixels but others of {b.size}; compare the same.")
    return float(adjusted_rand_score(b, a))


def residual_autocorrelation(residuals, *, mask=None, lag=1):
    """Return how alike neighbouring pixels are in a map of residuals, or in one for each channel.

    What a model leaves is noise without order where the model is right; a phase or a drift that it
    does not know leaves its map.

    Parameters
    ----------
    residuals : array_like of shape (rows, columns) or (rows, columns, n_maps)
        Counts less modelled counts, or anything else with one value in each pixel; of maps of
        residual spectra every channel is a map. A line has shape (1, columns). Pixels that hold
        NaN in every map, as hidden ones do, take no part.
    mask : array_like of bool, shape (rows, columns), optional
        True hides a pixel.
    lag : int, default=1
        Pixels between those that are compared, along rows and along columns; turning it up looks
        for wider structure.

    Returns
    -------
    Autocorrelation
        ``value`` and ``stderr``, one for each map. Of many channels take the mean: where they are
        noise, it has a standard error of ``sqrt((stderr**2).sum()) / n_maps``.

    References
    ----------
    P. A. P. Moran, Biometrika 37 (1950) 17, https://doi.org/10.1093/biomet/37.1-2.17; its variance
    for values in random order from A. D. Cliff and J. K. Ord, Spatial Processes (1981), eq. 2.40.

    Examples
    --------
    >>> import numpy as np
    >>> from endmember import metrics
    >>> noise = np.random.default_rng(0).normal(size=(32, 32))
    >>> found = metrics.residual_autocorrelation(noise)
    >>> bool(abs(found.value) < 3 * found.stderr), round(found.stderr, 3)
    (True, 0.022)
    """
    maps = np.asarray(residuals)
    check_dtype(maps.dtype, "residuals")
    if maps.ndim not in (2, 3) or 0 in maps.shape:
        raise ValueError(
            f"residuals have shape {maps.shape}; expected (rows, columns) or (rows, columns, "
            "n_maps). Fold rows of spectra into a map with image.fold."
        )
    stack = maps.reshape(*maps.shape[:2], -1)
    visible = _visible(stack, mask)
    links = _links(visible, lag)
    found = np.array([_moran(values, visible, links) for values in np.moveaxis(stack, -1, 0)])
    value, stderr = found.T if maps.ndim == 3 else found[0].tolist()
    return Autocorrelation(value, stderr)


def _moran(values, visible, links):
    """Return Moran's I less its expectation, and its standard error for values in random order."""
    chosen = values[visible].astype(np.float64)
    n, deviations = chosen.size, np.zeros(visible.shape)
    deviations[visible] = chosen - chosen.mean()
    square = (deviations**2).sum()
    if square <= FLAT * (chosen**2).sum():
        return np.nan, np.nan
    neighbours, products = np.zeros(visible.shape), 0.0
    for first, second in links:
        both = visible[first] & visible[second]
        products += (deviations[first] * deviations[second]).sum()
        neighbours[first] += both
        neighbours[second] += both
    value = 2 * n * products / (neighbours.sum() * square) + 1 / (n - 1)
    kurtosis = n * (deviations**4).sum() / square**2
    return value, np.sqrt(_moran_variance(n, neighbours[visible], kurtosis))


def _visible(maps, mask):
    """Return which pixels take part."""
    visible = ~np.isnan(maps).all(axis=2)
    if mask is not None:
        mask = np.asarray(mask)
        if mask.dtype != bool or mask.shape != visible.shape:
            raise ValueError(
                f"mask must be bool of shape {visible.shape}, got {mask.dtype} of shape "
                f"{mask.shape}."
            )
        visible &= ~mask
    n_bad = np.count_nonzero(~np.isfinite(maps[visible]))
    if n_bad:
        raise ValueError(
            f"residuals contain NaN or inf in {n_bad} places of pixels that are not hidden; hide "
            "those with mask=, or replace the values."
        )
    if visible.sum() < FEWEST_PIXELS:
        raise ValueError(
            f"{visible.sum()} pixels are visible; an autocorrelation needs {FEWEST_PIXELS} or more."
        )
    return visible


def _links(visible, lag):
    """Return pairs of slices of the map that lie `lag` pixels apart, down and across."""
    if isinstance(lag, bool) or not isinstance(lag, Integral) or lag < 1:
        raise ValueError(f"lag is {lag!r}; pass a whole number from 1 up.")
    every, early, late = slice(None), slice(None, -lag), slice(lag, None)
    links = [((early, every), (late, every)), ((every, early), (every, late))]
    if not any((visible[first] & visible[second]).any() for first, second in links):
        raise ValueError(
            f"no two visible pixels lie {lag} apart along a row or a column; lower lag, or hide "
            "fewer."
        )
    return links


def _moran_variance(n, neighbours, kurtosis):
    """Return the variance of Moran's I over all orders of the values."""
    links = neighbours.sum()  # every pair from both sides
    s1, s2 = 2 * links, 4 * (neighbours**2).sum()
    even = n * ((n**2 - 3 * n + 3) * s1 - n * s2 + 3 * links**2)
    tailed = kurtosis * ((n**2 - n) * s1 - 2 * n * s2 + 6 * links**2)
    square = (even - tailed) / ((n - 1) * (n - 2) * (n - 3) * links**2)
    return np.maximum(square - 1 / (n - 1) ** 2, 0)


def reduced_chi_square(counts, model, *, n_parameters=0, per_pixel=True):
    """Return Pearson's chi-square of counts about a model, over the degrees of freedom.

    Parameters
    ----------
    counts : SpectrumImage, or array_like or CSR array of shape (n_pixels, n_channels)
        Counts, not scaled: of counts times 10 chi-square is 10 times too large. CSR counts are
        never unpacked whole.
    model : array_like of shape (n_pixels, n_channels), or what holds its factors
        Expected counts, none negative. A :class:`Decomposition`, what :func:`fit_abundances`
        returns, or a pair ``(abundances, endmembers)`` is multiplied out block by block.
    n_parameters : float, default=0
        Numbers that were fitted to each pixel, such as its abundances, or without `per_pixel` to
        the whole map; turning it up raises the result, as fewer degrees of freedom are left.
    per_pixel : bool, default=True
        Return one number for each pixel, else one for all counts.

    Returns
    -------
    ndarray of shape (n_pixels,), or of the navigation shape of an image, or float
        1 on average where the model is right, whatever the counts; below 1 where it has followed
        the noise with more than `n_parameters`. It scatters by ``sqrt(2 / n_channels)``, and more
        where less than a count is expected in a channel. NaN where no freedom is left or a pixel is
        hidden, infinite where there are counts but none expected. Channels without expected counts
        take no part otherwise.

    References
    ----------
    K. Pearson, Philosophical Magazine 50 (1900) 157, https://doi.org/10.1080/14786440009463897.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture")
    >>> truth = scene.abundances, scene.endmembers
    >>> round(em.metrics.reduced_chi_square(scene.image, truth, per_pixel=False), 2)
    1.0
    """
    image = counts if isinstance(counts, SpectrumImage) else None
    spectra = _as_counts(counts)
    factors = _as_model(model, spectra.shape)
    _check_parameters(n_parameters)
    squares, n_seen = _pearson(spectra, factors)
    if not per_pixel:
        freedom = n_seen.sum() - n_parameters
        return float(squares.sum() / freedom) if freedom > 0 else float("nan")
    freedom = n_seen - n_parameters
    found = squares / np.where(freedom > 0, freedom, np.nan)
    return found if image is None else image.fold(found)


def _pearson(spectra, factors):
    """Return chi-square and the number of channels that take part, for each pixel."""
    found = []
    for rows, counts in dense_rows(spectra):
        expected = factors[0][rows] if len(factors) == 1 else factors[0][rows] @ factors[1]
        found.append(_pearson_of(counts, expected, rows.start))
    return np.concatenate(found, axis=1)


def dense_rows(spectra):
    """Yield which rows of spectra come next, and their counts unpacked, a few at a time.

    Parameters
    ----------
    spectra : ndarray, CSR array or dask array of shape (n_pixels, n_channels)
        Counts.
    """
    start, n_rows = 0, max(1, int(UNPACKED_BYTES / 8 / spectra.shape[1]))
    for block in row_blocks(spectra):
        for first in range(0, block.shape[0], n_rows):
            counts = block[first : first + n_rows]
            counts = counts.toarray() if sp.issparse(counts) else counts
            yield slice(start, start + len(counts)), counts.astype(np.float64)
            start += len(counts)


def _pearson_of(counts, expected, start):
    if expected.min() < 0:
        pixel, channel = np.unravel_index(expected.argmin(), expected.shape)
        raise ValueError(
            f"model goes down to {expected.min():g} (pixel {start + pixel}, channel {channel}), "
            "but no counts are expected below zero; clip with np.clip(model, 0, None), or take a "
            "model without negative parts, such as NMF."
        )
    is_seen = expected > 0
    terms = np.where(is_seen | (counts == 0), 0, np.inf)
    np.divide((counts - expected) ** 2, expected, out=terms, where=is_seen)
    return np.stack([terms.sum(axis=1), is_seen.sum(axis=1)])


def _as_counts(counts):
    spectra = counts.spectra if isinstance(counts, SpectrumImage) else counts
    check_array_kind(spectra)
    if sp.issparse(spectra):
        spectra = canonical_csr(spectra)
    elif not is_dask(spectra):
        spectra = native(np.asarray(spectra))
    if spectra.ndim != 2 or 0 in spectra.shape:
        raise ValueError(
            f"counts have shape {spectra.shape}; expected (n_pixels, n_channels), or a "
            "SpectrumImage."
        )
    if not is_dask(spectra):
        check_dtype(spectra.dtype)
        check_values(spectra.data if sp.issparse(spectra) else spectra)
    return spectra


def _as_model(model, shape):
    """Return expected counts as one array or as two factors."""
    for names in (("scores", "components"), ("abundances", "endmembers")):
        if all(hasattr(model, name) for name in names):
            model = tuple(getattr(model, name) for name in names)
    parts = [np.asarray(part) for part in (model if isinstance(model, tuple) else (model,))]
    for part in parts:
        check_dtype(part.dtype, "model")
    parts = [part.astype(np.float64, copy=False) for part in parts]
    fits = [part.ndim == 2 for part in parts]
    if len(parts) > 2 or not all(fits) or (len(parts) == 2 and parts[0].shape[1] != len(parts[1])):
        raise ValueError(
            f"model has shape {' and '.join(str(part.shape) for part in parts)}; expected "
            "(n_pixels, n_channels), or a pair of abundances (n_pixels, n_components) and "
            "endmembers (n_components, n_channels)."
        )
    found = len(parts[0]), parts[-1].shape[1]
    if found != tuple(shape):
        raise ValueError(
            f"model is of {found[0]} pixels and {found[1]} channels but counts are of {shape[0]} "
            f"and {shape[1]}; pass the model of the same counts."
        )
    if not all(np.isfinite(part).all() for part in parts):
        raise ValueError("model contains NaN or inf; leave those pixels out of counts and model.")
    return parts


def _check_parameters(n_parameters):
    is_number = isinstance(n_parameters, Real) and not isinstance(n_parameters, bool)
    if not is_number or not 0 <= float(n_parameters) < np.inf:
        raise ValueError(f"n_parameters is {n_parameters!r}; pass a number from 0 up.")


def _as_spectra(values, name, ndim=None):
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 0 or (ndim and values.ndim != ndim):
        wanted = "(n_components, n_channels)" if ndim else "(..., n_channels)"
        raise ValueError(f"{name} have shape {values.shape}; expected {wanted}.")
    return values


def _to_unit_length(values):
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.divide(values, length, out=np.full_like(values, np.nan), where=length > 0)
