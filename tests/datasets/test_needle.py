"""The Ni/Cr needle: what its tilts owe to its volume, and that its full size is never held."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

import endmember as em
from endmember.core.elements import xray_lines
from endmember.datasets.simulators import needle

SMALL = {"shape": (24, 20), "n_tilts": 9, "n_channels": 90}


@pytest.fixture(scope="module")
def scene():
    return em.datasets.load("nicr_needle")


@pytest.fixture(scope="module")
def absorbed():
    """Expected thickness behind each family of lines, by tilt: (angle, n_pixels, 5)."""
    made = needle._needle(needle._as_settings((24, 20), 5, 90, 20.0, True, 4.0, 0))
    return made, {angle: needle._escaping(made, angle) for angle in made.angles}


def tilts(scene, values):
    return values.reshape(*scene.image.navigation_shape, -1)


# geometry


def test_tilts_0_and_360_expect_the_same(scene):
    assert scene.angles[[0, -1]].tolist() == [0.0, 360.0]
    maps = tilts(scene, scene.abundances)
    assert np.array_equal(maps[0], maps[-1])
    counts = scene.image.counts
    n = scene.image.n_pixels // len(scene.angles)
    assert (counts[:n] != counts[-n:]).nnz > 0  # a replicate, not a copy


def test_the_lecture_has_73_tilts_of_72_angles():
    angles = em.datasets.load("nicr_needle", **SMALL | {"n_tilts": 73}).angles
    assert np.array_equal(angles, np.arange(0, 361, 5))
    assert len(np.unique(angles % 360)) == 72


def test_half_a_turn_later_the_needle_is_mirrored(scene):
    maps = tilts(scene, scene.abundances)
    half = len(scene.angles) // 2
    assert scene.angles[half] == 180
    mirrored = maps[: half + 1, :, ::-1]
    # to rounding of sums of up to 40 voxels of 0.17 units
    np.testing.assert_allclose(maps[half:], mirrored, rtol=0, atol=1e-12)
    assert np.abs(maps[0] - maps[half]).max() > 0.1  # and is not its own mirror image


def test_absorption_breaks_the_mirror_but_not_the_full_turn(absorbed):
    _, seen = absorbed
    shape = (24, 20, len(needle.YIELDS))
    assert np.array_equal(seen[0.0], seen[360.0])
    for angle in (0.0, 90.0):
        before, after = seen[angle].reshape(shape), seen[angle + 180].reshape(shape)
        apart = np.abs(before - after[:, ::-1]).max(axis=(0, 1)) / before.max(axis=(0, 1))
        soft = [family == "L" for _, family in needle.YIELDS]
        assert apart[soft].min() > 0.05
        assert apart.min() > 1e-3


@pytest.mark.parametrize("angle", [0, 12.5, 45, 90, 137, 180, 293.3])
def test_a_projection_sums_to_the_volume(scene, angle):
    shadow = needle.project(scene.volume, angle)
    # the volume is in single precision, its sums in double
    np.testing.assert_allclose(
        shadow.sum(axis=(1, 2)), scene.volume.sum(axis=(1, 2, 3), dtype=float), rtol=1e-12
    )
    np.testing.assert_allclose(
        shadow.sum(axis=2), scene.volume.sum(axis=(2, 3), dtype=float), rtol=1e-12, atol=1e-12
    )


def test_every_tilt_sees_the_same_amount_of_each_element(scene):
    amounts = tilts(scene, scene.abundances).sum(axis=(1, 2))
    np.testing.assert_allclose(amounts, amounts[[0]].repeat(len(amounts), axis=0), rtol=1e-12)
    voxels = scene.volume.sum(axis=(1, 2, 3), dtype=float)
    np.testing.assert_allclose(amounts[0], voxels * scene.pixel_size / 100, rtol=1e-12)


@pytest.mark.parametrize("angle", [0, 30, 45, 60, 90, 200])
def test_a_disc_casts_chords(angle):
    """Independent: a disc of radius r casts ``2 sqrt(r² - x²)`` at whatever tilt."""
    size, radius = 101, 40.0
    x = np.arange(size) - (size - 1) / 2
    disc = np.clip(radius - np.hypot(x[:, None], x) + 0.5, 0, 1)
    shadow = needle.project(disc[None], angle)[0]
    chords = 2 * np.sqrt(np.clip(radius**2 - x**2, 0, None))
    inside = np.abs(x) < 0.95 * radius  # steeper than a pixel resolves, further out
    np.testing.assert_allclose(shadow[inside], chords[inside], atol=0.35)  # a third of a voxel


def test_a_projection_agrees_with_lines_through_the_volume(scene):
    """Independent: sample the volume along fine straight rays with linear interpolation."""
    angle, row, fine = 33.0, 30, 0.05
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    _, _, depth, columns = scene.volume.shape
    along = np.arange(-40, 40, fine)
    u = (np.arange(columns * 8) + 0.5) / 8 - 0.5 - (columns - 1) / 2  # eight rays a pixel
    y = along * cos + u[:, None] * sin + (depth - 1) / 2
    x = u[:, None] * cos - along * sin + (columns - 1) / 2
    rays = map_coordinates(scene.volume[0, row].astype(float), [y, x], order=1).sum(axis=1) * fine
    shadow = needle.project(scene.volume[0, row : row + 1], angle)[0]
    # Linear interpolation blurs by about a voxel what the shadows of squares do not.
    assert np.abs(rays.reshape(columns, 8).mean(axis=1) - shadow).max() < 0.08 * shadow.max()
    assert rays.sum() / 8 == pytest.approx(shadow.sum(), rel=1e-3)


def edges(values, at):
    """Places where a profile crosses one half."""
    is_high = values > 0.5
    return at[np.flatnonzero(is_high[1:] != is_high[:-1])]


@pytest.mark.parametrize("shape", [(48, 40), (110, 83)])
def test_layers_are_56_nm_along_their_normal(shape):
    scene = em.datasets.load("nicr_needle", shape=shape, n_tilts=2, n_channels=9)
    assert scene.layer_thickness == 56.0
    depth, columns = scene.volume.shape[2:]
    # A line along the normal that crosses the tilt axis 300 nm below the top of the frame.
    along = np.arange(-200, 200, 0.1)
    start = np.array([300.0, 0.0, 0.0])[:, None] + scene.layer_normal[:, None] * along
    centre = np.array([-0.5, (depth - 1) / 2, (columns - 1) / 2])[:, None]
    nickel, chromium, silicon = (
        map_coordinates(share, start / scene.pixel_size + centre, order=1) for share in scene.volume
    )
    within = nickel + chromium + silicon > 0.99
    thicknesses = np.diff(edges(nickel[within], along[within]))
    assert len(thicknesses) >= 3
    assert np.abs(thicknesses - 56.0).max() < scene.pixel_size
    assert thicknesses.mean() == pytest.approx(56.0, abs=3.0)  # what the course asks for


def test_only_some_tilts_see_the_layers_edge_on():
    scene = em.datasets.load("nicr_needle", shape=(96, 72), n_tilts=25, n_channels=9)
    share = scene.thicknesses[..., 0] / np.maximum(scene.thicknesses.sum(axis=-1), 1e-9)
    middle = share[:, 35:62, 34:38]  # across two layers of each metal
    mixed = (middle * (1 - middle)).mean(axis=(1, 2))
    assert scene.angles[mixed.argmin()] % 180 == 75
    assert mixed[0] > 3 * mixed.min()
    level = em.datasets.load("nicr_needle", shape=(96, 72), n_tilts=25, n_channels=9, inclination=0)
    assert np.ptp(level.thicknesses[..., 0], axis=0).max() < 0.1 * level.thicknesses.max()


def test_the_volume_holds_each_place_once(scene):
    assert scene.volume.min() >= 0
    assert scene.volume.sum(axis=0).max() <= 1 + 1e-6  # single precision
    assert scene.volume.nbytes < 2e6
    assert scene.volume[2, -1].max() == 1  # silicon at the foot
    assert scene.volume[2, :16].max() == 0  # and none near the tip


# counts


def test_counts_of_a_pixel_have_one_digit(scene):
    expected = scene.abundances @ scene.endmembers.sum(axis=1)
    assert expected.max() < 7
    counts = em.SpectrumImage.map(scene.image, (0, 9)).ravel()
    on_needle = expected > 0.5
    assert 2 < counts[on_needle].mean() < 5
    assert (counts[on_needle] < 10).mean() > 0.98
    assert counts[expected == 0].max() == 0


def test_dose_is_what_a_pixel_on_the_needle_counts():
    scene = em.datasets.load("nicr_needle", dose=40)
    first = tilts(scene, scene.abundances)[0] @ scene.endmembers.sum(axis=1)
    assert first[first > 0].mean() == pytest.approx(40, rel=1e-6)


def test_its_rank_is_the_number_of_its_elements(scene):
    assert np.linalg.matrix_rank(scene.abundances) == 3
    assert np.linalg.matrix_rank(scene.endmembers) == 3


def test_its_lines_are_where_the_table_has_them(scene):
    for spectrum, element in zip(scene.endmembers, scene.names, strict=True):
        line = xray_lines(element)["Ka"].energy
        near = np.abs(scene.image.axis - line) < 0.15
        found = np.average(scene.image.axis[near], weights=spectrum[near])
        assert found == pytest.approx(line, abs=0.03)  # a channel


def test_the_haadf_is_brightest_on_nickel(scene):
    haadf = scene.image.companions["HAADF"]
    assert haadf.shape == scene.image.navigation_shape
    thickness = scene.thicknesses / 100
    expected = thickness @ (500 * np.array([1.0, 0.70, 0.17]))
    ratio = (haadf - expected)[expected > 5] / np.sqrt(expected[expected > 5])
    # scaled Poisson counts: mean 0 and variance 1 to their own spread
    assert abs(ratio.mean()) < 5 / np.sqrt(ratio.size)
    assert ratio.std() == pytest.approx(1, abs=0.02)


def test_brightness_is_that_of_the_atoms():
    """Independent: densities and atomic weights of the table give the atoms in a nm³."""
    from endmember.core.elements import atomic_weight

    number = {"Ni": 28, "Cr": 24, "Si": 14}
    atoms = needle.DENSITIES / [atomic_weight(e) for e in needle.ELEMENTS]
    bright = atoms * np.array([number[e] for e in needle.ELEMENTS]) ** 1.7
    np.testing.assert_allclose(needle.BRIGHTNESS, bright / bright[0], atol=0.005)


# absorption


@pytest.mark.parametrize("angle", [0.0, 90.0])
def test_beer_and_lambert_hold_voxel_by_voxel(absorbed, angle):
    """Independent: here the way out runs along a row of voxels; count it in loops."""
    made, seen = absorbed
    # At 90 degrees the end of the depth is on the right.
    volume = made.volume if angle == 0 else made.volume.swapaxes(2, 3)
    _, rows, depth, columns = volume.shape
    for part, (element, _) in enumerate(needle.YIELDS):
        per_voxel = needle.MASS_ABSORPTION[part] * needle.DENSITIES * 1e-7 * made.pixel_size
        own = volume[needle.ELEMENTS.index(element)].astype(float)
        row, expected = 14, np.zeros(columns)
        for y in range(depth):
            for x in range(columns):
                way = volume[:, row, y, x + 1 :].sum(axis=1) + volume[:, row, y, x] / 2
                expected[x] += own[row, y, x] * np.exp(-(per_voxel @ way))
        found = seen[angle][:, part].reshape(rows, columns)[row] / made.pixel_size
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)  # single precision


def test_the_way_out_is_as_long_at_whatever_tilt(absorbed):
    made, _ = absorbed
    for angle in (0.0, 45.0, 110.0):
        paths = needle._paths(made.volume, angle).sum(axis=0)
        # Across the widest row nothing is further than its diameter, and the far side is that far.
        widest = made.volume.sum(axis=0).sum(axis=1).max(axis=-1)[-1]
        assert paths[-1].max() == pytest.approx(widest, abs=1.0)  # a voxel


def test_soft_lines_lose_more_than_hard_ones(absorbed):
    made, seen = absorbed
    whole = needle.project(made.volume, 90.0).sum(axis=(1, 2)) * made.pixel_size
    kept = {
        key: seen[90.0][:, part].sum() / whole[needle.ELEMENTS.index(key[0])]
        for part, key in enumerate(needle.YIELDS)
    }
    print({" ".join(key): round(share, 3) for key, share in kept.items()})
    assert all(0 < share < 1 for share in kept.values())
    assert min(kept["Ni", "K"], kept["Cr", "K"]) > 0.95
    assert max(kept["Ni", "L"], kept["Cr", "L"]) < 0.8


def test_absorption_is_no_linear_mixture():
    scene = em.datasets.load("nicr_needle", **SMALL, absorption=True, dose=60)
    assert scene.abundances is None
    with pytest.raises(AttributeError, match=r"expected|no linear mixture"):
        scene.expected  # noqa: B018
    clear = em.datasets.load("nicr_needle", **SMALL, dose=60)
    assert np.array_equal(scene.endmembers, clear.endmembers)
    lost = int(clear.image.counts.sum()) - int(scene.image.counts.sum())
    assert lost > 3 * np.sqrt(2 * clear.image.counts.sum())


def test_absorption_adds_a_rank_for_each_soft_family(absorbed):
    made, seen = absorbed
    assert np.linalg.matrix_rank(np.concatenate(list(seen.values()))) == 5
    assert np.linalg.matrix_rank(made.parts) == 5


def test_coefficients_are_those_of_the_tables():
    """Independent: eXSpy's copy of Chantler's tables, and its densities."""
    material = pytest.importorskip("exspy").material
    for (element, family), row in zip(needle.YIELDS, needle.MASS_ABSORPTION, strict=True):
        energy = xray_lines(element)[f"{family}a"].energy
        for absorber, coefficient in zip(needle.ELEMENTS, row, strict=True):
            found = material.mass_absorption_coefficient(absorber, [energy])[0]
            assert coefficient == pytest.approx(found, abs=0.06)


# full size


@pytest.mark.parametrize("absorption", [False, True])
def test_a_stream_gives_the_counts_of_the_whole(absorption):
    settings = {**SMALL, "absorption": absorption, "seed": 3}
    whole = em.datasets.load("nicr_needle", **settings)
    n = 24 * 20
    for place, tilt in enumerate(needle.stream_nicr_needle(**settings)):
        assert tilt.angle == whole.angles[place]
        assert (tilt.counts != whole.image.counts[place * n : (place + 1) * n]).nnz == 0
        assert np.array_equal(tilt.haadf, whole.image.companions["HAADF"][place])
        assert np.array_equal(tilt.thicknesses, whole.thicknesses[place])
    assert place == len(whole.angles) - 1


def test_a_file_of_bytes_holds_the_same_counts(tmp_path):
    whole = em.datasets.load("nicr_needle", **SMALL, seed=3)
    saved = needle.save_nicr_needle(tmp_path / "needle.npy", **SMALL, seed=3)
    assert isinstance(saved, np.memmap)
    assert saved.dtype == np.uint8
    assert not saved.flags.writeable
    assert np.array_equal(saved.reshape(-1, 90), whole.image.counts.toarray())
    image = em.SpectrumImage(saved, whole.image.signal_axis)
    assert np.array_equal(image.sum_spectrum(), whole.image.sum_spectrum())


def test_counts_that_do_not_fit_a_byte_leave_no_file(tmp_path):
    with pytest.raises(ValueError, match=r"the tilt at 0° holds \d+ counts, more than a uint8"):
        needle.save_nicr_needle(tmp_path / "needle.npy", **SMALL, dose=1e5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"shape": (4, 40)}, "the needle needs 8 rows and 8 columns"),
        ({"n_tilts": 1}, "n_tilts is 1; expected a whole number from 2 up"),
        ({"n_channels": 0}, "n_channels is 0"),
        ({"inclination": 60}, "inclination is 60; expected a number from 0 up to 45 degrees"),
        ({"absorption": "yes"}, "absorption is 'yes'; choose one of"),
    ],
)
def test_a_needle_that_cannot_be_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        em.datasets.load("nicr_needle", **settings)
    with pytest.raises(ValueError, match=message):
        needle.stream_nicr_needle(**settings)  # before the first tilt is asked for


FULL = """
import sys, time
import psutil
import numpy as np
from endmember.datasets.simulators import needle

most, start, counts, tilts = 0, time.perf_counter(), 0, 0
own = psutil.Process()
for tilt in needle.stream_nicr_needle():
    counts, tilts, shape = counts + int(tilt.counts.sum()), tilts + 1, tilt.counts.shape
    most = max(most, own.memory_info().rss)
streamed = time.perf_counter() - start
saved = needle.save_nicr_needle(sys.argv[1])
written = time.perf_counter() - start - streamed
try:
    import resource
    most = max(most, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
except ImportError:  # Windows
    pass
# Only now, since pages of the file that were looked at count as memory of this process.
same = sum(int(maps.sum(dtype=np.int64)) for maps in saved) == counts
print(tilts, *shape, *saved.shape, counts, int(same), most, streamed, written)
"""


@pytest.mark.slow
def test_the_full_size_streams_within_a_gigabyte(tmp_path):
    path = tmp_path / "needle.npy"
    run = [sys.executable, "-c", FULL, str(path)]
    words = subprocess.run(run, capture_output=True, text=True, check=True).stdout.split()
    *sizes, counts, same, most = map(int, words[:-2])
    streamed, written = map(float, words[-2:])
    print(f"streamed in {streamed:.1f} s, written in {written:.1f} s, {most / 1e6:.0f} MB at most")
    assert sizes == [73, 165 * 124, 900, 73, 165, 124, 900]
    assert same
    assert counts > 1e6
    assert path.stat().st_size == pytest.approx(165 * 124 * 73 * 900, abs=256)
    assert most < 1e9
