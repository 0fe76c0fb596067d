"""The smallest linear mixture: rank and size at will."""

from __future__ import annotations

import numpy as np

from endmember.core.axes import Axis
from endmember.core.draw import draw_counts
from endmember.core.image import SpectrumImage
from endmember.core.seeds import as_seed
from endmember.datasets.scene import Scene
from endmember.datasets.settings import as_count, as_dose, as_number, as_shape


def simulate_mixture(
    shape=(32, 32), *, n_components=3, n_channels=64, dose=500.0, purity=1.0, seed=0
):
    """Simulate a linear mixture of a few spectra, and nothing else.

    ``counts ~ Poisson(abundances @ endmembers)``: the abundances of every pixel sum to 1, and every
    endmember is pure in a spot of the map, or as pure as `purity` lets it be. Any invertible ``T``
    gives the same expected counts from ``abundances @ T`` and ``inv(T) @ endmembers``.

    Parameters
    ----------
    shape : tuple of int, default=(32, 32)
        Rows and columns.
    n_components : int, default=3
        How many spectra mix, up to 8: more makes their maps overlap more.
    n_channels : int, default=64
        Channels of each spectrum, at least as many as components.
    dose : float, default=500
        Expected counts a pixel.
    purity : float, default=1
        The largest share that any pixel holds, from 0.5: what is above it goes to the others in
        proportion. Turning it down cuts off the corners of the cloud of spectra, and leaves its
        faces where they are: pixels that lack one of the spectra go on lacking it.
    seed : int, default=0
        The same seed gives the same counts.

    Returns
    -------
    Scene
        With endmembers and abundances.
    """
    rows, columns = as_shape(shape)
    n_components = as_count(n_components, "n_components", most=8)
    n_channels = as_count(n_channels, "n_channels", least=n_components)
    dose = as_dose(dose)
    purity = as_number(purity, "purity", least=0.5 if n_components > 1 else 1.0, most=1.0)
    rng = np.random.default_rng(as_seed(seed))
    endmembers = dose * _spectra(n_components, n_channels)
    abundances = _capped(_maps(n_components, rows, columns), purity)
    counts = draw_counts(abundances @ endmembers, rng).reshape(rows, columns, n_channels)
    image = SpectrumImage(counts, Axis.uniform(n_channels, name="channel"), title="mixture")
    return Scene(
        "mixture",
        image,
        settings={
            "shape": (rows, columns),
            "n_components": n_components,
            "n_channels": n_channels,
            "dose": dose,
            "purity": purity,
            "seed": seed,
        },
        formula="counts ~ Poisson(abundances @ endmembers)",
        endmembers=endmembers,
        abundances=abundances,
    )


def _spectra(n_components, n_channels):
    """Peaks on a common slope, each spectrum with a peak of its own, of area 1."""
    channels = (np.arange(n_channels) + 0.5) / n_channels
    centres = (np.arange(n_components) + 0.5) / n_components
    peaks = np.exp(-(((channels - centres[:, None]) / (0.25 / n_components)) ** 2))
    spectra = peaks + 0.2 * np.exp(-2 * channels)
    return spectra / spectra.sum(axis=1, keepdims=True)


def _maps(n_components, rows, columns):
    """Shares that fall off with the distance from as many points on a circle, pure nearby."""
    y, x = np.mgrid[0:rows, 0:columns]
    place = np.stack([(y + 0.5) / rows, (x + 0.5) / columns], axis=-1).reshape(-1, 2) - 0.5
    turns = 2 * np.pi * np.arange(n_components) / n_components
    points = 0.42 * np.stack([np.sin(turns), np.cos(turns)], axis=1)
    away = np.linalg.norm(place[:, None] - points, axis=-1)
    shares = np.clip(1 - away / 0.6, 0, None) ** 2 + 1e-3
    shares[away < 0.08] *= 1e4  # a pure spot about every point
    return shares / shares.sum(axis=1, keepdims=True)


def _capped(shares, purity):
    """Cut what is above the purity off the largest share of a pixel, and give it to the others."""
    pixels = np.flatnonzero(shares.max(axis=1) > purity)
    largest = shares[pixels].argmax(axis=1)
    capped = shares.copy()
    capped[pixels, largest] = 0.0
    capped[pixels] *= (1 - purity) / capped[pixels].sum(axis=1, keepdims=True)
    capped[pixels, largest] = purity
    return capped
