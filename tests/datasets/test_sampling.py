"""Targets for sparse scans: what can be restored from which pixels, and from which it cannot."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

import endmember as em

KINDS = ("grains", "lattice", "spread")


def load(**settings):
    return em.datasets.load("sampling_targets", **settings)


def psnr(restored, target):
    """Peak signal to noise in dB."""
    return 10 * np.log10(target.max() ** 2 / ((restored - target) ** 2).mean())


def nearest(values, sampled):
    """Give every pixel the value of the sampled pixel nearest to it."""
    places = np.argwhere(np.ones_like(sampled))
    _, which = cKDTree(np.argwhere(sampled)).query(places)
    return values[sampled][which].reshape(sampled.shape)


def restore(values, sampled, *, n_steps=200):
    """Restore an image by soft thresholding of Fourier coefficients, the threshold falling."""
    image = np.where(sampled, values, values[sampled].mean())
    largest = np.abs(np.fft.fft2(image)).max()
    for threshold in largest * np.geomspace(0.2, 0.0005, n_steps):
        spectrum = np.fft.fft2(np.where(sampled, values, image))
        size = np.maximum(np.abs(spectrum), 1e-9)
        image = np.fft.ifft2(spectrum * np.maximum(1 - threshold / size, 0)).real
    return image


@pytest.mark.parametrize("kind", KINDS)
def test_counts_are_poisson_about_the_target(kind):
    scene = load(kind=kind, dose=50.0)
    squares = (scene.image - scene.target) ** 2 / scene.target
    assert scene.target.min() > 0 or kind == "lattice"
    assert scene.target.mean() == pytest.approx(50.0)
    enough = scene.target > 1
    spread = np.sqrt((2 + 1 / scene.target[enough]).sum()) / enough.sum()
    assert squares[enough].mean() == pytest.approx(1.0, abs=5 * spread)
    assert np.all(scene.image == np.round(scene.image))


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_and_the_pattern_changes_nothing_else(kind):
    scene, raster = load(kind=kind), load(kind=kind, pattern="raster", fraction=0.5)
    np.testing.assert_array_equal(scene.image, raster.image)
    np.testing.assert_array_equal(scene.target, raster.target)
    other = load(kind=kind, seed=1)
    assert not np.array_equal(scene.target, other.target)
    assert not np.array_equal(scene.sampled, other.sampled)


@pytest.mark.parametrize("fraction", [0.001, 0.1, 0.2, 0.3, 1.0])
def test_the_fraction_is_what_it_says(fraction):
    assert load(fraction=fraction).sampled.sum() == round(fraction * 4096)
    raster = load(fraction=fraction, pattern="raster").sampled
    # whole rows and columns: half a line of 64 sqrt(fraction), along either side
    assert np.sqrt(raster.sum()) == pytest.approx(64 * np.sqrt(fraction), abs=0.5)
    assert np.array_equal(raster, np.outer(raster.any(axis=1), raster.any(axis=0)))


def test_larger_random_patterns_hold_smaller_ones():
    small, large = (load(fraction=fraction).sampled for fraction in (0.1, 0.3))
    assert np.all(large[small])


def test_a_raster_is_as_even_as_whole_pixels_let_it():
    for fraction in (0.1, 0.2, 0.25, 0.3):
        lines = np.flatnonzero(load(fraction=fraction, pattern="raster").sampled.any(axis=1))
        assert np.ptp(np.diff(lines)) <= (0 if fraction == 0.25 else 1)


def test_a_lattice_is_fifteen_fourier_coefficients_and_grains_are_not():
    sizes = {}
    for kind in ("lattice", "grains"):
        power = np.sort(np.abs(np.fft.fft2(load(kind=kind).target)).ravel() ** 2)[::-1]
        sizes[kind] = power / power[1:].sum()  # the largest is the mean
    assert sizes["lattice"][14] > 1e-3
    assert sizes["lattice"][15] < 1e-20
    assert sizes["grains"][15:].sum() > 0.1


def test_chance_restores_a_lattice_and_an_even_raster_does_not():
    quality = {}
    for pattern in ("random", "raster"):
        scene = load(kind="lattice", pattern=pattern, fraction=0.25)
        quality[pattern] = psnr(restore(scene.target, scene.sampled), scene.target)
    assert quality["random"] > 40
    assert quality["raster"] < 15


def test_another_lattice_has_the_same_values_on_the_even_raster():
    scene = load(kind="lattice", pattern="raster", fraction=0.25)
    first = np.argwhere(scene.sampled)[0]
    spectrum = np.fft.fft2(scene.target)
    # every frequency moved by half a period a pixel: the same where both indices step by two
    alias = np.fft.ifft2(np.roll(spectrum, (32, 32), axis=(0, 1))).real
    sign = (-1.0) ** (first.sum())
    np.testing.assert_allclose(sign * alias[scene.sampled], scene.target[scene.sampled], rtol=1e-9)
    assert psnr(sign * alias, scene.target) < 15
    chance = load(kind="lattice", fraction=0.25).sampled
    assert psnr((sign * alias)[chance], scene.target[chance]) < 15


def test_grains_are_flat_so_that_pixels_are_best_spent_on_edges():
    scene = load(pattern="raster")
    target, sampled = scene.target, scene.sampled
    for label in np.unique(scene.labels):
        assert np.ptp(target[scene.labels == label]) == 0
    wrong = nearest(target, sampled) != target
    edges = np.zeros_like(sampled)
    for axis in (0, 1):
        change = np.diff(scene.labels, axis=axis) != 0
        pad = [(0, 1) if axis == a else (0, 0) for a in (0, 1)]
        edges |= np.pad(change, pad) | np.pad(change, [p[::-1] for p in pad])
    far = cKDTree(np.argwhere(edges)).query(np.argwhere(wrong))[0]
    assert far.max() < 2.3 * np.sqrt(2)  # a pixel of the raster away
    # From a pixel of a grain, whoever leaves it meets the pixels along its edge first.
    assert edges.sum() < sampled.sum()
    np.testing.assert_array_equal(nearest(target, edges), target)
    assert psnr(nearest(target, sampled), target) < 25


def test_the_spread_follows_the_lever_rule_between_its_boundaries():
    scene = load(kind="spread")
    target, labels = scene.target, scene.labels
    assert np.ptp(target[labels == 0]) == pytest.approx(0, abs=1e-9)
    assert np.ptp(target[labels == 2]) == pytest.approx(0, abs=1e-9)
    assert target[labels == 2].mean() / target[labels == 0].mean() == pytest.approx(6.0)  # 1.2, 0.2
    bends = np.abs(np.diff(target, 2, axis=1)) > 1e-9
    same = (labels[:, 1:-1] == labels[:, :-2]) & (labels[:, 1:-1] == labels[:, 2:])
    assert not np.any(bends & same)
    assert np.all(np.diff(labels, axis=1) >= 0)
    assert set(np.unique(labels)) == {0, 1, 2}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fraction": 0}, "fraction is 0; expected a number above 0 up to 1"),
        ({"fraction": 1.5}, "fraction is 1.5"),
        ({"kind": "grain"}, "kind is 'grain'; choose one of"),
        ({"pattern": "spiral"}, "pattern is 'spiral'; choose one of"),
    ],
)
def test_settings_that_say_nothing_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        load(**settings)
