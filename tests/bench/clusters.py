"""Clusters: k-means alone, silhouettes, and both for many numbers of clusters."""

from __future__ import annotations

from functools import partial

import numpy as np
import scipy.sparse as sp

from bench.harness import Row, Way

KS = range(2, 11)
NO_SLOWER = 1 / 1.2
TOLERANCE = 1e-3  # of an inertia: starts end in places that are nearly as good


def silhouette(quick):
    """Line intensities."""
    return _silhouette("silhouette", "lines", quick, target=100)


def silhouette_pca(quick):
    """Principal components."""
    return _silhouette("silhouette_pca", "pca", quick)


def _silhouette(name, kind, quick, target=None):
    return Row(
        name,
        "Exact silhouettes of all pixels in four clusters.",
        partial(prepare_silhouette, kind=kind, quick=quick),
        (
            Way("endmember", load_labelled, ours_of_labels),
            Way("scikit-learn", load_labelled, sklearn_of_labels, target=target),
        ),
        judge_silhouettes,
        "largest difference from scikit-learn's",
        1e-6,
        warm_every=8,
    )


def cluster_sweep(quick):
    """Line intensities."""
    return _sweep("cluster_sweep", "lines", quick)


def cluster_sweep_pca(quick):
    """Principal components."""
    return _sweep("cluster_sweep_pca", "pca", quick)


def _sweep(name, kind, quick):
    return Row(
        name,
        f"k-means for k = {KS[0]} to {KS[-1]}, ten starts each, and the mean silhouette of all "
        "pixels.",
        partial(prepare_sweep, kind=kind, quick=quick),
        (
            Way("endmember", load, ours_of_ks),
            Way("scikit-learn", load, sklearn_of_ks, target=25),
            Way("HyperSpy estimate_number_of_clusters", load, hyperspy_of_ks, target=20),
        ),
        judge_sweep,
        "highest mean silhouette: how far from that of 50 starts",
        1e-4,
        warm_every=8,
    )


def kmeans_lines(quick):
    """Line intensities: two features."""
    return _kmeans("kmeans_lines", "lines", 2, quick)


def kmeans_pca(quick):
    """Principal components: six features."""
    return _kmeans("kmeans_pca", "pca", 6, quick)


def kmeans_spectra(quick):
    """Whole spectra: many features, sparse."""
    return _kmeans("kmeans_spectra", "spectra", 6, quick)


def kmeans_dense(quick):
    """Many features without zeros."""
    return _kmeans("kmeans_dense", "dense", 6, quick)


def _kmeans(name, kind, k, quick):
    return Row(
        name,
        f"k-means, {k} clusters, ten starts.",
        partial(prepare_kmeans, kind=kind, k=k, quick=quick),
        (
            Way("endmember", load, partial(ours_of_points, k=k)),
            Way("scikit-learn", load, partial(sklearn_of_points, k=k), target=NO_SLOWER),
        ),
        judge_kmeans,
        "inertia above that of 50 starts, relative",
        TOLERANCE,
    )


# data


def features(kind, quick):
    """Return what is clustered."""
    import endmember as em

    side = 40 if quick else 128
    if kind == "lines":
        scene = em.datasets.load("iron_oxides", shape=(side, side), dose=5600)
        return em.cluster_features(scene.image, "lines", lines=scene.windows).astype(np.float64)
    if kind == "dense":
        rng = np.random.default_rng(0)
        centres = 4 * rng.normal(size=(6, 100)) / 10
        return centres[rng.integers(6, size=side**2 // 2)] + rng.normal(size=(side**2 // 2, 100))
    image = em.datasets.load("six_compounds", shape=(side, side)).image
    if kind == "pca":
        return em.cluster_features(image, "pca", n_components=6)
    return sp.csr_array(image.spectra)


def write(folder, points, **more):
    """Write points and what else is known of them; return what there is to say."""
    if sp.issparse(points):
        sp.save_npz(folder / "points.npz", points, compressed=False)
    else:
        np.save(folder / "points.npy", points)
        (folder / "points.npz").unlink(missing_ok=True)
    np.savez(folder / "known.npz", **more)
    n_points, n_features = points.shape
    form = "CSR" if sp.issparse(points) else "dense"
    return f"{n_points:,} pixels x {n_features} features of {points.dtype}, {form}"


def load(folder):
    """Return the points."""
    path = folder / "points.npz"
    return sp.csr_array(sp.load_npz(path)) if path.exists() else np.load(folder / "points.npy")


def prepare_kmeans(folder, kind, k, quick):
    """Write points, and their lowest inertia."""
    from sklearn.cluster import KMeans

    points = features(kind, quick)
    best = KMeans(k, n_init=50, random_state=1).fit(points)
    return write(folder, points, inertia=best.inertia_)


def prepare_sweep(folder, kind, quick):
    """Write points, and the highest mean silhouette of all numbers of clusters."""
    from sklearn.cluster import KMeans

    import endmember as em

    points = features(kind, quick)
    labels = [KMeans(k, n_init=50, random_state=1).fit_predict(points) for k in KS]
    return write(folder, points, highest=max(em.silhouette(points, each).mean() for each in labels))


class Labelled:
    """Points in clusters; a slice takes some of them."""

    def __init__(self, points, labels):
        self.points, self.labels = points, labels

    def __getitem__(self, rows):
        return Labelled(self.points[rows], self.labels[rows])


def prepare_silhouette(folder, kind, quick):
    """Write points in clusters, and scikit-learn's silhouettes."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_samples

    points = features(kind, quick)
    labels = KMeans(4, n_init=2, random_state=0).fit_predict(points)
    return write(folder, points, labels=labels, silhouettes=silhouette_samples(points, labels))


def load_labelled(folder):
    """Return the points in their clusters."""
    with np.load(folder / "known.npz") as known:
        return Labelled(load(folder), known["labels"])


# ways


def ours_of_labels(labelled):
    """Distances in tiles."""
    import endmember as em

    return {"silhouettes": em.silhouette(labelled.points, labelled.labels)}


def sklearn_of_labels(labelled):
    """Distances in blocks of rows."""
    from sklearn.metrics import silhouette_samples

    return {"silhouettes": silhouette_samples(labelled.points, labelled.labels)}


def ours_of_ks(points):
    """Everything in one call."""
    import endmember as em

    return {"silhouette": em.cluster_sweep(points, KS).silhouette}


def sklearn_of_ks(points):
    """The loop of scikit-learn's own example."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import silhouette_score

    labels = [KMeans(k, n_init=10, random_state=0).fit_predict(points) for k in KS]
    return {"silhouette": [silhouette_score(points, each) for each in labels]}


def hyperspy_of_ks(points):
    """Its own call, told to take as many starts."""
    import hyperspy.api as hs

    hs.preferences.General.show_progressbar = False
    signal = hs.signals.Signal1D(points)
    settings = {"algorithm": "kmeans", "metric": "silhouette", "n_init": 10, "random_state": 0}
    signal.estimate_number_of_clusters(signal, max_clusters=KS[-1], **settings)
    return {"silhouette": signal.learning_results.cluster_metric_data}


def ours_of_points(points, k):
    """Ten starts are the default."""
    import endmember as em

    return {"inertia": em.KMeans(k).fit(points).inertia_}


def sklearn_of_points(points, k):
    """As many starts."""
    from sklearn.cluster import KMeans

    return {"inertia": KMeans(k, n_init=10, random_state=0).fit(points).inertia_}


# results


def judge_kmeans(folder):
    """Return what tells how much inertia there is too much."""
    with np.load(folder / "known.npz") as known:
        lowest = float(known["inertia"])
    return lambda result: float(result["inertia"]) / lowest - 1


def judge_silhouettes(folder):
    """Return what tells how wrong silhouettes are."""
    with np.load(folder / "known.npz") as known:
        right = known["silhouettes"]
    return lambda result: float(np.abs(result["silhouettes"] - right).max())


def judge_sweep(folder):
    """Return what tells how far the best silhouette is from what it can be."""
    with np.load(folder / "known.npz") as known:
        highest = float(known["highest"])
    return lambda result: abs(float(np.max(result["silhouette"])) - highest)
