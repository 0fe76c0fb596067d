"""Targets to sample sparsely: grains, a lattice, a composition spread, and where to look."""

from __future__ import annotations

import numpy as np

from endmember.core.axes import Axis
from endmember.core.draw import draw_counts
from endmember.core.seeds import as_seed
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_choice, as_dose, as_number, as_shape

STEPS = {  # size of a pixel and its unit, illustrative
    "grains": (0.5, "µm"),
    "lattice": (0.1, "nm"),
    "spread": (1.0, "mm"),
}
N_GRAINS = 16
N_SPOTS = 5
WAVES = np.array([[20, 8], [-8, 20]]) / 64  # periods a pixel, along rows and columns


def simulate_sampling_targets(
    shape=(64, 64), *, kind="grains", pattern="random", fraction=0.2, dose=200.0, seed=0
):
    """Simulate an image that is dear to record, and a pattern of the pixels to afford.

    ``counts ~ Poisson(target)``, recorded in all pixels; of these, ``sampled`` says which a sparse
    scan visits. The same seed gives the same recording for every pattern and fraction, and a larger
    fraction of the random pattern holds all pixels of a smaller one.

    Parameters
    ----------
    shape : tuple of int, default=(64, 64)
        Rows and columns.
    kind : {"grains", "lattice", "spread"}
        Flat grains with a few bright spots; two crossed waves of 3 pixels, under a slow one; or a
        composition spread with a phase on either side and both between.
    pattern : {"random", "raster"}
        Pixels drawn at random, or a regular grid of them.
    fraction : float, default=0.2
        Share of the pixels that are sampled: exact for the random pattern, near it for the raster,
        whose rows and columns are whole.
    dose : float, default=200
        Expected counts a pixel, on average over the map.
    seed : int, default=0
        The same seed gives the same target, pattern and counts.

    Returns
    -------
    Scene
        A micrograph with its ``target`` (expected counts) and ``sampled`` (True where the pattern
        looks), both of shape `shape`, and labels: the grain or the phase; none in a lattice.
    """
    rows, columns = as_shape(shape)
    kind = as_choice(kind, "kind", tuple(STEPS))
    pattern = as_choice(pattern, "pattern", ("random", "raster"))
    fraction = as_number(fraction, "fraction", above=0, most=1)
    dose = as_dose(dose)
    for_target, for_pattern, for_noise = np.random.default_rng(as_seed(seed)).spawn(3)
    draw = {"grains": _grains, "lattice": _lattice, "spread": _spread}[kind]
    brightness, labels, names = draw(rows, columns, for_target)
    target = dose * brightness / brightness.mean()
    visit = _random if pattern == "random" else _raster
    step, unit = STEPS[kind]
    return Scene(
        "sampling_targets",
        draw_counts(target, for_noise).astype(np.float32),
        settings={
            "shape": (rows, columns),
            "kind": kind,
            "pattern": pattern,
            "fraction": fraction,
            "dose": dose,
            "seed": seed,
        },
        formula="counts ~ Poisson(target)",
        labels=labels,
        names=names,
        axes=[
            Axis.uniform(n, scale=step, name=name, unit=unit)
            for n, name in ((rows, "y"), (columns, "x"))
        ],
        target=target,
        sampled=visit(rows, columns, fraction, for_pattern),
    )


def _grains(rows, columns, rng):
    """Return flat grains about random points, with small bright spots, and which is where."""
    y, x = np.mgrid[0:rows, 0:columns] + 0.5
    points = rng.random((N_GRAINS, 2)) * (rows, columns)
    away = (y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2
    labels = away.argmin(axis=-1)
    brightness = np.linspace(0.3, 1.0, N_GRAINS)[rng.permutation(N_GRAINS)][labels]
    spots = rng.random((N_SPOTS, 2)) * (rows, columns)
    radii = min(rows, columns) * (0.02 + 0.03 * rng.random(N_SPOTS))
    near = (y[..., None] - spots[:, 0]) ** 2 + (x[..., None] - spots[:, 1]) ** 2
    is_spot = (near < radii**2).any(axis=-1)
    names = (*(f"grain {k + 1}" for k in range(N_GRAINS)), "spots")
    return np.where(is_spot, 1.4, brightness), np.where(is_spot, N_GRAINS, labels), names


def _lattice(rows, columns, rng):
    """Return two crossed waves under a slow one, each with whole periods along both sides."""
    size = np.array([rows, columns])
    y, x = np.mgrid[0:rows, 0:columns]
    lattice = np.ones((rows, columns))
    for periods, phase in zip(np.round(WAVES * size), rng.random(2), strict=True):
        along = periods[0] * y / rows + periods[1] * x / columns
        lattice += 0.5 * np.cos(2 * np.pi * (along + phase))
    return lattice * (1 + 0.3 * np.cos(2 * np.pi * x / columns)), None, ()


def _spread(rows, columns, rng):
    """Return the share of the second phase by the lever rule, between two curved boundaries."""
    y, x = (np.mgrid[0:rows, 0:columns] + 0.5) / np.array([rows, columns])[:, None, None]
    bend, turn = 0.1 + 0.1 * rng.random(), 2 * np.pi * rng.random()
    first = 0.35 + bend * np.sin(2 * np.pi * 0.6 * y + turn)
    last = first + 0.12 + 0.2 * y
    share = np.clip((x - first) / (last - first), 0, 1)
    labels = np.where(share == 0, 0, np.where(share == 1, 2, 1))
    return 0.2 + share, labels, ("first", "both", "second")


def _random(rows, columns, fraction, rng):
    """Return a mask of so many pixels, those of a smaller fraction among them."""
    sampled = np.zeros(rows * columns, dtype=bool)
    sampled[rng.permutation(rows * columns)[: max(1, round(fraction * rows * columns))]] = True
    return sampled.reshape(rows, columns)


def _raster(rows, columns, fraction, rng):
    """Return a mask of rows and columns that stand as evenly as whole pixels let them."""
    lines = []
    for size in (rows, columns):
        n_lines = max(1, round(size * np.sqrt(fraction)))
        is_line = np.zeros(size, dtype=bool)
        is_line[((np.arange(n_lines) + 0.5) * size / n_lines).astype(int)] = True
        lines.append(is_line)
    return np.outer(*lines)
