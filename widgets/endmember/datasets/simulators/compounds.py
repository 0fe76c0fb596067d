"""Six compounds: as a flat section, and as a pile of particles seen in projection."""

from __future__ import annotations

import numpy as np

from endmember.core.axes import Axis
from endmember.core.draw import draw_counts
from endmember.core.elements import xray_lines
from endmember.core.image import SpectrumImage
from endmember.core.seeds import as_seed
from endmember.datasets.compound import compound_spectrum, line_window
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_count, as_dose, as_shape
from endmember.datasets.simulators.grains import grain_map, smooth_field

FORMULAE: dict[str, dict[str, float]] = {
    "graphite": {"C": 1},
    "Cr2O3": {"Cr": 2, "O": 3},
    "Fe2O3": {"Fe": 2, "O": 3},
    "MgO": {"Mg": 1, "O": 1},
    "MnO": {"Mn": 1, "O": 1},
    "FeCr2O4": {"Fe": 1, "Cr": 2, "O": 4},
}
DENSITIES = (2.2, 5.2, 5.2, 3.6, 5.4, 5.0)  # g/cm³, in the same order; illustrative
LINES = ("C_Ka", "Cr_Ka", "Fe_Ka", "Mg_Ka", "Mn_Kb", "O_Ka")  # the lecture's maps
SEM, TEM = 15.0, 200.0  # keV; illustrative
N_GRAINS = 48
PIXEL = 2.0  # nm, of the map of particles; illustrative
RADII = (0.05, 0.16)  # smallest and largest particle, of the shorter side of the map
ROUGHNESS = 0.25  # relative standard deviation of a particle's thickness about a sphere's


def simulate_six_compounds(shape=(128, 128), *, dose=150.0, seed=0):
    """Simulate a flat section of graphite and five oxides.

    ``counts ~ Poisson(abundances @ endmembers)``: every pixel belongs to one compound. The lecture
    maps Mn by a line that Fe Kα drowns.

    Parameters
    ----------
    shape : tuple of int, default=(128, 128)
        Rows and columns, of 1 µm.
    dose : float, default=150
        Expected counts a pixel, on average over the map; 3000 for the same section at a better
        signal to noise.
    seed : int, default=0
        The same seed gives the same counts; at another dose, the same section.

    Returns
    -------
    Scene
        With endmembers, abundances, labels, ``fractions`` (of the area) and ``windows`` (keV) of
        the six lines of the lecture.
    """
    shape = as_shape(shape)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    kinds = rng.permutation(N_GRAINS) % len(FORMULAE)
    labels = kinds[grain_map(shape, N_GRAINS, rng)]
    abundances = np.eye(len(FORMULAE))[labels.ravel()]
    axis = _energies()
    endmembers = _spectra(axis, SEM)
    endmembers *= dose / (abundances @ endmembers.sum(axis=1)).mean()
    counts = draw_counts(abundances @ endmembers, rng).reshape(*shape, len(axis))
    return Scene(
        "six_compounds",
        _image(counts, axis, "six compounds", {"SEM": {"beam_energy": SEM}}, (1.0, "µm")),
        settings={"shape": shape, "dose": dose, "seed": seed},
        formula="counts ~ Poisson(abundances @ endmembers), one compound in every pixel",
        endmembers=endmembers,
        abundances=abundances,
        labels=labels,
        names=tuple(FORMULAE),
        fractions=abundances.mean(axis=0),
        windows=_windows(),
    )


def simulate_rough_particles(shape=(128, 128), *, n_particles=54, dose=600.0, seed=0):
    """Simulate overlapping particles of six compounds, each thick in the middle, in projection.

    ``counts ~ Poisson(abundances @ endmembers)``: the abundances of a pixel are the thicknesses of
    the compounds above one another, so that bright says thick before it says which compound.

    Parameters
    ----------
    shape : tuple of int, default=(128, 128)
        Rows and columns, of 2 nm.
    n_particles : int, default=54
        How many particles there are, from 6 up: more of them overlap more. As many of each
        compound.
    dose : float, default=600
        Expected counts a pixel, on average over the map, empty places included.
    seed : int, default=0
        The same seed gives the same counts; at another dose, the same particles.

    Returns
    -------
    Scene
        With endmembers (counts per nm), abundances (nm), labels (the thickest compound; -1 where
        there is none), ``thickness`` (nm), ``fractions`` (of the thickness; 0 where there is none)
        and ``windows`` (keV) of the six lines of the lecture.
    """
    shape = as_shape(shape)
    n_particles = as_count(n_particles, "n_particles", least=len(FORMULAE))
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    abundances = _thicknesses(shape, n_particles, rng)
    thickness = abundances.sum(axis=1)
    is_empty = thickness == 0
    axis = _energies()
    endmembers = _spectra(axis, TEM) * np.array(DENSITIES)[:, None]
    endmembers *= dose / (abundances @ endmembers.sum(axis=1)).mean()
    counts = draw_counts(abundances @ endmembers, rng).reshape(*shape, len(axis))
    return Scene(
        "rough_particles",
        _image(counts, axis, "rough particles", {"TEM": {"beam_energy": TEM}}, (PIXEL, "nm")),
        settings={"shape": shape, "n_particles": n_particles, "dose": dose, "seed": seed},
        formula="counts ~ Poisson(abundances @ endmembers), abundances as thicknesses in nm",
        endmembers=endmembers,
        abundances=abundances,
        labels=np.where(is_empty, -1, abundances.argmax(axis=1)).reshape(shape),
        names=tuple(FORMULAE),
        thickness=thickness.reshape(shape),
        fractions=abundances / np.where(is_empty, 1, thickness)[:, None],
        windows=_windows(),
    )


def _thicknesses(shape, n_particles, rng):
    """Return how much of each compound lies above every pixel, in nm."""
    amounts = np.zeros((len(FORMULAE), *shape))
    low, high = np.maximum(np.array(RADII) * min(shape), 1.0)  # each covers a pixel's centre
    rough = np.clip(1 + ROUGHNESS * smooth_field(shape, low / 2, rng), 0.2, None)
    y, x = np.indices(shape) + 0.5
    for i in range(n_particles):
        radius = low + (high - low) * rng.random() ** 2  # many small ones
        row, column = rng.random(2) * shape
        squares = radius**2 - (y - row) ** 2 - (x - column) ** 2
        sphere = 2 * np.sqrt(np.clip(squares, 0, None))  # pixels along the beam
        amounts[i % len(FORMULAE)] += PIXEL * sphere * rough
    return amounts.reshape(len(FORMULAE), -1).T


def _spectra(axis, beam_energy):
    spectra = [
        compound_spectrum(axis.values, f, beam_energy=beam_energy) for f in FORMULAE.values()
    ]
    return np.stack(spectra)


def _energies():
    return Axis.uniform(400, scale=0.02, offset=0.01, name="energy", unit="keV", is_binned=True)


def _windows():
    """Return the window of every line that the lecture maps, by the line's name."""
    names = (name.split("_") for name in LINES)
    lines = [xray_lines(element)[line] for element, line in names]
    return {name: line_window(line.energy) for name, line in zip(LINES, lines, strict=True)}


def _image(counts, axis, title, instrument, pixel):
    scale, unit = pixel
    places = [
        Axis.uniform(n, scale=scale, name=name, unit=unit)
        for n, name in zip(counts.shape[:2], "yx", strict=True)
    ]
    elements = sorted({element for formula in FORMULAE.values() for element in formula})
    metadata = {"Acquisition_instrument": instrument, "Sample": {"elements": elements}}
    return SpectrumImage(counts, axis, navigation_axes=places, title=title, metadata=metadata)
