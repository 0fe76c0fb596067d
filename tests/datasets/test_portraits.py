"""Portraits: sources that ICA can find, edges where the tables have them, drift that is drift."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kurtosis
from sklearn.decomposition import FastICA
from sklearn.utils.extmath import randomized_svd

import endmember as em
from endmember.core.metrics import amari_index, correlation, match_components, spectral_angle
from endmember.datasets.simulators.portraits import draw_portraits

load = em.datasets.load


def unlikeness(found, true):
    return 1 - np.abs(correlation(found, true))


def separate(mixtures):
    """Four sources of ``(n_mixtures, n_pixels)`` by SVD and then ICA, the best of three starts."""
    centred = mixtures - mixtures.mean(axis=1, keepdims=True)
    left, values, right = randomized_svd(centred, 4, random_state=0)
    scores = values[:, None] * right  # FastICA whitens by itself, and fails where all is white
    starts = [FastICA(4, whiten="unit-variance", max_iter=1000, random_state=s) for s in range(3)]
    tries = [(ica.fit_transform(scores.T).T, ica.components_) for ica in starts]
    # A start in sixty stops short: the right sources are the least Gaussian, without any truth.
    sources, rotation = max(tries, key=lambda found: (kurtosis(found[0], axis=1) ** 2).sum())
    return sources, rotation @ left.T


def likeness(mixtures, portraits):
    """The least absolute correlation of a portrait with the source that stands for it."""
    sources, _ = separate(mixtures)
    return 1 - match_components(sources, portraits, measure=unlikeness).cost.max()


def rank(matrix):
    values = np.linalg.svd(matrix, compute_uv=False)
    return int((values > 1e-9 * values[0]).sum())


# portraits


def test_no_two_portraits_are_alike():
    alike = np.corrcoef(draw_portraits((64, 64)).reshape(4, -1))
    assert np.abs(alike[~np.eye(4, dtype=bool)]).max() < 0.005


@pytest.mark.parametrize("shape", [(64, 64), (134, 134), (1, 1), (3, 90)])
def test_portraits_are_black_to_white_at_any_size(shape):
    portraits = draw_portraits(shape)
    assert portraits.shape == (4, *shape)
    assert portraits.min() > 0.04
    assert portraits.max() < 1


@pytest.mark.parametrize("seed", range(4))
def test_ica_undoes_a_square_mixture_without_noise(seed):
    """As the lecture shows: |corr| > 0.99, up to sign and order."""
    scene = load("portraits", n_mixtures=4, seed=seed)
    assert likeness(scene.expected, scene.endmembers) > 0.99
    _, unmixing = separate(scene.expected)
    assert amari_index(unmixing, scene.abundances) < 0.05  # 1 where nothing is separated


def test_four_noisy_mixtures_do_not_and_a_thousand_do():
    few, many = load("portraits", n_mixtures=4), load("portraits")
    assert likeness(few.image.counts.astype(float), few.endmembers) < 0.6
    assert likeness(many.image.counts.astype(float), many.endmembers) > 0.98


@pytest.mark.slow
def test_ten_thousand_mixtures_separate_where_a_thousand_do_not():
    """The lecture's 10,000 × (64 × 64), at a count in two pixels."""
    mixtures = {n: load("portraits", n_mixtures=n, dose=2000.0) for n in (1000, 10_000)}
    few, many = (likeness(s.image.counts.astype(float), s.endmembers) for s in mixtures.values())
    assert mixtures[10_000].image.shape == (10_000, 64 * 64)
    assert few < 0.93 < 0.97 < many


def test_error_falls_with_the_root_of_the_number_of_mixtures():
    """Known weights, least squares: the variance is that of the weights' Gram matrix."""

    def error(n_mixtures):
        scene = load("portraits", n_mixtures=n_mixtures, dose=5000.0)
        found = np.linalg.lstsq(scene.abundances, scene.image.counts.astype(float))[0]
        return np.sqrt(np.mean((found - scene.endmembers) ** 2))

    # 16,384 numbers make each error 1 % uncertain; the weights drawn, a few more
    assert error(250) / error(1000) == pytest.approx(2.0, rel=0.06)


def test_mixtures_have_the_rank_of_the_portraits_and_do_not_sum_to_one():
    scene = load("portraits", n_mixtures=50)
    assert rank(scene.expected) == 4
    assert rank(scene.expected - scene.expected.mean(axis=0)) == 4
    assert scene.abundances.sum(axis=1).std() > 0.1


def test_dose_is_the_mean_number_of_counts_in_a_mixture():
    scene = load("portraits", n_mixtures=2000, dose=800.0)
    totals = scene.image.counts.sum(axis=1)
    assert totals.mean() == pytest.approx(800, abs=5 * totals.std() / np.sqrt(2000))
    np.testing.assert_allclose(scene.endmembers.sum(axis=1), 800)


def test_portraits_are_the_endmembers_as_pictures():
    scene = load("portraits", n_mixtures=4)
    flat = scene.portraits.reshape(4, -1)
    np.testing.assert_allclose(spectral_angle(flat, scene.endmembers), 0, atol=1e-5)


# portrait edges


@pytest.mark.parametrize(("variant", "expected"), [("clean", 4), ("spikes", 4), ("background", 5)])
def test_rank_without_noise_is_the_number_of_components(variant, expected):
    scene = load("portrait_edges", shape=(24, 20), variant=variant)
    assert rank(scene.expected) == expected
    assert len(scene.names) == expected


def test_full_size_is_that_of_the_lecture():
    scene = load("portrait_edges", shape=(134, 134), dose=300.0)
    assert scene.image.shape == (134, 134, 1024)
    assert scene.image.nbytes < 30e6


@pytest.mark.parametrize(
    ("name", "onset"),  # eV: eXSpy's table
    [("C", 284.0), ("Ti", 456.0), ("Sr", 134.0), ("O", 532.0)],
)
def test_edges_begin_at_their_onsets(name, onset):
    scene = load("portrait_edges", shape=(8, 8))
    spectrum = scene.endmembers[scene.names.index(name)]
    first = scene.image.axis[np.argmax(spectrum > spectrum.max() / 3)]
    assert first == pytest.approx(onset, abs=2.0)  # the onset is 1.5 to 3 eV wide, as sigma
    assert spectrum[scene.image.axis < onset - 10].max(initial=0) < 0.02 * spectrum.max()


def test_strontium_hides_its_weaker_edges_just_below_carbon():
    scene = load("portrait_edges", shape=(8, 8))
    axis, strontium = scene.image.axis, scene.endmembers[2]
    step = strontium[(axis > 268) & (axis < 274)].max() / strontium[np.searchsorted(axis, 262)]
    assert step > 1.5


def test_every_element_gives_as_many_counts_on_average_and_no_pixel_is_pure():
    scene = load("portrait_edges")
    np.testing.assert_allclose(scene.endmembers.sum(axis=1), 500)
    np.testing.assert_allclose(scene.abundances.mean(axis=0), 1)
    purest = (scene.abundances / scene.abundances.sum(axis=1, keepdims=True)).max(axis=0)
    assert purest.min() > 0.6
    assert purest.max() < 0.75


def test_maps_are_the_portraits():
    scene = load("portrait_edges", shape=(40, 30))
    alike = correlation(scene.abundances.T, draw_portraits((40, 30)).reshape(4, -1))
    np.testing.assert_allclose(alike, 1)


def test_background_falls_as_the_third_power_and_takes_its_share():
    scene = load("portrait_edges", variant="background", dose=1000.0)
    background, axis = scene.endmembers[4], scene.image.axis
    slope = np.polyfit(np.log(axis), np.log(background), 1)[0]
    assert slope == pytest.approx(-3.0)
    np.testing.assert_allclose(scene.endmembers.sum(axis=1), [62.5] * 4 + [750.0])
    assert scene.abundances[:, 4].mean() == pytest.approx(1.0)


def test_drift_of_whole_channels_moves_the_spectrum_and_nothing_else():
    scene = load("portrait_edges", variant="drift", dose=1000.0)
    still = scene.abundances @ scene.endmembers
    drift = scene.drift.ravel()
    assert (scene.drift.min(), scene.drift.max()) == (-3.5, 3.5)
    for whole in (-3, 0, 2):
        there = drift == whole
        assert there.any()
        moved = np.roll(still[there], whole, axis=1)[:, 3:-3]
        np.testing.assert_allclose(scene.expected[there][:, 3:-3], moved, rtol=1e-6)  # float32


def test_drift_can_be_measured_from_the_counts():
    """By a fit of each row of the map with spectra moved by every drift that there is."""
    scene = load("portrait_edges", variant="drift", dose=20_000.0)
    rows = scene.image.counts.sum(axis=1, dtype=float)
    still = scene.abundances.reshape(64, 64, 4).sum(axis=1) @ scene.endmembers
    channels = np.arange(1024)
    steps = np.arange(-4, 4.01, 0.25)
    misfits = [
        [np.sum((rows[r] - np.interp(channels - step, channels, still[r])) ** 2) for step in steps]
        for r in range(64)
    ]
    found = steps[np.argmin(misfits, axis=1)]
    # half a step of the search, and the spread of the drift within a row
    np.testing.assert_allclose(found, scene.drift.mean(axis=1), atol=0.35)


def test_drift_is_slow_along_the_scan():
    drift = load("portrait_edges", variant="drift").drift.ravel()
    assert np.abs(np.diff(drift)).max() <= 0.125


def test_drift_makes_components_that_are_no_element():
    scene = load("portrait_edges", shape=(24, 24), variant="drift")
    values = np.linalg.svd(scene.expected.astype(float), compute_uv=False)
    assert values[4] > 0.2 * values[3]


def test_drifting_counts_are_poisson_about_the_drifting_spectra():
    scene = load("portrait_edges", variant="drift")
    expected = scene.expected.astype(float)
    counts = scene.image.counts.reshape(expected.shape)
    enough = expected > 0.05
    squares = (counts[enough] - expected[enough]) ** 2 / expected[enough]
    spread = np.sqrt((2 + 1 / expected[enough]).sum()) / enough.sum()
    assert squares.mean() == pytest.approx(1.0, abs=5 * spread)
    still = scene.abundances @ scene.endmembers
    wrong = (counts[enough] - still[enough]) ** 2 / still[enough]
    assert wrong.mean() > 1 + 20 * spread


def test_spikes_are_where_the_truth_says_and_nowhere_else():
    clean, spiky = load("portrait_edges"), load("portrait_edges", variant="spikes")
    rest = spiky.image.counts.astype(int)
    row, column, channel, counts = spiky.spikes.T
    assert len(spiky.spikes) == 64 * 64 // 100
    assert len(np.unique(row * 64 + column)) == len(spiky.spikes)
    rest[row, column, channel] -= counts
    np.testing.assert_array_equal(rest, clean.image.counts)
    assert counts.min() > 5 * clean.image.counts.max()


def test_counts_do_not_depend_on_how_the_work_is_divided(monkeypatch):
    whole = load("portrait_edges", shape=(20, 20), variant="drift").image.counts
    monkeypatch.setattr("endmember.datasets.simulators.portraits.BLOCK", 5000)
    parts = load("portrait_edges", shape=(20, 20), variant="drift").image.counts
    np.testing.assert_array_equal(parts, whole)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("portraits", {"n_mixtures": 1}, "n_mixtures is 1; expected a whole number from 2 to"),
        ("portraits", {"n_mixtures": 10_001}, "n_mixtures is 10001"),
        ("portraits", {"n_mixtures": 4.0}, "n_mixtures is 4.0"),
        ("portrait_edges", {"variant": "wobble"}, "variant is 'wobble'; choose one of"),
    ],
)
def test_bad_settings_are_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        load(name, **settings)
