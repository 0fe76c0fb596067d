"""Work that can be stopped has the bits of work that cannot, and stops within a round."""

import time

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.mixture import GaussianMixture

import endmember as em
from endmember.core.progress import CancelledError
from endmember.widgets import ClusterState, cluster_watch
from endmember.widgets.cluster_watch import (
    Watch,
    bic_of,
    completed,
    fit_mixture,
    fit_points,
    gap_of,
    halved,
    sampled_silhouettes,
    watched_points,
)


def rows_of(n_features, n_pixels=400, kind=np.asarray):
    rng = np.random.default_rng(3)
    centres = rng.uniform(1, 20, size=(4, n_features))
    return kind(rng.poisson(centres[rng.integers(0, 4, n_pixels)]).astype(float))


class StopsLater(Watch):
    """Wants the work to stop from the call of a number on."""

    def __init__(self, last):
        super().__init__(self._ask)
        self.last, self.n_asked = last, 0

    def _ask(self):
        self.n_asked += 1
        return self.n_asked > self.last


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("n_features", [3, 60])
def test_k_means_has_the_bits_of_its_own_fit(n_features, kind):
    rows = rows_of(n_features, kind=kind)
    points = watched_points(rows, Watch())
    for k in (1, 3, 5):
        peer = em.KMeans(k, random_state=2).fit(rows)
        for made in (None, lambda share: None):
            model, is_at_rest = fit_points(points, k, 2, Watch(), made)
            assert is_at_rest
            np.testing.assert_array_equal(model.labels_, peer.labels_)
            np.testing.assert_array_equal(model.cluster_centers_, peer.cluster_centers_)
        model = completed(model, rows)
        assert (model.record_.data, model.record_.result) == (
            peer.record_.data,
            peer.record_.result,
        )
        np.testing.assert_array_equal(model.predict(rows), peer.predict(rows))


def test_a_mixture_is_a_plain_one_with_the_same_bits():
    rows = rows_of(3)
    model, peer = fit_mixture(rows, 3, 1, Watch()), GaussianMixture(3, max_iter=500, random_state=1)
    peer.fit(rows)
    assert type(model) is GaussianMixture
    assert vars(model).keys() == vars(peer).keys()
    for name in ("means_", "covariances_", "weights_", "lower_bound_"):
        np.testing.assert_array_equal(getattr(model, name), getattr(peer, name))
    np.testing.assert_array_equal(model.predict(rows), peer.predict(rows))


@pytest.mark.parametrize("n_features", [3, 60])
def test_gap_and_bic_are_those_of_the_sweep(n_features):
    rows, silent = rows_of(n_features), lambda share: None
    how = {"n_references": 2, "criteria": ("gap", "bic"), "seed": 4}
    sweep = em.cluster_sweep(rows, range(1, 5), **how)
    values, errors = gap_of(rows, sweep.inertia, 4, Watch(), silent, 2)
    np.testing.assert_array_equal(values, sweep.gap)
    np.testing.assert_array_equal(errors, sweep.gap_stderr)
    np.testing.assert_array_equal(bic_of(rows, 4, 4, Watch(), silent), sweep.bic)


@pytest.mark.parametrize("level", [0.1, 8.0])
def test_halves_are_those_of_thinning(level):
    counts = np.random.default_rng(0).poisson(level, size=(7, 9, 30)).astype(np.uint16)
    image = em.SpectrumImage(counts)
    for found, expected in zip(halved(image, 5, Watch()), em.thin(image, 0.5, 5), strict=True):
        np.testing.assert_array_equal(found.counts, expected.counts)
        assert found.counts.dtype == expected.counts.dtype


@pytest.mark.parametrize("n_features", [3, 60])
def test_k_means_stops_within_a_round(n_features):
    watch = StopsLater(5)
    points = watched_points(rows_of(n_features), watch)
    with pytest.raises(CancelledError):
        fit_points(points, 5, 0, watch)
    assert watch.n_asked <= 5 + 20  # one more for each start, and then none


@pytest.mark.parametrize(
    "work",
    [
        lambda rows, watch: fit_mixture(rows, 4, 0, watch),
        lambda rows, watch: bic_of(rows, 4, 0, watch, lambda share: None),
        lambda rows, watch: gap_of(rows, np.ones(4), 0, watch, lambda share: None, 3),
        lambda rows, watch: sampled_silhouettes(rows, np.arange(400) % 3, 0, watch),
        lambda rows, watch: halved(em.SpectrumImage(rows.reshape(20, 20, -1)), 0, watch),
    ],
    ids=["mixture", "bic", "gap", "silhouettes", "halves"],
)
def test_other_work_stops_where_it_is(work):
    watch = StopsLater(0)
    with pytest.raises(CancelledError):
        work(rows_of(3), watch)
    assert watch.n_asked <= 10


def test_silhouettes_of_many_wide_pixels_are_those_of_some_of_them(monkeypatch):
    monkeypatch.setattr(cluster_watch, "MOST_DRAWN", 1_000)
    monkeypatch.setattr(cluster_watch, "FEWER", 150)
    rows = rows_of(60)
    labels = em.KMeans(3).fit(rows).labels_
    found = sampled_silhouettes(rows, labels, 0, Watch())
    known = np.isfinite(found)
    assert known.sum() == 150
    np.testing.assert_array_equal(found[known], em.silhouette(rows[known], labels[known]))
    whole = em.silhouette(rows, labels)
    assert found[known].mean() == pytest.approx(whole.mean(), abs=0.05)


def test_a_gap_that_would_fill_the_memory_is_refused_in_words(monkeypatch):
    monkeypatch.setattr(cluster_watch, "MOST_DRAWN", 1_000)
    with pytest.raises(ValueError, match="60 features of 400 pixels; choose lines or principal"):
        gap_of(rows_of(60), np.ones(2), 0, Watch(), lambda share: None, 2)


@pytest.mark.alone
@pytest.mark.parametrize(
    "settings",
    [
        {"features": "raw"},
        {"features": "pca", "criterion": "gap"},
        {"features": "pca", "algorithm": "gaussian mixture", "criterion": "gap"},
        {"features": "raw", "held_out": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("delay", [0.02, 0.2])
def test_the_thread_ends_soon_after_a_cancel(settings, delay):
    counts = np.random.default_rng(0).poisson(2.0, size=(120, 130, 40))
    state = ClusterState(counts, max_k=8, compute=False)
    state.restore(settings)
    time.sleep(delay)
    start = time.perf_counter()
    state.cancel()
    assert time.perf_counter() - start < 0.3
    assert state.wait(10)
    assert time.perf_counter() - start < 2.0  # some tenths of a second on an idle machine
    assert state.status == "stale"
