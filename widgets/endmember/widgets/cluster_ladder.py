"""Clusters for one number of them after the other, and what speaks for each."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from endmember.core.cluster_recipe import image_lines, map_of, recipe_features
from endmember.core.kmeans import check_distinct
from endmember.core.label_maps import align_labels, mean_spectra
from endmember.core.points import as_rows
from endmember.widgets.cluster_plane import Steps
from endmember.widgets.cluster_watch import (
    Watch,
    WatchedPCA,
    bic_of,
    completed,
    fit_mixture,
    fit_points,
    gap_of,
    halved,
    sampled_silhouettes,
    watched_points,
)

ON_REQUEST = ("gap", "bic")  # they take long
MOST_KEPT = 32  # maps, and as many sets of mean spectra
N_REFERENCES = 5  # of the gap


class Ladder:
    """Clusters of an image from one upwards, found rung by rung.

    Parameters
    ----------
    image : SpectrumImage
        Counts.
    recipe : Recipe
        How they are clustered.
    max_k : int
        The last number of clusters.
    is_stopped : callable, optional
        Tells whether the work is to stop; looked at until :meth:`listen` names another.

    Raises
    ------
    CancelledError
        Where it was stopped.
    """

    def __init__(self, image, recipe, max_k, is_stopped=lambda: False):
        self.recipe, self.max_k = recipe, max_k
        self.watch = Watch(is_stopped)
        self.clustered = self.judged = image
        if recipe.held_out:
            self.clustered, self.judged = halved(image, recipe.seed, self.watch)
        self.labels, self.models, self.inertia = [], [], []
        self.silhouettes: dict = {}
        self.curves: dict = {}
        self.words: list = []
        self._maps: dict = {}
        self._means: dict = {}
        self._line_counts: list = []
        self._steps: dict = {}
        self._widest: np.ndarray | None = None
        self._points = None
        self.watch.check()
        self.rows = self._features()
        self.watch.check()

    def listen(self, is_stopped):
        """Stop from now on where another job is told to."""
        self.watch.is_stopped = is_stopped

    @property
    def n_found(self):
        """The largest number of clusters so far."""
        return len(self.labels)

    @property
    def is_whole(self):
        """Whether all numbers of clusters were tried."""
        return self.n_found >= self.max_k

    # climbing

    def climb(self, last, made):
        """Find the clusters that are missing up to `last`; `made` is told the share of each k.

        Raises
        ------
        CancelledError
            Where it was stopped; what was found is kept.
        """
        while self.n_found < min(last, self.max_k):
            k = self.n_found + 1
            try:
                self._add(k, made)
            except ValueError:
                if k == 1:
                    raise
                self.max_k = k - 1
                self.say(
                    f"There are no more than {k - 1} clusters: only {k - 1} pixels are distinct."
                )
            self.watch.check()

    def add_silhouettes(self, k):
        """Compute the silhouettes for `k` clusters, where they are missing."""
        labels = self.labels[k - 1]
        if k > 1 and k not in self.silhouettes and np.unique(labels).size > 1:
            self.silhouettes[k] = sampled_silhouettes(
                self.rows, labels, self.recipe.seed, self.watch
            )

    def add_curve(self, criterion, made):
        """Compute the gap or the BIC for every number of clusters, where it is missing."""
        if criterion in ON_REQUEST and criterion not in self.curves:
            find = {"gap": self._gap, "bic": self._bic}[criterion]
            self.curves[criterion] = find(made)

    def _gap(self, made):
        how = (self.recipe.seed, self.watch, made, N_REFERENCES)
        values, errors = gap_of(self.rows, self._inertia_of_kmeans(), *how)
        is_enough = values[:-1] >= values[1:] - errors[1:]
        best = int(is_enough.argmax()) + 1 if is_enough.any() else values.size
        return values, errors, best

    def _inertia_of_kmeans(self):
        """Return what the gap compares, whatever algorithm was chosen."""
        models = self.models
        if self.recipe.algorithm != "k-means":
            points, ks = watched_points(self.rows, self.watch), range(1, self.n_found + 1)
            models = [fit_points(points, k, self.recipe.seed, self.watch)[0] for k in ks]
        return [model.inertia_ for model in models]

    def _bic(self, made):
        if self.recipe.algorithm == "gaussian mixture":
            points = dense(self.rows)
            values = np.array([model.bic(points) for model in self.models])
        else:
            values = bic_of(self.rows, self.n_found, self.recipe.seed, self.watch, made, self.say)
        return values, np.zeros_like(values), int(values.argmin()) + 1

    def _features(self):
        pca = WatchedPCA(self.recipe.n_components, callback=self.watch.heard()).say_to(self.say)
        return as_rows(recipe_features(self.clustered, self.recipe, pca))

    def _add(self, k, made):
        check_distinct(self.rows, k)
        model, found = self._divided(k, made)
        labels = align_labels(found, self.labels[-1] if self.labels else found)
        self.models.append(model)
        self.inertia.append(inertia_of(self.rows, labels))
        self.labels.append(labels)

    def _divided(self, k, made):
        """Return a model of k clusters, and what it calls each pixel."""
        seed = self.recipe.seed
        if self.recipe.algorithm == "gaussian mixture":
            points = dense(self.rows)
            model = fit_mixture(points, k, seed, self.watch, say=self.say)
            return model, model.predict(points)
        if self._points is None:
            self._points = watched_points(self.rows, self.watch)
        model, is_at_rest = fit_points(self._points, k, seed, self.watch, made)
        if not is_at_rest:
            self.say(f"k-means of {k} clusters stopped while pixels still moved.")
        return model, model.labels_

    def model(self, k):
        """Return the fitted estimator of `k` clusters, as its own `fit` would leave it."""
        return completed(self.models[k - 1], self.rows)

    def say(self, words):
        """Keep words for those who look at a widget, once each.

        Warnings are of no use here: their filters are those of all threads.
        """
        if words and words not in self.words:
            self.words.append(words)

    # what was found

    def holds(self, k, min_area):
        """Whether the map and the spectra of these are made."""
        return (k, min_area) in self._maps and (k, min_area) in self._means

    def label_map(self, k, min_area):
        """Return the map of clusters, -1 where pixels are hidden."""
        return kept(self._maps, (k, min_area), lambda: self._label_map(k, min_area))

    def means(self, k, min_area):
        """Return the mean spectra of the clusters, of counts that they were judged by."""
        return kept(self._means, (k, min_area), lambda: self._mean_spectra(k, min_area))

    def _label_map(self, k, min_area):
        return map_of(self.clustered, self.labels[k - 1], min_area)

    def _mean_spectra(self, k, min_area):
        labels = self.label_map(k, min_area).reshape(self.judged.navigation_shape)
        return mean_spectra(self.judged, labels)

    def line_counts(self):
        """Return the counts of every visible pixel in each line, clustered and judged."""
        if not self._line_counts:
            self._line_counts = [image_lines(i, self.recipe) for i in (self.clustered, self.judged)]
        return self._line_counts

    def steps(self, i):
        """Return one of the features in steps, to be drawn against another."""
        if i not in self._steps:
            self._steps[i] = Steps(dense(self.rows[:, [i]]).astype(np.float64).ravel())
        return self._steps[i]

    def widest(self):
        """Return the positions of the features, the one of the largest variance first."""
        if self._widest is None:
            rows = self.rows.astype(np.float64)
            squares = rows.multiply(rows) if sp.issparse(rows) else rows**2
            means, squares = (np.asarray(v.mean(axis=0)).ravel() for v in (rows, squares))
            self._widest = np.argsort(means**2 - squares, kind="stable")
        return self._widest

    def silhouettes_of(self, k):
        """Return the silhouettes of every cluster, highest first; none where there is one."""
        if k not in self.silhouettes:
            return []
        each, labels = self.silhouettes[k], self.labels[k - 1]
        known = np.isfinite(each)
        each, labels = each[known], labels[known]
        return [np.sort(each[labels == cluster])[::-1] for cluster in range(k)]

    def curve(self, criterion):
        """Return a criterion for every number of clusters, its errors, and the k it prefers."""
        if criterion in self.curves:
            return self.curves[criterion]
        values, errors = np.full((2, self.n_found), np.nan)
        if criterion == "inertia":
            return np.array(self.inertia), np.zeros(self.n_found), None
        for k, each in dict(self.silhouettes).items():  # a copy: the worker adds to it meanwhile
            known = each[np.isfinite(each)]
            values[k - 1], errors[k - 1] = known.mean(), known.std() / np.sqrt(known.size)
        is_known = criterion == "silhouette" and np.isfinite(values).any()
        return values, errors, int(np.nanargmax(values)) + 1 if is_known else None


def kept(store, key, make):
    """Return what was made before, or make it; forget the rest where it is too much."""
    found = store.get(key)
    if found is None:
        found = make()
        if len(store) >= MOST_KEPT:
            store.clear()
        store[key] = found
    return found


def dense(rows):
    """Return rows as an array."""
    return rows.toarray() if sp.issparse(rows) else rows


def inertia_of(rows, labels):
    """Return the sum of squared distances to the mean of the cluster."""
    sizes = np.bincount(labels)
    members = sp.csr_array((np.ones(labels.size), (labels, np.arange(labels.size))))
    rows = rows.astype(np.float64)
    squares = rows.multiply(rows).sum() if sp.issparse(rows) else (rows**2).sum()
    sums = dense(members @ rows)
    seen = sizes > 0
    return float(max(0.0, squares - ((sums[seen] ** 2).sum(axis=1) / sizes[seen]).sum()))
