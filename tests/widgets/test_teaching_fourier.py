"""Spots of a Fourier transform against the lattice that made them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import endmember as em
from endmember.widgets.pages import page_text
from endmember.widgets.teaching.fourier import FourierPlane


def nearest(spots, wanted):
    """How far the nearest of some spots, or of their mirror images, is from each that is wanted."""
    both = np.concatenate([spots, -spots])
    return np.linalg.norm(both[None] - wanted[:, None], axis=-1).min(axis=1)


@pytest.mark.parametrize("net", ["fcc", "hcp"])
@pytest.mark.parametrize("rotation", [0.0, 7.0, 41.0])
def test_spots_lie_where_the_lattice_says(net, rotation):
    scene = em.datasets.load("hrtem_110", net=net, rotation=rotation)
    plane = FourierPlane(scene.image, pixel_size=0.02, reach=7.5)
    spots = plane.spots()
    assert nearest(spots, scene.spots).max() < 0.1 * plane.step
    assert nearest(spots, scene.absent).min() > 5 * plane.step


@given(row=st.floats(20, 50), column=st.floats(-50, 50))
def test_a_wave_is_found_to_a_hundredth_of_a_pixel(row, column):
    y, x = np.mgrid[:128, :128]
    image = 10 + np.cos(2 * np.pi * (row * y + column * x) / 128)
    plane = FourierPlane(image, pixel_size=1.0, reach=0.45)
    found = plane.spots(1)[0] * 128
    wanted = np.array([row, column])
    assert min(abs(found - wanted).max(), abs(found + wanted).max()) < 0.01


def test_power_is_that_of_the_windowed_image():
    image = np.random.default_rng(0).random((64, 64))
    plane = FourierPlane(image, pixel_size=0.5, reach=0.5)
    window = np.hanning(64)
    windowed = (image - image.mean()) * window * window[:, None]
    row, column = 3, -5  # periods in the whole image
    y, x = np.mgrid[:64, :64]
    wave = np.exp(-2j * np.pi * (row * y + column * x) / 64)
    middle = len(plane.power) // 2
    assert plane.step == 1 / 32
    expected = abs((windowed * wave).sum()) ** 2
    np.testing.assert_allclose(plane.power[middle + row, middle + column], expected)


def test_the_words_say_what_is_pointed_at():
    scene = em.datasets.load("hrtem_110")
    explorer = em.teaching.FourierExplorer(scene.image, pixel_size=0.02)
    state, middle = explorer.state, len(explorer.state.power) // 2
    assert explorer.words.value.startswith("zero frequency")
    explorer.map.pixel = (middle, middle + 40)
    length = 40 * state.step
    said = f"|g| = {length:.2f} /nm, d = {1 / length:.4f} nm, 0.0° clockwise from the right"
    assert explorer.steps.shown(explorer.words, "value") == said
    explorer.map.pixel = (middle + 3, middle)
    assert "90.0° clockwise" in explorer.steps.shown(explorer.words, "value")
    assert page_text(explorer, title="transform")


@pytest.mark.parametrize(
    ("shape", "settings", "message"),
    [
        ((64, 32), {"pixel_size": 1.0, "reach": 0.3}, r"image has shape \(64, 32\)"),
        ((64, 64), {"pixel_size": 0.0, "reach": 0.3}, "pixel_size is 0"),
        ((64, 64), {"pixel_size": 1.0, "reach": 0.6}, "this image shows up to 0.484"),
        ((64, 64), {"pixel_size": 1.0, "reach": -1}, "reach is -1"),
        ((999, 999), {"pixel_size": 1.0, "reach": 0.4}, "this image shows up to 0.1"),
    ],
)
def test_what_cannot_be_shown_is_refused(shape, settings, message):
    with pytest.raises(ValueError, match=message):
        FourierPlane(np.ones(shape), **settings)
