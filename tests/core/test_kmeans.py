"""k-means: Lloyd's clusters, in an order that is stated, of every form of features."""

from __future__ import annotations

import logging
import warnings

import numba
import numpy as np
import pytest
import scipy.sparse as sp
import sklearn.cluster
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks

import endmember as em
from endmember.core import kmeans_wide

WIDE = 40  # features, which are compared by products


@parametrize_with_checks([em.KMeans(2), em.KMeans(3, n_init=1, tol=0)])
def test_scikit_learn_accepts_the_estimator(estimator, check):
    check(estimator)


def blobs(n_features=3, n=600, seed=0, spread=1.5, n_blobs=5):
    """Points around some centres."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 5, (n_blobs, n_features))
    return centres[rng.integers(n_blobs, size=n)] + rng.normal(0, spread, (n, n_features))


def counts_of(shape=(20, 20), dose=400.0, n_channels=12, seed=0):
    """Counts of three phases, and which phase each pixel is."""
    rng = np.random.default_rng(seed)
    phases = rng.dirichlet(np.ones(n_channels), 3) * dose
    truth = np.repeat([0, 1, 2], [200, 120, 80]).reshape(shape)
    return rng.poisson(phases[truth]), truth


# what it finds


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(1, 8),
    n_features=st.sampled_from([1, 2, 7, WIDE]),
    tol=st.sampled_from([0, 1e-4, 1e-2]),
)
def test_from_the_same_start_the_inertia_is_lloyds(seed, k, n_features, tol):
    points = blobs(n_features, 200, seed, spread=4.0)
    start = points[:k]
    found = em.KMeans(k, init=start, tol=tol).fit(points)
    lloyd = sklearn.cluster.KMeans(k, init=start, n_init=1, tol=tol, algorithm="lloyd").fit(points)
    assert found.inertia_ == pytest.approx(lloyd.inertia_, rel=1e-9)
    assert found.n_iter_ == lloyd.n_iter_
    assert em.metrics.adjusted_rand_index(found.labels_, lloyd.labels_) == 1


@pytest.mark.parametrize("n_features", [3, WIDE])
def test_every_row_has_the_label_of_its_nearest_centre(n_features):
    points = blobs(n_features)
    model = em.KMeans(4).fit(points)
    distances = np.linalg.norm(points[:, None] - model.cluster_centers_, axis=-1)
    np.testing.assert_allclose(model.transform(points), distances, rtol=1e-9)
    np.testing.assert_array_equal(model.labels_, distances.argmin(axis=1))
    np.testing.assert_array_equal(model.predict(points), model.labels_)
    assert model.inertia_ == pytest.approx((distances.min(axis=1) ** 2).sum(), rel=1e-9)


@pytest.mark.parametrize("n_features", [3, WIDE])
def test_far_from_the_origin_rows_still_go_to_their_nearest_centre(n_features):
    points = blobs(n_features) + 1e9
    model = em.KMeans(4).fit(points)
    np.testing.assert_array_equal(model.predict(points), model.labels_)


def test_centres_are_the_means_of_their_clusters():
    points = blobs() + 1e6  # far from the origin, where digits are lost
    model = em.KMeans(4, tol=0).fit(points)
    means = [points[model.labels_ == k].mean(axis=0) for k in range(4)]
    np.testing.assert_allclose(model.cluster_centers_, means, rtol=1e-14)


@pytest.mark.parametrize("n_features", [3, WIDE])
def test_starts_are_as_good_as_scikit_learns(n_features):
    points = blobs(n_features, 500, n_blobs=8, spread=0.5)
    theirs = sklearn.cluster.KMeans(8, n_init=10, random_state=0).fit(points).inertia_
    model = em.KMeans(8).fit(points)
    assert model.inertia_ <= theirs * 1.0001
    assert len(model.restarts_) == 10
    assert model.inertia_ == model.restarts_.min()


def test_the_largest_cluster_comes_first():
    points = blobs()
    for seed in range(3):
        model = em.KMeans(5, random_state=seed).fit(points)
        np.testing.assert_array_equal(model.sizes_, np.bincount(model.labels_))
        assert (np.diff(model.sizes_) <= 0).all()


def test_of_equally_large_clusters_that_of_the_largest_sum_comes_first():
    found = em.KMeans(2).fit([[0.0, 1.0], [0.0, 1.1], [9.0, 0.0], [9.0, 0.1]])
    np.testing.assert_array_equal(found.labels_, [1, 1, 0, 0])
    assert found.cluster_centers_[0] == pytest.approx([9.0, 0.05])


def test_a_cluster_that_loses_its_last_point_takes_the_one_farthest_off():
    points = np.array([[0.0], [1.0], [2.0], [10.0]])
    model = em.KMeans(3, init=[[0.0], [0.0], [0.0]]).fit(points)
    assert (model.sizes_ > 0).all()
    assert model.inertia_ == pytest.approx(0.5)


# form, seeds and threads


@pytest.mark.parametrize("n_channels", [12, WIDE])
def test_form_and_dtype_do_not_matter(n_channels):
    counts, _ = counts_of(n_channels=n_channels)
    flat = counts.reshape(400, n_channels)
    spaced = np.zeros((800, 2 * n_channels))
    spaced[::2, ::2] = flat
    locked = flat.astype(np.uint16)
    locked.flags.writeable = False
    forms = {
        "float64": flat.astype(np.float64),
        "float32": flat.astype(np.float32),
        "big-endian": flat.astype(">i4"),
        "Fortran": np.asfortranarray(flat),
        "spaced": spaced[::2, ::2],
        "read-only": locked,
        "CSR": sp.csr_array(flat),
        "CSR of bytes": sp.csr_matrix(flat.astype(np.uint8)),
        "image": em.SpectrumImage(counts),
    }
    expected = em.KMeans(3).fit(flat)
    for name, form in forms.items():
        found = em.KMeans(3).fit(form)
        np.testing.assert_array_equal(found.labels_, expected.labels_, err_msg=name)
        np.testing.assert_allclose(
            found.cluster_centers_, expected.cluster_centers_, rtol=1e-6, atol=1e-6, err_msg=name
        )
        np.testing.assert_array_equal(found.predict(form), expected.labels_, err_msg=name)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_channels", [8, 60])
def test_form_does_not_matter_where_many_distances_are_equal(n_channels, seed):
    """Few counts lie as near to one centre as to another: rounding must not choose between them."""
    counts = np.random.default_rng(seed).poisson(0.4, (400, n_channels))
    expected = em.KMeans(4).fit(counts.astype(np.float64))
    for form in (counts.astype(np.uint8), sp.csr_array(counts)):
        found = em.KMeans(4).fit(form)
        np.testing.assert_array_equal(found.labels_, expected.labels_)
        np.testing.assert_allclose(found.restarts_, expected.restarts_, rtol=1e-9)


def test_a_dask_array_is_computed():
    import dask.array as da

    counts, _ = counts_of()
    lazy = em.SpectrumImage(da.from_array(counts, chunks=(7, 20, 5)))
    expected = em.KMeans(3).fit(em.SpectrumImage(counts)).labels_
    np.testing.assert_array_equal(em.KMeans(3).fit(lazy).labels_, expected)


def test_the_callers_features_stay_as_they_are():
    points = blobs()
    before = points.tobytes()
    em.KMeans(3).fit(points).predict(points)
    assert points.tobytes() == before


def test_hidden_pixels_take_no_part_and_maps_hold_nan_there():
    counts, truth = counts_of()
    counts = counts.astype(float)
    mask = np.zeros((20, 20), dtype=bool)
    mask[3:6, 4:] = True
    counts[mask] = np.nan
    image = em.SpectrumImage(counts, mask=mask)
    model = em.KMeans(3).fit(image)
    labels = image.fold(model.labels_)
    assert np.isnan(labels[mask]).all()
    assert em.metrics.adjusted_rand_index(labels[~mask], truth[~mask]) == 1


def test_the_seed_repeats_and_threads_do_not_matter():
    points = blobs(n=2000, spread=6.0)
    before = numba.get_num_threads()
    try:
        found = []
        for n_threads in (1, 2):
            numba.set_num_threads(min(n_threads, numba.config.NUMBA_NUM_THREADS))
            found.append(em.KMeans(6, random_state=3).fit(points))
    finally:
        numba.set_num_threads(before)
    np.testing.assert_array_equal(found[0].cluster_centers_, found[1].cluster_centers_)
    np.testing.assert_array_equal(found[0].restarts_, found[1].restarts_)
    other = em.KMeans(6, random_state=4).fit(points)
    assert not np.array_equal(other.restarts_, found[0].restarts_)


# progress, warnings, records


def test_a_callback_hears_of_the_starts_and_may_end_them():
    heard = []

    def listen(progress):
        heard.append(progress)
        return True

    model = em.KMeans(5, n_init=50, callback=listen).fit(blobs())
    assert len(heard) == 1
    assert len(model.restarts_) == numba.get_num_threads()
    assert heard[0].objective == model.inertia_
    assert heard[0].fraction == len(model.restarts_) / 50


@pytest.mark.parametrize("n_features", [2, WIDE])
def test_a_fit_that_ends_too_soon_says_once_what_to_raise(n_features):
    points = blobs(n_features, 1000, spread=8.0)
    with pytest.warns(ConvergenceWarning) as seen:
        em.KMeans(6, max_iter=2, n_init=3).fit(points)
    ours = [str(w.message) for w in seen if "max_iter=2 rounds" in str(w.message)]
    assert len(ours) == 1
    assert "raise max_iter, or tol" in ours[0]


def test_the_record_says_what_made_the_clusters():
    record = em.KMeans(3, random_state=7).fit(em.SpectrumImage(counts_of()[0])).record_
    assert (record.estimator, record.seed) == ("KMeans", 7)
    assert record.parameters["n_clusters"] == 3
    assert record.data["shape"] == [400, 12]


# refusals


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"n_clusters": 0}, ValueError, "n_clusters"),
        ({"n_clusters": 2.5}, TypeError, "n_clusters"),
        ({"n_init": 0}, ValueError, "n_init"),
        ({"max_iter": 0}, ValueError, "max_iter"),
        ({"tol": -1.0}, ValueError, "tol"),
        ({"tol": np.nan}, ValueError, "tol is nan"),
        ({"init": np.full((3, 3), np.nan)}, ValueError, "init holds NaN or inf; expected 3 cent"),
        (
            {"init": [[1, 2, 3], [1]]},
            ValueError,
            r"init is \[\[1, 2, 3\], \[1\]\], no array of num",
        ),
        ({"init": "random"}, ValueError, "init is 'random'; choose 'k-means\\+\\+'"),
        ({"init": np.zeros((2, 3))}, ValueError, r"init has shape \(2, 3\); expected 3 centres"),
        ({"callback": 3}, TypeError, "callback is 3"),
    ],
)
def test_bad_settings_are_refused(settings, error, message):
    with pytest.raises(error, match=message):
        em.KMeans(**settings).fit(blobs())


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("n_features", [2, WIDE])
def test_more_clusters_than_distinct_pixels_are_refused(form, n_features):
    rows = np.zeros((30, n_features))
    rows[::3, 0] = 1.0
    rows[1::3, 1] = -0.0
    with pytest.raises(ValueError, match="n_clusters=3 is more than 2, the number of distinct"):
        em.KMeans(3).fit(form(rows))
    assert em.KMeans(2).fit(form(rows)).inertia_ == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_numbers_are_refused(value):
    rows = blobs()
    rows[5, 1] = value
    with pytest.raises(ValueError, match=r"features X contain NaN or inf in 1 places; .* mask="):
        em.KMeans(3).fit(rows)
    model = em.KMeans(3).fit(blobs())
    with pytest.raises(ValueError, match="contain NaN or inf"):
        model.predict(rows)


@pytest.mark.parametrize("n_features", [3, WIDE])
@pytest.mark.parametrize("unit", [-1e160, 1e-160])
def test_features_whose_squares_are_no_numbers_are_refused(n_features, unit):
    rows = np.abs(blobs(n_features)) * unit
    with pytest.raises(ValueError, match=r"features X go up to .* whose squares no float"):
        em.KMeans(3).fit(rows)
    model, expected = em.KMeans(3).fit(rows / unit * 1e80), em.KMeans(3).fit(rows / unit)
    np.testing.assert_array_equal(model.labels_, expected.labels_)


def test_a_map_without_pixels_is_refused():
    with pytest.raises(ValueError, match=r"Found array with 0 sample"):
        em.KMeans(3).fit(np.zeros((0, 4)))
    with pytest.raises(ValueError, match="mask hides"):
        em.SpectrumImage(np.ones((3, 3, 4)), mask=np.ones((3, 3), dtype=bool))


def test_rounds_of_equal_points_end():
    points = kmeans_wide.as_points(np.repeat([[1.0, 2.0]], 10, axis=0))
    (found,) = points.cluster_each([(np.zeros((1, 2)), None, 300, 0.0)])
    assert (found.n_iter, found.inertia) == (1, 0.0)


# HyperSpy


@pytest.fixture
def hs():
    hyperspy = pytest.importorskip("hyperspy.api")
    logging.getLogger("hyperspy").setLevel(logging.ERROR)
    return hyperspy


def test_hyperspy_takes_it_as_an_algorithm(hs):
    counts, truth = counts_of()
    signal = hs.signals.Signal1D(counts.astype(np.float32))
    model = em.KMeans(3)
    signal.cluster_analysis("signal", preprocessing=None, algorithm=model)
    expected = em.KMeans(3).fit(em.SpectrumImage(counts)).labels_
    labels = signal.learning_results.cluster_labels
    np.testing.assert_array_equal(labels, expected == np.arange(3)[:, None])
    assert em.metrics.adjusted_rand_index(labels.argmax(axis=0), truth) == 1
    np.testing.assert_array_equal(model.labels_, expected)
    means = [counts.reshape(400, -1)[expected == k].mean(axis=0) for k in range(3)]
    np.testing.assert_allclose(signal.get_cluster_signals().data, means, rtol=1e-5)


@pytest.mark.parametrize("preprocessing", ["norm", "standard", "minmax"])
def test_hyperspy_may_scale_and_decompose_first(hs, preprocessing):
    """Scores and standardised counts are negative in places."""
    counts, truth = counts_of(dose=2000.0)
    signal = hs.signals.Signal1D(counts.astype(np.float64))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        signal.decomposition(print_info=False)
    mask = np.zeros((20, 20), dtype=bool)
    mask[:2] = True
    for source in ("signal", "decomposition"):
        given = {} if source == "signal" else {"number_of_components": 3}
        signal.cluster_analysis(
            source,
            preprocessing=preprocessing,
            algorithm=em.KMeans(3),
            navigation_mask=mask,
            **given,
        )
        labels = signal.learning_results.cluster_labels.reshape(3, 20, 20)
        assert not labels[:, mask].any()
        found = labels.argmax(axis=0)[~mask]
        assert em.metrics.adjusted_rand_index(found, truth[~mask]) > 0.95
