"""A map of clusters by a recipe: features, algorithm, and what is done to the map afterwards."""

from __future__ import annotations

import json
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import normalize, scale

from endmember.core.cluster_features import KINDS, cluster_features
from endmember.core.clusters import MOST_MIXED, cluster_sweep
from endmember.core.kmeans import KMeans
from endmember.core.label_maps import align_labels, mean_spectra, remove_small_areas
from endmember.core.points import as_rows
from endmember.core.progress import check_callback, report
from endmember.core.record import record_of
from endmember.core.sources import as_spectrum_image
from endmember.core.thinning import thin
from endmember.core.tuned_clusters import TunedClusters, default_names, ratio_rows

ALGORITHMS = ("k-means", "gaussian mixture")
NORMALISATIONS = ("none", "spread", "length")
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


def tuned_clusters(
    data,
    *,
    k,
    features="lines",
    lines=None,
    n_components=3,
    normalisation="none",
    algorithm="k-means",
    seed=0,
    held_out=False,
    min_area=1,
    ratio=None,
    names=None,
    callback=None,
):
    """Make the clusters of a tuner again, without one.

    Parameters
    ----------
    data : SpectrumImage, or what :func:`as_spectrum_image` takes
        Counts with one or two navigation axes.
    k : int
        Number of clusters; turning it up divides further.
    features, lines, n_components
        What pixels are clustered by: see :func:`cluster_features`.
    normalisation : {"none", "spread", "length"}, default="none"
        Whether features are divided by their spread, or pixels by their length.
    algorithm : {"k-means", "gaussian mixture"}, default="k-means"
        What divides the pixels.
    seed : int, default=0
        Where all random work begins.
    held_out : bool, default=False
        Whether one half of the counts is clustered, and the other averaged.
    min_area : int, default=1
        Pixels that an area must have to stay; turning it up removes larger specks.
    ratio : sequence of str, optional
        Two lines, whose ratio is told for each cluster.
    names : sequence of str, optional
        Of the clusters; by default ``"cluster 0"`` and so on.
    callback : callable, optional
        Called with a :class:`Progress` between steps; where it returns True, the work stops with
        a :class:`CancelledError`.

    Returns
    -------
    TunedClusters
    """
    check_callback(callback)
    image = as_spectrum_image(data)
    image = image.to_sparse() if image.is_lazy else image
    recipe = recipe_of(features, lines, n_components, normalisation, algorithm, seed, held_out)
    clustered, judged = halves(image, recipe)
    rows = recipe_features(clustered, recipe)
    report(callback, 0.2)
    model, labels = _divided(rows, recipe, k)
    report(callback, 0.9)
    label_map = map_of(image, labels, min_area)
    counted = [image_lines(half, recipe) for half in (clustered, judged)] if ratio else None
    return tuned(
        image,
        recipe,
        model=model,
        labels=label_map,
        spectra=mean_spectra(judged, label_map.reshape(image.navigation_shape)),
        ratios=ratio_rows(label_map, k, counted, ratio, held_out=held_out),
        settings={"k": k, "min_area": min_area, "ratio": ratio, "names": names},
    )


def tuned(image, recipe, *, model, labels, spectra, ratios, settings):
    """Return clusters with the record of how they were made."""
    k = settings["k"]
    names = tuple(settings["names"] or default_names(k))
    given = recipe._asdict() | {"lines": as_lines(recipe.lines) if recipe.lines else None}
    record = record_of(
        "ClusterTuner",
        {**given, **settings, "names": list(names)},
        image.spectra,
        source=image,
        result={"labels": labels, "means": spectra.means, "errors": spectra.stderr_scatter},
    )
    return TunedClusters(k, model, labels, spectra, ratios, names, image, record)


def recipe_of(features, lines, n_components, normalisation, algorithm, seed, held_out):
    """Return the recipe of settings that were checked."""
    for name, value, known in (
        ("features", features, KINDS),
        ("normalisation", normalisation, NORMALISATIONS),
        ("algorithm", algorithm, ALGORITHMS),
    ):
        if value not in known:
            raise ValueError(f"{name} is {value!r}; choose one of {known}.")
    lines = () if lines is None else lines
    if isinstance(lines, dict):
        lines = [(name, tuple(map(float, window))) for name, window in lines.items()]
    return Recipe(
        features, tuple(lines), n_components, normalisation, algorithm, seed, bool(held_out)
    )


def halves(image, recipe):
    """Return what is clustered and what it is judged by."""
    return thin(countable(image), 0.5, recipe.seed) if recipe.held_out else (image, image)


def countable(image):
    """Return an image that can be halved: what is hidden may be no number."""
    if not _Form.of(image).may_be_nan:
        return image
    return image.with_counts(np.nan_to_num(image.counts))


class _Form(NamedTuple):
    """What is hidden of an image and how it is held, as far as code has to know."""

    hides_pixels: bool
    may_be_nan: bool
    is_sparse: bool

    @classmethod
    def of(cls, image):
        """Return the form of an image."""
        hidden = [0 if mask is None else int(mask.sum()) for mask in _masks(image)]
        is_dense = not (image.is_sparse or image.is_lazy)
        may_be_nan = any(hidden) and is_dense and image.counts.dtype.kind == "f"
        return cls(hidden[0] > 0, may_be_nan, image.is_sparse)

    @classmethod
    def in_record(cls, record):
        """Return the form of the image that a record is of."""
        hidden = record.origin["hidden"]
        is_float = record.form["kind"] == "dense" and "f" in record.form["dtype"]
        return cls(hidden[0] > 0, any(hidden) and is_float, record.form["kind"] == "csr")


def _masks(image):
    return image.mask, image.channel_mask


def recipe_features(image, recipe, pca=None):
    """Return the features of every visible pixel, (n_pixels, n_features).

    Principal components are those of `pca`, a :class:`PCA` that was not fitted, where it is given.
    """
    if recipe.features == "pca" and pca is not None:
        spectra = as_rows(image)
        rows, _ = pca.fit(spectra).noise_units(spectra)
    else:
        rows = cluster_features(image, recipe.features, **recipe.given())
    rows = normalised(rows, recipe.normalisation)
    if recipe.algorithm == "gaussian mixture" and rows.shape[1] > MOST_MIXED:
        raise ValueError(
            f"{rows.shape[1]} features have too many covariances for a mixture of Gaussians; "
            "choose lines or principal components, or k-means."
        )
    return rows


def normalised(rows, how):
    """Return features over their spread, pixels over their length, or what came."""
    if how == "spread":
        return scale(rows, with_mean=False)
    return normalize(rows) if how == "length" else rows


def mixture(k, seed):
    """Return a mixture of Gaussians, as :func:`recipe_code` spells it."""
    return GaussianMixture(k, max_iter=MIXTURE_ROUNDS, random_state=seed)


def _divided(rows, recipe, k):
    """Return the model of k clusters, and their labels in the order of fewer clusters."""
    if recipe.algorithm == "k-means":
        sweep = cluster_sweep(rows, range(1, k + 1), criteria=(), seed=recipe.seed)
        return KMeans(k, random_state=recipe.seed).fit(rows), sweep.labels_of(k)
    points = rows.toarray() if sp.issparse(rows) else rows
    labels = None
    for n in range(1, k + 1):
        model = mixture(n, recipe.seed)
        found = model.fit_predict(points)
        labels = found if labels is None else align_labels(found, labels)
    return model, labels


def map_of(image, labels, min_area):
    """Return the map of labels, -1 where pixels are hidden, without areas that are too small."""
    folded = image.fold(labels.astype(np.int64))
    shape = (1, *image.navigation_shape)[-2:]
    folded = np.nan_to_num(folded, nan=-1).astype(np.int64).reshape(shape)
    return remove_small_areas(folded, min_area) if min_area > 1 else folded


def image_lines(image, recipe):
    """Return the counts of every visible pixel in each line, by its name."""
    lines = as_lines(recipe.lines)
    counts = cluster_features(image, "lines", lines=lines)
    return dict(zip(lines, counts.T, strict=True))


# code


def as_lines(lines):
    """Return lines as :func:`line_maps` takes them: a list of names, or windows by name."""
    return list(lines) if isinstance(lines[0], str) else dict(lines)


def spelled(value):
    """Spell a setting as it is written by hand."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    text = repr(value)
    return text if '"' in text or "\\" in text else text.replace("'", '"')


def code_of_tuned(record):
    """Return the imports and the lines for a record as :func:`tuned` keeps it."""
    settings = record.parameters
    recipe = recipe_of(**{name: settings[name] for name in Recipe._fields})
    k, min_area, names = (settings[name] for name in ("k", "min_area", "names"))
    return _code(recipe, k, min_area, names, _Form.in_record(record))


def recipe_code(image, recipe, k, min_area, names=None):
    """Return the imports and the lines that make clusters of ``image`` without a widget.

    Returns
    -------
    imports, lines : list of str
        The lines leave ``labels`` and ``spectra``, and ``names`` where somebody gave any.
    """
    return _code(recipe, k, min_area, names, _Form.of(image))


def _code(recipe, k, min_area, names, form):
    imports, steps = _features_code(recipe, form)
    steps += _dividing_code(recipe, k)
    if recipe.algorithm != "k-means":
        imports.append("from sklearn.mixture import GaussianMixture")
    if form.hides_pixels:
        imports.insert(0, "import numpy as np")
        steps.append("labels = np.nan_to_num(labels, nan=-1).astype(int)")
    if min_area > 1:
        steps.append(f"labels = em.remove_small_areas(labels, {min_area})")
    steps.append(f"spectra = em.mean_spectra({'left' if recipe.held_out else 'image'}, labels)")
    if list(names or []) not in ([], default_names(k)):
        steps.append(f"names = [{', '.join(map(spelled, names))}]")
    return list(dict.fromkeys(imports)), steps


def _features_code(recipe, form):
    imports, steps = ["import endmember as em"], []
    source = "image"
    if recipe.held_out:
        counts = "image"
        if form.may_be_nan:
            imports.insert(0, "import numpy as np")
            counts = "image.with_counts(np.nan_to_num(image.counts))"
        steps.append(f"kept, left = em.thin({counts}, 0.5, seed={recipe.seed})")
        source = "kept"
    given = "".join(f", {name}={spelled(value)}" for name, value in recipe.given().items())
    steps.append(f'features = em.cluster_features({source}, "{recipe.features}"{given})')
    if recipe.normalisation == "spread":
        imports.append("from sklearn.preprocessing import scale")
        steps.append("features = scale(features, with_mean=False)")
    if recipe.normalisation == "length":
        imports.append("from sklearn.preprocessing import normalize")
        steps.append("features = normalize(features)")
    if form.is_sparse and _keeps_channels(recipe) and recipe.algorithm != "k-means":
        imports.append("from scipy.sparse import csr_array")
        steps.append("features = csr_array(features).toarray()  # mixtures take no sparse ones")
    return imports, steps


def _keeps_channels(recipe):
    """Whether features are the channels themselves, which stay sparse where counts are."""
    return recipe.features == "raw" or (recipe.features == "l1" and not recipe.lines)


def _dividing_code(recipe, k):
    if recipe.algorithm == "k-means":
        return [
            f"sweep = em.cluster_sweep(features, range(1, {k + 1}), criteria=(), "
            f"seed={recipe.seed})",
            f"labels = image.fold(sweep.labels_of({k}))",
        ]
    return [
        f"for k in range(1, {k + 1}):",
        f"    mixture = GaussianMixture(k, max_iter={MIXTURE_ROUNDS}, random_state={recipe.seed})",
        "    found = mixture.fit_predict(features)",
        "    order = found if k == 1 else em.align_labels(found, order)",
        "labels = image.fold(order)",
    ]
