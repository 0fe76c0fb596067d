"""The controls move the state and the state moves the controls, with no browser."""

import ast
import json
import threading
import time
import zlib

import numpy as np
import pytest
import traitlets as tl
from ipywidgets.widgets.widget import _instances

import endmember as em
from endmember.widgets import cluster_state
from endmember.widgets.cluster_figure import cluster_figure
from endmember.widgets.cluster_ladder import Ladder
from endmember.widgets.cluster_parts import N_POINTS
from endmember.widgets.cluster_plots import ticks_between
from endmember.widgets.cluster_tuner import axis_html, ratio_words
from endmember.widgets.map_traits import LABEL_COLORS

FADED_LABEL = len(LABEL_COLORS)


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("iron_oxides", shape=(14, 20), dose=20_000)


@pytest.fixture
def tuner(scene):
    tuner = em.ClusterTuner(scene.image, max_k=4)
    assert tuner.state.wait(60)
    return tuner


def sent_sets(view):
    """Maps of labels as the page has them, (n_ranks, rows, columns)."""
    sets = view.label_sets
    held = zlib.decompress(sets["maps"]) if sets["deflated"] else sets["maps"]
    labels = np.frombuffer(held, np.uint8).reshape(-1, *view.shape).astype(int)
    return np.where(labels == 255, -1, labels)


def sent_means(view):
    """Mean spectra as the page has them, for every rank."""
    sets = view.label_sets
    means = np.frombuffer(sets["means"], np.float32)
    means = means.reshape(sum(sets["n_labels"]), -1)
    return np.split(means, np.cumsum(sets["n_labels"])[:-1])


def shown_labels(view):
    """What the page paints."""
    return sent_sets(view)[view.rank - 1]


@pytest.mark.parametrize(
    ("control", "trait", "value"),
    [
        ("k", "k", 3),
        ("features", "features", "l1"),
        ("n_components", "n_components", 2),
        ("algorithm", "algorithm", "gaussian mixture"),
        ("normalisation", "normalisation", "spread"),
        ("seed", "seed", 4),
        ("min_area", "min_area", 5),
        ("held_out", "held_out", True),
        ("criterion", "criterion", "inertia"),
    ],
)
def test_controls_and_state_move_each_other(tuner, control, trait, value):
    widget, state = getattr(tuner, control), tuner.state
    before = getattr(state, trait)
    widget.value = value
    assert getattr(state, trait) == value
    state.set_trait(trait, before)
    assert widget.value == before
    assert state.wait(60)
    assert state.status == "idle"


@pytest.mark.parametrize(
    ("view", "widget_trait", "trait", "value"),
    [
        ("map", "rank", "k", 3),
        ("map", "pixel", "pixel", (13, 19)),
        ("map", "region", "region", {"kind": "rectangle", "points": [[0.0, 0.0], [3.0, 9.0]]}),
        ("plane", "region", "plane_region", {"kind": "rectangle", "points": [[0.0, 0], [40, 50]]}),
    ],
)
def test_maps_and_state_move_each_other(tuner, view, widget_trait, trait, value):
    widget, state = getattr(tuner, view), tuner.state
    before = getattr(state, trait)
    setattr(widget, widget_trait, value)
    assert getattr(state, trait) == value
    setattr(state, trait, before)
    assert getattr(widget, widget_trait) == before


def test_value_and_pixel_follow_the_state_and_lead_it(tuner):
    tuner.value, tuner.pixel = 3, (3, 4)
    assert (tuner.state.k, tuner.state.pixel, tuner.k.value) == (3, (3, 4), 3)
    tuner.state.k, tuner.state.pixel = 1, (1, 0)
    assert (tuner.value, tuner.pixel) == (1, (1, 0))


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_the_map_and_the_spectra_show_the_clusters_in_the_same_colours(tuner, k):
    tuner.value = k
    assert tuner.map.rank == tuner.plane.rank == tuner.k.value == k
    np.testing.assert_array_equal(shown_labels(tuner.map), tuner.state.label_map())
    np.testing.assert_allclose(
        sent_means(tuner.map)[k - 1], tuner.state.mean_spectra().means, rtol=1e-7
    )
    assert tuner.map.palette == list(LABEL_COLORS) == tuner.table.palette
    assert tuner.map.names == tuner.table.names == tuner.state.names
    assert tuner.map.followers["means"] is tuner.means.lines
    assert tuner.means._y.max > tuner.state.mean_spectra().means.max()


def test_choosing_k_sends_neither_maps_nor_spectra_again(tuner):
    sent = []
    big = ("label_sets", "bands_of", "sets", "rows", "labels", "counts", "codes", "values")
    for widget in (
        tuner.map,
        tuner.plane,
        tuner.links,
        tuner.table,
        tuner.silhouettes,
        tuner.words,
    ):
        names = [name for name in big if widget.has_trait(name)]
        widget.observe(lambda change: sent.append(change["name"]), names)
    for k in (1, 4, 3, 2):
        tuner.map.set_state({"rank": k})  # as the page does
        assert tuner.state.shown_k == k
    assert sent == []


def test_the_chosen_number_of_clusters_is_sent_before_the_others(scene, monkeypatch):
    sent, gate, warm = [], threading.Event(), cluster_state._Job._warm

    def slow(self, ladder, is_stopped):
        gate.wait(30)
        warm(self, ladder, is_stopped)

    monkeypatch.setattr(cluster_state._Job, "_warm", slow)
    tuner = em.ClusterTuner(scene.image, max_k=4)
    tuner.map.observe(lambda change: sent.append(change["new"]["n_labels"]), "label_sets")
    for _ in range(1000):
        with tuner.state.worker.lock:  # what is being sent has been sent
            if tuner.state.shown_k and tuner.map.label_sets:
                break
        time.sleep(0.01)
    assert tuner.map.label_sets["n_labels"] == tuner.links.bands_of["n_labels"] == [0, 2, 0, 0]
    assert tuner.table.rows[0] is None
    assert len(tuner.table.rows[1]) == 2
    np.testing.assert_array_equal(shown_labels(tuner.map), tuner.state.label_map())
    gate.set()
    assert tuner.state.wait(60)
    assert tuner.map.label_sets["n_labels"] == tuner.links.bands_of["n_labels"] == [1, 2, 3, 4]
    assert len(sent) == 2


def test_a_page_that_is_further_is_not_pulled_back(tuner):
    told = []
    for widget, name in ((tuner.k, "value"), (tuner.plane, "rank"), (tuner.curve.at, "x")):
        widget.observe(lambda change: told.append(change["name"]), name)
    tuner.map.set_state({"rank": 4})
    assert (tuner.value, told) == (4, [])
    tuner.value = 3
    assert (tuner.k.value, tuner.plane.rank) == (3, 3)
    tuner.k.set_state({"value": 1})  # the page has moved the map by itself
    assert tuner.map.rank == 3


def test_colours_stay_with_their_pixels_when_a_cluster_is_split(tuner):
    tuner.value = 2
    before = shown_labels(tuner.map)
    tuner.value = 3
    assert np.mean(shown_labels(tuner.map) == before) > 0.6


def test_silhouettes_of_every_k_are_sent_in_their_order(tuner):
    sets = tuner.silhouettes.sets
    values = np.frombuffer(sets["values"], np.float32)
    for k in range(1, 5):
        tuner.value = k
        found, each = sets["shares"][k - 1], tuner.state.silhouettes()
        if k == 1:
            assert found is None
            continue
        np.testing.assert_allclose(found["shares"], [one.size / 280 for one in each])
        np.testing.assert_allclose(found["means"], [one.mean() for one in each])
        start = sets["starts"][k - 1]
        drawn = values[start : start + k * N_POINTS].reshape(k, -1)
        np.testing.assert_allclose(drawn[:, 0], [one.max() for one in each], rtol=1e-6)
        np.testing.assert_allclose(drawn[:, -1], [one.min() for one in each], rtol=1e-6)


def test_bands_hold_two_standard_errors_of_every_channel(tuner):
    bands = tuner.links.bands_of
    along = np.frombuffer(bands["x"], np.float64)
    edges = np.frombuffer(bands["y"], np.float32).reshape(-1, along.size)
    assert bands["n_labels"] == [1, 2, 3, 4]
    tuner.value = 3
    found, n = tuner.state.mean_spectra(), along.size // 2
    for k, (mean, error) in enumerate(zip(found.means, found.stderr_scatter, strict=True)):
        low, high = edges[3 + k, :n], edges[3 + k, : n - 1 : -1]
        assert low.min() == pytest.approx((mean - 2 * error).min(), rel=1e-6)
        assert high.max() == pytest.approx((mean + 2 * error).max(), rel=1e-6)
        at = np.searchsorted(along[:n], tuner.state.image.axis, side="right") - 1
        assert (low[at] <= mean - 2 * error + 1e-3)[:-2].all()  # the last step ends with the axis
        assert (high[at] >= mean + 2 * error - 1e-3)[:-2].all()


def test_the_curve_shows_the_criterion_and_marks_what_it_prefers(tuner):
    values, _, best = tuner.state.curve()
    np.testing.assert_array_equal(tuner.curve.points.y, values[1:])
    np.testing.assert_array_equal(tuner.curve.points.x, [2, 3, 4])
    assert best == 2
    colors = tuner.curve.points.colors
    assert colors[0] != colors[1] == colors[2]
    tuner.criterion.value = "inertia"
    np.testing.assert_array_equal(tuner.curve.points.y, tuner.state.curve()[0])
    tuner.value = 3
    np.testing.assert_array_equal(tuner.curve.at.x, [3.0, 3.0])


def table_of(tuner):
    """Cells of the table as the page shows them for the present number of clusters."""
    return [tuner.table.heads, *tuner.table.rows[tuner.map.rank - 1]]


def test_an_axis_of_counts_ends_at_whole_ones_and_never_at_minus_zero():
    assert axis_html("Mg_Ka", "counts", (-0.5, 66.5), "↑") == "↑ Mg_Ka, from 0 to 66 counts"
    assert axis_html("Mg_Ka", "", (-0.5, 66.5), "→") == "→ Mg_Ka, from -0.5 to 66.5"


def test_the_table_tells_held_out_ratios_from_those_of_the_clusters(tuner):
    assert tuner.table.heads == ["cluster", "pixels", "Fe_Ka / O_Ka"]
    tuner.held_out.value = True
    assert tuner.state.wait(60)
    heads, *rows = table_of(tuner)
    assert heads[2:] == ["Fe_Ka / O_Ka where clustered", "on held-out counts"]
    for row, cells in zip(tuner.state.ratios(), rows, strict=True):
        assert cells == [
            str(row["n_pixels"]),
            ratio_words(row["clustered"]),
            ratio_words(row["held_out"]),
        ]
    assert "held-out half" in tuner.heading.value
    assert "one half of the counts" in tuner.map.caption


def test_the_table_holds_every_number_of_clusters(tuner):
    for k in range(1, 5):
        tuner.value = k
        pixels = [int(cells[0]) for cells in table_of(tuner)[1:]]
        np.testing.assert_array_equal(pixels, np.bincount(tuner.state.label_map().ravel()))


def test_the_ratio_follows_its_lines(tuner):
    before = tuner.table.rows
    tuner.state.ratio = ("O_Ka", "Fe_Ka")
    assert (tuner.above.value, tuner.below.value) == ("O_Ka", "Fe_Ka")
    assert tuner.table.rows != before
    tuner.above.value = "Fe_Ka"
    assert tuner.state.ratio == ("Fe_Ka", "Fe_Ka")
    assert table_of(tuner)[1][1].startswith("1.0000 ± ")


def test_names_of_the_table_are_those_of_all_parts(tuner):
    tuner.value = 3
    tuner.table.set_state({"names": ["rim", " core ", "", "cluster 3"]})  # as the page does
    given = ["rim", "core", "cluster 2"]
    assert tuner.state.shown_names() == given
    assert tuner.map.names[:3] == tuner.table.names[:3] == given
    result = tuner.result()
    assert result.names == tuple(given)
    assert result.record.parameters["names"] == given
    assert 'names = ["rim", "core", "cluster 2"]' in tuner.to_code()
    assert tuner.code.value == tuner.links.codes[2] == tuner.to_code()
    assert b",rim" in tuner.files[0].file()[1]
    assert "core, standard error" in tuner.files[1].file()[1].decode()


def test_the_files_hold_the_map_and_the_spectra(tuner):
    tuner.value = 2
    name, text = tuner.files[0].file()
    rows = text.decode().splitlines()[1:]
    assert name == "clusters.csv"
    labels = [int(row.split(",")[2]) for row in rows]
    np.testing.assert_array_equal(labels, tuner.state.label_map().ravel())
    _, text = tuner.files[1].file()
    values = np.loadtxt(text.decode().splitlines()[1:], delimiter=",")
    np.testing.assert_array_equal(values[:, 1::2].T, tuner.state.mean_spectra().means)


def test_clusters_are_kept_as_regions_and_chosen_there(scene):
    tuner = em.ClusterTuner(em.SpectrumImage(scene.image.counts.copy(), scene.image.axis), max_k=2)
    tuner.result()
    tuner.state.names = ["rim"]
    tuner.keep.click()
    tuner.keep.click()  # the same names are replaced
    regions, labels = tuner.regions.regions, tuner.state.label_map()
    assert list(regions.regions) == ["rim", "cluster 1"]
    np.testing.assert_array_equal(regions.mask("rim"), labels == 0)
    assert "2 clusters are kept" in tuner.message.value
    regions.chosen = "cluster 1"
    np.testing.assert_array_equal(tuner.state.chosen(), labels == 1)
    assert tuner.map.highlight
    assert tuner.means.chosen.labels == [f"{(labels == 1).sum()} chosen pixels"]
    regions.chosen = ""
    assert tuner.state.chosen() is None
    assert tuner.map.highlight == b""


def test_what_is_chosen_in_the_plane_is_kept_as_a_region(scene):
    tuner = em.ClusterTuner(em.SpectrumImage(scene.image.counts.copy(), scene.image.axis), max_k=2)
    tuner.result()
    tuner.plane.region = {"kind": "rectangle", "points": [[0, 0], [60, 40]]}
    chosen = tuner.state.chosen()
    assert 0 < chosen.sum() < chosen.size
    tuner.regions.name.value = "corner"
    tuner.regions.keep.click()
    np.testing.assert_array_equal(tuner.regions.regions.mask("corner"), chosen)


@pytest.fixture
def alone(scene):
    """A tuner of two clusters whose regions nothing else shares."""
    tuner = em.ClusterTuner(em.SpectrumImage(scene.image.counts.copy(), scene.image.axis), max_k=3)
    tuner.result()
    return tuner


def test_a_chosen_mask_takes_the_place_of_what_is_drawn_in_the_plane(alone):
    alone.keep.click()
    regions, everywhere = alone.regions.regions, [[0, 0], [95, 95]]
    alone.plane.region = {"kind": "rectangle", "points": everywhere}
    assert alone.state.chosen().all()
    regions.chosen = "cluster 1"
    assert alone.plane.region == {}
    np.testing.assert_array_equal(alone.state.chosen(), regions.mask("cluster 1"))
    assert alone.means.chosen.labels == [f"{regions.mask('cluster 1').sum()} chosen pixels"]
    alone.plane.region = {"kind": "rectangle", "points": everywhere}
    assert (regions.chosen, alone.state.marked) == ("", None)
    assert alone.state.chosen().all()
    alone.plane.region = {}
    assert alone.state.chosen() is None


def test_clusters_of_one_name_are_kept_as_one_region(alone):
    alone.value = 3
    alone.state.names = ["rim", "rim", "core"]
    alone.keep.click()
    kept, masks = alone.regions.regions.masks(), alone.result().masks()
    assert list(kept) == list(masks) == ["rim", "core"]
    for name, mask in masks.items():
        np.testing.assert_array_equal(kept[name], mask)
    assert "clusters of one name are one region" in alone.message.value


def test_a_region_that_a_cluster_shares_its_name_with_stays(alone):
    regions, corner = alone.regions.regions, {"kind": "rectangle", "points": [[0, 0], [1, 1]]}
    regions.keep("rim", corner)
    alone.state.names = ["rim", "core"]
    for _ in range(2):  # the second time nothing more is kept
        alone.keep.click()
        assert sorted(regions.regions) == ["core", "rim", "rim 2"]
        assert regions.regions["rim"] == corner
        np.testing.assert_array_equal(regions.mask("rim 2"), alone.result().masks()["rim"])
        assert "called rim, so the cluster is kept as rim 2" in alone.message.value
    alone.state.names = ["rim", "rim 2"]
    alone.keep.click()
    masks = alone.result().masks()
    np.testing.assert_array_equal(regions.mask("rim 2"), masks["rim 2"])
    np.testing.assert_array_equal(regions.mask("rim 3"), masks["rim"])


@pytest.mark.parametrize("name", ["n" * 81, "two\nlines"])
def test_names_that_fit_no_region_are_told_in_words(alone, name):
    alone.state.names = ["rim", name]
    alone.keep.click()
    assert alone.regions.regions.regions == {}
    assert "write one line of at most 80 letters into the table" in alone.message.value
    assert alone.message.kind == "error"


def test_clusters_that_are_not_found_yet_are_not_kept(scene, monkeypatch):
    gate, work = threading.Event(), cluster_state._Job._work
    monkeypatch.setattr(
        cluster_state._Job, "_work", lambda job, stop: (gate.wait(30), work(job, stop))
    )
    tuner = em.ClusterTuner(em.SpectrumImage(scene.image.counts.copy()), max_k=2)
    tuner.keep.click()
    assert "no clusters to keep yet" in tuner.message.value
    gate.set()
    assert tuner.state.wait(60)


def test_a_closed_tuner_leaves_the_shared_regions(scene):
    tuner = em.ClusterTuner(scene.image, max_k=2)
    tuner.result()
    regions = tuner.regions.regions
    tuner.close()
    heard = regions._trait_notifiers["chosen"]["change"]
    assert all(getattr(act, "__self__", None) not in (tuner, tuner.regions) for act in heard)


def test_a_closed_tuner_works_no_further(scene, monkeypatch):
    entered, gate, climb = threading.Event(), threading.Event(), Ladder.climb

    def slow(self, last, made):
        entered.set()
        gate.wait(30)
        climb(self, last, made)

    monkeypatch.setattr(Ladder, "climb", slow)
    tuner = em.ClusterTuner(scene.image, max_k=2)
    assert entered.wait(60)
    tuner.close()
    gate.set()
    assert tuner.state.wait(60)
    assert (tuner.state.status, tuner.state.shown_k) == ("stale", 0)
    assert [ladder.n_found for ladder in tuner.state._ladders.values()] == [0]


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        ((0.69834, 0.00234), "0.6983 ± 0.0023"),
        ((12.3, 4.56), "12.3 ± 4.6"),
        ((123.4, 45.6), "123 ± 46"),
        (None, "no counts"),
    ],
)
def test_ratios_are_written_as_far_as_they_are_known(ratio, words):
    assert ratio_words(ratio) == words


def test_a_region_on_the_map_stands_out_in_the_plane_and_back(tuner):
    tuner.map.region = {"kind": "rectangle", "points": [[0, 0], [3, 9]]}
    assert tuner.map.highlight
    assert (sent_sets(tuner.plane) == FADED_LABEL).any()
    assert tuner.means.chosen.labels == ["40 chosen pixels"]
    tuner.plane.region = {"kind": "rectangle", "points": [[0, 0], [95, 95]]}
    assert tuner.map.region == {}
    assert tuner.means.chosen.labels == ["280 chosen pixels"]
    tuner.plane.region = {}
    assert tuner.map.highlight == b""
    assert not (sent_sets(tuner.plane) == FADED_LABEL).any()


def test_the_plane_shows_clusters_or_density_of_two_features(tuner):
    for k in (1, 2, 4):
        tuner.value = k
        plane = tuner.state.plane()
        np.testing.assert_array_equal(shown_labels(tuner.plane), plane.clusters(k))
    assert "Fe_Ka" in tuner.plane_across.value
    assert "O_Ka" in tuner.plane_up.value
    assert "counts" in tuner.plane_up.value
    tuner.drawn.value = "density"
    values = np.frombuffer(tuner.plane.values, "f4").reshape(tuner.plane.shape)
    np.testing.assert_array_equal(values, plane.density().astype("f4"))
    tuner.across.value, tuner.up.value = 1, 0
    assert tuner.state.plane_axes == (1, 0)
    assert "O_Ka" in tuner.plane_across.value


def test_words_of_the_plane_know_values_pixels_and_clusters(tuner):
    across, up = tuner.words.sides
    assert (across["name"], up["name"], across["unit"]) == ("Fe_Ka", "O_Ka", "counts")
    plane = tuner.state.plane()
    counts = np.frombuffer(tuner.words.counts, "<u4").reshape(plane.shape)
    np.testing.assert_array_equal(counts, np.nan_to_num(plane.density()))
    labels = np.frombuffer(tuner.words.labels, np.uint8).reshape(-1, *plane.shape)
    np.testing.assert_array_equal(
        labels, np.where(sent_sets(tuner.plane) < 0, 255, sent_sets(tuner.plane))
    )
    tuner.normalisation.value = "spread"
    assert tuner.state.wait(60)
    assert tuner.words.sides[0]["unit"] == "standard deviations"
    tuner.features.value = "log-ratio"
    tuner.normalisation.value = "none"
    assert tuner.state.wait(60)
    assert tuner.words.sides[0]["unit"] == ""


def test_the_counts_under_a_resting_pointer_are_shown(tuner, scene):
    tuner.map.set_state({"hovered": (5, 6)})
    assert tuner.means.chosen.labels == ["pixel 5, 6"]
    np.testing.assert_array_equal(tuner.means.chosen.y, scene.image.counts[5, 6])
    tuner.map.set_state({"hovered": None})
    assert tuner.means.chosen.labels == ["pixel {}, {}".format(*tuner.pixel)]


def test_pointing_at_the_plane_chooses_a_pixel_there(tuner):
    place = tuner.state.plane().bin_of((2, 17))
    tuner.plane.set_state({"pixel": place})
    assert tuner.state.plane().bin_of(tuner.pixel) == place


def test_code_is_current_and_python(tuner):
    tuner.value = 3
    assert "labels_of(3)" in tuner.code.value
    tuner.min_area.value = 4
    assert "remove_small_areas(labels, 4)" in tuner.code.value
    tuner.held_out.value = True
    assert "em.thin(image, 0.5, seed=0)" in tuner.code.value
    ast.parse(tuner.to_code())


def test_cancel_and_compute_are_one_button(tuner):
    assert tuner.work.status == "idle"
    with tuner.state.worker.lock:  # the worker cannot end before it is cancelled
        tuner.seed.value = 9
        assert (tuner.state.status, tuner.work.status) == ("running", "running")
        tuner.work.press()
        assert (tuner.state.status, tuner.work.status) == ("stale", "stale")
        assert "older clusters" in tuner.message.value
    tuner.work.press()
    assert tuner.state.wait(60)
    assert (tuner.state.status, tuner.message.value) == ("idle", "")


def test_errors_are_shown_in_words(tuner):
    tuner.algorithm.value = "gaussian mixture"
    tuner.features.value = "raw"
    assert tuner.state.wait(60)
    assert tuner.message.value.startswith("No clusters: 400 features have too many covariances")
    assert tuner.message.kind == "error"
    np.testing.assert_array_equal(shown_labels(tuner.map), tuner.state.label_map())


def test_settings_go_round(tuner, scene):
    tuner.restore({"k": 3, "normalisation": "length", "min_area": 3})
    other = em.ClusterTuner(scene.image, max_k=4)
    other.restore(json.loads(json.dumps(tuner.settings())))
    np.testing.assert_array_equal(other.label_map(), tuner.label_map())
    assert other.settings() == tuner.settings()
    assert other.normalisation.value == "length"


def test_result_holds_what_is_shown(tuner):
    result = tuner.result()
    assert isinstance(result.model, em.KMeans)
    np.testing.assert_array_equal(result.labels, shown_labels(tuner.map))
    assert result.ratios == tuner.state.ratios()


@pytest.mark.parametrize("ending", ["png", "svg", "pdf", "html"])
def test_what_is_shown_is_saved_and_the_screen_stays(tuner, tmp_path, ending):
    tuner.held_out.value = True
    before = [widget.layout.display for widget in tuner._of_python]
    tuner.save(tmp_path / f"clusters.{ending}")
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF", "html": b"<!doctype html>"}
    assert (tmp_path / f"clusters.{ending}").read_bytes().startswith(starts[ending])
    assert [widget.layout.display for widget in tuner._of_python] == before
    assert tuner.map.tools is None


def test_a_picture_has_the_colours_of_the_map(tuner, tmp_path):
    from matplotlib.image import imread

    tuner.save(tmp_path / "clusters.png")
    picture = (imread(tmp_path / "clusters.png")[..., :3] * 255).round().astype(int)
    for color, n_pixels in zip(LABEL_COLORS, np.bincount(tuner.label_map().ravel()), strict=False):
        rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        painted = (picture == rgb).all(axis=-1).sum()
        assert painted > 300 * n_pixels  # every pixel of this map is drawn on many of the picture


def test_a_picture_has_the_names_of_the_clusters_as_they_are(tuner):
    tuner.state.names = ["$x_1", "rim"]
    axes = cluster_figure(tuner.state).axes[1]
    legend = axes.get_legend().get_texts()
    assert [text.get_text() for text in legend] == ["$x_1", "rim"]
    assert not any(text.get_parse_math() for text in legend)


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("clusters.gif", ValueError, r"ends in '\.gif'; save the tuner as one of \.html, \.png"),
        ("nowhere/clusters.png", FileNotFoundError, "is no folder"),
        ("nowhere/clusters.html", FileNotFoundError, "is no folder"),
    ],
)
def test_a_path_that_cannot_be_written_is_explained(tuner, tmp_path, name, error, message):
    with pytest.raises(error, match=message):
        tuner.save(tmp_path / name)


def test_nothing_is_saved_of_what_was_not_found(tuner, tmp_path):
    tuner.restore({"algorithm": "gaussian mixture", "features": "raw"})
    with pytest.raises(RuntimeError, match="too many covariances"):
        tuner.save(tmp_path / "clusters.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("trait", "value"), [("value", 5), ("value", 0), ("pixel", (14, 0))])
def test_a_value_out_of_range_is_refused_and_the_old_one_stays(tuner, trait, value):
    before = getattr(tuner, trait)
    with pytest.raises(tl.TraitError):
        setattr(tuner, trait, value)
    assert getattr(tuner, trait) == before
    assert (tuner.state.k, tuner.state.pixel) == (tuner.value, tuner.pixel)


def test_data_without_lines_have_no_ratios():
    counts = np.random.default_rng(0).poisson(20.0, size=(6, 7, 4))
    tuner = em.ClusterTuner(em.SpectrumImage(counts, title="<i>x</i>"), max_k=3)
    assert tuner.result().k == 2
    assert tuner.table.heads == ["cluster", "pixels"]
    assert "&lt;i&gt;x" in tuner.children[1].value


def test_a_thousand_updates_make_no_widget_and_leave_no_listener(tuner):
    def held():
        lists = (len(acts) for kinds in tuner.state._trait_notifiers.values()
                 for acts in kinds.values())  # fmt: skip
        return len(_instances), sum(lists)

    before = held()
    for i in range(1000):
        tuner.map.set_state({"rank": 1 + i % 4, "hovered": (i % 14, i % 20)})
        if i % 50 == 0:
            tuner.table.set_state({"names": [f"name {i}"]})
            tuner.plane.region = {"kind": "rectangle", "points": [[0, 0], [i % 90, 40]]}
    assert held() == before


def test_a_scene_is_taken_for_its_image(scene, tuner):
    other = em.ClusterTuner(scene, max_k=4)
    np.testing.assert_array_equal(other.label_map(), tuner.label_map())


def test_unknown_keywords_are_refused(scene):
    with pytest.raises(TypeError, match="layout"):
        em.ClusterTuner(scene.image, layout={})


@pytest.mark.parametrize("ends", [(0.31, 0.365), (-1e6, 3e6), (5.0, 5.0001)])
def test_ticks_are_few_round_and_in_range(ends):
    ticks = ticks_between(*ends)
    assert 2 <= len(ticks) <= 7
    assert ends[0] <= ticks[0] < ticks[-1] <= ends[1]
