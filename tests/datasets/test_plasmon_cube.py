"""The silver cube: its symmetry, its modes in space and energy, and what its tilts owe to them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

import endmember as em
from endmember.datasets.simulators import plasmon_cube
from endmember.datasets.simulators.needle import project


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("plasmon_cube")


@pytest.fixture(scope="module")
def maps(scene):
    """Abundances by tilt: (tilt, row, column, mode)."""
    return scene.abundances.reshape(*scene.image.navigation_shape, -1)


def at(scene, angle):
    return int(np.flatnonzero(np.isclose(scene.angles, angle))[0])


def test_tilts_a_quarter_turn_apart_expect_the_same(scene, maps):
    for angle in (-60, -50, -40, -30):
        # voxels in single precision, up to 48 in a sum
        np.testing.assert_allclose(
            maps[at(scene, angle)], maps[at(scene, angle + 90)], rtol=0, atol=1e-6
        )


def test_opposite_tilts_mirror_each_other(maps):
    np.testing.assert_allclose(maps, maps[::-1, :, ::-1], rtol=0, atol=1e-6)
    np.testing.assert_allclose(maps, maps[:, ::-1], rtol=0, atol=1e-6)  # and top and bottom


def test_every_tilt_sees_the_whole_of_every_mode(scene, maps):
    whole = scene.mode_volumes.sum(axis=(1, 2, 3), dtype=float) * scene.pixel_size / 100
    # What lies beyond the frame has fallen off over five decay lengths, to less than 1 %.
    np.testing.assert_allclose(maps.sum(axis=(1, 2)), np.tile(whole, (13, 1)), rtol=0.01)
    np.testing.assert_allclose(maps[at(scene, 0)].sum(axis=(0, 1)), whole, rtol=1e-6)


@pytest.mark.parametrize(("mode", "n_places"), [("corner", 8), ("edge", 12), ("face", 6)])
def test_a_mode_has_as_many_places_as_the_cube(scene, mode, n_places):
    volume = scene.mode_volumes[scene.names.index(mode)]
    assert volume.max() == 1
    places, found = label(volume > 0.6)
    assert found == n_places
    sizes = np.bincount(places.ravel())[1:]
    assert np.ptp(sizes) == 0  # all alike


def test_the_middle_of_a_face_belongs_to_the_face_mode(scene):
    corner, edge, face, _ = scene.mode_volumes
    middle = 23  # of 48, 2.5 nm off the middle of a face
    assert face[middle, middle].max() > 0.9
    assert max(corner[middle, middle].max(), edge[middle, middle].max()) < 0.01


def test_the_field_falls_off_outside_by_its_decay_length():
    fine = plasmon_cube._mode_volumes(96, 96, 2.5)
    beyond = (np.arange(96) - 47.5) * 2.5 - 50  # nm from the face
    face = fine[2][47, 47]
    outside = (beyond > 2) & (beyond < 50)
    slope = np.polyfit(beyond[outside], np.log(face[outside]), 1)[0]
    assert -1 / slope == pytest.approx(10.0, rel=1e-4)  # single precision


@pytest.mark.parametrize(("angle", "n_spots"), [(0, 4), (20, 8), (50, 6)])
def test_corners_are_seen_behind_each_other(scene, angle, n_spots):
    fine = em.datasets.load("plasmon_cube", shape=(96, 96), n_tilts=13, n_channels=16)
    corner = fine.abundances[:, 0].reshape(fine.image.navigation_shape)[at(fine, angle)]
    rows = corner.shape[0] // 2
    profile = corner[:rows].max(axis=0)
    inner = profile[1:-1]
    is_peak = (inner > profile[:-2]) & (inner >= profile[2:]) & (inner > 0.25 * profile.max())
    assert 2 * is_peak.sum() == n_spots  # above and below


@pytest.mark.parametrize("angle", [0, 10, 20])
def test_the_bulk_is_as_thick_as_the_cube(angle):
    volumes = plasmon_cube._mode_volumes(60, 60, 4.0)
    through = project(volumes[3], angle)[30, 29:31].mean() * 4.0
    assert through == pytest.approx(100 / np.cos(np.radians(angle)), abs=2.0)  # half a voxel


def test_modes_peak_at_their_energies(scene):
    peaks = scene.image.axis[scene.endmembers.argmax(axis=1)]
    step = scene.image.signal_axis.scale
    np.testing.assert_allclose(peaks, scene.mode_energies, atol=step)
    assert (np.diff(scene.mode_energies) > 0).all()


def test_its_rank_is_the_number_of_its_modes(scene):
    assert np.linalg.matrix_rank(scene.abundances) == 4
    assert np.linalg.matrix_rank(scene.endmembers) == 4


def test_dose_is_what_a_pixel_on_the_cube_counts(scene, maps):
    metal = maps[at(scene, 0)]
    counts = metal @ scene.endmembers.sum(axis=1)
    # The ends of the axis cut off nothing: the dose counts what is on it.
    assert counts[metal[..., 3] > 0].mean() == pytest.approx(200, rel=1e-6)


def test_more_pixels_are_finer_ones_of_the_same_cube(scene):
    fine = em.datasets.load("plasmon_cube", shape=(96, 96), n_tilts=2, n_channels=16)
    assert fine.pixel_size == scene.pixel_size / 2
    volumes = [s.mode_volumes[3].sum() * s.pixel_size**3 for s in (fine, scene)]
    assert volumes[0] == pytest.approx(volumes[1], rel=0.01)
    # a cube without what rounding takes: 12 edges and 8 corners of 8 nm
    edges = 12 * (1 - np.pi / 4) * 8**2 * (100 - 16)
    corners = 8**3 * (8 - 4 * np.pi / 3)
    assert volumes[0] == pytest.approx(100**3 - edges - corners, rel=0.01)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (48, 4)}, "the cube needs 8 rows and 8 columns"),
        ({"n_tilts": 1}, "n_tilts is 1; expected a whole number from 2 up"),
        ({"max_tilt": 0}, "max_tilt is 0; expected a number above 0 up to 90 degrees"),
        ({"n_channels": 4}, "n_channels is 4; expected a whole number from 16 up"),
    ],
)
def test_a_series_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        em.datasets.load("plasmon_cube", **settings)
