"""A silver cube whose corners, edges and faces resonate, tilted under energy-loss spectroscopy."""

from __future__ import annotations

import numpy as np

from endmember.core.axes import Axis
from endmember.core.draw import draw_counts
from endmember.core.image import SpectrumImage
from endmember.core.seeds import as_seed
from endmember.datasets.eels import plasmon
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_count, as_dose, as_number, as_shape
from endmember.datasets.simulators.needle import project

MODES = ("corner", "edge", "face", "bulk")
# eV. 2.4 and 3.1: two modes of silver cubes of 70 nm, https://pmc.ncbi.nlm.nih.gov/articles/PMC6473507;
# which is whose, and the others: illustrative.
ENERGIES = (2.4, 3.1, 3.5, 3.8)
WIDTHS = (0.25, 0.25, 0.25, 0.2)  # eV, full widths at half maximum; illustrative
STRENGTHS = (5.0, 2.0, 1.0, 0.4)  # counts where a mode is strongest; illustrative
FIRST, LAST = 1.5, 5.0  # eV: ends of the energy axis

SIDE, ROUNDING = 100.0, 8.0  # nm: the cube, and the radius of its corners and edges
DECAY = 10.0  # nm, within the 8 to 12 nm that the same source measured outside the metal
REACH = 15.0  # nm over which corners and edges end; illustrative
FIELD = 240.0  # nm: the least height and width of the frame
LENGTH = 100.0  # nm that one unit of abundance stands for


def simulate_plasmon_cube(
    shape=(48, 48), *, n_tilts=13, max_tilt=60.0, n_channels=128, dose=200.0, seed=0
):
    """Simulate energy-loss maps of a silver cube at many tilts.

    ``counts ~ Poisson(abundances @ endmembers)``, where the abundances are the volumes of the
    modes summed along the beam. The cube, 100 nm wide, turns about an upright axis of its own.

    Parameters
    ----------
    shape : tuple of int, default=(48, 48)
        Rows and columns of every map, 8 and up, over at least 240 nm each: more of them are finer
        pixels of the same cube.
    n_tilts : int, default=13
        How many tilts, evenly spaced.
    max_tilt : float, default=60
        They run from minus this angle to plus this angle, in degrees up to 90; what is left out is
        the missing wedge.
    n_channels : int, default=128
        Channels from 1.5 to 5 eV, 16 and up.
    dose : float, default=200
        Expected counts a pixel, on average over those that see metal at tilt 0.
    seed : int, default=0
        The same seed gives the same counts.

    Returns
    -------
    Scene
        With endmembers (the spectrum of each mode: expected counts of 100 nm where it is
        strongest), abundances, mode_volumes (mode, row, depth, column; 1 where it is strongest),
        mode_energies (eV), angles (degrees) and pixel_size (nm).
    """
    settings = _as_settings(shape, n_tilts, max_tilt, n_channels, dose, seed)
    rows, columns = settings["shape"]
    pixel_size = max(FIELD / rows, FIELD / columns)
    volumes = _mode_volumes(rows, columns, pixel_size)
    angles = np.linspace(-settings["max_tilt"], settings["max_tilt"], settings["n_tilts"])
    seen = np.stack([project(volumes, angle) for angle in angles]) * (pixel_size / LENGTH)
    abundances = np.moveaxis(seen, 1, -1).reshape(-1, len(MODES))
    step = (LAST - FIRST) / settings["n_channels"]
    axis = Axis.uniform(
        settings["n_channels"], scale=step, offset=FIRST + step / 2, name="energy loss", unit="eV"
    )
    endmembers = _endmembers(axis.values, project(volumes, 0.0), pixel_size, settings["dose"])
    rng = np.random.default_rng(settings["seed"])
    return Scene(
        "plasmon_cube",
        _image(
            draw_counts(abundances @ endmembers, rng), axis, angles, (rows, columns), pixel_size
        ),
        settings=settings,
        formula="counts ~ Poisson(abundances @ endmembers), abundances = modes along the beam",
        endmembers=endmembers,
        abundances=abundances,
        names=MODES,
        mode_volumes=volumes,
        mode_energies=np.array(ENERGIES),
        angles=angles,
        pixel_size=pixel_size,
    )


def _as_settings(shape, n_tilts, max_tilt, n_channels, dose, seed):
    rows, columns = as_shape(shape)
    if min(rows, columns) < 8:
        raise ValueError(f"shape is {shape!r}; the cube needs 8 rows and 8 columns, or more.")
    return {
        "shape": (rows, columns),
        "n_tilts": as_count(n_tilts, "n_tilts", least=2),
        "max_tilt": as_number(max_tilt, "max_tilt", "degrees", above=0, most=90),
        "n_channels": as_count(n_channels, "n_channels", least=16),
        "dose": as_dose(dose),
        "seed": as_seed(seed),
    }


def _mode_volumes(rows, columns, pixel_size):
    """How strong each mode is in every voxel, float32, 1 where it is strongest.

    Every place is near none of the cube's ends, or near one (a face), two (an edge) or three of
    them (a corner). The field falls off with the distance from the surface, on either side.
    """
    z, y, x = ((np.arange(size) - (size - 1) / 2) * pixel_size for size in (rows, columns, columns))
    place = np.abs(np.meshgrid(z, y, x, indexing="ij"))
    outside = _distance(place)
    at_z, at_y, at_x = np.exp(-((np.clip(SIDE / 2 - place, 0, None) / REACH) ** 2))
    off_z, off_y, off_x = 1 - at_z, 1 - at_y, 1 - at_x
    surface = np.exp(-np.abs(outside) / DECAY)
    corner = at_z * at_y * at_x * surface
    edge = (off_z * at_y * at_x + at_z * off_y * at_x + at_z * at_y * off_x) * surface
    face = (at_z * off_y * off_x + off_z * at_y * off_x + off_z * off_y * at_x) * surface
    bulk = np.clip(0.5 - outside / pixel_size, 0, 1)
    volumes = np.stack([corner, edge, face, bulk])
    return (volumes / volumes.max(axis=(1, 2, 3), keepdims=True)).astype(np.float32)


def _distance(place):
    """Distance in nm from the surface of the rounded cube, negative in the metal."""
    beyond = place - (SIDE / 2 - ROUNDING)
    apart = np.linalg.norm(np.clip(beyond, 0, None), axis=0)
    return apart + np.clip(beyond.max(axis=0), None, 0) - ROUNDING


def _endmembers(energies, at_rest, pixel_size, dose):
    """Spectrum of each mode in counts of 100 nm, as bright as the dose says."""
    spectra = np.stack([plasmon(energies, *mode) for mode in zip(ENERGIES, WIDTHS, strict=True)])
    spectra *= np.array(STRENGTHS)[:, None] / spectra.sum(axis=1, keepdims=True)
    bright = np.tensordot(STRENGTHS, at_rest, 1) * pixel_size / LENGTH
    return spectra * dose / bright[at_rest[MODES.index("bulk")] > 0].mean()


def _image(counts, axis, angles, shape, pixel_size):
    size = {"scale": pixel_size, "unit": "nm"}
    tilt = {"scale": angles[1] - angles[0], "offset": angles[0], "unit": "°"}
    return SpectrumImage(
        counts.reshape(len(angles), *shape, -1),
        axis,
        navigation_axes=(
            Axis.uniform(len(angles), name="tilt", **tilt),
            Axis.uniform(shape[0], name="height", **size),
            Axis.uniform(shape[1], name="width", **size),
        ),
        title="silver cube",
        metadata={
            "Acquisition_instrument": {"TEM": {"beam_energy": 300.0}},  # keV; illustrative
            "Sample": {"elements": ["Ag"]},
        },
    )
