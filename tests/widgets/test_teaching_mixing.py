"""A mixture at several doses: its counts against theory, and what the page shows of them."""

import ipywidgets as ipw
import numpy as np
import pytest

import endmember as em
from endmember.widgets.pages import page_text
from endmember.widgets.teaching.mixing_state import Mixing

SHAPE = (12, 14)


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("mixture", shape=SHAPE)


def test_parts_add_up_to_what_is_expected(scene):
    state = Mixing(scene)
    expected = scene.expected / scene.expected.sum(axis=1).mean()
    np.testing.assert_allclose(state.model, expected)
    np.testing.assert_allclose(state.parts.sum(axis=1), expected)
    assert state.model.sum(axis=1).mean() == pytest.approx(1)


@pytest.mark.parametrize("step", range(5))
def test_every_recording_is_poisson_about_the_model(scene, step):
    state = Mixing(scene, seed=3)
    expected = state.doses[step] * state.model
    misfit = (state.counts[step] - expected) / np.sqrt(expected)
    n_numbers = misfit.size
    # the mean of squares is 1; their variance is 2 + 1 / expectation
    spread = np.sqrt((2 + 1 / expected).sum()) / n_numbers
    assert abs((misfit**2).mean() - 1) < 4 * spread
    assert abs(misfit.mean()) < 4 / np.sqrt(n_numbers)


def test_a_recording_goes_on_where_the_one_before_it_stopped(scene):
    counts = Mixing(scene).counts
    assert (np.diff(counts, axis=0) >= 0).all()
    assert (Mixing(scene, seed=1).counts != counts).any()
    np.testing.assert_array_equal(Mixing(scene, seed=0).counts, counts)


def test_windows_of_channels_add_up_to_the_whole(scene):
    wide = em.datasets.load("mixture", shape=(4, 5), n_channels=150)
    for state in (Mixing(scene), Mixing(wide)):
        n_windows = len(state.windows)
        assert n_windows <= 65
        maps = [state.map(2, k) for k in range(n_windows)]
        np.testing.assert_array_equal(np.sum(maps[1:], axis=0), maps[0])
        np.testing.assert_array_equal(maps[0].ravel(), state.counts[2].sum(axis=1))
    assert Mixing(wide).window_name(0) == "all channels"
    assert Mixing(wide).window_name(2) == "channel 3 to 5"


def test_moving_controls_moves_all_that_is_shown(scene):
    explorer = em.teaching.MixingExplorer(scene)
    state, steps, plot = explorer.state, explorer.steps, explorer.plot
    for step, window, pixel in [(0, 0, (0, 0)), (4, 17, (11, 13)), (2, 64, (3, 8))]:
        explorer.dose.index, explorer.channels.index = step, window
        explorer.map.pixel = pixel
        at = scene.image.pixel_row(*pixel)
        shown = np.frombuffer(steps.shown(explorer.map, "values"), np.float32)
        np.testing.assert_array_equal(shown.reshape(SHAPE), state.map(step, window))
        counts = steps.shown(plot.counts, "y")
        np.testing.assert_array_equal(counts, state.counts[step, at])
        # both curves stand on one axis: the model is in counts at a dose of one
        ratio = steps.shown(plot.counts.scales["y"], "max") / steps.shown(
            plot.model.scales["y"], "max"
        )
        assert ratio == pytest.approx(state.doses[step])
        assert counts.max() <= steps.shown(plot.counts.scales["y"], "max")
        np.testing.assert_allclose(steps.shown(plot.model, "y"), state.model[at], rtol=1e-3)
        np.testing.assert_allclose(steps.shown(plot.parts, "y"), state.parts[at], rtol=1e-3)
        assert steps.shown(plot.window, "visible") == (window > 0)
        words = steps.shown(explorer.words, "value")
        assert f"counts: {counts.sum():,.0f} in this pixel" in words
        assert f"{scene.abundances[at, 2]:.2f} × " in words


def test_hidden_names_do_not_become_markup(scene):
    named = em.datasets.load("mixture", shape=(2, 2))
    named.names = ("<b>a</b>", "b", "c")
    explorer = em.teaching.MixingExplorer(named)
    assert "&lt;b&gt;a&lt;/b&gt;" in explorer.words.value


def test_it_works_with_other_small_scenes_and_fits_a_page():
    scene = em.datasets.load("kinetic_series", shape=(16, 16), n_frames=40)
    before = scene.image.counts.copy()
    explorer = em.teaching.MixingExplorer(scene, doses=(20, 2000))
    assert isinstance(explorer, ipw.VBox)
    np.testing.assert_array_equal(scene.image.counts, before)
    assert "spectrum 1" not in explorer.words.value or not scene.names
    assert page_text(explorer, title="series")


@pytest.mark.parametrize(
    ("name", "settings", "more", "error", "message"),
    [
        ("hrtem_110", {"shape": (64, 64)}, {}, ValueError, "has no endmembers and abundances"),
        ("mixture", {"shape": (90, 90)}, {}, ValueError, "Load it with a smaller shape"),
        ("mixture", {}, {"doses": (10, 5)}, ValueError, "give rising numbers"),
        ("mixture", {}, {"doses": (0, 5)}, ValueError, "give rising numbers"),
        ("mixture", {}, {"seed": "a"}, (TypeError, ValueError), "seed"),
    ],
)
def test_what_does_not_fit_is_refused(name, settings, more, error, message):
    with pytest.raises(error, match=message):
        em.teaching.MixingExplorer(em.datasets.load(name, **settings), **more)


def test_an_image_without_its_truth_is_refused(scene):
    with pytest.raises(TypeError, match=r"scene is SpectrumImage; pass what em\.datasets\.load"):
        em.teaching.MixingExplorer(scene.image)
