"""What the Fourier transforms of patches say about the lattices that lie in them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_cdt, label, maximum_filter

import endmember as em

MICROGRAPHS = ("patchwork_lattices", "m1m2_catalyst", "rucl3_superlattice", "hrtem_110")
REFINED = 0.05  # of a parabola through a Hann window's peak, in pixels of the transform


def pure_square(scene, phase, margin=0):
    """The largest square of one phase, so many pixels inside it: its slices."""
    inside = np.pad(scene.labels == phase, 1)
    reach = distance_transform_cdt(inside, "chessboard")[1:-1, 1:-1]
    middle = np.array(np.unravel_index(reach.argmax(), reach.shape))
    half = reach.max() - 1 - margin
    square = tuple(slice(at - half, at + half) for at in middle)
    assert (scene.labels[square] == phase).all()
    return square


def amplitudes(scene, square, waves):
    """Amplitude of every wave under a Hann window, and what noise alone would have."""
    values = scene.image[square].astype(np.float64)
    window = np.outer(*(np.hanning(size) for size in values.shape))
    values = (values - np.average(values, weights=window)) * window
    places = [axis.values[part] for axis, part in zip(scene.axes, square, strict=True)]
    height = [
        abs(
            np.exp(-2j * np.pi * g[0] * places[0]) @ values @ np.exp(-2j * np.pi * g[1] * places[1])
        )
        for g in np.atleast_2d(waves)
    ]
    noise = np.sqrt((window**2 * scene.expected[square]).sum())
    return np.array(height) / window.sum(), noise / window.sum()


def brightest_spots(scene, square, n_spots):
    """The brightest spots of a square's transform, to a part of a pixel, in 1/nm."""
    values = scene.image[square].astype(np.float64)
    window = np.outer(*(np.hanning(size) for size in values.shape))
    values = (values - np.average(values, weights=window)) * window
    height = np.log(np.abs(np.fft.fftshift(np.fft.fft2(values))) + 1e-9)
    centre = np.array(height.shape) // 2
    found = np.argwhere((height == maximum_filter(height, 3))[1:-1, 1:-1]) + 1
    found = found[np.argsort(height[tuple(found.T)])[-n_spots:]]
    spots = [refined(height, *place) for place in found]
    return (np.array(spots) - centre) / np.array(height.shape) / scene.settings["pixel_size"]


def refined(height, row, column):
    """The top of the parabolas through a pixel and its neighbours."""
    before, here, after = height[row - 1 : row + 2, column]
    left, _, right = height[row, column - 1 : column + 2]
    return (
        row + (before - after) / (2 * (before - 2 * here + after)),
        column + (left - right) / (2 * (left - 2 * here + right)),
    )


def measured_lattice(scene, phase, n_spots):
    """Lattice vectors by least squares from spots, and how far these are from whole numbers."""
    spots = brightest_spots(scene, pure_square(scene, phase), n_spots)
    turns = np.rint(spots @ scene.lattice_vectors[phase].T)
    reciprocal = np.linalg.lstsq(turns, spots, rcond=None)[0]
    away = np.abs(spots @ np.linalg.inv(reciprocal) - turns).max()
    return np.linalg.inv(reciprocal).T, away


@pytest.mark.parametrize("name", MICROGRAPHS)
def test_counts_are_whole_and_poisson_about_what_is_expected(name):
    scene = em.datasets.load(name, seed=5)
    assert scene.image.dtype == np.float32
    assert (scene.image == np.rint(scene.image)).all()
    expected = scene.expected.astype(np.float64)
    squares = (scene.image - expected) ** 2 / expected
    spread = np.sqrt((2 + 1 / expected).sum()) / expected.size
    assert squares.mean() == pytest.approx(1.0, abs=5 * spread)
    assert scene.image.mean() == pytest.approx(
        expected.mean(), abs=5 * np.sqrt(expected.mean() / expected.size)
    )


@pytest.mark.parametrize("name", MICROGRAPHS)
def test_the_dose_is_the_mean_in_every_phase(name):
    """The Gaussians of whole cells have mean 1; those at the rim of a phase are a few."""
    scene = em.datasets.load(name, dose=1000.0)
    phases = range(len(scene.names))
    squares = [pure_square(scene, phase, margin=6) for phase in phases]
    for square in squares or [(slice(0, 512), slice(0, 512))]:
        window = np.outer(*(np.hanning(part.stop - part.start) for part in square))
        mean = np.average(scene.image[square], weights=window)
        assert mean == pytest.approx(1000.0, rel=0.02)  # a window cuts through a few cells


@pytest.mark.parametrize("name", MICROGRAPHS)
def test_axes_are_in_nanometres(name):
    scene = em.datasets.load(name, shape=(40, 60))
    height, width = scene.axes
    assert (len(height), len(width)) == scene.image.shape == (40, 60)
    assert height.scale == width.scale == scene.settings["pixel_size"]
    assert height.unit == width.unit == "nm"


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_spots_of_a_patch_are_at_the_reciprocal_of_its_lattice(phase):
    scene = em.datasets.load("patchwork_lattices", shape=(512, 512), patch_size=14.0)
    measured, away = measured_lattice(scene, phase, 6)
    pixel = 1 / (14.0 * np.sqrt(2 / 3))  # of the transform, in 1/nm: the square in a hexagon
    shortest = np.linalg.norm(scene.reciprocal_vectors[phase], axis=1).min()
    assert measured == pytest.approx(scene.lattice_vectors[phase], abs=0.58 * REFINED * pixel)
    assert away < 2 * REFINED * pixel / shortest + 0.02


@pytest.mark.parametrize("phase", [0, 1, 2])
def test_a_patch_has_the_spots_of_its_own_lattice_alone(phase):
    scene = em.datasets.load("patchwork_lattices")
    square = pure_square(scene, phase, margin=2)
    for other in range(3):
        heights, noise = amplitudes(scene, square, scene.reciprocal_vectors[other])
        if other == phase:
            assert heights.min() > 20 * noise
        else:  # a window of three or four periods lets a little of its neighbours through
            own, _ = amplitudes(scene, square, scene.reciprocal_vectors[phase])
            assert heights.max() < own.max() / 2


def test_patches_are_hexagons_and_no_two_neighbours_are_alike():
    scene = em.datasets.load("patchwork_lattices", shape=(512, 512))
    width = 4.5 / 0.05
    regions = [label(scene.labels == phase)[0] for phase in range(3)]
    whole = []
    for region in regions:
        rim = np.unique(np.concatenate([region[0], region[-1], region[:, 0], region[:, -1]]))
        sizes = np.bincount(region.ravel())
        whole += [sizes[k] for k in range(1, sizes.size) if k not in rim]
    assert len(whole) > 9
    rim = 2 * np.sqrt(3) * width  # a pixel all round
    assert np.array(whole) == pytest.approx(np.sqrt(3) / 2 * width**2, abs=rim)


def test_a_lattice_that_returns_is_the_same_crystal():
    """A wave keeps its phase from one patch to the next of the same kind."""
    scene = em.datasets.load("patchwork_lattices", shape=(512, 512))
    spot = scene.reciprocal_vectors[0, 0]
    row, column = (axis.values for axis in scene.axes)
    wave = np.exp(-2j * np.pi * spot[0] * row)[:, None] * np.exp(-2j * np.pi * spot[1] * column)
    patches, n_patches = label(scene.labels == 0)
    parts = [wave[patches == k] @ scene.image[patches == k] for k in range(1, n_patches + 1)]
    large = [part for k, part in enumerate(parts) if (patches == k + 1).sum() > 4000]
    assert len(large) > 3
    assert np.ptp(np.angle(np.array(large) / large[0])) < 0.4


def test_inner_spots_of_the_hexagonal_phase_are_equal():
    scene = em.datasets.load("rucl3_superlattice", shape=(512, 512))
    heights, noise = amplitudes(scene, pure_square(scene, 0, margin=12), scene.spots)
    assert heights == pytest.approx(heights.mean(), abs=4 * noise)
    assert heights.min() > 100 * noise


@pytest.mark.parametrize("suppression", [0.0, 0.1, 0.4, 1.0])
def test_two_of_six_inner_spots_are_suppressed_in_the_dimer_phase(suppression):
    scene = em.datasets.load("rucl3_superlattice", shape=(512, 512), suppression=suppression)
    heights, noise = amplitudes(scene, pure_square(scene, 1, margin=12), scene.spots)
    assert scene.suppressed.sum() == 2
    others = heights[~scene.suppressed]
    assert others == pytest.approx(others.mean(), abs=4 * noise)
    assert others.min() > 50 * noise
    ratio = heights[scene.suppressed] / others.mean()
    assert ratio == pytest.approx(suppression, abs=4 * noise / others.mean())


def test_suppressed_spots_are_the_vertical_ones_along_the_dimer():
    """S3: strong suppression of vertical spots in the FFT for dimers."""
    scene = em.datasets.load("rucl3_superlattice")
    assert scene.spots[scene.suppressed][:, 1] == pytest.approx(0)
    assert scene.dimer[1] == pytest.approx(0)
    assert 0 < np.linalg.norm(scene.dimer) < np.linalg.norm(scene.lattice_vectors, axis=1).min()
    assert np.linalg.norm(scene.spots, axis=1) == pytest.approx(2 / np.sqrt(3) / 0.5982, rel=1e-3)


def test_without_suppression_there_are_no_dimers():
    scene = em.datasets.load("rucl3_superlattice", suppression=1.0, pixel_size=0.5982 / 12)
    assert scene.dimer == pytest.approx([0, 0])
    bright = scene.expected.astype(np.float64)
    assert bright[:, 12:] == pytest.approx(bright[:, :-12], abs=2e-3 * bright.max())


def test_the_outer_spots_of_chlorine_are_in_both_phases():
    scene = em.datasets.load("rucl3_superlattice", shape=(512, 512))
    outer = scene.spots[1] + scene.spots[2]  # 30 degrees on, sqrt(3) times as far
    assert np.linalg.norm(outer) == pytest.approx(np.sqrt(3) * np.linalg.norm(scene.spots[0]))
    for phase in (0, 1):
        heights, noise = amplitudes(scene, pure_square(scene, phase, margin=12), outer)
        assert heights[0] > 50 * noise


@pytest.mark.parametrize(
    ("phase", "sides"),
    [(0, (2.125, 2.714)), (1, (0.710, 0.710))],  # nm; the card says where from
)
def test_periods_of_both_oxides_are_those_that_are_stated(phase, sides):
    scene = em.datasets.load("m1m2_catalyst", shape=(1024, 1024))
    measured, away = measured_lattice(scene, phase, 40 if phase == 0 else 18)
    pixel = 1 / (0.4 * 1024 * 0.04)  # of the transform, in 1/nm
    # Spots lie 2 to 5 from the centre, in 1/nm.
    assert np.linalg.norm(measured, axis=1) == pytest.approx(sides, rel=REFINED * pixel / 2)
    cosine = measured[0] @ measured[1] / np.prod(sides)
    assert cosine == pytest.approx((0.0, -0.5)[phase], abs=2 * REFINED * pixel / 2)
    assert away < 0.1


def test_odd_spots_along_both_axes_of_m1_are_absent():
    """Plane group pgg: h0 and 0k only where they are even."""
    scene = em.datasets.load("m1m2_catalyst", shape=(1024, 1024))
    square = pure_square(scene, 0, margin=8)
    turns = np.arange(1, 13)
    for axis in scene.reciprocal_vectors[0]:
        heights, noise = amplitudes(scene, square, turns[:, None] * axis)
        assert heights[::2].max() < 5 * noise
        assert heights[1::2].max() > 50 * noise


def test_spots_of_m2_are_those_of_a_kagome_net():
    """Three columns about a channel: -1 for {10} and {11}, 3 for {20}, out of 3."""
    scene = em.datasets.load("m1m2_catalyst", shape=(1024, 1024), dose=200.0)
    first, second = scene.reciprocal_vectors[1]
    waves = np.array([first, second, first - second, first + second, 2 * first, 2 * second])
    heights, noise = amplitudes(scene, pure_square(scene, 1, margin=8), waves)
    heights *= np.exp(2 * np.pi**2 * 0.07**2 * (waves**2).sum(axis=1))  # the Gaussians taken off
    strong = 0.8 * 200.0
    blurred = 10 * noise + 2e-3 * strong
    assert heights == pytest.approx(strong * np.array([1, 1, 1, 1, 3, 3]) / 3, abs=blurred)


def test_columns_of_m1_are_forty_a_cell():
    scene = em.datasets.load("m1m2_catalyst", shape=(1024, 1024))
    square = pure_square(scene, 0, margin=8)
    bright = scene.expected[square]
    tops = (bright == maximum_filter(bright, 3)) & (bright > 2 * scene.settings["dose"])
    side = bright.shape[0] * 0.04
    n_columns = 40 * side**2 / (2.125 * 2.714)
    assert tops.sum() == pytest.approx(n_columns, abs=4 * side / 0.335)  # a rim of them


def test_what_is_expected_repeats_without_a_seam():
    """50 pixels are a of M1 here: nothing may change from one to the next."""
    scene = em.datasets.load("m1m2_catalyst", shape=(400, 400), pixel_size=2.125 / 50)
    below = scene.expected[280:].astype(np.float64)
    assert below[:, 50:] == pytest.approx(below[:, :-50], abs=2e-3 * below.max())


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("patchwork_lattices", {"patch_size": 0}, "patch_size is 0; expected a number above 0"),
        ("patchwork_lattices", {"pixel_size": 0.1}, "pixel_size is 0.1; .* up to 0.06 nm"),
        ("m1m2_catalyst", {"pixel_size": -1}, "pixel_size is -1; .* above 0 up to 0.07 nm"),
        ("rucl3_superlattice", {"pixel_size": 0.2}, "pixel_size is 0.2; .* up to 0.09 nm"),
        ("rucl3_superlattice", {"suppression": 1.2}, "suppression is 1.2; .* from 0 up to 1"),
    ],
)
def test_bad_settings_are_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        em.datasets.load(name, **settings)
