"""How many clusters: k-means for many numbers of them, and what speaks for each."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import chain
from numbers import Integral, Real

import numpy as np
from scipy import linalg
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from sklearn.utils.validation import check_scalar

from endmember.core.checks import level_of_caller
from endmember.core.cluster_features import KINDS, cluster_features, is_rows
from endmember.core.image import SpectrumImage
from endmember.core.kmeans import KMeans, check_distinct, count_distinct
from endmember.core.kmeans_wide import as_points as in_form
from endmember.core.label_maps import align_labels
from endmember.core.metrics import adjusted_rand_index
from endmember.core.noise import NoiseWarning
from endmember.core.points import as_points, as_rows
from endmember.core.progress import check_callback, report
from endmember.core.record import Record, record_of
from endmember.core.seeds import as_seed
from endmember.core.silhouette import sampled_rows, silhouette_of
from endmember.core.sources import as_spectrum_image
from endmember.core.thinning import thin

CRITERIA = ("silhouette", "gap", "stability", "bic")
WITH_ERRORS = ("silhouette", "silhouette_stderr", "gap", "gap_stderr")
MEASURES = (*WITH_ERRORS, "stability", "stability_std", "bic")
MOST_EXACT = 20_000  # pixels, of which all silhouettes take some tenths of a second
FEWER = 5_000  # of a larger map: their mean is known to 0.005 or better
ABOUT_AS_STABLE = 0.05  # of the adjusted Rand index
MOST_MIXED = 64  # features whose full covariances a mixture may have


@dataclass(frozen=True, eq=False, repr=False)
class ClusterSweep:
    """Clusters for many numbers of them, and what speaks for each; :func:`cluster_sweep` makes it.

    Whatever was not asked for is NaN.

    Attributes
    ----------
    ks : tuple of int
        The numbers of clusters, rising: the first axis of all that follows.
    labels : ndarray of int, shape (n_ks, n_pixels)
        Clusters from 0 up. A cluster has the name of the one for the next smaller k that it shares
        most pixels with; the new one comes last.
    centres : tuple of ndarray of shape (k, n_features)
        Centres of the clusters, in the same order: their mean features but for `KMeans.tol`.
    inertia : ndarray of shape (n_ks,)
        Sum of squared distances to the nearest centre, in the unit of the features squared.
    silhouette, silhouette_stderr : ndarray of shape (n_ks,)
        Mean silhouette, and its standard error: 0 where all pixels were looked at.
    silhouettes : ndarray of shape (n_ks, n_pixels)
        Silhouette of every pixel; NaN where it was not chosen.
    gap, gap_stderr : ndarray of shape (n_ks,)
        How much lower the logarithm of the inertia is than that of points without clusters.
    stability, stability_std : ndarray of shape (n_ks,)
        Adjusted Rand index between clusters of two halves of the counts, mean and standard
        deviation over the splits. 1 for a single cluster, by definition.
    bic : ndarray of shape (n_ks,)
        Bayesian information criterion of a mixture of Gaussians; the lowest is best.
    best : dict of str to int or None
        The k that each criterion prefers, by its own rule; see :func:`cluster_sweep`. None where
        silhouettes have a single cluster to look at.
    image : SpectrumImage or None
        What was clustered, where it came as an image or a signal.
    record : Record
        What made the result.
    """

    ks: tuple
    labels: np.ndarray
    centres: tuple
    inertia: np.ndarray
    silhouette: np.ndarray
    silhouette_stderr: np.ndarray
    silhouettes: np.ndarray
    gap: np.ndarray
    gap_stderr: np.ndarray
    stability: np.ndarray
    stability_std: np.ndarray
    bic: np.ndarray
    best: dict
    image: SpectrumImage | None
    record: Record

    def labels_of(self, k):
        """Return the cluster of every visible pixel for `k` clusters, shape (n_pixels,)."""
        return self.labels[self._index(k)]

    def silhouettes_of(self, k):
        """Return the silhouette of every visible pixel for `k` clusters, shape (n_pixels,)."""
        return self.silhouettes[self._index(k)]

    def label_map(self, k):
        """Return the map of `k` clusters, of shape `navigation_shape`; hidden pixels hold NaN."""
        if self.image is None:
            raise ValueError(
                "rows were clustered, which have no map; fold labels_of(k) with the image that "
                "they come from."
            )
        return self.image.fold(self.labels_of(k))

    def to_rows(self):
        """Return a dictionary for each k, as tables such as ``pandas.DataFrame(rows)`` take them.

        The per-pixel results are left out.
        """
        columns = {name: getattr(self, name).tolist() for name in ("inertia", *MEASURES)}
        return [
            {"k": k, **{name: values[i] for name, values in columns.items()}}
            for i, k in enumerate(self.ks)
        ]

    def _index(self, k):
        if k not in self.ks:
            raise ValueError(f"k={k} was not tried; these were: {self.ks}.")
        return self.ks.index(k)

    def __repr__(self):
        best = ", ".join(f"{name} {k}" for name, k in self.best.items()) or "nothing asked for"
        return (
            f"<ClusterSweep of {self.labels.shape[1]} pixels, k = {self.ks[0]} to {self.ks[-1]}, "
            f"best by {best}>"
        )


def cluster_sweep(
    data,
    k_range=range(1, 11),
    *,
    features="raw",
    lines=None,
    pseudo_count=0.5,
    n_components=3,
    criteria=("silhouette",),
    n_init=10,
    max_iter=300,
    n_sampled=None,
    n_references=10,
    n_splits=5,
    min_agreement=0.5,
    seed=0,
    callback=None,
):
    """Cluster for many numbers of clusters, and say what speaks for each.

    There is no one right number: each criterion asks a question of its own, and ``best`` holds an
    answer to each.

    Parameters
    ----------
    data : SpectrumImage, what :func:`as_spectrum_image` takes, or array of features
        Counts; or rows of any finite features, such as scores, of shape (n_pixels, n_features).
    k_range : iterable of int, default=range(1, 11)
        Numbers of clusters to try; each of them takes about as long.
    features : {"raw", "lines", "l1", "log-ratio", "pca"}, default="raw"
        What pixels are clustered by, and how each misleads: see :func:`cluster_features`.
    lines : sequence of str or dict, optional
        X-ray lines or windows in place of all channels; see :func:`cluster_features`.
    pseudo_count : float, default=0.5
        Counts added before logarithms; turning it up draws pixels of few counts together.
    n_components : int, default=3
        Principal components for ``"pca"``; turning it up brings in weaker phases, and noise.
    criteria : sequence of {"silhouette", "gap", "stability", "bic"}, default=("silhouette",)
        What to compute beside the clusters.

        - ``"silhouette"`` [1]_: are clusters well apart? Best: the k of the highest mean. Says
          nothing of a single cluster, and prefers few.
        - ``"gap"`` [2]_: is the inertia lower than that of points without clusters, spread evenly
          over the box along the principal axes? Best: the smallest k whose gap is no less than
          that of the next k less one standard error, or else the last.
        - ``"stability"``: would the clusters be found again? Counts are split into two independent
          halves [3]_, each is clustered, and the adjusted Rand index compares them. Best: the
          largest k whose index is within 0.05 of the highest, if that is `min_agreement` or more,
          else 1. Halves hold half the counts, so that the index is lower than with all of them.
          Needs counts.
        - ``"bic"``: which mixture of Gaussians, of full covariances, explains the features with
          the fewest parameters? Best: the lowest. Noise of counts is no Gaussian where they are
          few.
    n_init : int, default=10
        Starts of k-means; turning it up finds lower inertias, for proportionally more time.
    max_iter : int, default=300
        Rounds of each start, at most.
    n_sampled : int, optional
        Pixels whose silhouettes are computed; turning it up makes the mean surer. By default all
        of a map of up to 20,000 pixels, and 5,000 of a larger one.
    n_references : int, default=10
        Sets of points without clusters for the gap; turning it up makes its standard error surer.
    n_splits : int, default=5
        Splits of the counts for the stability; turning it up makes its mean surer.
    min_agreement : float, default=0.5
        Adjusted Rand index from which on clusters count as found again; turning it up asks for
        more certainty before any division is believed.
    seed : int, default=0
        Where all random work begins.
    callback : callable, optional
        Called with a :class:`Progress` between steps; where it returns True, the work stops with
        a :class:`CancelledError`.

    Returns
    -------
    ClusterSweep

    See Also
    --------
    KMeans : the same clusters for one number of them.
    align_labels : the same colours for another run.
    remove_small_areas : a map of clusters without specks.
    mean_spectra : what the clusters look like.

    Notes
    -----
    ``"stability"`` alone asks what the counts bear out. The others look at the same counts that
    were divided, and see the noise that k-means divided as well.

    Other methods are scikit-learn's; ``image.fold`` makes maps of what they return, masks
    included::

        features = em.cluster_features(image, "lines", lines=["Fe_Ka", "O_Ka"])
        soft = sklearn.mixture.GaussianMixture(2).fit(features).predict_proba(features)
        tree = sklearn.cluster.AgglomerativeClustering(3).fit_predict(features)
        plane = sklearn.manifold.MDS(2).fit_transform(features[::50])
        lda = LinearDiscriminantAnalysis().fit(features, labels).transform(features)
        image.fold(soft), image.fold(tree), image.fold(lda)

    Discriminants that are trained on labels of k-means on the same counts separate them better
    than they deserve.

    References
    ----------
    .. [1] P. J. Rousseeuw, J. Comput. Appl. Math. 20 (1987) 53,
       doi:10.1016/0377-0427(87)90125-7.
    .. [2] R. Tibshirani, G. Walther and T. Hastie, J. R. Stat. Soc. B 63 (2001) 411,
       doi:10.1111/1467-9868.00293.
    .. [3] A. Neufeld et al., Biostatistics 25 (2024) 270, doi:10.1093/biostatistics/kxac047.

    Examples
    --------
    >>> import endmember as em
    >>> scene = em.datasets.load("iron_oxides", shape=(24, 24), dose=10_000)
    >>> sweep = em.cluster_sweep(
    ...     scene.image, range(1, 4), features="lines", lines=["Fe_Ka", "O_Ka"],
    ...     criteria=("silhouette", "stability"), n_init=3,
    ... )
    >>> sweep.best
    {'silhouette': 2, 'stability': 2}
    >>> sweep.label_map(2).shape
    (24, 24)
    """
    ks = _as_ks(k_range)
    criteria = _as_criteria(criteria)
    _check_settings(features, n_init, max_iter, n_sampled, n_references, n_splits, min_agreement)
    check_callback(callback)
    given = {"lines": lines, "pseudo_count": pseudo_count, "n_components": n_components}
    settings = {"n_init": n_init, "max_iter": max_iter, "random_state": as_seed(seed)}
    data = data if is_rows(data) else as_spectrum_image(data)
    rows = as_rows(cluster_features(data, features, **given))
    counts = rows if features == "raw" and lines is None else as_spectrum_image(data).spectra
    check_distinct(rows, ks[-1])
    if "bic" in criteria:
        _check_few(rows.shape[1])
    halves = _halved(data, n_splits, seed) if "stability" in criteria else None
    steps = _Steps(len(ks), criteria, n_references, n_splits, callback)
    found = _Found(rows, ks, settings, steps)
    if "silhouette" in criteria:
        found.add_silhouettes(_n_sampled(n_sampled, len(found.points)), seed)
    if "gap" in criteria:
        found.add_gap(n_references, seed)
    if halves is not None:
        found.add_stability([_half(h, features, given) for h in pair] for pair in halves)
    if "bic" in criteria:
        found.add_bic(seed)
    parameters = {"k_range": list(ks), "features": features, **given, "criteria": list(criteria)}
    parameters |= {"n_sampled": n_sampled, "n_references": n_references, "n_splits": n_splits}
    parameters |= {"n_init": n_init, "max_iter": max_iter, "min_agreement": min_agreement}
    return ClusterSweep(
        ks,
        found.labels,
        found.centres,
        **found.values,
        best=_best(ks, criteria, found.values, min_agreement),
        image=data if isinstance(data, SpectrumImage) else None,
        record=record_of(
            "cluster_sweep",
            {**parameters, "seed": seed},
            counts,
            source=data,
            result={name: found.values[name] for name in ("inertia", *criteria)}
            | {"labels": found.labels},
        ),
    )


class _Steps:
    """Count the steps that were made, and tell the callback."""

    def __init__(self, n_ks, criteria, n_references, n_splits, callback):
        each = {"gap": n_references, "stability": 2 * n_splits}
        self.n_all = n_ks * (1 + sum(each.get(criterion, 1) for criterion in criteria))
        self.n_made, self.callback = 0, callback

    def made(self, n=1):
        self.n_made += n
        report(self.callback, min(1.0, self.n_made / self.n_all))


class _Found:
    """Clusters for every k, and the criteria as they are added."""

    def __init__(self, rows, ks, settings, steps):
        self.rows, self.ks, self.settings, self.steps = rows, ks, settings, steps
        n_pixels = rows.shape[0]
        self.values = {name: np.full(len(ks), np.nan) for name in MEASURES}
        self.values["silhouettes"] = np.full((len(ks), n_pixels), np.nan)
        self.labels = np.empty((len(ks), n_pixels), dtype=np.int32)
        self._points = None
        self._cluster()

    @property
    def points(self):
        """The features as dense points around their mean."""
        if self._points is None:
            self._points = as_points(self.rows)
        return self._points

    def _cluster(self):
        models, unfinished = [], []
        points = in_form(self.rows)
        for i, k in enumerate(self.ks):
            model = KMeans(k, **self.settings)
            unfinished += [] if model._fit_points(points) else [k]
            before = model.labels_ if i == 0 else self.labels[i - 1]
            self.labels[i] = align_labels(model.labels_, before)
            models.append(model)
            self.steps.made()
        self.values["inertia"] = np.array([model.inertia_ for model in models])
        self.centres = tuple(map(_renamed, models, self.labels))
        if unfinished:
            warnings.warn(
                f"k-means for k={unfinished} stopped after max_iter={self.settings['max_iter']} "
                "rounds while pixels still moved; raise max_iter.",
                ConvergenceWarning,
                stacklevel=level_of_caller(),
            )

    def add_silhouettes(self, n_sampled, seed):
        """Compute the silhouettes of all pixels, or of so many of them."""
        n_pixels = len(self.points)
        chosen = sampled_rows(n_pixels, n_sampled, seed)
        left_out = 0.0 if chosen is None else 1 - n_sampled / n_pixels
        for i, k in enumerate(self.ks):
            if k > 1:
                each = silhouette_of(self.points, self.labels[i], chosen)
                known = each[np.isfinite(each)]
                self.values["silhouettes"][i] = each
                self.values["silhouette"][i] = known.mean()
                error = known.std(ddof=1) / np.sqrt(known.size) if known.size > 1 else np.nan
                self.values["silhouette_stderr"][i] = np.sqrt(left_out) * error
            self.steps.made()

    def add_gap(self, n_references, seed):
        """Compare the logarithm of the inertia with that of points spread evenly over a box."""
        rng = np.random.default_rng(seed)
        _, axes = linalg.eigh(self.points.T @ self.points)
        turned = self.points @ axes
        low, high = turned.min(axis=0), turned.max(axis=0)
        logs = np.empty((n_references, len(self.ks)))
        for i in range(n_references):
            points = in_form(rng.uniform(low, high, size=turned.shape))
            for j, k in enumerate(self.ks):
                logs[i, j] = _log(self._other(points, k).inertia_)
                self.steps.made()
        self.values["gap"] = logs.mean(axis=0) - _log(self.values["inertia"])
        self.values["gap_stderr"] = logs.std(axis=0) * np.sqrt(1 + 1 / n_references)

    def add_stability(self, splits):
        """Compare the clusters of halves of the counts."""
        agreements = []
        for halves in splits:
            agreements.append([self._agreement(halves, k) for k in self.ks])
        self.values["stability"] = np.mean(agreements, axis=0)
        self.values["stability_std"] = np.std(agreements, axis=0)

    def _agreement(self, halves, k):
        """Return the adjusted Rand index of two halves; NaN where one has too few distinct rows."""
        self.steps.made(2)
        if min(count_distinct(rows, k) for rows, _ in halves) < k:
            return float("nan")
        labels = [self._other(points, k).labels_ for _, points in halves]
        return adjusted_rand_index(*labels)

    def _other(self, points, k):
        """Cluster other points by the same settings."""
        model = KMeans(k, **self.settings)
        model._fit_points(points)
        return model

    def add_bic(self, seed):
        """Fit mixtures of Gaussians."""
        unit = np.sqrt(np.mean(self.points**2)) or 1.0  # its ridge is 1e-6 in any unit
        points = self.points / unit
        for i, k in enumerate(self.ks):
            mixture = GaussianMixture(k, random_state=seed).fit(points)
            self.values["bic"][i] = mixture.bic(points) + 2 * points.size * np.log(unit)
            self.steps.made()


def _renamed(model, labels):
    """Return the centres of a model in the order of other names for its clusters."""
    _, first = np.unique(labels, return_index=True)
    return model.cluster_centers_[model.labels_[first]]


def _halved(data, n_splits, seed):
    """Return an iterator over splits of the counts, the first of which is made at once.

    What is no count is then refused before any work.
    """
    counts = _without_hidden(data)
    splits = (thin(counts, 0.5, seed + i) for i in range(n_splits))
    return chain([next(splits)], splits)


def _half(counts, features, given):
    """Return the features of one half of the counts, as rows and as points."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NoiseWarning)  # all counts have been warned of
        rows = as_rows(cluster_features(counts, features, **given))
    return rows, in_form(rows)


def _without_hidden(data):
    """Return data whose hidden counts are zero: they may be no numbers, and are not thinned."""
    if not isinstance(data, SpectrumImage) or data.is_sparse:
        return data
    if data.mask is None and data.channel_mask is None:
        return data
    counts = np.array(data.counts)
    if data.mask is not None:
        counts[data.mask] = 0
    if data.channel_mask is not None:
        counts[..., data.channel_mask] = 0
    return data.with_counts(counts)


def _best(ks, criteria, values, min_agreement):
    """Return the k that each criterion prefers."""
    rules = {
        "silhouette": lambda: _at(ks, values["silhouette"], np.nanargmax),
        "gap": lambda: _first_within(ks, values["gap"], values["gap_stderr"]),
        "stability": lambda: _largest_stable(ks, values["stability"], min_agreement),
        "bic": lambda: _at(ks, values["bic"], np.nanargmin),
    }
    return {criterion: rules[criterion]() for criterion in criteria}


def _at(ks, values, choose):
    return ks[int(choose(values))] if np.isfinite(values).any() else None


def _first_within(ks, gap, stderr):
    is_enough = gap[:-1] >= gap[1:] - stderr[1:]
    return ks[int(is_enough.argmax())] if is_enough.any() else ks[-1]


def _largest_stable(ks, stability, least):
    divisions = [(k, s) for k, s in zip(ks, stability, strict=True) if k > 1]
    highest = max((s for _, s in divisions if s >= least), default=np.inf)
    return max((k for k, s in divisions if s >= highest - ABOUT_AS_STABLE), default=1)


def _log(inertia):
    return np.log(np.maximum(inertia, np.finfo(np.float64).tiny))


def _n_sampled(n_sampled, n_pixels):
    return FEWER if n_sampled is None and n_pixels > MOST_EXACT else n_sampled


def _as_ks(k_range):
    if not np.iterable(k_range):
        raise TypeError(f"k_range is {k_range!r}; pass several numbers, as range(2, 6).")
    ks = list(k_range)
    if not ks or not all(isinstance(k, Integral) and int(k) >= 1 for k in ks):
        raise ValueError(f"k_range is {k_range!r}; pass whole numbers from 1 up, one at least.")
    return tuple(sorted(set(map(int, ks))))


def _as_criteria(criteria):
    if not np.iterable(criteria):
        raise TypeError(f"criteria are {criteria!r}; choose from {CRITERIA}, as a list.")
    criteria = (criteria,) if isinstance(criteria, str) else tuple(criteria)
    strangers = [name for name in criteria if name not in CRITERIA]
    if strangers:
        raise ValueError(f"criteria hold {strangers}; choose from {CRITERIA}.")
    return criteria


def _check_few(n_features):
    if n_features > MOST_MIXED:
        raise ValueError(
            f"criteria hold 'bic', but {n_features} features have too many covariances; take "
            "features='lines' or 'pca'."
        )


def _check_settings(features, n_init, max_iter, n_sampled, n_references, n_splits, min_agreement):
    if features not in KINDS:
        raise ValueError(f"features is {features!r}; choose one of {KINDS}.")
    check_scalar(n_init, "n_init", Integral, min_val=1)
    check_scalar(max_iter, "max_iter", Integral, min_val=1)
    if n_sampled is not None:
        check_scalar(n_sampled, "n_sampled", Integral, min_val=2)
    check_scalar(n_references, "n_references", Integral, min_val=1)
    check_scalar(n_splits, "n_splits", Integral, min_val=1)
    check_scalar(min_agreement, "min_agreement", Real, min_val=0, max_val=1)
    if np.isnan(min_agreement):
        raise ValueError("min_agreement is nan; pass an adjusted Rand index from 0 to 1.")
