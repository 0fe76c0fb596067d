"""Energy-loss maps: an oxide interface, reduced titania and nanotubes, a silicon edge."""

from __future__ import annotations

import numpy as np
from scipy.special import erf

from endmember.core.axes import Axis
from endmember.core.draw import draw_counts
from endmember.core.elements import edge_onset
from endmember.core.image import SpectrumImage
from endmember.core.seeds import as_seed
from endmember.datasets.eels import edge, plasmon, power_law
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_choice, as_dose, as_number, as_shape

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


# White lines (height, full width in eV) of octahedral titanium: the two of Ti4+, and the one that
# they merge into, of the same area; illustrative.
T2G, EG, MERGED = (0.9, 1.2), (1.0, 2.0), (0.95, 3.24)
WHITE_LINE = 3.0  # eV from the tabulated onset to the middle of a doublet of Ti4+, illustrative
VALENCE_SHIFT = 2.0  # eV by which the lines of Ti3+ lie lower: Stoyanov et al., see the card
L2_TO_L3 = 0.7  # height of L2 in that of L3, illustrative
OXYGEN = {"Ti4+": 2.0, "Ti3+": 1.5}  # atoms for one of titanium: TiO2 and Ti2O3

# Peaks of nanotubes: eV from the tabulated K onset to pi* and to sigma*, and height; illustrative.
SHEETS = {
    "carbon_tube": {"C": (1.0, 8.0, 1.0)},
    "boron_nitride_tube": {"B": (4.0, 11.0, 1.0), "N": (0.5, 7.5, 0.4)},
}
VARIANTS = {  # channels, step and start in eV; nm between pixels; elements; names
    "titania": ((480, 0.25, 440.0), 1.0, ["O", "Ti"], ("Ti4+", "Ti3+", "background")),
    "carbon_tube": ((240, 0.25, 270.0), 0.5, ["C"], ("π*", "σ*", "background")),
    "boron_nitride_tube": ((512, 0.5, 175.0), 0.5, ["B", "N"], ("π*", "σ*", "background")),
}
OUTER, INNER = 0.4, 0.15  # radii of a tube, in widths of the map


def simulate_reduced_titania(
    shape=(48, 64), *, variant="titania", splitting=2.3, parallel=0.6, dose=20_000.0, seed=0
):
    """Simulate edges whose fine structure tells valence, or how a sheet lies in the beam.

    ``counts ~ Poisson(abundances @ endmembers)``. In titania the endmembers are Ti4+, with its
    white lines split in two by the crystal field, Ti3+, in which they have merged 2 eV lower, and
    a background. In a nanotube they are the pi* and the sigma* states of its sheets, and a
    background. With ``c`` the normal of a sheet, pi* has the share ``parallel * cos(c, beam)**2 +
    (1 - parallel) / 2 * sin(c, beam)**2`` of every sheet on the way through the tube, sigma* the
    rest.

    Parameters
    ----------
    shape : tuple of int, default=(48, 64)
        Rows and columns; 1 nm apart in titania, 0.5 nm in a tube, whose axis runs along a column.
    variant : {"titania", "carbon_tube", "boron_nitride_tube"}
        Which of them.
    splitting : float, default=2.3
        Energy between the two lines of a doublet of Ti4+, in eV; for titania only.
    parallel : float, default=0.6
        Share of the squared momentum transfer along the beam, from 0 to 1: turning it up makes
        sheets that lie flat in the beam richer in pi*. At 1/3, the magic angle, no orientation
        shows. For tubes only.
    dose : float, default=20000
        Expected counts a pixel, on average over the map.
    seed : int, default=0
        The same seed gives the same counts.

    Returns
    -------
    Scene
        With endmembers and abundances, and ``fractions`` of shape ``(rows, columns)``: Ti3+ in all
        titanium, or pi* in all bonds, NaN outside the tube.
    """
    rows, columns = as_shape(shape)
    variant = as_choice(variant, "variant", tuple(VARIANTS))
    splitting = as_number(splitting, "splitting", "eV", least=0, most=6)
    parallel = as_number(parallel, "parallel", least=0, most=1)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    energies, step, elements, names = VARIANTS[variant]
    axis = _loss_axis(*energies)
    if variant == "titania":
        endmembers = _titania_spectra(axis.values, splitting)
        abundances, fractions = _titania_maps(rows, columns)
    else:
        endmembers = _tube_spectra(axis.values, SHEETS[variant])
        abundances, fractions = _tube_maps(rows, columns, parallel)
    endmembers *= dose / (abundances @ endmembers.sum(axis=1)).mean()
    counts = draw_counts(abundances @ endmembers, rng).reshape(rows, columns, -1)
    return Scene(
        "reduced_titania",
        _loss_image(counts, axis, step, variant.replace("_", " "), elements),
        settings={
            "shape": (rows, columns),
            "variant": variant,
            "splitting": splitting,
            "parallel": parallel,
            "dose": dose,
            "seed": seed,
        },
        formula=LINEAR,
        endmembers=endmembers,
        abundances=abundances,
        names=names,
        fractions=fractions.reshape(rows, columns),
    )


def _titania_spectra(axis, splitting):
    """Ti4+, Ti3+, each with the oxygen that it holds, and the background."""
    doublet = [(-splitting / 2, *T2G), (splitting / 2, *EG)]
    valences = {"Ti4+": doublet, "Ti3+": [(-VALENCE_SHIFT, *MERGED)]}
    spectra = []
    for valence, lines in valences.items():
        oxygen = OXYGEN[valence] * 0.1 * edge(axis, edge_onset("O", "K"))
        spectra.append(
            oxygen + _white_lines(axis, lines, "L3") + L2_TO_L3 * _white_lines(axis, lines, "L2")
        )
    return np.stack([*spectra, power_law(axis, 3.0, start=axis[0])])


def _white_lines(axis, lines, name):
    onset = edge_onset("Ti", name)
    peaks = [(onset + WHITE_LINE + away, height, width) for away, height, width in lines]
    bare = edge(axis, onset)
    return edge(axis, onset, white_lines=peaks) - 0.8 * bare  # lines on a fifth of the step


def _titania_maps(rows, columns):
    """Amounts and the share of Ti3+ in a wedge reduced from its left surface and along a plane."""
    y, x = (np.mgrid[0:rows, 0:columns] + 0.5) / np.array([rows, columns])[:, None, None]
    rim = _smooth((0.3 + 0.06 * np.sin(2 * np.pi * y) - x) / 0.2)
    plane = 0.7 * np.exp(-(((x + 0.3 * y - 0.9) / 0.05) ** 2))
    fractions = np.maximum(rim, plane).ravel()
    titanium = 0.7 + 0.6 * y.ravel()
    background = titanium * (0.8 + 0.4 * x.ravel())
    return np.stack([titanium * (1 - fractions), titanium * fractions, background], 1), fractions


def _smooth(ramp):
    """Turn a ramp into a step from 0 to 1 without corners."""
    ramp = np.clip(ramp, 0, 1)
    return ramp**2 * (3 - 2 * ramp)


def _tube_spectra(axis, sheets):
    """pi*, sigma* and the background of a sheet."""
    pi_star, sigma_star = np.zeros((2, len(axis)))
    for element, (to_pi, to_sigma, height) in sheets.items():
        pi, sigma = edge_onset(element, "K") + np.array([to_pi, to_sigma])
        pi_star += 1.2 * height * np.exp(-(((axis - pi) / 1.2) ** 2))
        sigma_star += height * edge(axis, sigma, width=0.8, white_lines=[(sigma + 0.5, 0.6, 2.5)])
    return np.stack([pi_star, sigma_star, 1.5 * power_law(axis, 3.0, start=axis[0])])


def _tube_maps(rows, columns, parallel):
    """Amounts of pi* and sigma* along the beam through a tube, and the share of pi*."""
    across = np.abs((np.arange(columns) + 0.5) / columns - 0.5)
    leave, enter = (np.sqrt(np.clip(r**2 - across**2, 0, None)) for r in (OUTER, INNER))
    path = leave - enter
    # The integral of cos(c, beam)**2 = z**2 / (x**2 + z**2) along the beam z, from enter to leave.
    flat = path - across * (np.arctan2(leave, across) - np.arctan2(enter, across))
    pi_star = parallel * flat + (1 - parallel) / 2 * (path - flat)
    amounts = np.stack([pi_star, path - pi_star, 0.02 + 0.9 * path], axis=1) / (OUTER - INNER)
    share = np.divide(pi_star, path, out=np.full(columns, np.nan), where=path > 0)
    return np.tile(amounts, (rows, 1)), np.tile(share, rows)


SILICON = [(0.0, 0.3, 1.0), (0.42, 0.52, 1.0), (0.6, 0.66, 0.6), (0.8, 1.0, 0.3)]  # from, to, much
SILICON_WINDOW = (94.5, 110.1)  # eV, that of the lecture, the upper end left out
SILICON_STEP = 0.5  # nm between pixels
SILICON_PROBE = 0.01  # standard deviation of what the probe smears, in widths of the map


def simulate_silicon_edge(shape=(72, 96), *, exponent=3.0, jump=0.6, dose=60_000.0, seed=0):
    """Simulate layers with and without silicon, for the five lines that turn them into a profile.

    ``counts ~ Poisson(abundances @ endmembers)``, of the Si L2,3 edge and of a background that
    falls as ``E**-exponent``. The layers stand upright in five sixths of the rows; above and below
    lies something thin without silicon.

    Parameters
    ----------
    shape : tuple of int, default=(72, 96)
        Rows and columns, 0.5 nm apart. Of 72 rows the layers take those from 12 up to 62.
    exponent : float, default=3.0
        How steeply the background falls, from 0 to 6.
    jump : float, default=0.6
        Height of the edge of pure silicon over the background at its onset; illustrative.
    dose : float, default=60000
        Expected counts a pixel, on average over the map.
    seed : int, default=0
        The same seed gives the same counts.

    Returns
    -------
    Scene
        With endmembers and abundances, ``profile`` (expected Si L2,3 counts from 94.5 to 110.1 eV
        in every column, summed over the rows) and ``rows`` (the first and one past the last row
        of the layers).
    """
    rows, columns = as_shape(shape)
    exponent = as_number(exponent, "exponent", least=0, most=6)
    jump = as_number(jump, "jump", least=0)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    axis = _loss_axis(240, 0.3, 60.0)
    first, last = round(rows / 6), round(rows * 31 / 36)
    endmembers = _silicon_spectra(axis.values, exponent, jump)
    abundances = _silicon_maps(rows, columns, first, last)
    endmembers *= dose / (abundances @ endmembers.sum(axis=1)).mean()
    counts = draw_counts(abundances @ endmembers, rng).reshape(rows, columns, -1)
    inside = (axis.values > SILICON_WINDOW[0] - 0.15) & (axis.values < SILICON_WINDOW[1] - 0.15)
    silicon = abundances[:, 0].reshape(rows, columns)
    return Scene(
        "silicon_edge",
        _loss_image(counts, axis, SILICON_STEP, "silicon layers", ["Si"]),
        settings={
            "shape": (rows, columns),
            "exponent": exponent,
            "jump": jump,
            "dose": dose,
            "seed": seed,
        },
        formula=LINEAR,
        endmembers=endmembers,
        abundances=abundances,
        names=("Si L2,3", "background"),
        profile=silicon.sum(axis=0) * endmembers[0, inside].sum(),
        rows=(first, last),
    )


def _silicon_spectra(axis, exponent, jump):
    """Return the edge, L3 to L2 as their states 2 to 1, and the background, 1 high at its start."""
    l3, l2 = (edge_onset("Si", name) for name in ("L3", "L2"))
    both = (2 * edge(axis, l3, width=0.3) + edge(axis, l2, width=0.3)) / 3
    return np.stack(
        [
            jump * power_law(l3, exponent, start=axis[0]) * both,
            power_law(axis, exponent, start=axis[0]),
        ]
    )


def _silicon_maps(rows, columns, first, last):
    """Amounts of silicon and of background: layers between two rows, something thin elsewhere."""
    place = (np.arange(columns) + 0.5) / columns
    ends = np.array([[start, stop] for start, stop, _ in SILICON])
    ends = np.where((ends == 0) | (ends == 1), 10 * ends - 5, ends)  # those at the rim have no end
    steps = (1 + erf((place[:, None, None] - ends) / (np.sqrt(2) * SILICON_PROBE))) / 2
    silicon = (steps[..., 0] - steps[..., 1]) @ [much for _, _, much in SILICON]
    is_layer = ((np.arange(rows) >= first) & (np.arange(rows) < last))[:, None]
    amounts = np.where(is_layer, silicon, 0.0), np.where(is_layer, 0.8 + 0.2 * silicon, 0.4)
    return np.stack(amounts, axis=-1).reshape(-1, 2)


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
