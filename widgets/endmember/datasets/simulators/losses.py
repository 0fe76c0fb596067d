"""Energy-loss maps: an oxide interface, reduced titania and nanotubes, a silicon edge."""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from endmember.core.axes import Axis
from endmember.core.image import SpectrumImage
from endmember.core.seeds import as_seed
from endmember.datasets.draw import draw_counts
from endmember.datasets.eels import edge, plasmon
from endmember.datasets.elements import edge_onset
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_dose, as_number, as_shape

LINEAR = "counts ~ Poisson(abundances @ endmembers)"
BEAM_ENERGY = 100.0  # keV, illustrative: no spectrum here depends on it

# Plasmon and interband losses (energy, width, height) in eV, and edges with their heights: all but
# the onsets are illustrative.
OXIDES = {
    "SrTiO3": ([(30.0, 10.0, 1.0), (14.0, 7.0, 0.25)], {("Ti", "M3"): 0.45}),
    "La0.7Sr0.3MnO3": (
        [(27.0, 11.0, 1.0), (11.0, 6.0, 0.15)],
        {("Mn", "M3"): 0.2, ("La", "N5"): 0.15},
    ),
    "BiFeO3": ([(25.0, 9.0, 1.0), (13.0, 6.0, 0.35)], {("Fe", "M3"): 0.2}),
}
OXIDE_STEP = 0.25  # nm between pixels
OXIDE_PROBE = 0.25  # nm, standard deviation of what the probe smears


def simulate_oxide_interface(shape=(24, 96), *, layer_width=2.0, shift=1.5, dose=50_000.0, seed=0):
    """Simulate low losses across SrTiO3, La0.7Sr0.3MnO3 and BiFeO3, with a layer nobody ordered.

    ``counts ~ Poisson(abundances @ endmembers)``. Three of the endmembers are the references of
    the three oxides. The fourth is that of a layer between the last two: half of each of them,
    with its plasmons shifted. Plural scattering is left out: with it the mixing is not linear.

    Parameters
    ----------
    shape : tuple of int, default=(24, 96)
        Rows and columns, 0.25 nm apart; the interfaces stand at 1/3 and 2/3 of the columns.
    layer_width : float, default=2.0
        Width of the layer in nm; 0 leaves it out.
    shift : float, default=1.5
        Plasmon energy of the layer above that of its neighbours, in eV: turning it up takes the
        layer farther from what the references explain, and 0 makes it their sum.
    dose : float, default=50000
        Expected counts a pixel.
    seed : int, default=0
        The same seed gives the same counts.

    Returns
    -------
    Scene
        With four endmembers and abundances, labels, and besides these ``references`` (the three
        that are known), ``coefficients`` (their abundances) and ``layer`` (where most of a pixel
        is none of them).
    """
    rows, columns = as_shape(shape)
    layer_width = as_number(layer_width, "layer_width", "nm", least=0)
    shift = as_number(shift, "shift", "eV", least=-10, most=10)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    axis = _loss_axis(240, 0.5, 5.0)
    endmembers = dose * _oxide_spectra(axis.values, shift)
    abundances = np.tile(_oxide_layers(columns, layer_width), (rows, 1))
    counts = draw_counts(abundances @ endmembers, rng).reshape(rows, columns, -1)
    labels = abundances.argmax(axis=1).reshape(rows, columns)
    elements = ["Bi", "Fe", "La", "Mn", "O", "Sr", "Ti"]
    return Scene(
        "oxide_interface",
        _loss_image(counts, axis, OXIDE_STEP, "oxide interface", elements),
        settings={
            "shape": (rows, columns),
            "layer_width": layer_width,
            "shift": shift,
            "dose": dose,
            "seed": seed,
        },
        formula=LINEAR,
        endmembers=endmembers,
        abundances=abundances,
        labels=labels,
        names=(*OXIDES, "layer"),
        references=endmembers[:3],
        coefficients=abundances[:, :3],
        layer=labels == 3,
    )


def _oxide_spectra(axis, shift):
    """Three oxides and the layer, each of area 1."""
    oxides = [_oxide(axis, *parts) for parts in OXIDES.values()]
    _, *beside = OXIDES.values()
    layer = sum(_oxide(axis, *parts, shift=shift) for parts in beside) / len(beside)
    return np.stack([*oxides, layer])


def _oxide(axis, losses, edges, *, shift=0.0):
    spectrum = sum(height * plasmon(axis, at + shift, width) for at, width, height in losses)
    for (element, name), height in edges.items():
        onset = edge_onset(element, name)
        # The strong line of an M2,3 or N4,5 edge stands some eV above its onset; illustrative.
        spectrum = spectrum + height * edge(axis, onset, white_lines=[(onset + 5, 0.7, 6.0)])
    return spectrum / spectrum.sum()


def _oxide_layers(columns, layer_width):
    """Shares of the four along a row: steps smeared by the probe, that sum to 1."""
    width = columns * OXIDE_STEP
    place = (np.arange(columns) + 0.5) * OXIDE_STEP
    at = np.array([width / 3, 2 * width / 3 - layer_width / 2, 2 * width / 3 + layer_width / 2])
    passed = (1 + erf((place[:, None] - at) / (np.sqrt(2) * OXIDE_PROBE))) / 2
    passed = np.minimum.accumulate(passed, axis=1)  # where a wide layer swallows its neighbour
    shares = -np.diff(passed, axis=1, prepend=1.0, append=0.0)
    return shares[:, [0, 1, 3, 2]]  # the layer stands third and is listed last


def _loss_axis(size, scale, offset):
    return Axis.uniform(
        size, scale=scale, offset=offset, name="energy loss", unit="eV", is_binned=True
    )


def _loss_image(counts, axis, step, title, elements):
    """Return a map of square pixels, `step` nm each, its metadata in HyperSpy's layout."""
    rows, columns, _ = counts.shape
    return SpectrumImage(
        counts,
        axis,
        navigation_axes=[
            Axis.uniform(rows, scale=step, name="y", unit="nm"),
            Axis.uniform(columns, scale=step, name="x", unit="nm"),
        ],
        title=title,
        metadata={
            "Acquisition_instrument": {"TEM": {"beam_energy": BEAM_ENERGY}},
            "Sample": {"elements": elements},
            "Signal": {"signal_type": "EELS"},
        },
    )
