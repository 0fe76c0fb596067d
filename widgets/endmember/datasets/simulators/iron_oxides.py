"""Two iron oxides that a detector can tell apart only when it has counted enough."""

from __future__ import annotations

import numpy as np

from endmember.core.axes import Axis
from endmember.core.draw import draw_counts
from endmember.core.elements import xray_lines
from endmember.core.image import SpectrumImage
from endmember.core.seeds import as_seed
from endmember.datasets.compound import L_TO_K, line_window
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_dose, as_shape
from endmember.datasets.simulators.grains import grain_map
from endmember.datasets.xray import bremsstrahlung, element_spectrum

RATIOS = np.array([0.698, 0.783])  # Fe over O counts in their windows, as the lecture reads them
NAMES = ("hematite", "magnetite")
BEAM_ENERGY = 15.0  # keV; illustrative
CONTINUUM = 0.5  # continuum over the whole axis, per count of O K-alpha; illustrative
N_GRAINS = 60


def simulate_iron_oxides(shape=(128, 128), *, dose=200.0, seed=0):
    """Simulate a section of two iron oxides whose Fe/O count ratios are 0.698 and 0.783.

    ``counts ~ Poisson(abundances @ endmembers)``: every pixel belongs to one oxide. Both give the
    same O lines and continuum; as much Fe is added as makes the counts of the two windows stand in
    the ratio.

    Parameters
    ----------
    shape : tuple of int, default=(128, 128)
        Rows and columns, of 1 µm.
    dose : float, default=200
        Expected counts a pixel, on average over the map; the lecture goes from about 2 to 20,000.
        More of them tell the oxides apart.
    seed : int, default=0
        The same seed gives the same counts; at another dose, the same grains.

    Returns
    -------
    Scene
        With endmembers, abundances, labels, ``ratios`` (Fe over O counts of each oxide),
        ``windows`` (keV) and ``window_counts`` (expected Fe and O counts of each oxide).
    """
    rows, columns = as_shape(shape)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    axis = Axis.uniform(400, scale=0.02, offset=0.01, name="energy", unit="keV", is_binned=True)
    labels = _labels((rows, columns), rng)
    abundances = np.eye(2)[labels.ravel()]
    windows = {element: line_window(xray_lines(element)["Ka"].energy) for element in ("Fe", "O")}
    endmembers = _spectra(axis, windows)
    endmembers *= dose / (abundances @ endmembers.sum(axis=1)).mean()
    counts = draw_counts(abundances @ endmembers, rng).reshape(rows, columns, len(axis))
    return Scene(
        "iron_oxides",
        _image(counts, axis),
        settings={"shape": (rows, columns), "dose": dose, "seed": seed},
        formula="counts ~ Poisson(abundances @ endmembers), one oxide in every pixel",
        endmembers=endmembers,
        abundances=abundances,
        labels=labels,
        names=NAMES,
        ratios=RATIOS.copy(),
        windows=windows,
        window_counts=_in_windows(endmembers, axis, windows),
    )


def _labels(shape, rng):
    """Grains of two kinds, about as many of either."""
    kinds = rng.permutation(N_GRAINS) % 2
    return kinds[grain_map(shape, N_GRAINS, rng)]


def _spectra(axis, windows):
    """Spectra of both oxides, with as much Fe as their ratio asks for."""
    oxygen = element_spectrum(axis.values, "O") + CONTINUUM * bremsstrahlung(
        axis.values, BEAM_ENERGY
    )
    iron = element_spectrum(axis.values, "Fe", families={"K": 1.0, "L": L_TO_K["Fe"]})
    fe, o = _in_windows(np.stack([oxygen, iron]), axis, windows).T
    # ratio = (fe[0] + amount * fe[1]) / (o[0] + amount * o[1]), since the windows leak
    amounts = (RATIOS * o[0] - fe[0]) / (fe[1] - RATIOS * o[1])
    return oxygen + amounts[:, None] * iron


def _in_windows(spectra, axis, windows):
    """Sum every spectrum over the Fe and the O window."""
    sums = [spectra[:, axis.window(*windows[element])].sum(axis=1) for element in ("Fe", "O")]
    return np.stack(sums, axis=1)


def _image(counts, axis):
    places = [Axis.uniform(n, name=d, unit="µm") for n, d in zip(counts.shape, "yx", strict=False)]
    metadata = {
        "Acquisition_instrument": {"SEM": {"beam_energy": BEAM_ENERGY}},
        "Sample": {"elements": ["Fe", "O"]},
    }
    return SpectrumImage(
        counts, axis, navigation_axes=places, title="iron oxides", metadata=metadata
    )
