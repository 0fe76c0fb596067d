"""Clustering that looks, round by round, whether it is still wanted."""

from __future__ import annotations

import numpy as np
from scipy import linalg
from sklearn.mixture import GaussianMixture

from endmember.core.checks import scaled_values
from endmember.core.cluster_recipe import MIXTURE_ROUNDS, countable
from endmember.core.clusters import FEWER, MOST_EXACT, MOST_MIXED
from endmember.core.kmeans import KMeans
from endmember.core.kmeans_rounds import Narrow
from endmember.core.kmeans_wide import NARROW, Wide
from endmember.core.noise import describe_noise
from endmember.core.pca import PCA
from endmember.core.points import as_points
from endmember.core.progress import CancelledError
from endmember.core.record import record_of, results_of
from endmember.core.silhouette import sampled_rows, silhouette
from endmember.core.thinning import thin

MOST_PACKED = 0.3  # of the numbers that are not zero: beyond, dense counts are halved as they are
MOST_DRAWN = 1e8  # numbers: as many are drawn at a time for the gap
ROUNDS_OF_BIC = 100  # as scikit-learn has them
FEW_FOR_WIDE = 1_000  # pixels whose silhouettes are taken where distances run over many features


class Watch:
    """Whether work is to stop, asked anew whenever :meth:`check` is called.

    Attributes
    ----------
    is_stopped : callable
        Tells whether the present job is to stop.
    """

    def __init__(self, is_stopped=lambda: False):
        self.is_stopped = is_stopped

    def check(self):
        """Raise where the work is to stop."""
        if self.is_stopped():
            raise CancelledError("clustering was cancelled.")

    def heard(self, made=lambda share: None):
        """Return a callback for the core: it passes the share that is done on, and stops."""

        def callback(progress):
            made(progress.fraction)
            return self.is_stopped()

        return callback


class WatchedNarrow(Narrow):
    """Points of few features that are left alone once nobody wants their clusters."""

    def __init__(self, rows, watch):
        super().__init__(rows)
        self._watch = watch

    def assign(self, *given):
        """Move points to their nearest centres, unless the work is to stop."""
        self._watch.check()
        return super().assign(*given)


class WatchedWide(Wide):
    """Points of many features that are left alone once nobody wants their clusters."""

    def __init__(self, rows, watch):
        super().__init__(rows)
        self._watch = watch

    def parts(self, centres):
        """Return the parts of squared distances, unless the work is to stop."""
        self._watch.check()
        return super().parts(centres)


class WatchedMixture(GaussianMixture):
    """A mixture of Gaussians with the bits of scikit-learn's, that can be stopped.

    It is fitted on a thread, where nothing is to be warned of: filters are those of all threads.

    Attributes
    ----------
    is_at_rest : bool
        Whether it came to rest.
    """

    watch = Watch()
    is_at_rest = False

    @property
    def converged_(self):
        """True whatever comes, so that `fit` does not warn; see `is_at_rest`."""
        return True

    @converged_.setter
    def converged_(self, value):
        self.is_at_rest = value

    def _e_step(self, *given, **how):
        self.watch.check()
        return super()._e_step(*given, **how)


class WatchedPCA(PCA):
    """Principal components that tell in words, on any thread, what others warn of."""

    def say_to(self, say):
        """Have words told to a function."""
        self._say = say
        return self

    def _warn_of_scaling(self, spectra):
        seen = scaled_values(spectra)
        if seen is not None:
            self._say(
                f"Counts are zero in places and hold {' and '.join(f'{v:.3g}' for v in seen)} in "
                "others, no multiples of one quantum: they were scaled after they were counted, "
                "and principal components cannot know their noise. Take the counts themselves, "
                "or other features."
            )
        return seen is not None

    def _warn_of_noise(self):
        self._say(describe_noise(self.noise_variance_, self.noise_correlation_, self.weighting))


def watched_points(rows, watch):
    """Return rows in the form that :class:`KMeans` takes rounds with."""
    return (WatchedNarrow if rows.shape[1] <= NARROW else WatchedWide)(rows, watch)


def fit_points(points, k, seed, watch, made=None):
    """Return k-means of k clusters, and whether its best start came to rest.

    Starts of few features report how many are done; those of many take their rounds together.
    """
    callback = watch.heard(made) if made and isinstance(points, Narrow) else None
    model = KMeans(k, random_state=seed, callback=callback)
    is_at_rest = model._fit_points(points)
    watch.check()  # it keeps the best so far where it is stopped
    return model.set_params(callback=None), is_at_rest


def completed(model, rows):
    """Return k-means with the record and the number of features that `fit` would have kept."""
    if hasattr(model, "record_") or not isinstance(model, KMeans):
        return model
    rows = model._check_rows(rows, reset=True)
    settings, found = model.get_params(deep=False), results_of(model)
    model.record_ = record_of("KMeans", settings, rows, source=rows, result=found)
    return model


def fit_mixture(points, k, seed, watch, *, rounds=None, say=lambda words: None):
    """Return a plain mixture of Gaussians of k clusters; say where it did not come to rest."""
    rounds = MIXTURE_ROUNDS if rounds is None else rounds
    watched = WatchedMixture(k, max_iter=rounds, random_state=seed)
    watched.watch = watch
    watched.fit(points)
    found = GaussianMixture(**watched.get_params())
    kept = {n: value for n, value in vars(watched).items() if n not in ("watch", "is_at_rest")}
    vars(found).update(kept, converged_=watched.is_at_rest)
    if not watched.is_at_rest:
        say(f"A mixture of {k} Gaussians did not come to rest within {rounds} rounds.")
    return found


def halved(image, seed, watch):
    """Return two halves of the counts, bit for bit those of :func:`thin`.

    Drawing from zeros takes most of the time of dense counts, and changes nothing.
    """
    watch.check()
    image = countable(image)
    counts = image.counts
    if image.is_sparse or np.count_nonzero(counts[:1]) > MOST_PACKED * counts[:1].size:
        return thin(image, 0.5, seed)
    packed = image.to_sparse()
    watch.check()
    halves = thin(packed, 0.5, seed)
    watch.check()
    return tuple(half.to_dense() for half in halves)


def gap_of(rows, inertia, seed, watch, made, n_references):
    """Return the gap for k = 1, 2, ... and its standard error, as :func:`cluster_sweep` does."""
    if rows.shape[0] * rows.shape[1] > MOST_DRAWN:
        raise ValueError(
            f"the gap draws as many points again as there are, {rows.shape[1]} features of "
            f"{rows.shape[0]} pixels; choose lines or principal components."
        )
    rng, points = np.random.default_rng(seed), as_points(rows)
    _, axes = linalg.eigh(points.T @ points)
    turned = points @ axes
    low, high = turned.min(axis=0), turned.max(axis=0)
    logs = np.empty((n_references, len(inertia)))
    for i in range(n_references):
        drawn = watched_points(rng.uniform(low, high, size=turned.shape), watch)
        for j in range(len(inertia)):
            logs[i, j] = _log(fit_points(drawn, j + 1, seed, watch)[0].inertia_)
            made((i + (j + 1) / len(inertia)) / n_references)
    errors = logs.std(axis=0) * np.sqrt(1 + 1 / n_references)
    return logs.mean(axis=0) - _log(np.array(inertia)), errors


def bic_of(rows, n_mixtures, seed, watch, made, say=lambda words: None):
    """Return the BIC of mixtures of k = 1, 2, ... Gaussians, as :func:`cluster_sweep` does.

    What it warns of is said.
    """
    if rows.shape[1] > MOST_MIXED:
        raise ValueError(
            f"{rows.shape[1]} features have too many covariances for the BIC; choose lines or "
            "principal components."
        )
    points = as_points(rows)
    unit = np.sqrt(np.mean(points**2)) or 1.0
    points = points / unit
    values = np.empty(n_mixtures)
    for i in range(n_mixtures):
        found = fit_mixture(points, i + 1, seed, watch, rounds=ROUNDS_OF_BIC, say=say)
        values[i] = found.bic(points) + 2 * points.size * np.log(unit)
        made((i + 1) / n_mixtures)
    return values


def sampled_silhouettes(rows, labels, seed, watch):
    """Return the silhouettes of pixels, of some where there are many; NaN for the others.

    Where all pixels would not fit into memory as dense points, some are compared with each other.
    """
    n_pixels, n_features = rows.shape
    n_sampled = FEWER if n_pixels > MOST_EXACT else None
    if n_features > MOST_MIXED and n_pixels > FEW_FOR_WIDE:
        n_sampled = FEW_FOR_WIDE
    if n_pixels * n_features <= MOST_DRAWN:
        how = {"n_sampled": n_sampled, "seed": seed, "callback": watch.heard()}
        return silhouette(rows, labels, **how)
    found, chosen = np.full(n_pixels, np.nan), sampled_rows(n_pixels, FEWER, seed)
    if np.unique(labels[chosen]).size > 1:
        found[chosen] = silhouette(rows[chosen], labels[chosen], callback=watch.heard())
    return found


def _log(inertia):
    return np.log(np.maximum(inertia, np.finfo(np.float64).tiny))
