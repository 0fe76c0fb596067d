"""A needle of nickel and chromium layers, tilted all the way round under an X-ray detector."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from endmember.core.axes import Axis
from endmember.core.draw import draw_counts, draw_sparse
from endmember.core.image import SpectrumImage
from endmember.core.seeds import as_seed
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_choice, as_count, as_dose, as_number, as_shape
from endmember.datasets.xray import bremsstrahlung, element_spectrum

FULL_SIZE = {"shape": (165, 124), "n_tilts": 73, "n_channels": 900}  # of the lecture

ELEMENTS = ("Ni", "Cr", "Si")
NICKEL, CHROMIUM, SILICON = range(3)
LAYER_THICKNESS = 56.0  # nm, as S0 and S1 have it
N_LAYERS = 9  # chromium at the surface and on the silicon; illustrative
AZIMUTH = 75.0  # degrees: the tilt at which the layers are seen edge-on; illustrative
FIELD = (825.0, 620.0)  # nm: the least height and width of the frame, so that the needle fits
SURFACE = 40.0  # nm of vacuum above the tip
TIP_RADIUS, HALF_ANGLE, SHANK = 20.0, 8.0, 250.0  # nm, degrees, nm: an ion-milled needle
LENGTH = 100.0  # nm that one unit of abundance stands for

HIGHEST = 9.0  # keV, just above Ni Kβ; 900 channels of 10 eV at full size
BEAM_ENERGY = 200.0  # keV
CONTINUUM = 0.15  # counts under every line, as a share of it; illustrative
YIELDS = {  # counts of 100 nm, by the strongest line of each family; illustrative
    ("Ni", "K"): 1.0,
    ("Ni", "L"): 0.8,
    ("Cr", "K"): 1.1,
    ("Cr", "L"): 0.5,
    ("Si", "K"): 0.9,
}
DENSITIES = np.array([8.908, 7.14, 2.33])  # g/cm³, as eXSpy has them, in the order of ELEMENTS
MASS_ABSORPTION = np.array(  # cm²/g of the strongest line above in Ni, Cr and Si
    # C. T. Chantler et al., X-Ray Form Factor, Attenuation and Scattering Tables 2.1 (2005),
    # https://doi.org/10.18434/T4HS32, as eXSpy has them.
    [
        [54.7, 296.5, 75.6],
        [1693.4, 10514.6, 2218.9],
        [132.8, 77.9, 188.0],
        [3870.7, 2391.7, 6084.0],
        [2791.1, 1725.0, 322.8],
    ]
)
PER_NM = 1e-7  # from 1/cm

# Atoms in a nm³ times the atomic number to the power 1.7 (illustrative), nickel as 1.
BRIGHTNESS = np.array([1.0, 0.70, 0.17])
HAADF_COUNTS = 500.0  # electrons on the detector for 100 nm of nickel; illustrative


@dataclass(frozen=True)
class Tilt:
    """What one tilt records.

    Attributes
    ----------
    angle : float
        Tilt in degrees.
    counts : scipy.sparse.csr_array of unsigned int, shape (rows * columns, n_channels)
        Row after row.
    haadf : ndarray of float32, shape (rows, columns)
        The image recorded alongside, in electrons.
    thicknesses : ndarray of shape (rows, columns, 3)
        Nickel, chromium and silicon under every pixel, in nm: the truth.
    """

    angle: float
    counts: sp.csr_array
    haadf: np.ndarray
    thicknesses: np.ndarray


def simulate_nicr_needle(
    shape=(48, 40),
    *,
    n_tilts=37,
    n_channels=300,
    inclination=20.0,
    absorption=False,
    dose=3.0,
    seed=0,
):
    """Simulate X-ray maps of a layered needle, tilted once round.

    ``counts ~ Poisson(thickness(tilt) / 100 nm @ endmembers)``, where the thickness is the volume
    summed along the beam. The frame, at least 825 nm high and 620 nm wide, has the needle upright
    in it; the tilt axis is upright as well. The first angle and the last are the same.

    Parameters
    ----------
    shape : tuple of int, default=(48, 40)
        Rows and columns of every map, 8 and up: more of them are finer pixels of the same needle.
        The lecture has (165, 124), 5 nm each.
    n_tilts : int, default=37
        Tilts from 0 to 360 degrees, both included; the lecture has 73, in steps of 5 degrees.
    n_channels : int, default=300
        Channels from 0 to 9 keV; the lecture has 900.
    inclination : float, default=20
        Angle in degrees, up to 45, between the normal of the layers and the tilt axis; at 0, every
        tilt sees the layers edge-on.
    absorption : bool, default=False
        Whether the needle absorbs its own X-rays on their way to a detector on the right. Counts
        are then ``Poisson(sum of parts)``, where each family of lines is a part that falls with
        ``exp(-path * coefficient)``: no linear mixture, and `abundances` are not given.
    dose : float, default=3
        Expected counts a pixel, on average over those that see the needle at tilt 0, before
        absorption.
    seed : int, default=0
        The same seed gives the same counts; every tilt draws from a child of it.

    Returns
    -------
    Scene
        With endmembers (expected counts of 100 nm), abundances (thickness by 100 nm), thicknesses
        (nm), volume (share of each element in every voxel: element, row, depth, column), angles
        (degrees), layer_thickness and pixel_size (nm), and layer_normal (along rows, depth and
        columns). The image has the HAADF as companion.
    """
    settings = _as_settings(shape, n_tilts, n_channels, inclination, absorption, dose, seed)
    needle = _needle(settings)
    tilts = list(_record(needle, settings["seed"]))
    thicknesses = np.stack([tilt.thicknesses for tilt in tilts])
    abundances = None if needle.is_absorbing else thicknesses.reshape(-1, len(ELEMENTS)) / LENGTH
    return Scene(
        "nicr_needle",
        _image(needle, tilts),
        settings=settings,
        formula="counts ~ Poisson(abundances @ endmembers), abundances = volume along the beam",
        endmembers=needle.endmembers,
        abundances=abundances,
        names=ELEMENTS,
        thicknesses=thicknesses,
        volume=needle.volume,
        angles=needle.angles,
        layer_thickness=LAYER_THICKNESS,
        layer_normal=_normal(settings["inclination"]),
        pixel_size=needle.pixel_size,
    )


def stream_nicr_needle(
    shape=(165, 124),
    *,
    n_tilts=73,
    n_channels=900,
    inclination=20.0,
    absorption=False,
    dose=3.0,
    seed=0,
):
    """Yield the tilts of the needle one by one, by default in the size of the lecture.

    The counts are those of :func:`simulate_nicr_needle` with the same settings; only one tilt is
    held at a time.

    Parameters
    ----------
    shape, n_tilts, n_channels, inclination, absorption, dose, seed
        As in :func:`simulate_nicr_needle`.

    Yields
    ------
    Tilt
        Angle, counts as a CSR array, HAADF and true thicknesses.

    Examples
    --------
    >>> tilts = stream_nicr_needle((16, 12), n_tilts=3, n_channels=90)
    >>> [tilt.angle for tilt in tilts]
    [0.0, 180.0, 360.0]
    """
    settings = _as_settings(shape, n_tilts, n_channels, inclination, absorption, dose, seed)
    return _record(_needle(settings), settings["seed"])


def save_nicr_needle(path, **settings):
    """Write the tilts of the needle into a file of uint8 counts, and open it as a memory map.

    Parameters
    ----------
    path : str or path-like
        The ``.npy`` file to write; 1.3 GB at the size of the lecture.
    **settings
        As in :func:`stream_nicr_needle`.

    Returns
    -------
    numpy.memmap of uint8, shape (n_tilts, rows, columns, n_channels)
        Read from the file as needed, and never changed. It makes a SpectrumImage without a copy.
    """
    path, settings = Path(path), {**FULL_SIZE, **settings}
    tilts = stream_nicr_needle(**settings)
    whole = (settings["n_tilts"], *settings["shape"], settings["n_channels"])
    np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=whole)
    try:
        for place, tilt in enumerate(tilts):
            # Opened anew for every tilt, so that what is written does not stay in memory.
            maps = np.load(path, mmap_mode="r+", allow_pickle=False)
            maps[place] = _as_uint8(tilt).reshape(whole[1:])
            del maps
    except ValueError:
        path.unlink()
        raise
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _as_uint8(tilt):
    """Return the counts of a tilt as a dense array of bytes, where they fit."""
    most = tilt.counts.data.max(initial=0)
    if most > np.iinfo(np.uint8).max:
        raise ValueError(
            f"a channel of the tilt at {tilt.angle:g}° holds {most} counts, more than a uint8 can; "
            "lower the dose, or take the CSR blocks of stream_nicr_needle."
        )
    return tilt.counts.astype(np.uint8).toarray()


def project(volume, angle):
    """Add up a volume along the beam after a turn about the upright axis.

    Every voxel casts the shadow of a turned square, split over the pixels that it falls on: what a
    slab casts is even, and nothing is lost but what falls beside the frame.

    Parameters
    ----------
    volume : ndarray of shape (..., rows, depth, columns)
        What is in every voxel.
    angle : float
        Tilt in degrees; 0 looks along the depth.

    Returns
    -------
    ndarray of shape (..., rows, columns)
        Sums, in voxels.

    Examples
    --------
    >>> project(np.ones((1, 3, 3)), 90)
    array([[3., 3., 3.]])
    """
    *before, depth, columns = volume.shape
    flat = volume.reshape(-1, depth * columns)
    return (_shadows(depth, columns, angle) @ flat.T).T.reshape(*before, columns)


@dataclass(frozen=True)
class _Needle:
    """The needle as it stands on the stage, and the spectra of what it is made of."""

    volume: np.ndarray  # (element, row, depth, column), share of each in every voxel
    pixel_size: float  # nm
    angles: np.ndarray  # degrees
    axis: Axis
    parts: np.ndarray = field(repr=False)  # (5, n_channels): counts of 100 nm, by line family
    is_absorbing: bool = False

    @property
    def endmembers(self):
        """Expected counts of 100 nm of each element, nothing absorbed."""
        return _by_element() @ self.parts


def _as_settings(shape, n_tilts, n_channels, inclination, absorption, dose, seed):
    rows, columns = as_shape(shape)
    if min(rows, columns) < 8:
        raise ValueError(f"shape is {shape!r}; the needle needs 8 rows and 8 columns, or more.")
    return {
        "shape": (rows, columns),
        "n_tilts": as_count(n_tilts, "n_tilts", least=2),
        "n_channels": as_count(n_channels, "n_channels", least=2),
        "inclination": as_number(inclination, "inclination", "degrees", least=0, most=45),
        "absorption": bool(as_choice(absorption, "absorption", (False, True))),
        "dose": as_dose(dose),
        "seed": as_seed(seed),
    }


def _needle(settings):
    """Build the needle, and let it shine as brightly as the dose says."""
    rows, columns = settings["shape"]
    n_tilts, n_channels = settings["n_tilts"], settings["n_channels"]
    pixel_size = max(FIELD[0] / rows, FIELD[1] / columns)
    volume = _phantom(rows, columns, pixel_size, settings["inclination"])
    step = HIGHEST / n_channels
    axis = Axis.uniform(n_channels, scale=step, offset=step / 2, name="energy", unit="keV")
    parts = _parts(axis.values)
    at_rest = project(volume, 0.0) * pixel_size / LENGTH
    bright = np.tensordot(_by_element() @ parts.sum(axis=1), at_rest, 1)
    parts *= settings["dose"] / bright[bright > 0].mean()
    angles = 360.0 * np.arange(n_tilts) / (n_tilts - 1)
    return _Needle(volume, pixel_size, angles, axis, parts, settings["absorption"])


def _record(needle, seed):
    """Yield what every tilt records, each from a child of the seed."""
    shape = needle.volume.shape[1], needle.volume.shape[3]
    for place, angle in enumerate(needle.angles):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(place,)))
        # From maps one after another to pixels one after another.
        thicknesses = np.moveaxis(project(needle.volume, angle) * needle.pixel_size, 0, -1)
        if needle.is_absorbing:
            counts = draw_sparse(_escaping(needle, angle) / LENGTH, needle.parts, rng)
        else:
            amounts = thicknesses.reshape(-1, len(ELEMENTS)) / LENGTH
            counts = draw_sparse(amounts, needle.endmembers, rng)
        haadf = draw_counts(HAADF_COUNTS * (thicknesses / LENGTH) @ BRIGHTNESS, rng)
        yield Tilt(float(angle), counts, haadf.astype(np.float32).reshape(shape), thicknesses)


def _image(needle, tilts):
    rows, columns = tilts[0].haadf.shape
    n_tilts = len(tilts)
    step = 360.0 / (n_tilts - 1)
    size = {"scale": needle.pixel_size, "unit": "nm"}
    counts = sp.csr_array(sp.vstack([tilt.counts for tilt in tilts], format="csr"))
    return SpectrumImage(
        counts,
        needle.axis,
        navigation_shape=(n_tilts, rows, columns),
        navigation_axes=(
            Axis.uniform(n_tilts, scale=step, name="tilt", unit="°"),
            Axis.uniform(rows, name="height", **size),
            Axis.uniform(columns, name="width", **size),
        ),
        title="Ni/Cr needle",
        metadata={
            "Acquisition_instrument": {"TEM": {"beam_energy": BEAM_ENERGY}},
            "Sample": {"elements": sorted(ELEMENTS)},
        },
        companions={"HAADF": np.stack([tilt.haadf for tilt in tilts])},
    )


# what the needle is


def _phantom(rows, columns, pixel_size, inclination):
    """Share of each element in every voxel, float32; boundaries are as soft as a voxel."""
    across = (np.arange(columns) - (columns - 1) / 2) * pixel_size
    below = ((np.arange(rows) + 0.5) * pixel_size - SURFACE)[:, None, None]
    y, x = across[:, None], across
    inside = _share((_radius(below) - np.hypot(y, x)) / pixel_size) * _share(below / pixel_size)
    down, deep, right = _normal(inclination)
    level = down * below + deep * y + right * x  # nm below the surface of the first layer
    volume = np.zeros((len(ELEMENTS), *level.shape), dtype=np.float32)
    upper = inside * _share(level / pixel_size)
    for layer in range(N_LAYERS):
        lower = inside * _share((level - LAYER_THICKNESS * (layer + 1)) / pixel_size)
        volume[NICKEL if layer % 2 else CHROMIUM] += upper - lower
        upper = lower
    volume[SILICON] = upper
    return volume


def _share(distance):
    """Share of a voxel within a boundary that lies this many voxels away."""
    return np.clip(0.5 + distance, 0.0, 1.0)


def _radius(below):
    """Radius of the needle in nm at a depth below its tip: round at first, then a cone."""
    depth = np.clip(below, 0.0, None)
    cone = depth * np.tan(np.radians(HALF_ANGLE))
    return np.minimum(np.sqrt(2 * TIP_RADIUS * depth + cone**2), SHANK)


def _normal(inclination):
    """Return the normal of the layers along rows, depth and columns."""
    lean, turn = np.radians(inclination), np.radians(AZIMUTH)
    return np.array([np.cos(lean), np.sin(lean) * np.sin(turn), np.sin(lean) * np.cos(turn)])


def _parts(energies):
    """Spectrum of each family of lines, with the continuum under the K lines."""
    spectra = []
    for (element, family), area in YIELDS.items():
        spectrum = element_spectrum(energies, element, families={family: area})
        if family == "K":
            spectrum = spectrum + CONTINUUM * area * bremsstrahlung(energies, BEAM_ENERGY)
        spectra.append(spectrum)
    return np.array(spectra)


def _by_element():
    """Sum of the families of each element, as a matrix (element, family)."""
    return np.array([[element == of for of, _ in YIELDS] for element in ELEMENTS], dtype=float)


# how it is seen


def _shadows(depth, columns, angle):
    """Return what every voxel casts on every pixel: sparse, (columns, depth * columns)."""
    places = _turned(depth, columns, angle)[1].ravel() + columns / 2
    widths = np.abs(_cos_sin(angle))
    first = np.floor(places - widths.sum() / 2)
    voxels = np.arange(places.size)
    parts = []
    for pixel in (first, first + 1, first + 2):  # a shadow is at most √2 pixels wide
        weights = _shadow(pixel + 1 - places, widths) - _shadow(pixel - places, widths)
        seen = (weights > 0) & (pixel >= 0) & (pixel < columns)
        parts.append((weights[seen], pixel[seen].astype(int), voxels[seen]))
    weights, pixels, voxels = map(np.concatenate, zip(*parts, strict=True))
    return sp.csr_array((weights, (pixels, voxels)), shape=(columns, places.size))


def _shadow(x, widths):
    """Share of the shadow of a turned square that lies below `x`: of two boxes, convolved."""
    wide, narrow = max(widths), min(widths)
    if narrow < 1e-6:  # a millionth of a pixel
        return np.clip(x / wide + 0.5, 0.0, 1.0)

    def area(x):
        ramp = np.clip(x + wide / 2, 0.0, wide)
        return ramp**2 / (2 * wide) + np.clip(x - wide / 2, 0.0, None)

    return (area(x + narrow / 2) - area(x - narrow / 2)) / narrow


def _escaping(needle, angle):
    """Thickness in nm that the detector on the right sees of each family: (n_pixels, 5)."""
    paths = _paths(needle.volume, angle) * needle.pixel_size
    seen = []
    for (element, _), coefficients in zip(YIELDS, MASS_ABSORPTION * DENSITIES, strict=True):
        passing = np.exp(-np.tensordot(coefficients * PER_NM, paths, 1))
        seen.append(project(needle.volume[ELEMENTS.index(element)] * passing, angle).ravel())
    return np.stack(seen, axis=1) * needle.pixel_size


def _paths(volume, angle):
    """Voxels of each element between every voxel and a detector on the right, half its own too."""
    depth, columns = volume.shape[-2:]
    flat = volume.reshape(-1, depth * columns).T
    on_stage = (_interpolation(depth, columns, -angle) @ flat).reshape(depth, columns, -1)
    beyond = np.cumsum(on_stage[:, ::-1], axis=1)[:, ::-1] - on_stage / 2
    back = _interpolation(depth, columns, angle) @ beyond.reshape(depth * columns, -1)
    return back.T.reshape(volume.shape)


def _interpolation(depth, columns, angle):
    """Values at turned places, between the four voxels nearby: sparse, square."""
    y, x = (
        place.ravel() + (size - 1) / 2
        for place, size in zip(_turned(depth, columns, angle), (depth, columns), strict=True)
    )
    low_y, low_x = np.floor(y), np.floor(x)
    targets, parts = np.arange(y.size), []
    for to_y in (low_y, low_y + 1):
        for to_x in (low_x, low_x + 1):
            weights = (1 - np.abs(y - to_y)) * (1 - np.abs(x - to_x))
            held = (to_y >= 0) & (to_y < depth) & (to_x >= 0) & (to_x < columns) & (weights > 0)
            sources = (to_y * columns + to_x)[held].astype(int)
            parts.append((weights[held], targets[held], sources))
    weights, targets, sources = map(np.concatenate, zip(*parts, strict=True))
    return sp.csr_array((weights, (targets, sources)), shape=(y.size, y.size))


def _turned(depth, columns, angle):
    """Depth and column of every voxel after a turn, in voxels from the axis: (depth, columns)."""
    cos, sin = _cos_sin(angle)
    y = (np.arange(depth) - (depth - 1) / 2)[:, None]
    x = np.arange(columns) - (columns - 1) / 2
    return y * cos - x * sin, x * cos + y * sin


def _cos_sin(angle):
    turn = np.radians(angle % 360)  # so that 0 and 360 degrees are the same to the last bit
    return np.array([np.cos(turn), np.sin(turn)])
