"""How many clusters: silhouettes, gap and stability, and maps of what was found."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.distance import pdist
from sklearn.cluster import AgglomerativeClustering
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.exceptions import ConvergenceWarning
from sklearn.manifold import MDS
from sklearn.metrics import silhouette_samples
from sklearn.mixture import GaussianMixture

import endmember as em
from endmember.core import clusters, silhouette

ari = em.metrics.adjusted_rand_index
seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=15, deadline=None)


def nested_blobs(n=900, seed=0):
    """Three far groups of points, of which the first is two, and the second two less far ones."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0, 0], [0, 6], [40, 0], [40, 4], [0, 60]])
    truth = rng.choice(5, size=n, p=[0.3, 0.25, 0.2, 0.15, 0.1])
    return centres[truth] + rng.normal(0, 0.5, (n, 2)), truth


def oxides(oxygen_counts, shape=(128, 128)):
    """The two iron oxides at so many counts in the O window of a pixel."""
    share = em.datasets.load("iron_oxides", shape=(8, 8), dose=1).window_counts[:, 1].mean()
    return em.datasets.load("iron_oxides", shape=shape, dose=oxygen_counts / share)


# silhouettes


@few
@given(seed=seeds, n=st.integers(4, 700), k=st.integers(2, 6), n_features=st.integers(1, 9))
def test_silhouettes_are_scikit_learns(seed, n, k, n_features):
    rng = np.random.default_rng(seed)
    points = rng.normal(1, 1, (n, n_features)) * rng.choice([1e-3, 1.0, 1e5])
    labels = np.append([0, 1], rng.integers(min(k, n - 1), size=n - 2))
    found = em.silhouette(points, labels)
    np.testing.assert_allclose(found, silhouette_samples(points, labels), atol=1e-6)


@pytest.mark.parametrize("n_features", [1, 2, 5])
@pytest.mark.parametrize("outlier", [0.0, 1e3, 1e7])
def test_silhouettes_of_many_points_are_as_exact_beside_an_outlier(n_features, outlier):
    rng = np.random.default_rng(n_features)
    points = rng.normal(size=(2500, n_features)) + 4 * rng.integers(3, size=(2500, 1))
    points[7] += outlier
    labels = np.clip(np.rint(points[:, 0] / 4), 0, 2).astype(int)
    expected = silhouette_samples(points, labels)
    np.testing.assert_allclose(em.silhouette(points, labels), expected, atol=1e-6)
    some = em.silhouette(points, labels, n_sampled=1200)
    chosen = np.isfinite(some)
    np.testing.assert_allclose(some[chosen], expected[chosen], atol=1e-6)


@pytest.mark.parametrize("unit", [1e-90, 1e-21, 1e25, 1e90])
@pytest.mark.parametrize("n", [300, 1500])
def test_silhouettes_are_the_same_in_any_unit(n, unit):
    """float32 holds no squares of numbers below 1e-22 or above 1e19."""
    points = np.random.default_rng(0).normal(size=(n, 3))
    labels = np.arange(n) % 2
    expected = silhouette_samples(points, labels)
    np.testing.assert_allclose(em.silhouette(points * unit, labels), expected, atol=1e-6)


def test_silhouettes_of_labels_with_a_hole_and_of_equal_points():
    points = np.array([[0.0], [0.0], [0.0], [0.0], [5.0]])
    found = em.silhouette(points, [0, 0, 4, 4, 7])
    np.testing.assert_array_equal(found, [0, 0, 0, 0, 0])  # at no distance, or alone
    np.testing.assert_allclose(found, silhouette_samples(points, [0, 0, 4, 4, 7]))


def test_sampled_silhouettes_are_those_of_all_pixels_and_their_mean_is_as_sure_as_it_says():
    points, _ = nested_blobs(3000)
    labels = em.KMeans(4).fit_predict(points)
    every = em.silhouette(points, labels)
    means = []
    for seed in range(40):
        some = em.silhouette(points, labels, n_sampled=300, seed=seed)
        chosen = np.isfinite(some)
        assert chosen.sum() == 300
        np.testing.assert_allclose(some[chosen], every[chosen], atol=1e-6)
        means.append(some[chosen].mean())
    expected = every.std() / np.sqrt(300) * np.sqrt(0.9)
    assert np.std(means) == pytest.approx(expected, rel=0.35)  # 11 % is one sigma of 40 draws
    assert abs(np.mean(means) - every.mean()) < 4 * expected / np.sqrt(40)


def test_the_form_of_the_features_does_not_matter_for_silhouettes():
    counts = np.random.default_rng(0).poisson(2.0, (90, 7))
    labels = np.arange(90) % 3
    expected = em.silhouette(counts.astype(float), labels)
    forms = [counts.astype(">u2"), np.asfortranarray(counts), sp.csr_array(counts)]
    forms += [em.SpectrumImage(counts.reshape(9, 10, 7)), counts.astype(np.float32)]
    for form in forms:
        np.testing.assert_allclose(em.silhouette(form, labels), expected, atol=1e-12)


def test_silhouettes_can_be_stopped_and_reports_change_nothing(monkeypatch):
    monkeypatch.setattr(silhouette, "TILE", 16)
    points, labels = nested_blobs(400)
    heard = []
    found = em.silhouette(points, labels, callback=lambda p: heard.append(p.fraction))
    assert heard[-1] == 1
    assert len(heard) == silhouette.N_REPORTS
    np.testing.assert_allclose(found, em.silhouette(points, labels), atol=1e-12)
    with pytest.raises(em.CancelledError, match="stopped the fit at 5%"):
        em.silhouette(points, labels, callback=lambda p: True)


@pytest.mark.parametrize(
    ("labels", "how", "message"),
    [
        ([0, 0, 0, 0], {}, "labels hold one cluster"),
        ([0, 1, 0], {}, r"labels have shape \(3,\) but there are 4 pixels"),
        ([0, 1, 0.5, 1], {}, "whole numbers from 0 up"),
        ([0, 1, -1, 1], {}, "leave pixels without a cluster out"),
        ([0, 1, np.nan, 1], {}, "whole numbers from 0 up"),
        ([0, 1, 0, 1], {"n_sampled": 0}, "n_sampled"),
        ([0, 1, 0, 1], {"seed": -1}, "seed is -1"),
    ],
)
def test_bad_input_to_silhouettes_is_refused(labels, how, message):
    with pytest.raises(ValueError, match=message):
        em.silhouette(np.eye(4), labels, **how)
    with pytest.raises(ValueError, match="features contain NaN or inf in 1 places"):
        em.silhouette([[0.0], [np.nan]], [0, 1])
    with pytest.raises(ValueError, match=r"features go up to 1e\+160, whose squares no float64"):
        em.silhouette([[0.0], [-1e160]], [0, 1])


# features


@pytest.fixture(scope="module")
def oxide_image():
    counts = np.array(oxides(64, (16, 16)).image.counts)
    mask = np.zeros((16, 16), dtype=bool)
    mask[:2, 3:9] = True
    image = oxides(64, (16, 16)).image
    return em.SpectrumImage(counts, image.signal_axis, mask=mask, metadata=image.metadata)


LINES = ["Fe_Ka", "O_Ka"]


def test_features_are_what_they_are_called(oxide_image):
    image = oxide_image
    maps = np.stack(list(em.line_maps(image, LINES).values()), axis=-1)[~image.mask]
    raw = em.cluster_features(image, "raw")
    np.testing.assert_array_equal(raw, image.spectra)
    np.testing.assert_allclose(em.cluster_features(image, "lines"), maps)  # those in the metadata
    shares = em.cluster_features(image, "l1", lines=LINES)
    np.testing.assert_allclose(shares, maps / maps.sum(axis=1, keepdims=True))
    ratios = em.cluster_features(image, "log-ratio", lines=LINES)
    np.testing.assert_allclose(
        ratios[:, 0] - ratios[:, 1], np.log((maps[:, 0] + 0.5) / (maps[:, 1] + 0.5))
    )
    np.testing.assert_allclose(ratios.sum(axis=1), 0, atol=1e-12)
    scores = em.cluster_features(image, "pca", n_components=2)
    pca = em.PCA(2).fit(image)
    np.testing.assert_allclose(scores, pca.noise_units(image)[0])
    for features in (raw, maps, shares, ratios, scores):
        assert np.isnan(image.fold(features)[image.mask]).all()


def test_shares_forget_brightness_and_counts_do_not():
    counts = np.outer([1, 2, 9], [10, 30, 60]).repeat(2, axis=0)
    np.testing.assert_allclose(np.ptp(em.cluster_features(counts, "l1"), axis=0), 0, atol=1e-15)
    assert np.ptp(em.cluster_features(counts, "raw"), axis=0).min() > 0


def test_sparse_counts_stay_sparse_and_empty_pixels_become_zero():
    counts = np.random.default_rng(0).poisson(0.3, (50, 9))
    counts[7] = 0
    sparse = em.cluster_features(sp.csr_array(counts), "l1")
    assert sp.issparse(sparse)
    np.testing.assert_allclose(sparse.toarray(), em.cluster_features(counts, "l1"))
    assert not sparse[[7]].toarray().any()
    assert sp.issparse(em.cluster_features(sp.csr_array(counts)))


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"kind": "wavelet"}, ValueError, "kind is 'wavelet'; choose one of"),
        ({"kind": "log-ratio", "pseudo_count": 0}, ValueError, "pseudo_count"),
        ({"kind": "log-ratio", "pseudo_count": np.nan}, ValueError, "pseudo_count is nan"),
        ({"kind": "log-ratio", "pseudo_count": np.inf}, ValueError, "pseudo_count is inf"),
        ({"kind": "pca", "n_components": 0}, ValueError, "n_components"),
        ({"kind": "lines", "lines": []}, ValueError, "lines is empty"),
    ],
)
def test_bad_features_are_refused(oxide_image, how, error, message):
    with pytest.raises(error, match=message):
        em.cluster_features(oxide_image, **how)


# the sweep


@pytest.fixture(scope="module")
def sweep():
    points, _ = nested_blobs()
    return em.cluster_sweep(points, range(1, 8), criteria=("silhouette", "gap", "bic"), n_init=4)


def test_clusters_are_those_of_kmeans_under_other_names(sweep):
    points, _ = nested_blobs()
    for i, k in enumerate(sweep.ks):
        model = em.KMeans(k, n_init=4).fit(points)
        assert sweep.inertia[i] == model.inertia_
        assert ari(sweep.labels_of(k), model.labels_) == 1
        np.testing.assert_array_equal(np.unique(sweep.labels_of(k)), range(k))
        distances = np.linalg.norm(points[:, None] - sweep.centres[i], axis=-1)
        np.testing.assert_array_equal(distances.argmin(axis=1), sweep.labels_of(k))


def test_one_more_cluster_changes_the_colour_of_its_own_pixels_only(sweep):
    """Nested blobs: each k up to five divides one cluster of the k before."""
    for k in range(2, 6):
        before, after = sweep.labels_of(k - 1), sweep.labels_of(k)
        changed = before != after
        assert (after[changed] == k - 1).all()
        divided = np.unique(before[changed])
        assert divided.size == 1
        assert changed.sum() <= (before == divided[0]).sum() / 2  # the larger part keeps its colour


def test_five_blobs_are_five_by_gap_and_by_mixture(sweep):
    assert sweep.best["gap"] == 5
    assert sweep.best["bic"] == 5
    assert sweep.best["silhouette"] == 3  # the widest apart


def test_silhouettes_of_the_sweep_are_those_of_its_labels(sweep):
    points, _ = nested_blobs()
    for i, k in enumerate(sweep.ks[1:], 1):
        expected = silhouette_samples(points, sweep.labels_of(k))
        np.testing.assert_allclose(sweep.silhouettes_of(k), expected, atol=1e-6)
        assert sweep.silhouette[i] == pytest.approx(expected.mean(), abs=1e-9)
        assert sweep.silhouette_stderr[i] == 0
    assert np.isnan(sweep.silhouette[0])


def test_sampled_silhouettes_come_with_their_standard_error():
    points, _ = nested_blobs()
    some = em.cluster_sweep(points, [3], n_init=2, n_sampled=200)
    known = some.silhouettes_of(3)[np.isfinite(some.silhouettes_of(3))]
    assert known.size == 200
    expected = known.std(ddof=1) / np.sqrt(200) * np.sqrt(1 - 200 / 900)
    assert some.silhouette_stderr[0] == pytest.approx(expected, rel=1e-12)


def test_points_without_clusters_have_no_gap():
    """Uniform points: Tibshirani's rule finds one cluster, in nearly every draw."""
    found = []
    for seed in range(5):
        points = np.random.default_rng(seed).random((300, 2))
        sweep = em.cluster_sweep(points, range(1, 4), criteria="gap", n_init=2, seed=seed)
        found.append(sweep.best["gap"])
    assert found.count(1) >= 4


def test_the_gap_follows_its_formula(monkeypatch):
    points, _ = nested_blobs(200)
    drawn = []
    plain = clusters.in_form

    def listen(rows):
        drawn.append(np.array(rows))
        return plain(rows)

    monkeypatch.setattr(clusters, "in_form", listen)
    found = em.cluster_sweep(points, [1, 2], criteria="gap", n_references=4, n_init=2)
    inertias = np.array([[em.KMeans(k, n_init=2).fit(p).inertia_ for k in (1, 2)] for p in drawn])
    logs = np.log(inertias)
    np.testing.assert_allclose(found.gap, logs[1:].mean(axis=0) - logs[0])
    np.testing.assert_allclose(found.gap_stderr, logs[1:].std(axis=0) * np.sqrt(1 + 1 / 4))
    _, axes = np.linalg.eigh(np.cov(points.T))
    box = np.sort(np.ptp(points @ axes, axis=0))
    for reference in drawn[1:]:
        assert (np.sort(np.ptp(reference, axis=0)) <= box * (1 + 1e-9)).all()
        assert (np.sort(np.ptp(reference, axis=0)) >= 0.95 * box).all()


# what counts bear out


@pytest.mark.parametrize(("oxygen_counts", "least"), [(2048, 0.93), (4096, 0.99)])
def test_enough_counts_tell_the_oxides_apart(oxygen_counts, least):
    """As good as any rule gets: the Bayes limit at 2,048 counts is 0.950."""
    scene = oxides(oxygen_counts)
    features = em.cluster_features(scene.image, lines=scene.windows)
    assert ari(em.KMeans(2).fit_predict(features), scene.labels) >= least


def test_at_4_oxygen_counts_clusters_are_noise_and_thinning_says_so():
    scene = oxides(4)
    how = {"features": "lines", "lines": scene.windows, "n_init": 3, "n_splits": 2}
    found = em.cluster_sweep(scene.image, range(1, 4), criteria=("silhouette", "stability"), **how)
    assert abs(ari(found.labels_of(2), scene.labels)) < 0.01
    assert found.best["stability"] == 1
    assert found.best["silhouette"] > 1  # which cannot say that there is nothing to divide
    assert np.abs(found.stability[1:]).max() < 0.01
    features = em.cluster_features(scene.image, lines=scene.windows)
    fe, o = np.transpose([features[found.labels_of(2) == c].sum(axis=0) for c in (0, 1)])
    assert np.ptp(fe / o) > 0.4  # what double dipping makes of one ratio


def ratios_of(counts, labels):
    """Counts of iron over counts of oxygen in each of two clusters."""
    iron, oxygen = np.transpose([counts[labels == k].sum(axis=0) for k in (0, 1)])
    return np.sort(iron / oxygen)


@pytest.mark.parametrize(
    ("oxygen_counts", "expected", "within"),
    [(4, [0.7405, 0.7405], 0.03), (8192, [0.698, 0.783], 0.002)],
)
def test_the_half_that_was_not_clustered_has_the_ratios_of_the_truth(
    oxygen_counts, expected, within
):
    """At 4 counts the clusters are noise: both have the mean ratio, up to counting noise."""
    scene = oxides(oxygen_counts)
    found, other = (
        em.cluster_features(half, lines=scene.windows) for half in em.thin(scene.image, seed=0)
    )
    labels = em.KMeans(2, n_init=3).fit_predict(found)
    np.testing.assert_allclose(ratios_of(other, labels), expected, atol=within)
    if oxygen_counts == 4:
        assert np.ptp(ratios_of(found, labels)) > 0.4  # of the half that was clustered itself


def test_at_4096_oxygen_counts_halves_find_the_same_two_clusters():
    scene = oxides(4096, (64, 64))
    how = {"features": "lines", "lines": scene.windows, "n_init": 3, "n_splits": 2}
    found = em.cluster_sweep(scene.image, range(1, 5), criteria=["stability"], **how)
    assert found.best == {"stability": 2}
    assert found.stability[0] == 1
    assert ari(found.label_map(2), scene.labels) > 0.99


def test_sparse_and_masked_images_give_what_dense_ones_give():
    scene = oxides(1000, (24, 24))
    mask = np.zeros((24, 24), dtype=bool)
    mask[5:9, 2:20] = True
    counts = np.array(scene.image.counts, dtype=float)
    counts[mask] = np.nan
    axis, how = scene.image.signal_axis, {"mask": mask}
    settings = {"lines": scene.windows, "criteria": ["silhouette", "stability"], "n_splits": 1}
    dense = em.SpectrumImage(counts, axis, **how)
    sparse = em.SpectrumImage(np.nan_to_num(counts), axis, **how).to_sparse()
    found, again = (em.cluster_sweep(image, [2, 3], **settings) for image in (dense, sparse))
    np.testing.assert_array_equal(found.labels, again.labels)
    np.testing.assert_allclose(found.silhouette, again.silhouette, rtol=1e-9)
    assert np.isnan(found.label_map(2)[mask]).all()
    assert found.label_map(2).shape == (24, 24)
    assert np.isfinite(found.stability).all()


# results, progress, refusals


def test_the_seed_repeats_a_sweep_and_the_record_names_it():
    points, _ = nested_blobs(200)
    how = {"criteria": ("gap", "silhouette"), "n_init": 2, "n_references": 2, "n_sampled": 50}
    first, again, other = (em.cluster_sweep(points, [2, 3], seed=seed, **how) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.gap, again.gap)
    np.testing.assert_array_equal(first.silhouettes, again.silhouettes)
    assert not np.array_equal(first.gap, other.gap)
    assert first.record.seed == 5
    assert first.record.parameters["k_range"] == [2, 3]


def test_rows_are_a_table_of_numbers(sweep):
    rows = sweep.to_rows()
    assert [row["k"] for row in rows] == list(range(1, 8))
    assert rows[2]["inertia"] == sweep.inertia[2]
    assert {"silhouette", "silhouette_stderr", "gap", "gap_stderr", "bic"} <= set(rows[0])
    assert all(isinstance(value, int | float) for row in rows for value in row.values())
    assert "k = 1 to 7, best by silhouette 3, gap 5, bic 5" in repr(sweep)


def test_a_callback_hears_of_the_way_to_the_end_and_may_stop_it():
    counts = np.random.default_rng(0).poisson(20.0, (100, 4))
    heard = []
    how = {"criteria": clusters.CRITERIA, "n_init": 1, "n_references": 2, "n_splits": 1}
    em.cluster_sweep(counts, [1, 2, 3], callback=lambda p: heard.append(p.fraction), **how)
    assert heard == sorted(heard)
    assert heard[0] < 0.1
    assert heard[-1] == pytest.approx(1)
    with pytest.raises(em.CancelledError, match="the callback stopped"):
        em.cluster_sweep(counts, [1, 2, 3], callback=lambda p: p.fraction > 0.3, **how)


def test_a_sweep_that_ends_too_soon_says_once_for_which_k():
    points = np.random.default_rng(0).random((500, 2))
    with pytest.warns(ConvergenceWarning, match=r"k=\[4, 5\] stopped after max_iter=1 ") as seen:
        em.cluster_sweep(points, [4, 5], max_iter=1, n_init=1)
    assert len(seen) == 1


def test_mixtures_trees_and_discriminants_of_scikit_learn_fold_to_maps():
    """Of two oxides with counts in plenty, each finds both, hidden pixels left out."""
    scene = oxides(10_000, (16, 16))
    mask = np.zeros((16, 16), dtype=bool)
    mask[2:5, 3:9] = True
    image = em.SpectrumImage(scene.image.counts, scene.image.signal_axis, mask=mask)
    features, truth = em.cluster_features(image, lines=scene.windows), scene.labels[~mask]
    soft = GaussianMixture(2, random_state=0).fit(features).predict_proba(features)
    tree = AgglomerativeClustering(2).fit_predict(features)
    lda = LinearDiscriminantAnalysis().fit(features, truth).transform(features)
    maps = [image.fold(found) for found in (soft, tree, lda)]
    assert [found.shape for found in maps] == [(16, 16, 2), (16, 16), (16, 16, 1)]
    assert all(np.isnan(found[mask]).all() for found in maps)
    np.testing.assert_allclose(maps[0][~mask].sum(axis=-1), 1)
    parts = maps[0][..., 0] > 0.5, maps[1], maps[2][..., 0] > 0
    assert all(ari(part[~mask].astype(int), truth) > 0.95 for part in parts)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # scikit-learn changes where MDS begins
def test_a_plane_of_scikit_learn_keeps_the_distances_of_shares(oxide_image):
    """Two shares that sum to one lie on a line, which multidimensional scaling finds again."""
    features = em.cluster_features(oxide_image, "l1", lines=LINES)[::20]
    scaled = (features - features.mean(axis=0)) / features.std()
    plane = MDS(2, n_init=1, max_iter=3000, eps=1e-9, random_state=0).fit_transform(scaled)
    np.testing.assert_allclose(pdist(plane), pdist(scaled), atol=0.02 * pdist(scaled).max())


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ({"k_range": 5}, TypeError, "k_range is 5; pass several numbers"),
        ({"k_range": []}, ValueError, "k_range is"),
        ({"k_range": [0, 2]}, ValueError, "whole numbers from 1 up"),
        ({"k_range": [2.5]}, ValueError, "whole numbers from 1 up"),
        ({"features": "wavelet"}, ValueError, "features is 'wavelet'; choose one of"),
        ({"criteria": "elbow"}, ValueError, r"criteria hold \['elbow'\]; choose from"),
        ({"criteria": "stability"}, ValueError, "Negative values in data"),
        ({"n_init": 0}, ValueError, "n_init"),
        ({"n_sampled": 1}, ValueError, "n_sampled"),
        ({"n_references": 0}, ValueError, "n_references"),
        ({"n_splits": 0}, ValueError, "n_splits"),
        ({"min_agreement": 2}, ValueError, "min_agreement"),
        ({"min_agreement": np.nan}, ValueError, "min_agreement is nan"),
        ({"criteria": None}, TypeError, "criteria are None; choose from"),
        ({"k_range": [2, "3"]}, ValueError, r"k_range is \[2, '3'\]; pass whole numbers"),
        ({"seed": None}, ValueError, "seed is None"),
        ({"callback": 3}, TypeError, "callback is 3"),
        ({"k_range": [2, 200]}, ValueError, "n_clusters=200 is more than 100, the number of dist"),
    ],
)
def test_bad_settings_of_a_sweep_are_refused(how, error, message):
    points, _ = nested_blobs(100)
    with pytest.raises(error, match=message):
        em.cluster_sweep(points - 20, **{"k_range": [1, 2], "n_init": 1, **how})


def test_what_a_sweep_does_not_hold_is_refused(sweep):
    with pytest.raises(ValueError, match=r"k=9 was not tried; these were: \(1, 2"):
        sweep.labels_of(9)
    with pytest.raises(ValueError, match="rows were clustered, which have no map"):
        sweep.label_map(2)


@pytest.mark.parametrize(
    ("criteria", "message"),
    [
        (["gap", "bic"], "'bic', but 70 features have too many covariances"),
        (["gap", "stability"], "counts are not whole numbers"),
    ],
)
def test_what_a_criterion_cannot_take_is_refused_before_any_work(criteria, message):
    wide, heard = np.random.default_rng(0).random((80, 70)), []
    with pytest.raises(ValueError, match=message):
        em.cluster_sweep(wide, [1, 2], criteria=criteria, callback=heard.append)
    assert not heard


@pytest.mark.parametrize("unit", [1e-8, 1e8])
def test_mixtures_are_the_same_in_any_unit(sweep, unit):
    """A density per unit falls by the unit for each feature, and BIC counts its log twice."""
    points, _ = nested_blobs()
    found = em.cluster_sweep(points * unit, range(1, 8), criteria="bic", n_init=1)
    assert found.best["bic"] == 5
    np.testing.assert_allclose(found.bic - 2 * points.size * np.log(unit), sweep.bic, rtol=1e-6)


# names of clusters


@few
@given(seed=seeds, k=st.integers(1, 6))
def test_aligning_undoes_any_renaming(seed, k):
    rng = np.random.default_rng(seed)
    labels = np.append(np.arange(k), rng.integers(k, size=40)).reshape(-1, 1)
    np.testing.assert_array_equal(em.align_labels(rng.permutation(k)[labels], labels), labels)


def test_clusters_without_a_partner_come_behind_and_pixels_below_zero_stay():
    found = em.align_labels([2, 2, 0, 1, 1, -1, 0], [0, 0, 1, -1, -1, 1, 1])
    np.testing.assert_array_equal(found, [0, 0, 1, 2, 2, -1, 1])
    with pytest.raises(ValueError, match=r"labels have shape \(2,\) but reference \(3,\)"):
        em.align_labels([0, 1], [0, 1, 1])


# mean spectra


def test_means_and_their_errors_are_those_of_the_pixels():
    counts = np.random.default_rng(0).poisson(4.0, (6, 7, 5))
    labels = np.arange(42).reshape(6, 7) % 3
    for form in (counts, em.SpectrumImage(counts).to_sparse()):
        found = em.mean_spectra(form, labels)
        for k in range(3):
            mine = counts[labels == k].astype(float)
            np.testing.assert_allclose(found.means[k], mine.mean(axis=0))
            np.testing.assert_allclose(found.stderr_poisson[k], np.sqrt(mine.sum(axis=0)) / 14)
            scatter = mine.std(axis=0, ddof=1) / np.sqrt(14)
            np.testing.assert_allclose(found.stderr_scatter[k], scatter, rtol=1e-9)
        np.testing.assert_array_equal(found.sizes, [14, 14, 14])


def test_errors_say_how_far_means_of_other_recordings_lie():
    rng = np.random.default_rng(1)
    means = [em.mean_spectra(rng.poisson(3.0, (50, 8)), np.zeros(50, int)) for _ in range(200)]
    spread = np.std([m.means[0] for m in means], axis=0)
    for errors in ("stderr_poisson", "stderr_scatter"):
        said = np.mean([getattr(m, errors)[0] for m in means], axis=0)
        np.testing.assert_allclose(said, spread, rtol=0.2)  # 5 % is one sigma of 200 draws


def test_pixels_without_a_cluster_take_no_part():
    counts = np.arange(24.0).reshape(2, 3, 4)
    mask = np.array([[True, False, False], [False, False, False]])
    image = em.SpectrumImage(counts, mask=mask)
    labels = np.array([0, -1, 0, 2, 2])
    found = em.mean_spectra(image, labels)
    same = em.mean_spectra(image, image.fold(labels))
    np.testing.assert_array_equal(found.means, same.means)
    np.testing.assert_array_equal(found.sizes, [2, 0, 2])
    np.testing.assert_array_equal(found.means[0], image.spectra[[0, 2]].mean(axis=0))
    assert np.isnan(found.means[1]).all()
    with pytest.raises(ValueError, match=r"labels have shape \(4,\); expected one for each of 5"):
        em.mean_spectra(image, labels[:4])
    with pytest.raises(ValueError, match="labels name no cluster"):
        em.mean_spectra(image, np.full(5, -1))
    with pytest.raises(ValueError, match="whole numbers or NaN"):
        em.mean_spectra(image, labels + 0.5)


# small areas


def areas_of(label_map):
    """Sizes of all connected areas of visible pixels."""
    sizes = []
    for label in np.unique(label_map[label_map >= 0]):
        found, _ = ndimage.label(label_map == label)
        sizes += np.bincount(found.ravel())[1:].tolist()
    return sizes


@few
@given(seed=seeds, min_area=st.integers(1, 30), shape=st.sampled_from([(12, 9), (50,), (4, 5, 6)]))
def test_no_area_is_too_small_afterwards_and_large_ones_lose_nothing(seed, min_area, shape):
    rng = np.random.default_rng(seed)
    label_map = rng.integers(4, size=shape)
    before = label_map.copy()
    found = em.remove_small_areas(label_map, min_area)
    np.testing.assert_array_equal(label_map, before)
    assert min(areas_of(found)) >= min_area
    np.testing.assert_array_equal(em.remove_small_areas(found, min_area), found)
    for label in range(4):
        areas, n = ndimage.label(before == label)
        for area in range(1, n + 1):
            if (areas == area).sum() >= min_area:
                assert (found[areas == area] == label).all()


def test_an_area_goes_to_the_cluster_that_borders_most_on_it():
    label_map = np.array([[0, 0, 0, 0], [1, 2, 2, 0], [1, 1, 1, 1]])
    found = em.remove_small_areas(label_map, 3)
    np.testing.assert_array_equal(found, [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 1]])


def test_hidden_pixels_stay_and_islands_among_them_too():
    label_map = np.array([[0.0, np.nan, 1.0], [0.0, np.nan, np.nan], [0.0, 2.0, np.nan]])
    found = em.remove_small_areas(label_map, 2)
    expected = [[0, np.nan, 1], [0, np.nan, np.nan], [0, 0, np.nan]]
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == np.float64
    assert np.isnan(em.remove_small_areas(np.full((3, 3), np.nan), 2)).all()


def test_bad_maps_are_refused():
    with pytest.raises(ValueError, match="min_area is nan; pass a number of pixels"):
        em.remove_small_areas([[0, 1], [1, 1]], np.nan)
    with pytest.raises(ValueError, match="min_area"):
        em.remove_small_areas([[0, 1]], 0)
    with pytest.raises(ValueError, match="single number"):
        em.remove_small_areas(3, 2)
    with pytest.raises(ValueError, match="whole numbers or NaN"):
        em.remove_small_areas([[0.5, 1]], 2)
    with pytest.raises(TypeError, match="got dtype <U1"):
        em.remove_small_areas([["a"]], 2)


def test_nothing_is_warned_of_in_a_plain_sweep():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        em.cluster_sweep(nested_blobs(100)[0], [1, 2], criteria=("silhouette", "gap"), n_init=2)
