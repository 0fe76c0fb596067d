"""The controls move the state and the state moves the controls, with no browser."""

import ast
import json

import numpy as np
import pytest
import traitlets as tl

import endmember as em
from endmember.widgets.cluster_plots import ticks_between
from endmember.widgets.cluster_tuner import ratio_words
from endmember.widgets.map_traits import LABEL_COLORS


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("iron_oxides", shape=(14, 20), dose=20_000)


@pytest.fixture
def tuner(scene):
    tuner = em.ClusterTuner(scene.image, max_k=4)
    assert tuner.state.wait(60)
    return tuner


def shown_labels(view):
    labels = np.frombuffer(view.labels, np.uint8).reshape(view.shape).astype(int)
    return np.where(labels == 255, -1, labels)


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
    np.testing.assert_array_equal(shown_labels(tuner.map), tuner.state.label_map())
    assert tuner.map.palette == list(tuner.means.lines.colors) == list(LABEL_COLORS[:k])
    means = np.atleast_2d(tuner.means.lines.y)  # bqplot drops an axis of one
    np.testing.assert_array_equal(means, tuner.state.mean_spectra().means)
    assert tuner.map.names == tuner.means.lines.labels == [f"cluster {i}" for i in range(k)]


def test_colours_stay_with_their_pixels_when_a_cluster_is_split(tuner):
    tuner.value = 2
    before = shown_labels(tuner.map)
    tuner.value = 3
    assert np.mean(shown_labels(tuner.map) == before) > 0.6


def test_silhouettes_fill_the_height_in_the_colours_of_their_clusters(tuner):
    tuner.value = 3
    marks = tuner.silhouettes.clusters
    assert marks.colors == list(LABEL_COLORS[:3])
    for k, each in enumerate(tuner.state.silhouettes()):
        assert marks.x[k].max() == each.max()
        assert np.ptp(marks.y[k]) == pytest.approx(each.size / 280)
    assert marks.y[-1].max() == pytest.approx(1.0)
    tuner.value = 1
    assert np.isnan(marks.x).all()


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


def test_a_click_on_the_curve_chooses_its_k(tuner):
    tuner._take_point(None, {"data": {"x": 3.0}})
    assert tuner.value == 3


def test_the_table_tells_held_out_ratios_from_those_of_the_clusters(tuner):
    assert "where clustered" not in tuner.table.value
    tuner.held_out.value = True
    assert tuner.state.wait(60)
    assert "where clustered" in tuner.table.value
    row = tuner.state.ratios()[0]
    assert ratio_words(row["held_out"]) in tuner.table.value
    assert "held-out half" in tuner.heading.value


def test_the_ratio_follows_its_lines(tuner):
    before = tuner.table.value
    tuner.state.ratio = ("O_Ka", "Fe_Ka")
    assert (tuner.above.value, tuner.below.value) == ("O_Ka", "Fe_Ka")
    assert tuner.table.value != before
    tuner.above.value = "Fe_Ka"
    assert tuner.state.ratio == ("Fe_Ka", "Fe_Ka")
    assert "1.0000 ± " in tuner.table.value


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
    assert tuner.plane.names[-1] == "not chosen"
    assert tuner.means.chosen.labels == ["40 chosen pixels"]
    tuner.plane.region = {"kind": "rectangle", "points": [[0, 0], [95, 95]]}
    assert tuner.map.region == {}
    assert tuner.means.chosen.labels == ["280 chosen pixels"]
    tuner.plane.region = {}
    assert tuner.map.highlight == b""
    assert "not chosen" not in tuner.plane.names


def test_the_plane_shows_clusters_or_density_of_two_features(tuner):
    plane = tuner.state.plane()
    np.testing.assert_array_equal(shown_labels(tuner.plane), plane.clusters(2))
    assert "Fe_Ka" in tuner.plane_across.value
    assert "O_Ka" in tuner.plane_up.value
    tuner.drawn.value = "density"
    values = np.frombuffer(tuner.plane.values, "f4").reshape(tuner.plane.shape)
    np.testing.assert_array_equal(values, plane.density().astype("f4"))
    tuner.across.value, tuner.up.value = 1, 0
    assert tuner.state.plane_axes == (1, 0)
    assert "O_Ka" in tuner.plane_across.value


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
    assert "ratio" not in tuner.table.value
    assert "&lt;i&gt;x" in tuner.children[0].value


def test_unknown_keywords_are_refused(scene):
    with pytest.raises(TypeError, match="layout"):
        em.ClusterTuner(scene.image, layout={})


@pytest.mark.parametrize("ends", [(0.31, 0.365), (-1e6, 3e6), (5.0, 5.0001)])
def test_ticks_are_few_round_and_in_range(ends):
    ticks = ticks_between(*ends)
    assert 2 <= len(ticks) <= 7
    assert ends[0] <= ticks[0] < ticks[-1] <= ends[1]
