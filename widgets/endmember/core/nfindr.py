"""Endmembers as the corners of the cloud of spectra: the simplex of largest volume."""

from __future__ import annotations

import warnings
from numbers import Integral

import numpy as np
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_scalar

from endmember.core.estimators import CountsEstimator
from endmember.core.nonnegative import solve_nonnegative
from endmember.core.pca import PCA
from endmember.core.progress import is_stopped_by

GROWTH = 1e-9  # of the volume, relative: less is rounding
FLAT = 1e-7  # of the widest direction: what is thinner is rounding, and has no volume


class NFINDR(CountsEstimator):
    """Take the purest pixels for endmembers: those that span the simplex of largest volume.

    Where every endmember has a pure pixel and shares sum to 1, the spectra fill a simplex whose
    corners are the endmembers [1]_. One corner after the other moves to the pixel that makes the
    volume largest, until none can.

    Parameters
    ----------
    n_components : int, default=3
        How many endmembers; turning it up asks for corners that noise may have to provide.
    weighting : {"poisson", "biwhiten", "none"}, default="poisson"
        Scaling of the channels before the spectra are projected; see :class:`PCA`.
    n_restarts : int, default=10
        Starts beside the first, from random pixels; turning it up finds larger volumes where
        noise makes many that are nearly as large.
    max_iter : int, default=100
        Rounds over all corners, at most.
    random_state : int or numpy.random.RandomState, default=0
        Where the restarts begin.
    callback : callable, optional
        Called with a :class:`Progress` after every start, whose objective is the largest volume so
        far; where it returns True, the best so far is kept.

    Attributes
    ----------
    components_ : ndarray of shape (n_components, n_channels)
        Spectra of the chosen pixels in counts, projected on as many principal components, which
        takes most of their noise away; what falls below zero there is zero. Brightest first.
    pixels_ : ndarray of int, shape (n_components,)
        Rows of X that were chosen.
    volume_history_ : ndarray
        Volume after every exchange of the best start, in units of its last one; it never falls.
    restarts_ : ndarray of shape (n_restarts + 1,)
        Largest volume of every start that was made, in units of the best.
    n_iter_ : int
        Rounds of the best start.
    n_features_in_ : int
        Number of channels.

    Notes
    -----
    Pixels without counts take no part. Where thickness varies, brighter pixels lie farther out and
    are taken for purer: divide each spectrum by its sum before fitting.

    References
    ----------
    .. [1] M. E. Winter, Proc. SPIE 3753 (1999) 266, doi:10.1117/12.366289.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("mixture", dose=5000)
    >>> nfindr = em.NFINDR(3).fit(scene.image.spectra)
    >>> bool(scene.score(nfindr))
    True
    """

    def __init__(
        self,
        n_components=3,
        *,
        weighting="poisson",
        n_restarts=10,
        max_iter=100,
        random_state=0,
        callback=None,
    ):
        self.n_components = n_components
        self.weighting = weighting
        self.n_restarts = n_restarts
        self.max_iter = max_iter
        self.random_state = random_state
        self.callback = callback

    def _check_settings(self):
        super()._check_settings()
        check_scalar(self.n_restarts, "n_restarts", Integral, min_val=0)
        check_scalar(self.max_iter, "max_iter", Integral, min_val=1)

    def _fit(self, spectra):
        rng = check_random_state(self.random_state)
        self._pca = PCA(self.n_components, weighting=self.weighting)._fit_within(spectra)
        scores = self._pca._transform(spectra)
        taken = np.flatnonzero(self._pca.pixel_scale_)
        cloud = _flatten(scores[taken], self.n_components)
        firsts = [None, *rng.randint(len(cloud), size=self.n_restarts)]
        starts = list(self._starts(cloud, firsts))
        volumes = np.array([history[-1] for _, history, _, _ in starts])
        corners, history, self.n_iter_, has_grown = starts[volumes.argmax()]
        if has_grown:
            warnings.warn(
                f"NFINDR stopped after max_iter={self.max_iter} rounds while the volume still "
                "grew; raise max_iter.",
                ConvergenceWarning,
                stacklevel=3,
            )
        self.pixels_ = self._brightest_first(taken[corners], scores)
        self.components_ = self._denoised(scores[self.pixels_])
        self.volume_history_ = np.array(history) / history[-1]
        self.restarts_ = volumes / volumes.max()

    def _starts(self, cloud, firsts):
        """Yield what every start led to."""
        largest = 0.0
        for i, first in enumerate(firsts):
            found = _grow(cloud, _spread_out(cloud, first), self.max_iter)
            largest = max(largest, found[1][-1])
            yield found
            if is_stopped_by(self.callback, (i + 1) / len(firsts), largest):
                return

    def _transform(self, spectra):
        """Return non-negative abundances, by least squares in the principal components."""
        scores = self._pca._transform(spectra)
        corners = self._pca._transform(self.components_)
        return solve_nonnegative(corners @ corners.T, scores @ corners.T)

    def _denoised(self, scores):
        return np.clip(self._pca.inverse_transform(scores), 0, None)

    def _brightest_first(self, pixels, scores):
        brightness = self._denoised(scores[pixels]).sum(axis=1)
        return pixels[np.argsort(-brightness, kind="stable")]


def _flatten(scores, n_components):
    """Return the pixels within the flat that the simplex lies in, each with a 1 before it.

    The determinant of `n_components` such rows is the volume of their simplex, but for a factor.
    """
    centred = scores - scores.mean(axis=0)
    values, vectors = linalg.eigh(centred.T @ centred)
    values, vectors = values[::-1], vectors[:, ::-1]
    n_flat = int(np.count_nonzero(values > FLAT**2 * max(values[0], 1e-300)))
    if n_flat < n_components - 1:
        raise ValueError(
            f"n_components={n_components} corners need pixels that spread in {n_components - 1} "
            f"directions, but these spread in {n_flat}; ask for {n_flat + 1} at most."
        )
    flat = centred @ vectors[:, : n_components - 1]
    return np.hstack([np.ones((len(flat), 1)), flat])


def _spread_out(cloud, first):
    """Start from a pixel, or the one farthest out, and add those farthest from the others."""
    outwards = np.linalg.norm(cloud[:, 1:], axis=1)
    corners = [int(outwards.argmax()) if first is None else int(first)]
    for _ in range(cloud.shape[1] - 1):
        away = cloud[:, 1:] - cloud[corners[0], 1:]
        edges = cloud[corners[1:], 1:] - cloud[corners[0], 1:]
        if len(edges):
            along = linalg.orth(edges.T)
            away = away - (away @ along) @ along.T
        corners.append(int(np.linalg.norm(away, axis=1).argmax()))
    return np.array(corners)


def _grow(cloud, corners, max_iter):
    """Exchange corners while the volume grows.

    Return them, the history of the volume, the rounds, and whether it grew in the last one.

    With all corners but one held, the volume is linear in the place of that one: a product of the
    cloud with one column of the inverse says how much every pixel would change it.
    """
    corners = corners.copy()
    volume = abs(linalg.det(cloud[corners]))
    history = [volume]
    n_iter, has_grown = 0, True
    while has_grown and n_iter < max_iter:
        n_iter, has_grown = n_iter + 1, False
        for k in range(len(corners)):
            growth = np.abs(cloud @ linalg.inv(cloud[corners])[:, k])
            best = int(growth.argmax())
            if growth[best] > 1 + GROWTH:
                corners[k], has_grown = best, True
                history.append(history[-1] * growth[best])
    return corners, history, n_iter, has_grown
