"""What a component browser knows, tested without a widget."""

import csv
import json
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest
import traitlets as tl
from sklearn import decomposition
from sklearn.exceptions import ConvergenceWarning, NotFittedError

import endmember as em
from endmember.widgets.browser_sources import MOST
from endmember.widgets.browser_state import BrowserState
from endmember.widgets.region_list import regions_of
from endmember.widgets.scatter import N_BINS, scatter_bins

ROWS, COLUMNS, N_CHANNELS = 12, 9, 30
CORNER = {"kind": "rectangle", "points": [[0, 6], [2, 8]]}
LOWER = {"kind": "rectangle", "points": [[9, 0], [11, 4]]}


@pytest.fixture(scope="module")
def image():
    """Three materials, the third row hidden, a map that is not square."""
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.ones(3), size=(ROWS, COLUMNS))
    spectra = rng.gamma(1.0, 20.0, size=(3, N_CHANNELS))
    mask = np.zeros((ROWS, COLUMNS), dtype=bool)
    mask[2] = True
    axis = np.linspace(1, 8, N_CHANNELS)
    return em.SpectrumImage(rng.poisson(shares @ spectra), axis, mask=mask, title="<b>three</b>")


@pytest.fixture(scope="module")
def nmf(image):
    return em.NMF(3, random_state=0).fit(image)


@pytest.fixture
def state(nmf, image):
    return BrowserState(nmf, image)


@pytest.fixture
def two_states():
    """Two browsers on the same numbers, whose regions are not shared."""
    made = []
    for _ in range(2):
        rng = np.random.default_rng(0)
        made.append(BrowserState((np.eye(3, 9), rng.random((ROWS, COLUMNS, 3)))))
    return made


@pytest.fixture(autouse=True)
def forget(image):
    """Leave no region to the next test, which has the same data."""
    yield
    for name in list(regions_of(image).regions):
        regions_of(image).remove(name)


def test_the_state_knows_no_widget():
    code = (
        "import sys, endmember.widgets.browser_state\n"
        "print(sorted({'ipywidgets', 'anywidget', 'bqplot'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_parts_add_up_to_the_model_of_the_estimator(state, nmf, image):
    for pixel in [(0, 0), (5, 7), (11, 8)]:
        state.pixel = pixel
        row = image.pixel_row(*pixel)
        expected = nmf.inverse_transform(nmf.transform(image))[row]
        np.testing.assert_allclose(state.model(), expected, rtol=1e-9)
        np.testing.assert_allclose(state.parts().sum(axis=0), expected, rtol=1e-9)
        np.testing.assert_array_equal(state.counts(), image.counts[pixel])


def test_the_pixel_under_the_pointer_comes_before_the_chosen_one(state, image):
    state.pixel, state.hovered = (0, 0), (4, 8)
    np.testing.assert_array_equal(state.counts(), image.counts[4, 8])
    state.hovered = None
    np.testing.assert_array_equal(state.counts(), image.counts[0, 0])


def test_hidden_pixels_hold_no_map_and_no_model(state):
    assert np.isnan(state.maps[:, 2]).all()
    assert state.pixel[0] != 2
    state.pixel = (2, 4)
    assert np.isnan(state.model()).all()


def test_factors_make_the_model_that_python_makes(image):
    state = BrowserState(decomposition.PCA(2, random_state=0).fit(image.spectra), image)
    factors = state.factors()
    for pixel in [(0, 0), (5, 3), (11, 8)]:
        state.pixel = pixel
        flat = pixel[0] * COLUMNS + pixel[1]
        model = factors["scores"][:, flat] @ factors["spectra"] * factors["heights"][flat]
        np.testing.assert_allclose(model, state.model(), rtol=1e-4, atol=1e-4)
    assert not factors["heights"].reshape(ROWS, COLUMNS)[2].any()


def test_flipping_turns_spectrum_and_map_together_and_leaves_the_model(state):
    model, spectrum, one = state.model(), state.components[1], state.maps[1]
    state.flip(1)
    np.testing.assert_array_equal(state.components[1], -spectrum)
    np.testing.assert_array_equal(state.maps[1], -one)
    np.testing.assert_allclose(state.model(), model)
    state.flip(1)
    np.testing.assert_array_equal(state.components[1], spectrum)


def test_moving_changes_the_list_and_not_the_numbers(state):
    state.component = 2
    state.move(-1)
    assert state.order == [0, 2, 1]
    state.move(-5)
    assert state.order == [2, 0, 1]
    assert state.component == 2
    state.hide(0)
    assert state.shown == [2, 1]
    state.hide(0, hidden=False)
    assert state.shown == [2, 0, 1]


def test_result_has_the_chosen_names_order_and_signs(state, nmf):
    state.component = 2
    state.move(-2)
    state.rename("glass")
    state.flip()
    state.hide(1)
    result = state.result()
    assert result.names == ["glass", "component 0", "component 1"]
    assert (result.order, result.signs, result.hidden) == ([2, 0, 1], [-1, 1, 1], ["component 1"])
    np.testing.assert_array_equal(result.components[0], -nmf.components_[2])
    assert result.maps.shape == (ROWS, COLUMNS, 3)
    assert result.record is nmf.record_


# code


def run(code, **names):
    """Run code, and return what it leaves."""
    exec(code, names)
    return names


def browsed(state):
    """Say something of everything."""
    for name in list(state.regions.regions):  # of another test on the same data
        state.regions.remove(name)
    state.component = state.n_components - 1
    state.move(-1)
    state.rename("it's")
    state.flip()
    state.region = CORNER
    state.keep_region("upper right")
    state.scatter = (1, 0)
    state.scatter_region = {"kind": "rectangle", "points": [[30, 0], [N_BINS, N_BINS]]}
    state.keep_region("one component")
    state.flip(0)  # the region stays where it was drawn
    return state


def assert_code_makes(state, **names):
    made, result = run(state.to_code(), **names), state.result()
    np.testing.assert_array_equal(made["components"], result.components)
    np.testing.assert_array_equal(made["maps"], result.maps)
    assert made["names"] == result.names
    assert set(made.get("regions", {})) == set(result.regions)
    for name, mask in result.regions.items():
        assert mask.any()
        np.testing.assert_array_equal(made["regions"][name], mask)


def test_code_makes_the_result_of_an_estimator_bit_for_bit():
    image = em.datasets.load("six_compounds", shape=(16, 12)).image
    assert "em.NMF(" in browsed(BrowserState(em.NMF(3, random_state=0).fit(image), image)).to_code()
    state = browsed(BrowserState(em.decompose(image, em.NMF(3, random_state=0))))
    assert_code_makes(state, **({} if "load(" in image.code else {"scene": None, "image": image}))


IN_A_FRESH_PROCESS = """
import pickle, sys
import numpy as np
with open(sys.argv[1], "rb") as file:
    names = pickle.load(file)
code = names.pop("code")
exec(code, names)
kept = {name: names[name] for name in ("components", "maps", "names", "regions")}
with open(sys.argv[1], "wb") as file:
    pickle.dump(kept, file)
"""


def made_of(kind, image):
    """A result of some kind in its browser, and what the code of it must be given."""
    counts = {"counts": image.counts, "axis": image.axis, "mask": image.mask}
    if kind == "estimator":
        return BrowserState(em.NMF(3, random_state=0).fit(image), image), counts
    if kind == "decomposition":
        return BrowserState(em.decompose(image, em.PCA(3))), counts
    if kind == "bootstrap":
        return BrowserState(em.bootstrap(em.PCA(2).fit(image), image, n_draws=4), image), counts
    if kind == "scikit-learn":
        estimator = decomposition.PCA(2, random_state=0).fit(image.spectra)
        return BrowserState(estimator, image), {**counts, "estimator": estimator}
    if kind == "HyperSpy":
        signal = pytest.importorskip("hyperspy.api").signals.Signal1D(image.counts.astype(float))
        signal.decomposition(output_dimension=3, print_info=False)
        return BrowserState(signal), {"signal": signal}
    arrays = (np.eye(2, N_CHANNELS), np.random.default_rng(0).random((ROWS, COLUMNS, 2)))
    return BrowserState(arrays), {"components": arrays[0], "maps": arrays[1]}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(
    "kind", ["estimator", "decomposition", "bootstrap", "scikit-learn", "HyperSpy", "arrays"]
)
def test_code_makes_the_same_in_a_fresh_process_bit_for_bit(image, kind, tmp_path):
    state, given = made_of(kind, image)
    browsed(state)
    state.scatter_region = {"kind": "rectangle", "points": [[0, 0], [60, 95]]}
    path, before = tmp_path / "given.pickle", ""
    if kind == "HyperSpy":  # signals come back from files
        given.pop("signal").save(tmp_path / "signal.hspy")
        before = f"import hyperspy.api as hs\nsignal = hs.load(r'{tmp_path / 'signal.hspy'}')\n"
    path.write_bytes(pickle.dumps({**given, "code": before + state.to_code()}))
    subprocess.run([sys.executable, "-c", IN_A_FRESH_PROCESS, path], check=True)
    made, result = pickle.loads(path.read_bytes()), state.result()
    np.testing.assert_array_equal(made["components"], result.components)
    np.testing.assert_array_equal(made["maps"], result.maps)
    assert made["names"] == result.names
    assert list(made["regions"]) == ["upper right", "one component", "drawn"]
    for name, mask in result.regions.items():
        assert mask.any()
        np.testing.assert_array_equal(made["regions"][name], mask)


def test_code_names_what_only_its_owner_can_make(image):
    estimator = decomposition.PCA(2, random_state=0).fit(image.spectra)
    names = {"counts": image.counts, "axis": image.axis, "mask": image.mask}
    assert_code_makes(browsed(BrowserState(estimator, image)), estimator=estimator, **names)
    arrays = (np.eye(3, 5), np.random.default_rng(0).random((6, 9, 3)))
    state = browsed(BrowserState(arrays))
    assert_code_makes(state, components=arrays[0], maps=arrays[1])


def test_code_of_an_estimator_that_was_fitted_elsewhere_asks_for_it(nmf, image):
    other = em.SpectrumImage(image.counts[::2], image.axis)
    code = BrowserState(nmf, other).to_code()
    assert "# estimator: your fitted NMF" in code
    assert "em.NMF(" not in code


# other results


def test_estimators_of_scikit_learn_bring_their_mean(image):
    pca = decomposition.PCA(3, whiten=True, random_state=0).fit(image.spectra)
    state = BrowserState(pca, image)
    expected = pca.inverse_transform(pca.transform(image.spectra))
    state.pixel = (7, 5)
    np.testing.assert_allclose(state.model(), expected[image.pixel_row(7, 5)])
    nmf = decomposition.NMF(2, init="nndsvda", max_iter=500).fit(image.spectra)
    np.testing.assert_allclose(BrowserState(nmf, image).components, nmf.components_)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_hyperspy_signal_brings_its_decomposition_and_its_masks():
    hs = pytest.importorskip("hyperspy.api")
    rng = np.random.default_rng(0)
    counts = rng.poisson(30.0, size=(7, 6, 20)).astype(float)
    signal = hs.signals.Signal1D(counts)
    mask = np.zeros((7, 6), dtype=bool)
    mask[1, 2:] = True
    hidden = hs.signals.BaseSignal(mask).T
    signal.decomposition(navigation_mask=hidden, output_dimension=3, print_info=False)
    state = BrowserState(signal)
    assert state.n_components == 3
    assert state.shape == (7, 6)
    assert np.isnan(state.maps[:, 1, 2:]).all()
    loadings = signal.get_decomposition_loadings().data  # (3, 7, 6)
    np.testing.assert_allclose(state.maps[:, ~mask], loadings[:, ~mask])
    np.testing.assert_allclose(state.components, signal.get_decomposition_factors().data[:3])
    assert_code_makes(state, signal=signal)


def test_a_signal_of_renamed_results_is_read_too(image):
    class Learnt:
        components = np.arange(12.0).reshape(4, 3)
        scores = np.arange(18.0).reshape(6, 3)

    class Signal:
        learning_results = Learnt()

    small = em.SpectrumImage(np.ones((2, 3, 4)))
    state = BrowserState(Signal(), small)
    np.testing.assert_array_equal(state.components, Learnt.components.T)
    np.testing.assert_array_equal(state.maps[:, 1, 2], Learnt.scores[5])


@pytest.mark.parametrize("is_decomposed", [False, True])
def test_intervals_of_a_posterior_are_bands(is_decomposed):
    image = em.datasets.load("mixture", shape=(6, 6), dose=20).image
    model = em.BayesianUnmixing(2, n_samples=200, n_burn=100)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(image)
        result = em.decompose(image, model) if is_decomposed else model
        state = BrowserState(result, image)
    np.testing.assert_array_equal(state.bands, model.components_interval_)
    state.flip(1)
    np.testing.assert_array_equal(state.bands[0][1], -model.components_interval_[1, 1])


def test_a_bootstrap_brings_bands_and_errors():
    image = em.datasets.load("six_compounds", shape=(16, 12)).image
    found = em.bootstrap(em.PCA(2).fit(image), image, n_draws=4)
    state = BrowserState(found, image)
    low, high = state.bands
    np.testing.assert_array_equal(low, found.components_low)
    state.flip(0)
    low, high = state.bands
    np.testing.assert_array_equal(low[0], -found.components_high[0])
    assert (low <= state.components).all()
    assert (state.components <= high).all()
    state.region = CORNER
    amounts = state.region_amounts()
    rows = [image.pixel_row(r, c) for r in range(3) for c in (6, 7, 8)]
    expected = np.sqrt((found.abundances_stderr[rows, 0] ** 2).mean())
    assert amounts[0].pixel_error == pytest.approx(expected)
    assert_code_makes(state, image=image)


def test_more_components_than_can_be_told_apart_are_cut_and_told_of(image):
    state = BrowserState(em.PCA(20).fit(image), image)
    assert state.n_components == MOST
    assert f"first {MOST} of 20" in state.message
    assert_code_makes(state, counts=image.counts, axis=image.axis, mask=image.mask)


def test_a_scene_stands_for_its_image_here_and_for_its_regions():
    scene = em.datasets.load("mixture")
    state = BrowserState(em.PCA(2).fit(scene.image), scene)
    assert state.image is scene.image
    assert state.regions is regions_of(scene) is regions_of(scene.image)


def test_one_component_of_a_tiny_map_is_a_result():
    for shape in [(1, 2, 8), (4, 1, 2)]:
        counts = np.random.default_rng(0).poisson(9.0, size=shape) + 1
        state = BrowserState(em.NMF(1, random_state=0).fit(counts.reshape(-1, shape[2])), counts)
        state.region = {"kind": "rectangle", "points": [[0, 0], [0, 0]]}
        assert state.model().shape == (shape[2],)
        assert np.isnan(state.region_amounts()[0].error)
        np.testing.assert_array_equal(state.region_spectrum(), counts[0, 0])
        assert np.nansum(state.scatter_values()) == shape[0] * shape[1]


def test_a_line_scan_is_a_map_of_one_row():
    counts = np.random.default_rng(0).poisson(30.0, size=(40, 16))
    state = BrowserState(em.decompose(em.SpectrumImage(counts), em.NMF(2, random_state=0)))
    state.pixel = (0, 7)
    assert state.shape == (1, 40)
    np.testing.assert_array_equal(state.counts(), counts[7])
    state.region = {"kind": "rectangle", "points": [[0, 3], [0, 9]]}
    np.testing.assert_allclose(state.region_spectrum(), counts[3:10].mean(axis=0))
    assert_code_makes(state, counts=counts)


@pytest.mark.parametrize("kind", ["map", "scatter", "kept"])
def test_maps_of_a_line_keep_their_shape_in_the_result_and_in_its_code(kind):
    components, maps = np.eye(2, 9), np.random.default_rng(0).random((40, 2))
    state = BrowserState((components, maps))
    if kind == "scatter":
        state.scatter_region = {"kind": "rectangle", "points": [[0, 0], [60, 60]]}
    else:
        state.region = {"kind": "rectangle", "points": [[0, 3], [0, 9]]}
    if kind == "kept":
        state.keep_region("drawn")
    result = state.result()
    assert (result.maps.shape, result.regions["drawn"].shape) == ((40, 2), (40,))
    np.testing.assert_array_equal(result.maps, maps)
    assert_code_makes(state, components=components, maps=maps)
    assert int(state.csv_text("abundances").splitlines()[1].split(",")[1]) > 0


# two results


def test_partners_are_found_again_whatever_their_order_sign_and_height(image, nmf):
    components, maps = nmf.components_, np.moveaxis(BrowserState(nmf, image).maps, 0, -1)
    scale, order = np.array([2.0, -3.0, 0.5]), [2, 0, 1]
    other = ((components * scale[:, None])[order], (maps / scale)[..., order])
    state = BrowserState(nmf, image, beside=other)
    partners = state.partners()
    assert [p.number for p in partners] == [1, 2, 0]
    assert [p.sign for p in partners] == [1, -1, 1]
    assert max(p.angle for p in partners) < 1e-5
    assert min(p.correlation for p in partners) > 1 - 1e-9
    np.testing.assert_allclose(state.partner_spectra(), components)
    state.flip(1)
    assert state.partners()[1].sign == 1
    np.testing.assert_allclose(state.partner_maps()[1], state.maps[1] * 3 / 1 / 9, rtol=1e-9)


def test_a_result_of_fewer_components_leaves_some_without_partner(image, nmf):
    state = BrowserState(nmf, image, beside=em.PCA(1).fit(image))
    alone = [k for k, partner in enumerate(state.partners()) if partner is None]
    assert len(alone) == 2
    assert np.isnan(state.partner_maps()[alone]).all()
    assert [state.partner_spectra()[k] for k in alone] == [None, None]


# regions


def test_a_region_has_the_mean_of_its_visible_pixels(state, image):
    state.region = CORNER  # its third row is hidden
    inside = image.counts[:2, 6:9].reshape(-1, N_CHANNELS)
    np.testing.assert_allclose(state.region_spectrum(), inside.mean(axis=0))
    values = state.maps[:, :2, 6:9].reshape(3, -1)
    amounts = state.region_amounts()
    np.testing.assert_allclose([a.mean for a in amounts], values.mean(axis=1))
    np.testing.assert_allclose(
        [a.error for a in amounts], values.std(axis=1, ddof=1) / np.sqrt(values.shape[1])
    )
    assert np.isnan(amounts[0].pixel_error)
    np.testing.assert_allclose(state.region_model(), values.mean(axis=1) @ state.components)


def test_a_region_on_hidden_pixels_holds_nothing(state):
    state.region = {"kind": "rectangle", "points": [[2, 0], [2, 8]]}
    assert not state.selection().any()
    assert state.region_spectrum() is None
    assert state.region_amounts() == []


def test_map_and_scatter_select_each_other(state):
    state.region = CORNER
    rows, columns = scatter_bins(state.maps[0], state.maps[1])
    bins = state.scatter_selection()
    assert bins[rows[0, 7], columns[0, 7]]
    assert bins.sum() < N_BINS**2 / 4
    state.hovered = (5, 3)
    assert state.scatter_pixel() == (rows[5, 3], columns[5, 3])
    right = {"kind": "rectangle", "points": [[0, 48], [N_BINS - 1, N_BINS - 1]]}
    state.scatter_region = right
    assert state.region == {}
    first = state.maps[0]
    np.testing.assert_array_equal(state.selection(), first >= np.nanmax(first) / 2)
    state.region = CORNER
    assert state.scatter_region == {}


def test_the_scatter_has_its_second_component_upwards(state):
    density = state.scatter_values()
    assert np.nansum(density) == ROWS * COLUMNS - COLUMNS  # without the hidden row
    at = np.unravel_index(np.nanargmax(state.maps[1]), (ROWS, COLUMNS))
    state.pixel = tuple(map(int, at))
    assert state.scatter_pixel()[0] == 0  # the highest is on top


def test_flipping_a_component_lifts_what_was_drawn_on_its_scatter(state):
    state.scatter_region = {"kind": "rectangle", "points": [[0, 0], [9, 9]]}
    state.flip(0)
    assert state.selection() is None


# elements


def test_lines_and_edges_are_marked_where_the_axis_has_them(nmf, image, state):
    state.elements = ["Fe", "W", "Fe"]
    assert state.elements == ["Fe", "W"]
    labels = {marker.label: marker.position for marker in state.markers()}
    assert labels["Fe Kα"] == 6.4039
    assert "W Mα" in labels
    assert "W Kα" not in labels  # at 59 keV
    losses = em.SpectrumImage(image.counts, em.Axis.uniform(30, offset=400, scale=5, unit="eV"))
    edges = BrowserState(nmf, losses)
    edges.elements = ["Ti", "O"]
    assert {m.label: m.position for m in edges.markers()} == {"Ti L3": 456.0, "O K": 532.0}


@pytest.mark.parametrize(
    ("unit", "elements", "message"),
    [("keV", ["Xx"], "element is 'Xx'"), ("nm", ["Fe"], "cannot be marked on an axis in nm")],
)
def test_markers_that_cannot_be_are_refused(nmf, image, unit, elements, message):
    axis = em.Axis.uniform(30, offset=1, unit=unit)
    state = BrowserState(nmf, em.SpectrumImage(image.counts, axis))
    with pytest.raises(tl.TraitError, match=message):
        state.elements = elements
    assert state.elements == []


# hand-over


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_signals_are_those_of_the_decomposition_in_the_chosen_order(image, nmf):
    pytest.importorskip("hyperspy")
    state = BrowserState(nmf, image)
    state.component = 2
    state.move(-2)
    state.rename("glass")
    state.hide(1)
    ours, theirs = state.to_hyperspy(), em.decompose(image, nmf).to_hyperspy()
    np.testing.assert_allclose(ours.components.data, theirs.components.data[[2, 0]])
    np.testing.assert_allclose(ours.maps.data, theirs.maps.data[[2, 0]])
    assert ours.components.metadata.General.notes == "Components: glass; component 0"
    assert ours.components.axes_manager[-1].scale == pytest.approx(7 / 29)


# settings and files


def test_settings_come_back_in_another_browser(state, nmf, image):
    browsed(state)
    state.hide(0)
    state.elements, state.view, state.heights, state.pixel = ["Fe"], "all", "equal", (4, 4)
    state.scatter_region = {"kind": "rectangle", "points": [[0, 0], [50, 95]]}
    kept = json.loads(json.dumps(state.settings()))
    other = BrowserState(nmf, em.SpectrumImage(image.counts.copy(), image.axis, mask=image.mask))
    other.restore(kept)
    assert other.settings() == state.settings()
    ours, theirs = state.result(), other.result()
    np.testing.assert_array_equal(ours.maps, theirs.maps)
    assert list(ours.regions) == list(theirs.regions) == ["upper right", "one component", "drawn"]
    for name, mask in ours.regions.items():
        np.testing.assert_array_equal(mask, theirs.regions[name])


def with_regions(regions):
    return {"names": ["a", "b", "c"], "regions": regions}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"names": ["a", "b", "c"], "colour": 1}, r"settings hold \['colour'\]"),
        ({"names": ["a", "b", "c"], "component": 7}, "component is 7"),
        ({"names": ["a", "b", "c"], "order": [0, 0, 1]}, "name every component once"),
        ({"names": ["a", "b", "c"], "pixel": 5}, "not iterable"),
        ({"names": ["a", "b", "c"], "region": {"kind": "circle"}}, "has the kind 'circle'"),
        (with_regions({"regions": {"bad": {"kind": "line", "points": [[0, 0]]}}}), "at least 2"),
        (with_regions({"regions": {"bad": {"kind": "mask"}}}), "holds no mask"),
        (with_regions({"regions": {"": CORNER}}), "name of the region is empty"),
        (with_regions({"regions": {"a": CORNER}, "chosen": "b"}), "no region 'b'"),
        (with_regions({"regions": {}, "lines": ["Qq_Ka"]}), "element is 'Qq'"),
    ],
)
def test_settings_that_are_none_change_nothing(state, settings, message):
    before = state.settings()
    state.region = CORNER
    state.keep_region("first")
    before = state.settings()
    with pytest.raises((ValueError, TypeError, tl.TraitError), match=message):
        state.restore(settings)
    assert state.settings() == before


def keep_mask(state):
    state.regions.keep("mask", np.eye(ROWS, COLUMNS, dtype=bool))
    state.regions.chosen = "mask"


def keep_and_let_go(state):
    state.region = CORNER
    state.keep_region("one")
    state.regions.chosen = ""


def draw_beside_one_called_drawn(state):
    state.region = CORNER
    state.keep_region("drawn")
    state.region = LOWER


STATES = {
    "nothing": lambda state: None,
    "drawn": lambda state: state.set_trait("region", CORNER),
    "elsewhere": lambda state: state.set_trait("region", LOWER),
    "on the scatter": lambda state: state.set_trait("scatter_region", CORNER),
    "kept": lambda state: (state.set_trait("region", CORNER), state.keep_region("one")),
    "kept elsewhere": lambda state: (state.set_trait("region", LOWER), state.keep_region("one")),
    "kept mask": keep_mask,
    "let go": keep_and_let_go,
    "beside drawn": draw_beside_one_called_drawn,
    "much": browsed,
}


@pytest.mark.parametrize("after", STATES)
@pytest.mark.parametrize("before", STATES)
def test_settings_come_back_from_any_state(two_states, before, after):
    one, other = two_states
    STATES[after](one)
    STATES[before](other)
    kept = json.loads(json.dumps(one.settings()))
    other.restore(kept)
    assert other.settings() == one.settings() == kept
    other.restore(other.settings())
    assert other.settings() == kept
    for state in two_states:
        state.regions.chosen = ""  # what a kept region has put on the map goes with it
    assert other.settings() == one.settings()


def test_settings_are_not_the_state_itself(state):
    state.region = CORNER
    state.settings()["region"]["points"].clear()
    assert state.region["points"] == CORNER["points"]


def read_csv(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_spectra_of_the_shown_components_come_back_from_their_file(state, image, tmp_path):
    state.rename("glass, old", 2)
    state.order = [2, 0, 1]
    state.flip(2)
    state.hide(0)
    rows = read_csv(state.to_csv(tmp_path / "components.csv"))
    assert list(rows[0]) == [image.signal_axis.label(), "glass, old", "component 1"]
    np.testing.assert_array_equal(
        [[float(cell) for cell in row.values()] for row in rows],
        np.column_stack([image.axis, state.components[2], state.components[1]]),
    )


def test_bands_go_into_the_file_beside_their_spectra(image, tmp_path):
    found = em.bootstrap(em.PCA(2).fit(image), image, n_draws=4)
    state = BrowserState(found, image)
    rows = read_csv(state.to_csv(tmp_path / "components.csv"))
    np.testing.assert_array_equal(
        [float(row["component 1, low end"]) for row in rows], found.components_low[1]
    )
    state.region = CORNER
    (row,) = read_csv(state.to_csv(tmp_path / "abundances.csv", "abundances"))
    drawn = float(row["error of a pixel of component 0, drawn"])
    assert drawn == state.region_amounts()[0].pixel_error


def test_abundances_of_all_regions_go_into_a_file_with_their_errors(state, tmp_path):
    browsed(state)
    state.region = {"kind": "rectangle", "points": [[2, 0], [2, 8]]}  # hidden pixels alone
    rows = read_csv(state.to_csv(tmp_path / "abundances.csv", "abundances"))
    assert [row["region"] for row in rows] == ["upper right", "one component", "drawn"]
    for row, mask in zip(rows, state.result().regions.values(), strict=True):
        assert int(row["pixels"]) == mask.sum()
    values = state.maps[1][state.result().regions["upper right"]]
    assert float(rows[0]["mean of component 1"]) == pytest.approx(values.mean(), rel=1e-12)
    error = values.std(ddof=1) / np.sqrt(values.size)
    assert float(rows[0]["error of the mean of component 1"]) == pytest.approx(error, rel=1e-12)
    assert rows[2]["mean of component 1"] == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a.txt",), "ends in '.txt'; let it end in .csv"),
        (("a.csv", "maps"), "what is 'maps'; choose one of"),
        (("a.csv", "abundances"), "there is no region; draw one"),
    ],
)
def test_files_that_cannot_be_are_refused_in_words(state, tmp_path, arguments, message):
    with pytest.raises(ValueError, match=message):
        state.to_csv(tmp_path / arguments[0], *arguments[1:])


# bad input


def test_a_result_of_one_channel_or_one_pixel_is_shown():
    one_channel = BrowserState((np.ones((2, 1)), np.random.default_rng(0).random((4, 5, 2))))
    one_pixel = BrowserState((np.eye(2, 9), np.ones((1, 1, 2))))
    one_map = BrowserState((np.ones((1, 9)), np.ones((3, 3, 1))))
    for state in (one_channel, one_pixel, one_map):
        state.region = {"kind": "rectangle", "points": [[0, 0], [0, 0]]}
        assert state.model().shape == state.axis.shape
        assert state.region_amounts()[0].mean == state.maps[0, 0, 0]
        assert np.isfinite(state.ends()).all()
        assert state.csv_text().count("\n") == state.axis.size + 1


def test_pixels_that_hold_nan_are_left_out_of_everything():
    maps = np.random.default_rng(0).random((6, 5, 2))
    maps[2, 3, 0] = np.nan
    state = BrowserState((np.eye(2, 9), maps))
    state.region = {"kind": "rectangle", "points": [[2, 2], [2, 4]]}
    assert state.selection().sum() == 2
    assert state.region_amounts()[0].mean == pytest.approx(np.nanmean(maps[2, 2:5, 0]))
    assert not state.factors()["heights"].reshape(6, 5)[2, 3]
    assert not state.result().regions["drawn"][2, 3]


# refusals


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"component": 3}, "component is 3; the components are numbered from 0 to 2"),
        ({"pixel": (0, 9)}, r"pixel \(0, 9\) lies outside the map"),
        ({"order": [0, 0, 1]}, "name every component once"),
        ({"names": ["a"]}, "names has 1 entries"),
        ({"signs": [1, 1, 2]}, "each is 1 or -1"),
        ({"scatter": (0, 5)}, "scatter is 5"),
        ({"hidden": [4]}, "hidden is 4"),
        ({"region": {"kind": "circle"}}, "region has the kind 'circle'"),
    ],
)
def test_a_setting_out_of_range_is_refused(state, settings, message):
    name, value = next(iter(settings.items()))
    before = getattr(state, name)
    with pytest.raises(tl.TraitError, match=message):
        setattr(state, name, value)
    assert getattr(state, name) == before


def test_empty_names_and_regions_are_refused(state):
    with pytest.raises(ValueError, match="name of component 0 is empty"):
        state.rename("  ")
    with pytest.raises(ValueError, match="no region is drawn"):
        state.keep_region("grain")
    state.region = CORNER
    with pytest.raises(ValueError, match="name of the region is empty"):
        state.keep_region("")


FOUR = em.PCA(2, weighting="none").fit(np.ones((9, 4)) + np.eye(9, 4))
ARRAYS = (np.eye(2, 30), np.ones((12, 9, 2)))


@pytest.mark.parametrize(
    ("result", "settings", "error", "message"),
    [
        (em.NMF(3), {}, NotFittedError, "result NMF is not fitted; call result.fit"),
        (
            em.PCA(2).fit(np.ones((9, 4)) + np.eye(9, 4)),
            {},
            ValueError,
            "has 4 channels but image has 30",
        ),
        (3, {}, TypeError, "result is 3; pass a fitted estimator"),
        ((np.ones(3), np.ones(3)), {}, ValueError, r"arrays of shapes \(3,\)"),
        ((np.eye(2, 30), np.ones((4, 9, 2))), {}, ValueError, r"maps of shape \(4, 9\) but image"),
        ((np.eye(2, 9), np.ones((12, 9, 2))), {}, ValueError, "has 9 channels"),
        (ARRAYS[:1], {}, ValueError, "result is a tuple of 1"),
        ((ARRAYS[0], np.nan * ARRAYS[1]), {}, ValueError, "has no pixel that is finite"),
        ((np.nan * ARRAYS[0], ARRAYS[1]), {}, ValueError, "no finite channel in component 0"),
        (ARRAYS, {"beside": (ARRAYS[0], np.nan * ARRAYS[1])}, ValueError, "beside has no pixel"),
        (ARRAYS, {"beside": em.NMF(2)}, NotFittedError, "beside NMF is not fitted"),
        (ARRAYS, {"beside": "PCA"}, TypeError, "beside is 'PCA'"),
        (ARRAYS, {"colour": 1}, TypeError, "colour"),
    ],
)
def test_bad_input_is_refused_before_any_work(image, result, settings, error, message):
    with pytest.raises(error, match=message):
        BrowserState(result, image, **settings)


def test_an_estimator_without_its_image_is_refused(nmf):
    with pytest.raises(ValueError, match="image is missing: NMF does not hold its counts"):
        BrowserState(nmf)
    with pytest.raises(ValueError, match="image has 3 navigation axes"):
        BrowserState(nmf, np.ones((2, 2, 2, 30)))
