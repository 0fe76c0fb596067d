"""The canvas's Python half: what it takes, what it refuses, what it sends."""

import zlib

import numpy as np
import pytest
import traitlets as tl
from ipywidgets.embed import dependency_state

from endmember.widgets import MapView
from endmember.widgets.map_traits import label_colors
from endmember.widgets.map_view import link_scales
from endmember.widgets.regions import mask_of


def test_values_travel_as_float32_row_after_row():
    values = np.arange(6.0).reshape(2, 3)
    view = MapView(values)
    assert view.shape == (2, 3)
    np.testing.assert_array_equal(np.frombuffer(view.values, "f4"), values.ravel())


def test_values_of_a_large_map_travel_in_steps_that_tell_them_apart():
    values = np.random.default_rng(0).normal(5.0, 2.0, size=(1025, 1030))
    values[3, 4] = np.nan
    view = MapView(values)
    steps = np.frombuffer(view.values, np.uint16)
    low, high = view.value_range
    assert steps[3 * 1030 + 4] == 65535
    found = low + steps * (high - low) / 65534
    seen = np.isfinite(values.ravel())
    step = (high - low) / 65534
    assert np.abs(found - values.ravel())[seen].max() <= step / 2 + 1e-5  # and a rounded float32
    assert (steps[seen] < 65535).all()


def test_labels_travel_as_bytes_and_minus_one_is_hidden():
    labels = np.array([[0, 1, -1], [2, 2, 0]])
    view = MapView(labels=labels, names=["a", "b", "c"])
    assert view.shape == (2, 3)
    assert list(view.labels) == [0, 1, 255, 2, 2, 0]
    assert view.names == ["a", "b", "c"]
    assert view.palette == label_colors(3)


def read_sets(view):
    """Maps and mean spectra of all sets, as a page unpacks them."""
    sets = view.label_sets
    maps = zlib.decompress(sets["maps"]) if sets["deflated"] else sets["maps"]
    n_channels = len(sets.get("axis", b"")) // 8
    means = np.frombuffer(sets.get("means", b""), "f4")
    means = np.split(means.reshape(-1, max(1, n_channels)), np.cumsum(sets["n_labels"])[:-1])
    return np.frombuffer(maps, "u1").reshape(-1, *view.shape), means


def test_label_sets_hold_a_map_and_its_spectra_for_every_rank():
    rng = np.random.default_rng(0)
    sets = [rng.integers(-1, k, size=(5, 7)) for k in (1, 2, 3)]
    for k, labels in enumerate(sets):
        labels[0, 0] = k
    means = [rng.random((k, 4)) for k in (1, 2, 3)]
    view = MapView(np.zeros((5, 7)), rank=5, max_rank=9)
    view.set_label_sets(sets, spectra=([1.0, 2, 3, 4], means))
    maps, spectra = read_sets(view)
    np.testing.assert_array_equal(maps, np.where(np.array(sets) < 0, 255, sets))
    for found, expected in zip(spectra, means, strict=True):
        np.testing.assert_array_equal(found, expected.astype("f4"))
    assert np.frombuffer(view.label_sets["axis"]).tolist() == [1, 2, 3, 4]
    assert (view.rank, view.max_rank, view.values) == (3, 3, b"")
    assert (view.names, view.palette) == (["0", "1", "2"], label_colors(3))


def test_labels_that_are_not_known_yet_are_hidden():
    view = MapView(shape=(2, 3))
    view.set_label_sets(
        [None, [[0, 1, 1], [0, 0, 1]]],
        names=[None, ["a", "b"]],
        spectra=([0.5], [None, [[1], [2]]]),
    )
    maps, (none, known) = read_sets(view)
    assert (maps[0] == 255).all()
    assert (none.shape, known.tolist()) == ((0, 1), [[1], [2]])
    assert view.label_sets["names"] == [[], ["a", "b"]]


def test_label_sets_go_in_one_message_of_well_under_a_megabyte():
    rng = np.random.default_rng(0)
    sets = [rng.integers(0, k, size=(512, 384)) for k in range(1, 9)]  # noise: the worst case
    means = [rng.random((k, 1564)) for k in range(1, 9)]
    view, sent = MapView(shape=(512, 384)), []
    view._send = lambda message, buffers=None: sent.append(buffers)
    view.set_label_sets(sets, spectra=(np.arange(1564), means))
    size = sum(len(bytes(buffer)) for buffers in sent for buffer in buffers)
    print(f"8 label maps of 512 x 384 and their spectra: {size / 1e6:.2f} MB")
    assert len(sent) == 1
    assert size < 0.7e6


def test_other_content_replaces_label_sets():
    view = MapView(shape=(1, 2))
    view.set_label_sets([[[0, 0]]])
    view.set_labels([[0, 1]])
    assert view.label_sets == {}
    view.set_label_sets([[[0, 0]]])
    assert view.labels == b""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sets": []}, r"shapes \[\]; give at least one map"),
        ({"sets": [None]}, "give at least one map"),
        ({"sets": [[[0]], [[0, 1]]]}, r"shapes \[\(1, 1\), \(1, 2\)\]"),
        ({"sets": [[[0, 0]]]}, r"the label sets have shape \(1, 2\), but the map has \(1, 1\)"),
        ({"sets": [[[0.5]]]}, "labels are float64"),
        ({"sets": [[[1]]], "names": ["a"]}, "names are 1, but the map needs 2"),
        ({"sets": [[[1]]], "names": [["a"]]}, "names of set 1 are 1, but the map needs 2"),
        ({"sets": [[[1]]], "palette": ["#000000"]}, "palette are 1, but the map needs 2"),
        ({"sets": [[[0]]], "spectra": [[[1]]]}, "give a tuple of the axis and the means"),
        ({"sets": [[[0]]], "spectra": ([1, 2], [])}, "spectra are 0, but the map needs 1"),
        ({"sets": [[[0]]], "spectra": ([1, 2], [[[1]]])}, r"spectra of set 1 have shape \(1, 1\)"),
        ({"sets": [[[1]]], "spectra": ([1], [[[1]]])}, "it has 2 labels"),
    ],
)
def test_label_sets_that_do_not_fit_are_refused(arguments, message):
    view = MapView(shape=(1, 1), rank=2)
    with pytest.raises(ValueError, match=message):
        view.set_label_sets(**arguments)
    assert (view.rank, view.label_sets) == (2, {})


def test_colors_of_many_labels_are_all_different():
    assert len(set(label_colors(254))) == 254


def test_layers_travel_in_steps_of_their_own_range():
    maps = np.array([[[0.0, 1.0, np.nan]], [[10.0, 30.0, 20.0]]])
    view = MapView(layers={"maps": maps, "names": ["a", "b"], "colors": ["#ff0000", "#00ff00"]})
    assert view.shape == (1, 3)
    assert list(view.layers["maps"]) == [0, 254, 255, 0, 254, 127]
    assert (view.layers["lows"], view.layers["highs"]) == ([0, 10], [1, 30])
    assert view.layers["fixed"] == [False, False]
    assert (view.visible, view.shown) == ([True, True], None)


def test_given_limits_cut_layers_off():
    view = MapView(shape=(1, 3))
    view.set_layers([[[0.0, 5.0, 20.0]]], lows=[0], highs=[10])
    assert list(view.layers["maps"]) == [0, 127, 254]
    assert view.layers["fixed"] == [True, True]


def read_frames(view):
    """Values of all frames, as a page unpacks them."""
    frames = view.frames
    steps = zlib.decompress(frames["maps"]) if frames["deflated"] else frames["maps"]
    steps = np.frombuffer(steps, f"u{frames['bits'] // 8}").reshape(frames["n"], *view.shape)
    hidden, (low, high) = 2 ** frames["bits"] - 1, frames["range"]
    return np.where(steps == hidden, np.nan, low + steps * (high - low) / (hidden - 1))


@pytest.mark.parametrize(("n_frames", "bits"), [(3, 16), (40, 8)])
def test_frames_travel_in_steps_of_a_common_range(n_frames, bits):
    values = np.random.default_rng(0).normal(5, 2, size=(n_frames, 230, 240)).astype("f4")
    values[1, 2, 3] = np.nan
    view = MapView(frames=values, frame_names=[f"{10 * i}°" for i in range(n_frames)], frame=2)
    assert view.frames["bits"] == bits
    found = read_frames(view)
    assert np.isnan(found[1, 2, 3])
    step = np.nanmax(values) - np.nanmin(values)
    step /= 2**bits - 2
    assert np.nanmax(np.abs(found - values)) <= step / 2 + 1e-5  # and a rounded float32
    assert view.frame_names[:3] == ["0°", "10°", "20°"]
    view.set_frames(values[:2])
    assert (view.frame, view.frame_names) == (1, ["0", "1"])
    view.set_values(values[0])
    assert view.frames == {}


@pytest.mark.parametrize(("n_frames", "bits"), [(3, 16), (40, 8)])
def test_frames_of_counts_keep_them_whole(n_frames, bits):
    counts = np.random.default_rng(0).poisson(40.0, size=(n_frames, 230, 240)) - 3.0
    counts[0, 0, 0] = np.nan
    view = MapView(frames=counts)
    assert view.frames["bits"] == bits
    np.testing.assert_array_equal(read_frames(view), counts)


def test_a_frame_that_is_none_is_refused():
    view = MapView(frames=np.zeros((3, 2, 2)))
    with pytest.raises(tl.TraitError, match="frame is 3, but the map has 3; they begin at 0"):
        view.frame = 3
    with pytest.raises(tl.TraitError):
        view.frame = -1


@pytest.mark.parametrize("finer", [1, 3])
def test_an_image_beneath_travels_in_steps(finer):
    image = np.random.default_rng(0).normal(100, 10, size=(20 * finer, 30 * finer))
    image[0, 0], image[1, 1] = 1e6, np.nan
    view = MapView(np.zeros((20, 30)), beneath={"image": image, "name": "HAADF", "unit": "counts"})
    beneath = view.beneath
    assert (beneath["finer"], beneath["name"], beneath["unit"]) == (finer, "HAADF", "counts")
    steps = np.frombuffer(beneath["steps"], "u1").reshape(image.shape)
    low, high = beneath["range"]
    np.testing.assert_allclose([low, high], np.nanpercentile(image, [0.1, 99.9]))
    assert (steps[0, 0], steps[1, 1]) == (254, 255)
    found = low + steps * (high - low) / 254
    seen = np.isfinite(image)
    rounding = (high - low) / 254 / 2 * 1.001
    assert (np.abs(found - image.clip(low, high)) <= rounding)[seen].all()
    view.set_beneath()
    assert view.beneath == {}


def test_an_image_that_is_finer_than_a_page_is_sent_in_means():
    image = np.random.default_rng(0).random((4 * 300, 4 * 200))
    view = MapView(shape=(300, 200), beneath=image)
    assert view.beneath["finer"] == 2  # 600 x 400: four times as many would be more than 1024
    steps = np.frombuffer(view.beneath["steps"], "u1").reshape(600, 400)
    low, high = view.beneath["range"]
    means = image.reshape(600, 2, 400, 2).mean(axis=(1, 3)).clip(low, high)
    np.testing.assert_allclose(low + steps * (high - low) / 254, means, atol=(high - low) / 500)


def test_choices_among_layers_are_traits_of_their_own():
    view = MapView(layers={"maps": np.zeros((2, 1, 3))})
    view.layers = {**view.layers, "shown": 1, "visible": [False, True]}
    assert (view.shown, view.visible) == (1, [False, True])
    assert not {"shown", "visible"} & set(view.layers)


def test_what_is_shown_replaces_what_was():
    view = MapView(np.zeros((2, 3)), unit="counts")
    view.set_labels(np.ones((2, 3), dtype=int), palette=["#000000", "#ffffff"])
    assert (view.values, view.layers, len(view.labels)) == (b"", {}, 6)
    view.set_layers(np.zeros((1, 2, 3)))
    assert (view.values, view.labels) == (b"", b"")
    view.set_values(np.ones((2, 3)))
    assert (view.labels, view.layers, len(view.values)) == (b"", {}, 24)


def messages(view, change):
    """Names of the traits in each message that a change sends."""
    sent = []
    view._send = lambda message, buffers=None: sent.append((message, buffers))
    try:
        change()
    finally:
        del view._send
    updates = [message for message, _ in sent if message["method"] == "update"]
    return [{*m["state"], *(path[0] for path in m["buffer_paths"])} for m in updates]


def test_labels_palette_and_names_go_in_one_message():
    view = MapView(np.zeros((2, 3)))
    (changed,) = messages(view, lambda: view.set_labels(np.ones((2, 3), dtype=int)))
    assert changed == {"labels", "palette", "names", "values"}


@pytest.mark.parametrize(
    "region",
    [
        {"kind": "rectangle", "points": [[0, 1], [1, 2]]},
        {"kind": "lasso", "points": [[-1, -1], [-1, 1.5], [3, 1.5], [3, -1]]},
        {"kind": "line", "points": [[0, 0], [1, 2]], "width": 1},
        {},
    ],
)
def test_a_region_of_the_page_and_one_of_python_are_the_same(region):
    view, heard = MapView(np.zeros((2, 3))), []
    view.observe(lambda change: heard.append(view.mask()), "region")
    view.set_state({"region": region})
    expected = mask_of(region, (2, 3))
    np.testing.assert_array_equal(view.mask(), expected)
    assert [mask.sum() for mask in heard] == ([expected.sum()] if region else [])
    other = MapView(np.zeros((2, 3)), region=region)
    assert other.region == view.region


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tool", "lasso"),
        ("tool", "line"),
        ("line_width", 3),
        ("opacity", 0.3),
        ("frame", 1),
        ("percentiles", [2.0, 98.0]),
        ("visible", [False, True]),
        ("shown", 1),
        ("limits", [0.0, 2.0]),
        ("scale", "log"),
        ("colors", "gray"),
    ],
)
def test_what_the_page_chooses_is_known_here_and_the_other_way(name, value):
    view = MapView(layers={"maps": np.zeros((2, 2, 3))})
    view.set_state({name: value})
    assert getattr(view, name) == (tuple(value) if name in ("limits", "percentiles") else value)
    other = MapView(layers={"maps": np.zeros((2, 2, 3))})
    setattr(other, name, value)
    assert other.get_state(name)[name] == view.get_state(name)[name]


def test_limits_are_shared_by_a_link():
    one, two = MapView(np.zeros((2, 3))), MapView(np.ones((2, 3)))
    tl.link((one, "limits"), (two, "limits"))
    one.set_state({"limits": [0.0, 5.0]})
    assert two.limits == (0.0, 5.0)
    two.limits = None
    assert one.limits is None


def test_linked_scales_begin_as_the_first_one_and_can_be_undone():
    views = [MapView(np.zeros((2, 3)), colors=c) for c in ("gray", "viridis", "cividis")]
    views[0].limits, views[0].scale = (1.0, 2.0), "log"
    shared = link_scales(*views)
    for view in views:
        assert (view.colors, view.limits, view.scale) == ("gray", (1.0, 2.0), "log")
        assert set(view.compared) == set(views) - {view}
    links = list(shared._links)
    assert {(link.source[1], link.target[1]) for link in links} == {
        (name, name) for name in ("limits", "percentiles", "scale", "colors")
    }
    kept = dependency_state([views[0]], drop_defaults=False)
    assert {view.model_id for view in views} <= set(kept)
    shared.unlink()
    assert all(link.comm is None for link in links)
    assert [view.compared for view in views] == [[], [], []]
    assert (shared.views, views[1].colors) == ((), "gray")
    link_scales(*views[:2]).unlink()


def test_maps_that_cannot_share_a_scale_are_refused():
    one, other, third = (MapView(np.zeros((2, 3))) for _ in range(3))
    with pytest.raises(ValueError, match="views are 1; pass two or more"):
        link_scales(one)
    with pytest.raises(ValueError, match="each of them once"):
        link_scales(one, one)
    with pytest.raises(TypeError, match="views hold a int; only maps share a scale"):
        link_scales(one, 3)
    link_scales(one, other)
    with pytest.raises(ValueError, match="shares a scale already; undo that one first"):
        link_scales(other, third)
    assert third.compared == []


def test_a_highlight_travels_as_bits():
    view = MapView(np.zeros((3, 5)))
    mask = np.random.default_rng(0).random((3, 5)) < 0.5
    view.set_highlight(mask)
    bits = np.unpackbits(np.frombuffer(view.highlight, np.uint8))[:15]
    np.testing.assert_array_equal(bits, mask.ravel())
    view.set_highlight()
    assert view.highlight == b""


def test_a_map_of_one_pixel_is_a_map():
    assert MapView([[1.0]]).shape == (1, 1)
    assert MapView(labels=[[-1]]).palette == []
    assert MapView(layers={"maps": [[[np.nan]]]}).layers["highs"] == [1.0]


def test_data_stay_as_they_are():
    values, labels = np.arange(6.0).reshape(2, 3), np.arange(6).reshape(2, 3) - 1
    maps = np.stack([values, values])
    before = [array.copy() for array in (values, labels, maps)]
    view = MapView(values)
    view.set_labels(labels)
    view.set_layers(maps, lows=[1, 1], highs=[2, 2])
    for array, old in zip((values, labels, maps), before, strict=True):
        np.testing.assert_array_equal(array, old)


@pytest.mark.parametrize(
    ("arguments", "settings", "error", "message"),
    [
        ([np.ones((2, 3, 4))], {}, ValueError, r"values have shape \(2, 3, 4\)"),
        ([], {}, ValueError, "a map needs values"),
        ([np.ones((2, 3))], {"color": "jet"}, TypeError, "takes no 'color'"),
        ([np.ones((2, 3))], {"pixel": (2, 0)}, tl.TraitError, "lies outside the map"),
        (
            [np.ones((2, 3))],
            {"labels": [[1]]},
            ValueError,
            "one of values, labels, layers and frames",
        ),
        ([np.ones((2, 3))], {"limits": (2, 1)}, tl.TraitError, r"limits are \(2.0, 1.0\)"),
        ([np.ones((2, 3))], {"percentiles": (0, 101)}, tl.TraitError, "percentiles are"),
        ([np.ones((2, 3))], {"region": {"kind": "dot"}}, tl.TraitError, "kind 'dot'"),
        ([], {"labels": [[0.5]]}, ValueError, "labels are float64 from 0.5"),
        ([], {"labels": [[-2]]}, ValueError, "from -2 to -2"),
        ([], {"labels": [[255]]}, ValueError, "from 0 to 254"),
        ([], {"frames": [[1.0]]}, ValueError, r"frames have shape \(1, 1\)"),
        ([], {"frames": [[[1]]], "frame_names": []}, ValueError, "frame_names are 0, but"),
        (
            [np.ones((2, 3))],
            {"beneath": np.ones((3, 2))},
            ValueError,
            r"beneath has shape \(3, 2\)",
        ),
        ([np.ones((2, 3))], {"beneath": np.ones((4, 9))}, ValueError, "a whole number times"),
        ([np.ones((2, 3))], {"beneath": np.ones(6)}, ValueError, r"beneath has shape \(6,\)"),
        ([np.ones((2, 3))], {"opacity": 2}, tl.TraitError, "opacity"),
        ([], {"labels": [0, 1]}, ValueError, r"labels have shape \(2,\)"),
        ([], {"labels": [[2]], "names": ["a"]}, ValueError, "names are 1, but the map needs 3"),
        ([], {"labels": [[0]], "palette": ["red"]}, tl.TraitError, "palette hold 'red'"),
        ([], {"layers": {"maps": np.ones((2, 3))}}, ValueError, r"maps have shape \(2, 3\)"),
        (
            [],
            {"layers": {"maps": np.ones((1, 2, 3)), "lows": [5], "highs": [4]}},
            ValueError,
            "lows below highs",
        ),
        (
            [],
            {"layers": {"maps": np.ones((2, 2, 3)), "colors": ["#ff0000"]}},
            ValueError,
            "colors are 1, but the map needs 2",
        ),
    ],
)
def test_bad_input_is_refused(arguments, settings, error, message):
    with pytest.raises(error, match=message):
        MapView(*arguments, **settings)


@pytest.mark.parametrize("name", ["set_values", "set_labels", "set_highlight"])
def test_a_map_of_another_shape_is_refused(name):
    view = MapView(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"have shape \(3, 2\), but the map has \(2, 3\)"):
        getattr(view, name)(np.zeros((3, 2), dtype=int))


def test_no_nan_reaches_the_saved_state_as_a_number():
    """JSON has no NaN: a saved notebook with one cannot be read again."""
    view = MapView(np.array([[np.nan, 1.0], [2.0, 3.0]]))
    state = view.get_state()
    numbers = [v for v in state.values() if isinstance(v, float)]
    assert not np.isnan(numbers).any()
    hidden = MapView(layers={"maps": np.full((2, 1, 1), np.nan)})
    assert np.isfinite([hidden.layers["lows"], hidden.layers["highs"]]).all()
