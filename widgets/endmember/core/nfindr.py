"""Endmembers as the corners of the cloud of spectra: the simplex of largest volume."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
from scipy import linalg
from scipy.linalg import blas
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_scalar

from endmember.core.checks import level_of_caller
from endmember.core.progress import is_stopped_by
from endmember.core.simplex import SimplexEstimator, flatten

GROWTH = 1e-9  # of the volume, relative: less is rounding


class NFINDR(SimplexEstimator):
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
    normalise : bool, default=False
        Whether each spectrum is divided by its sum before the corners are looked for. Counts grow
        with thickness, so that thick pixels lie farther out and are taken for purer; spectra of
        the same sum fill a simplex again, whose corners are pure. For maps of uneven thickness.
        Pixels of few counts are noisy then, and may be taken for corners: hide vacuum.
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
        takes most of their noise away; what falls below zero there is zero. With ``normalise``
        each has as many counts as a mean pixel of X. The one with most counts in X first.
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
    record_ : Record
        What made the result: hash of the counts, settings, seed, versions, threads.

    Notes
    -----
    Pixels without counts take no part. ``transform`` finds abundances that are not negative, by
    least squares, and does not make them sum to 1: their sum is the thickness of a pixel, in
    units of the endmembers.

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
        normalise=False,
        n_restarts=10,
        max_iter=100,
        random_state=0,
        callback=None,
    ):
        self.n_components = n_components
        self.weighting = weighting
        self.normalise = normalise
        self.n_restarts = n_restarts
        self.max_iter = max_iter
        self.random_state = random_state
        self.callback = callback

    def _check_settings(self):
        super()._check_settings()
        check_scalar(self.max_iter, "max_iter", Integral, min_val=1)

    def _look(self, spectra, sums):
        scores, taken = self._project(spectra, sums)
        points = flatten(scores[taken] / sums[taken, None], self.n_components).points
        starts = list(self._starts(points, check_random_state(self.random_state)))
        volumes = np.array([start.history[-1] for start in starts])
        best = starts[volumes.argmax()]
        if best.has_grown:
            warnings.warn(
                f"NFINDR stopped after max_iter={self.max_iter} rounds while the volume still "
                "grew; raise max_iter.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )
        pixels = taken[best.corners]
        self.pixels_ = pixels[self._keep(scores[pixels], scores, sums)]
        self.volume_history_ = np.array(best.history) / best.history[-1]
        self.n_iter_ = best.n_iter
        self.restarts_ = volumes / volumes.max()

    def _starts(self, points, rng):
        """Yield what every start led to; those after the first begin from pixels on the outside."""
        n_starts, largest = 1 + self.n_restarts, 0.0
        outer = np.arange(len(points))
        ends: set[frozenset[int]] = set()
        for i in range(n_starts):
            first = None if i == 0 else rng.randint(len(outer))
            found = grow(points, spread_out(points, first), self.max_iter, ends)
            yield replace(found, corners=outer[found.corners])
            largest = max(largest, found.history[-1])
            if is_stopped_by(self.callback, (i + 1) / n_starts, largest):
                return
            if i == 0:
                outer = outside_of(points, found.corners)
                points = np.asfortranarray(points[outer])
            elif not found.has_grown:
                ends.add(frozenset(found.corners.tolist()))


@dataclass(frozen=True)
class Grown:
    """What one start led to.

    Parameters
    ----------
    corners : ndarray of int, shape (n_components,)
        Rows of the points.
    history : list of float
        Volume at first and after every exchange.
    n_iter : int
        Rounds over all corners.
    has_grown : bool
        Whether the rounds ended before the volume did not grow any more.
    """

    corners: np.ndarray
    history: list
    n_iter: int
    has_grown: bool


def outside_of(points, corners):
    """Return the points that do not lie within the simplex of some of them.

    No linear function is largest inside: whoever looks for a larger volume can leave them out.
    """
    shares = points @ linalg.inv(points[corners])
    is_inside = np.ones(len(points), dtype=bool)
    for share in shares.T:
        is_inside &= share > GROWTH
    is_inside[corners] = False
    return np.flatnonzero(~is_inside)


def spread_out(points, first=None):
    """Start from a point, or the one farthest out, and add those farthest from the others.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_components)
        A 1, and coordinates; see :class:`Flat`.
    first : int, optional
        Where to begin.
    """
    places = points[:, 1:]
    left = np.einsum("pk,pk->p", places, places)
    corners = [int(left.argmax()) if first is None else int(first)]
    origin = places[corners[0]]
    left += origin @ origin - 2 * (places @ origin)  # squared distances from the corners so far
    known = np.zeros((len(origin), 0))
    for _ in range(len(origin)):
        corners.append(int(left.argmax()))
        edge = places[corners[-1]] - origin
        edge = edge - known @ (known.T @ edge)
        edge /= max(linalg.norm(edge), 1e-300)
        known = np.column_stack([known, edge])
        left -= (places @ edge - origin @ edge) ** 2
    return np.array(corners)


def grow(points, corners, max_iter, ends=()):
    """Exchange corners while the volume grows.

    With all corners but one held, the volume is linear in the place of that one: a product of the
    points with one column of the inverse says how much every pixel would change it.

    Parameters
    ----------
    points : ndarray of shape (n_points, n_components)
        A 1, and coordinates; see :class:`Flat`.
    corners : ndarray of int, shape (n_components,)
        Where to begin.
    max_iter : int
        Rounds over all corners, at most.
    ends : collection of frozenset of int
        Where others ended: there is no way on from there.
    """
    corners, n_components = corners.copy(), len(corners)
    history = [abs(linalg.det(points[corners]))]
    n_looks = n_same = 0
    while n_same < n_components and n_looks < max_iter * n_components:
        k, n_looks, n_same = n_looks % n_components, n_looks + 1, n_same + 1
        growth = points @ linalg.inv(points[corners])[:, k]
        best = int(blas.idamax(growth))
        if abs(growth[best]) > 1 + GROWTH:
            corners[k], n_same = best, 1
            history.append(history[-1] * abs(growth[best]))
            if frozenset(corners.tolist()) in ends:
                n_same = n_components
    n_iter = -(-n_looks // n_components)
    return Grown(corners, history, n_iter, has_grown=n_same < n_components)
