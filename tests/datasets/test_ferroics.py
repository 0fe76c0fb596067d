"""The perovskite film: its atoms, its domains, and the micrograph that shows them."""

from __future__ import annotations

import numpy as np
import pytest

import endmember as em
from endmember.datasets.simulators import ferroics

CATIONS = ("Bi", "Sr", "Fe", "Ru")


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("ferroic_domains")


def cages(scene):
    """Offset of every B cation from the middle of its four A neighbours, from positions alone."""
    n_rows, n_columns = scene.domains.shape
    n_a = (n_rows + 1) * (n_columns + 1)
    a = scene.positions[:n_a].reshape(n_rows + 1, n_columns + 1, 2)
    b = scene.positions[n_a : n_a + n_rows * n_columns].reshape(n_rows, n_columns, 2)
    return b - (a[1:, 1:] + a[1:, :-1] + a[:-1, 1:] + a[:-1, :-1]) / 4


def brightest_frequency(image, axis, pixel_size, near):
    """Frequency in 1/nm along one axis at which the image's Fourier transform is largest."""
    profile = image.astype(float)
    windows = [np.hanning(n) for n in image.shape]
    profile = (profile - profile.mean()) * np.outer(*windows)
    place = np.arange(image.shape[axis]) * pixel_size
    trial = near * np.linspace(0.97, 1.03, 1201)
    waves = np.exp(-2j * np.pi * trial[:, None] * place)
    amplitudes = waves @ profile.sum(axis=1 - axis)
    return trial[np.abs(amplitudes).argmax()]


def strength(image, pixel_size, frequency):
    """Power at a frequency (rows, columns; 1/nm) over the median of those up to 0.5/nm away."""
    sides = []
    for middle, n in zip(frequency, image.shape, strict=True):
        trial = middle + np.linspace(-0.5, 0.5, 11)
        wave = np.exp(-2j * np.pi * trial[:, None] * pixel_size * np.arange(n))
        sides.append(wave * np.hanning(n))
    power = np.abs(sides[0] @ (image.astype(float) - image.mean()) @ sides[1].T) ** 2
    return power[5, 5] / np.median(power)


def test_displacements_average_to_the_polarisation_of_their_domain(scene):
    offsets = cages(scene)
    spread = scene.settings["jitter"] * np.sqrt(1 + 1 / 4)  # of B and of the mean of four A
    for kind in range(5):
        inside = offsets[scene.domains == kind]
        allowed = 5 * spread / np.sqrt(len(inside))
        assert len(inside) > 20
        assert np.allclose(inside.mean(axis=0), scene.polarisation[kind], rtol=0, atol=allowed)
    assert np.allclose(np.linalg.norm(scene.polarisation, axis=1), [0, 0.03, 0.03, 0.03, 0.03])


def test_displacements_are_what_separates_positions_from_sites(scene):
    assert np.allclose(scene.positions - scene.sites, scene.displacements, atol=1e-12)
    still = scene.displacements[np.isin(scene.species, ("Bi", "Sr"))]
    error = 5 * scene.settings["jitter"] / np.sqrt(2 * still.size)  # of a standard deviation
    assert still.std() == pytest.approx(scene.settings["jitter"], abs=error)


def test_the_image_shows_the_pseudo_cubic_lattice_of_film_and_substrate(scene):
    pixel_size = scene.settings["pixel_size"]
    edge = int(np.flatnonzero((scene.labels == 0).any(axis=1))[0])
    film, substrate = scene.image[:edge], scene.image[edge:]
    along = 1 / brightest_frequency(film, 1, pixel_size, 1 / 0.393)
    across = 1 / brightest_frequency(film, 0, pixel_size, 1 / 0.396)
    below = 1 / brightest_frequency(substrate, 0, pixel_size, 1 / 0.393)
    # A tenth of a resolution element, which is 1/length: 0.3 % of the frequency over 32 cells.
    assert along == pytest.approx(ferroics.A_SUBSTRATE, rel=0.003)
    assert across == pytest.approx(ferroics.A_FILM, rel=0.004)
    assert below == pytest.approx(ferroics.A_SUBSTRATE, rel=0.01)
    assert across / along == pytest.approx(0.396 / 0.393, rel=0.004)


def test_turned_oxygens_double_the_cell_but_not_along_the_diagonal():
    odd, diagonal = np.array([(0.5, 1.5), (0.5, 0.5)]) / (ferroics.A_FILM, ferroics.A_SUBSTRATE)
    for rotation, is_doubled in ((8.0, True), (0.0, False)):
        turned = em.datasets.load("ferroic_domains", rotation=rotation, jitter=0.0, dose=1e4)
        film = turned.image[turned.labels[:, 256] > 0]
        assert (strength(film, 0.025, odd) > 100) == is_doubled
        # The oxygens on rows move by +, those between them by -: they cancel where h equals k.
        assert strength(film, 0.025, diagonal) < 10


def test_the_image_is_a_sum_of_gaussians_at_the_atoms(scene):
    heights = np.array([ferroics.ATOMIC_NUMBER[name] ** 1.4 for name in scene.species])
    pixels = np.arange(512) * 0.025
    rows, columns = (
        np.exp(-0.5 * ((pixels - place[:, None]) / ferroics.PROBE) ** 2)
        for place in scene.positions.T
    )
    pattern = ferroics.BACKGROUND * heights.max() + (heights[:, None] * rows).T @ columns
    pattern *= 50 / pattern.mean()
    assert np.allclose(scene.expected, pattern, rtol=1e-4)  # columns end after 5 deviations


def test_counts_are_poisson_about_the_noiseless_image(scene):
    excess = (scene.image.astype(float) - scene.expected) ** 2 / scene.expected
    allowed = 5 * np.sqrt(2 / excess.size)
    assert excess.mean() == pytest.approx(1, abs=allowed)
    assert scene.expected.mean() == pytest.approx(50, rel=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_positions_are_where_the_image_is_bright(seed):
    scene = em.datasets.load("ferroic_domains", dose=1e6, seed=seed)  # noise of 0.1 %
    image = scene.image - scene.image[0].min()  # the constant: the first row lies outside
    reach = 4  # pixels: half of the way from a cation to the nearest oxygen
    cations = np.isin(scene.species, CATIONS)
    places = scene.positions[cations] / scene.settings["pixel_size"]
    steps = np.arange(-reach, reach + 1)
    disc = np.hypot(*np.meshgrid(steps, steps)) <= reach + 0.5
    for place in places:
        row, column = np.rint(place).astype(int)
        patch = disc * image[row - reach : row + reach + 1, column - reach : column + reach + 1]
        patch /= patch.sum()
        found = np.array([row + steps @ patch.sum(axis=1), column + steps @ patch.sum(axis=0)])
        assert np.abs(found - place).max() < 0.1


def test_brightness_goes_with_a_power_of_the_atomic_number():
    scene = em.datasets.load("ferroic_domains", exponent=1.7, jitter=0.0, dose=1e6)
    image = scene.expected - scene.expected[0, 0]
    peaks = {}
    for name in ("Bi", "Fe", "Sr", "Ru"):
        rows, columns = np.rint(scene.positions[scene.species == name] / 0.025).astype(int).T
        peaks[name] = np.median(image[rows, columns])
    # The nearest pixel lies up to 0.7 pixels from a column of 1.6 pixels: up to 9 % dimmer.
    assert peaks["Fe"] / peaks["Bi"] == pytest.approx((26 / 83) ** 1.7, rel=0.09)
    assert peaks["Ru"] / peaks["Sr"] == pytest.approx((44 / 38) ** 1.7, rel=0.09)


def test_local_crystallography_finds_the_domains(scene):
    offsets = cages(scene)
    distance = np.linalg.norm(offsets[:, :, None] - scene.polarisation, axis=-1)
    assert np.mean(distance.argmin(axis=-1) == scene.domains) > 0.999  # 30 pm apart, jitter 3 pm


def test_a_film_without_polarisation_has_none():
    scene = em.datasets.load("ferroic_domains", displacement=0.0, jitter=0.0)
    assert np.abs(cages(scene)).max() < 1e-12


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (32, 32)}, r"shape is \(32, 32\), 0.8 nm.*expected room for 4 × 4 cells"),
        ({"displacement": -0.01}, "displacement is -0.01; expected a number from 0 up to 0.06"),
        ({"rotation": 40}, "rotation is 40; expected a number from 0 up to 15 degrees"),
        ({"n_domains": 0}, "n_domains is 0; expected a whole number from 1 to 64"),
        ({"pixel_size": 0}, "pixel_size is 0; expected a number above 0 up to 0.05 nm"),
        ({"exponent": 3}, "exponent is 3; expected a number from 0.5 up to 2"),
        ({"jitter": 1}, "jitter is 1; expected a number from 0 up to 0.02 nm"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        em.datasets.load("ferroic_domains", **settings)
