"""k-means that says which cluster is which: the largest comes first."""

from __future__ import annotations

import warnings
from numbers import Integral, Real

import numba
import numpy as np
import scipy.sparse as sp
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, check_scalar, validate_data

from endmember.core.checks import level_of_caller
from endmember.core.estimators import KEPT_DTYPES
from endmember.core.kmeans_wide import NARROW, as_points
from endmember.core.points import as_rows
from endmember.core.progress import check_callback, is_stopped_by
from endmember.core.record import record_of, results_of


class KMeans(ClusterMixin, TransformerMixin, BaseEstimator):
    """Divide pixels among clusters, each pixel to the nearest centre.

    Lloyd's algorithm [1]_ from starts that k-means++ [2]_ spreads out, the best of which is kept.

    Clusters are hard, round and of about even spread: k-means divides everything it is given,
    noise as well. :func:`cluster_sweep` says how many clusters the counts bear out.

    Parameters
    ----------
    n_clusters : int, default=3
        How many; turning it up divides further, whether or not anything is left to be told apart.
    init : "k-means++" or array_like of shape (n_clusters, n_features), default="k-means++"
        Where the centres begin, in the unit of the features; from an array there is one start.
    n_init : int, default=10
        Starts; turning it up finds better clusters where many divisions are nearly as good.
    max_iter : int, default=300
        Rounds of each start, at most.
    tol : float, default=1e-4
        Of the features' mean variance: a start ends once the centres moved by less, all squares
        added up. Turning it up ends sooner; 0 goes on until no pixel moves.
    random_state : int or numpy.random.RandomState, default=0
        Where the starts begin.
    callback : callable, optional
        Called with a :class:`Progress` between starts, whose objective is the lowest inertia so
        far; where it returns True, the best so far is kept.

    Attributes
    ----------
    labels_ : ndarray of int32, shape (n_pixels,)
        Cluster of every row of X: 0 is the largest cluster, of those that are equally large the
        one whose centre has the largest sum.
    cluster_centers_ : ndarray of shape (n_clusters, n_features)
        Centres in the unit of X: of all, the one nearest to every pixel of its cluster, and the
        mean of these pixels as closely as `tol` asks.
    sizes_ : ndarray of int, shape (n_clusters,)
        Pixels in every cluster.
    inertia_ : float
        Sum of squared distances to the nearest centre, in the unit of X squared.
    restarts_ : ndarray
        Inertia that every start ended with.
    n_iter_ : int
        Rounds of the best start.
    n_features_in_ : int
        Number of features.
    record_ : Record
        What made the result.

    Notes
    -----
    ``image.fold(kmeans.labels_)`` is the map of clusters, NaN where pixels are hidden. HyperSpy
    takes the object as ``signal.cluster_analysis("signal", algorithm=em.KMeans(3))``; its
    preprocessing="norm" (the default there) divides every spectrum by its length first.
    ``estimate_number_of_clusters`` there takes no algorithms but scikit-learn's; see
    :func:`cluster_sweep`.

    References
    ----------
    .. [1] S. P. Lloyd, IEEE Trans. Inf. Theory 28 (1982) 129, doi:10.1109/TIT.1982.1056489.
    .. [2] D. Arthur and S. Vassilvitskii, Proc. 18th ACM-SIAM Symp. Discrete Algorithms (2007)
       1027, https://dl.acm.org/doi/10.5555/1283383.1283494.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("iron_oxides", shape=(32, 32), dose=10_000)
    >>> features = em.cluster_features(scene.image, "lines", lines=["Fe_Ka", "O_Ka"])
    >>> kmeans = em.KMeans(2).fit(features)
    >>> labels = scene.image.fold(kmeans.labels_)
    >>> em.metrics.adjusted_rand_index(labels, scene.labels) > 0.95
    True
    """

    def __init__(
        self,
        n_clusters=3,
        *,
        init="k-means++",
        n_init=10,
        max_iter=300,
        tol=1e-4,
        random_state=0,
        callback=None,
    ):
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.callback = callback

    def fit(self, X, y=None):
        """Find clusters in X of shape (n_pixels, n_features): counts, or any finite features."""
        self._check_settings()
        rows = self._check_rows(X, reset=True)
        init = self._check_init(rows.shape[1])
        check_distinct(rows, self.n_clusters)
        if not self._fit_points(as_points(rows), init):
            warnings.warn(
                f"KMeans stopped after max_iter={self.max_iter} rounds while pixels still moved; "
                "raise max_iter, or tol.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )
        settings, found = self.get_params(deep=False), results_of(self)
        self.record_ = record_of("KMeans", settings, rows, source=X, result=found)
        return self

    def predict(self, X):
        """Return the nearest cluster of every row of X, shape (n_pixels,)."""
        return self.transform(X).argmin(axis=1).astype(np.int32)

    def transform(self, X):
        """Return the distances from X to all centres, shape (n_pixels, n_clusters)."""
        check_is_fitted(self)
        rows = self._check_rows(X, reset=False)
        centres = self.cluster_centers_
        if self.n_features_in_ <= NARROW:
            return cdist(rows.toarray() if sp.issparse(rows) else rows, centres)
        if sp.issparse(rows):
            return euclidean_distances(rows, centres)
        origin = centres.mean(axis=0)  # near it products lose no digits of small distances
        return euclidean_distances(rows - origin, centres - origin)

    def _fit_points(self, points, init=None):
        """Find clusters of points that were checked; return whether the best start converged."""
        starts = list(self._starts(points, init))
        best = min(starts, key=lambda start: start.inertia)
        self._keep(best, points.origin)
        self.restarts_ = np.array([start.inertia for start in starts])
        return best.is_converged

    def _starts(self, points, init):
        """Yield what every start ended with, as many at once as there are threads."""
        if init is not None:
            yield from points.cluster_each([(init - points.origin, None, self.max_iter, self.tol)])
            return
        seeds = check_random_state(self.random_state).randint(2**31 - 1, size=self.n_init)
        lowest, n_made = np.inf, 0
        jobs = [(self.n_clusters, int(seed), self.max_iter, self.tol) for seed in seeds]
        n_at_once = self.n_init if self.callback is None else numba.get_num_threads()
        while n_made < len(jobs):
            found = points.cluster_each(jobs[n_made : n_made + n_at_once])
            lowest = min(lowest, *(start.inertia for start in found))
            n_made += len(found)
            yield from found
            if is_stopped_by(self.callback, n_made / self.n_init, lowest):
                return

    def _keep(self, best, origin):
        sizes = np.bincount(best.labels, minlength=self.n_clusters)
        order = np.lexsort([-best.centres.sum(axis=1), -sizes])
        self.labels_ = np.argsort(order).astype(np.int32)[best.labels]
        self.cluster_centers_ = best.centres[order] + origin
        self.sizes_ = sizes[order]
        self.inertia_, self.n_iter_ = best.inertia, best.n_iter

    def _check_settings(self):
        check_scalar(self.n_clusters, "n_clusters", Integral, min_val=1)
        check_scalar(self.n_init, "n_init", Integral, min_val=1)
        check_scalar(self.max_iter, "max_iter", Integral, min_val=1)
        check_scalar(self.tol, "tol", Real, min_val=0)
        if not np.isfinite(self.tol):
            raise ValueError(f"tol is {self.tol}; pass a finite number from 0 up.")
        check_callback(self.callback)

    def _check_rows(self, X, *, reset):
        how = {"accept_sparse": "csr", "dtype": KEPT_DTYPES, "order": "C", "reset": reset}
        how["ensure_all_finite"] = False  # as_rows says where to look, and the way out
        return as_rows(X, "features X", validate=lambda rows: validate_data(self, rows, **how))

    def _check_init(self, n_features):
        if isinstance(self.init, str):
            if self.init != "k-means++":
                raise ValueError(f"init is {self.init!r}; choose 'k-means++', or pass centres.")
            return None
        wanted = (self.n_clusters, n_features)
        expected = f"expected {self.n_clusters} centres of {n_features} finite features, {wanted}."
        try:
            centres = np.asarray(self.init, dtype=np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"init is {self.init!r}, no array of numbers; {expected}") from None
        if centres.shape != wanted:
            raise ValueError(f"init has shape {centres.shape}; {expected}")
        if not np.isfinite(centres).all():
            raise ValueError(f"init holds NaN or inf; {expected}")
        return centres

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def check_distinct(rows, n_clusters):
    """Refuse more clusters than there are distinct rows."""
    n_distinct = count_distinct(rows, n_clusters)
    if n_distinct < n_clusters:
        raise ValueError(
            f"n_clusters={n_clusters} is more than {n_distinct}, the number of distinct pixels "
            f"among n_samples={rows.shape[0]}; ask for fewer."
        )


def count_distinct(rows, enough):
    """Return how many distinct rows there are; no more are looked for once there are enough."""
    seen: set = set()
    for p in range(rows.shape[0]):
        seen.add(_bytes_of(rows, p))
        if len(seen) >= enough:
            break
    return len(seen)


def _bytes_of(rows, p):
    if not sp.issparse(rows):
        return (rows[p] + rows.dtype.type(0)).tobytes()  # -0 becomes 0
    part = slice(rows.indptr[p], rows.indptr[p + 1])
    held = rows.data[part] != 0
    return rows.indices[part][held].tobytes() + rows.data[part][held].tobytes()
