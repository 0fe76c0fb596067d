"""What those share who look for the simplex that the spectra of a map fill."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from scipy import linalg
from sklearn.utils.validation import check_scalar

from endmember.core.blocks import LazyRows
from endmember.core.estimators import CountsEstimator
from endmember.core.nonnegative import solve_nonnegative
from endmember.core.pca import PCA
from endmember.core.products import marginals
from endmember.core.threads import one_blas_thread

FLAT = 1e-7  # of the widest direction: what is thinner is rounding, and has no volume
ROUNDING = 1e-12  # of the distance of pixels from zero: so far apart are those that are the same


@dataclass(frozen=True)
class Flat:
    """Pixels within the flat that a simplex lies in.

    Parameters
    ----------
    points : ndarray of shape (n_pixels, n_components), column by column in memory
        A 1, and the coordinates of every pixel, which are about 1: the determinant of
        `n_components` such rows is the volume of their simplex, but for a factor.
    origin : ndarray of shape (n_scores,)
        Where the coordinates begin.
    axes : ndarray of shape (n_components - 1, n_scores)
        Their directions, as long as their unit.
    """

    points: np.ndarray
    origin: np.ndarray
    axes: np.ndarray

    def scores(self, points):
        """Return points within the flat as scores."""
        return self.origin + points[:, 1:] @ self.axes


def flatten(scores, n_components, chosen=slice(None)):
    """Return pixels within the flat that a simplex of so many corners lies in.

    Parameters
    ----------
    scores : ndarray of shape (n_pixels, n_scores)
        Coordinates in any unit.
    n_components : int
        How many corners.
    chosen : ndarray of bool, shape (n_pixels,), optional
        Pixels that say where the flat lies; by default all.
    """
    some = scores[chosen]
    origin = np.full(len(some), 1 / len(some)) @ some  # many times faster than their mean
    centred = scores - origin
    some = centred[chosen]
    values, vectors = linalg.eigh(some.T @ some)
    values, vectors = values[::-1], vectors[:, ::-1]
    least = max(FLAT**2 * values[0], ROUNDING**2 * len(some) * (origin @ origin), 1e-300)
    n_flat = int(np.count_nonzero(values > least))
    if n_flat < n_components - 1:
        raise ValueError(
            f"n_components={n_components} corners need pixels that spread in {n_components - 1} "
            f"directions, but these spread in {n_flat}; ask for {n_flat + 1} at most."
        )
    axes = vectors[:, : n_components - 1].T
    unit = 2.0 ** np.round(np.log2(max(values[0] / len(some), 1e-300)) / 2)  # rounds no digit off
    points = np.empty((len(scores), n_components), order="F")  # a column is read at a time
    points[:, 0], points[:, 1:] = 1.0, centred @ axes.T / unit
    return Flat(points, origin, axes * unit)


class SimplexEstimator(CountsEstimator):
    """An estimator whose endmembers are corners of a simplex in the principal components.

    A subclass has ``_look(spectra, sums)``, which finds the corners; with ``normalise``, scores are
    to be divided by `sums`, which are 1 without.
    """

    def _check_settings(self):
        super()._check_settings()
        check_scalar(self.normalise, "normalise", (bool, np.bool_))
        check_scalar(self.n_restarts, "n_restarts", Integral, min_val=0)

    def _fit(self, spectra):
        sums = marginals(spectra)[0] if self.normalise else np.ones(spectra.shape[0])
        with one_blas_thread():  # products with few columns: two threads wait for each other
            self._look(spectra, sums)

    def _project(self, spectra, sums, without=()):
        """Find principal components without some pixels.

        Return the scores of all, and which of them take part.
        """
        rest = np.delete(np.arange(spectra.shape[0]), without)
        some = _rows(spectra, rest) if len(without) else spectra
        self._pca = PCA(self.n_components, weighting=self.weighting)._fit_within(some)
        scores = self._pca._transform(spectra)
        is_taken = (sums > 0) & scores.any(axis=1)
        is_taken[rest] &= self._pca.pixel_scale_ > 0
        return scores, np.flatnonzero(is_taken)

    def _transform(self, spectra):
        """Return non-negative abundances, by least squares in the principal components."""
        scores = self._pca._transform(spectra)
        corners = self._pca._transform(self.components_)
        return solve_nonnegative(corners @ corners.T, scores @ corners.T)

    def _keep(self, corners, scores, sums):
        """Set the spectra of corners, the one with most counts first; return their order."""
        spectra = np.clip(self._pca.inverse_transform(corners), 0, None)
        if self.normalise:
            heights = np.maximum(spectra.sum(axis=1, keepdims=True), 1e-300)
            spectra *= sums.mean() / heights
        shares = linalg.lstsq(self._pca._transform(spectra).T, scores.mean(axis=0))[0]
        order = np.argsort(-shares * spectra.sum(axis=1), kind="stable")
        self.components_ = spectra[order]
        return order


def _rows(spectra, rows):
    return LazyRows(spectra.array[rows]) if isinstance(spectra, LazyRows) else spectra[rows]
