"""Four drawn portraits: mixed as pictures, and as the maps of four elements."""

from __future__ import annotations

import numpy as np

from endmember.core.axes import Axis
from endmember.core.draw import BLOCK, draw_counts
from endmember.core.elements import edge_onset
from endmember.core.image import SpectrumImage
from endmember.core.seeds import as_seed
from endmember.datasets.eels import edge, power_law
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_choice, as_count, as_dose, as_shape

SIDE = 64  # rows and columns of a portrait
STEP = 0.5  # eV a channel
START = 100.0  # eV, the first channel
N_CHANNELS = 1024
ELEMENTS = ("C", "Ti", "Sr", "O")
VARIANTS = ("clean", "drift", "spikes", "background")
MOST_DRIFT = 3.5  # channels, either way
DRIFT_STEP = 1 / 8  # channels
BACKGROUND_SHARE = 0.75  # of all counts; illustrative
PIXELS_PER_SPIKE = 100
SPIKE_COUNTS = (200, 2000)  # illustrative

# One shape a line, painted one over the other: centre x and y, half width, half height, power and
# brightness. A picture runs from -1 to 1, left to right and top to bottom; |x|**n + |y|**n = 1 is
# an ellipse for n = 2 and nears a box as n grows. The brightnesses are chosen so that no two of the
# four pictures are correlated: what tells sources apart must not depend on their likeness.
CURLS = tuple(
    (0.62 * np.sin(turn) - 0.05, -0.58 * np.cos(turn) - 0.12, 0.27, 0.27, 2, 0.05)
    for turn in np.linspace(-2.2, 2.2, 11)
)
PORTRAITS = {
    "curls": (
        (0, 0, 9, 9, 2, 0.71),  # wall
        (-0.05, 1.15, 0.95, 0.55, 2.5, 0.47),  # shoulders
        (-0.05, 0.62, 0.2, 0.3, 4, 0.63),  # neck
        *CURLS,
        (-0.05, -0.02, 0.5, 0.64, 2.2, 0.72),  # face
        (-0.05, -0.52, 0.42, 0.2, 2, 0.05),  # fringe
        (-0.26, -0.1, 0.12, 0.07, 2, 0.97),  # eyes
        (0.16, -0.1, 0.12, 0.07, 2, 0.97),
        (-0.26, -0.1, 0.055, 0.07, 2, 0.05),
        (0.16, -0.1, 0.055, 0.07, 2, 0.05),
        (-0.05, 0.14, 0.06, 0.15, 2, 0.55),  # nose
        (-0.05, 0.4, 0.2, 0.06, 2, 0.25),  # mouth
    ),
    "glasses": (
        (0, 0, 9, 9, 2, 0.14),  # wall
        (0.05, 1.2, 0.9, 0.6, 3, 0.85),  # shirt
        (0.05, 0.7, 0.18, 0.3, 4, 0.6),  # neck
        (0.05, 0.9, 0.09, 0.3, 4, 0.1),  # tie
        (0.05, -0.3, 0.52, 0.5, 3, 0.66),  # hair
        (0.05, 0.02, 0.46, 0.66, 2.4, 0.82),  # face
        (-0.1, -0.5, 0.42, 0.18, 2, 0.66),  # parting
        (-0.17, -0.05, 0.23, 0.2, 2, 0.06),  # frames
        (0.27, -0.05, 0.23, 0.2, 2, 0.06),
        (0.05, -0.08, 0.1, 0.03, 4, 0.06),
        (-0.17, -0.05, 0.17, 0.14, 2, 0.93),  # lenses
        (0.27, -0.05, 0.17, 0.14, 2, 0.93),
        (-0.17, -0.04, 0.06, 0.06, 2, 0.1),  # eyes
        (0.27, -0.04, 0.06, 0.06, 2, 0.1),
        (0.05, 0.18, 0.05, 0.12, 2, 0.6),  # nose
        (0.05, 0.44, 0.18, 0.035, 2, 0.3),  # mouth
    ),
    "beard": (
        (0, 0, 9, 9, 2, 0.86),  # wall, half of it in the shade
        (-1, -0.2, 1.02, 2, 20, 0.13),
        (0, 1.15, 1, 0.45, 2.5, 0.06),  # shoulders
        (0, 0.35, 0.55, 0.6, 2.3, 0.32),  # beard
        (0, -0.12, 0.5, 0.62, 2.2, 0.93),  # head
        (0, 0.28, 0.42, 0.2, 2, 0.32),  # moustache
        (0, 0.36, 0.17, 0.06, 2, 0.76),  # mouth
        (-0.2, -0.3, 0.15, 0.045, 3, 0.32),  # brows
        (0.2, -0.3, 0.15, 0.045, 3, 0.32),
        (-0.2, -0.17, 0.055, 0.06, 2, 0.05),  # eyes
        (0.2, -0.17, 0.055, 0.06, 2, 0.05),
        (0, 0.03, 0.07, 0.14, 2, 0.69),  # nose
    ),
    "hat": (
        (0, 0, 9, 9, 2, 0.77),  # sky
        (0, 1, 3, 1.02, 20, 0.13),  # sea
        (0, 0.4, 0.62, 0.75, 3, 0.95),  # hair
        (0, 1.2, 0.8, 0.45, 2.5, 0.46),  # shoulders
        (0, 0.1, 0.42, 0.58, 2.3, 0.45),  # face
        (0, -0.66, 0.5, 0.45, 4, 0.21),  # crown
        (0, -0.36, 0.9, 0.1, 3, 0.21),  # brim
        (0, -0.5, 0.5, 0.07, 6, 0.87),  # ribbon
        (-0.17, -0.05, 0.11, 0.06, 2, 0.95),  # eyes
        (0.17, -0.05, 0.11, 0.06, 2, 0.95),
        (-0.17, -0.05, 0.05, 0.06, 2, 0.06),
        (0.17, -0.05, 0.05, 0.06, 2, 0.06),
        (0, 0.12, 0.06, 0.12, 2, 0.13),  # nose
        (-0.12, 0.32, 0.16, 0.05, 2, 0.95),  # moustache
        (0.12, 0.32, 0.16, 0.05, 2, 0.95),
    ),
}


def simulate_portraits(n_mixtures=1000, *, dose=20_000.0, seed=0):
    """Simulate photographs on which four portraits lie over each other.

    ``counts ~ Poisson(abundances @ endmembers)``: every mixture is a pixel of the recording, every
    pixel of a portrait a channel, and the abundances, the mixing matrix, are drawn evenly from 0 to
    0.5. Reshape a row of ``spectra`` to ``portraits.shape[1:]`` to see it.

    Parameters
    ----------
    n_mixtures : int, default=1000
        How many photographs, from 2 to 10,000; 4 makes the mixing matrix square. More tell the
        portraits apart in deeper noise.
    dose : float, default=20,000
        Expected counts in a mixture, on average, spread over 64 × 64 channels: turning it up takes
        noise away.
    seed : int, default=0
        The same seed gives the same mixing matrix and counts.

    Returns
    -------
    Scene
        With endmembers, abundances and, as ``portraits``, the pictures, from 0 (black) to 1.
    """
    n_mixtures = as_count(n_mixtures, "n_mixtures", least=2, most=10_000)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    portraits = draw_portraits((SIDE, SIDE))
    flat = portraits.reshape(len(portraits), -1)
    endmembers = dose * flat / flat.sum(axis=1, keepdims=True)
    abundances = 0.5 * rng.random((n_mixtures, len(portraits)))
    counts = _draw(lambda rows: abundances[rows] @ endmembers, (n_mixtures, SIDE**2), rng)
    return Scene(
        "portraits",
        SpectrumImage(
            counts,
            Axis.uniform(SIDE**2, name="portrait pixel"),
            navigation_axes=[Axis.uniform(n_mixtures, name="mixture")],
            title="portraits",
        ),
        settings={"n_mixtures": n_mixtures, "dose": dose, "seed": seed},
        formula="counts ~ Poisson(abundances @ endmembers)",
        endmembers=endmembers,
        abundances=abundances,
        names=tuple(PORTRAITS),
        portraits=portraits,
    )


def simulate_portrait_edges(shape=(64, 64), *, variant="clean", dose=2000.0, seed=0):
    """Simulate an EELS map in which each of four elements is spread as a portrait.

    ``counts ~ Poisson(abundances @ endmembers(E - drift)) + spikes``, where the drift and the
    spikes are 0 but in the variants named after them.

    Parameters
    ----------
    shape : tuple of int, default=(64, 64)
        Rows and columns, (134, 134) in the lecture; the portraits are drawn at this size.
    variant : {"clean", "drift", "spikes", "background"}, default="clean"
        What is in the way: nothing but noise; an energy axis that wanders by up to 3.5 channels
        either way while the map is scanned; single channels with far too many counts, in one pixel
        of a hundred; a power-law background of one exponent under the edges, three quarters of all
        counts, as thick as a wedge.
    dose : float, default=2000
        Expected counts a pixel, on average: turning it up takes noise away.
    seed : int, default=0
        The same seed gives the same counts.

    Returns
    -------
    Scene
        With endmembers and abundances; ``drift`` in channels, of the shape of the map, and
        ``expected`` in that variant; ``spikes``, one a line as row, column, channel and counts, in
        that one.
    """
    rows, columns = as_shape(shape)
    as_choice(variant, "variant", VARIANTS)
    dose = as_dose(dose)
    rng = np.random.default_rng(as_seed(seed))
    abundances = _maps(rows, columns, variant)
    heights = _heights(variant, dose)
    endmembers = _edges(0.0, heights)
    size, truth = (rows * columns, N_CHANNELS), {}
    if variant == "drift":
        truth["drift"] = _wander(rows * columns, rng).reshape(rows, columns)
        truth["expected"] = _drifted(abundances, heights, truth["drift"].ravel())
        counts = _draw(lambda part: truth["expected"][part], size, rng)
    else:
        counts = _draw(lambda part: abundances[part] @ endmembers, size, rng)
    counts = counts.reshape(rows, columns, N_CHANNELS)
    if variant == "spikes":
        counts, truth["spikes"] = _with_spikes(counts, rng)
    return Scene(
        "portrait_edges",
        _as_map(counts),
        settings={"shape": (rows, columns), "variant": variant, "dose": dose, "seed": seed},
        formula="counts ~ Poisson(abundances @ endmembers(E - drift)) + spikes",
        endmembers=endmembers,
        abundances=abundances,
        names=(*ELEMENTS, "background")[: len(endmembers)],
        **truth,
    )


def draw_portraits(shape):
    """Return the four portraits, brightness from 0 to 1, of shape ``(4, *shape)``."""
    return np.stack([_paint(shapes, shape) for shapes in PORTRAITS.values()])


def _paint(shapes, shape):
    rows, columns = shape
    y, x = np.mgrid[0:rows, 0:columns]
    x, y = 2 * (x + 0.5) / columns - 1, 2 * (y + 0.5) / rows - 1
    picture = np.zeros(shape)
    for across, down, half_width, half_height, power, brightness in shapes:
        beside, above = np.abs(x - across) / half_width, np.abs(y - down) / half_height
        away = (beside**power + above**power) ** (1 / power)
        # the outline is one pixel wide, so that it does not run in steps
        per_pixel = min(half_width, half_height) * min(shape) / 2
        inside = np.clip((1 - away) * per_pixel + 0.5, 0, 1)
        picture += inside * (brightness - picture)
    return picture


def _draw(expect, shape, rng):
    """Draw counts about what `expect` gives for a slice of the rows, a block at a time."""
    n_rows = max(1, BLOCK // shape[1])
    starts = range(0, shape[0], n_rows)
    return np.concatenate([draw_counts(expect(slice(s, s + n_rows)), rng) for s in starts])


def _maps(rows, columns, variant):
    """Amounts of each element with mean 1, and the wedge under them."""
    maps = draw_portraits((rows, columns)).reshape(len(PORTRAITS), -1)
    maps = maps / maps.mean(axis=1, keepdims=True)
    if variant == "background":
        maps = np.vstack([maps, np.tile(np.linspace(0.5, 1.5, columns), rows)])
    return np.ascontiguousarray(maps.T)


def _heights(variant, dose):
    """Return expected counts that each component gives an average pixel."""
    share = BACKGROUND_SHARE if variant == "background" else 0.0
    edges = np.full(len(ELEMENTS), dose * (1 - share) / len(ELEMENTS))
    return np.append(edges, dose * share) if share else edges


def _edges(drift, heights):
    """Return the pure spectra in expected counts on an axis that is off by so many channels."""
    axis = START + STEP * np.arange(N_CHANNELS)
    spectra = _shapes(axis - STEP * drift)[: len(heights)]
    return spectra * (heights / _shapes(axis)[: len(heights)].sum(axis=1))[:, None]


def _shapes(axis):
    """Edges of C, Ti, Sr and O and the background; heights of lines and edges are illustrative."""
    c_k, o_k = edge_onset("C", "K"), edge_onset("O", "K")
    l3, l2, l1 = (edge_onset("Ti", name) for name in ("L3", "L2", "L1"))
    m5, m3, m2 = (edge_onset("Sr", name) for name in ("M5", "M3", "M2"))
    carbon = edge(axis, c_k, white_lines=[(c_k + 1, 1.0, 2.0), (c_k + 8, 0.8, 6.0)])
    titanium = (
        edge(axis, l3, white_lines=[(l3 + 2, 3.0, 2.5)])
        + 0.5 * edge(axis, l2, white_lines=[(l2 + 2, 5.0, 3.0)])
        + 0.1 * edge(axis, l1)
    )
    strontium = (
        edge(axis, m5, width=3.0, exponent=2.0)
        + 0.2 * edge(axis, m3, white_lines=[(m3 + 1, 2.0, 3.0)])
        + 0.1 * edge(axis, m2, white_lines=[(m2 + 1, 2.0, 3.0)])
    )
    oxygen = edge(axis, o_k, white_lines=[(o_k + 2, 1.0, 3.0), (o_k + 9, 0.8, 6.0)])
    return np.stack([carbon, titanium, strontium, oxygen, power_law(axis, 3.0, start=START)])


def _wander(n_pixels, rng):
    """Drift in channels, pixel after pixel as scanned: slow, and as far as it may both ways."""
    time = np.arange(n_pixels) / n_pixels
    waves = [np.sin(2 * np.pi * (n * time + rng.random())) / n for n in (1, 2, 3)]
    path = np.sum(waves, axis=0)
    path = np.interp(path, (path.min(), path.max()), (-MOST_DRIFT, MOST_DRIFT))
    return np.round(path / DRIFT_STEP) * DRIFT_STEP + 0.0  # no negative zero


def _drifted(abundances, heights, drift):
    """Return expected counts where every pixel has an axis of its own."""
    expected = np.empty((len(abundances), N_CHANNELS), dtype=np.float32)
    for off in np.unique(drift):
        there = drift == off
        expected[there] = abundances[there] @ _edges(off, heights)
    return expected


def _with_spikes(counts, rng):
    """Return the counts with spikes, and where these are: row, column, channel, counts."""
    rows, columns, n_channels = counts.shape
    n_spikes = max(1, rows * columns // PIXELS_PER_SPIKE)
    pixels = np.sort(rng.permutation(rows * columns)[:n_spikes])
    channels = rng.integers(0, n_channels, n_spikes)
    heights = rng.integers(*SPIKE_COUNTS, n_spikes)
    spikes = np.stack([*np.divmod(pixels, columns), channels, heights], axis=1)
    counts = counts.astype(np.promote_types(counts.dtype, np.uint16))
    counts[tuple(spikes[:, :3].T)] += heights.astype(counts.dtype)
    return counts, spikes


def _as_map(counts):
    rows, columns, _ = counts.shape
    return SpectrumImage(
        counts,
        Axis.uniform(N_CHANNELS, scale=STEP, offset=START, name="energy loss", unit="eV"),
        navigation_axes=[
            Axis.uniform(n, scale=0.5, name=name, unit="nm")
            for n, name in ((rows, "y"), (columns, "x"))
        ],
        title="portrait edges",
        metadata={
            "Acquisition_instrument": {"TEM": {"beam_energy": 200.0}},
            "Sample": {"elements": sorted(ELEMENTS)},
        },
    )
