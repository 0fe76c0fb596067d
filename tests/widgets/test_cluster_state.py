"""What a cluster tuner knows, tested without a widget."""

import json
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import traitlets as tl
from sklearn.mixture import GaussianMixture

import endmember as em
from endmember.core.cluster_recipe import Recipe
from endmember.widgets import cluster_watch
from endmember.widgets.cluster_ladder import Ladder, inertia_of
from endmember.widgets.cluster_plane import N_BINS, Plane, Steps
from endmember.widgets.cluster_state import ClusterState, names_after
from endmember.widgets.worker import Worker

LINES = ["Fe_Ka", "O_Ka"]


@pytest.fixture(scope="module")
def scene():
    """Two oxides that are told apart, on a map that is not square."""
    return em.datasets.load("iron_oxides", shape=(24, 36), dose=20_000)


@pytest.fixture
def state(scene):
    state = ClusterState(scene.image, max_k=4)
    assert state.wait(60)
    return state


@pytest.fixture
def masked():
    """Two materials, rows hidden, of which one holds NaN."""
    rng = np.random.default_rng(2)
    counts = rng.poisson([50.0, 10.0, 5.0], size=(9, 7, 3)).astype(float)
    counts[:, 4:] = rng.poisson([10.0, 50.0, 5.0], size=(9, 3, 3))
    mask = np.zeros((9, 7), dtype=bool)
    mask[[0, 6]] = True
    counts[6] = np.nan
    return em.SpectrumImage(counts, mask=mask)


def test_the_state_knows_no_widget():
    code = (
        "import sys, endmember.widgets.cluster_state\n"
        "print(sorted({'ipywidgets', 'anywidget', 'bqplot'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


# clusters


def test_the_oxides_and_their_ratios_are_found(scene):
    state = ClusterState(scene.image, lines=scene.windows, max_k=3)
    assert state.wait(60)
    assert (state.status, state.message, state.progress) == ("idle", "", 1.0)
    assert em.metrics.adjusted_rand_index(state.label_map(), scene.labels) == 1.0
    found = sorted(row["clustered"] for row in state.ratios())
    for (ratio, error), truth in zip(found, scene.ratios, strict=True):
        assert abs(ratio - truth) < 4 * error


def test_labels_are_those_of_the_sweep(state, scene):
    sweep = em.cluster_sweep(
        scene.image, range(1, 5), features="lines", lines=LINES, criteria=("silhouette",)
    )
    for k in range(1, 5):
        state.k = k
        np.testing.assert_array_equal(state.label_map(), sweep.label_map(k))
        if k > 1:
            values, _, best = state.curve()
            assert values[k - 1] == pytest.approx(sweep.silhouette[k - 1], abs=1e-12)
            assert best == sweep.best["silhouette"]
    state.criterion = "inertia"
    np.testing.assert_allclose(state.curve()[0], sweep.inertia, rtol=1e-3)  # but for KMeans.tol


def test_labels_of_mixtures_are_those_of_scikit_learn(state, scene):
    state.restore({"algorithm": "gaussian mixture", "criterion": "bic", "k": 2})
    assert state.wait(60)
    points = em.cluster_features(scene.image, "lines", lines=LINES)
    peer = GaussianMixture(2, max_iter=500, random_state=0).fit(points)
    labels = peer.predict(points).reshape(24, 36)
    assert em.metrics.adjusted_rand_index(state.label_map(), labels) == 1.0
    assert state.curve()[0][1] == pytest.approx(peer.bic(points))
    assert state.curve()[2] == 2


def test_gap_and_bic_come_when_they_are_asked_for(state, scene):
    for criterion in ("gap", "bic"):
        state.criterion = criterion
        assert state.wait(60)
        sweep = em.cluster_sweep(
            em.cluster_features(scene.image, "lines", lines=LINES),
            range(1, 5),
            criteria=(criterion,),
            n_references=5,
        )
        values, _, best = state.curve()
        np.testing.assert_array_equal(values, getattr(sweep, criterion))
        assert best == sweep.best[criterion]


def test_spectra_are_means_of_the_pixels_on_the_map(state, scene):
    state.k = 3
    labels, spectra = state.label_map(), state.mean_spectra()
    for k in range(3):
        expected = scene.image.counts[labels == k].mean(axis=0)
        np.testing.assert_allclose(spectra.means[k], expected, rtol=1e-12)


def test_silhouettes_are_those_of_the_core_cluster_by_cluster(state, scene):
    features = em.cluster_features(scene.image, "lines", lines=LINES)
    labels = state.label_map().ravel()
    each = em.silhouette(features, labels)
    for k, found in enumerate(state.silhouettes()):
        np.testing.assert_array_equal(found, np.sort(each[labels == k])[::-1])
    state.k = 1
    assert state.silhouettes() == []


def test_the_curve_is_drawn_while_silhouettes_are_added(state):
    ladder = state.ladder

    class Added(np.ndarray):
        def __getitem__(self, key):
            ladder.silhouettes[9] = np.ones(3)  # as the worker does, just now
            return super().__getitem__(key)

    expected = ladder.curve("silhouette")[0]
    ladder.silhouettes[2] = ladder.silhouettes[2].view(Added)
    np.testing.assert_array_equal(ladder.curve("silhouette")[0], expected)


def test_small_areas_are_removed_where_that_is_asked_for(state):
    state.k = 4
    raw = state.label_map()
    state.min_area = 6
    assert state.wait(60)
    for k in (3, 4):
        state.k = k
        assert state.status == "idle"
    np.testing.assert_array_equal(state.label_map(), em.remove_small_areas(raw, 6))
    assert (state.label_map() != raw).any()
    counted = [row["n_pixels"] for row in state.ratios()]
    np.testing.assert_array_equal(counted, np.bincount(state.label_map().ravel(), minlength=4))


def test_inertia_is_the_sum_of_squares_about_the_means():
    rng = np.random.default_rng(0)
    rows, labels = rng.random((50, 3)), rng.integers(0, 4, 50)
    expected = sum(((rows[labels == k] - rows[labels == k].mean(0)) ** 2).sum() for k in range(4))
    assert inertia_of(rows, labels) == pytest.approx(expected, rel=1e-12)


# held-out counts


def test_held_out_counts_unmask_a_split_that_noise_made():
    """At 4 counts of oxygen a pixel the two ratios are an invention: see Neufeld et al."""
    image = em.datasets.load("iron_oxides", shape=(128, 128), dose=20).image
    state = ClusterState(image, max_k=2, compute=False)
    state.held_out = True
    assert state.wait(60)
    clustered, held_out = (
        [row[name][0] for row in state.ratios()] for name in ("clustered", "held_out")
    )
    assert np.ptp(clustered) > 0.4
    assert np.ptp(held_out) < 0.06


def test_held_out_counts_keep_a_split_that_is_there(scene):
    state = ClusterState(scene.image, lines=scene.windows, max_k=2, compute=False)
    state.held_out = True
    assert state.wait(60)
    for row in state.ratios():
        ratio, error = row["held_out"]
        assert min(abs(ratio - scene.ratios)) < 4 * error


def test_spectra_are_those_of_the_held_out_half(state, scene):
    state.held_out = True
    assert state.wait(60)
    _, left = em.thin(scene.image, 0.5, seed=0)
    expected = em.mean_spectra(left, state.label_map()).means
    np.testing.assert_array_equal(state.mean_spectra().means, expected)


# code, settings, result


def test_code_makes_the_same_in_a_fresh_process(state, tmp_path):
    path, lines = tmp_path / "made.npz", ["import numpy", "made = {}"]
    expected = {}
    for i, settings in enumerate(
        [
            {"k": 3, "min_area": 4, "held_out": True, "seed": 5},
            {"features": "l1", "normalisation": "spread"},
            {"features": "pca", "n_components": 2, "normalisation": "length", "k": 4},
            {"features": "log-ratio", "algorithm": "gaussian mixture", "k": 3},
        ]
    ):
        state.restore(settings)
        assert state.wait(60)
        expected |= {f"labels{i}": state.label_map(), f"means{i}": state.mean_spectra().means}
        keep = f"made['labels{i}'], made['means{i}'] = labels, spectra.means"
        lines += [state.to_code(), keep]
    lines.append(f"numpy.savez({str(path)!r}, **made)")
    subprocess.run([sys.executable, "-c", "\n".join(lines)], check=True)
    with np.load(path) as made:
        for name, values in expected.items():
            np.testing.assert_array_equal(made[name], values)


def test_windows_are_written_into_the_code(scene):
    windows = {"iron": (6.2, 6.6), "oxygen": (0.4, 0.65)}
    state = ClusterState(scene.image, lines=windows, max_k=2)
    assert state.ratio == ("iron", "oxygen")
    names = {}
    exec(state.to_code(), names)
    np.testing.assert_array_equal(names["labels"], state.result().labels)


def test_settings_come_back_from_json(state, scene):
    state.restore({"k": 3, "features": "l1", "ratio": ("O_Ka", "Fe_Ka"), "pixel": [3, 30]})
    assert state.wait(60)
    other = ClusterState(scene.image, max_k=4, compute=False)
    other.restore(json.loads(json.dumps(state.settings())))
    assert other.settings() == state.settings()
    np.testing.assert_array_equal(other.result().labels, state.label_map())


def test_restoring_many_settings_begins_once(scene, monkeypatch):
    state = ClusterState(scene.image, max_k=2, compute=False)
    begun = []
    monkeypatch.setattr(ClusterState, "compute", lambda self: begun.append(self.recipe))
    state.restore({"features": "l1", "seed": 3, "k": 1})
    assert [recipe.features for recipe in begun] == ["l1"]


def test_result_holds_the_estimator_and_a_record(state, scene):
    result = state.result()
    assert isinstance(result.model, em.KMeans)
    assert result.k == 2
    np.testing.assert_array_equal(result.labels, state.label_map())
    peer = em.KMeans(2).fit(em.cluster_features(scene.image, "lines", lines=LINES))
    assert result.model.record_.result == peer.record_.result
    assert result.record.estimator == "ClusterTuner"
    assert result.record.parameters["features"] == "lines"
    type(result.record).from_json(result.record.to_json())


def test_what_is_handed_out_cannot_change_what_is_shown(state):
    state.restore({"criterion": "gap"})
    result = state.result()
    maps, spectra = state.steps_up()
    means = [
        array for found in (state.mean_spectra(), spectra[1]) for array in vars(found).values()
    ]
    shown = [state.label_map(), *means, *state.curve()[:2], maps[1]]
    for array in shown:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    before = [array.copy() for array in shown]
    for array in (result.labels, *vars(result.spectra).values(), result.model.labels_):
        array[...] = 0
    result.model.cluster_centers_[...] = 0
    for array, old in zip(shown, before, strict=True):
        np.testing.assert_array_equal(array, old)
    again = state.result()
    np.testing.assert_array_equal(again.labels, before[0])
    assert again.model.cluster_centers_.all()


# work


def test_a_setting_that_was_overtaken_is_never_shown(scene):
    state = ClusterState(scene.image, max_k=3, compute=False)
    shown = []
    state.observe(lambda _: shown.append(state.ladder.recipe.seed), "version")
    for seed in range(1, 8):
        state.seed = seed
    assert state.wait(60)
    assert shown[-1] == 7
    assert shown == sorted(shown)
    assert state.status == "idle"


@pytest.mark.alone
def test_cancelling_answers_at_once_and_computing_goes_on(scene, monkeypatch):
    waiting, entered = threading.Event(), threading.Event()
    climb = Ladder.climb

    def slow(self, last, made):
        entered.set()
        waiting.wait(10)
        climb(self, last, made)

    monkeypatch.setattr(Ladder, "climb", slow)
    state = ClusterState(scene.image, max_k=3)
    assert entered.wait(60)
    start = time.perf_counter()
    state.cancel()
    assert time.perf_counter() - start < 0.3
    assert state.status == "stale"
    assert "compute goes on" in state.message
    waiting.set()
    assert state.wait(60)
    assert state.status == "stale"  # what it found then is not shown
    with pytest.raises(RuntimeError, match="there are no clusters of these settings"):
        state.result()
    state.compute()
    assert state.result().k == 2
    assert state.status == "idle"


def test_warnings_of_other_threads_stay_their_own_while_clusters_are_found(scene, monkeypatch):
    entered, gate, add = threading.Event(), threading.Event(), Ladder._add

    def slow(self, k, made):
        if k == 2:
            entered.set()
            gate.wait(30)
        add(self, k, made)

    monkeypatch.setattr(Ladder, "_add", slow)
    before = warnings.showwarning, warnings.filters, warnings._showwarnmsg_impl
    filters = list(warnings.filters)
    state = ClusterState(scene.image, max_k=3)
    assert entered.wait(60)
    with pytest.raises(UserWarning, match="of a cell"):  # as these tests filter warnings
        warnings.warn("of a cell", stacklevel=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gate.set()
        assert state.wait(60)
    after = warnings.showwarning, warnings.filters, warnings._showwarnmsg_impl
    assert all(new is old for new, old in zip(after, before, strict=True))
    assert warnings.filters == filters
    assert (state.status, state.message) == ("idle", "")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"algorithm": "gaussian mixture"}, "3 Gaussians did not come to rest within 1 rounds"),
        ({"criterion": "bic"}, "3 Gaussians did not come to rest within 1 rounds"),
    ],
)
def test_mixtures_that_did_not_come_to_rest_are_told_in_words(scene, monkeypatch, settings, words):
    for name in ("MIXTURE_ROUNDS", "ROUNDS_OF_BIC"):
        monkeypatch.setattr(cluster_watch, name, 1)
    state = ClusterState(scene.image, max_k=3, compute=False)
    state.restore(settings)
    assert state.wait(60)
    assert state.status == "idle"
    assert words in state.message
    if "algorithm" in settings:
        assert not state.result().model.converged_


@pytest.mark.parametrize("fault", ["scaled after they were counted", "times the variance"])
def test_noise_that_is_not_of_counts_is_told_in_words(fault):
    rng = np.random.default_rng(0)
    if fault.startswith("scaled"):
        counts = rng.poisson(0.5, size=(6, 10, 12)) / rng.uniform(1, 2, size=(6, 10, 12))
    else:
        counts = 1.5 * rng.poisson(20.0, size=(20, 30, 100))
    with pytest.warns(UserWarning, match=fault):
        em.PCA(3).fit(counts.reshape(-1, counts.shape[-1]))
    state = ClusterState(counts, max_k=2, compute=False)
    state.features = "pca"
    state.compute()  # where that was set before
    assert state.wait(60)
    assert state.status == "idle"
    assert fault in state.message


def test_progress_rises_and_tells_how_long_it_takes(scene, monkeypatch):
    monkeypatch.setattr("endmember.widgets.cluster_state.OFTEN", 0.0)
    state = ClusterState(scene.image, max_k=4, compute=False)
    told, left = [], []
    state.observe(lambda change: told.append(change["new"]), "progress")
    state.observe(lambda change: left.append(change["new"]), "seconds_left")
    state.compute()
    assert state.wait(60)
    assert told == sorted(told)
    assert told[-1] == 1.0
    assert len(told) > 8
    assert left[-1] is None
    assert all(seconds >= 0 for seconds in left[:-1])


def test_choosing_k_looks_up_and_runs_nothing(state):
    for k in (1, 4, 2, 3):
        state.k = k
        assert state.status == "idle"
        assert state.shown_k == state.label_map().max() + 1 == k


def test_the_old_map_stays_until_the_new_one_is_made(state):
    labels = state.label_map()
    with state.worker.lock:  # nothing new can be shown meanwhile
        state.min_area = 8
        assert state.status == "running"
        np.testing.assert_array_equal(state.label_map(), labels)
    assert state.wait(60)
    np.testing.assert_array_equal(state.label_map(), em.remove_small_areas(labels, 8))


def test_settings_of_before_are_found_again_without_work(state):
    labels = state.label_map()
    state.seed = 1
    assert state.wait(60)
    first = state._ladders[state.recipe._replace(seed=0)]
    state.seed = 0
    assert state.wait(60)
    assert state.ladder is first
    np.testing.assert_array_equal(state.label_map(), labels)


def test_the_thread_ends_with_its_work(state):
    for _ in range(100):
        if state.worker._thread is None:
            break
        time.sleep(0.01)
    assert state.worker._thread is None


def test_a_worker_runs_the_last_of_many_jobs():
    worker, began, gate, ran = Worker(), threading.Event(), threading.Event(), []
    worker.start(lambda is_stopped: (began.set(), gate.wait(10), ran.append(is_stopped())))
    assert began.wait(10)
    for i in range(5):
        worker.start(lambda is_stopped, i=i: ran.append((i, is_stopped())))
    gate.set()
    assert worker.wait(10)
    assert ran == [True, (4, False)]


# regions


def test_a_region_on_the_map_is_found_in_the_plane_and_back(state):
    state.region = {"kind": "rectangle", "points": [[2, 3], [5, 9]]}
    chosen = state.chosen()
    assert chosen[2:6, 3:10].all()
    assert chosen.sum() == 28
    shown = np.isfinite(state.plane().density(chosen))
    assert (shown <= np.isfinite(state.plane().density())).all()
    assert 0 < shown.sum() <= 28 * 6  # bins are drawn on several cells where counts are few
    everywhere = {"kind": "rectangle", "points": [[0, 0], [N_BINS - 1, N_BINS - 1]]}
    state.plane_region = everywhere
    assert state.region == {}
    assert state.chosen().all()
    state.region = {"kind": "rectangle", "points": [[0, 0], [0, 0]]}
    assert state.plane_region == {}
    assert np.argwhere(state.chosen()).tolist() == [[0, 0]]


def test_the_spectrum_of_a_region_is_its_mean(state, scene):
    state.pixel = (3, 30)
    np.testing.assert_array_equal(state.chosen_spectrum(), scene.image.counts[3, 30])
    state.region = {"kind": "rectangle", "points": [[0, 0], [1, 2]]}
    expected = scene.image.counts[:2, :3].mean(axis=(0, 1))
    np.testing.assert_allclose(state.chosen_spectrum(), expected)


def test_a_plane_has_its_origin_at_the_lower_left_and_counts_every_pixel():
    across, up = np.array([0.0, 0.0, 10.0]), np.array([0.25, 0.25, 7.5])
    plane = Plane(Steps(across), Steps(up), np.array([1, 1, 0]), np.ones((1, 3), dtype=bool))
    density, clusters = plane.density(), plane.clusters(2)
    assert density[-1, 0] == 2
    assert clusters[-1, 0] == 1
    assert clusters[0, -1] == 0
    assert np.isnan(density[0, 0])
    chosen = plane.clusters(2, np.array([[True, False, False]]))
    assert (chosen[-1, 0], chosen[0, -1], chosen[0, 0]) == (1, 2, -1)
    inside = plane.pixels_in({"kind": "rectangle", "points": [[N_BINS - 9, 0], [N_BINS - 1, 8]]})
    assert inside.tolist() == [[True, True, False]]


@pytest.mark.parametrize("pixel", [(0, 0), (5, 30), (23, 35)])
def test_a_pixel_is_found_again_from_its_place_in_the_plane(state, pixel):
    plane = state.plane()
    assert plane.pixel_near(plane.bin_of(pixel), pixel) == pixel
    assert plane.pixel_near((0, 0), pixel) is None or plane.density()[0, 0] > 0


def test_whole_counts_leave_no_empty_stripes_in_a_plane():
    counts = np.repeat(np.arange(20.0), 5)
    plane = Plane(
        Steps(counts), Steps(counts), np.zeros(100, dtype=int), np.ones((10, 10), dtype=bool)
    )
    filled = np.isfinite(plane.density())
    assert filled.any(axis=0)[:-4].all()
    assert plane.across.ends[0] == -0.5


def test_a_ratio_and_a_plane_begin_with_what_is_strongest(diamond):
    state = ClusterState(diamond, max_k=1)
    assert state.wait(60)
    maps = em.line_maps(diamond)
    strongest = sorted(maps, key=lambda name: -maps[name].sum())[:2]
    assert set(state.ratio) == set(strongest)
    widest = sorted(maps, key=lambda name: -maps[name].var())[:2]
    assert set(state.plane_titles()) == set(widest)
    state.plane_axes = (2, 0)
    assert state.plane_titles() == ("Fe_Ka", "Al_Ka")


def test_features_of_a_plane_are_named(state):
    assert state.plane_names() == {"Fe_Ka": 0, "O_Ka": 1}
    assert state.plane_titles() == ("Fe_Ka", "O_Ka")
    state.features = "raw"
    assert state.wait(60)
    assert len(state.plane_names()) == 24
    widest = set(np.argsort(-state.image.spectra.var(axis=0))[:24])
    assert set(state.plane_names().values()) == widest


# bad input


@pytest.mark.parametrize(
    ("data", "settings", "error", "message"),
    [
        (np.ones((3, 4, 5, 6)), {}, ValueError, "data have 3 navigation axes; a map has rows"),
        (np.ones(5), {}, ValueError, r"counts have shape \(5,\)"),
        (np.ones((1, 1, 5)), {}, ValueError, "pass at least two"),
        (np.ones((4, 5, 1)), {}, ValueError, "a spectrum needs at least two"),
        (np.ones((4, 5, 6)), {"max_k": 0}, ValueError, "max_k is 0; pass a whole number"),
        (np.ones((4, 5, 6)), {"max_k": 9}, ValueError, "max_k is 9; pass a whole number from 1"),
        (np.ones((4, 5, 6)), {"lines": {"a": (50, 60)}}, ValueError, "60"),
        (np.ones((4, 5, 6)), {"colour": 1}, TypeError, "colour"),
    ],
)
def test_bad_input_is_refused_before_any_work(data, settings, error, message):
    with pytest.raises(error, match=message):
        ClusterState(data, **settings)


@pytest.mark.parametrize(
    ("trait", "value", "message"),
    [
        ("k", 5, "k is 5 but the largest is 4"),
        ("k", 0, "k"),
        ("pixel", (24, 0), "lies outside the map"),
        ("ratio", ("Fe_Ka", "Mn_Ka"), "ratio is .* choose two of"),
        ("region", {"kind": "circle", "points": []}, "choose"),
        ("features", "colour", "features"),
    ],
)
def test_a_setting_out_of_range_is_refused(state, trait, value, message):
    before = state.settings()
    with pytest.raises(tl.TraitError, match=message):
        state.set_trait(trait, value)
    assert state.settings() == before
    with pytest.raises(ValueError, match=r"settings hold \['colour'\]"):
        state.restore({"colour": 1, "k": 3})
    assert state.settings() == before


def test_errors_of_the_core_are_kept_in_words_and_the_way_back_is_open(state):
    labels = state.label_map()
    state.features = "raw"
    state.algorithm = "gaussian mixture"
    assert state.wait(60)
    assert state.status == "error"
    assert "400 features have too many covariances" in state.message
    np.testing.assert_array_equal(state.label_map(), labels)  # shown are the older ones
    with pytest.raises(RuntimeError, match="too many covariances"):
        state.result()
    state.algorithm = "k-means"
    state.features = "lines"
    assert state.wait(60)
    assert (state.status, state.message) == ("idle", "")


def test_scaled_counts_have_no_halves_and_say_so():
    state = ClusterState(np.random.default_rng(0).random((5, 6, 3)), max_k=2, compute=False)
    state.held_out = True
    assert state.wait(60)
    assert state.status == "error"
    assert "counts are not whole numbers; thinning draws single counts" in state.message


def test_more_clusters_than_distinct_pixels_are_not_there():
    counts = np.zeros((4, 5, 3), dtype=int)
    counts[:2, :, 0], counts[2:, :, 1] = 7, 9
    state = ClusterState(counts)
    state.k = 5
    assert state.wait(60)
    assert (state.status, state.shown_k) == ("idle", 2)
    assert "distinct" in state.message
    assert set(np.unique(state.label_map())) == {0, 1}
    assert "range(1, 3)" in state.to_code()


def test_hidden_pixels_belong_to_no_cluster(masked):
    state = ClusterState(masked, max_k=3)
    assert state.wait(60)
    labels = state.label_map()
    assert (labels[[0, 6]] == -1).all()
    assert np.unique(np.delete(labels, [0, 6], axis=0)[:, :4]).size == 1
    assert state.plane().density().sum(where=~np.isnan(state.plane().density())) > 0
    state.region = {"kind": "rectangle", "points": [[0, 0], [1, 1]]}
    assert state.chosen().sum() == 2  # the first row is hidden


@pytest.mark.parametrize("shape", [(1, 2, 2), (6, 5, 2), (7, 4)], ids=str)
def test_the_smallest_data_are_clustered(shape):
    counts = np.random.default_rng(1).poisson(30.0, size=shape)
    state = ClusterState(em.SpectrumImage(counts))
    assert state.wait(60)
    assert state.status == "idle", state.message
    assert state.label_map().shape == state.shape
    state.plane().density()
    assert len(state.ratios()) == state.shown_k
    state.curve()


def test_features_that_the_data_have_not_got_are_explained():
    state = ClusterState(np.random.default_rng(0).poisson(5.0, size=(6, 7, 4)), max_k=2)
    state.features = "lines"
    assert state.wait(60)
    assert state.status == "error"
    assert "pass lines" in state.message or "pass windows" in state.message


def test_sparse_and_dense_counts_make_the_same_clusters(scene, state):
    sparse = ClusterState(scene.image.to_sparse(), max_k=4)
    np.testing.assert_array_equal(sparse.result().labels, state.label_map())
    recipe = Recipe("raw", (), 3, "length", "k-means", 0, False)
    a, b = (Ladder(image, recipe, 2) for image in (scene.image, scene.image.to_sparse()))
    for ladder in (a, b):
        ladder.climb(2, lambda share: None)
    np.testing.assert_array_equal(a.labels[1], b.labels[1])


def test_the_callers_counts_are_left_alone():
    counts = np.random.default_rng(0).poisson(20.0, size=(6, 7, 4))
    before = counts.copy()
    counts.setflags(write=False)
    ClusterState(counts, max_k=2).result()
    np.testing.assert_array_equal(counts, before)


# names


def test_names_stay_with_the_pixels_that_they_were_given_to(state):
    state.names = ["rim", "core"]
    before = state.label_map()
    state.restore({"features": "log-ratio", "normalisation": "spread"})
    assert state.wait(60)
    labels = state.label_map()
    agreement = em.align_labels(labels, before)
    for k, name in enumerate(state.shown_names()):
        old = int(agreement[labels == k][0])
        assert name == ["rim", "core"][old]
    state.k = 3
    assert set(state.shown_names()) == {"rim", "core", "cluster 2"}


def test_names_of_clusters_that_are_gone_are_not_given_to_others():
    before = np.repeat([0, 1, 2], 10)[None]
    after = np.tile([0, 1, 2], 10)[None]
    names = ["rim", "core", "crack", "cluster 3"]
    assert names_after(before, after, names) == [f"cluster {k}" for k in range(4)]
    swapped = np.repeat([2, 0, 1], 10)[None]
    assert names_after(before, swapped, names) == ["core", "crack", "rim", "cluster 3"]


def test_names_that_are_restored_are_those_of_the_new_settings(state):
    state.names = ["rim", "core"]
    state.restore({"features": "log-ratio", "names": ["a", "b"]})
    assert state.wait(60)
    assert state.shown_names() == ["a", "b"]


def test_names_are_filled_in_and_too_many_are_refused(state):
    state.names = [" rim ", ""]
    assert state.names == ["rim", "cluster 1", "cluster 2", "cluster 3"]
    with pytest.raises(tl.TraitError, match="names are 5, but there are at most 4 clusters"):
        state.names = list("abcde")


def test_the_record_of_a_result_is_replayed(state, scene):
    state.restore({"k": 3, "features": "l1", "min_area": 3, "names": ["a", "b", "c"]})
    result = state.result()
    again = em.replay(result.record.to_json(), scene.image)
    np.testing.assert_array_equal(again.labels, result.labels)
    np.testing.assert_array_equal(again.spectra.means, result.spectra.means)
    assert again.ratios == result.ratios
    assert again.names == result.names == ("a", "b", "c")
    names = {"image": scene.image}
    exec(result.record.to_code(), names)
    np.testing.assert_array_equal(names["labels"], result.labels)


def test_hidden_numbers_do_not_keep_the_counts_from_being_halved(masked):
    state = ClusterState(masked, max_k=2, compute=False)
    state.held_out = True
    labels = state.result().labels
    assert (labels[[0, 6]] == -1).all()
    names = {"image": masked}
    code = state.to_code().splitlines()
    exec("\n".join(line for line in code if not line.startswith("image =")), names)
    np.testing.assert_array_equal(names["labels"], labels)
