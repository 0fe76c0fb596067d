"""What the Fourier transform of a high-resolution micrograph says about the metal."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

import endmember as em

# Of a parabola through the logarithm of a Hann window's peak, with noise; in pixels of the
# transform, of which a spot is 40 or more from the centre.
REFINED = 0.05
RATIO = 1.2 * np.sqrt(2) * REFINED / 40
ANGLE = np.degrees(np.sqrt(2) * REFINED / 40)


def windowed(scene):
    """The recording under a Hann window, about its mean."""
    rows, columns = (np.hanning(size + 1)[:-1] for size in scene.image.shape)
    window = np.outer(rows, columns)
    return (scene.image - scene.image.mean(dtype=np.float64)) * window, window


def measured_spots(scene, n_spots):
    """The brightest spots of a half plane, to a part of a pixel, from the shortest up, in 1/nm."""
    values, _ = windowed(scene)
    height = np.log(np.abs(np.fft.fftshift(np.fft.fft2(values))) + 1e-9)
    centre = np.array(height.shape) // 2
    is_peak = height == maximum_filter(height, 9)
    is_peak[centre[0] + 1 :] = False  # the other half is the same
    is_peak[centre[0], : centre[1] + 1] = False
    found = np.argwhere(is_peak)
    found = found[np.argsort(height[tuple(found.T)])[-n_spots:]]
    spots = np.array([refined(height, *place) for place in found]) - centre
    spots = spots / (np.array(height.shape) * [axis.scale for axis in scene.axes])
    return spots[np.argsort(np.linalg.norm(spots, axis=1))]


def refined(height, row, column):
    """The top of the parabolas through a pixel and its neighbours."""
    before, here, after = height[row - 1 : row + 2, column]
    left, _, right = height[row, column - 1 : column + 2]
    return (
        row + (before - after) / (2 * (before - 2 * here + after)),
        column + (left - right) / (2 * (left - 2 * here + right)),
    )


def amplitude(scene, spot):
    """Amplitude of one wave in the recording, and the standard deviation of noise alone."""
    values, window = windowed(scene)
    rows, columns = (
        np.exp(-2j * np.pi * turns * axis.values)
        for turns, axis in zip(spot, scene.axes, strict=True)
    )
    noise = np.sqrt((window**2 * scene.expected).sum()) / window.sum()
    return abs(rows @ values @ columns) / window.sum(), noise


def angle(a, b):
    """Degrees between two lines."""
    return np.degrees(np.arccos(abs(a @ b) / np.linalg.norm(a) / np.linalg.norm(b)))


@pytest.mark.parametrize("rotation", [7.0, -31.0])
def test_the_fcc_net_has_the_ratio_and_the_angles_of_the_lecture(rotation):
    """1.155, 54.74 and 35.26 degrees: S1, HRTEM Fourier analysis, what is expected."""
    scene = em.datasets.load("hrtem_110", rotation=rotation)
    one, other, two, *_ = measured_spots(scene, 4)  # 111 and its mirror image, then 002, 220
    for spot in (one, other):
        assert np.linalg.norm(two) / np.linalg.norm(spot) == pytest.approx(1.1547, abs=RATIO)
        assert angle(two, spot) == pytest.approx(54.74, abs=ANGLE)
    across = measured_spots(scene, 4)[3]
    assert angle(one, across) == pytest.approx(35.26, abs=ANGLE)
    assert angle(two, across) == pytest.approx(90.0, abs=ANGLE)
    assert np.linalg.norm(one) == pytest.approx(np.sqrt(3) / 0.40786, rel=REFINED / 40)


@pytest.mark.parametrize("rotation", [7.0, -31.0])
def test_the_hcp_net_has_the_ratios_and_the_angles_of_the_lecture(rotation):
    """1.139, 1.09, 28.62 and 61.38 degrees: the same slide's second table."""
    scene = em.datasets.load("hrtem_110", net="hcp", rotation=rotation)
    prism, base, *pyramids = measured_spots(scene, 4)  # 1-100, 0002, both of 1-101
    length = np.linalg.norm(prism)
    for pyramid in pyramids:
        assert np.linalg.norm(pyramid) / length == pytest.approx(1.139, abs=RATIO)
        assert angle(pyramid, prism) == pytest.approx(28.62, abs=ANGLE)
        assert angle(pyramid, base) == pytest.approx(61.38, abs=ANGLE)
    assert np.linalg.norm(base) / length == pytest.approx(1.091, abs=RATIO)


@pytest.mark.parametrize("net", ["fcc", "hcp"])
def test_the_spots_of_the_truth_are_where_they_are_measured(net):
    scene = em.datasets.load("hrtem_110", net=net)
    found = measured_spots(scene, 4)
    pixel = 1 / (np.array(scene.image.shape) * scene.settings["pixel_size"])
    for spot in scene.spots:
        nearest = min(np.abs(sign * spot - other).max() for sign in (1, -1) for other in found)
        assert nearest < 2 * REFINED * pixel.max()


@pytest.mark.parametrize("net", ["fcc", "hcp"])
def test_what_should_be_absent_is_lost_in_the_noise(net):
    scene = em.datasets.load("hrtem_110", net=net)
    assert len(scene.absent) == 1
    height, noise = amplitude(scene, scene.absent[0])
    assert height < 4 * noise  # of a Rayleigh distribution: less than once in 1,000
    for spot in scene.spots:
        assert amplitude(scene, spot)[0] > 50 * noise


def test_hcp_intensities_are_as_1_to_3_to_4():
    """|F|² of hcp for 1-100, 1-101 and 0002, each column's own Gaussian taken off."""
    scene = em.datasets.load("hrtem_110", net="hcp")
    heights = np.array([amplitude(scene, spot)[0] for spot in scene.spots])
    heights *= np.exp(2 * np.pi**2 * 0.05**2 * (scene.spots**2).sum(axis=1))
    intensities = heights**2 / heights[0] ** 2
    noise = amplitude(scene, scene.spots[0])[1] / heights.min()
    assert intensities == pytest.approx([1, 3, 4], rel=10 * noise + 1e-3)


def test_the_net_turns_with_its_setting():
    upright = em.datasets.load("hrtem_110", rotation=0.0)
    assert dict(zip(upright.spot_names, upright.spots, strict=True))["002"][1] == pytest.approx(0)
    turned = em.datasets.load("hrtem_110", rotation=30.0)
    for before, after in zip(upright.spots, turned.spots, strict=True):
        assert angle(before, after) == pytest.approx(30)
        assert np.linalg.norm(after) == pytest.approx(np.linalg.norm(before))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"net": "bcc"}, r"net is 'bcc'; choose one of \['fcc', 'hcp'\]"),
        ({"rotation": 400}, "rotation is 400; expected a number from -180 up to 180 degrees"),
        ({"pixel_size": 0.2}, "pixel_size is 0.2; expected a number above 0 up to 0.05 nm"),
    ],
)
def test_bad_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        em.datasets.load("hrtem_110", **settings)
