"""The search for the largest triangle: against geometry and brute force, and what its page says."""

from itertools import combinations

import ipywidgets as ipw
import numpy as np
import pytest
import traitlets as tl
from hypothesis import given
from hypothesis import strategies as st

import endmember as em
from endmember.widgets.teaching.play import PlayButton
from endmember.widgets.teaching.simplex_state import (
    NOTHING,
    OTHERS,
    SimplexState,
    simplex_volume,
    swap_if_larger,
)

SEEDS = st.integers(0, 2**32 - 1)
SMALL = {"purities": (1.0, 0.8, 0.6), "shape": (14, 14)}


@pytest.fixture(scope="module")
def player():
    return em.teaching.SimplexPlayer(**SMALL)


@pytest.fixture
def state(player):
    player.purity.value, player.outliers.value = 1.0, False
    player.step.value, player.compared.value = 0, NOTHING
    return player.state


# the volume


@given(seed=SEEDS, n_corners=st.integers(2, 6))
def test_the_volume_is_that_of_the_edges_and_stays_when_all_is_moved(seed, n_corners):
    """Gram's determinant of the edges, in a frame that knows no row of ones."""
    rng = np.random.default_rng(seed)
    corners = rng.normal(size=(n_corners, n_corners - 1))
    edges = corners[1:] - corners[0]
    expected = np.sqrt(np.linalg.det(edges @ edges.T)) / np.prod(np.arange(1, n_corners))
    assert simplex_volume(corners) == pytest.approx(expected, rel=1e-6, abs=1e-12)
    moved = corners + rng.normal(size=n_corners - 1)
    assert simplex_volume(moved) == pytest.approx(expected, rel=1e-6, abs=1e-12)


def test_spectra_that_are_not_projected_have_no_volume():
    with pytest.raises(ValueError, match=r"shape \(3, 64\); n corners need n - 1 coordinates"):
        simplex_volume(np.zeros((3, 64)))


# the search


@given(seed=SEEDS)
def test_every_swap_changes_one_corner_and_grows_and_none_is_left_to_make(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(30, 2))
    steps = swap_if_larger(points, [0, 1, 2], rng.permutation(30))
    volumes = [simplex_volume(points[corners]) for corners in steps]
    assert (np.diff(volumes) > 0).all()
    assert ((steps[1:] != steps[:-1]).sum(axis=1) == 1).all()
    for pixel in range(30):
        for k in range(3):
            tried = steps[-1].copy()
            tried[k] = pixel
            assert simplex_volume(points[tried]) <= volumes[-1] * (1 + 1e-6)


@given(seed=SEEDS)
def test_the_largest_triangle_is_found_from_some_start(seed):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(12, 2))
    largest = max(simplex_volume(points[list(three)]) for three in combinations(range(12), 3))
    starts = [rng.permutation(12) for _ in range(20)]
    found = [swap_if_larger(points, order[:3], order)[-1] for order in starts]
    assert max(simplex_volume(points[c]) for c in found) == pytest.approx(largest, rel=1e-9)


# the clouds


def test_the_plane_holds_all_that_three_spectra_spread_in(state):
    """Endmembers come back from their places, but for what noise has turned the plane by."""
    back = state.spectra_at(state.endmembers)
    assert em.metrics.spectral_angle(back, state.truth.endmembers).max() < 3.0
    centre = state.place(state.truth.image.spectra).mean(axis=0)
    np.testing.assert_allclose(centre, 0.0, atol=1e-9)


def test_the_search_ends_where_nfindr_does_while_pixels_are_pure(state):
    state.step = state.n_steps
    assert state.volume() == pytest.approx(
        simplex_volume(state.place(state.found("NFINDR"))) / simplex_volume(state.endmembers),
        rel=0.1,
    )
    assert state.angle() < 5.0
    assert all(state.truth.abundances.reshape(14, 14, 3)[c].max() > 0.95 for c in state.corners())


def test_without_pure_pixels_only_minimum_volume_is_right_and_below_two_thirds_none(state):
    state.purity = 0.8
    state.step = state.n_steps
    assert state.volume() < 0.8
    assert min(state.angle(), state.angle_of("NFINDR"), state.angle_of("VCA")) > 8
    assert state.angle_of("MinimumVolume") < 5
    state.purity = 0.6
    assert min(state.angle_of(name) for name in OTHERS) > 20


def test_spikes_blow_up_what_holds_every_pixel_and_not_what_lets_some_go(state):
    state.outliers = True
    clean, spiked = (state.search(outliers=o).image.spectra for o in (False, True))
    changed = (clean != spiked).any(axis=1).sum()
    assert changed == state.n_outliers
    assert state.angle_of("MinimumVolume(outside=0)") > 10
    assert state.angle_of("NFINDR") > state.angle_of("NFINDR", outliers=False)


def test_what_others_find_is_what_the_package_finds(state):
    scene = em.datasets.load("mixture", shape=(14, 14), dose=2000.0, purity=0.8)
    mine = em.MinimumVolume(3).fit(scene.image.spectra)
    np.testing.assert_array_equal(state.found("MinimumVolume", 0.8), mine.components_)
    angle = scene.score(endmembers=mine.components_).angles.max()
    assert state.angle_of("MinimumVolume", 0.8) == pytest.approx(angle)


def test_the_map_shows_three_corners_and_words_name_the_swap(state):
    state.step = 1
    labels = state.labels()
    assert sorted(zip(*map(list, np.nonzero(labels == 3)), strict=True)) == sorted(state.corners())
    before = set(state.corners(step=0))
    (new,), (old,) = set(state.corners()) - before, before - set(state.corners())
    assert f"pixel {new} takes the place of {old}" in state.words()
    assert f"{state.volume():.0%}" in state.words()
    assert "by chance" in state.words(step=0)
    assert "No pixel makes the triangle larger" in state.words(step=state.n_steps + 1)


# the view


def test_a_button_plays_a_slider_of_whole_numbers_alone():
    with pytest.raises(TypeError, match="slider is Label; pass an IntSlider"):
        PlayButton(ipw.Label())
    with pytest.raises(tl.TraitError, match="interval"):
        PlayButton(ipw.IntSlider(), interval=0)


def test_controls_and_state_follow_each_other(player, state):
    player.purity.value = 0.8
    player.outliers.value = True
    player.compared.value = "VCA"
    player.step.value = 2
    assert (state.purity, state.outliers, state.compared, state.step) == (0.8, True, "VCA", 2)
    state.purity, state.step = 0.6, 1
    assert (player.purity.value, player.step.value) == (0.6, 1)
    assert player.play.slider is player.step
    assert player.step.max == state.n_steps


@pytest.mark.parametrize(("purity", "outliers", "step"), [(1.0, False, 0), (0.8, True, 3)])
def test_the_page_is_told_what_the_state_says(player, state, purity, outliers, step):
    state.purity, state.outliers, state.step = purity, outliers, step
    shown, search = player.steps.shown, state.search()
    x, y = (shown(player.cloud.pixels, name) for name in "xy")
    np.testing.assert_allclose(np.transpose([x, y]), search.points, rtol=1e-3, atol=0.1)
    held = np.transpose([shown(player.cloud.held, name) for name in "xy"])
    np.testing.assert_array_equal(held[0], held[-1])
    area = simplex_volume(held[:3]) / simplex_volume(state.endmembers)
    assert area == pytest.approx(state.volume(), abs=0.01)
    assert shown(player.trace.present, "y")[0] == pytest.approx(100 * state.volume(), rel=1e-3)
    assert shown(player.trace.present, "x")[0] == step
    assert shown(player.words, "value") == state.words()
    labels = np.frombuffer(shown(player.map, "labels"), np.uint8).reshape(14, 14)
    np.testing.assert_array_equal(labels, state.labels())


def test_another_triangle_is_shown_only_where_one_is_asked_for(player, state):
    assert not player.steps.shown(player.cloud.compared, "visible")
    assert player.steps.shown(player.others, "value") == ""
    state.compared = "MinimumVolume"
    assert player.steps.shown(player.cloud.compared, "visible")
    drawn = np.transpose([player.steps.shown(player.cloud.compared, name) for name in "xy"])
    np.testing.assert_allclose(
        drawn[:3], state.place(state.found("MinimumVolume")), rtol=1e-3, atol=0.1
    )
    assert f"{state.angle_of('MinimumVolume'):.1f}°" in player.steps.shown(player.others, "value")


def test_a_pixel_of_the_map_is_ringed_in_the_cloud(player, state):
    player.map.pixel = (3, 9)
    ring = [player.steps.shown(player.cloud.pointed, name)[0] for name in "xy"]
    np.testing.assert_allclose(ring, state.search().points[3 * 14 + 9], rtol=1e-3, atol=0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"purities": (1.0,)}, r"purities are \[1.0\]; give two or more"),
        ({"purities": (0.8, 1.0)}, "the largest first"),
        ({"purities": (1.0, 0.3)}, "purity is 0.3; expected a number from 0.5"),
        ({"shape": (4, 4)}, r"shape is \(4, 4\), 16 pixels; a page shows from 64 to 4096"),
        ({"dose": -1}, "dose is -1"),
        ({"n_outliers": 0}, "n_outliers is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"start": 1.5}, "seed is 1.5"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        SimplexState(**settings)


def test_a_purity_that_was_not_made_is_refused(state):
    with pytest.raises(tl.TraitError, match=r"purity is 0.7; choose one of \[1.0, 0.8, 0.6\]"):
        state.purity = 0.7
