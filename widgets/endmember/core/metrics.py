"""How close a result comes to the truth: angles, matches and agreement of labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import subspace_angles
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

__all__ = [
    "Match",
    "adjusted_rand_index",
    "amari_index",
    "correlation",
    "match_components",
    "principal_angles",
    "spectral_angle",
]


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


def _as_spectra(values, name, ndim=None):
    values = np.asarray(values, dtype=np.float64)
    if values.ndim == 0 or (ndim and values.ndim != ndim):
        wanted = "(n_components, n_channels)" if ndim else "(..., n_channels)"
        raise ValueError(f"{name} have shape {values.shape}; expected {wanted}.")
    return values


def _to_unit_length(values):
    length = np.linalg.norm(values, axis=-1, keepdims=True)
    return np.divide(values, length, out=np.full_like(values, np.nan), where=length > 0)
