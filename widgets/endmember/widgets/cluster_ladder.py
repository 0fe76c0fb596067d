"""Clusters for one number of them after the other, and what speaks for each."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import normalize, scale

from endmember.core.cluster_features import cluster_features
from endmember.core.clusters import FEWER, MOST_EXACT, MOST_MIXED, cluster_sweep
from endmember.core.kmeans import KMeans, check_distinct
from endmember.core.label_maps import align_labels, mean_spectra, remove_small_areas
from endmember.core.progress import CancelledError
from endmember.core.silhouette import silhouette
from endmember.core.thinning import thin
from endmember.widgets.cluster_plane import Steps

ALGORITHMS = ("k-means", "gaussian mixture")
NORMALISATIONS = ("none", "spread", "length")
ON_REQUEST = ("gap", "bic")  # they take long
FEW_FOR_WIDE = 1_000  # pixels whose silhouettes are taken where distances run over many features
MOST_KEPT = 32  # maps, and as many sets of mean spectra
N_REFERENCES = 5  # of the gap
MIXTURE_ROUNDS = 500


class Recipe(NamedTuple):
    """What clusters follow from, but for their number."""

    features: str
    lines: tuple  # of names, or of (name, window)
    n_components: int
    normalisation: str
    algorithm: str
    seed: int
    held_out: bool

    def given(self):
        """Return the settings of :func:`cluster_features` that matter for the kind."""
        if self.features == "pca":
            return {"n_components": self.n_components}
        if self.features == "raw" or not self.lines:
            return {}
        return {"lines": as_lines(self.lines)}


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
    """

    def __init__(self, image, recipe, max_k):
        self.recipe, self.max_k = recipe, max_k
        self.clustered, self.judged = image, image
        if recipe.held_out:
            self.clustered, self.judged = thin(image, 0.5, recipe.seed)
        self.labels, self.models, self.inertia = [], [], []
        self.silhouettes: dict = {}
        self.curves: dict = {}
        self.words: list = []
        self._maps: dict = {}
        self._means: dict = {}
        self._line_counts: dict = {}
        self._steps: dict = {}
        self._widest: np.ndarray | None = None
        self.rows = self._listening(self._features)

    @property
    def n_found(self):
        """The largest number of clusters so far."""
        return len(self.labels)

    @property
    def is_whole(self):
        """Whether all numbers of clusters were tried."""
        return self.n_found >= self.max_k

    # climbing

    def climb(self, last, is_stopped, made):
        """Find the clusters that are missing up to `last`; `made` is told the share of each k.

        Raises
        ------
        CancelledError
            Where it was stopped; what was found is kept.
        """
        while self.n_found < min(last, self.max_k):
            k = self.n_found + 1
            try:
                self._listening(self._add, k, is_stopped, made)
            except ValueError as error:
                if k == 1:
                    raise
                self.max_k = k - 1
                self.words.append(str(error))
            check(is_stopped)

    def add_silhouettes(self, k, is_stopped):
        """Compute the silhouettes for `k` clusters, where they are missing."""
        if k < 2 or k in self.silhouettes or np.unique(self.labels[k - 1]).size < 2:
            return
        n_pixels, n_features = self.rows.shape
        n_sampled = FEWER if n_pixels > MOST_EXACT else None
        if n_features > MOST_MIXED and n_pixels > FEW_FOR_WIDE:
            n_sampled = FEW_FOR_WIDE
        self.silhouettes[k] = silhouette(
            self.rows,
            self.labels[k - 1],
            n_sampled=n_sampled,
            seed=self.recipe.seed,
            callback=lambda _: is_stopped(),
        )

    def add_curve(self, criterion, is_stopped, made):
        """Compute the gap or the BIC for every number of clusters, where it is missing."""
        if criterion not in ON_REQUEST or criterion in self.curves:
            return
        if criterion == "bic" and self.recipe.algorithm == "gaussian mixture":
            points = dense(self.rows)
            values = np.array([model.bic(points) for model in self.models])
            self.curves["bic"] = values, np.zeros_like(values), int(values.argmin()) + 1
            return

        def heard(progress):
            made(progress.fraction)
            return is_stopped()

        sweep = self._listening(
            cluster_sweep,
            self.rows,
            range(1, self.n_found + 1),
            criteria=(criterion,),
            n_references=N_REFERENCES,
            seed=self.recipe.seed,
            callback=heard,
        )
        values = getattr(sweep, criterion)
        errors = sweep.gap_stderr if criterion == "gap" else np.zeros_like(values)
        self.curves[criterion] = values, errors, sweep.best[criterion]

    def _features(self):
        recipe = self.recipe
        rows = cluster_features(self.clustered, recipe.features, **recipe.given())
        rows = normalised(rows, recipe.normalisation)
        if recipe.algorithm == "gaussian mixture" and rows.shape[1] > MOST_MIXED:
            raise ValueError(
                f"{rows.shape[1]} features have too many covariances for a mixture of Gaussians; "
                "choose lines or principal components, or k-means."
            )
        return rows

    def _add(self, k, is_stopped, made):
        check_distinct(self.rows, k)
        if self.recipe.algorithm == "k-means":

            def heard(progress):
                made(progress.fraction)
                return is_stopped()

            model = KMeans(k, random_state=self.recipe.seed, callback=heard).fit(self.rows)
            check(is_stopped)  # it keeps the best so far where it is stopped
            model.set_params(callback=None)
            labels = model.labels_
        else:
            points = dense(self.rows)
            model = mixture(k, self.recipe.seed).fit(points)
            labels = model.predict(points)
            made(1.0)
        labels = align_labels(labels, self.labels[-1] if self.labels else labels)
        self.models.append(model)
        self.inertia.append(inertia_of(self.rows, labels))
        self.labels.append(labels)

    def _listening(self, work, *given, **settings):
        """Do work, and keep the words of its warnings for those who look at a widget."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            done = work(*given, **settings)
        for warning in caught:
            if str(warning.message) not in self.words:
                self.words.append(str(warning.message))
        return done

    # what was found

    def holds(self, k, min_area):
        """Whether the map and the spectra of these are made."""
        return (k, min_area) in self._maps and (k, min_area) in self._means

    def label_map(self, k, min_area, shape):
        """Return the map of clusters, -1 where pixels are hidden."""
        return kept(self._maps, (k, min_area), lambda: self._label_map(k, min_area, shape))

    def means(self, k, min_area, shape):
        """Return the mean spectra of the clusters, of counts that they were judged by."""
        return kept(self._means, (k, min_area), lambda: self._mean_spectra(k, min_area, shape))

    def _label_map(self, k, min_area, shape):
        labels = self.clustered.fold(self.labels[k - 1].astype(np.int64))
        labels = np.nan_to_num(labels, nan=-1).astype(np.int64).reshape(shape)
        return remove_small_areas(labels, min_area) if min_area > 1 else labels

    def _mean_spectra(self, k, min_area, shape):
        labels = self.label_map(k, min_area, shape).reshape(self.judged.navigation_shape)
        return mean_spectra(self.judged, labels)

    def ratios(self, k, min_area, shape, ratio, *, held_out=False):
        """Return of every cluster the ratio of two lines and its error; None where it has none."""
        labels = self.label_map(k, min_area, shape)
        labels = labels[labels >= 0] if self.judged.mask is not None else labels.ravel()
        above, below = (self._counts_of(name, held_out) for name in ratio)
        sums = [[np.bincount(labels, line, minlength=k)] for line in (above, below)]
        return [ratio_of(a, b) for a, b in zip(*np.concatenate(sums), strict=True)]

    def _counts_of(self, name, held_out):
        """Return the counts of every visible pixel in a line."""
        if held_out not in self._line_counts:
            image = self.judged if held_out else self.clustered
            lines = as_lines(self.recipe.lines)
            counts = cluster_features(image, "lines", lines=lines)
            self._line_counts[held_out] = dict(zip(lines, counts.T, strict=True))
        return self._line_counts[held_out][name]

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

    def curve(self, criterion):
        """Return a criterion for every number of clusters, its errors, and the k it prefers."""
        if criterion in self.curves:
            return self.curves[criterion]
        values, errors = np.full((2, self.n_found), np.nan)
        if criterion == "inertia":
            return np.array(self.inertia), np.zeros(self.n_found), None
        for k, each in self.silhouettes.items():
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


def check(is_stopped):
    """Raise where the work is to stop."""
    if is_stopped():
        raise CancelledError("clustering was cancelled.")


def mixture(k, seed):
    """Return a mixture of Gaussians, as :func:`code_of` spells it."""
    return GaussianMixture(k, max_iter=MIXTURE_ROUNDS, random_state=seed)


def normalised(rows, how):
    """Return features over their spread, pixels over their length, or what came."""
    if how == "spread":
        return scale(rows, with_mean=False)
    return normalize(rows) if how == "length" else rows


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


def ratio_of(above, below):
    """Return the ratio of two counts with its error, None where one of them is none."""
    if not (above > 0 and below > 0):
        return None
    ratio = float(above / below)
    return ratio, ratio * float(np.sqrt(1 / above + 1 / below))


def as_lines(lines):
    """Return lines as :func:`line_maps` takes them: a list of names, or windows by name."""
    return list(lines) if isinstance(lines[0], str) else dict(lines)


def spelled(value):
    """Spell a setting as it is written by hand."""
    text = repr(value)
    return text if '"' in text or "\\" in text else text.replace("'", '"')


def code_of(recipe, image_code, k, min_area):
    """Return the lines that make clusters without a widget."""
    extra, steps = [], []
    source = judged = "image"
    if recipe.held_out:
        steps.append(f"kept, left = em.thin(image, 0.5, seed={recipe.seed})")
        source, judged = "kept", "left"
    given = "".join(f", {name}={spelled(value)}" for name, value in recipe.given().items())
    steps.append(f'features = em.cluster_features({source}, "{recipe.features}"{given})')
    if recipe.normalisation == "spread":
        extra.append("from sklearn.preprocessing import scale")
        steps.append("features = scale(features, with_mean=False)")
    if recipe.normalisation == "length":
        extra.append("from sklearn.preprocessing import normalize")
        steps.append("features = normalize(features)")
    if recipe.algorithm == "k-means":
        steps += [
            f"sweep = em.cluster_sweep(features, range(1, {k + 1}), criteria=(), "
            f"seed={recipe.seed})",
            f"labels = image.fold(sweep.labels_of({k}))",
        ]
    else:
        extra.append("from sklearn.mixture import GaussianMixture")
        steps += [
            f"for k in range(1, {k + 1}):",
            f"    mixture = GaussianMixture(k, max_iter={MIXTURE_ROUNDS}, "
            f"random_state={recipe.seed})",
            "    found = mixture.fit_predict(features)",
            "    names = found if k == 1 else em.align_labels(found, names)",
            "labels = image.fold(names)",
        ]
    if min_area > 1:
        steps.append(f"labels = em.remove_small_areas(labels, {min_area})")
    steps.append(f"spectra = em.mean_spectra({judged}, labels)")
    head = ["import endmember as em", *sorted(extra)]
    return "\n".join([*head, "", f"image = {image_code}", *steps, ""])
