"""Light, time and the probe: photons are conserved, rates obey their law, blur is a filter."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.fft import dctn
from scipy.linalg import expm
from scipy.ndimage import label
from scipy.stats import chi2

import endmember as em

load = em.datasets.load

HC = 1239.841984  # eV nm
TO_SIGMA = 2.354820045  # full width at half maximum of a Gaussian, in standard deviations
BANDS = {"band edge": (3.40, 0.10), "quantum well": (2.75, 0.20), "yellow band": (2.20, 0.45)}
SMALL = {"shape": (8, 8)}


def rank(matrix):
    values = np.linalg.svd(matrix, compute_uv=False)
    return int((values > 1e-9 * values[0]).sum())


# cathodoluminescence


@pytest.mark.parametrize("name", BANDS)
def test_photons_of_a_band_have_its_mean_energy(name):
    """What is binned in wavelength is averaged in energy: off by 10 meV without the Jacobian."""
    scene = load("cathodoluminescence", **SMALL)
    spectrum = scene.endmembers[scene.names.index(name)]
    kept = spectrum.sum() / 1000
    assert kept > 0.99  # the yellow band runs off the red end
    energy, width = BANDS[name]
    mean = (spectrum * HC / scene.image.axis).sum() / spectrum.sum()
    lost = (1 - kept) * 3 * width  # what is cut off lies up to three widths below
    assert mean == pytest.approx(energy, abs=1e-3 + lost)


@pytest.mark.parametrize("name", BANDS)
def test_bands_peak_where_the_jacobian_puts_them(name):
    """Of ``g(E) E**2`` the peak is at ``(E0 + sqrt(E0**2 + 8 sigma**2)) / 2``."""
    scene = load("cathodoluminescence", **SMALL)
    energy, width = BANDS[name]
    peak = scene.image.axis[np.argmax(scene.endmembers[scene.names.index(name)])]
    expected = (energy + np.sqrt(energy**2 + 8 * (width / TO_SIGMA) ** 2)) / 2
    assert peak == pytest.approx(HC / expected, abs=0.75)  # a channel


def test_dark_spots_are_as_wide_as_the_diffusion_length():
    for length in (40.0, 160.0):
        scene = load("cathodoluminescence", n_dislocations=1, diffusion_length=length)
        y, x = 20.0 * (np.mgrid[0:64, 0:64] + 0.5)
        away = np.hypot(y - scene.dislocations[0, 0], x - scene.dislocations[0, 1])
        lost = 1 - scene.abundances.sum(axis=1).reshape(64, 64)
        near = away < 3 * length
        slope = np.polyfit(away[near], np.log(lost[near]), 1)[0]
        assert -1 / slope == pytest.approx(length)
        dark = 1 - scene.image.map((330.0, 720.0)) / 1000
        # 1000 counts: a third of a hundredth for the mean of a hundred pixels
        ring = (away > 0.8 * length) & (away < 1.2 * length)
        assert dark[ring].mean() == pytest.approx(lost[ring].mean(), abs=0.02)


def test_carriers_of_a_perfect_crystal_are_all_used():
    scene = load("cathodoluminescence", n_dislocations=0)
    np.testing.assert_allclose(scene.abundances.sum(axis=1), 1)
    assert scene.abundances.min() >= 0
    assert scene.dislocations.shape == (0, 2)


def test_dislocations_darken_all_bands_alike():
    """Shares of one pixel do not change: this is why light alone does not sum to 1."""
    perfect, real = load("cathodoluminescence", n_dislocations=0), load("cathodoluminescence")
    shares = real.abundances / real.abundances.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, perfect.abundances, atol=1e-12)
    assert real.abundances.sum(axis=1).min() < 0.3


# kinetic series


@pytest.mark.parametrize("rates", [(0.08, 0.03), (0.02, 0.3), (0.05, 0.05), (0.05, 0.0500001)])
def test_states_follow_the_rate_equations(rates):
    scene = load("kinetic_series", **SMALL, first_rate=rates[0], second_rate=rates[1])
    k1, k2 = rates
    flow = np.array([[-k1, 0, 0], [k1, -k2, 0], [0, k2, 0]])
    expected = [expm(flow * t)[:, 0] for t in scene.image.axis]
    np.testing.assert_allclose(scene.endmembers.T / 20.0, expected, atol=1e-12)  # 2000 / 100


def test_rates_may_be_far_apart():
    scene = load("kinetic_series", **SMALL, first_rate=1e4, second_rate=1e-3)
    assert np.isfinite(scene.endmembers).all()
    np.testing.assert_allclose(
        scene.endmembers[1] / 20, np.exp(-1e-3 * scene.image.axis) * (np.arange(100) > 0), rtol=1e-6
    )


def test_the_middle_state_peaks_when_theory_says():
    scene = load("kinetic_series", **SMALL, n_frames=60)
    when = np.log(0.08 / 0.03) / (0.08 - 0.03)
    assert when == pytest.approx(19.6, abs=0.05)
    assert scene.image.axis[np.argmax(scene.endmembers[1])] == pytest.approx(when, abs=0.5)


def test_nothing_is_lost_as_particles_change():
    """As many counts in every frame, to the noise: the sum of squares is a chi-square."""
    scene = load("kinetic_series")
    totals = scene.image.counts.sum(axis=(0, 1), dtype=float)
    assert totals.sum() == pytest.approx(2000 * 64 * 64, rel=2e-3)  # five times the noise
    np.testing.assert_allclose(scene.expected.sum(axis=0), 20.0 * 64 * 64)
    squares = ((totals - 81_920) ** 2 / 81_920).sum()
    assert chi2.ppf(1e-4, 100) < squares < chi2.ppf(1 - 1e-4, 100)


def test_a_constant_support_is_no_component_of_its_own():
    scene = load("kinetic_series")
    assert rank(scene.expected) == 3
    assert rank(np.vstack([scene.endmembers, np.ones(100)])) == 3
    without = (scene.abundances - 0.2) @ scene.endmembers
    np.testing.assert_allclose(scene.expected - without, 0.2 * 20.0)


def test_hollow_particles_are_brightest_at_their_rim():
    scene = load("kinetic_series", shape=(200, 200))
    solid, _, hollow = scene.abundances.T.reshape(3, 200, 200)
    middle = np.unravel_index(np.argmax(solid), solid.shape)
    assert hollow[middle] < solid[middle]
    assert hollow[(solid == solid.min())].max() > 0.5 * hollow.max()


# blurred map


@pytest.mark.parametrize("resolution", [3.0, 6.0, 12.0])
def test_blur_is_a_gaussian_filter(resolution):
    """Under reflecting edges the cosine transform of a convolution is a product."""
    scene = load("blurred_map", resolution=resolution)
    frequencies = np.pi * np.arange(96) / 96
    power = frequencies[:, None] ** 2 + frequencies**2
    transfer = np.exp(-power * (resolution / TO_SIGMA) ** 2 / 2)
    for phase in range(3):
        sharp = dctn((scene.labels == phase).astype(float))
        seen = dctn(scene.abundances[:, phase].reshape(96, 96))
        # sampled Gaussians fold over what lies beyond half a cycle a pixel
        np.testing.assert_allclose(seen, transfer * sharp, atol=2e-3 * np.abs(sharp).max())


def test_blur_keeps_every_phase_and_the_sum():
    scene = load("blurred_map", shape=(60, 90))
    np.testing.assert_allclose(scene.abundances.sum(axis=1), 1)
    found = [(scene.labels == phase).mean() for phase in range(3)]
    np.testing.assert_allclose(scene.abundances.mean(axis=0), found)


def test_a_sharp_probe_sees_pure_phases():
    scene = load("blurred_map", resolution=0)
    np.testing.assert_array_equal(scene.abundances, np.eye(3)[scene.labels.ravel()])


def test_particles_smaller_than_the_probe_are_never_pure():
    """Over the middle of a disc, a Gaussian probe sees ``1 - exp(-R**2 / (2 sigma**2))`` of it."""
    scene = load("blurred_map", shape=(200, 200))
    pieces, n_pieces = label(scene.labels == 2)
    silicon = scene.abundances[:, 2].reshape(200, 200)
    peaks = []
    for piece in range(1, n_pieces + 1):
        rows, columns = np.nonzero(pieces == piece)
        is_alone = (silicon[rows, columns].min() > 0) and rows.size < 54  # a disc has 50.3 pixels
        inside = min(rows.min(), columns.min()) > 8 and max(rows.max(), columns.max()) < 191
        around = pieces[rows.min() - 8 : rows.max() + 9, columns.min() - 8 : columns.max() + 9]
        if is_alone and inside and set(np.unique(around)) == {0, piece}:
            peaks.append(silicon[rows, columns].max())
    assert len(peaks) > 3
    expected = 1 - np.exp(-(4.0**2) / (2 * (6.0 / TO_SIGMA) ** 2))
    assert expected == pytest.approx(0.708, abs=5e-4)
    np.testing.assert_allclose(peaks, expected, atol=0.03)  # a disc of whole pixels


def fields(n, side):
    scenes = (load("blurred_map", shape=(side, side), dose=1.0, seed=seed) for seed in range(n))
    return np.array([[(scene.labels == phase).mean() for phase in range(3)] for scene in scenes])


def test_fields_of_view_have_the_fractions_of_the_material_on_average():
    """A Poisson process of discs covers ``1 - exp(-density * area)``, edges included."""
    found = fields(100, 48)
    expected = load("blurred_map", **SMALL).fractions
    np.testing.assert_allclose(expected, [0.65 * 0.94, 0.35 * 0.94, 0.06])
    assert np.all(np.abs(found.mean(axis=0) - expected) < 4 * found.std(axis=0) / 10)


@pytest.mark.parametrize("side", [32, 64])
def test_fractions_of_small_fields_scatter_as_theory_says(side):
    """The covariance of a Boolean model at a distance is that of the overlap of two discs."""
    radius, share = 4.0, 0.06
    density = -np.log(1 - share) / (np.pi * radius**2)
    steps = np.arange(-side + 1, side)
    apart = np.hypot(steps[:, None], steps)
    half = np.minimum(apart / (2 * radius), 1)
    overlap = 2 * radius**2 * (np.arccos(half) - half * np.sqrt(1 - half**2))
    pairs = (side - np.abs(steps))[:, None] * (side - np.abs(steps))
    covariance = (1 - share) ** 2 * np.expm1(density * overlap)
    expected = np.sqrt((covariance * pairs).sum()) / side**2
    found = fields(100, side)[:, 2].std(ddof=1)
    assert found == pytest.approx(expected, rel=0.25)  # 100 fields: 7 % uncertain


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cathodoluminescence", {"n_dislocations": -1}, "n_dislocations is -1"),
        ("cathodoluminescence", {"diffusion_length": 0}, "diffusion_length is 0; .* above 0 nm"),
        ("kinetic_series", {"n_frames": 2}, "n_frames is 2; expected a whole number from 3 up"),
        ("kinetic_series", {"first_rate": 0}, "first_rate is 0; expected a number above 0 1/s"),
        ("kinetic_series", {"second_rate": "slow"}, "second_rate is 'slow'"),
        ("blurred_map", {"resolution": -1}, "resolution is -1; expected a number from 0 nm"),
    ],
)
def test_bad_settings_are_refused(name, settings, message):
    with pytest.raises(ValueError, match=message):
        load(name, **settings)
